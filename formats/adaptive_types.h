// SPDX-License-Identifier: Apache-2.0
/// Grids of the adaptive baselines: ANT (MICRO 2022) and OliVe (ISCA 2023). A code is sign << 3 | index; index 0 is
/// zero. Definitions: docs/formats.md, sections "ant4" and "olive4".
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

/// Stored type bytes, in the order in which an encoder tries them; olive4 has the first two.
enum AdaptiveType : std::uint8_t { adaptive_int4 = 0, adaptive_flint4 = 1, adaptive_pot4 = 2 };

inline constexpr std::size_t ant_type_count = 3;
inline constexpr std::size_t olive_type_count = 2;

inline constexpr const char* adaptive_type_names[ant_type_count] = {"int4", "flint4", "pot4"};

/// Magnitudes of the indices 0..7, in units of the scale.
inline constexpr int adaptive_magnitudes[ant_type_count][8] = {
    {0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 6, 8, 16}, {0, 1, 2, 4, 8, 16, 32, 64}};

/// The code that marks the victim of a pair.
inline constexpr int olive_victim = 8;

/// Magnitudes of an outlier's indices 1..7: (2 + m) * 2^(e + bias), e and m the fields of E2M1, bias 2 for int4 and 3
/// for flint4.
constexpr int olive_outlier_magnitude(std::uint8_t type, unsigned index) {
  return static_cast<int>(2 + (index & 1)) << ((index >> 1) + (type == adaptive_int4 ? 2 : 3));
}

/// The value of a code on the grid. `partner`: the other code of the pair (0 for an element without one).
constexpr int olive_grid_value(std::uint8_t type, int code, int partner) {
  if (code == olive_victim) return 0;
  const unsigned index = static_cast<unsigned>(code & 7);
  const int magnitude =
      partner == olive_victim ? olive_outlier_magnitude(type, index) : adaptive_magnitudes[type][index];
  return (code & 8) != 0 ? -magnitude : magnitude;
}

}  // namespace nibble
