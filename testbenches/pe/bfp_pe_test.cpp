// SPDX-License-Identifier: Apache-2.0
#include "pe/bfp_pe.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/rounding.h"
#include "testbenches/pe/bfp_operands.h"
#include "testbenches/pe/coded_tensors.h"
#include "testbenches/pe/exact_rounding.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;
using test::random_bfp;

int largest_second(BfpMode mode) {
  return mode == BfpMode::m8w4 ? 7 : mode == BfpMode::m8m4 ? 15 : 255;
}

/// One output by PE cycles.
float by_steps(const QuantizedTensor& a, const QuantizedTensor& w, std::size_t m, std::size_t n) {
  const bool int4 = w.format.family == FormatFamily::integer;
  const BfpMode mode = int4 ? BfpMode::m8w4 : w.format.bits == 4 ? BfpMode::m8m4 : BfpMode::m8m8;
  const std::size_t columns = a.columns(), extent = a.format.group_k;
  float accumulator = 0, inner = 0;
  for (std::size_t k = 0, g = 0; k < columns; k += extent, ++g) {
    const std::size_t end = std::min(k + extent, columns);
    std::int32_t sum = 0;
    for (std::size_t i = k; i < end; i += bfp_products(mode)) {
      const auto products = static_cast<unsigned>(std::min<std::size_t>(bfp_products(mode), end - i));
      sum = bfp_step(sum, &a.codes[m * columns + i], &w.codes[n * columns + i], products, mode);
    }
    const int exponent = a.exponents[a.group_index(m, g)];
    if (!int4) {
      accumulator = bfp_foot(accumulator, sum, exponent, w.exponents[w.group_index(n, g)], mode);
      continue;
    }
    inner = bfp_inner(inner, sum, exponent);
    if (end % w.format.group_k == 0 || end == columns) {
      accumulator = bfp_weight_foot(accumulator, inner, w.scales[w.group_index(n, k / w.format.group_k)]);
      inner = 0;
    }
  }
  return accumulator;
}

TEST_CASE("every product of every mode, one lane pair at a time") {
  for (const BfpMode mode : {BfpMode::m8w4, BfpMode::m8m4, BfpMode::m8m8}) {
    const int largest = largest_second(mode);
    for (int a = -255; a <= 255; ++a) {
      for (int b = -largest; b <= largest; ++b) {
        const std::int16_t x = static_cast<std::int16_t>(a), y = static_cast<std::int16_t>(b);
        if (bfp_step(-3, &x, &y, 1, mode) != a * b - 3) FAIL(a << " * " << b);
      }
    }
  }
}

TEST_CASE("group sums keep the widths of the data sheet") {
  for (const auto& [mode, width] : {std::pair{BfpMode::m8w4, 17}, {BfpMode::m8m4, 18}, {BfpMode::m8m8, 22}}) {
    const auto largest = static_cast<std::int16_t>(largest_second(mode));
    for (const int sign : {1, -1}) {
      const std::vector<std::int16_t> a(bfp_largest_group, 255);
      const std::vector<std::int16_t> b(bfp_largest_group, static_cast<std::int16_t>(sign * largest));
      std::int32_t sum = 0;
      for (unsigned done = 0; done < bfp_largest_group; done += bfp_products(mode)) {
        sum = bfp_step(sum, a.data() + done, b.data() + done, bfp_products(mode), mode);
        if (done + bfp_products(mode) == 32) REQUIRE(std::abs(sum) < 1 << (width - 1));
      }
      REQUIRE(sum == sign * 128 * 255 * largest);
      REQUIRE(std::abs(sum) < 1 << 23);
    }
  }
  const std::vector<std::int16_t> many(33, 1);
  REQUIRE_THROWS_AS(bfp_step(0, many.data(), many.data(), 33, BfpMode::m8w4), InternalError);
  REQUIRE_THROWS_AS(bfp_step(0, many.data(), many.data(), 17, BfpMode::m8m8), InternalError);
}

TEST_CASE("the M4 path equals the M8 path with the low nibbles cleared") {
  Random random(31);
  for (int trial = 0; trial < 20000; ++trial) {
    std::int16_t a[16], high[16], cleared[16];
    for (int i = 0; i < 16; ++i) {
      a[i] = static_cast<std::int16_t>(static_cast<int>(random.below(511)) - 255);
      high[i] = static_cast<std::int16_t>(static_cast<int>(random.below(31)) - 15);
      cleared[i] = static_cast<std::int16_t>(high[i] * 16);
    }
    const int e1 = 1 + static_cast<int>(random.below(30)), e2 = 1 + static_cast<int>(random.below(30));
    const auto start = static_cast<float>(random.normal());
    const float m4 = bfp_foot(start, bfp_step(0, a, high, 16, BfpMode::m8m4), e1, e2, BfpMode::m8m4);
    const float m8 = bfp_foot(start, bfp_step(0, a, cleared, 16, BfpMode::m8m8), e1, e2, BfpMode::m8m8);
    REQUIRE(float_bits(m4) == float_bits(m8));
  }
}

