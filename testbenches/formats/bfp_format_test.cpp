// SPDX-License-Identifier: Apache-2.0
#include "formats/bfp.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

QuantizedTensor encode_as(const Tensor& tensor, const std::string& format, const std::string& select = "") {
  EncodeOptions options;
  options.select = select;
  return encode(tensor, Format::parse(format), options);
}

/// Mantissa of an FP16 code in a group of exponent E, from the definition, in integers.
int mantissa(std::uint32_t code, int group_exponent, unsigned bits, bool nearest) {
  const int field = static_cast<int>(code >> 10 & 31), fraction = static_cast<int>(code & 1023);
  const int exponent = std::max(1, field), significand = field == 0 ? fraction : fraction + 1024;
  const int distance = group_exponent - exponent;
  if (!nearest) {
    const int m8 = distance >= 8 ? 0 : (significand >> distance) >> 3;
    return bits == 8 ? m8 : m8 >> 4;
  }
  const double scaled = std::ldexp(significand, -(distance + (bits == 8 ? 3 : 7)));
  return std::min(bits == 8 ? 255 : 15, static_cast<int>(std::nearbyint(scaled)));
}

}  // namespace

TEST_CASE("every FP16 value under every shared exponent") {
  for (const unsigned bits : {8U, 4U}) {
    for (const bool nearest : {false, true}) {
      for (int group_exponent = 1; group_exponent <= 30; ++group_exponent) {
        // Pairs: a value, and the power of two that sets the exponent of its group.
        std::vector<std::uint32_t> sources;
        Tensor tensor{"t", {0, 2}, {}};
        for (std::uint32_t code = 0; code < static_cast<std::uint32_t>(group_exponent + 1) << 10; ++code) {
          const float value = fp16_value(static_cast<std::uint16_t>(code));
          sources.push_back(code);
          tensor.values.push_back(code % 2 == 0 ? value : -value);
          tensor.values.push_back(std::ldexp(1.0F, group_exponent - 15));
        }
        tensor.shape[0] = sources.size();
        const QuantizedTensor coded =
            encode_as(tensor, "bfp" + std::to_string(bits) + "-g2", nearest ? "nearest" : "truncate");
        const Tensor decoded = decode(coded);
        unsigned wrong = 0;
        for (std::size_t i = 0; i < sources.size(); ++i) {
          const int expected = mantissa(sources[i], group_exponent, bits, nearest) * (sources[i] % 2 == 0 ? 1 : -1);
          const float value = std::ldexp(static_cast<float>(expected), group_exponent - (bits == 8 ? 22 : 18));
          wrong += coded.codes[2 * i] != expected || coded.exponents[i] != group_exponent;
          wrong += decoded.values[2 * i] != value || (value == 0 && std::signbit(decoded.values[2 * i]));
        }
        REQUIRE(wrong == 0);
      }
    }
  }
}

TEST_CASE("truncation is the default, the input is rounded to FP16 first") {
  // 1 + 255/256 - 2^-13 rounds to FP16 1 + 255/256, whose M8 is 255; truncating binary32 at once would give 254.
  const float x = 1.0F + 127.0F / 128.0F - 0x1p-13F;
  CHECK(encode_as(Tensor{"t", {1}, {x}}, "bfp8-g32").codes[0] == 255);
  CHECK(encode_as(Tensor{"t", {1}, {1.9990F}}, "bfp8-g32").codes[0] == 255);
  CHECK(encode_as(Tensor{"t", {1}, {1.9990F}}, "bfp8-g32", "nearest").codes[0] == 255);  // would be 256
  CHECK(encode_as(Tensor{"t", {1}, {1.99F}}, "bfp4-g32", "nearest").codes[0] == 15);
  CHECK(encode_as(Tensor{"t", {1}, {1.99F}}, "bfp4-g32", "truncate").codes[0] == 15);
  CHECK(encode_as(Tensor{"t", {1}, {1.49F}}, "bfp4-g32").codes ==
        encode_as(Tensor{"t", {1}, {1.49F}}, "bfp4-g32", "truncate").codes);
}

TEST_CASE("zero groups, short groups, overflow") {
  const QuantizedTensor coded = encode_as(Tensor{"t", {1, 5}, {0, -0.0F, 0, 0, -65504}}, "bfp8-g4");
  CHECK(coded.exponents == std::vector<std::int16_t>{1, 30});
  CHECK(coded.codes == std::vector<std::int16_t>{0, 0, 0, 0, -255});
  CHECK(!std::signbit(decode(coded).values[1]));
  CHECK(bits_per_element(coded) == 9.0 + 10.0 / 5);
  CHECK(bits_per_element(encode_as(random_tensor({2, 64}, 1), "bfp4-g32")) == 5.15625);
  CHECK_THROWS_WITH(encode_as(Tensor{"q.npy", {2, 3}, {0, 0, 0, 0, 0, 65520}}, "bfp8-g2"),
                    "q.npy: group 3 (row 1, column 2): the value at flat index 5 overflows FP16");
}

TEST_CASE("demotion drops the low nibble") {
  for (int m = -255; m <= 255; ++m) {
    const int expected = (m < 0 ? -1 : 1) * (std::abs(m) / 16);
    REQUIRE(demote_mantissa(static_cast<std::int16_t>(m)) == expected);
  }
  const Tensor tensor = random_tensor({4, 96}, 2);
  const QuantizedTensor wide = encode_as(tensor, "bfp8-g32"), narrow = demote_to_bfp4(wide);
  const QuantizedTensor direct = encode_as(tensor, "bfp4-g32");
  CHECK(narrow.format == direct.format);
  CHECK(narrow.codes == direct.codes);  // truncating twice is truncating once
  CHECK(narrow.exponents == direct.exponents);
  CHECK_THROWS_AS(demote_to_bfp4(narrow), InternalError);
}
