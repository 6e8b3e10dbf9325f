// SPDX-License-Identifier: Apache-2.0
#include "pe/mant_gemm.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "pe/group_gemm.h"
#include "pe/mant_pe.h"

namespace nibble {

namespace {

bool is_int8(const Format& format) {
  return format.family == FormatFamily::integer && format.bits == 8 && format.group_n == 1;
}

}  // namespace

void check_mant_operands(const QuantizedTensor& activations, const QuantizedTensor& weights) {
  const Format& a = activations.format;
  const Format& w = weights.format;
  const bool grouped = is_int8(a) && a.grouping == Grouping::group && a.group_k <= mant_largest_group;
  const bool same = w.grouping == Grouping::group && w.group_k == a.group_k;
  const bool mant = w.family == FormatFamily::mant4 && same;
  const bool int8 = is_int8(w) && (same || w.grouping == Grouping::channel);
  if (!grouped || !(mant || int8)) {
    refuse_pair("mant", activations, weights,
                "int8-g<k> with mant4-g<k>, int8-g<k> with int8-g<k>, int8-g<k> with int8-channel; k at most 256");
  }
  whole_gemm(activations, weights);
}

void mant_gemm_tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
                    float* accumulators, std::size_t stride) {
  check_mant_operands(activations, weights);
  const std::size_t extent = activations.format.group_k;
  check_range(range, activations, weights, extent);
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
    for (const std::uint8_t type : weights.types) {
      if (grids[type][1] == 0) grids[type] = mant_grid(type);
    }
    w.types = weights.types.data();
    w.grids = grids.data();
  }
  group_gemm(x, w, {activations.columns(), extent, extent > 128}, range, accumulators, stride);
}

void mant_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights, std::vector<float>& accumulators) {
  check_mant_operands(activations, weights);
  const GemmRange whole = whole_gemm(activations, weights);
  accumulators.assign(whole.m * whole.n, 0.0F);
  mant_gemm_tile(activations, weights, whole, accumulators.data(), whole.n);
}

}  // namespace nibble
