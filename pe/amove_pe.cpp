// SPDX-License-Identifier: Apache-2.0
#include "pe/amove_pe.h"

#include <cmath>

#include "pe/fp16_arithmetic.h"
#include "pe/register_width.h"

namespace nibble {

float amove_scale(float base, float residual, std::uint8_t code) {
  // E4M3 values are multiples of 2^-9 up to 448: R * E and the difference are exact in binary32.
  return nearest_fp16(base - residual * static_cast<float>(code));
}

std::int32_t amove_step(std::int32_t sum, std::int8_t x, std::int8_t w, std::size_t cluster) {
  sum += x * w;
  unsigned bits = 8;
  while ((std::size_t{1} << (bits - 8)) < cluster)
    ++bits;
  check_register(sum, bits, "amove PE: cluster sum");
  return sum;
}

float amove_foot(float accumulator, std::int32_t sum, float activation_scale, float weight_scale, int exponent,
                 bool accumulate_fp32) {
  // 22 bits times a power of two: exact in binary64. Where binary32 cannot hold it, FP16 gives 0 or infinity as well.
  const double scales = static_cast<double>(activation_scale) * static_cast<double>(weight_scale);
  const auto t = static_cast<float>(std::ldexp(scales, exponent));
  const auto integer = static_cast<float>(sum);
  if (accumulate_fp32) return quiet_nan(accumulator + t * integer);
  return nearest_fp16(accumulator + nearest_fp16(nearest_fp16(t) * integer));
}

const PeTiming& amove_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "amove";
    t.area_key = "pe.amove.c4.area";
    t.foot_latency = 4;
    t.modes = {{"c4", 1, 1, 1, 1, "pe.amove.c4.mac"},
               {"c16", 1, 1, 1, 1, "pe.amove.c16.mac"},
               {"c2", 1, 1, 1, 1, "pe.amove.c2.mac"},
               {"c1", 1, 1, 1, 1, "pe.amove.c1.mac"}};
    t.group_interval = 4;
    return t;
  }();
  return timing;
}

}  // namespace nibble
