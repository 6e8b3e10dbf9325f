// SPDX-License-Identifier: Apache-2.0
/// A PE for FP16 activations and integer weights that aligns the activations first (after FIGNA, HPCA 2024): the
/// significands of up to 64 elements are shifted to their largest exponent and cut to a few bits, then everything is
/// integer. Bit-exact definition: docs/datapaths.md, section "FP-INT with aligned activations".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// Elements along k that are aligned together, restarting with every scale group: the height of the array that
/// AxCore-sim gives FIGNA (64 x 64).
inline constexpr std::size_t aligned_group = 64;

/// Bits of an aligned magnitude where GemmOptions::aligned_bits is 0. [D] 11 of the significand and three more, so that
/// an element loses nothing within three binades of the largest; the published widths of the narrower variants are 11
/// and 8.
inline constexpr unsigned aligned_default_bits = 14;

/// The exponent field of an FP16 value, 1 for zero and subnormals.
int aligned_exponent(float activation);

/// The signed aligned magnitude: the 11-bit significand, 11 - bits places right (left where negative), then E - e
/// places right; what leaves is cut off. E: the largest exponent of the group; bits: 4..15.
std::int16_t aligned_magnitude(float activation, int largest_exponent, unsigned bits);

/// sum + m * w for an aligned magnitude and an integer of 2..8 bits: 29 bits after 64 elements of 15 bits by 8.
std::int32_t aligned_step(std::int32_t sum, std::int16_t m, std::int8_t w);

/// End of an aligned group: inner + f32(sum * 2^(E - 25 - (bits - 11))).
float aligned_inner(float inner, std::int32_t sum, int largest_exponent, unsigned bits);

/// End of a scale group: acc + f32(inner * sw).
float aligned_foot(float accumulator, float inner, float weight_scale);

/// Modes "w4", "w8", and for the narrow variants "w4m11", "w8m11", "w4m8", "w8m8": one product per PE and cycle.
const PeTiming& fp_int_aligned_pe_timing();

/// Pairs: fp16 with int<2..8>-g<k>[x<n>], k at most 64 or a multiple of it, or int<2..8>-(channel|tensor). Option:
/// aligned_bits.
const PeUnit& fp_int_aligned_unit();

}  // namespace nibble
