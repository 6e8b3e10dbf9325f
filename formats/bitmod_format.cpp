// SPDX-License-Identifier: Apache-2.0
/// bitmod6, bitmod4 and bitmod3: docs/formats.md, section "bitmod".
#include <array>
#include <cmath>

#include "formats/bitmod_types.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

/// The values of a type in ascending order, with their codes: a value between two belongs to the nearer one, on a tie
/// to the lower.
struct SortedGrid {
  std::size_t count = 0;
  std::array<float, 16> values{};
  std::array<float, 15> boundaries{};
  std::array<std::int16_t, 16> codes{};

  std::size_t index(float y) const {
    std::size_t i = 0;
    for (std::size_t b = 0; b + 1 < count; ++b)
      i += y > boundaries[b] ? 1 : 0;
    return i;
  }
};

SortedGrid sorted_grid(unsigned bits, std::uint8_t type) {
  SortedGrid grid;
  grid.count = std::size_t{1} << bits;
  for (std::size_t code = 0; code < grid.count; ++code) {
    const auto value = static_cast<float>(bitmod_grid_value(bits, type, static_cast<unsigned>(code)));
    std::size_t at = code;
    for (; at > 0 && grid.values[at - 1] > value; --at) {
      grid.values[at] = grid.values[at - 1];
      grid.codes[at] = grid.codes[at - 1];
    }
    grid.values[at] = value;
    grid.codes[at] = static_cast<std::int16_t>(code);
  }
  for (std::size_t i = 0; i + 1 < grid.count; ++i)
    grid.boundaries[i] = 0.5F * (grid.values[i] + grid.values[i + 1]);
  return grid;
}

const SortedGrid& grid_of(unsigned bits, std::uint8_t type) {
  static const auto grids = [] {
    std::array<std::array<SortedGrid, bitmod_type_count>, 2> all;
    for (std::uint8_t t = 0; t < bitmod_type_count; ++t)
      all[0][t] = sorted_grid(3, t), all[1][t] = sorted_grid(4, t);
    return all;
  }();
  return grids[bits - 3][type];
}

float ratio(float x, float scale) {
  return scale > 0 ? x / scale : 0.0F;
}

/// Sum in order of (x - value)^2 under a scale that is not rounded yet.
double type_error(const float* x, std::size_t count, float scale, const SortedGrid& grid) {
  double error = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float value = scale * grid.values[grid.index(ratio(x[i], scale))];
    const double difference = static_cast<double>(x[i]) - static_cast<double>(value);
    error += difference * difference;
  }
  return error;
}

/// The type with the smallest error, the first one on a tie.
std::uint8_t best_type(const float* x, std::size_t count, float amax, unsigned bits) {
  std::uint8_t best = 0;
  double smallest = 0;
  for (std::uint8_t type = 0; type < bitmod_type_count; ++type) {
    const float scale = amax / static_cast<float>(bitmod_largest(bits, type));
    const double error = type_error(x, count, scale, grid_of(bits, type));
    if (type == 0 || error < smallest) {
      best = type;
      smallest = error;
    }
  }
  return best;
}

/// Types of a row's groups into out.types, and amax / gmax of each; 0 for a group of zeros.
std::vector<float> wanted_scales(const float* x, const GroupGrid& grid, std::size_t row, QuantizedTensor& out) {
  std::vector<float> wanted(grid.per_row(), 0.0F);
  for (std::size_t g = 0; g < grid.per_row(); ++g) {
    const float* group = x + grid.first_column(g);
    const float amax = float_from_bits(max_magnitude_bits(group, grid.length(g)));
    if (amax == 0) continue;
    std::uint8_t type = 0;
    if (bitmod_has_types(out.format.bits)) {
      type = best_type(group, grid.length(g), amax, out.format.bits);
      out.types[row * grid.per_row() + g] = type;
    }
    wanted[g] = amax / static_cast<float>(bitmod_largest(out.format.bits, type));
  }
  return wanted;
}

void write_codes(const float* x, std::size_t count, float scale, unsigned bits, std::uint8_t type,
                 std::int16_t* codes) {
  if (!bitmod_has_types(bits)) {
    quantize_run(x, count, scale, static_cast<float>(bitmod_largest(bits, 0)), codes);
    return;
  }
  const SortedGrid& grid = grid_of(bits, type);
  for (std::size_t i = 0; i < count; ++i)
    codes[i] = grid.codes[grid.index(x[i] / scale)];
}

}  // namespace

void encode_bitmod(const Tensor& tensor, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  const unsigned bits = out.format.bits;
  out.codes.assign(out.size(), 0);
  out.scales.assign(grid.count(), 0);
  out.row_scales.assign(grid.rows, 0);
  if (bitmod_has_types(bits)) out.types.assign(grid.count(), 0);
  for (std::size_t row = 0; row < grid.rows; ++row) {
    const float* x = tensor.values.data() + row * grid.columns;
    const std::vector<float> wanted = wanted_scales(x, grid, row, out);
    const auto largest = std::max_element(wanted.begin(), wanted.end());
    const float row_scale = integer_scale(*largest, static_cast<float>(bitmod_largest_scale_code));
    if (row_scale > 65504) {
      fail_group(tensor.name, grid, row, static_cast<std::size_t>(largest - wanted.begin()),
                 "the scale of the row overflows FP16");
    }
    out.row_scales[row] = row_scale;
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      if (wanted[g] == 0 && max_magnitude_bits(x + grid.first_column(g), grid.length(g)) == 0) continue;
      std::int16_t code = 0;
      quantize_run(&wanted[g], 1, row_scale, static_cast<float>(bitmod_largest_scale_code), &code);
      const std::size_t group = row * grid.per_row() + g;
      out.scales[group] = static_cast<float>(std::max<std::int16_t>(code, 1)) * row_scale;
      const std::size_t first = grid.first_column(g);
      write_codes(x + first, grid.length(g), out.scales[group], bits,
                  bitmod_has_types(bits) ? out.types[group] : std::uint8_t{0},
                  out.codes.data() + row * grid.columns + first);
    }
  }
}

void decode_bitmod(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  const unsigned bits = tensor.format.bits;
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t group = row * grid.per_row() + g;
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      for (std::size_t i = first; i < end; ++i) {
        const int code = tensor.codes[i];
        const int value =
            bitmod_has_types(bits) ? bitmod_grid_value(bits, tensor.types[group], static_cast<unsigned>(code)) : code;
        values[i] = static_cast<float>(value) * tensor.scales[group];
      }
    }
  }
}

}  // namespace nibble
