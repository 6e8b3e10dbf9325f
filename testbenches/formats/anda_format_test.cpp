// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

TEST_CASE("anda8 and anda4 are bfp8 and bfp4, cut toward zero") {
  const Tensor tensor = random_tensor({7, 75}, 31);
  for (const auto& [anda, bfp] :
       {std::pair<const char*, const char*>{"anda8-g32", "bfp8-g32"}, {"anda4-g7", "bfp4-g7"}}) {
    const QuantizedTensor ours = encode(tensor, Format::parse(anda)), theirs = encode(tensor, Format::parse(bfp));
    CHECK(ours.codes == theirs.codes);
    CHECK(ours.exponents == theirs.exponents);
    CHECK(decode(ours).values == decode(theirs).values);
    CHECK(bits_per_element(ours) == bits_per_element(theirs));
  }
}

TEST_CASE("every FP16 value at every distance from the largest, in every length") {
  for (unsigned bits = 4; bits <= 15; ++bits) {
    const Format format = Format::parse("anda" + std::to_string(bits) + "-g2");
    for (const int top : {0, 3, 11, 15}) {
      Tensor tensor{"t", {0x7C00, 2}, {}};
      for (std::uint32_t code = 0; code < 0x7C00; ++code) {
        tensor.values.push_back(fp16_value(static_cast<std::uint16_t>(code)));
        tensor.values.push_back(-std::ldexp(1.0F, top));
      }
      const QuantizedTensor coded = encode(tensor, format);
      for (std::size_t i = 0; i < 0x7C00; ++i) {
        const float x = tensor.values[2 * i];
        const int exponent = std::max({top, x == 0 ? -14 : std::ilogb(x), -14}) + 15;
        REQUIRE(coded.exponents[i] == exponent);
        const double unit = std::ldexp(1.0, exponent - 14 - static_cast<int>(bits));
        REQUIRE(coded.codes[2 * i] == std::trunc(static_cast<double>(x) / unit));
      }
    }
  }
}

TEST_CASE("a longer mantissa only adds bits: each is the shorter one with more planes behind") {
  const Tensor tensor = random_tensor({5, 128}, 32);
  for (unsigned bits = 5; bits <= 15; ++bits) {
    const QuantizedTensor longer = encode(tensor, Format::parse("anda" + std::to_string(bits) + "-g64"));
    const QuantizedTensor shorter = encode(tensor, Format::parse("anda" + std::to_string(bits - 1) + "-g64"));
    CHECK(longer.exponents == shorter.exponents);
    std::vector<std::uint8_t> a(code_bytes(longer.format, 64)), b(code_bytes(shorter.format, 64));
    for (std::size_t row = 0; row < 5; ++row) {
      pack_codes(longer, row, 1, a.data());
      pack_codes(shorter, row, 1, b.data());
      // Whole planes of 8 bytes: sign and magnitudes from the top. A magnitude that is cut to 0 loses its sign.
      CHECK(std::equal(b.begin() + 8, b.end(), a.begin() + 8));
    }
  }
}

TEST_CASE("planes: signs first, then the mantissas from the highest bit, and a short group without gaps") {
  Tensor tensor{"t", {1, 3}, {1.0F, -0.5F, 0.25F}};  // mantissas 1000, 0100, 0010
  const QuantizedTensor coded = encode(tensor, Format::parse("anda4-g64"));
  std::uint8_t out[3] = {0xFF, 0xFF, 0xA5};
  pack_codes(coded, 0, 0, out);
  // signs 0 1 0, then bit 3: 1 0 0, bit 2: 0 1 0, bit 1: 0 0 1, bit 0: 0 0 0.
  CHECK(int(out[0]) == (0b010 | 0b001 << 3 | (0b010 << 6 & 0xFF)));
  CHECK(int(out[1]) == (0b010 >> 2 | 0b100 << 1 | 0b000 << 4));
  CHECK(int(out[2]) == 0xA5);
  // Part of a longer run: two of three elements.
  QuantizedTensor part = blank_tensor(coded.format, {1, 2}, "part");
  unpack_elements(out, 0, 0, 2, part, 3);
  CHECK(part.codes == std::vector<std::int16_t>{8, -4});
}

TEST_CASE("anda beyond FP16, and its lengths") {
  CHECK_THROWS_AS(encode(Tensor{"t", {1, 2}, {1.0F, 65520.0F}}, Format::parse("anda7-g64")), InputError);
  for (const char* name : {"anda3-g64", "anda16-g64", "anda07-g64", "anda8-channel", "anda8-g0", "anda8"})
    CHECK_THROWS_AS(Format::parse(name), InputError);
  EncodeOptions nearest;
  nearest.select = "nearest";
  CHECK_THROWS_WITH(encode(Tensor{"t", {1, 1}, {1.0F}}, Format::parse("anda7-g64"), nearest),
                    Catch::Contains("no selection"));
}
