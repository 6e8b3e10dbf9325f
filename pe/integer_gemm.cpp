// SPDX-License-Identifier: Apache-2.0
#include "pe/integer_gemm.h"

#include <algorithm>

#include "pe/group_gemm.h"

namespace nibble {

std::size_t integer_run(const Format& format, std::size_t columns) {
  return std::min(format.group_extent(columns), integer_segment);
}

IntegerRows integer_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent) {
  const std::size_t columns = tensor.columns(), group = tensor.format.group_extent(columns);
  IntegerRows out;
  out.integers = tensor.codes.data() + first * columns;
  out.runs = (columns + extent - 1) / extent;
  if (tensor.format.grouping == Grouping::group && tensor.format.group_n == 1) {
    out.scales = tensor.scales.data() + first * out.runs;
    return out;
  }
  out.own_scales.reserve(rows * out.runs);
  for (std::size_t r = first; r < first + rows; ++r) {
    const std::size_t first_group = tensor.group_index(r, 0);
    for (std::size_t run = 0; run < out.runs; ++run)
      out.own_scales.push_back(tensor.scales[first_group + run * extent / group]);
  }
  out.scales = out.own_scales.data();
  return out;
}

IntegerRows copied_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent) {
  IntegerRows out = integer_rows(tensor, first, rows, extent);
  out.own_integers.assign(out.integers, out.integers + rows * tensor.columns());
  out.integers = out.own_integers.data();
  return out;
}

void integer_tile(RowDecoder decode, const QuantizedTensor& activations, const QuantizedTensor& weights,
                  const GemmRange& range, float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns(), extent = integer_run(activations.format, columns);
  const IntegerRows x_rows = decode(activations, range.m0, range.m, extent);
  const IntegerRows w_rows = decode(weights, range.n0, range.n, extent);
  GroupOperand x, w;
  x.codes = x_rows.integers;
  x.scales = x_rows.scales;
  x.scales_per_row = x_rows.runs;
  w.codes = w_rows.integers;
  w.scales = w_rows.scales;
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
