// SPDX-License-Identifier: Apache-2.0
#include "pe/fp16_pe.h"

#include <cmath>

#include "core/error.h"
#include "formats/rounding.h"
#include "pe/array_datapath.h"
#include "pe/column_panels.h"

namespace nibble {

namespace {

bool is_fp16(const Format& format) {
  return format.family == FormatFamily::fp16;
}

/// `Rows` rows of A against one panel over `length` elements.
template <std::size_t Rows>
void rows_by_panel(const float* a, std::size_t a_stride, const ColumnPanel<float>& panel, std::size_t length,
                   float (&sums)[Rows][panel_columns]) {
  for (std::size_t k = 0; k < length; ++k) {
    const float* w = panel.row(k);
    for (std::size_t r = 0; r < Rows; ++r) {
      const float x = a[r * a_stride + k];
      for (std::size_t c = 0; c < panel_columns; ++c)
        sums[r][c] += x * w[c];
    }
  }
}

template <std::size_t Rows>
void block(const float* a, std::size_t a_stride, const ColumnPanel<float>& panel, std::size_t length,
           std::size_t columns, float* accumulators, std::size_t stride) {
  float sums[Rows][panel_columns] = {};
  for (std::size_t r = 0; r < Rows; ++r)
    std::copy_n(accumulators + r * stride, columns, sums[r]);
  rows_by_panel<Rows>(a, a_stride, panel, length, sums);
  for (std::size_t r = 0; r < Rows; ++r)
    std::copy_n(sums[r], columns, accumulators + r * stride);
}

/// `weight(row of W, k)`: FP16 value of a weight.
template <class Weight>
void multiply(const QuantizedTensor& activations, Weight weight, const GemmRange& range, float* accumulators,
              std::size_t stride) {
  const std::size_t columns = activations.columns();
  ColumnPanel<float> panel;
  for_each_panel(range.n, [&](std::size_t n, std::size_t width) {
    panel.load(width, range.k, [&](std::size_t c, std::size_t k) { return weight(range.n0 + n + c, range.k0 + k); });
    const float* a = activations.values.data() + range.m0 * columns + range.k0;
    std::size_t m = 0;
    for (; m + 2 <= range.m; m += 2) {
      block<2>(a + m * columns, columns, panel, range.k, width, accumulators + m * stride + n, stride);
    }
    if (m < range.m) block<1>(a + m * columns, columns, panel, range.k, width, accumulators + m * stride + n, stride);
  });
}

std::size_t single(const Format&, const Format&, std::size_t) {
  return 1;
}

void fp16_tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
               const GemmOptions&, float* accumulators, std::size_t stride) {
  const std::size_t columns = weights.columns();
  const auto weight = [&](std::size_t row, std::size_t k) { return weights.values[row * columns + k]; };
  multiply(activations, weight, range, accumulators, stride);
}

void dequant_tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
                  const GemmOptions&, float* accumulators, std::size_t stride) {
  const std::size_t columns = weights.columns();
  const std::size_t extent = weights.format.group_extent(columns);
  const auto weight = [&](std::size_t row, std::size_t k) {
    const std::size_t index = row * columns + k;
    const float value = fp16_dequantized(weights.codes[index], weights.scales[weights.group_index(row, k / extent)]);
    if (!std::isfinite(value)) {
      throw InputError(weights.name + ": element " + std::to_string(index) + " overflows FP16 when it is dequantized");
    }
    return value;
  };
  multiply(activations, weight, range, accumulators, stride);
}

}  // namespace

float fp16_step(float accumulator, float a, float w) {
  return accumulator + a * w;
}

float fp16_dequantized(std::int16_t q, float scale) {
  return round_fp16(static_cast<float>(q) * scale);
}

const PeTiming& fp16_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "fp16";
    t.area_key = "pe.fp16.area";
    t.modes = {{"fp16", 1, 1, 1, 1, "pe.fp16.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& fp16_unit() {
  static const PeUnit unit = {"fp16",
                              "baseline: FP16 products accumulated in binary32",
                              "fp16 with fp16",
                              [](const Format& a, const Format& w) { return is_fp16(a) && is_fp16(w); },
                              single,
                              fp16_tile,
                              fp16_pe_timing,
                              nullptr,
                              "fp16",
                              "fp16",
                              {},
                              fp16_datapath};
  return unit;
}

const PeUnit& fp16_dequant_unit() {
  static const PeUnit unit = {
      "fp16_dequant",
      "baseline: integer weights dequantized to FP16 in front of the FP16 PE",
      "fp16 with int<2..8> of any grouping",
      [](const Format& a, const Format& w) { return is_fp16(a) && w.family == FormatFamily::integer; },
      single,
      dequant_tile,
      fp16_pe_timing,
      nullptr,
      "fp16",
      "int4-g128",
      {},
      fp16_dequant_datapath};
  return unit;
}

}  // namespace nibble
