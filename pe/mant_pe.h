// SPDX-License-Identifier: Apache-2.0
/// The M-ANT PE (HPCA 2025): INT8 activation x 4-bit MANT weight without decoding the weight. Per pass of (at most) 64
/// elements: MAC lane P1 = sum (+/-) x*i (18-bit), SAC lane P2 = sum (+/-) x*2^i (22-bit), at the column foot G = a*P1
/// + P2 (26-bit), v = f32(G * f32(sx*sw)), acc = f32(acc + v). INT4 groups: a = 1, SAC gated. W8A8: two PEs fuse,
/// nibbles of an INT8 weight. A longer group drains the PE every 64 elements and is added up in the foot's 26 bits,
/// hence at most 256 elements. Bit-exact definition: docs/datapaths.md, section "MANT decode-fused MAC".
#pragma once

#include <array>
#include <cstdint>

#include "pe/pe_timing.h"

namespace nibble {

inline constexpr std::uint8_t mant_int4_type = 0xFF;      ///< stored type byte of an INT4 group
inline constexpr std::uint64_t mant_pass_elements = 64;   ///< what P1 and P2 hold
inline constexpr std::uint64_t mant_largest_group = 256;  ///< what G holds

/// Partial sums of one pass in one column.
struct MantSums {
  std::int32_t mac = 0;  ///< P1, fits 18 bits signed
  std::int32_t sac = 0;  ///< P2, fits 22 bits signed
};

/// One PE step. `x`: INT8 activation in -127..127 (-128 is legal on the wire); `code`: sign << 3 | i, 0..15.
/// `int4`: the group is of type INT4, the SAC lane is gated.
MantSums mant_step(MantSums sums, std::int8_t x, std::uint8_t code, bool int4);

/// G of a finished pass; `type`: stored a (0..127), 0xFF for INT4. Fits 26 bits signed.
std::int32_t mant_group_sum(MantSums sums, std::uint8_t type);

/// The signed grid values of the 16 codes of a type, so that sum x*grid[code] equals mant_group_sum of the steps.
/// Throws InternalError for 128..254, which are no types.
std::array<std::int16_t, 16> mant_grid(std::uint8_t type);

/// One fused PE pair step in W8A8 mode: sum + x * w with w split into a signed high and an unsigned low nibble.
std::int32_t mant_step_w8(std::int32_t sum, std::int8_t x, std::int8_t w);

/// The column foot: acc + f32(G * f32(sx * sw)), each operation rounded to binary32. The scales are FP16 values.
float mant_foot(float accumulator, std::int32_t group_sum, float activation_scale, float weight_scale);

/// Group sums and foot for one output over one group of `length` elements (at most 256, else InternalError); equal to
/// the steps above, vectorized. Activation codes as int8, weight codes one per byte.
float mant_accumulate_group(float accumulator, const std::int8_t* x, const std::uint8_t* codes, std::uint64_t length,
                            std::uint8_t type, float activation_scale, float weight_scale);
float mant_accumulate_group_w8(float accumulator, const std::int8_t* x, const std::int8_t* w, std::uint64_t length,
                               float activation_scale, float weight_scale);

/// Modes "w4a8" (one PE, one product per cycle) and "w8a8" (two PEs fused). Foot: a*P1 + P2, scale product, multiply,
/// accumulate.
const PeTiming& mant_pe_timing();

}  // namespace nibble