TEST_CASE("the feet round once per operation") {
  Random random(32);
  for (int trial = 0; trial < 50000; ++trial) {
    const auto sum = static_cast<std::int32_t>(random.below(1 << 24)) - (1 << 23);
    const int e1 = 1 + static_cast<int>(random.below(30)), e2 = 1 + static_cast<int>(random.below(30));
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(40)) - 20);
    const float sw = test::random_scale(random);
    const Exact acc = Exact::of(start);
    REQUIRE(float_bits(bfp_inner(start, sum, e1)) == float_bits(nearest_f32(acc + Exact{sum, e1 - 22})));
    REQUIRE(float_bits(bfp_foot(start, sum, e1, e2, BfpMode::m8m4)) ==
            float_bits(nearest_f32(acc + Exact{sum, e1 + e2 - 40})));
    REQUIRE(float_bits(bfp_foot(start, sum, e1, e2, BfpMode::m8m8)) ==
            float_bits(nearest_f32(acc + Exact{sum, e1 + e2 - 44})));
    const float inner = std::ldexp(static_cast<float>(random.normal()), e1 - 15);
    const float product = nearest_f32(Exact::of(inner) * Exact::of(sw));
    REQUIRE(float_bits(bfp_weight_foot(start, inner, sw)) == float_bits(nearest_f32(acc + Exact::of(product))));
  }
}

TEST_CASE("a BFP group sum is exactly the dot product of the decoded operands") {
  Random random(33);
  const QuantizedTensor a = random_bfp("bfp8-g32", 4, 32, random);
  for (const char* format : {"bfp8-g32", "bfp4-g32"}) {
    const QuantizedTensor b = random_bfp(format, 4, 32, random);
    const int point = b.format.bits == 8 ? 22 : 18;
    std::vector<float> accumulators;
    gemm(bfp_unit(), a, b, accumulators);
    for (std::size_t m = 0; m < 4; ++m) {
      for (std::size_t n = 0; n < 4; ++n) {
        Exact exact;
        for (std::size_t k = 0; k < 32; ++k) {
          exact = exact +
                  Exact{a.codes[m * 32 + k], a.exponents[m] - 22} * Exact{b.codes[n * 32 + k], b.exponents[n] - point};
        }
        REQUIRE(float_bits(accumulators[m * 4 + n]) == float_bits(nearest_f32(exact)));
      }
    }
  }
}

TEST_CASE("a GEMM equals the PE cycles in every mode, with tails") {
  struct Shape {
    std::size_t m, k, n, group, weight_group;
  };
  Random random(34);
  for (const Shape& s :
       {Shape{1, 1, 1, 32, 128}, Shape{5, 300, 18, 32, 128}, Shape{6, 1100, 35, 32, 96}, Shape{3, 40, 16, 32, 32},
        Shape{2, 77, 5, 9, 27}, Shape{4, 260, 20, 128, 128}, Shape{4, 2100, 70, 32, 1024}}) {
    const QuantizedTensor a = random_bfp("bfp8-g" + std::to_string(s.group), s.m, s.k, random);
    QuantizedTensor int4 = test::random_coded("int4-g" + std::to_string(s.weight_group), s.n, s.k, random);
    for (std::int16_t& code : int4.codes)
      code = static_cast<std::int16_t>(code % 8);
    for (const QuantizedTensor& w : {int4, random_bfp("bfp4-g" + std::to_string(s.group), s.n, s.k, random),
                                     random_bfp("bfp8-g" + std::to_string(s.group), s.n, s.k, random)}) {
      std::vector<float> accumulators;
      gemm(bfp_unit(), a, w, accumulators);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < s.m * s.n; ++i) {
        wrong += float_bits(accumulators[i]) != float_bits(by_steps(a, w, i / s.n, i % s.n));
      }
      CAPTURE(s.m, s.k, s.n, w.format.name());
      REQUIRE(wrong == 0);
      std::vector<float> tiled(s.m * s.n, 0.0F);
      for (std::size_t k = 0; k < s.k; k += w.format.group_k) {
        gemm_tile(bfp_unit(), a, w, {0, s.m, k, std::min(w.format.group_k, s.k - k), 0, s.n}, tiled.data(), s.n);
      }
      REQUIRE(std::equal(tiled.begin(), tiled.end(), accumulators.begin()));
    }
  }
}

TEST_CASE("other pairs are refused") {
  Random random(35);
  const auto supports = [](const char* a, const char* w) {
    return bfp_unit().supports(Format::parse(a), Format::parse(w));
  };
  REQUIRE(supports("bfp8-g32", "int4-g128"));
  REQUIRE(supports("bfp8-g32", "bfp4-g32"));
  for (const auto& [a, w] : {std::pair{"bfp8-g32", "int4-g48"},
                             {"bfp8-g32", "int8-g32"},
                             {"bfp8-g32", "int4-channel"},
                             {"bfp8-g32", "int4-g32x4"},
                             {"bfp4-g32", "bfp8-g32"},
                             {"bfp8-g32", "bfp8-g64"},
                             {"bfp8-g129", "bfp8-g129"},
                             {"fp16", "int4-g32"},
                             {"bfp8-g32", "mant4-g32"}}) {
    CAPTURE(a, w);
    REQUIRE_FALSE(supports(a, w));
  }
  std::vector<float> accumulators;
  REQUIRE_THROWS_WITH(
      gemm(bfp_unit(), random_bfp("bfp4-g32", 1, 32, random), random_bfp("bfp4-g32", 1, 32, random), accumulators),
      Catch::Contains("bfp8-g<k> with int4-g<multiple of k>"));
  REQUIRE(bfp_pe_timing().mode("m8m8").lanes == 16);
}

}  // namespace
}  // namespace nibble
