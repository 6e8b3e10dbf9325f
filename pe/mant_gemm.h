// SPDX-License-Identifier: Apache-2.0
/// Whole GEMMs on MANT PEs, equal to the bit to mant_step / mant_group_sum / mant_foot element by element.
#pragma once

#include <vector>

#include "pe/gemm.h"

namespace nibble {

/// Pairs, k up to 256: activations int8-g<k> with weights mant4-g<k> or int8-g<k> of the same k (W8A8), or with
/// int8-channel (the open value window: the channel's scale counts for every group of the activations).
const PeUnit& mant_unit();

/// gemm(mant_unit(), ...).
void mant_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights, std::vector<float>& accumulators);

/// gemm_tile(mant_unit(), ...): continues accumulators[r][c], rows `stride` floats apart.
void mant_gemm_tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
                    float* accumulators, std::size_t stride);

}  // namespace nibble
