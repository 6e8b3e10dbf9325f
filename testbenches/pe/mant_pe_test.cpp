// SPDX-License-Identifier: Apache-2.0
#include "pe/mant_pe.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "testbenches/pe/exact_rounding.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;

const std::vector<std::uint8_t> all_types = {
    0, 5, 10, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, mant_int4_type};

/// The definition of a grid value, independent of the PE.
std::int64_t grid_value(int type, int code) {
  std::int64_t power = 1;
  for (int i = 0; i < (code & 7); ++i)
    power *= 2;
  const std::int64_t magnitude = type == mant_int4_type ? code & 7 : type * (code & 7) + power;
  return (code & 8) != 0 ? -magnitude : magnitude;
}

std::uint32_t bits(float value) {
  std::uint32_t pattern;
  std::memcpy(&pattern, &value, sizeof pattern);
  return pattern;
}

float random_fp16(Random& random) {
  const int exponent = static_cast<int>(random.below(30)) - 24;  // last bit 2^-24 .. 2^5: subnormals to 65504
  return std::ldexp(static_cast<float>(random.below(2048)), exponent);
}

TEST_CASE("one step and the foot's sum equal activation times grid value for every type, code and activation") {
  for (int type = 0; type < 256; ++type) {
    if (type > 127 && type != mant_int4_type) continue;
    const bool int4 = type == mant_int4_type;
    const auto grid = mant_grid(static_cast<std::uint8_t>(type));
    for (int code = 0; code < 16; ++code) {
      REQUIRE(grid[static_cast<std::size_t>(code)] == grid_value(type, code));
      for (int x = -128; x <= 127; ++x) {
        const MantSums sums = mant_step({}, static_cast<std::int8_t>(x), static_cast<std::uint8_t>(code), int4);
        if (mant_group_sum(sums, static_cast<std::uint8_t>(type)) != x * grid_value(type, code)) {
          FAIL("type " << type << " code " << code << " x " << x);
        }
      }
    }
  }
  REQUIRE_THROWS_AS(mant_grid(128), InternalError);
  REQUIRE_THROWS_AS(mant_grid(254), InternalError);
}

TEST_CASE("the SAC lane is gated for INT4 and both lanes keep their sums apart") {
  const MantSums gated = mant_step({100, 7}, -128, 15, true);
  REQUIRE(gated.mac == 100 + 128 * 7);
  REQUIRE(gated.sac == 7);
  const MantSums both = mant_step({100, 7}, 3, 2, false);
  REQUIRE(both.mac == 106);
  REQUIRE(both.sac == 19);
}

TEST_CASE("random groups: steps, whole-group form and grid sum agree") {
  Random random(11);
  std::vector<std::int8_t> x(mant_pass_elements);
  std::vector<std::uint8_t> codes(mant_pass_elements);
  std::uint64_t wrong = 0;
  for (int trial = 0; trial < 400000; ++trial) {  // 13 million products on average
    const std::uint8_t type = all_types[random.below(all_types.size())];
    const std::uint64_t length = 1 + random.below(mant_pass_elements);
    MantSums sums;
    std::int64_t exact = 0;
    for (std::uint64_t k = 0; k < length; ++k) {
      const std::uint64_t draw = random.next();
      x[k] = static_cast<std::int8_t>(draw & 0xFF);
      codes[k] = static_cast<std::uint8_t>((draw >> 8) & 15);
      sums = mant_step(sums, x[k], codes[k], type == mant_int4_type);
      exact += x[k] * grid_value(type, codes[k]);
    }
    const float sx = random_fp16(random), sw = random_fp16(random);
    const auto start = static_cast<float>(random.normal());
    const std::int32_t sum = mant_group_sum(sums, type);
    const float whole = mant_accumulate_group(start, x.data(), codes.data(), length, type, sx, sw);
    wrong += sum != exact || bits(whole) != bits(mant_foot(start, sum, sx, sw));
  }
  REQUIRE(wrong == 0);
}

TEST_CASE("the registers hold the extremes of a full pass and of the longest group") {
  for (const std::uint8_t type : all_types) {
    for (const std::int8_t value : {std::int8_t{-128}, std::int8_t{127}}) {
      for (const std::uint8_t code : {std::uint8_t{7}, std::uint8_t{15}}) {
        MantSums sums;
        for (std::uint64_t k = 0; k < mant_pass_elements; ++k)
          sums = mant_step(sums, value, code, type == mant_int4_type);
        REQUIRE(sums.mac >= -(1 << 17));
        REQUIRE(sums.mac < (1 << 17));
        REQUIRE(sums.sac >= -(1 << 21));
        REQUIRE(sums.sac < (1 << 21));
        const std::int64_t pass = 64 * value * grid_value(type, code);
        REQUIRE(mant_group_sum(sums, type) == pass);
        REQUIRE(pass * 4 >= -(1 << 25));
        REQUIRE(pass * 4 < (1 << 25));
        const std::vector<std::int8_t> x(mant_largest_group, value);
        const std::vector<std::uint8_t> codes(mant_largest_group, code);
        REQUIRE(mant_accumulate_group(0, x.data(), codes.data(), 256, type, 1, 1) == static_cast<float>(4 * pass));
      }
    }
  }
  const std::vector<std::int8_t> x(257, 1);
  const std::vector<std::uint8_t> codes(257, 1);
  REQUIRE_THROWS_AS(mant_accumulate_group(0, x.data(), codes.data(), 257, 0, 1, 1), InternalError);
  REQUIRE_THROWS_AS(mant_accumulate_group_w8(0, x.data(), x.data(), 257, 1, 1), InternalError);
}

