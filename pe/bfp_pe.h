// SPDX-License-Identifier: Apache-2.0
/// The reconfigurable block-floating-point PE of Harmonia: 32 lanes of unsigned 8 x 4 bits with XOR sign, an adder
/// tree, a 24-bit group sum and a binary32 accumulator. Bit-exact definition: docs/datapaths.md, section
/// "Reconfigurable BFP PE".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// Second operand of a BFP8 activation: INT4 (sign and magnitude), BFP4, or BFP8 in two nibbles over two lanes.
enum class BfpMode { m8w4, m8m4, m8m8 };

inline constexpr std::uint64_t bfp_largest_group = 128;  ///< elements that the 24-bit sum holds in every mode

/// Products per cycle: 32, 32, 16.
unsigned bfp_products(BfpMode mode);

/// One lane: magnitude (0..255) times nibble (0..15), negated where the signs differ. 12 bits and sign.
std::int32_t bfp_lane(std::uint8_t magnitude, std::uint8_t nibble, bool negative);

/// One cycle: up to bfp_products(mode) products of signed mantissas (|a| <= 255; |b| <= 7 for m8w4, 15 for m8m4, 255
/// for m8m8) through lanes and tree into the group sum (24 bits; after 32 products 17, 18, 22 bits).
std::int32_t bfp_step(std::int32_t sum, const std::int16_t* a, const std::int16_t* b, unsigned products, BfpMode mode);

/// M8W4: inner + f32(sum * 2^(E - 22)), E the activation's shared exponent (1..30).
float bfp_inner(float inner, std::int32_t sum, int exponent);
/// M8W4, end of a weight group: acc + f32(inner * sw).
float bfp_weight_foot(float accumulator, float inner, float weight_scale);
/// M8M4 and M8M8: acc + f32(sum * 2^(E1 + E2 - 40)), for M8M8 - 44.
float bfp_foot(float accumulator, std::int32_t sum, int first_exponent, int second_exponent, BfpMode mode);

/// Modes "m8w4", "m8m4", "m8m8": multiply, tree (two stages), scale, accumulate (the inner sum of M8W4). Foot: the
/// weight scale, the accumulator; groups of the other modes pass through it.
const PeTiming& bfp_pe_timing();

/// Pairs, k up to 128: activations bfp8-g<k> with weights int4-g<multiple of k>, bfp4-g<k> or bfp8-g<k>.
const PeUnit& bfp_unit();

}  // namespace nibble
