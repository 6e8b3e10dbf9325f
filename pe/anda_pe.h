// SPDX-License-Identifier: Apache-2.0
/// The bit-serial PE of Anda (HPCA 2025): 64 lanes add and subtract integer weights, one bit plane of the activations'
/// mantissas per cycle, so that a group takes as many cycles as its mantissas have bits. Beside them an FP16
/// multiply-accumulate unit for attention. Bit-exact definition: docs/datapaths.md, section "Anda".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// Elements of a group that a PE takes side by side: Anda's group.
inline constexpr std::size_t anda_lanes = 64;

/// Mantissa lengths that the format has and the PE has modes for.
inline constexpr unsigned anda_shortest = 4, anda_longest = 15;

/// Cycles in which the FP16 unit takes anda_lanes products: the published machines of full precision take 16 where
/// FIGNA-M11 takes 11 (speedup 1.45) and FIGNA-M8 takes 8 (2.00).
inline constexpr unsigned anda_fp16_cycles = 16;

/// One cycle: 2 * sum + the sum of +/- w over the lanes whose bit in `plane` is set, minus where the bit in `signs` is.
/// |w| <= 8. 11 bits per plane, 25 bits after 15 planes.
std::int32_t anda_plane(std::int32_t sum, std::uint64_t plane, std::uint64_t signs, const std::int8_t* w,
                        unsigned lanes);

/// End of a group: acc + f32(fp16(sum * 2^(E - 14 - bits)) * sw); `bits` of a mantissa, E the shared exponent.
float anda_foot(float accumulator, std::int32_t sum, int exponent, unsigned bits, float weight_scale);

/// Modes "m4" ... "m15" by the length of the mantissas, and "fp16".
const PeTiming& anda_pe_timing();

/// Pairs: anda<m>-g<k>, k at most 64, with int<2..4>-g<multiple of k>[x<n>] or int<2..4>-(channel|tensor); fp16 with
/// fp16.
const PeUnit& anda_unit();

}  // namespace nibble
