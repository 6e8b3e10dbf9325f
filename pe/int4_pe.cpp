// SPDX-License-Identifier: Apache-2.0
#include "pe/int4_pe.h"

#include "pe/array_datapath.h"
#include "pe/integer_gemm.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

bool is_int4(const Format& format) {
  return format.family == FormatFamily::integer && format.bits == 4;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  integer_tile(integer_rows, activations, weights, range, accumulators, stride);
}

}  // namespace

std::int32_t int4_step(std::int32_t sum, std::int8_t x, std::int8_t w) {
  check_register(x, 4, "int4 PE: activation");
  check_register(w, 4, "int4 PE: weight");
  sum += x * w;
  check_register(sum, 23, "int4 PE: sum");
  return sum;
}

const PeTiming& int4_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "int4";
    t.area_key = "pe.int4.area";
    t.foot_latency = 3;
    t.foot_key = "foot.int8.element";
    t.modes = {{"w4a4", 1, 1, 1, 1, "pe.int4.w4a4.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& int4_unit() {
  static const PeUnit unit = {
      "int4",
      "baseline: INT4 products, a scale per group or per row on both sides",
      "int4-g<k> with int4-g<k>[x<n>], k at most 32768; int4-(channel|tensor) with "
      "int4-(channel|tensor)",
      [](const Format& a, const Format& w) { return is_int4(a) && is_int4(w) && integer_runs_agree(a, w); },
      integer_tile_extent,
      tile,
      int4_pe_timing,
      nullptr,
      "int4-g64",
      "int4-g64",
      {},
      int4_datapath};
  return unit;
}

}  // namespace nibble
