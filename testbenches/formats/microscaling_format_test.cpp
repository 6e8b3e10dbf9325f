// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

QuantizedTensor encode_as(const Tensor& tensor, const std::string& format) {
  return encode(tensor, Format::parse(format));
}

Tensor block(std::vector<float> values) {
  return {"t", {1, values.size()}, std::move(values)};
}

/// The positive values of a format, in the order of their codes.
std::vector<double> positives(const std::string& format) {
  if (format == "mxfp4-g32") return {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const bool e4m3 = format == "mxfp8-g32";
  const int bias = e4m3 ? 7 : 1, last = e4m3 ? 0x7E : 0x1F;
  std::vector<double> out;
  for (int code = 0; code <= last; ++code) {
    const int field = code >> 3, fraction = code & 7;
    out.push_back(field == 0 ? std::ldexp(fraction, -3 + 1 - bias) : std::ldexp(8 + fraction, field - bias - 3));
  }
  return out;
}

}  // namespace

TEST_CASE("MX floating elements: every value, every tie, both signs, saturation") {
  for (const std::string format : {"mxfp4-g32", "mxfp6-g32", "mxfp8-g32"}) {
    const std::vector<double> grid = positives(format);
    const double largest = grid.back(), peak = format == "mxfp8-g32" ? 256 : 4;  // gives X = 0
    const int sign = static_cast<int>(std::lround(std::pow(2, std::ceil(std::log2(grid.size())))));
    INFO(format);
    for (const int shift : {0, -20, 30}) {
      const auto probe = [&](double value, std::size_t code) {
        const QuantizedTensor coded =
            encode_as(block({static_cast<float>(std::ldexp(peak, shift)), static_cast<float>(std::ldexp(value, shift)),
                             static_cast<float>(std::ldexp(-value, shift))}),
                      format);
        REQUIRE(coded.exponents[0] == shift);
        REQUIRE(coded.codes[1] == static_cast<int>(code));
        REQUIRE(coded.codes[2] == static_cast<int>(code) + sign);
        const Tensor decoded = decode(coded);
        REQUIRE(static_cast<double>(decoded.values[1]) == std::ldexp(grid[code], shift));
        REQUIRE(static_cast<double>(decoded.values[2]) == -std::ldexp(grid[code], shift));
        REQUIRE(std::signbit(decoded.values[2]));
      };
      for (std::size_t code = 0; code < grid.size(); ++code) {
        probe(grid[code], code);
        if (code + 1 == grid.size()) break;
        const double tie = (grid[code] + grid[code + 1]) / 2, small = (grid[code + 1] - grid[code]) / 64;
        probe(tie, code % 2 == 0 ? code : code + 1);
        probe(tie - small, code);
        probe(tie + small, code + 1);
      }
      // Just below the next power of two the element format has nothing: it saturates.
      const double above = std::exp2(std::floor(std::log2(largest)) + 1) * (1 - 1.0 / 1024);
      probe(above, grid.size() - 1);
    }
  }
}

TEST_CASE("MX shared exponents: exact logarithm, clamps, zero") {
  const auto exponent = [](float amax, const std::string& format) {
    return int(encode_as(block({amax, 0}), format).exponents[0]);
  };
  CHECK(exponent(1.0F, "mxint8-g32") == 0);
  CHECK(exponent(std::nextafter(1.0F, 0.0F), "mxint8-g32") == -1);
  CHECK(exponent(6.0F, "mxfp4-g32") == 0);
  CHECK(exponent(std::nextafter(8.0F, 0.0F), "mxfp6-g32") == 0);
  CHECK(exponent(8.0F, "mxfp6-g32") == 1);
  CHECK(exponent(1.0F, "mxfp8-g32") == -8);
  CHECK(exponent(std::numeric_limits<float>::max(), "mxint8-g32") == 127);
  CHECK(exponent(std::numeric_limits<float>::max(), "mxfp8-g32") == 119);
  CHECK(exponent(std::numeric_limits<float>::denorm_min(), "mxint8-g32") == -127);
  CHECK(exponent(0x1p-127F, "mxint8-g32") == -127);
  CHECK(exponent(0x1.8p-126F, "mxint8-g32") == -126);
  CHECK(exponent(0x1p-120F, "mxfp8-g32") == -127);
  CHECK(exponent(0.0F, "mxfp4-g32") == -127);
  CHECK(exponent(-0.0F, "mxint8-g32") == -127);
}

