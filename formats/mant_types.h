// SPDX-License-Identifier: Apache-2.0
/// The types of mant4 (M-ANT, HPCA 2025): grids +/-(a*i + 2^i) for i = 0..7, and the integers -7..7.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

/// The stored type byte of the INT4 type; every other type is stored as its coefficient a.
inline constexpr std::uint8_t mant_int4 = 0xFF;

/// The types in the order in which an encoder tries them. a = 25 is chosen by variance only and is not among them.
inline constexpr std::size_t mant_type_count = 16;
inline constexpr std::uint8_t mant_types[mant_type_count] = {0,  5,  10, 17, 20,  30,  40,  50,
                                                             60, 70, 80, 90, 100, 110, 120, mant_int4};

/// Magnitude of index i (0..7) on the grid of a type.
constexpr int mant_magnitude(std::uint8_t type, unsigned index) {
  return type == mant_int4 ? static_cast<int>(index) : type * static_cast<int>(index) + (1 << index);
}

/// Value on the grid of a code (sign << 3 | index); INT4 has one zero.
constexpr int mant_grid_value(std::uint8_t type, unsigned code) {
  const int magnitude = mant_magnitude(type, code & 7);
  return (code & 8) != 0 ? -magnitude : magnitude;
}

/// The boundary between indices i and i + 1, in units of the grid: a value on it belongs to index i.
constexpr float mant_boundary(std::uint8_t type, unsigned index) {
  return 0.5F * static_cast<float>(mant_magnitude(type, index) + mant_magnitude(type, index + 1));
}

}  // namespace nibble
