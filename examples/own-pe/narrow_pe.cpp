// SPDX-License-Identifier: Apache-2.0
#include "narrow_pe.h"

#include <algorithm>

#include "pe/array_datapath.h"

using namespace nibble;

// excerpt: arithmetic
std::int32_t narrow_step(std::int32_t sum, const std::int16_t* x, const std::int16_t* w, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    sum += x[i] * w[i];
  return std::clamp(sum, narrow_least, narrow_most);
}

float narrow_foot(float accumulator, std::int32_t sum, float activation_scale, float weight_scale) {
  const float t = activation_scale * weight_scale;
  return accumulator + static_cast<float>(sum) * t;
}
// end excerpt

namespace {

// excerpt: tile
bool supports(const Format& a, const Format& w) {
  return a.family == FormatFamily::integer && w.family == FormatFamily::integer && a.bits == 8 && w.bits == 4 &&
         a.grouping == Grouping::group && w.grouping == Grouping::group && a.group_k == w.group_k;
}

std::size_t tile_extent(const Format& a, const Format&, std::size_t columns) {
  return a.group_extent(columns);
}

void tile(const QuantizedTensor& a, const QuantizedTensor& w, const GemmRange& range, const GemmOptions&,
          float* accumulators, std::size_t stride) {
  const std::size_t columns = a.columns(), extent = a.format.group_extent(columns);
  for (std::size_t m = range.m0; m < range.m0 + range.m; ++m) {
    for (std::size_t n = range.n0; n < range.n0 + range.n; ++n) {
      float& output = accumulators[(m - range.m0) * stride + n - range.n0];
      for (std::size_t k = range.k0; k < range.k0 + range.k; k += extent) {
        const std::size_t end = std::min(k + extent, range.k0 + range.k);
        std::int32_t sum = 0;
        for (std::size_t i = k; i < end; i += narrow_lanes)
          sum = narrow_step(sum, &a.codes[m * columns + i], &w.codes[n * columns + i],
                            std::min<std::size_t>(narrow_lanes, end - i));
        output =
            narrow_foot(output, sum, a.scales[a.group_index(m, k / extent)], w.scales[w.group_index(n, k / extent)]);
      }
    }
  }
}
// end excerpt

// excerpt: datapath
PartialSum enter(const OutputSum& output) {
  PartialSum sum;
  sum.integer[0] = output.integer;
  return sum;
}

void step(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  for (std::size_t i = 0; i < a.count; i += narrow_lanes)
    sum.integer[0] = narrow_step(static_cast<std::int32_t>(sum.integer[0]), &a.tensor().codes[a.element(i)],
                                 &w.tensor().codes[w.element(i)], std::min<std::size_t>(narrow_lanes, a.count - i));
}

void leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  output.integer = sum.integer[0];
  if (!a.ends(a.tensor().format.group_k)) return;
  output.accumulator = narrow_foot(output.accumulator, static_cast<std::int32_t>(output.integer),
                                   a.tensor().scales[a.group()], w.tensor().scales[w.group()]);
  output.integer = 0;
}

const ArrayDatapath& datapath() {
  static const ArrayDatapath registers = {nullptr, enter, step, leave};
  return registers;
}
// end excerpt

// excerpt: timing
const PeTiming& timing() {
  static const PeTiming descriptor = [] {
    PeTiming t;
    t.name = "narrow";
    t.area_key = "pe.narrow.area";
    t.foot_latency = 3;                // product of the scales, conversion and product, addition
    t.group_interval = 16;             // cycles: the 16 PEs of a column take turns at its foot
    t.foot_key = "foot.int8.element";  // the same arithmetic as behind the integer baselines
    t.modes = {{"w4a8", narrow_lanes, 1, 1, 1, "pe.narrow.w4a8.mac"}};
    return t;
  }();
  return descriptor;
}
// end excerpt

}  // namespace

// excerpt: unit
const PeUnit& narrow_unit() {
  static const PeUnit unit = {
      "narrow",
      "INT8 x INT4, four products a cycle into 14 bits that saturate",
      "int8-g<k> with int4-g<k>",
      supports,
      tile_extent,
      tile,
      timing,
      nullptr,  // one mode
      "int8-g64",
      "int4-g64",
      {},        // no options
      datapath,  // nullptr: time by the transaction level alone
  };
  return unit;
}
// end excerpt