#ifndef NDEBUG
TEST_CASE("a register that overflows is an internal error in builds with assertions") {
  REQUIRE_THROWS_AS(mant_step({131071, 0}, 1, 1, true), InternalError);
  REQUIRE_THROWS_AS(mant_step({0, 2097151}, 1, 0, false), InternalError);
  REQUIRE_THROWS_AS(mant_group_sum({1 << 19, 0}, 127), InternalError);
}
#endif

TEST_CASE("W8A8: every pair of operands, and the whole-group form") {
  for (int x = -128; x <= 127; ++x) {
    for (int w = -128; w <= 127; ++w) {
      if (mant_step_w8(5, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w)) != 5 + x * w) FAIL(x << " * " << w);
    }
  }
  Random random(12);
  std::vector<std::int8_t> x(mant_largest_group), w(mant_largest_group);
  for (int trial = 0; trial < 20000; ++trial) {
    const std::uint64_t length = 1 + random.below(mant_largest_group);
    std::int32_t sum = 0;
    for (std::uint64_t k = 0; k < length; ++k) {
      x[k] = static_cast<std::int8_t>(random.next());
      w[k] = static_cast<std::int8_t>(random.next());
      sum = mant_step_w8(sum, x[k], w[k]);
    }
    const float sx = random_fp16(random), sw = random_fp16(random);
    REQUIRE(bits(mant_accumulate_group_w8(0.5F, x.data(), w.data(), length, sx, sw)) ==
            bits(mant_foot(0.5F, sum, sx, sw)));
  }
}

TEST_CASE("the foot rounds the product and the sum once each") {
  Random random(13);
  std::uint64_t inexact_products = 0;
  for (int trial = 0; trial < 100000; ++trial) {
    const auto sum = static_cast<std::int32_t>(random.below(1U << 26)) - (1 << 25);
    const float sx = random_fp16(random), sw = random_fp16(random);
    const Exact product = Exact{sum, 0} * Exact::of(sx) * Exact::of(sw);
    const float v = nearest_f32(product);
    inexact_products += nearest_f32(product) != test::nearest(product, 53, -1000, 1000);
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(60)) - 30);
    REQUIRE(bits(mant_foot(start, sum, sx, sw)) == bits(nearest_f32(Exact::of(start) + Exact::of(v))));
  }
  REQUIRE(inexact_products > 50000);
}

TEST_CASE("the foot: ties, zero scales and signs") {
  // (2^24 + 1) * 1 is a tie between 2^24 and 2^24 + 2: even wins; a conversion of G by itself must not round twice.
  REQUIRE(mant_foot(0, (1 << 24) + 1, 1, 1) == 16777216.0F);
  REQUIRE(mant_foot(0, (1 << 24) + 3, 1, 1) == 16777220.0F);
  REQUIRE(mant_foot(0, 0x1555555, 3, 1) == nearest_f32({test::cpp_int(0x1555555) * 3, 0}));
  REQUIRE(bits(mant_foot(0.0F, -5, 0.0F, 1.0F)) == 0);  // +0 + -0
  REQUIRE(bits(mant_foot(0.0F, 0, 65504.0F, 65504.0F)) == 0);
  REQUIRE(std::isfinite(mant_foot(3e38F, (1 << 25) - 1, 65504.0F, 65504.0F)));
}

TEST_CASE("the timing descriptor") {
  const PeTiming& timing = mant_pe_timing();
  REQUIRE(timing.name == "mant");
  REQUIRE(timing.foot_latency == 4);
  REQUIRE(timing.mode("w4a8").pes_fused == 1);
  REQUIRE(timing.mode("w8a8").pes_fused == 2);
  REQUIRE(timing.mode("w8a8").energy_key == "pe.mant.w8a8.mac");
  REQUIRE(timing.mode("w8a8").initiation_interval == 1);
  REQUIRE_THROWS_WITH(timing.mode("w4a4"), Catch::Contains("w4a8") && Catch::Contains("w4a4"));
}

}  // namespace
}  // namespace nibble
