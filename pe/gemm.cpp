// SPDX-License-Identifier: Apache-2.0
#include "pe/gemm.h"

#include "core/error.h"
#include "formats/rounding.h"

namespace nibble {

GemmRange whole_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights) {
  if (activations.columns() != weights.columns()) {
    throw InputError(activations.name + ": a reduction of " + std::to_string(activations.columns()) +
                     " elements, but " + weights.name + " has " + std::to_string(weights.columns()) +
                     "; expected the same last axis");
  }
  return {0, activations.rows(), 0, activations.columns(), 0, weights.rows()};
}

void check_range(const GemmRange& range, const QuantizedTensor& activations, const QuantizedTensor& weights,
                 std::size_t group) {
  const GemmRange whole = whole_gemm(activations, weights);
  const std::size_t end = range.k0 + range.k;
  const bool inside = range.m0 + range.m <= whole.m && range.n0 + range.n <= whole.n && end <= whole.k;
  if (!inside || range.k0 % group != 0 || (end % group != 0 && end != whole.k)) {
    throw InternalError("GEMM range outside the product or across a group of " + std::to_string(group));
  }
}

void refuse_pair(const std::string& pe, const QuantizedTensor& activations, const QuantizedTensor& weights,
                 const std::string& supported) {
  throw InputError(pe + " PE: " + activations.name + " (" + activations.format.name() + ") with " + weights.name +
                   " (" + weights.format.name() + ") is not supported; supported pairs: " + supported);
}

Fp16Output fp16_output(const std::vector<float>& accumulators) {
  Fp16Output output;
  output.bits.reserve(accumulators.size());
  for (const float value : accumulators) {
    output.bits.push_back(fp16_bits(value));
    output.overflows += (output.bits.back() & 0x7FFF) == 0x7C00;
  }
  return output;
}

}  // namespace nibble
