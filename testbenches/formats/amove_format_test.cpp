// SPDX-License-Identifier: Apache-2.0
#include "formats/amove.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "formats/packed_operand.h"
#include "formats/quantizer.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

QuantizedTensor encode_as(const Tensor& tensor, const std::string& format, const EncodeOptions& options = {}) {
  return encode(tensor, Format::parse(format), options);
}

EncodeOptions online(int exponent) {
  EncodeOptions options;
  options.exponent = exponent;
  return options;
}

EncodeOptions weights() {
  EncodeOptions options;
  options.slot = TensorSlot::offline;
  return options;
}

double squared(double x) {
  return x * x;
}

/// Steps 3 and 4 of the definition for one residual, with exact comparisons in binary64.
struct Scales {
  std::vector<int> codes;
  std::vector<float> scales;
  Scales(float s, float r, const std::vector<float>& d) {
    for (const float di : d) {
      int code = 0;
      if (r != 0) code = static_cast<int>(std::min(3.0F, std::max(0.0F, std::nearbyint((s - di) / r))));
      while (code > 0 && static_cast<double>(s) - static_cast<double>(r) * code <= 0)
        --code;
      codes.push_back(code);
      scales.push_back(round_fp16(s - r * static_cast<float>(code)));
    }
  }
};

/// Every group of `coded` against the definition.
void check(const Tensor& tensor, const QuantizedTensor& coded, bool offline) {
  const std::size_t k = coded.format.group_k, c = coded.format.cluster, columns = tensor.columns();
  const auto qmax = static_cast<float>((1 << (coded.format.bits - 1)) - 1);
  const int p = coded.tensor_exponent;
  const Tensor decoded = decode(coded);
  std::uint64_t saturated = 0;
  for (std::size_t row = 0; row < tensor.rows(); ++row) {
    for (std::size_t g = 0; g * k < columns; ++g) {
      const std::size_t first = row * columns + g * k, length = std::min(k, columns - g * k),
                        group = coded.group_index(row, g);
      std::vector<float> d;
      for (std::size_t i = 0; i < length; i += c) {
        float amax = 0;
        for (std::size_t j = i; j < std::min(length, i + c); ++j)
          amax = std::max(amax, std::abs(tensor.values[first + j]));
        d.push_back(std::ldexp(amax / qmax, -p));
      }
      float base = 0, sum = 0;
      for (const float di : d)
        base = std::max(base, di);
      for (const float di : d)
        sum += base - di;
      saturated += base > 448;
      const float s = round_e4m3(base), r0 = sum / static_cast<float>(2 * d.size());
      float r = round_e4m3(r0);
      if (offline) {
        double best = std::numeric_limits<double>::infinity();
        r = 0;
        for (int j = 0; j <= 200; ++j) {
          const float candidate = round_e4m3(r0 * (static_cast<float>(j) / 100.0F));
          if (!(candidate > 0)) continue;
          const Scales scales(s, candidate, d);
          double error = 0;
          for (std::size_t i = 0; i < d.size(); ++i)
            error += squared(static_cast<double>(d[i]) - static_cast<double>(scales.scales[i]));
          if (error < best) {
            best = error;
            r = candidate;
          }
        }
      }
      REQUIRE(coded.base_scales[group] == s);
      REQUIRE(coded.residuals[group] == r);
      const Scales scales(s, r, d);
      for (std::size_t i = 0; i < k / c; ++i) {
        REQUIRE(int(coded.cluster_codes[group * (k / c) + i]) == (i < d.size() ? scales.codes[i] : 0));
      }
      for (std::size_t i = 0; i < length; ++i) {
        const float u = std::ldexp(scales.scales[i / c], p);
        const float q = u == 0 ? 0.0F : std::min(qmax, std::max(-qmax, std::nearbyint(tensor.values[first + i] / u)));
        REQUIRE(coded.codes[first + i] == static_cast<int>(q));
        REQUIRE(decoded.values[first + i] == static_cast<float>(coded.codes[first + i]) * u);
      }
    }
  }
  REQUIRE(coded.saturated_groups == saturated);
}

}  // namespace

