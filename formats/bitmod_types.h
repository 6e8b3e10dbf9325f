// SPDX-License-Identifier: Apache-2.0
/// The types of bitmod4 and bitmod3 (BitMoD, HPCA 2025): small floating-point numbers whose negative zero stands for a
/// special value that every group chooses. Definition: docs/formats.md, section "bitmod".
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

/// Stored type bytes, in the order in which an encoder tries them: extra resolution, extra asymmetry.
enum BitmodType : std::uint8_t { bitmod_er_positive = 0, bitmod_er_negative, bitmod_ea_positive, bitmod_ea_negative };

inline constexpr std::size_t bitmod_type_count = 4;
inline constexpr const char* bitmod_type_names[bitmod_type_count] = {"er+", "er-", "ea+", "ea-"};

/// bitmod4 and bitmod3 have types, bitmod6 has integers.
constexpr bool bitmod_has_types(unsigned bits) {
  return bits <= 4;
}

/// Magnitudes of a code's lower bits, in units of the scale: E2M1 times 2, E2M0.
inline constexpr int bitmod_magnitudes4[8] = {0, 1, 2, 3, 4, 6, 8, 12};
inline constexpr int bitmod_magnitudes3[4] = {0, 1, 2, 4};

/// The special value of a type.
constexpr int bitmod_special(unsigned bits, std::uint8_t type) {
  const bool asymmetric = type >= bitmod_ea_positive;
  const int magnitude = bits == 4 ? (asymmetric ? 16 : 10) : (asymmetric ? 6 : 3);
  return (type & 1) != 0 ? -magnitude : magnitude;
}

/// The value of a code (sign << (bits - 1) | index) on the grid of a type; the sign alone is the special value.
constexpr int bitmod_grid_value(unsigned bits, std::uint8_t type, unsigned code) {
  const unsigned sign = 1U << (bits - 1), index = code & (sign - 1);
  if (code == sign) return bitmod_special(bits, type);
  const int magnitude = bits == 4 ? bitmod_magnitudes4[index & 7] : bitmod_magnitudes3[index & 3];
  return (code & sign) != 0 ? -magnitude : magnitude;
}

/// The largest magnitude on the grid of a type; of bitmod6, whatever the type, 31.
constexpr int bitmod_largest(unsigned bits, std::uint8_t type) {
  if (!bitmod_has_types(bits)) return (1 << (bits - 1)) - 1;
  const bool asymmetric = type >= bitmod_ea_positive;
  return bits == 4 ? (asymmetric ? 16 : 12) : (asymmetric ? 6 : 4);
}

/// The integer of a scale's code: the effective scale is c * S, S the FP16 scale of the row.
inline constexpr int bitmod_largest_scale_code = 255;

}  // namespace nibble
