// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

std::string range(const std::string& noun, std::size_t first, std::size_t end) {
  if (end - first == 1) return noun + " " + std::to_string(first);
  return noun + "s " + std::to_string(first) + ".." + std::to_string(end - 1);
}

}  // namespace

GroupGrid group_grid(const Format& format, std::size_t rows, std::size_t columns) {
  GroupGrid grid;
  grid.rows = rows;
  grid.columns = columns;
  grid.extent = format.group_extent(columns);
  grid.shared = format.grouping == Grouping::tensor;
  grid.group_rows = grid.shared ? rows : format.group_n;
  return grid;
}

void fail_group(const std::string& name, const GroupGrid& grid, std::size_t block, std::size_t g,
                const std::string& what) {
  if (grid.shared) throw RangeError(name + ": group 0 (the whole tensor): " + what);
  const std::size_t first = grid.first_column(g), before = grid.first_block * grid.group_rows;
  throw RangeError(name + ": group " + std::to_string((grid.first_block + block) * grid.per_row() + g) + " (" +
                   range("row", before + grid.first_row(block), before + grid.end_row(block)) + ", " +
                   range("column", first, first + grid.length(g)) + "): " + what);
}

void require_finite(const Tensor& tensor) {
  const float* values = tensor.values.data();
  const std::size_t count = tensor.values.size();
  if (max_magnitude_bits(values, count) < 0x7F800000) return;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t magnitude = float_bits(values[i]) & 0x7FFFFFFF;
    if (magnitude < 0x7F800000) continue;
    throw InputError(tensor.name + ": " + (magnitude > 0x7F800000 ? "NaN" : "infinity") + " at flat index " +
                     std::to_string(tensor.first_row * tensor.columns() + i));
  }
}

std::vector<float> round_tensor_to_fp16(const Tensor& tensor, const Format& format) {
  const std::size_t count = tensor.values.size();
  std::vector<float> rounded(count);
  for (std::size_t i = 0; i < count; ++i)
    rounded[i] = round_fp16_branchless(tensor.values[i]);
  if (max_magnitude_bits(rounded.data(), count) < 0x7F800000) return rounded;
  for (std::size_t i = 0; i < count; ++i) {
    if ((float_bits(rounded[i]) & 0x7FFFFFFF) < 0x7F800000) continue;
    GroupGrid grid = group_grid(format, tensor.rows(), tensor.columns());
    grid.first_block = tensor.first_row;  // bfp and mant4 have groups of one row
    fail_group(tensor.name, grid, i / grid.columns, i % grid.columns / grid.extent,
               "the value at flat index " + std::to_string(tensor.first_row * grid.columns + i) + " overflows FP16");
  }
  return rounded;
}

}  // namespace nibble
