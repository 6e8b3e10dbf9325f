// SPDX-License-Identifier: Apache-2.0
/// Weights of 16 outputs side by side, so that inner loops run over outputs: private to pe/*.cpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace nibble {

inline constexpr std::size_t panel_columns = 16;

/// values[k][16]; columns that do not exist hold zeros.
template <class T>
struct ColumnPanel {
  std::vector<T> values;

  /// value(column, k) for column < columns, k < length.
  template <class Value>
  void load(std::size_t columns, std::size_t length, Value value) {
    values.assign(length * panel_columns, T{});
    for (std::size_t c = 0; c < columns; ++c) {
      for (std::size_t k = 0; k < length; ++k)
        values[k * panel_columns + c] = value(c, k);
    }
  }
  const T* row(std::size_t k) const { return values.data() + k * panel_columns; }
};

/// body(first column, number of columns) for every panel of `n` columns.
template <class Body>
void for_each_panel(std::size_t n, Body body) {
  for (std::size_t c = 0; c < n; c += panel_columns)
    body(c, std::min(panel_columns, n - c));
}

}  // namespace nibble
