// SPDX-License-Identifier: Apache-2.0
/// The ANT PE (MICRO 2022): 4-bit integers, powers of two and flints are decoded to an integer and an exponent;
/// integers are multiplied, exponents added, the shifted product accumulated as an integer. INT8 layers take two or
/// four PEs. Bit-exact definition: docs/datapaths.md, section "ANT and OliVe".
#pragma once

#include <cstdint>

#include "pe/exponent_integer.h"
#include "pe/gemm.h"
#include "pe/integer_foot.h"
#include "pe/pe_timing.h"

namespace nibble {

/// The decoder: an ant4 code (sign << 3 | index) of a group's type (formats/adaptive_types.h).
ExponentInteger ant_decode(std::uint8_t type, std::uint8_t code);

/// sum + the product of the two; 32 bits hold integer_segment elements of every pair. The foot is integer_foot.
std::int32_t ant_step(std::int32_t sum, ExponentInteger x, ExponentInteger w);

/// An INT8 operand on two or four PEs: the sum over its nibbles.
std::int32_t ant_step_a8(std::int32_t sum, std::int8_t x, ExponentInteger w);
std::int32_t ant_step_w8a8(std::int32_t sum, std::int8_t x, std::int8_t w);

/// Modes "w4a4" (one PE), "w4a8" and "w8a4" (two PEs fused), "w8a8" (four).
const PeTiming& ant_pe_timing();

/// Pairs of ant4-(channel|tensor) or int8-(channel|tensor), in any mix.
const PeUnit& ant_unit();

}  // namespace nibble
