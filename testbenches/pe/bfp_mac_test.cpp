// SPDX-License-Identifier: Apache-2.0
// The bfp PE over many millions of products: what bfp_pe_test shows on few, and the exhaustive domains.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "formats/rounding.h"
#include "pe/bfp_converter.h"
#include "testbenches/pe/bfp_operands.h"
#include "testbenches/pe/coded_tensors.h"

namespace nibble {
namespace {

using test::random_bfp;
using test::sum_by_steps;

int largest_second(BfpMode mode) {
  return mode == BfpMode::m8w4 ? 7 : mode == BfpMode::m8m4 ? 15 : 255;
}

/// A mantissa of magnitude up to `largest`: uniform, an end of the range, zero or one.
std::int16_t mantissa(int largest, std::uint64_t kind, Random& random) {
  const int sign = random.below(2) == 0 ? 1 : -1;
  if (kind == 0) return static_cast<std::int16_t>(sign * largest);
  if (kind == 1) return static_cast<std::int16_t>(sign * static_cast<int>(random.below(2)));
  if (kind == 2) return static_cast<std::int16_t>(largest);
  const auto span = static_cast<std::uint64_t>(largest) + 1;
  return static_cast<std::int16_t>(sign * static_cast<int>(random.below(span)));
}

TEST_CASE("group sums are exact over 12 million products in every mode") {
  Random random(51);
  for (const BfpMode mode : {BfpMode::m8w4, BfpMode::m8m4, BfpMode::m8m8}) {
    std::uint64_t products = 0, wrong = 0;
    for (int group = 0; group < 200000; ++group) {
      const std::size_t length = random.below(8) == 0 ? 1 + random.below(128) : 64;
      const std::uint64_t kind = random.below(16);
      std::int16_t a[bfp_largest_group], b[bfp_largest_group];
      std::int64_t exact = 0;
      for (std::size_t i = 0; i < length; ++i) {
        a[i] = mantissa(255, kind & 3, random);
        b[i] = mantissa(largest_second(mode), kind >> 2, random);
        exact += std::int64_t{a[i]} * b[i];
      }
      wrong += sum_by_steps(a, b, length, mode) != exact;
      products += length;
    }
    REQUIRE(wrong == 0);
    CHECK(products >= 12'000'000);
  }
}

TEST_CASE("every FP16 input against every second operand: 35 million products from the converter to the foot") {
  std::uint64_t wrong = 0, products = 0;
  for (unsigned pattern = 0; pattern < 65536; ++pattern) {
    const auto x = static_cast<std::uint16_t>(pattern);
    if ((x & 0x7C00) == 0x7C00) continue;
    const BfpGroup group = bfp_convert(&x, 1, 8);
    const int magnitude = group.elements[0] & 255, sign = (group.elements[0] >> 8) != 0 ? -1 : 1;
    const auto a = static_cast<std::int16_t>(sign * magnitude);
    const double value = std::ldexp(a, group.exponent - 22);
    const int second = 1 + static_cast<int>(pattern % 30);
    for (const BfpMode mode : {BfpMode::m8w4, BfpMode::m8m4, BfpMode::m8m8}) {
      const int largest = largest_second(mode);
      for (int w = -largest; w <= largest; ++w) {
        const auto b = static_cast<std::int16_t>(w);
        const std::int32_t sum = bfp_step(0, &a, &b, 1, mode);
        const float got =
            mode == BfpMode::m8w4 ? bfp_inner(0, sum, group.exponent) : bfp_foot(0, sum, group.exponent, second, mode);
        const int point = mode == BfpMode::m8w4 ? 0 : second - (mode == BfpMode::m8m4 ? 18 : 22);
        wrong += static_cast<double>(got) != value * std::ldexp(w, point);  // 16 bits: exact in binary32 and binary64
        ++products;
      }
    }
  }
  CHECK(products == 63488ULL * (15 + 31 + 511));
  CHECK(wrong == 0);
}

/// x + y rounded once to binary32: in binary64 to odd, which a second rounding to 24 bits cannot disturb.
float sum_rounded_once(double x, double y) {
  double sum = x + y;
  const double other = sum - x;
  const double error = (x - (sum - other)) + (y - other);
  std::uint64_t bits;
  std::memcpy(&bits, &sum, sizeof bits);
  if (error != 0 && (bits & 1) == 0) sum = std::nextafter(sum, error > 0 ? INFINITY : -INFINITY);
  return static_cast<float>(sum);
}

TEST_CASE("a million feet of every mode round once") {
  Random random(52);
  std::uint64_t wrong = 0;
  for (int trial = 0; trial < 1000000; ++trial) {
    const auto sum = static_cast<std::int32_t>(random.below(1 << 24)) - (1 << 23);
    const int e1 = 1 + static_cast<int>(random.below(30)), e2 = 1 + static_cast<int>(random.below(30));
    // Accumulators near the addend, so that bits cancel and ties occur, and far from it.
    const int distance = static_cast<int>(random.below(60)) - 30;
    const float start = std::ldexp(static_cast<float>(random.below(1 << 24)) - 8388608.0F, e1 + e2 - 44 + distance);
    for (const int point : {40, 44}) {
      const BfpMode mode = point == 40 ? BfpMode::m8m4 : BfpMode::m8m8;
      const float expected = sum_rounded_once(start, std::ldexp(static_cast<double>(sum), e1 + e2 - point));
      wrong += float_bits(bfp_foot(start, sum, e1, e2, mode)) != float_bits(expected);
    }
    const float inner = sum_rounded_once(start, std::ldexp(static_cast<double>(sum), e1 - 22));
    wrong += float_bits(bfp_inner(start, sum, e1)) != float_bits(inner);
    const float sw = test::random_scale(random);
    const auto product = static_cast<float>(static_cast<double>(inner) * static_cast<double>(sw));
    wrong += float_bits(bfp_weight_foot(start, inner, sw)) != float_bits(sum_rounded_once(start, product));
  }
  CHECK(wrong == 0);
}

/// acc[M][N] by plain loops: integer sums per group, then the feet.
std::vector<float> by_loops(const QuantizedTensor& a, const QuantizedTensor& w) {
  const std::size_t columns = a.columns(), extent = a.format.group_k, groups = columns / extent;
  const BfpMode mode = bfp_mode(w.format);
  std::vector<float> out;
  for (std::size_t m = 0; m < a.rows(); ++m) {
    for (std::size_t n = 0; n < w.rows(); ++n) {
      float accumulator = 0, inner = 0;
      for (std::size_t g = 0; g < groups; ++g) {
        const std::int16_t *x = &a.codes[m * columns + g * extent], *y = &w.codes[n * columns + g * extent];
        std::int32_t sum = 0;
        for (std::size_t k = 0; k < extent; ++k)
          sum += x[k] * y[k];
        const int exponent = a.exponents[m * groups + g];
        if (mode != BfpMode::m8w4) {
          accumulator = bfp_foot(accumulator, sum, exponent, w.exponents[n * groups + g], mode);
          continue;
        }
        inner = bfp_inner(inner, sum, exponent);
        if ((g + 1) * extent % w.format.group_k != 0) continue;
        accumulator =
            bfp_weight_foot(accumulator, inner, w.scales[n * w.groups_per_row() + g * extent / w.format.group_k]);
        inner = 0;
      }
      out.push_back(accumulator);
    }
  }
  return out;
}

void check_whole_gemm(const char* weights) {
  Random random(53);
  const QuantizedTensor a = random_bfp("bfp8-g32", 512, 4096, random);
  QuantizedTensor w = Format::parse(weights).family == FormatFamily::bfp
                          ? random_bfp(weights, 512, 4096, random)
                          : test::random_coded(weights, 512, 4096, random);
  for (std::int16_t& code : w.codes) {
    if (w.format.family == FormatFamily::integer) code = static_cast<std::int16_t>(code % 8);
  }
  std::vector<float> got;
  gemm(bfp_unit(), a, w, got);
  const std::vector<float> expected = by_loops(a, w);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    wrong += float_bits(got[i]) != float_bits(expected[i]);
  CHECK(got.size() == 512 * 512);
  CHECK(wrong == 0);
}

TEST_CASE("a GEMM of 512 x 4096 x 512 in M8W4") {
  check_whole_gemm("int4-g128");
}
TEST_CASE("a GEMM of 512 x 4096 x 512 in M8M4") {
  check_whole_gemm("bfp4-g32");
}
TEST_CASE("a GEMM of 512 x 4096 x 512 in M8M8") {
  check_whole_gemm("bfp8-g32");
}

}  // namespace
}  // namespace nibble
