// SPDX-License-Identifier: Apache-2.0
/// tender8 and tender4: docs/formats.md, section "tender".
#include <cmath>

#include "formats/family_codec.h"

namespace nibble {
namespace {

/// The largest i below `groups` with maximum <= largest * 2^-i, exactly.
std::uint8_t column_group(float maximum, float largest, unsigned groups) {
  std::uint8_t i = 0;
  // In binary64 every binary32 number times 2^-7 or more is exact.
  while (i + 1U < groups && static_cast<double>(maximum) <= std::ldexp(static_cast<double>(largest), -(i + 1)))
    ++i;
  return i;
}

float group_scale(float scale, std::uint8_t group) {
  return std::ldexp(scale, -static_cast<int>(group));  // an FP16 value times 2^-7 or more: exact
}

}  // namespace

void encode_tender(const Tensor& tensor, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  const auto qmax = static_cast<float>((1 << (out.format.bits - 1)) - 1);
  out.codes.assign(out.size(), 0);
  out.scales.assign(grid.blocks(), 0);
  out.column_groups.assign(grid.blocks() * grid.columns, 0);
  std::vector<float> maxima(grid.columns);
  for (std::size_t block = 0; block < grid.blocks(); ++block) {
    std::fill(maxima.begin(), maxima.end(), 0.0F);
    for (std::size_t row = grid.first_row(block); row < grid.end_row(block); ++row) {
      const float* x = tensor.values.data() + row * grid.columns;
      for (std::size_t c = 0; c < grid.columns; ++c)
        maxima[c] = std::max(maxima[c], std::fabs(x[c]));
    }
    const float largest = *std::max_element(maxima.begin(), maxima.end());
    const float scale = integer_scale(largest, qmax);
    if (!(scale <= 65504)) fail_group(tensor.name, grid, block, 0, "the scale overflows FP16");
    out.scales[block] = scale;
    if (largest == 0) continue;
    std::uint8_t* groups = out.column_groups.data() + block * grid.columns;
    for (std::size_t c = 0; c < grid.columns; ++c)
      groups[c] = column_group(maxima[c], largest, out.format.decomposition);
    for (std::size_t row = grid.first_row(block); row < grid.end_row(block); ++row) {
      for (std::size_t c = 0; c < grid.columns; ++c) {
        const std::size_t i = row * grid.columns + c;
        quantize_run(&tensor.values[i], 1, group_scale(scale, groups[c]), qmax, &out.codes[i]);
      }
    }
  }
}

void decode_tender(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    const std::size_t block = i / grid.columns / grid.group_rows, column = i % grid.columns;
    values[i] = static_cast<float>(tensor.codes[i]) *
                group_scale(tensor.scales[block], tensor.column_groups[block * grid.columns + column]);
  }
}

}  // namespace nibble
