// SPDX-License-Identifier: Apache-2.0
/// int4, bitfusion, ant, olive and tender: digits, decoders and sums over all codes, the foot against exact arithmetic.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/adaptive_types.h"
#include "pe/ant_pe.h"
#include "pe/bitfusion_pe.h"
#include "pe/int4_pe.h"
#include "pe/olive_pe.h"
#include "pe/tender_pe.h"
#include "testbenches/pe/exact_rounding.h"
#include "testbenches/pe/operands.h"
#include "testbenches/pe/step_gemm.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;

TEST_CASE("INT4 steps are exact for every pair of codes and keep their width") {
  for (int x = -8; x < 8; ++x) {
    for (int w = -8; w < 8; ++w)
      REQUIRE(int4_step(-5, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w)) == x * w - 5);
  }
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < integer_segment; ++k)
    sum = int4_step(sum, -8, -8);
  REQUIRE(sum == 1 << 21);
  REQUIRE(sum < 1 << 22);
}

TEST_CASE("bricks compose every product of every pair of widths") {
  for (unsigned a = 2; a <= 8; ++a) {
    for (unsigned b = 2; b <= 8; ++b) {
      for (int x = -(1 << (a - 1)); x < 1 << (a - 1); ++x) {
        for (int w = -(1 << (b - 1)); w < 1 << (b - 1); ++w) {
          if (bitfusion_product(static_cast<std::int8_t>(x), static_cast<std::int8_t>(w), a, b) != x * w)
            FAIL(x << " * " << w << " of " << a << " and " << b << " bits");
        }
      }
    }
  }
  REQUIRE(bitfusion_digit(-128, 3, 8) == -2);
  REQUIRE(bitfusion_digit(-128, 0, 8) == 0);
  REQUIRE(bitfusion_digit(-1, 1, 4) == -1);
  REQUIRE(bitfusion_digit(-1, 0, 4) == 3);
}

TEST_CASE("the bricks of a fusion unit set its throughput") {
  REQUIRE(bitfusion_pe_timing().mode("w8a8").lanes == 1);
  REQUIRE(bitfusion_pe_timing().mode("w4a8").lanes == 2);
  REQUIRE(bitfusion_pe_timing().mode("w8a4").lanes == 2);
  REQUIRE(bitfusion_pe_timing().mode("w2a8").lanes == 4);
  REQUIRE(bitfusion_pe_timing().mode("w4a4").lanes == 4);
  REQUIRE(bitfusion_pe_timing().mode("w2a4").lanes == 8);
  REQUIRE(bitfusion_pe_timing().mode("w2a2").lanes == 16);
  REQUIRE(bitfusion_mode(7, 3) == "w4a8");
}

TEST_CASE("ANT decodes every code of every type to its grid value, and multiplies every pair exactly") {
  for (std::uint8_t s = 0; s < ant_type_count; ++s) {
    for (std::uint8_t t = 0; t < ant_type_count; ++t) {
      for (std::uint8_t x = 0; x < 16; ++x) {
        for (std::uint8_t w = 0; w < 16; ++w) {
          const int a = (x & 8 ? -1 : 1) * adaptive_magnitudes[s][x & 7];
          const int b = (w & 8 ? -1 : 1) * adaptive_magnitudes[t][w & 7];
          REQUIRE(value_of(ant_decode(s, x)) == a);
          REQUIRE(ant_step(7, ant_decode(s, x), ant_decode(t, w)) == 7 + a * b);
        }
      }
    }
  }
}

TEST_CASE("an INT8 operand on two or four 4-bit PEs is exact") {
  for (int x = -128; x < 128; ++x) {
    const auto activation = static_cast<std::int8_t>(x);
    REQUIRE(value_of(high_nibble(activation)) + value_of(low_nibble(activation)) == x);
    for (int w = -128; w < 128; ++w)
      REQUIRE(ant_step_w8a8(1, activation, static_cast<std::int8_t>(w)) == 1 + x * w);
    for (std::uint8_t type = 0; type < ant_type_count; ++type) {
      for (std::uint8_t code = 0; code < 16; ++code) {
        const ExponentInteger w = ant_decode(type, code);
        REQUIRE(ant_step_a8(1, activation, w) == 1 + x * value_of(w));
      }
    }
  }
}

TEST_CASE("OliVe decodes every pair of codes to its grid values, and multiplies every two of them exactly") {
  std::vector<ExponentInteger> all;
  for (std::uint8_t type = 0; type < olive_type_count; ++type) {
    for (std::uint8_t first = 0; first < 16; ++first) {
      for (std::uint8_t second = 0; second < 16; ++second) {
        const OlivePair pair = olive_decode(type, first, second);
        REQUIRE(value_of(pair.first) == olive_grid_value(type, first, second));
        REQUIRE(value_of(pair.second) == olive_grid_value(type, second, first));
        all.push_back(pair.first);
      }
    }
  }
  for (const ExponentInteger x : all) {
    for (const ExponentInteger w : all) {
      if (olive_step(-9, x, w) != value_of(x) * value_of(w) - 9) FAIL(value_of(x) << " * " << value_of(w));
    }
  }
}

