// SPDX-License-Identifier: Apache-2.0
#include "pe/mant_pe.h"

#include <string>

#include "core/error.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

void check_length(std::uint64_t length) {
  if (length > mant_largest_group) {
    throw InternalError("mant PE: a group of " + std::to_string(length) + " elements, at most " +
                        std::to_string(mant_largest_group) + " fit");
  }
}

}  // namespace

MantSums mant_step(MantSums sums, std::int8_t x, std::uint8_t code, bool int4) {
  const std::int32_t index = code & 7;
  const bool negative = (code & 8) != 0;
  const std::int32_t product = x * index;
  sums.mac += negative ? -product : product;
  check_register(sums.mac, 18, "mant PE: P1");
  if (!int4) {
    const std::int32_t shifted = x * (std::int32_t{1} << index);
    sums.sac += negative ? -shifted : shifted;
    check_register(sums.sac, 22, "mant PE: P2");
  }
  return sums;
}

std::int32_t mant_group_sum(MantSums sums, std::uint8_t type) {
  const std::int32_t sum = type == mant_int4_type ? sums.mac : type * sums.mac + sums.sac;
  check_register(sum, 26, "mant PE: G");
  return sum;
}

std::array<std::int16_t, 16> mant_grid(std::uint8_t type) {
  if (type > 127 && type != mant_int4_type) throw InternalError("mant PE: " + std::to_string(type) + " is no type");
  std::array<std::int16_t, 16> grid{};
  for (std::size_t index = 0; index < 8; ++index) {
    const int i = static_cast<int>(index);
    const int magnitude = type == mant_int4_type ? i : type * i + (1 << i);
    grid[index] = static_cast<std::int16_t>(magnitude);
    grid[index + 8] = static_cast<std::int16_t>(-magnitude);
  }
  return grid;
}

std::int32_t mant_step_w8(std::int32_t sum, std::int8_t x, std::int8_t w) {
  const std::int32_t low = w & 15;
  const std::int32_t high = (w - low) / 16;
  sum += (x * high) * 16 + x * low;
  check_register(sum, 26, "mant PE: W8A8 sum");
  return sum;
}

float mant_foot(float accumulator, std::int32_t group_sum, float activation_scale, float weight_scale) {
  const float t = activation_scale * weight_scale;
  // 26 bits times 22 bits: exact in binary64, one rounding by the conversion.
  const float v = static_cast<float>(static_cast<double>(group_sum) * static_cast<double>(t));
  return accumulator + v;
}

float mant_accumulate_group(float accumulator, const std::int8_t* x, const std::uint8_t* codes, std::uint64_t length,
                            std::uint8_t type, float activation_scale, float weight_scale) {
  check_length(length);
  const std::array<std::int16_t, 16> grid = mant_grid(type);
  std::int32_t sum = 0;
  for (std::uint64_t k = 0; k < length; ++k)
    sum += x[k] * grid[codes[k] & 15];
  check_register(sum, 26, "mant PE: G");
  return mant_foot(accumulator, sum, activation_scale, weight_scale);
}

float mant_accumulate_group_w8(float accumulator, const std::int8_t* x, const std::int8_t* w, std::uint64_t length,
                               float activation_scale, float weight_scale) {
  check_length(length);
  std::int32_t sum = 0;
  for (std::uint64_t k = 0; k < length; ++k)
    sum += x[k] * w[k];
  check_register(sum, 26, "mant PE: W8A8 sum");
  return mant_foot(accumulator, sum, activation_scale, weight_scale);
}

const PeTiming& mant_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "mant";
    t.area_key = "pe.mant.area";
    t.foot_latency = 4;
    t.foot_key = "foot.element";
    t.longest_sum = mant_pass_elements;
    t.modes = {{"w4a8", 1, 1, 1, 1, "pe.mant.w4a8.mac"}, {"w8a8", 1, 1, 1, 2, "pe.mant.w8a8.mac"}};
    return t;
  }();
  return timing;
}

}  // namespace nibble
