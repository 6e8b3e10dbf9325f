// SPDX-License-Identifier: Apache-2.0
#include "pe/bitmod_pe.h"

#include <catch2/catch.hpp>

#include "formats/bitmod_types.h"
#include "testbenches/pe/exact_rounding.h"
#include "testbenches/pe/operands.h"
#include "testbenches/pe/step_gemm.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;

TEST_CASE("the terms of every weight add up to it") {
  for (const unsigned bits : {3U, 4U}) {
    for (std::uint8_t type = 0; type < bitmod_type_count; ++type) {
      for (unsigned code = 0; code < 1U << bits; ++code) {
        const int value = bitmod_grid_value(bits, type, code);
        int sum = 0;
        for (unsigned i = 0; i < 2; ++i) {
          const BitmodTerm term = bitmod_float_term(value, i);
          CHECK(term.exponent <= 4);
          sum += term.sign * (1 << term.exponent);
        }
        CHECK(sum == value);
        CHECK(std::abs(value) <= bitmod_largest(bits, type));
      }
    }
  }
  for (unsigned bits = 2; bits <= 8; ++bits) {
    Format format = Format::parse("int" + std::to_string(bits) + "-g64");
    for (int value = -(1 << (bits - 1)); value < 1 << (bits - 1); ++value) {
      int sum = 0;
      for (unsigned i = 0; i < bitmod_cycles(format); ++i) {
        const BitmodTerm digit = bitmod_digit(value, i);
        CHECK(digit.exponent <= 1);
        sum += digit.sign * (1 << digit.exponent) * (1 << (2 * i));
      }
      CHECK(sum == value);
    }
  }
}

TEST_CASE("a lane alone multiplies every FP16 value with every term exactly") {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) == 0x7C00) continue;
    const float x = fp16_value(static_cast<std::uint16_t>(code));
    for (std::uint8_t exponent = 0; exponent <= 4; ++exponent) {
      for (const std::int8_t sign : {-1, 0, 1}) {
        const BitmodTerm term{sign, exponent};
        const float expected = static_cast<float>(sign) * std::ldexp(x, exponent) + 0.0F;
        if (bitmod_step(0.0F, &x, &term, 1, 0) != expected) FAIL(code << " by " << int(sign) << " " << int(exponent));
      }
    }
  }
}

TEST_CASE("alignment keeps three bits below the largest lane and cuts toward zero") {
  const BitmodTerm one{1, 0}, none{0, 0}, minus{-1, 0}, high{1, 4};
  const float close[] = {1.0F, 0x1p-3F + 0x1p-13F};  // the last bit lies 13 below: 10 of the significand and 3
  const BitmodTerm ones[] = {one, one};
  CHECK(bitmod_step(0.0F, close, ones, 2, 0) == 1.0F + 0x1p-3F + 0x1p-13F);
  const float far[] = {2.0F, 0x1p-3F + 0x1p-13F};
  CHECK(bitmod_step(0.0F, far, ones, 2, 0) == 2.0F + 0x1p-3F);
  const BitmodTerm signs[] = {one, minus};
  CHECK(bitmod_step(0.0F, far, signs, 2, 0) == 2.0F - 0x1p-3F);  // the magnitude is cut, then negated
  // A lane without a term still takes part in the largest exponent.
  const float large[] = {32768.0F, 1.0F + 0x1p-10F};
  const BitmodTerm second[] = {none, one};
  CHECK(bitmod_step(0.0F, large, second, 2, 0) == 0.0F);
  CHECK(bitmod_step(0.0F, large + 1, second + 1, 1, 0) == 1.0F + 0x1p-10F);
  const float small[] = {1.0F, 4.0F};
  const BitmodTerm shifted[] = {high, one};
  CHECK(bitmod_step(0.5F, small, shifted, 2, 2) == 0.5F + 4.0F * 20.0F);
}

TEST_CASE("17 bits hold four of the largest lanes") {
  const float x[] = {65504.0F, 65504.0F, 65504.0F, 65504.0F};
  const BitmodTerm terms[] = {{1, 4}, {1, 4}, {1, 4}, {1, 4}};
  CHECK(bitmod_step(0.0F, x, terms, 4, 0) == 65504.0F * 64);
  CHECK(4 * (2047 << 3) < 1 << 16);
}

TEST_CASE("the foot of BitMoD rounds once per operation") {
  Random random(211);
  for (int trial = 0; trial < 50000; ++trial) {
    const float sum = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(40)) - 20);
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(40)) - 30);
    const float scale = static_cast<float>(random.below(256)) * test::random_scale(random);
    const float p = nearest_f32(Exact::of(sum) * Exact::of(scale));
    REQUIRE(float_bits(bitmod_foot(start, sum, scale)) == float_bits(nearest_f32(Exact::of(start) + Exact::of(p))));
  }
}

TEST_CASE("BitMoD GEMMs equal the steps for every type, width and grouping, in tiles too") {
  Random random(212);
  for (const char* format : {"bitmod4-g128", "bitmod3-g32", "bitmod6-g64", "bitmod4-g7", "int8-g64", "int7-channel",
                             "int6-g32x4", "int5-tensor", "int4-g33", "int2-g64"}) {
    for (const bool tame : {true, false}) {
      const std::size_t m = 5, k = 203, n = 19;
      const QuantizedTensor a = test::random_operand("fp16", m, k, random, tame);
      const QuantizedTensor w = test::random_operand(format, n, k, random);
      std::vector<float> accumulators, tiled(m * n, 0.0F);
      gemm(bitmod_unit(), a, w, accumulators);
      CAPTURE(format, tame);
      REQUIRE(test::step_differences(bitmod_unit(), a, w, accumulators) == 0);
      const std::size_t extent = bitmod_unit().tile_extent(a.format, w.format, k);
      for (std::size_t begin = 0; begin < k; begin += extent) {
        for (std::size_t row = 0; row < m; row += 3) {
          gemm_tile(bitmod_unit(), a, w,
                    {row, std::min<std::size_t>(3, m - row), begin, std::min(extent, k - begin), 0, n},
                    tiled.data() + row * n, n);
        }
      }
      REQUIRE(tiled == accumulators);
    }
  }
}

TEST_CASE("cycles of four products: two for floating types, half the bits of integers") {
  const auto interval = [](const char* w) {
    return mode_of(bitmod_unit(), Format::parse("fp16"), Format::parse(w)).initiation_interval;
  };
  CHECK(interval("bitmod3-g128") == 2);
  CHECK(interval("bitmod4-g128") == 2);
  CHECK(interval("bitmod6-g128") == 3);
  CHECK(interval("int2-g128") == 1);
  CHECK(interval("int3-g128") == 2);
  CHECK(interval("int4-g128") == 2);
  CHECK(interval("int5-channel") == 3);
  CHECK(interval("int6-channel") == 3);
  CHECK(interval("int7-g32x4") == 4);
  CHECK(interval("int8-tensor") == 4);
  for (const PeMode& mode : bitmod_pe_timing().modes)
    CHECK(mode.lanes == bitmod_lanes);
  CHECK_FALSE(bitmod_unit().supports(Format::parse("bf16"), Format::parse("bitmod4-g128")));
  CHECK_FALSE(bitmod_unit().supports(Format::parse("fp16"), Format::parse("mant4-g64")));
}

#ifndef NDEBUG
TEST_CASE("the registers of the BitMoD PE are guarded in builds with assertions") {
  REQUIRE_THROWS_WITH(bitmod_digit(128, 0), Catch::Contains("bitmod PE: weight"));
}
#endif

}  // namespace
}  // namespace nibble
