// SPDX-License-Identifier: Apache-2.0
#include "pe/amove_pe.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/rounding.h"
#include "pe/fp16_arithmetic.h"
#include "testbenches/pe/coded_tensors.h"
#include "testbenches/pe/exact_rounding.h"

namespace nibble {
namespace {

using test::Exact;

/// Records whose scales are positive; E4M3 values from small subnormals to 448.
QuantizedTensor random_amove(const std::string& format, std::size_t rows, std::size_t columns, int exponent,
                             Random& random) {
  QuantizedTensor tensor;
  tensor.format = Format::parse(format);
  tensor.name = "random " + format;
  tensor.shape = {rows, columns};
  tensor.tensor_exponent = exponent;
  const int largest = (1 << (tensor.format.bits - 1)) - 1;
  for (std::size_t i = 0; i < rows * columns; ++i) {
    tensor.codes.push_back(
        static_cast<std::int16_t>(static_cast<int>(random.below(2 * static_cast<unsigned>(largest) + 1)) - largest));
  }
  const std::size_t groups = rows * ((columns + tensor.format.group_k - 1) / tensor.format.group_k);
  for (std::size_t g = 0; g < groups; ++g) {
    tensor.base_scales.push_back(e4m3_value(static_cast<std::uint8_t>(random.below(0x7F))));
    tensor.residuals.push_back(round_e4m3(tensor.base_scales.back() / static_cast<float>(4 + random.below(20))));
    for (std::size_t c = 0; c < tensor.format.group_k / tensor.format.cluster; ++c) {
      tensor.cluster_codes.push_back(static_cast<std::uint8_t>(random.below(4)));
    }
  }
  return tensor;
}

float by_steps(const QuantizedTensor& a, const QuantizedTensor& w, std::size_t m, std::size_t n, bool fp32) {
  const std::size_t columns = a.columns(), cluster = a.format.cluster, clusters = a.format.group_k / cluster;
  float accumulator = 0;
  for (std::size_t k = 0; k < columns; k += a.format.group_k) {
    const std::size_t ga = a.group_index(m, k / a.format.group_k), gw = w.group_index(n, k / a.format.group_k);
    for (std::size_t c = 0; c < clusters && k + c * cluster < columns; ++c) {
      std::int32_t sum = 0;
      for (std::size_t i = k + c * cluster; i < std::min(k + (c + 1) * cluster, columns); ++i) {
        sum = amove_step(sum, static_cast<std::int8_t>(a.codes[m * columns + i]),
                         static_cast<std::int8_t>(w.codes[n * columns + i]), cluster);
      }
      const float sa = amove_scale(a.base_scales[ga], a.residuals[ga], a.cluster_codes[ga * clusters + c]);
      const float sw = amove_scale(w.base_scales[gw], w.residuals[gw], w.cluster_codes[gw * clusters + c]);
      accumulator = amove_foot(accumulator, sum, sa, sw, a.tensor_exponent + w.tensor_exponent, fp32);
    }
  }
  return accumulator;
}

TEST_CASE("fast FP16 rounding equals the contract's on every pattern of the upper 20 bits") {
  const std::uint32_t low[] = {0, 1, 0x7FF, 0x800, 0x801, 0xFFF};
  for (std::uint32_t high = 0; high < 1U << 20; ++high) {
    for (const std::uint32_t rest : low) {
      const std::uint32_t bits = high << 12 | rest;
      const float value = float_from_bits(bits);
      const bool nan = (bits & 0x7FFFFFFF) > 0x7F800000;
      if (float_bits(nearest_fp16(value)) != (nan ? 0x7FC00000U : float_bits(round_fp16(value)))) FAIL(bits);
    }
  }
}

TEST_CASE("the scale decoder rounds the exact difference once, for every S, R and E") {
  for (std::uint8_t s = 0; s < 0x7F; ++s) {
    for (std::uint8_t r = 0; r < 0x7F; ++r) {
      for (std::uint8_t code = 0; code < 4; ++code) {
        const float S = e4m3_value(s), R = e4m3_value(r);
        const float expected = test::nearest_fp16(Exact::of(S) + Exact::of(R) * Exact{-int{code}, 0});
        if (float_bits(amove_scale(S, R, code)) != float_bits(expected)) FAIL(S << " " << R << " " << int{code});
      }
    }
  }
}

TEST_CASE("cluster sums keep their widths") {
  for (const auto& [cluster, width] : {std::pair<std::size_t, int>{4, 10}, {16, 12}}) {
    std::int32_t low = 0, high = 0;
    for (std::size_t i = 0; i < cluster; ++i) {
      high = amove_step(high, -8, -8, cluster);
      low = amove_step(low, -8, 7, cluster);
    }
    REQUIRE(high == static_cast<std::int32_t>(64 * cluster));
    REQUIRE(low == -static_cast<std::int32_t>(56 * cluster));
    REQUIRE(high < 1 << (width - 1));
  }
  for (int x = -8; x < 8; ++x) {
    for (int w = -8; w < 8; ++w)
      REQUIRE(amove_step(9, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w), 4) == 9 + x * w);
  }
}

TEST_CASE("the GIPU rounds once per operation in both precisions") {
  Random random(51);
  for (int trial = 0; trial < 40000; ++trial) {
    const float sa = amove_scale(e4m3_value(static_cast<std::uint8_t>(random.below(0x7F))), 0, 0);
    const float sw = nearest_fp16(static_cast<float>(random.uniform()) * 448.0F);
    const int exponent = static_cast<int>(random.below(60)) - 40;
    const auto sum = static_cast<std::int32_t>(random.below(2049)) - 1024;
    const Exact scales = Exact::of(sa) * Exact::of(sw) * Exact{1, exponent};
    const float start16 = nearest_fp16(static_cast<float>(random.normal()));
    const float t16 = test::nearest_fp16(scales);
    if (std::isfinite(t16)) {
      const float v = test::nearest_fp16(Exact::of(t16) * Exact{sum, 0});
      if (std::isfinite(v)) {
        const float expected = test::nearest_fp16(Exact::of(start16) + Exact::of(v));
        REQUIRE(amove_foot(start16, sum, sa, sw, exponent, false) == expected);
      } else {
        REQUIRE(amove_foot(start16, sum, sa, sw, exponent, false) == v);
      }
    }
    const auto start32 = static_cast<float>(random.normal());
    const float v = test::nearest_f32(Exact::of(test::nearest_f32(scales)) * Exact{sum, 0});
    REQUIRE(amove_foot(start32, sum, sa, sw, exponent, true) == test::nearest_f32(Exact::of(start32) + Exact::of(v)));
  }
}

TEST_CASE(
    "scale products below half the smallest FP16 value vanish, above the largest are infinite, and invalid is one "
    "NaN") {
  REQUIRE(amove_foot(1.0F, 1024, 1.0F, 1.0F, -25, false) == 1.0F);      // a tie to zero
  REQUIRE(amove_foot(0.0F, 1024, 1.0F, 1.5F, -25, false) == 0x1p-14F);  // rounds up to 2^-24
  REQUIRE(amove_foot(0.0F, 1024, 1.0F, 1.0F, -25, true) == 0x1p-15F);
  REQUIRE(amove_foot(0.0F, -1, 448.0F, 448.0F, 0, false) == -std::numeric_limits<float>::infinity());
  REQUIRE(float_bits(amove_foot(0.0F, 0, 448.0F, 448.0F, 0, false)) == 0x7FC00000U);
  const float infinite = std::numeric_limits<float>::infinity();
  REQUIRE(float_bits(amove_foot(infinite, -1, 448.0F, 448.0F, 0, false)) == 0x7FC00000U);
  REQUIRE(float_bits(amove_foot(infinite, -1, 448.0F, 448.0F, 127, true)) == 0x7FC00000U);
  REQUIRE(float_bits(amove_foot(0.0F, 5, 1.0F, 1.0F, -320, true)) == 0);
  REQUIRE(fp16_output({infinite, float_from_bits(0x7FC00000U), 1.0F}).overflows == 2);
}

TEST_CASE("a GEMM equals the PE steps, with short clusters and groups, in both precisions") {
  Random random(52);
  struct Shape {
    std::size_t m, k, n;
    const char* a;
    const char* w;
    int exponent;
  };
  for (const Shape& s :
       {Shape{1, 1, 1, "amove4-g32c4", "amove4-g32c4", 0}, Shape{3, 100, 17, "amove4-g32c4", "amove4-g32c4", -9},
        Shape{4, 300, 33, "amove4-g128c16", "amove4-g128c16", -14},
        Shape{2, 71, 16, "amove3-g16c4", "amove2-g16c4", -5}, Shape{2, 50, 5, "amove4-g12c3", "amove4-g12c3", 120},
        Shape{2, 37, 4, "amove4-g8c8", "amove4-g8c8", -300}}) {
    for (const bool fp32 : {false, true}) {
      const QuantizedTensor a = random_amove(s.a, s.m, s.k, s.exponent / 2, random);
      const QuantizedTensor w = random_amove(s.w, s.n, s.k, s.exponent - s.exponent / 2, random);
      GemmOptions options;
      options.accumulate_fp32 = fp32;
      std::vector<float> accumulators, tiled(s.m * s.n, 0.0F);
      gemm(amove_unit(), a, w, accumulators, options);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < s.m * s.n; ++i) {
        wrong += float_bits(accumulators[i]) != float_bits(by_steps(a, w, i / s.n, i % s.n, fp32));
      }
      CAPTURE(s.m, s.k, s.n, s.a, fp32);
      REQUIRE(wrong == 0);
      for (std::size_t k = 0; k < s.k; k += a.format.group_k) {
        gemm_tile(amove_unit(), a, w, {0, s.m, k, std::min(a.format.group_k, s.k - k), 0, s.n}, tiled.data(), s.n,
                  options);
      }
      for (std::size_t i = 0; i < tiled.size(); ++i)
        wrong += float_bits(tiled[i]) != float_bits(accumulators[i]);
      REQUIRE(wrong == 0);
    }
  }
}

TEST_CASE("pairs of other clusters are refused") {
  const auto supports = [](const char* a, const char* w) {
    return amove_unit().supports(Format::parse(a), Format::parse(w));
  };
  REQUIRE(supports("amove4-g128c16", "amove4-g128c16"));
  REQUIRE(supports("amove4-g32c4", "amove3-g32c4"));
  for (const auto& [a, w] : {std::pair{"amove4-g128c16", "amove4-g32c4"},
                             {"amove4-g32c4", "amove4-g32c8"},
                             {"int4-g32", "amove4-g32c4"},
                             {"amove4-g32c4", "int4-g32"}}) {
    REQUIRE_FALSE(supports(a, w));
  }
  REQUIRE(amove_pe_timing().foot_latency == 4);
}

}  // namespace
}  // namespace nibble
