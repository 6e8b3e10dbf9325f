// SPDX-License-Identifier: Apache-2.0
#include "pe/gemm.h"

#include <algorithm>

#include "core/error.h"
#include "formats/rounding.h"

namespace nibble {

void check_formats(const PeUnit& pe, const Format& activations, const Format& weights) {
  if (pe.supports(activations, weights)) return;
  throw InputError("the " + pe.name + " PE does not multiply activations in " + activations.name() +
                   " with weights in " + weights.name() + "; supported: " + pe.supported);
}

bool PeUnit::has_option(const std::string& option) const {
  return std::find(options.begin(), options.end(), option) != options.end();
}

std::size_t mode_index(const PeUnit& pe, const Format& activations, const Format& weights) {
  return pe.mode == nullptr ? 0 : pe.mode(activations, weights);
}

const PeMode& mode_of(const PeUnit& pe, const Format& activations, const Format& weights) {
  return pe.timing().modes.at(mode_index(pe, activations, weights));
}

void check_operands(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights) {
  check_formats(pe, activations.format, weights.format);
  if (activations.columns() == weights.columns()) return;
  throw InputError(activations.name + ": a reduction of " + std::to_string(activations.columns()) + " elements, but " +
                   weights.name + " has " + std::to_string(weights.columns()) + "; expected the same last axis");
}

void gemm(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights,
          std::vector<float>& accumulators, const GemmOptions& options) {
  check_operands(pe, activations, weights);
  const GemmRange whole = whole_gemm(activations, weights);
  accumulators.assign(whole.m * whole.n, 0.0F);
  pe.tile(activations, weights, whole, options, accumulators.data(), whole.n);
}

GemmRange whole_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights) {
  return {0, activations.rows(), 0, activations.columns(), 0, weights.rows()};
}

void gemm_tile(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights,
               const GemmRange& range, float* accumulators, std::size_t stride, const GemmOptions& options) {
  check_operands(pe, activations, weights);
  const std::size_t columns = activations.columns();
  const std::size_t extent = pe.tile_extent(activations.format, weights.format, columns);
  const std::size_t end = range.k0 + range.k;
  const bool inside =
      range.m0 + range.m <= activations.rows() && range.n0 + range.n <= weights.rows() && end <= columns;
  if (!inside || range.k0 % extent != 0 || (end % extent != 0 && end != columns)) {
    throw InternalError("GEMM tile outside the product or across a group of " + std::to_string(extent));
  }
  pe.tile(activations, weights, range, options, accumulators, stride);
}

Fp16Output fp16_output(const std::vector<float>& accumulators) {
  Fp16Output output;
  output.bits.reserve(accumulators.size());
  for (const float value : accumulators) {
    output.bits.push_back(fp16_bits(value));
    output.overflows += (output.bits.back() & 0x7C00) == 0x7C00;
  }
  return output;
}

}  // namespace nibble