TEST_CASE("the worked example of the paper") {
  const Tensor tensor{
      "t", {1, 16}, {16.1F, 81, 1.1F, 17.1F, -27.8F, 280, 0.2F, -1.8F, 32.3F, 79, 2.3F, -16, 8, -3.9F, -3.6F, -7.2F}};
  const QuantizedTensor coded = encode_as(tensor, "amove4-g16c4");
  CHECK(coded.base_scales == std::vector<float>{40});
  CHECK(coded.residuals == std::vector<float>{12});
  CHECK(coded.cluster_codes == std::vector<std::uint8_t>{2, 0, 2, 3});
  CHECK(coded.codes == std::vector<std::int16_t>{1, 5, 0, 1, -1, 7, 0, 0, 2, 5, 0, -1, 2, -1, -1, -2});
  CHECK(decode(coded).values == std::vector<float>{16, 80, 0, 16, -40, 280, 0, 0, 32, 80, 0, -16, 8, -4, -4, -8});
  CHECK(coded.saturated_groups == 0);
}

TEST_CASE("online and offline follow the definition") {
  for (const char* format :
       {"amove4-g32c4", "amove4-g128c16", "amove3-g32c4", "amove2-g8c2", "amove4-g9c3", "amove4-g5c5"}) {
    const Tensor tensor = random_tensor({6, 139}, 21);
    INFO(format);
    for (const int exponent : {0, -8, 3})
      check(tensor, encode_as(tensor, format, online(exponent)), false);
    check(tensor, encode_as(tensor, format, weights()), true);
  }
}

TEST_CASE("small, large and subnormal tensors") {
  for (const double deviation : {0x1p-140, 0x1p-30, 1e4, 0x1p110}) {
    const Tensor tensor = random_tensor({4, 64}, 22, deviation);
    check(tensor, encode_as(tensor, "amove4-g32c4", weights()), true);
    check(tensor, encode_as(tensor, "amove4-g32c4"), false);
  }
}

TEST_CASE("the exponent of offline tensors is the smallest that fits E4M3") {
  CHECK(amove_exponent(1.0F, 4) == -11);  // attention probabilities
  CHECK(amove_exponent(1.0F, 3) == -10);
  CHECK(amove_exponent(1.0F, 2) == -8);
  CHECK(amove_exponent(0.0F, 4) == 0);
  CHECK(amove_exponent(448.0F, 2) == 0);
  CHECK(amove_exponent(std::nextafter(448.0F, 500.0F), 2) == 1);
  CHECK(amove_exponent(std::numeric_limits<float>::denorm_min(), 2) == -157);
  CHECK(amove_exponent(std::numeric_limits<float>::max(), 2) == 120);
  for (float x = 1e-40F; x < 1e38F; x *= 1.37F) {
    for (const unsigned bits : {4U, 3U, 2U}) {
      const double d = static_cast<double>(x / static_cast<float>((1 << (bits - 1)) - 1));
      const int p = amove_exponent(x, bits);
      if (d == 0) continue;
      REQUIRE(std::ldexp(d, -p) <= 448);
      REQUIRE(std::ldexp(d, -(p - 1)) > 448);
    }
  }
  EncodeOptions options = weights();
  const QuantizedTensor coded = encode_as(Tensor{"w", {1, 4}, {1, 0.5F, 0.25F, -1}}, "amove4-g4c2", options);
  CHECK(coded.tensor_exponent == -11);
  CHECK(encode_as(Tensor{"w", {1, 2}, {0, 0}}, "amove4-g4c2", options).tensor_exponent == 0);
}

TEST_CASE("a weight may be encoded by the online rule with an offline exponent, and the other way round") {
  const Tensor tensor = random_tensor({3, 64}, 23, 0.02);
  EncodeOptions options = weights();
  options.select = "online";
  check(tensor, encode_as(tensor, "amove4-g32c4", options), false);
  CHECK(encode_as(tensor, "amove4-g32c4", options).tensor_exponent < 0);
  EncodeOptions searched;
  searched.select = "offline";
  check(tensor, encode_as(tensor, "amove4-g32c4", searched), true);
  CHECK(encode_as(tensor, "amove4-g32c4", searched).tensor_exponent == 0);
  // The sum of the deviations overflows: every candidate but the first saturates.
  const Tensor peak{"t", {1, 8}, {3e38F, 0, 1, 0, 0, 0, 0, 0}};
  check(peak, encode_as(peak, "amove2-g8c1", searched), true);
}

