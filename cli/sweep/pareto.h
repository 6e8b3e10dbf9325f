// SPDX-License-Identifier: Apache-2.0
/// Pareto fronts.
#pragma once

#include <cstddef>
#include <vector>

namespace nibble {

/// Which rows no other row dominates: none is at most as large in every column and smaller in one. Equal rows stand or
/// fall together. All rows have the same number of columns, all values are finite.
std::vector<bool> pareto_front(const std::vector<std::vector<double>>& rows);

}  // namespace nibble
