// SPDX-License-Identifier: Apache-2.0
#include "pe/fp_int_aligned_pe.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "testbenches/pe/exact_rounding.h"
#include "testbenches/pe/operands.h"
#include "testbenches/pe/step_gemm.h"

namespace nibble {
namespace {

using test::cpp_int;
using test::Exact;
using test::nearest_f32;

/// floor(|x| / 2^(E - 25 - (bits - 11))), with the sign of x, in exact arithmetic.
int expected_magnitude(float x, int largest, unsigned bits) {
  const Exact value = Exact::of(static_cast<double>(std::abs(x)));
  const int shift = value.exponent - (largest - 25 - (static_cast<int>(bits) - 11));
  const cpp_int magnitude = shift >= 0 ? cpp_int(value.mantissa << shift) : cpp_int(value.mantissa >> -shift);
  const int result = magnitude.convert_to<int>();
  return x < 0 ? -result : result;
}

TEST_CASE("alignment cuts every FP16 value off at every width and exponent") {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) == 0x7C00) continue;
    const float x = fp16_value(static_cast<std::uint16_t>(code));
    const int own = aligned_exponent(x);
    for (const unsigned bits : {4U, 8U, 11U, 14U, 15U}) {
      for (const int largest : {own, std::min(own + 1, 30), std::min(own + 3, 30), std::min(own + 9, 30), 30}) {
        if (aligned_magnitude(x, largest, bits) != expected_magnitude(x, largest, bits))
          FAIL(code << " at " << largest << " in " << bits << " bits");
      }
    }
  }
}

TEST_CASE("a product with every weight is exact for every FP16 value") {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) == 0x7C00) continue;
    const float x = fp16_value(static_cast<std::uint16_t>(code));
    const int largest = aligned_exponent(x);
    const std::int16_t m = aligned_magnitude(x, largest, aligned_default_bits);
    for (int w = -8; w < 8; ++w) {
      const std::int32_t product = aligned_step(0, m, static_cast<std::int8_t>(w));
      // Nothing is cut off at the value's own exponent, so product and unit give x * w itself.
      if (float_bits(aligned_inner(0.0F, product, largest, aligned_default_bits)) !=
          float_bits(x * static_cast<float>(w) + 0.0F))
        FAIL(code << " * " << w);
    }
  }
}

TEST_CASE("29 bits hold 64 of the largest products") {
  std::int32_t high = 0, low = 0;
  for (std::size_t k = 0; k < aligned_group; ++k) {
    high = aligned_step(high, -32767, -128);
    low = aligned_step(low, 32767, -128);
  }
  REQUIRE(high == 64 * 32767 * 128);
  REQUIRE(low == -high);
  REQUIRE(high < 1 << 28);
}

TEST_CASE("the feet of the aligned PE round once per operation") {
  Random random(91);
  for (int trial = 0; trial < 50000; ++trial) {
    const auto sum = static_cast<std::int32_t>(random.below(1U << 29)) - (1 << 28);
    const int largest = 1 + static_cast<int>(random.below(30));
    const auto bits = static_cast<unsigned>(4 + random.below(12));
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(60)) - 30);
    const float v = nearest_f32({sum, largest - 25 - (static_cast<int>(bits) - 11)});
    REQUIRE(float_bits(aligned_inner(start, sum, largest, bits)) ==
            float_bits(nearest_f32(Exact::of(start) + Exact::of(v))));
    const float inner = std::ldexp(static_cast<float>(random.normal()), largest - 15);
    const float sw = test::random_scale(random);
    const float p = nearest_f32(Exact::of(inner) * Exact::of(sw));
    REQUIRE(float_bits(aligned_foot(start, inner, sw)) == float_bits(nearest_f32(Exact::of(start) + Exact::of(p))));
  }
}

