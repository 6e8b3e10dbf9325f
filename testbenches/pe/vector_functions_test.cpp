// SPDX-License-Identifier: Apache-2.0
/// Accuracy of the vector unit against long double, correctly rounded roots against exact integers, order of sums.
#include "pe/vector_functions.h"

#include <boost/multiprecision/cpp_int.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/random.h"
#include "formats/rounding.h"

using namespace nibble;

namespace {

/// Every finite FP16 value.
template <class Visit>
void for_each_fp16(Visit visit) {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) != 0x7C00) visit(fp16_value(static_cast<std::uint16_t>(code)));
  }
}

long double relative_error(float value, long double exact) {
  return std::fabs((static_cast<long double>(value) - exact) / exact);
}

/// Distance in units of the last place of FP16 at `exact`.
long double fp16_ulps(float value, long double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(static_cast<long double>(value) - exact) / std::ldexp(1.0L, std::max(exponent - 11, -24));
}

long double normal_cdf(long double x) {
  return 0.5L * std::erfc(-x / std::sqrt(2.0L));
}

std::vector<float> random_row(std::size_t count, double deviation, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> row(count);
  for (float& value : row)
    value = round_fp16(static_cast<float>(deviation * random.normal()));
  return row;
}

}  // namespace

TEST_CASE("the exponential is within 2^-22 wherever it is neither zero nor infinite", "[vector]") {
  long double worst = 0;
  for (float x = -87.0F; x < 88.7F; x += 0.000731F)
    worst = std::max(worst, relative_error(vector_exp(x), std::exp(static_cast<long double>(x))));
  CAPTURE(worst);
  CHECK(worst < 0x1p-22L);
  CHECK(worst > 0x1p-25L);  // a bound that could not fail would say nothing
  CHECK(vector_exp(0.0F) == 1.0F);
  CHECK(vector_exp(-0.0F) == 1.0F);
  CHECK(vector_exp(-87.01F) == 0.0F);
  CHECK(vector_exp(-std::numeric_limits<float>::infinity()) == 0.0F);
  CHECK(vector_exp(89.0F) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(vector_exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("sigmoid and the normal distribution hold their bounds for every FP16 value", "[vector]") {
  long double sigmoid = 0, cdf = 0;
  for_each_fp16([&](float x) {
    const long double exact = x;
    if (x > -86.9F) sigmoid = std::max(sigmoid, relative_error(vector_sigmoid(x), 1.0L / (1.0L + std::exp(-exact))));
    if (x > -6.2F) cdf = std::max(cdf, relative_error(vector_normal_cdf(x), normal_cdf(exact)));
  });
  CAPTURE(sigmoid, cdf);
  CHECK(sigmoid < 0x1p-21L);
  CHECK(cdf < 0x1p-18L);
  CHECK(vector_normal_cdf(-65504.0F) == 0.0F);
  CHECK(vector_normal_cdf(65504.0F) == 1.0F);
}

TEST_CASE("activations are within 0.51 units of FP16 for every FP16 value", "[vector]") {
  long double swish = 0, by_tanh = 0, by_erf = 0;
  for_each_fp16([&](float x) {
    const long double exact = x;
    const long double u = std::sqrt(2.0L / std::acos(-1.0L)) * (exact + 0.044715L * exact * exact * exact);
    swish = std::max(swish, fp16_ulps(round_fp16(silu(x)), exact / (1.0L + std::exp(-exact))));
    by_tanh = std::max(by_tanh, fp16_ulps(round_fp16(gelu(x, GeluForm::tanh)), exact / (1.0L + std::exp(-2.0L * u))));
    by_erf = std::max(by_erf, fp16_ulps(round_fp16(gelu(x, GeluForm::erf)), exact * normal_cdf(exact)));
  });
  CAPTURE(swish, by_tanh, by_erf);
  CHECK(swish < 0.51L);
  CHECK(by_tanh < 0.51L);
  CHECK(by_erf < 0.51L);
}

TEST_CASE("square roots are correctly rounded", "[vector]") {
  using boost::multiprecision::cpp_int;
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    const float x = float_from_bits(static_cast<std::uint32_t>(random.below(0x7F800000)));
    const float root = vector_sqrt(x);
    CAPTURE(x, root);
    REQUIRE(root == std::sqrt(x));
    // (root -+ half a unit)^2 encloses x: exact, in units of 2^-200.
    const auto exact = [](double value) { return cpp_int(std::ldexp(value, 100)); };
    const double below = (static_cast<double>(std::nextafter(root, 0.0F)) + root) / 2;
    const double above = (static_cast<double>(std::nextafter(root, 1e30F)) + root) / 2;
    if (x < 1e-12F) continue;
    REQUIRE(exact(below) * exact(below) <= (exact(x) << 100));
    REQUIRE(exact(above) * exact(above) >= (exact(x) << 100));
  }
  CHECK(vector_sqrt(0.0F) == 0.0F);
  CHECK(vector_sqrt(float_from_bits(1)) == std::sqrt(float_from_bits(1)));
  CHECK(vector_sqrt(std::numeric_limits<float>::infinity()) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(vector_sqrt(-1.0F)));
}

TEST_CASE("sums run in lanes and then pairwise", "[vector]") {
  // Big values swallow small ones unless their lanes keep them apart: 2^24 + 1 is 2^24 in binary32.
  const float big = 16777216.0F;
  const std::vector<float> x{big, 1, 0, 0, 0, 1};
  CHECK(lane_sum(x.data(), x.size(), 4) == big + 2.0F);  // lane 1 holds 1 + 1
  CHECK(lane_sum(x.data(), x.size(), 1) == big);         // one after the other
  CHECK(lane_sum(x.data(), x.size(), 3) == big);         // {big}, {1}, {1}: (big + 1) + 1
  CHECK(lane_sum(x.data(), x.size(), 64) == big);        // (big + 1) + ... : neighbours first
  const std::vector<float> y{1, 1, big, 0, 0};
  CHECK(lane_sum(y.data(), y.size(), 5) == big + 2.0F);  // (1 + 1) + (big + 0), then lane 4
  CHECK(lane_sum(nullptr, 0, 8) == 0.0F);
}

TEST_CASE("norms are within 0.55 units of FP16", "[vector]") {
  for (const std::size_t count : {1U, 7U, 64U, 65U, 4096U}) {
    const auto x = random_row(count, 3.0, count), gain = random_row(count, 1.0, count + 1),
               shift = random_row(count, 0.5, count + 2);
    std::vector<float> rms(count), layer(count);
    rms_norm(x.data(), count, gain.data(), 1e-5F, 64, rms.data());
    layer_norm(x.data(), count, gain.data(), shift.data(), 1e-5F, 64, layer.data());
    long double mean = 0, squares = 0, variance = 0;
    for (const float value : x) {
      mean += value;
      squares += static_cast<long double>(value) * value;
    }
    mean /= static_cast<long double>(count);
    for (const float value : x)
      variance += (value - mean) * (value - mean);
    const long double n = static_cast<long double>(count), epsilon = 1e-5F;
    for (std::size_t i = 0; i < count; ++i) {
      const long double by_rms = x[i] / std::sqrt(squares / n + epsilon) * gain[i];
      const long double spread = (x[i] - mean) / std::sqrt(variance / n + epsilon) * gain[i];
      CAPTURE(count, i);
      REQUIRE(fp16_ulps(rms[i], by_rms) < 0.55L);
      // The sum of two terms may cancel: the bound is that of their magnitudes.
      const long double scale = std::fabs(spread) + std::fabs(static_cast<long double>(shift[i])) + 0x1p-14L;
      REQUIRE(std::fabs(layer[i] - (spread + shift[i])) < 0.55L * 0x1p-10L * scale);
    }
  }
}

TEST_CASE("softmax is within 0.55 units of FP16, sums to one and is zero where masked", "[vector]") {
  for (const std::size_t count : {1U, 5U, 200U, 3000U}) {
    const auto x = random_row(count, 20.0, count);
    const std::size_t first = count / 5, end = count - count / 4;
    const float scale = 0.125F;
    std::vector<float> y(count, 9.0F);
    softmax(x.data(), count, first, end, scale, 64, y.data());
    long double largest = -1e30L, sum = 0;
    for (std::size_t i = first; i < end; ++i)
      largest = std::max(largest, static_cast<long double>(x[i]) * scale);
    for (std::size_t i = first; i < end; ++i)
      sum += std::exp(static_cast<long double>(x[i]) * scale - largest);
    for (std::size_t i = 0; i < count; ++i) {
      const bool visible = i >= first && i < end;
      CAPTURE(count, i);
      if (!visible) REQUIRE(y[i] == 0.0F);
      if (visible) REQUIRE(fp16_ulps(y[i], std::exp(static_cast<long double>(x[i]) * scale - largest) / sum) < 0.55L);
    }
  }
}

TEST_CASE("rotation turns pairs by exact angles, both ways of pairing", "[vector]") {
  const std::size_t positions = 5000, rotated = 6, count = 8;
  const auto table = rotary_table(positions, rotated, 10000.0);
  for (const std::size_t position : {0U, 1U, 17U, 4999U}) {
    for (std::size_t i = 0; i < rotated / 2; ++i) {
      const long double angle = position * std::pow(10000.0L, -2.0L * static_cast<long double>(i) / rotated);
      CHECK(table[position * rotated + i] == round_fp16(static_cast<float>(std::cos(angle))));
      CHECK(table[position * rotated + rotated / 2 + i] == round_fp16(static_cast<float>(std::sin(angle))));
    }
  }
  const auto x = random_row(count, 1.0, 3);
  const float* row = &table[17 * rotated];
  std::vector<float> split(count), pairs(count);
  rotate(x.data(), count, row, rotated, RotaryForm::half_split, split.data());
  rotate(x.data(), count, row, rotated, RotaryForm::interleaved, pairs.data());
  CHECK(split[1] == round_fp16(x[1] * row[1] - x[4] * row[4]));
  CHECK(split[4] == round_fp16(x[4] * row[1] + x[1] * row[4]));
  CHECK(pairs[2] == round_fp16(x[2] * row[1] - x[3] * row[4]));
  CHECK(pairs[3] == round_fp16(x[3] * row[1] + x[2] * row[4]));
  CHECK(split[7] == x[7]);
  CHECK(pairs[6] == x[6]);
}

TEST_CASE("the bits of the functions are those of the definition", "[vector]") {
  // A sum over all FP16 values: the same in every build.
  std::uint64_t hash = 0;
  for_each_fp16([&](float x) {
    for (const float y : {vector_exp(x), vector_sigmoid(x), vector_normal_cdf(x), silu(x), gelu(x, GeluForm::tanh),
                          gelu(x, GeluForm::erf), vector_sqrt(x < 0 ? -x : x)})
      hash = (hash ^ float_bits(y)) * 0x100000001B3ULL;
  });
  CHECK(hash == 0x8C1E804B15FFF19CULL);
}
