// SPDX-License-Identifier: Apache-2.0
/// The bit-serial PE of BitMoD (HPCA 2025): a weight becomes a few terms +/- 2^e; every cycle four FP16 activations,
/// each shifted by a term of its weight, are aligned, added, and accumulated per group. Bit-exact definition:
/// docs/datapaths.md, section "BitMoD".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// Activations of one cycle.
inline constexpr std::size_t bitmod_lanes = 4;

/// sign * 2^exponent, and 2^(2 * index) more for the digits of integers.
struct BitmodTerm {
  std::int8_t sign = 0;       ///< -1, 0, 1
  std::uint8_t exponent = 0;  ///< of floating types 0..4, of digits 0 or 1
};

/// Cycles that four weights of a format take: 2 for floating types, half the bits, rounded up, for integers.
unsigned bitmod_cycles(const Format& weights);
/// Term `index` of a value on the grid of a floating type (at most two bits): the higher bit, then the lower one.
BitmodTerm bitmod_float_term(int value, unsigned index);
/// Digit `index` of an integer of 2..8 bits in radix-4 Booth recoding: -2..2.
BitmodTerm bitmod_digit(int integer, unsigned index);

/// One cycle: f32(sum + D * 2^(V - 28 + significance)). V: the largest of the activations' exponent fields (1 for
/// subnormals) plus terms' exponents, 6 bits; D: the sum, in 17 bits, of the 11-bit significands with three bits more,
/// shifted right by V less their own such sum and cut off, 14 bits. A lane without a term takes part in V.
float bitmod_step(float sum, const float* activations, const BitmodTerm* terms, unsigned lanes, unsigned significance);

/// End of a group: acc + f32(sum * scale).
float bitmod_foot(float accumulator, float sum, float scale);

/// Modes "w8" (4 cycles), "w6" (3), "w4" (2: 3 and 4 bits, and the floating types), "w2" (1).
const PeTiming& bitmod_pe_timing();

/// Pairs: fp16 with bitmod(6|4|3)-g<k>, int<2..8>-g<k>[x<n>] or int<2..8>-(channel|tensor).
const PeUnit& bitmod_unit();

}  // namespace nibble
