// SPDX-License-Identifier: Apache-2.0
/// Body of the group kernels, written over a vector type V. Everything is local to the including file, and nothing from
/// the standard library is instantiated here: the AVX2 file must not define a function that others could link to.
#pragma once

#include "pe/group_kernel.h"

namespace nibble {
namespace {

enum class Foot { narrow, wide, nested };

template <class V, int Rows, Foot foot>
inline void rows_by_panel(const GroupBlock& b, std::size_t row, std::size_t panel) {
  constexpr int vectors = static_cast<int>(group_panel_columns) / V::width;
  const std::int16_t* w = b.w + panel * b.groups * b.pairs * 2 * group_panel_columns;
  const float* w_scales = b.w_scales + panel * b.groups * group_panel_columns;
  const std::int16_t* x = b.x + row * b.x_stride;
  float* accumulators = b.accumulators + (row * b.panels + panel) * group_panel_columns;
  float inner[foot == Foot::nested ? Rows : 1][group_panel_columns] = {};
  for (std::size_t g = 0; g < b.groups; ++g) {
    typename V::Int sums[Rows][vectors];
    for (int r = 0; r < Rows; ++r) {
      for (int v = 0; v < vectors; ++v)
        sums[r][v] = V::zero();
    }
    const std::size_t pairs = g + 1 == b.groups ? b.last_pairs : b.pairs;
    const std::int16_t* w_pair = w + g * b.pairs * 2 * group_panel_columns;
    const std::int16_t* x_pair = x + g * b.extent;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      typename V::Pairs weights[vectors];
      for (int v = 0; v < vectors; ++v)
        weights[v] = V::load_pairs(w_pair + 2 * v * V::width);
      for (int r = 0; r < Rows; ++r) {
        const typename V::Pairs activation = V::broadcast_pair(x_pair + static_cast<std::size_t>(r) * b.x_stride);
        for (int v = 0; v < vectors; ++v)
          sums[r][v] = V::add_products(sums[r][v], activation, weights[v]);
      }
      w_pair += 2 * group_panel_columns;
      x_pair += 2;
    }
    const float* sw = w_scales + g * group_panel_columns;
    const bool run_ends = foot == Foot::nested && ((g + 1) % b.nest == 0 || g + 1 == b.groups);
    for (int r = 0; r < Rows; ++r) {
      const float sx = b.x_scales[(row + static_cast<std::size_t>(r)) * b.x_scale_stride + g];
      float* target = accumulators + static_cast<std::size_t>(r) * b.panels * group_panel_columns;
      for (int v = 0; v < vectors; ++v) {
        if constexpr (foot == Foot::nested) {
          V::add_scaled(inner[r] + v * V::width, sums[r][v], sx);
          if (run_ends) V::flush(target + v * V::width, inner[r] + v * V::width, sw + v * V::width);
        } else {
          V::template add_scaled<foot == Foot::wide>(target + v * V::width, sums[r][v], sx, sw + v * V::width);
        }
      }
    }
  }
}

template <class V, Foot foot>
inline void all_rows(const GroupBlock& b) {
  std::size_t row = 0;
  for (; row + V::rows <= b.rows; row += V::rows) {
    for (std::size_t panel = 0; panel < b.panels; ++panel)
      rows_by_panel<V, V::rows, foot>(b, row, panel);
  }
  for (; row < b.rows; ++row) {
    for (std::size_t panel = 0; panel < b.panels; ++panel)
      rows_by_panel<V, 1, foot>(b, row, panel);
  }
}

template <class V>
inline void run_group_kernel(const GroupBlock& block) {
  if (block.nest > 0) {
    all_rows<V, Foot::nested>(block);
  } else if (block.wide) {
    all_rows<V, Foot::wide>(block);
  } else {
    all_rows<V, Foot::narrow>(block);
  }
}

}  // namespace
}  // namespace nibble
