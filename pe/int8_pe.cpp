// SPDX-License-Identifier: Apache-2.0
#include "pe/int8_pe.h"

#include "pe/array_datapath.h"

#include <algorithm>

namespace nibble {

namespace {

constexpr std::size_t row_block = 32;     ///< activation rows that stay in the cache while the weights pass
constexpr std::size_t sum_block = 65536;  ///< products of 2^14 that 31 bits hold

std::int64_t dot(const std::int16_t* x, const std::int16_t* w, std::size_t length) {
  std::int64_t sum = 0;
  for (std::size_t begin = 0; begin < length; begin += sum_block) {
    const std::size_t end = std::min(begin + sum_block, length);
    std::int32_t part = 0;
    for (std::size_t k = begin; k < end; ++k)
      part += x[k] * w[k];
    sum += part;
  }
  return sum;
}

bool is_int8_channel(const Format& format) {
  return format.family == FormatFamily::integer && format.bits == 8 && format.grouping == Grouping::channel;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns();
  for (std::size_t first = 0; first < range.m; first += row_block) {
    for (std::size_t n = 0; n < range.n; ++n) {
      for (std::size_t m = first; m < std::min(first + row_block, range.m); ++m) {
        const std::size_t row = range.m0 + m, column = range.n0 + n;
        const std::int64_t sum = dot(&activations.codes[row * columns], &weights.codes[column * columns], columns);
        accumulators[m * stride + n] += int8_foot(sum, activations.scales[row], weights.scales[column]);
      }
    }
  }
}

}  // namespace

std::int64_t int8_step(std::int64_t sum, std::int8_t x, std::int8_t w) {
  return sum + std::int64_t{x} * w;
}

float int8_foot(std::int64_t sum, float activation_scale, float weight_scale) {
  const float t = activation_scale * weight_scale;
  return 0.0F + static_cast<float>(sum) * t;
}

const PeTiming& int8_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "int8";
    t.area_key = "pe.int8.area";
    t.foot_latency = 3;
    t.foot_key = "foot.int8.element";
    t.modes = {{"int8", 1, 1, 1, 1, "pe.int8.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& int8_unit() {
  static const PeUnit unit = {"int8",
                              "baseline: INT8 products, one scale per row and per output",
                              "int8-channel with int8-channel",
                              [](const Format& a, const Format& w) { return is_int8_channel(a) && is_int8_channel(w); },
                              [](const Format&, const Format&, std::size_t columns) { return columns; },
                              tile,
                              int8_pe_timing,
                              nullptr,
                              "int8-channel",
                              "int8-channel",
                              {},
                              int8_datapath};
  return unit;
}

}  // namespace nibble
