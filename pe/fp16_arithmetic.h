// SPDX-License-Identifier: Apache-2.0
/// binary16 rounding for inner loops: branch-free, so that compilers vectorize it. Equal to round_fp16 of
/// formats/rounding.h.
#pragma once

#include <cstdint>

#include "formats/rounding.h"

namespace nibble {

/// The nearest binary16 value (ties to even, subnormals, infinity beyond 65504) of a binary32 value, as binary32. NaN
/// becomes the quiet NaN 0x7FC00000, whatever its sign was.
inline float nearest_fp16(float x) {
  const std::uint32_t bits = float_bits(x);
  const std::uint32_t sign = bits & 0x80000000U;
  const std::uint32_t magnitude = bits ^ sign;
  // 1.5 * 2^(e + 13) added to |x| < 2^(e + 1) leaves multiples of 2^(e - 10), the spacing of binary16 at exponent e >=
  // -14.
  const std::uint32_t exponent = magnitude & 0x7F800000U;
  const std::uint32_t at_least = exponent < 0x38800000U ? 0x38800000U : exponent;
  const std::uint32_t at_most = at_least > 0x50000000U ? 0x50000000U : at_least;
  const float magic = float_from_bits(at_most + 0x06C00000U);
  const float rounded = (float_from_bits(magnitude) + magic) - magic;
  std::uint32_t result = float_bits(rounded);
  result = result > 0x477FE000U ? 0x7F800000U : result;  // above 65504
  result |= sign;
  return float_from_bits(magnitude > 0x7F800000U ? 0x7FC00000U : result);
}

/// One NaN for every invalid operation: the processors disagree about its sign.
inline float quiet_nan(float x) {
  return x != x ? float_from_bits(0x7FC00000U) : x;
}

}  // namespace nibble
