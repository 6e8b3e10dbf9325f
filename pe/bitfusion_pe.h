// SPDX-License-Identifier: Apache-2.0
/// BitFusion's fusion unit (ISCA 2018): sixteen bricks that multiply 2-bit digits, composed to products of integers of
/// 2, 4 or 8 bits. Bit-exact definition: docs/datapaths.md, section "BitFusion".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/integer_foot.h"
#include "pe/pe_timing.h"

namespace nibble {

inline constexpr unsigned bitfusion_bricks = 16;  ///< of a fusion unit

/// The width as which an integer of 2..8 bits is multiplied: 2, 4 or 8.
unsigned bitfusion_width(unsigned bits);

/// Digit i of a two's complement integer of bitfusion_width bits: 0..3, the highest one -2..1.
int bitfusion_digit(int value, unsigned digit, unsigned width);

/// One brick: the product of two digits (-2..3 each), -6..9, five bits and sign.
int bitfusion_brick(int x, int w);

/// The product of two integers from its bricks, each shifted by twice the sum of its digits' places: exact.
std::int32_t bitfusion_product(std::int8_t x, std::int8_t w, unsigned activation_bits, unsigned weight_bits);

/// sum + product; 30 bits after integer_segment elements. The foot is integer_foot.
std::int32_t bitfusion_step(std::int32_t sum, std::int8_t x, std::int8_t w, unsigned activation_bits,
                            unsigned weight_bits);

/// The mode of two operands: "w4a8" for int3 weights with int8 activations.
std::string bitfusion_mode(unsigned activation_bits, unsigned weight_bits);

/// Modes "w<8|4|2>a<8|4|2>": 16 bricks make 1 product of 8 x 8 bits per cycle, 2 of 8 x 4, 4 of 4 x 4 or 8 x 2, 8 of
/// 4 x 2, 16 of 2 x 2.
const PeTiming& bitfusion_pe_timing();

/// Pairs of integers of 2..8 bits each: int<b>-g<k> with int<b>-g<k>[x<n>] of the same k (at most 32768);
/// int<b>-(channel|tensor) with int<b>-(channel|tensor).
const PeUnit& bitfusion_unit();

}  // namespace nibble
