// SPDX-License-Identifier: Apache-2.0
#include "pe/mant_gemm.h"
#include "pe/array_datapath.h"

#include <array>

#include "pe/group_gemm.h"
#include "pe/mant_pe.h"

namespace nibble {

namespace {

bool is_int8(const Format& format) {
  return format.family == FormatFamily::integer && format.bits == 8 && format.group_n == 1;
}

bool supports(const Format& a, const Format& w) {
  if (!is_int8(a) || a.grouping != Grouping::group || a.group_k > mant_largest_group) return false;
  const bool same_groups = w.grouping == Grouping::group && w.group_k == a.group_k;
  if (w.family == FormatFamily::mant4) return same_groups;
  return is_int8(w) && (same_groups || w.grouping == Grouping::channel);
}

std::size_t tile_extent(const Format& a, const Format&, std::size_t) {
  return a.group_k;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  GroupOperand x, w;
  x.codes = activations.codes.data();
  x.scales = activations.scales.data();
  x.scales_per_row = activations.groups_per_row();
  w.codes = weights.codes.data();
  w.scales = weights.scales.data();
  w.scales_per_row = weights.groups_per_row();
  w.one_scale = weights.format.grouping == Grouping::channel;
  std::vector<std::array<std::int16_t, 16>> grids;
  if (weights.format.family == FormatFamily::mant4) {
    grids.resize(256);
    const std::size_t first = range.n0 * w.scales_per_row;
    for (std::size_t i = first; i < first + range.n * w.scales_per_row; ++i) {
      const std::uint8_t type = weights.types[i];
      if (grids[type][1] == 0) grids[type] = mant_grid(type);
    }
    w.types = weights.types.data();
    w.grids = grids.data();
  }
  GroupShape shape;
  shape.columns = activations.columns();
  shape.extent = activations.format.group_k;
  shape.wide = shape.extent > 128;
  group_gemm(x, w, shape, range, accumulators, stride);
}

}  // namespace

const PeUnit& mant_unit() {
  static const PeUnit unit = {
      "mant",
      "M-ANT: INT8 activations with 4-bit MANT or INT4 weights, fused decoding; W8A8 by pairs of PEs",
      "int8-g<k> with mant4-g<k>, int8-g<k> with int8-g<k>, int8-g<k> with int8-channel; k at most 256",
      supports,
      tile_extent,
      tile,
      mant_pe_timing,
      [](const Format&, const Format& w) -> std::size_t { return w.family == FormatFamily::mant4 ? 0 : 1; },
      "int8-g64",
      "mant4-g64",
      {},
      mant_datapath};
  return unit;
}

void mant_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights, std::vector<float>& accumulators) {
  gemm(mant_unit(), activations, weights, accumulators);
}

void mant_gemm_tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
                    float* accumulators, std::size_t stride) {
  gemm_tile(mant_unit(), activations, weights, range, accumulators, stride);
}

}  // namespace nibble