TEST_CASE("32 bits hold a segment of the largest products") {
  const ExponentInteger largest = olive_decode(adaptive_flint4, 7, olive_victim).first;
  REQUIRE(value_of(largest) == 192);
  const ExponentInteger power = ant_decode(adaptive_pot4, 7);
  std::int64_t olive = 0, mixed = 0;
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < integer_segment; ++k) {
    sum = olive_step(sum, largest, largest);
    olive += 192 * 192;
    mixed += 128 * 192;
  }
  REQUIRE(sum == olive);
  REQUIRE(mixed < std::int64_t{1} << 31);
  REQUIRE(value_of(power) == 64);
}

TEST_CASE("Tender's sums keep 38 bits through seven shifts, and its foot takes the smallest scale") {
  std::int64_t sum = 0;
  for (std::size_t k = 0; k < integer_segment; ++k)
    sum = tender_step(sum, -128, -128);
  for (int shift = 0; shift < 7; ++shift)
    sum = tender_rescale(sum);
  REQUIRE(sum == std::int64_t{1} << 36);
  for (int x = -128; x < 128; ++x) {
    for (int w = -128; w < 128; ++w)
      REQUIRE(tender_step(tender_rescale(-3), static_cast<std::int8_t>(x), static_cast<std::int8_t>(w)) == x * w - 6);
  }
  Random random(84);
  for (int trial = 0; trial < 20000; ++trial) {
    const auto integer = static_cast<std::int64_t>(random.below(std::uint64_t{1} << 37)) - (std::int64_t{1} << 36);
    const auto groups = static_cast<unsigned>(1 + random.below(8));
    const float sx = test::random_scale(random), sw = test::random_scale(random);
    const Exact scale = Exact::of(sx) * Exact::of(sw) * Exact{1, 1 - static_cast<int>(groups)};
    const float v = nearest_f32(Exact::of(nearest_f32({integer, 0})) * Exact::of(nearest_f32(scale)));
    REQUIRE(float_bits(tender_foot(0.5F, integer, sx, groups, sw)) ==
            float_bits(nearest_f32(Exact::of(0.5F) + Exact::of(v))));
  }
}

TEST_CASE("the integer foot rounds sum, scale product, product and accumulator once each") {
  Random random(81);
  for (int trial = 0; trial < 50000; ++trial) {
    const auto sum = static_cast<std::int64_t>(random.below(std::uint64_t{1} << 32)) - (std::int64_t{1} << 31);
    const float sx = test::random_scale(random), sw = test::random_scale(random);
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(60)) - 30);
    const float t = nearest_f32(Exact::of(sx) * Exact::of(sw));
    const float v = nearest_f32(Exact::of(nearest_f32({sum, 0})) * Exact::of(t));
    REQUIRE(float_bits(integer_foot(start, sum, sx, sw)) == float_bits(nearest_f32(Exact::of(start) + Exact::of(v))));
  }
}

struct Pair {
  const PeUnit& pe;
  const char *a, *w;
};

TEST_CASE("integer GEMMs equal the steps for tails in every direction, in tiles too") {
  Random random(82);
  const Pair pairs[] = {{int4_unit(), "int4-g32", "int4-g32"},
                        {int4_unit(), "int4-g7", "int4-g7x3"},
                        {int4_unit(), "int4-channel", "int4-tensor"},
                        {int4_unit(), "int4-tensor", "int4-channel"},
                        {bitfusion_unit(), "int8-g64", "int2-g64"},
                        {bitfusion_unit(), "int8-channel", "int8-channel"},
                        {bitfusion_unit(), "int3-channel", "int5-tensor"},
                        {bitfusion_unit(), "int6-g16", "int7-g16x2"},
                        {ant_unit(), "ant4-channel", "ant4-channel"},
                        {ant_unit(), "ant4-tensor", "int8-channel"},
                        {ant_unit(), "int8-channel", "ant4-channel"},
                        {ant_unit(), "int8-tensor", "int8-channel"},
                        {olive_unit(), "olive4-channel", "olive4-tensor"},
                        {olive_unit(), "int8-channel", "olive4-channel"},
                        {olive_unit(), "olive4-channel", "int8-channel"},
                        {tender_unit(), "tender8-d8", "int8-channel"},
                        {tender_unit(), "tender4-d3", "int4-channel"}};
  for (const Pair& pair : pairs) {
    for (const auto& [m, k, n] : {std::array<std::size_t, 3>{1, 1, 1}, {3, 130, 17}, {6, 75, 33}, {5, 64, 16}}) {
      const QuantizedTensor a = test::random_operand(pair.a, m, k, random);
      const QuantizedTensor w = test::random_operand(pair.w, n, k, random);
      std::vector<float> accumulators, tiled(m * n, 0.0F);
      gemm(pair.pe, a, w, accumulators);
      CAPTURE(pair.pe.name, pair.a, pair.w, m, k, n);
      REQUIRE(test::step_differences(pair.pe, a, w, accumulators) == 0);
      const std::size_t extent = pair.pe.tile_extent(a.format, w.format, k);
      for (std::size_t row = 0; row < m; row += 2) {
        for (std::size_t begin = 0; begin < k; begin += extent) {
          for (std::size_t column = 0; column < n; column += 10) {
            gemm_tile(pair.pe, a, w,
                      {row, std::min<std::size_t>(2, m - row), begin, std::min(extent, k - begin), column,
                       std::min<std::size_t>(10, n - column)},
                      tiled.data() + row * n + column, n);
          }
        }
      }
      REQUIRE(tiled == accumulators);
    }
  }
}

