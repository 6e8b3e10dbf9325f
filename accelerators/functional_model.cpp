// SPDX-License-Identifier: Apache-2.0
#include "accelerators/functional_model.h"

#include "accelerators/tile_buffers.h"
#include "formats/quantizer.h"
#include "pe/vector_functions.h"

namespace nibble {

void FunctionalModel::prepare(Host& host, const FunctionalLowering& lowering, Descriptor& command) {
  for (; constants_ < lowering.constants().size(); ++constants_)
    place(host, lowering.constants()[constants_]);
  for (; passes_ < lowering.passes().size(); ++passes_)
    place_tokens(host, lowering.passes()[passes_]);
  const auto known = exponents_.find(command.w.address);
  if (command.opcode == Opcode::gemm && known != exponents_.end()) command.w.exponent = known->second;
}

void FunctionalModel::place_tokens(Host& host, const ModelPass& pass) const {
  std::vector<std::uint8_t> bytes;
  for (std::uint64_t sequence = 0; sequence < scenario_.batch; ++sequence) {
    for (std::uint64_t t = 0; t < pass.tokens; ++t) {
      const std::uint32_t token = weights_.token(sequence, pass.past + t, model_.vocabulary);
      for (unsigned i = 0; i < 4; ++i)
        bytes.push_back(static_cast<std::uint8_t>(token >> (8 * i)));
    }
  }
  host.write_memory(pass.tokens_address, bytes);
}

void FunctionalModel::place(Host& host, const ModelConstant& constant) {
  const OperandDescriptor& operand = constant.operand;
  Tensor tensor;
  if (constant.name == "angles") {
    tensor = {"angles", {operand.rows, operand.columns}, rotary_table(operand.rows, operand.columns, rotary_theta)};
  } else {
    tensor = weights_.tensor(constant.name, constant.layer, operand.rows, operand.columns);
  }
  EncodeOptions options;
  if (constant.weight) options.slot = TensorSlot::offline;
  const QuantizedTensor coded = encode(tensor, operand.format, options);
  exponents_[operand.address] = coded.tensor_exponent;
  host.write_memory(operand.address, pack_operand(operand.layout(0), coded));
}

std::vector<std::vector<float>> FunctionalModel::logits(Host& host, const FunctionalLowering& lowering,
                                                        std::size_t pass) const {
  const OperandDescriptor& place = lowering.passes().at(pass).logits;
  const std::vector<float> values =
      unpack_results(place.layout(0), place.format, host.read_memory(place.address, place.bytes()));
  std::vector<std::vector<float>> rows;
  for (std::size_t r = 0; r < place.rows; ++r) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(r * place.columns);
    rows.emplace_back(first, first + place.columns);
  }
  return rows;
}

LogitError FunctionalModel::error(Host& host, const FunctionalLowering& lowering) const {
  std::vector<std::vector<float>> rows;
  std::vector<std::vector<double>> reference;
  for (std::uint64_t sequence = 0; sequence < scenario_.batch; ++sequence) {
    for (std::size_t pass = 0; pass < lowering.passes().size(); ++pass)
      rows.push_back(logits(host, lowering, pass).at(sequence));
    const auto expected = reference_logits(model_, weights_, sequence, scenario_.prefill - 1,
                                           scenario_.prefill + scenario_.decode, rotary_theta, norm_epsilon);
    reference.insert(reference.end(), expected.begin(), expected.end());
  }
  return logit_error(rows, reference);
}

}  // namespace nibble
