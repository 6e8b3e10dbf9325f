// SPDX-License-Identifier: Apache-2.0
/// What the decoders of ANT and OliVe hand to their multiplier: a small integer and a power of two. Bit-exact
/// definition: docs/datapaths.md, section "ANT and OliVe".
#pragma once

#include <cstdint>

#include "pe/register_width.h"

namespace nibble {

/// integer * 2^exponent.
struct ExponentInteger {
  std::int8_t integer = 0;    ///< -8..15: 4 bits, signed or unsigned, hence a 5-bit multiplier input
  std::uint8_t exponent = 0;  ///< 0..6: 3 bits
};

constexpr int value_of(ExponentInteger x) {
  return x.integer * (1 << x.exponent);
}

/// The two nibbles of an INT8 operand, one per 4-bit PE: the signed high one counts 16 times.
constexpr ExponentInteger high_nibble(std::int8_t x) {
  return {static_cast<std::int8_t>((x - (x & 15)) / 16), 4};
}
constexpr ExponentInteger low_nibble(std::int8_t x) {
  return {static_cast<std::int8_t>(x & 15), 0};
}

/// (x.integer * w.integer) << (x.exponent + w.exponent): integers of 5 bits, a product of 9 bits, a shift of 4 bits.
inline std::int32_t exponent_integer_product(ExponentInteger x, ExponentInteger w) {
  check_register(x.integer, 5, "exponent-integer PE: activation");
  check_register(w.integer, 5, "exponent-integer PE: weight");
  const int product = x.integer * w.integer;
  check_register(product, 9, "exponent-integer PE: product");
  const unsigned shift = static_cast<unsigned>(x.exponent) + w.exponent;
  check_register(shift, 5, "exponent-integer PE: shift");
  return product * (std::int32_t{1} << shift);
}

}  // namespace nibble