TEST_CASE("MX INT8 elements: ties, symmetric range, values") {
  // X = 0: the unit is 1/64.
  const QuantizedTensor coded =
      encode_as(block({1.0F, 0.5F / 64, 1.5F / 64, 2.5F / 64, -2.5F / 64, 1.999F, -1.999F}), "mxint8-g32");
  CHECK(coded.exponents[0] == 0);
  CHECK(coded.codes == std::vector<std::int16_t>{64, 0, 2, 2, -2, 127, -127});
  CHECK(decode(coded).values ==
        std::vector<float>{1.0F, 0, 2.0F / 64, 2.0F / 64, -2.0F / 64, 127.0F / 64, -127.0F / 64});
  const QuantizedTensor tiny = encode_as(block({0x1p-133F, -0x1p-140F, -0.0F}), "mxint8-g32");
  CHECK(tiny.codes == std::vector<std::int16_t>{1, 0, 0});
  CHECK(decode(tiny).values == std::vector<float>{0x1p-133F, 0, 0});
  CHECK(!std::signbit(decode(tiny).values[1]));
}

TEST_CASE("MX keeps the sign of a zero element") {
  for (const std::string format : {"mxfp4-g32", "mxfp6-g32", "mxfp8-g32"}) {
    const Tensor decoded = decode(encode_as(block({1, -0.0F, -1e-30F, 0.0F}), format));
    CHECK(std::signbit(decoded.values[1]));
    CHECK(std::signbit(decoded.values[2]));
    CHECK(!std::signbit(decoded.values[3]));
  }
}

TEST_CASE("MX storage") {
  const Tensor tensor = random_tensor({3, 64}, 1);
  CHECK(bits_per_element(encode_as(tensor, "mxfp4-g32")) == 4.25);
  CHECK(bits_per_element(encode_as(tensor, "mxfp6-g32")) == 6.25);
  CHECK(bits_per_element(encode_as(tensor, "mxfp8-g32")) == 8.25);
  CHECK(bits_per_element(encode_as(tensor, "mxint8-g32")) == 8.25);
  CHECK(bits_per_element(encode_as(tensor, "nvfp4-g16")) == 4.5 + 32.0 / 192);
}

TEST_CASE("nvfp4 follows its definition") {
  for (const double deviation : {1.0, 1e-5, 0x1p-145, 0x1p100}) {
    const Tensor tensor = random_tensor({5, 75}, 31, deviation);
    const QuantizedTensor coded = encode_as(tensor, "nvfp4-g16");
    const Tensor decoded = decode(coded);
    float amax = 0;
    for (const float x : tensor.values)
      amax = std::max(amax, std::abs(x));
    const float t = amax / 2688.0F;
    REQUIRE(coded.tensor_scale == t);
    for (std::size_t i = 0; i < tensor.size(); ++i) {
      const std::size_t row = i / 75, g = i % 75 / 16;
      float peak = 0;
      for (std::size_t c = g * 16; c < std::min<std::size_t>(75, g * 16 + 16); ++c)
        peak = std::max(peak, std::abs(tensor.values[row * 75 + c]));
      const float scale = t == 0 ? 0.0F : round_e4m3((peak / 6.0F) / t), step = scale * t;
      REQUIRE(coded.scales[row * 5 + g] == scale);
      const int code = step == 0 ? 0 : e2m1_bits(tensor.values[i] / step);
      REQUIRE(coded.codes[i] == code);
      REQUIRE(decoded.values[i] == e2m1_value(static_cast<std::uint8_t>(code)) * step);
    }
  }
}

TEST_CASE("nvfp4 where scales vanish") {
  const QuantizedTensor zero = encode_as(block({0, -0.0F}), "nvfp4-g16");
  CHECK(zero.tensor_scale == 0.0F);
  CHECK(zero.codes == std::vector<std::int16_t>{0, 0});
  // A tensor whose second block is more than 2^10 * 448 below the first: its scale rounds to zero, so do its signs.
  Tensor tensor{"t", {1, 32}, std::vector<float>(32, -1e-8F)};
  tensor.values[0] = 1;
  const QuantizedTensor coded = encode_as(tensor, "nvfp4-g16");
  CHECK(coded.scales[1] == 0.0F);
  CHECK(coded.codes[20] == 0);
  CHECK(!std::signbit(decode(coded).values[20]));
  CHECK(coded.codes[1] == 8);  // the first block has a scale: the sign of a vanishing element stays
}
