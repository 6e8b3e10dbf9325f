// SPDX-License-Identifier: Apache-2.0
/// Random and directed cases at the level of a single multiply-accumulate and its foot, against integers and big
/// rational numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace nibble::test {

/// One PE. A case is one step of it (an element, a DP-4, a lane group) and one pass through its foot with operands,
/// running sums and scales drawn at random; every eighth operand is an extreme one.
struct MacCases {
  std::string pe;
  /// Returns how many of `cases` differ from exact arithmetic in any bit.
  std::uint64_t (*mismatches)(Random& random, std::uint64_t cases);
};

const std::vector<MacCases>& mac_cases();

}  // namespace nibble::test
