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
  const PieceOrigin& origin = grid.origin;
  const std::size_t columns = origin.columns == 0 ? grid.columns : origin.columns;
  const std::size_t per_row = (columns + grid.extent - 1) / grid.extent;
  const std::size_t group = (origin.row / grid.group_rows + block) * per_row + origin.column / grid.extent + g;
  const std::size_t first = origin.column + grid.first_column(g);
  throw RangeError(name + ": group " + std::to_string(group) + " (" +
                   range("row", origin.row + grid.first_row(block), origin.row + grid.end_row(block)) + ", " +
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
                     std::to_string(tensor.flat_index(i)));
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
    grid.origin = tensor.origin;
    fail_group(tensor.name, grid, i / grid.columns, i % grid.columns / grid.extent,
               "the value at flat index " + std::to_string(tensor.flat_index(i)) + " overflows FP16");
  }
  return rounded;
}

}  // namespace nibble
