// SPDX-License-Identifier: Apache-2.0
#include "pe/anda_pe.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "formats/bfp.h"
#include "pe/array_datapath.h"
#include "pe/column_panels.h"
#include "pe/fp16_arithmetic.h"
#include "pe/fp16_pe.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

bool supports(const Format& a, const Format& w) {
  if (a.family == FormatFamily::fp16) return w.family == FormatFamily::fp16;
  if (a.family != FormatFamily::anda || a.group_k > anda_lanes) return false;
  if (w.family != FormatFamily::integer || w.bits > 4) return false;
  return w.grouping != Grouping::group || w.group_k % a.group_k == 0;
}

std::size_t tile_extent(const Format& a, const Format& w, std::size_t columns) {
  return a.family == FormatFamily::fp16 ? fp16_unit().tile_extent(a, w, columns) : a.group_k;
}

/// What the foot makes of a group's sum; branch-free.
float scaled_group(float accumulator, float sum, float unit, float weight_scale) {
  return quiet_nan(accumulator + nearest_fp16(sum * unit) * weight_scale);
}

float unit_value(int exponent, unsigned bits) {
  return std::ldexp(1.0F, exponent - bfp_exponent_offset(bits));
}

/// sums[c] = sum of x * w over a group; both below 2^15 and 8, so that 32 bits hold 64 of them.
void group_sums(const std::int16_t* x, std::size_t length, const ColumnPanel<std::int16_t>& w, std::size_t first,
                std::int32_t* sums) {
  std::fill_n(sums, panel_columns, 0);
  for (std::size_t k = 0; k < length; ++k) {
    const std::int16_t* row = w.row(first + k);
    for (std::size_t c = 0; c < panel_columns; ++c)
      sums[c] += x[k] * row[c];
  }
}

void bit_serial(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
                float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns(), extent = activations.format.group_k;
  const std::size_t weight_extent = weights.format.group_extent(columns);
  ColumnPanel<std::int16_t> panel;
  for_each_panel(range.n, [&](std::size_t n, std::size_t width) {
    panel.load(width, range.k, [&](std::size_t c, std::size_t k) {
      return weights.codes[(range.n0 + n + c) * columns + range.k0 + k];
    });
    for (std::size_t begin = 0; begin < range.k; begin += extent) {
      const std::size_t k = range.k0 + begin, length = std::min(extent, range.k - begin);
      float scales[panel_columns] = {};
      for (std::size_t c = 0; c < width; ++c)
        scales[c] = weights.scales[weights.group_index(range.n0 + n + c, k / weight_extent)];
      for (std::size_t m = 0; m < range.m; ++m) {
        const std::size_t row = range.m0 + m;
        std::int32_t sums[panel_columns];
        group_sums(&activations.codes[row * columns + k], length, panel, begin, sums);
        const float unit =
            unit_value(activations.exponents[activations.group_index(row, k / extent)], activations.format.bits);
        float* target = accumulators + m * stride + n;
        for (std::size_t c = 0; c < width; ++c)
          target[c] = scaled_group(target[c], static_cast<float>(sums[c]), unit, scales[c]);
      }
    }
  });
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions& options, float* accumulators, std::size_t stride) {
  if (activations.format.family == FormatFamily::fp16) {
    fp16_unit().tile(activations, weights, range, options, accumulators, stride);
  } else {
    bit_serial(activations, weights, range, accumulators, stride);
  }
}

}  // namespace

std::int32_t anda_plane(std::int32_t sum, std::uint64_t plane, std::uint64_t signs, const std::int8_t* w,
                        unsigned lanes) {
  std::int32_t selected = 0;
  for (unsigned i = 0; i < lanes; ++i) {
    check_register(w[i], 4, "anda PE: weight");
    if ((plane >> i & 1U) == 0) continue;
    selected += (signs >> i & 1U) != 0 ? -w[i] : w[i];
  }
  check_register(selected, 11, "anda PE: plane");
  sum = sum * 2 + selected;
  check_register(sum, 25, "anda PE: sum");
  return sum;
}

float anda_foot(float accumulator, std::int32_t sum, int exponent, unsigned bits, float weight_scale) {
  return scaled_group(accumulator, static_cast<float>(sum), unit_value(exponent, bits), weight_scale);
}

const PeTiming& anda_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "anda";
    t.area_key = "pe.anda.area";
    t.foot_latency = 3;
    for (unsigned bits = anda_shortest; bits <= anda_longest; ++bits) {
      const std::string mode = "m" + std::to_string(bits);
      t.modes.push_back({mode, anda_lanes, bits, 4, 1, "pe.anda." + mode + ".mac"});
    }
    t.modes.push_back({"fp16", anda_lanes, anda_fp16_cycles, 4, 1, "pe.anda.fp16.mac"});
    return t;
  }();
  return timing;
}

const PeUnit& anda_unit() {
  static const PeUnit unit = {"anda",
                              "Anda: bit planes of grouped FP activations with integer weights; FP16 in attention",
                              "anda<4..15>-g<k>, k at most 64, with int<2..4>-g<multiple of k>[x<n>] or "
                              "int<2..4>-(channel|tensor); fp16 with fp16",
                              supports,
                              tile_extent,
                              tile,
                              anda_pe_timing,
                              [](const Format& a, const Format&) -> std::size_t {
                                const unsigned bits = a.family == FormatFamily::fp16 ? anda_longest + 1 : a.bits;
                                return bits - anda_shortest;
                              },
                              "anda8-g64",
                              "int4-g128",
                              {},
                              anda_datapath};
  return unit;
}

}  // namespace nibble
