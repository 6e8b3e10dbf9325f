// SPDX-License-Identifier: Apache-2.0
#include "pe/anda_pe.h"

#include <catch2/catch.hpp>

#include "pe/fp16_pe.h"
#include "testbenches/pe/exact_rounding.h"
#include "testbenches/pe/operands.h"
#include "testbenches/pe/step_gemm.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;
using test::nearest_fp16;

TEST_CASE("planes from the highest down make the product of every mantissa with every weight") {
  for (const unsigned bits : {4U, 7U, 11U, 15U}) {
    for (int magnitude = 0; magnitude < 1 << bits; magnitude += bits == 15 ? 7 : 1) {
      for (int w = -8; w < 8; ++w) {
        const auto weight = static_cast<std::int8_t>(w);
        for (const bool negative : {false, true}) {
          std::int32_t sum = 0;
          for (unsigned bit = bits; bit-- > 0;)
            sum = anda_plane(sum, static_cast<std::uint64_t>(magnitude >> bit & 1), negative ? 1 : 0, &weight, 1);
          if (sum != (negative ? -1 : 1) * magnitude * w) FAIL(bits << ": " << magnitude << " * " << w);
        }
      }
    }
  }
}

TEST_CASE("25 bits hold 64 of the largest products") {
  std::int8_t w[anda_lanes];
  std::fill_n(w, anda_lanes, std::int8_t{-8});
  std::int32_t high = 0, low = 0;
  for (unsigned bit = 0; bit < 15; ++bit) {
    high = anda_plane(high, ~std::uint64_t{0}, ~std::uint64_t{0}, w, anda_lanes);
    low = anda_plane(low, ~std::uint64_t{0}, 0, w, anda_lanes);
  }
  REQUIRE(high == 64 * 32767 * 8);
  REQUIRE(low == -high);
  REQUIRE(high < 1 << 24);
}

TEST_CASE("the foot rounds to FP16, then once per operation") {
  Random random(201);
  for (int trial = 0; trial < 50000; ++trial) {
    const auto sum = static_cast<std::int32_t>(random.below(1U << 25)) - (1 << 24);
    const auto bits = static_cast<unsigned>(4 + random.below(12));
    const int exponent = 1 + static_cast<int>(random.below(30));
    const float group = nearest_fp16({sum, exponent - 14 - static_cast<int>(bits)});
    if (!std::isfinite(group)) continue;
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(40)) - 20);
    const float sw = test::random_scale(random);
    const float p = nearest_f32(Exact::of(group) * Exact::of(sw));
    REQUIRE(float_bits(anda_foot(start, sum, exponent, bits, sw)) ==
            float_bits(nearest_f32(Exact::of(start) + Exact::of(p))));
  }
}

TEST_CASE("a group beyond FP16 is infinite, and what cannot be added is the one quiet NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(anda_foot(1.0F, 1 << 23, 30, 8, 1.0F) == infinity);
  CHECK(anda_foot(1.0F, -(1 << 23), 30, 8, 1.0F) == -infinity);
  CHECK(float_bits(anda_foot(infinity, -(1 << 23), 30, 8, 1.0F)) == 0x7FC00000U);
  CHECK(float_bits(anda_foot(1.0F, 1 << 23, 30, 8, 0.0F)) == 0x7FC00000U);
  CHECK(anda_foot(0.0F, 2047, 30, 11, 1.0F) == 65504.0F);  // FP16's largest: 2047 * 2^(30 - 25)
}

TEST_CASE("Anda GEMMs equal the planes for every length, group and grouping, in tiles too") {
  Random random(202);
  struct Pair {
    const char *a, *w;
  };
  for (const Pair& pair :
       {Pair{"anda4-g64", "int4-g128"}, Pair{"anda7-g64", "int4-g64x4"}, Pair{"anda15-g32", "int3-channel"},
        Pair{"anda11-g7", "int2-g14"}, Pair{"anda8-g64", "int4-tensor"}, Pair{"fp16", "fp16"}}) {
    for (const bool tame : {true, false}) {
      const std::size_t m = 5, k = 203, n = 19;
      const QuantizedTensor a = test::random_operand(pair.a, m, k, random, tame);
      const QuantizedTensor w = test::random_operand(pair.w, n, k, random);
      std::vector<float> accumulators, tiled(m * n, 0.0F);
      gemm(anda_unit(), a, w, accumulators);
      CAPTURE(pair.a, pair.w, tame);
      REQUIRE(test::step_differences(anda_unit(), a, w, accumulators) == 0);
      const std::size_t extent = anda_unit().tile_extent(a.format, w.format, k);
      for (std::size_t begin = 0; begin < k; begin += extent) {
        for (std::size_t row = 0; row < m; row += 3) {
          gemm_tile(anda_unit(), a, w,
                    {row, std::min<std::size_t>(3, m - row), begin, std::min(extent, k - begin), 0, n},
                    tiled.data() + row * n, n);
        }
      }
      for (std::size_t i = 0; i < tiled.size(); ++i)
        REQUIRE(float_bits(tiled[i]) == float_bits(accumulators[i]));
    }
  }
}

TEST_CASE("a group takes a cycle per bit of its mantissas, attention those of the published FP units") {
  const auto mode = [](const char* a, const char* w) {
    return mode_of(anda_unit(), Format::parse(a), Format::parse(w));
  };
  for (unsigned bits = 4; bits <= 15; ++bits) {
    const std::string name = "m" + std::to_string(bits);
    const PeMode got = mode(("anda" + std::to_string(bits) + "-g64").c_str(), "int4-g128");
    CHECK(got.name == name);
    CHECK(got.lanes == 64);
    CHECK(got.initiation_interval == bits);
  }
  CHECK(mode("fp16", "fp16").name == "fp16");
  CHECK(mode("fp16", "fp16").initiation_interval == 16);
}

TEST_CASE("pairs that the lanes cannot take are refused") {
  const auto supports = [](const char* a, const char* w) {
    return anda_unit().supports(Format::parse(a), Format::parse(w));
  };
  CHECK(supports("anda8-g64", "int4-g192"));
  CHECK_FALSE(supports("anda8-g128", "int4-g128"));
  CHECK_FALSE(supports("anda8-g64", "int4-g96"));
  CHECK_FALSE(supports("anda8-g64", "int8-g64"));
  CHECK_FALSE(supports("bfp8-g64", "int4-g64"));
  CHECK_FALSE(supports("fp16", "int4-g64"));
  CHECK_FALSE(supports("anda8-g64", "fp16"));
}

#ifndef NDEBUG
TEST_CASE("the registers of the Anda PE are guarded in builds with assertions") {
  const std::int8_t wide = 8, w = 7;
  REQUIRE_THROWS_WITH(anda_plane(0, 1, 0, &wide, 1), Catch::Contains("anda PE: weight"));
  REQUIRE_THROWS_WITH(anda_plane((1 << 23) - 1, 1, 0, &w, 1), Catch::Contains("anda PE: sum"));
}
#endif

}  // namespace
}  // namespace nibble
