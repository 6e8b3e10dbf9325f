// SPDX-License-Identifier: Apache-2.0
/// Integer helpers and unit factors shared by all folders.
#pragma once

#include <cstdint>

namespace nibble {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;

/// ceil(a / b); b > 0; no overflow for any a.
constexpr std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) {
  return a / b + (a % b != 0 ? 1 : 0);
}
/// The smallest multiple of `step` that is at least `a`.
constexpr std::uint64_t round_up(std::uint64_t a, std::uint64_t step) {
  return ceil_div(a, step) * step;
}
constexpr std::uint64_t round_down(std::uint64_t a, std::uint64_t step) {
  return a / step * step;
}
constexpr bool is_power_of_two(std::uint64_t a) {
  return a != 0 && (a & (a - 1)) == 0;
}

}  // namespace nibble
