// SPDX-License-Identifier: Apache-2.0
#include "pe/integer_gemm.h"

#include <algorithm>

#include "pe/group_gemm.h"

namespace nibble {

std::size_t integer_run(const Format& format, std::size_t columns) {
  return std::min(format.group_extent(columns), integer_segment);
}

IntegerRows integer_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent) {
  const std::size_t columns = tensor.columns();
  const std::size_t group = tensor.format.group_extent(columns);
  IntegerRows out;
  const auto begin = tensor.codes.begin() + static_cast<std::ptrdiff_t>(first * columns);
  out.integers.assign(begin, begin + static_cast<std::ptrdiff_t>(rows * columns));
  out.runs = (columns + extent - 1) / extent;
  out.scales.reserve(rows * out.runs);
  for (std::size_t r = first; r < first + rows; ++r) {
    for (std::size_t run = 0; run < out.runs; ++run)
      out.scales.push_back(tensor.scales[tensor.group_index(r, run * extent / group)]);
  }
  return out;
}

void integer_tile(RowDecoder decode, const QuantizedTensor& activations, const QuantizedTensor& weights,
                  const GemmRange& range, float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns(), extent = integer_run(activations.format, columns);
  const IntegerRows x_rows = decode(activations, range.m0, range.m, extent);
  const IntegerRows w_rows = decode(weights, range.n0, range.n, extent);
  GroupOperand x, w;
  x.codes = x_rows.integers.data();
  x.scales = x_rows.scales.data();
  x.scales_per_row = x_rows.runs;
  w.codes = w_rows.integers.data();
  w.scales = w_rows.scales.data();
  w.scales_per_row = w_rows.runs;
  GroupShape shape;
  shape.columns = columns;
  shape.extent = extent;
  group_gemm(x, w, shape, {0, range.m, range.k0, range.k, 0, range.n}, accumulators, stride);
}

std::size_t integer_tile_extent(const Format& activations, const Format&, std::size_t columns) {
  return integer_run(activations, columns);
}

bool integer_runs_agree(const Format& activations, const Format& weights) {
  if (activations.group_n != 1) return false;
  const bool groups = activations.grouping == Grouping::group;
  if (groups != (weights.grouping == Grouping::group)) return false;
  return !groups || (activations.group_k == weights.group_k && activations.group_k <= integer_segment);
}

}  // namespace nibble
