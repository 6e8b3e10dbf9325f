// SPDX-License-Identifier: Apache-2.0
#include "cli/compare/operand_error.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.h"
#include "formats/amove.h"
#include "formats/error_figures.h"
#include "formats/quantizer.h"

namespace nibble {
namespace {

constexpr std::int64_t most_rows = 4096, most_columns = 1 << 16;

SyntheticTensor tensor_from(ConfigNode node) {
  SyntheticTensor tensor;
  tensor.distribution = distribution_from_name(
      node.choice("distribution", {"gaussian", "laplace", "outlier_channels", "massive_outliers"}));
  tensor.rows = static_cast<std::size_t>(node.integer("rows", 1, most_rows));
  tensor.columns = static_cast<std::size_t>(node.integer("columns", 1, most_columns));
  tensor.deviation = node.number("deviation", 1e-30, 1e30, 1.0);
  tensor.outliers = static_cast<std::size_t>(node.integer("outliers", 0, 1 << 16, 0));
  tensor.gain = node.number("gain", 1, 1e6, 1.0);
  tensor.seed = static_cast<std::uint64_t>(node.integer("seed", 0, std::int64_t{1} << 40, 1));
  try {
    tensor.check();
  } catch (const InputError& error) {
    node.fail("", error.what());
  }
  node.reject_unknown();
  return tensor;
}

/// Values of one row that sum to 1.
void make_probabilities(Tensor& tensor) {
  const std::size_t columns = tensor.columns();
  for (std::size_t row = 0; row < tensor.rows(); ++row) {
    double sum = 0;
    for (std::size_t i = row * columns; i < (row + 1) * columns; ++i) {
      tensor.values[i] = std::fabs(tensor.values[i]);
      sum += static_cast<double>(tensor.values[i]);
    }
    for (std::size_t i = row * columns; i < (row + 1) * columns; ++i)
      tensor.values[i] = static_cast<float>(static_cast<double>(tensor.values[i]) / sum);
  }
}

struct Operand {
  Tensor exact, quantized;
};

Operand operand(const SyntheticTensor& request, const Format& format, TensorSlot slot, bool probabilities = false) {
  Operand out;
  out.exact = make_synthetic(request);
  if (probabilities) make_probabilities(out.exact);
  EncodeOptions options;
  options.slot = slot;
  // Probabilities are not above 1, which a machine knows before it has seen them.
  if (probabilities && format.family == FormatFamily::amove) options.exponent = amove_exponent(1.0F, format.bits);
  out.quantized = decode(encode(out.exact, format, options));
  return out;
}

/// Of the product of the quantized operands against that of the exact ones, in binary64.
double product_error(const Operand& a, const Operand& w) {
  const std::size_t columns = a.exact.columns();
  double errors = 0, results = 0;
  for (std::size_t i = 0; i < a.exact.rows(); ++i) {
    for (std::size_t j = 0; j < w.exact.rows(); ++j) {
      double exact = 0, quantized = 0;
      for (std::size_t l = 0; l < columns; ++l) {
        exact +=
            static_cast<double>(a.exact.values[i * columns + l]) * static_cast<double>(w.exact.values[j * columns + l]);
        quantized += static_cast<double>(a.quantized.values[i * columns + l]) *
                     static_cast<double>(w.quantized.values[j * columns + l]);
      }
      errors += (quantized - exact) * (quantized - exact);
      results += exact * exact;
    }
  }
  return results > 0 ? std::sqrt(errors / results) : 0;
}

std::optional<double> noise_db(const Operand& operand) {
  return error_figures(operand.exact, operand.quantized).sqnr_db;
}

}  // namespace

OperandTensors OperandTensors::from(ConfigNode node) {
  OperandTensors tensors;
  for (const auto& [key, tensor] : {std::pair<const char*, SyntheticTensor*>{"weight", &tensors.weight},
                                    {"activation", &tensors.activation},
                                    {"query", &tensors.query},
                                    {"key", &tensors.key},
                                    {"probability", &tensors.probability},
                                    {"value", &tensors.value}})
    *tensor = tensor_from(node.child(key));
  for (const auto& [key, one, other] : {std::tuple<const char*, std::size_t, std::size_t>{
                                            "activation", tensors.activation.columns, tensors.weight.columns},
                                        {"query", tensors.query.columns, tensors.key.columns},
                                        {"probability", tensors.probability.columns, tensors.value.columns}}) {
    if (one != other) node.fail(key, "has other columns than what it is multiplied with");
  }
  node.reject_unknown();
  return tensors;
}

double OperandErrors::worst() const {
  return std::max({linear, scores, context});
}

OperandErrors operand_errors(const MachineConfig& machine, const OperandTensors& tensors) {
  const FormatsConfig& formats = machine.formats;
  const bool demotes = machine.kv_cache.policy == KvPolicy::harmonia;
  const Format& key_format = demotes ? machine.kv_cache.demoted : formats.key;
  const Format& value_format = demotes ? machine.kv_cache.demoted : formats.value;
  const Operand weight = operand(tensors.weight, formats.weight, TensorSlot::offline);
  const Operand activation = operand(tensors.activation, formats.activation, TensorSlot::online);
  const Operand query = operand(tensors.query, formats.query, TensorSlot::online);
  const Operand key = operand(tensors.key, key_format, TensorSlot::online);
  const Operand probability = operand(tensors.probability, formats.probability, TensorSlot::online, true);
  const Operand value = operand(tensors.value, value_format, TensorSlot::online);
  OperandErrors errors;
  errors.weight_db = noise_db(weight);
  errors.activation_db = noise_db(activation);
  errors.key_db = noise_db(key);
  errors.value_db = noise_db(value);
  errors.linear = product_error(activation, weight);
  errors.scores = product_error(query, key);
  errors.context = product_error(probability, value);
  return errors;
}

}  // namespace nibble
