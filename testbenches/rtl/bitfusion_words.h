// SPDX-License-Identifier: Apache-2.0
/// Words of BitFusion's units as their pins carry them: widths as codes 0, 1, 2 of 2, 4 and 8 bits.
#pragma once

#include "pe/bitfusion_pe.h"
#include "rtl_bench.h"

namespace nibble {

inline constexpr unsigned bitfusion_sum_bits = 31;

/// Bits of an operand of a width code.
inline unsigned bitfusion_bits(std::uint32_t width) {
  return 2U << width;
}

/// A word with all elements at an end, or a random one.
inline std::uint32_t bitfusion_word(Random& random, std::uint32_t width, bool extreme) {
  if (!extreme) return static_cast<std::uint32_t>(random.next());
  const unsigned bits = bitfusion_bits(width);
  std::uint32_t all = 0;
  for (unsigned at = 0; at < 32; at += bits)
    all |= (random.below(8) == 0 ? (1U << (bits - 1)) - 1 : 1U << (bits - 1)) << at;
  return all;
}

/// The sum after the products of one step.
inline std::int32_t bitfusion_words_step(std::int32_t above, std::uint32_t x, std::uint32_t w, std::uint32_t a_width,
                                         std::uint32_t w_width) {
  const unsigned a = bitfusion_bits(a_width), b = bitfusion_bits(w_width);
  const unsigned products = bitfusion_bricks / (a / 2 * (b / 2));
  for (unsigned p = 0; p < products; ++p) {
    above = bitfusion_step(above, static_cast<std::int8_t>(sign_extended(x >> (p * a), a)),
                           static_cast<std::int8_t>(sign_extended(w >> (p * b), b)), a, b);
  }
  return above;
}

}  // namespace nibble