TEST_CASE("a code that would make the scale zero or negative is lowered") {
  // R = 7/16: code 2 leaves 1 - 0.875 > 0 and stays.
  const Tensor tensor{"t", {1, 8}, {1, 0, 0, 0, 0, 0, 0, 0}};
  const QuantizedTensor coded = encode_as(tensor, "amove2-g8c1");
  CHECK(coded.base_scales[0] == 1.0F);
  CHECK(coded.residuals[0] == 0.4375F);
  CHECK(coded.cluster_codes == std::vector<std::uint8_t>{0, 2, 2, 2, 2, 2, 2, 2});
  // S and R saturate at 448: code 1 would give 0.
  const Tensor huge{"t", {1, 2}, {1e6F, 0}};
  const QuantizedTensor saturated = encode_as(huge, "amove2-g2c1");
  CHECK(saturated.base_scales[0] == 448.0F);
  CHECK(saturated.residuals[0] == 448.0F);
  CHECK(saturated.cluster_codes == std::vector<std::uint8_t>{0, 0});
  CHECK(saturated.saturated_groups == 1);
  check(huge, saturated, false);
}

TEST_CASE("zero groups and vanishing scales") {
  const QuantizedTensor zero = encode_as(Tensor{"t", {1, 6}, {0, -0.0F, 0, 0, 0, 0}}, "amove4-g4c2");
  CHECK(zero.base_scales == std::vector<float>{0, 0});
  CHECK(zero.cluster_codes == std::vector<std::uint8_t>{0, 0, 0, 0});
  for (const float value : decode(zero).values)
    CHECK((value == 0 && !std::signbit(value)));
  // Below half of E4M3's smallest number everything becomes zero.
  const QuantizedTensor lost = encode_as(Tensor{"t", {1, 2}, {0.001F, 0.0005F}}, "amove4-g2c1");
  CHECK(lost.base_scales[0] == 0.0F);
  CHECK(decode(lost).values == std::vector<float>{0, 0});
}

TEST_CASE("what is not finite names its group") {
  CHECK_THROWS_WITH(encode_as(Tensor{"q.npy", {2, 2}, {0, 0, 0, 3e38F}}, "amove2-g2c2", online(-100)),
                    Catch::StartsWith("q.npy: group 1 (row 1, columns 0..1): a cluster's scale is beyond"));
  CHECK_THROWS_AS(encode_as(Tensor{"q.npy", {1, 1}, {3.0e38F}}, "amove2-g2c2", online(-100)), InputError);
  const float largest = std::numeric_limits<float>::max();
  const std::string beyond = "q.npy: group 0 (row 0, column 0): a decoded value is beyond";
  // The scale itself becomes 256 * 2^120.
  CHECK_THROWS_WITH(encode_as(Tensor{"q.npy", {1, 1}, {largest}}, "amove2-g2c2", online(120)),
                    Catch::StartsWith(beyond));
  // 2^128 / 3 rounds up to 1.375 * 2^126, three times of which is too much; two times is not.
  CHECK_THROWS_WITH(encode_as(Tensor{"q.npy", {1, 1}, {largest}}, "amove3-g2c2", online(118)),
                    Catch::StartsWith(beyond));
  check(Tensor{"t", {1, 1}, {largest}}, encode_as(Tensor{"t", {1, 1}, {largest}}, "amove4-g2c2", online(118)), false);
}

TEST_CASE("records have the sizes of the paper") {
  for (const char* format : {"amove4-g128c16", "amove4-g32c4"}) {
    const Format parsed = Format::parse(format);
    CHECK(metadata_bytes(parsed) + code_bytes(parsed, parsed.group_k) == (parsed.group_k == 128 ? 68U : 20U));
  }
  const QuantizedTensor coded = encode_as(
      Tensor{"t",
             {1, 16},
             {16.1F, 81, 1.1F, 17.1F, -27.8F, 280, 0.2F, -1.8F, 32.3F, 79, 2.3F, -16, 8, -3.9F, -3.6F, -7.2F}},
      "amove4-g16c4");
  std::uint8_t bytes[3];
  pack_metadata(coded, 0, 0, bytes);
  CHECK(int(bytes[0]) == 0x62);  // 40 = 1.25 * 2^5
  CHECK(int(bytes[1]) == 0x54);  // 12 = 1.5 * 2^3
  CHECK(int(bytes[2]) == 0xE2);  // 2, 0, 2, 3 from the low bits
  CHECK(bits_per_element(encode_as(random_tensor({2, 256}, 1), "amove4-g128c16")) == 4.25);
  CHECK(bits_per_element(encode_as(random_tensor({2, 256}, 1), "amove4-g32c4")) == 5.0);
  CHECK(bits_per_element(encode_as(random_tensor({1, 40}, 1), "amove4-g32c4")) == 4.0 + 64.0 / 40);
}
