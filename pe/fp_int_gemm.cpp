// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <vector>

#include "pe/column_panels.h"
#include "pe/fp16_arithmetic.h"
#include "pe/fp_int_pe.h"

namespace nibble {

namespace {

bool supports(const Format& a, const Format& w) {
  if (a.family != FormatFamily::fp16 || w.family != FormatFamily::integer || (w.bits != 4 && w.bits != 2)) return false;
  return w.grouping == Grouping::channel || (w.grouping == Grouping::group && w.group_k % 4 == 0);
}

std::size_t tile_extent(const Format&, const Format& w, std::size_t columns) {
  return w.group_extent(columns);
}

/// One row of A against one panel over one scale group. `lanes`: 1024 + u, zero where there is no weight. The sum of up
/// to four products spans at most 53 bits, so binary64 holds it in any order.
template <bool product_fp16>
void scale_group(const float* a, std::size_t length, const ColumnPanel<double>& lanes, const float* scales,
                 float offset, float* out) {
  float accumulators[panel_columns] = {};
  float activation_sum = 0;
  for (std::size_t k = 0; k < length; k += 4) {
    double x[4] = {};
    for (std::size_t i = 0; i < std::min<std::size_t>(4, length - k); ++i)
      x[i] = static_cast<double>(a[k + i]);
    const double* w = lanes.row(k);
    for (std::size_t c = 0; c < panel_columns; ++c) {
      double products[4];
      for (std::size_t i = 0; i < 4; ++i) {
        products[i] = x[i] * w[i * panel_columns + c];
        if (product_fp16) products[i] = static_cast<double>(nearest_fp16(static_cast<float>(products[i])));
      }
      accumulators[c] += static_cast<float>((products[0] + products[1]) + (products[2] + products[3]));
    }
    activation_sum += static_cast<float>((x[0] + x[1]) + (x[2] + x[3]));
  }
  for (std::size_t c = 0; c < panel_columns; ++c) {
    const float value = out[c] + scales[c] * (accumulators[c] - offset * activation_sum);
    out[c] = product_fp16 ? quiet_nan(value) : value;
  }
}

template <bool product_fp16>
void multiply(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
              float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns();
  const std::size_t extent = weights.format.group_extent(columns);
  const int bias = 1 << (weights.format.bits - 1);
  const auto offset = static_cast<float>(1024 + bias);
  ColumnPanel<double> lanes;
  for_each_panel(range.n, [&](std::size_t n, std::size_t width) {
    for (std::size_t k = range.k0; k < range.k0 + range.k; k += extent) {
      const std::size_t length = std::min(extent, columns - k);
      lanes.load(width, (length + 3) / 4 * 4, [&](std::size_t c, std::size_t i) {
        if (i >= length) return 0.0;
        return static_cast<double>(1024 + bias + weights.codes[(range.n0 + n + c) * columns + k + i]);
      });
      float scales[panel_columns] = {};
      for (std::size_t c = 0; c < width; ++c)
        scales[c] = weights.scales[weights.group_index(range.n0 + n + c, k / extent)];
      for (std::size_t m = 0; m < range.m; ++m) {
        float out[panel_columns] = {};
        float* target = accumulators + m * stride + n;
        std::copy_n(target, width, out);
        scale_group<product_fp16>(&activations.values[(range.m0 + m) * columns + k], length, lanes, scales, offset,
                                  out);
        std::copy_n(out, width, target);
      }
    }
  });
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions& options, float* accumulators, std::size_t stride) {
  if (options.product_fp16) {
    multiply<true>(activations, weights, range, accumulators, stride);
  } else {
    multiply<false>(activations, weights, range, accumulators, stride);
  }
}

/// Of conventional words.
PeTiming k_packed(PeTiming timing) {
  timing.name = "fp_int_k";
  timing.modes = {timing.mode("int4-k"), timing.mode("int2-k")};
  return timing;
}

using TimingsByTrees = std::map<unsigned, PeTiming>;

TimingsByTrees timings_by_trees(bool packed_along_k) {
  TimingsByTrees timings;
  for (const unsigned trees : {1U, 2U, 4U, 8U})
    timings[trees] = packed_along_k ? k_packed(fp_int_pe_timing(trees)) : fp_int_pe_timing(trees);
  return timings;
}

const PeTiming* find(const TimingsByTrees& timings, unsigned trees) {
  const auto found = timings.find(trees);
  return found == timings.end() ? nullptr : &found->second;
}

}  // namespace

const PeUnit& fp_int_unit() {
  static const PeUnit unit = {"fp_int",
                              "PacQ: FP16 activations with packed INT4 or INT2 weights",
                              "fp16 with int4 or int2, g<k>[x<n>] with k a multiple of 4, or channel",
                              supports,
                              tile_extent,
                              tile,
                              fp_int_pe_timing,
                              [](const Format&, const Format& w) -> std::size_t { return w.bits == 4 ? 0 : 2; },
                              "fp16",
                              "int4-g32x4",
                              {"product"},
                              nullptr,
                              nullptr,
                              [](unsigned adder_trees) {
                                static const TimingsByTrees timings = timings_by_trees(false);
                                return find(timings, adder_trees);
                              }};
  return unit;
}

const PeUnit& fp_int_k_unit() {
  static const PeUnit unit = [] {
    PeUnit twin = fp_int_unit();
    twin.name = "fp_int_k";
    twin.summary = "baseline: PacQ's multiplier on conventional words, packed along k";
    twin.timing = []() -> const PeTiming& {
      static const PeTiming timing = k_packed(fp_int_pe_timing());
      return timing;
    };
    twin.timing_with_trees = [](unsigned adder_trees) {
      static const TimingsByTrees timings = timings_by_trees(true);
      return find(timings, adder_trees);
    };
    twin.mode = [](const Format&, const Format& w) -> std::size_t { return w.bits == 4 ? 0 : 1; };
    return twin;
  }();
  return unit;
}

}  // namespace nibble
