// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include "pe/array_datapath.h"
#include "pe/bfp_pe.h"
#include "pe/group_gemm.h"

namespace nibble {

namespace {

bool supports(const Format& a, const Format& w) {
  if (a.family != FormatFamily::bfp || a.bits != 8 || a.group_k > bfp_largest_group) return false;
  if (w.grouping != Grouping::group) return false;
  if (w.family == FormatFamily::bfp) return w.group_k == a.group_k;
  return w.family == FormatFamily::integer && w.bits == 4 && w.group_n == 1 && w.group_k % a.group_k == 0;
}

std::size_t tile_extent(const Format&, const Format& w, std::size_t) {
  return w.group_k;
}

/// 2^(E - 22) or 2^(E - 18): what one unit of a mantissa is worth. [rows][groups], filled in for the groups from
/// `begin` to `end` along k: a machine calls with many small tiles.
std::vector<float> unit_values(const QuantizedTensor& tensor, std::size_t first_row, std::size_t rows,
                               std::size_t begin, std::size_t end) {
  const std::size_t groups = tensor.groups_per_row();
  const int offset = tensor.format.bits == 8 ? 22 : 18;
  std::vector<float> values(rows * groups);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t g = begin; g < end; ++g)
      values[r * groups + g] = std::ldexp(1.0F, tensor.exponents[(first_row + r) * groups + g] - offset);
  }
  return values;
}

// A group's sum has at most 24 bits and the units are powers of two, so f32(sum * f32(u1 * u2)) is the exact value of
// the sum.
void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  const bool int4 = weights.format.family == FormatFamily::integer;
  GroupShape shape;
  shape.columns = activations.columns();
  shape.extent = activations.format.group_k;
  const std::size_t begin = range.k0 / shape.extent, end = (range.k0 + range.k + shape.extent - 1) / shape.extent;
  const std::vector<float> activation_units = unit_values(activations, range.m0, range.m, begin, end);
  std::vector<float> weight_units;
  if (!int4) weight_units = unit_values(weights, range.n0, range.n, begin, end);
  GroupOperand x, w;
  x.codes = activations.codes.data() + range.m0 * shape.columns;
  x.scales = activation_units.data();
  x.scales_per_row = activations.groups_per_row();
  w.codes = weights.codes.data() + range.n0 * shape.columns;
  w.scales_per_row = weights.groups_per_row();
  w.scales = int4 ? weights.scales.data() + range.n0 * w.scales_per_row : weight_units.data();
  shape.nest = int4 ? weights.format.group_k / activations.format.group_k : 0;
  group_gemm(x, w, shape, {0, range.m, range.k0, range.k, 0, range.n}, accumulators, stride);
}

}  // namespace

const PeUnit& bfp_unit() {
  static const PeUnit unit = {
      "bfp",
      "Harmonia: BFP8 activations with INT4 weights or BFP4 / BFP8 keys and values",
      "bfp8-g<k> with int4-g<multiple of k>, bfp8-g<k> with bfp4-g<k>, bfp8-g<k> with bfp8-g<k>; k at most 128",
      supports,
      tile_extent,
      tile,
      bfp_pe_timing,
      [](const Format&, const Format& w) -> std::size_t {
        if (w.family == FormatFamily::integer) return 0;
        return w.bits == 4 ? 1 : 2;
      },
      "bfp8-g32",
      "int4-g128",
      {},
      bfp_datapath};
  return unit;
}

}  // namespace nibble
