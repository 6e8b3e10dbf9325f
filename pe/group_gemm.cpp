// SPDX-License-Identifier: Apache-2.0
#include "pe/group_gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace nibble {

namespace {

constexpr std::size_t block_panels = 4;      ///< 64 columns share one walk over the activations
constexpr std::size_t block_elements = 512;  ///< of k: 64 columns of packed weights take 64 KiB

/// Weights of up to 64 columns over some groups, in the kernel's layout. Columns and elements that do not exist are
/// zero.
struct PackedColumns {
  std::vector<std::int16_t> codes;
  std::vector<float> scales;
};

struct Packer {
  const GroupOperand& w;
  const GroupShape& shape;
  std::size_t first_column, columns;  ///< of W's rows
  std::size_t first_group, groups;
  std::size_t pairs;

  void pack(PackedColumns& packed) const {
    const std::size_t panels = (columns + group_panel_columns - 1) / group_panel_columns;
    packed.codes.assign(panels * groups * pairs * 2 * group_panel_columns, 0);
    packed.scales.assign(panels * groups * group_panel_columns, 0.0F);
    for (std::size_t c = 0; c < columns; ++c) {
      for (std::size_t g = 0; g < groups; ++g)
        pack_group(packed, c, g);
    }
  }

  void pack_group(PackedColumns& packed, std::size_t c, std::size_t g) const {
    const std::size_t row = first_column + c, group = first_group + g;
    const std::size_t begin = group * shape.extent;
    const std::size_t length = std::min(shape.extent, shape.columns - begin);
    const std::int16_t* source = w.codes + row * shape.columns + begin;
    const std::size_t slot = (c / group_panel_columns * groups + g), lane = c % group_panel_columns;
    std::int16_t* target = packed.codes.data() + (slot * pairs * group_panel_columns + lane) * 2;
    const std::size_t scale = shape.nest > 0 ? group / shape.nest : group;
    const std::size_t index = row * w.scales_per_row + (w.one_scale ? 0 : scale);
    packed.scales[slot * group_panel_columns + lane] = w.scales[index];
    if (w.types != nullptr) {
      const std::array<std::int16_t, 16>& grid = w.grids[w.types[index]];
      fill(target, length, [&](std::size_t k) { return grid[static_cast<std::size_t>(source[k]) & 15]; });
    } else {
      fill(target, length, [&](std::size_t k) { return source[k]; });
    }
  }

  template <class Value>
  static void fill(std::int16_t* target, std::size_t length, Value value) {
    std::size_t k = 0;
    for (; k + 1 < length; k += 2, target += 2 * group_panel_columns) {
      target[0] = value(k);
      target[1] = value(k + 1);
    }
    if (k < length) target[0] = value(k);
  }
};

/// The rows of A in the range. A copy with one more column when the kernel's last pair would read behind a row.
struct ActivationRows {
  const std::int16_t* codes;
  std::size_t stride;
  std::vector<std::int16_t> copy;

  ActivationRows(const GroupOperand& x, const GroupShape& shape, const GemmRange& range)
      : codes(x.codes + range.m0 * shape.columns), stride(shape.columns) {
    if (shape.columns % shape.extent % 2 == 0 && (shape.columns % shape.extent != 0 || shape.extent % 2 == 0)) return;
    stride = shape.columns + 1;
    copy.assign(range.m * stride, 0);
    for (std::size_t r = 0; r < range.m; ++r) {
      std::copy_n(codes + r * shape.columns, shape.columns, copy.data() + r * stride);
    }
    codes = copy.data();
  }
};

}  // namespace

void group_gemm(const GroupOperand& x, const GroupOperand& w, const GroupShape& shape, const GemmRange& range,
                float* accumulators, std::size_t stride, GroupKernel kernel) {
  const ActivationRows rows(x, shape, range);
  const std::size_t pairs = (shape.extent + 1) / 2;
  const std::size_t first_group = range.k0 / shape.extent;
  const std::size_t end_group = (range.k0 + range.k + shape.extent - 1) / shape.extent;
  std::size_t groups_per_block = std::max<std::size_t>(1, block_elements / shape.extent);
  if (shape.nest > 0) groups_per_block = std::max<std::size_t>(1, groups_per_block / shape.nest) * shape.nest;
  PackedColumns packed;
  std::vector<float> sums;
  for (std::size_t n = 0; n < range.n; n += block_panels * group_panel_columns) {
    const std::size_t columns = std::min(block_panels * group_panel_columns, range.n - n);
    const std::size_t panels = (columns + group_panel_columns - 1) / group_panel_columns;
    const std::size_t width = panels * group_panel_columns;
    sums.assign(range.m * width, 0.0F);
    for (std::size_t r = 0; r < range.m; ++r)
      std::copy_n(accumulators + r * stride + n, columns, sums.data() + r * width);
    for (std::size_t g = first_group; g < end_group; g += groups_per_block) {
      const std::size_t groups = std::min(groups_per_block, end_group - g);
      Packer{w, shape, range.n0 + n, columns, g, groups, pairs}.pack(packed);
      GroupBlock block;
      block.x = rows.codes + g * shape.extent;
      block.x_stride = rows.stride;
      block.x_scales = x.scales + range.m0 * x.scales_per_row + g;
      block.x_scale_stride = x.scales_per_row;
      block.w = packed.codes.data();
      block.w_scales = packed.scales.data();
      block.accumulators = sums.data();
      block.rows = range.m;
      block.panels = panels;
      block.groups = groups;
      block.extent = shape.extent;
      block.pairs = pairs;
      const std::size_t last = std::min(shape.extent, shape.columns - (g + groups - 1) * shape.extent);
      block.last_pairs = (last + 1) / 2;
      block.nest = shape.nest;
      block.wide = shape.wide;
      kernel(block);
    }
    for (std::size_t r = 0; r < range.m; ++r)
      std::copy_n(sums.data() + r * width, columns, accumulators + r * stride + n);
  }
}

}  // namespace nibble