TEST_CASE("aligned GEMMs equal the steps for every width and grouping, in tiles too") {
  Random random(92);
  for (const char* format : {"int4-g32x4", "int4-g128", "int8-channel", "int2-g64", "int3-tensor", "int4-g7"}) {
    for (const unsigned bits : {0U, 8U, 11U, 4U, 15U}) {
      for (const bool tame : {true, false}) {
        const std::size_t m = 5, k = 203, n = 19;
        const QuantizedTensor a = test::random_operand("fp16", m, k, random, tame);
        const QuantizedTensor w = test::random_operand(format, n, k, random);
        GemmOptions options;
        options.aligned_bits = bits;
        std::vector<float> accumulators, tiled(m * n, 0.0F);
        gemm(fp_int_aligned_unit(), a, w, accumulators, options);
        CAPTURE(format, bits, tame);
        REQUIRE(test::step_differences(fp_int_aligned_unit(), a, w, accumulators, options) == 0);
        const std::size_t extent = fp_int_aligned_unit().tile_extent(a.format, w.format, k);
        for (std::size_t begin = 0; begin < k; begin += extent) {
          for (std::size_t row = 0; row < m; row += 3) {
            gemm_tile(fp_int_aligned_unit(), a, w,
                      {row, std::min<std::size_t>(3, m - row), begin, std::min(extent, k - begin), 0, n},
                      tiled.data() + row * n, n, options);
          }
        }
        REQUIRE(tiled == accumulators);
      }
    }
  }
}

TEST_CASE("a wide enough alignment gives the exact product, a narrow one cuts toward zero") {
  QuantizedTensor a = blank_tensor(Format::parse("fp16"), {1, 3}, "a");
  QuantizedTensor w = blank_tensor(Format::parse("int4-channel"), {1, 3}, "w");
  a.values = {8.0F, 1.0F + 0x1p-10F, -0x1p-10F};
  w.codes = {1, 1, 1};
  w.scales = {1.0F};
  std::vector<float> accumulators;
  gemm(fp_int_aligned_unit(), a, w, accumulators);
  REQUIRE(accumulators[0] == 9.0F);  // the unit at exponent 3 is 2^-10: 8 + (1 + 2^-10) - 2^-10
  GemmOptions narrow;
  narrow.aligned_bits = 4;
  gemm(fp_int_aligned_unit(), a, w, accumulators, narrow);
  REQUIRE(accumulators[0] == 9.0F);  // unit 1
  a.values[1] = 1.75F;
  gemm(fp_int_aligned_unit(), a, w, accumulators, narrow);
  REQUIRE(accumulators[0] == 9.0F);
}

#ifndef NDEBUG
TEST_CASE("the registers of the aligned PE are guarded in builds with assertions") {
  REQUIRE_THROWS_WITH(aligned_step((1 << 28) - 1, 1, 1), Catch::Contains("fp_int_aligned PE: sum"));
  REQUIRE_THROWS_WITH(aligned_magnitude(1.0F, 100, 14), Catch::Contains("fp_int_aligned PE: shift"));
}
#endif

TEST_CASE("bad widths and pairs are refused") {
  QuantizedTensor a = blank_tensor(Format::parse("fp16"), {1, 3}, "a");
  const QuantizedTensor w = blank_tensor(Format::parse("int4-channel"), {1, 3}, "w");
  std::vector<float> accumulators;
  for (const unsigned bits : {1U, 3U, 16U}) {
    GemmOptions options;
    options.aligned_bits = bits;
    REQUIRE_THROWS_WITH(gemm(fp_int_aligned_unit(), a, w, accumulators, options),
                        Catch::Contains("expected 4..15") && Catch::Contains(std::to_string(bits)));
  }
  const auto supports = [](const char* x, const char* y) {
    return fp_int_aligned_unit().supports(Format::parse(x), Format::parse(y));
  };
  REQUIRE(supports("fp16", "int4-g192x4"));
  REQUIRE_FALSE(supports("fp16", "int4-g96"));
  REQUIRE_FALSE(supports("bf16", "int4-g64"));
  REQUIRE_FALSE(supports("fp16", "mant4-g64"));
  REQUIRE(fp_int_aligned_pe_timing().mode("w4m8").energy_key == "pe.figna.w4m8.mac");
}

}  // namespace
}  // namespace nibble
