// SPDX-License-Identifier: Apache-2.0
/// A whole GEMM on MANT PEs, equal to the bit to mant_step / mant_group_sum / mant_foot element by element.
#pragma once

#include <vector>

#include "pe/gemm.h"

namespace nibble {

/// Supported pairs, k up to 256: activations int8-g<k> with weights mant4-g<k> or int8-g<k> of the same k (W8A8), or
/// with int8-channel (the open value window: the channel's scale counts for every group of the activations). Throws
/// InputError that lists them for any other pair, and for unequal reductions.
void check_mant_operands(const QuantizedTensor& activations, const QuantizedTensor& weights);

/// accumulators[M][N] before the last rounding. The output: fp16_output(accumulators).
void mant_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights, std::vector<float>& accumulators);

/// One tile: continues the sums in accumulators[r][c], r < range.m, c < range.n, rows `stride` floats apart. Tiles in
/// ascending k give the bits of the whole. range.k0 and the end are multiples of the group, or the end of the
/// reduction.
void mant_gemm_tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
                    float* accumulators, std::size_t stride);

}  // namespace nibble