TEST_CASE("accumulators drain after a segment, and only then") {
  Random random(83);
  const QuantizedTensor a = test::random_operand("int4-channel", 2, integer_segment + 5, random);
  const QuantizedTensor w = test::random_operand("int4-channel", 3, integer_segment + 5, random);
  std::vector<float> accumulators;
  gemm(int4_unit(), a, w, accumulators);
  REQUIRE(test::step_differences(int4_unit(), a, w, accumulators) == 0);
  const QuantizedTensor decomposed = test::random_operand("tender4-d8", 2, integer_segment + 5, random);
  gemm(tender_unit(), decomposed, w, accumulators);
  REQUIRE(test::step_differences(tender_unit(), decomposed, w, accumulators) == 0);
  QuantizedTensor x = test::random_operand("olive4-channel", 1, 2 * integer_segment, random);
  for (std::size_t k = 0; k < x.codes.size(); ++k)
    x.codes[k] =
        k % 2 == 0 ? std::int16_t{7} : std::int16_t{olive_victim};  // every pair an outlier of the largest size
  x.scales = {1.0F};
  x.types = {adaptive_flint4};
  gemm(olive_unit(), x, x, accumulators);
  REQUIRE(accumulators == std::vector<float>{192.0F * 192.0F * integer_segment});
}

#ifndef NDEBUG
TEST_CASE("registers that overflow are internal errors in builds with assertions") {
  const ExponentInteger largest = olive_decode(adaptive_flint4, 7, olive_victim).first;
  REQUIRE_THROWS_WITH(int4_step(0, 8, 1), Catch::Contains("int4 PE: activation"));
  REQUIRE_THROWS_WITH(int4_step((1 << 22) - 1, 1, 1), Catch::Contains("int4 PE: sum"));
  REQUIRE_THROWS_WITH(bitfusion_product(2, 0, 2, 8), Catch::Contains("bitfusion PE: activation"));
  REQUIRE_THROWS_WITH(bitfusion_step((1 << 30) - 1, 1, 1, 8, 8), Catch::Contains("bitfusion PE: sum"));
  REQUIRE_THROWS_WITH(ant_step(0x7FFFFFFF, {1, 0}, {1, 0}), Catch::Contains("ant PE: sum"));
  REQUIRE_THROWS_WITH(olive_step(0x7FFFFFFF, largest, largest), Catch::Contains("olive PE: sum"));
  REQUIRE_THROWS_WITH(exponent_integer_product({16, 0}, {1, 0}), Catch::Contains("activation"));
  REQUIRE_THROWS_WITH(exponent_integer_product({1, 15}, {1, 15}), Catch::Contains("shift"));
  REQUIRE_THROWS_WITH(tender_rescale(std::int64_t{1} << 36), Catch::Contains("tender PE: sum"));
}
#endif

TEST_CASE("integer baselines refuse what their scales cannot serve") {
  const auto supports = [](const PeUnit& pe, const char* a, const char* w) {
    return pe.supports(Format::parse(a), Format::parse(w));
  };
  REQUIRE(supports(int4_unit(), "int4-g128", "int4-g128x4"));
  for (const auto& [a, w] : {std::pair{"int4-g32", "int4-g64"},
                             {"int4-g32x2", "int4-g32"},
                             {"int4-g32", "int4-channel"},
                             {"int8-g32", "int4-g32"},
                             {"int4-g65536", "int4-g65536"},
                             {"fp16", "int4-g32"}}) {
    CAPTURE(a, w);
    REQUIRE_FALSE(supports(int4_unit(), a, w));
  }
  REQUIRE_FALSE(supports(bitfusion_unit(), "int8-g32", "int4-g16"));
  REQUIRE_FALSE(supports(bitfusion_unit(), "int8-g32", "mant4-g32"));
  REQUIRE_FALSE(supports(ant_unit(), "ant4-channel", "olive4-channel"));
  REQUIRE_FALSE(supports(ant_unit(), "int8-g64", "ant4-channel"));
  REQUIRE_FALSE(supports(olive_unit(), "olive4-channel", "ant4-channel"));
  REQUIRE_FALSE(supports(olive_unit(), "int4-channel", "olive4-channel"));
  REQUIRE(supports(tender_unit(), "tender4-d8", "int4-channel"));
  REQUIRE_FALSE(supports(tender_unit(), "tender4-d8", "int8-channel"));
  REQUIRE_FALSE(supports(tender_unit(), "int8-channel", "int8-channel"));
  REQUIRE(ant_pe_timing().mode("w4a8").pes_fused == 2);
  REQUIRE(olive_pe_timing().mode("w8a8").pes_fused == 4);
}

}  // namespace
}  // namespace nibble
