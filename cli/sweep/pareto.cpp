// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/pareto.h"

#include <algorithm>
#include <numeric>

namespace nibble {
namespace {

bool dominates(const std::vector<double>& a, const std::vector<double>& b) {
  bool smaller = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    smaller = smaller || a[i] < b[i];
  }
  return smaller;
}

}  // namespace

std::vector<bool> pareto_front(const std::vector<std::vector<double>>& rows) {
  // In lexicographic order only rows before a row can dominate it, and one on the front does if any does.
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rows[a] < rows[b]; });
  std::vector<bool> on_front(rows.size());
  std::vector<std::size_t> front;
  for (const std::size_t row : order) {
    const bool beaten =
        std::any_of(front.begin(), front.end(), [&](std::size_t other) { return dominates(rows[other], rows[row]); });
    if (beaten) continue;
    on_front[row] = true;
    front.push_back(row);
  }
  return on_front;
}

}  // namespace nibble
