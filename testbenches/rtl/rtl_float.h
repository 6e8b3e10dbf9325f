// SPDX-License-Identifier: Apache-2.0
/// Floating-point operands for the RTL: every exponent, subnormals, ties, cancellation, infinities.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/random.h"
#include "formats/rounding.h"

namespace nibble {

/// Bits as the RTL gives them: its one quiet NaN for the host's, whatever sign and payload that has.
inline std::uint32_t rtl_float(float value) {
  return std::isnan(value) ? 0x7FC00000U : float_bits(value);
}

/// A finite binary16: mostly of any exponent, sometimes zero, subnormal, one or the largest.
inline std::uint16_t random_fp16(Random& random) {
  const std::uint64_t bits = random.next();
  const auto sign = static_cast<std::uint16_t>(bits >> 63 << 15);
  switch (bits & 15) {
    case 0:
      return sign;
    case 1:
      return static_cast<std::uint16_t>(sign | (bits >> 8 & 0x3FF));
    case 2:
      return static_cast<std::uint16_t>(sign | 0x3C00);
    case 3:
      return static_cast<std::uint16_t>(sign | 0x7BFF);
    default:
      return static_cast<std::uint16_t>(sign | (bits >> 8) % 0x7C00);
  }
}

/// A binary32 to add to `addend`: of any bits (infinities and NaN among them), `other`, zero, or of an exponent and
/// fraction close to the addend's, of either sign, so that alignment, cancellation and ties occur.
inline std::uint32_t near_addend(Random& random, std::uint32_t addend, std::uint32_t other) {
  const std::uint64_t bits = random.next();
  const auto any = static_cast<std::uint32_t>(bits >> 32);
  switch (bits & 15) {
    case 0:
      return any;
    case 1:
      return (bits >> 4 & 1) != 0 ? other : any & 0x80000000U;
    case 2:
      return addend ^ 0x80000000U;
    case 3:
      return (addend ^ 0x80000000U) + static_cast<std::uint32_t>(bits >> 8 & 7) - 3;
    case 4:
      return (any & 0x80000000U) | 0x7F800000U;
    case 5:
      return (any & 0x80000000U) | (any & 0x007FFFFFU);
    default: {
      const std::uint32_t exponent = (addend >> 23 & 255) + static_cast<std::uint32_t>(bits >> 8 & 63) - 32;
      const std::uint32_t fraction = (bits >> 16 & 3) == 0 ? any & 0x00700000U : any & 0x007FFFFFU;
      return (any & 0x80000000U) | (exponent & 255) << 23 | fraction;
    }
  }
}

}  // namespace nibble
