// SPDX-License-Identifier: Apache-2.0
#include "cli/gemm_operands.h"

#include <utility>

#include "core/error.h"
#include "formats/tensor_file.h"

namespace nibble {
namespace {

constexpr std::int64_t max_extent = std::int64_t{1} << 31;

/// A FORMAT that neither the command line nor the PE's own pair names is asked for.
Format format_or(const std::string& name, const std::string& fallback, const char* option, const PeUnit& pe) {
  if (!name.empty()) return Format::parse(name);
  if (!fallback.empty()) return Format::parse(fallback);
  throw InputError(std::string(option) + " is needed for PE " + pe.name + "; supported: " + pe.supported);
}

Tensor matrix(const std::string& file) {
  Tensor tensor = read_tensor(file);
  if (tensor.shape.size() != 2)
    throw InputError(file + ": has " + std::to_string(tensor.shape.size()) + " axes, a GEMM operand has 2");
  return tensor;
}

void check_extents(const GemmCommandOptions& options) {
  const std::pair<const char*, const std::optional<std::int64_t>&> extents[] = {
      {"--m", options.m}, {"--k", options.k}, {"--n", options.n}};
  for (const auto& [name, value] : extents) {
    if (value && (*value < 1 || *value >= max_extent)) {
      throw InputError(std::string(name) + " must be between 1 and " + std::to_string(max_extent - 1) + ", not " +
                       std::to_string(*value));
    }
  }
}

/// True for `second`. Throws InputError for what is neither, and where the PE has no such choice.
bool chosen(const std::string& option, const std::string& value, const char* first, const char* second,
            const PeUnit& pe) {
  if (!pe.has_option(option)) throw InputError("--" + option + " is not used by PE " + pe.name);
  if (value != first && value != second)
    throw InputError("--" + option + " must be " + first + " or " + second + ", not '" + value + "'");
  return value == second;
}

GemmOptions options_of(const GemmCommandOptions& options, const PeUnit& pe, GemmOptions result) {
  if (!options.accumulate.empty())
    result.accumulate_fp32 = chosen("accumulate", options.accumulate, "fp16", "fp32", pe);
  if (!options.product.empty()) result.product_fp16 = chosen("product", options.product, "exact", "fp16", pe);
  if (!options.aligned_bits) return result;
  if (!pe.has_option("aligned_bits")) throw InputError("--aligned-bits is not used by PE " + pe.name);
  if (*options.aligned_bits < 4 || *options.aligned_bits > 15)
    throw InputError("--aligned-bits must be between 4 and 15, not " + std::to_string(*options.aligned_bits));
  result.aligned_bits = static_cast<unsigned>(*options.aligned_bits);
  return result;
}

void read_tensors(const GemmCommandOptions& options, GemmJob& job) {
  const Tensor activations = matrix(options.activations);
  const Tensor weights = matrix(options.weights);
  if (activations.columns() != weights.columns()) {
    throw InputError(options.weights + ": reduces over " + std::to_string(weights.columns()) + " elements, " +
                     options.activations + " over " + std::to_string(activations.columns()));
  }
  std::optional<Tensor> calibration;
  EncodeOptions activation_options, weight_options;
  activation_options.exponent = options.exponent;
  weight_options.slot = TensorSlot::offline;
  weight_options.select = options.weight_select;
  if (!options.calibration.empty()) {
    calibration = read_tensor(options.calibration);
    weight_options.calibration = &*calibration;
  }
  job.activations = encode(activations, job.activation_format, activation_options);
  job.weights = encode(weights, job.weight_format, weight_options);
  job.m = activations.rows();
  job.k = activations.columns();
  job.n = weights.rows();
}

}  // namespace

std::optional<std::uint64_t> GemmJob::saturated_groups() const {
  const bool amove = activation_format.family == FormatFamily::amove || weight_format.family == FormatFamily::amove;
  if (!functional() || !amove) return std::nullopt;
  return activations->saturated_groups + weights->saturated_groups;
}

void check_gemm_options(const GemmCommandOptions& options) {
  const bool shapes = options.m || options.k || options.n;
  const bool tensors = !options.activations.empty() || !options.weights.empty();
  if (shapes == tensors) throw InputError("give either --m, --k and --n, or --activations and --weights");
  if (shapes && !(options.m && options.k && options.n)) throw InputError("--m, --k and --n are needed together");
  if (tensors && (options.activations.empty() || options.weights.empty()))
    throw InputError("--activations and --weights are needed together");
  check_extents(options);
  if (!options.output.empty() && options.output == options.accumulator)
    throw InputError("--output and --accumulator name the same file, " + options.output);
  if (tensors) return;
  const std::pair<const char*, bool> needs_data[] = {{"--output", !options.output.empty()},
                                                     {"--accumulator", !options.accumulator.empty()},
                                                     {"--weight-select", !options.weight_select.empty()},
                                                     {"--calibration", !options.calibration.empty()},
                                                     {"--exponent", options.exponent.has_value()}};
  for (const auto& [name, given] : needs_data) {
    if (given) throw InputError(std::string(name) + " needs --activations and --weights");
  }
}

GemmJob prepare_gemm(const GemmCommandOptions& options, const PeUnit& pe, const FormatPair& defaults,
                     const GemmOptions& pe_options) {
  GemmJob job;
  job.options = options_of(options, pe, pe_options);
  job.activation_format = format_or(options.activation_format, defaults.activation, "--activation-format", pe);
  job.weight_format = format_or(options.weight_format, defaults.weight, "--weight-format", pe);
  check_formats(pe, job.activation_format, job.weight_format);
  if (options.exponent && job.activation_format.family != FormatFamily::amove)
    throw InputError("--exponent is not used by activations in " + job.activation_format.name());
  if (options.m) {
    job.m = static_cast<std::uint64_t>(*options.m);
    job.k = static_cast<std::uint64_t>(*options.k);
    job.n = static_cast<std::uint64_t>(*options.n);
  } else {
    read_tensors(options, job);
  }
  return job;
}

}  // namespace nibble
