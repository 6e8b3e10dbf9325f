// SPDX-License-Identifier: Apache-2.0
#include "formats/rounding.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/random.h"

using namespace nibble;

namespace {

/// The value of a magnitude code, from the definition of the format alone.
double value_of(const FloatFormat& format, std::uint32_t code) {
  const std::uint32_t mantissa = code & ((1U << format.mantissa_bits) - 1);
  const int field = static_cast<int>(code >> format.mantissa_bits);
  const double fraction = std::ldexp(mantissa, -static_cast<int>(format.mantissa_bits));
  return field == 0 ? std::ldexp(fraction, 1 - format.bias) : std::ldexp(1.0 + fraction, field - format.bias);
}

std::uint32_t encode(const FloatFormat& format, float value) {
  return encode_float_bits(format, float_bits(value));
}

float next_up(float x) {
  return std::nextafter(x, std::numeric_limits<float>::infinity());
}
float next_down(float x) {
  return std::nextafter(x, -std::numeric_limits<float>::infinity());
}

/// Every finite code, every midpoint between neighbours and the values beside it, of both signs.
void check_exhaustively(const FloatFormat& format) {
  const std::uint32_t sign = 1U << format.sign_shift();
  unsigned wrong = 0;
  for (std::uint32_t code = 0; code <= format.max_code; ++code) {
    const auto value = static_cast<float>(value_of(format, code));
    const float decoded = decode_float(format, code), negative = decode_float(format, code | sign);
    wrong += !(decoded == value && negative == -value && std::signbit(negative));
    wrong += encode(format, value) != code;
    wrong += encode(format, -value) != (code | sign);
    if (code == format.max_code) break;
    const double middle = (value_of(format, code) + value_of(format, code + 1)) / 2;
    const auto tie = static_cast<float>(middle);
    REQUIRE(static_cast<double>(tie) == middle);
    const std::uint32_t even = code % 2 == 0 ? code : code + 1;
    wrong += encode(format, tie) != even;
    wrong += encode(format, -tie) != (even | sign);
    wrong += encode(format, next_down(tie)) != code;
    wrong += encode(format, next_up(tie)) != code + 1;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("every code and every midpoint of the narrow formats") {
  check_exhaustively(fp16_format);
  check_exhaustively(bf16_format);
  check_exhaustively(e4m3_format);
  check_exhaustively(e2m3_format);
  check_exhaustively(e2m1_format);
}

TEST_CASE("all 65536 FP16 patterns survive the way through binary32") {
  unsigned wrong = 0;
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const float value = fp16_value(static_cast<std::uint16_t>(code));
    if ((code & 0x7FFF) > 0x7C00) {
      wrong += !std::isnan(value) || fp16_bits(value) != ((code & 0x8000) | 0x7E00);
    } else {
      wrong += fp16_bits(value) != code;
    }
    const float wide = bf16_value(static_cast<std::uint16_t>(code));
    wrong += !std::isnan(wide) && bf16_bits(wide) != code;
  }
  CHECK(wrong == 0);
}

TEST_CASE("the ends of the ranges") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(fp16_bits(65504.0F) == 0x7BFF);
  CHECK(fp16_bits(next_down(65520.0F)) == 0x7BFF);
  CHECK(fp16_bits(65520.0F) == 0x7C00);  // the tie goes to the even neighbour, which is infinity
  CHECK(fp16_bits(-1e30F) == 0xFC00);
  CHECK(fp16_bits(infinity) == 0x7C00);
  CHECK(fp16_bits(0x1p-25F) == 0);
  CHECK(fp16_bits(next_up(0x1p-25F)) == 1);
  CHECK(fp16_bits(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(fp16_bits(-0.0F) == 0x8000);
  CHECK(bf16_bits(std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(bf16_bits(0x1.FEFFFEp127F) == 0x7F7F);
  CHECK(bf16_bits(std::numeric_limits<float>::quiet_NaN()) == 0x7FC0);
  CHECK(e4m3_value(e4m3_bits(448.0F)) == 448.0F);
  CHECK(e4m3_value(e4m3_bits(1e9F)) == 448.0F);
  CHECK(e4m3_value(e4m3_bits(infinity)) == 448.0F);
  CHECK(e4m3_value(e4m3_bits(0x1p-10F)) == 0.0F);  // tie between 0 and 2^-9
  CHECK(e4m3_value(e4m3_bits(0x1.8p-9F)) == 0x1p-8F);
  CHECK(std::isnan(e4m3_value(0x7F)));
  CHECK(e4m3_bits(std::numeric_limits<float>::quiet_NaN()) == 0x7F);
  CHECK(e2m1_value(e2m1_bits(100.0F)) == 6.0F);
  CHECK(e2m1_value(e2m1_bits(-5.0F)) == -4.0F);
  CHECK(e2m1_value(e2m1_bits(2.5F)) == 2.0F);
  CHECK(e2m1_value(e2m1_bits(3.5F)) == 4.0F);
  CHECK(e2m1_bits(-0.25F) == 0x8);  // the sign stays when the magnitude becomes zero
  CHECK(e2m3_value(e2m3_bits(9.0F)) == 7.5F);
}

TEST_CASE("the branchless roundings equal the others") {
  unsigned wrong = 0;
  const auto compare = [&wrong](float x) {
    wrong += float_bits(round_fp16_branchless(x)) != float_bits(round_fp16(x));
    wrong += float_bits(round_fp16_branchless(-x)) != float_bits(round_fp16(-x));
    wrong += float_bits(round_e4m3_branchless(x)) != float_bits(round_e4m3(x));
  };
  // Every exponent, the mantissas that decide: all upper 15 bits, and the bits below that break ties either way.
  for (std::uint32_t upper = 0; upper < 0x7F80; ++upper) {
    for (const std::uint32_t lower :
         {0x0000U, 0x0001U, 0x0FFFU, 0x1000U, 0x1001U, 0x2FFFU, 0x3000U, 0x3001U, 0x8000U, 0xFFFFU}) {
      compare(float_from_bits(upper << 16 | lower));
    }
  }
  compare(std::numeric_limits<float>::infinity());
  CHECK(wrong == 0);
}

TEST_CASE("random values against scaled integer rounding in binary64") {
  Random random(1);
  unsigned wrong = 0;
  for (int i = 0; i < 200000; ++i) {
    const float x = float_from_bits(static_cast<std::uint32_t>(random.next()));
    if (!std::isfinite(x)) continue;
    const double magnitude = std::abs(static_cast<double>(x));
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    const int unit = std::max(exponent - 11, -24);
    const double expected = std::ldexp(std::nearbyint(std::ldexp(magnitude, -unit)), unit);
    const double got = std::abs(static_cast<double>(round_fp16(x)));
    wrong += expected > 65504 ? !std::isinf(got) : got != expected;
  }
  CHECK(wrong == 0);
}

TEST_CASE("integers are rounded to nearest, ties to even") {
  CHECK(rne(0.5F) == 0.0F);
  CHECK(rne(1.5F) == 2.0F);
  CHECK(rne(2.5F) == 2.0F);
  CHECK(rne(-2.5F) == -2.0F);
  CHECK(rne(-3.5F) == -4.0F);
  CHECK(rne(next_down(0.5F)) == 0.0F);
  CHECK(rne(next_up(0.5F)) == 1.0F);
  CHECK(std::signbit(rne(-0.2F)));
  CHECK(rne(8388607.5F) == 8388608.0F);
  CHECK(rne(8388609.0F) == 8388609.0F);
  CHECK(rne(3e38F) == 3e38F);
  Random random(2);
  unsigned wrong = 0;
  for (int i = 0; i < 200000; ++i) {
    const auto x = static_cast<float>((random.uniform() - 0.5) * std::ldexp(1.0, static_cast<int>(random.below(30))));
    wrong += rne(x) != std::nearbyint(x);
  }
  CHECK(wrong == 0);
}

TEST_CASE("E2M1 without branches gives the same codes") {
  unsigned wrong = 0;
  for (std::uint32_t high = 0; high < 0x7F80; ++high) {
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7FFFU, 0x8000U, 0xFFFFU}) {
      for (const std::uint32_t sign : {0U, 0x80000000U}) {
        const float x = float_from_bits(sign | high << 16 | low);
        wrong += e2m1_bits_branchless(x) == e2m1_bits(x) ? 0 : 1;
      }
    }
  }
  CHECK(wrong == 0);
  for (const float tie : {0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5.0F}) {
    for (const float x : {tie, std::nextafter(tie, 0.0F), std::nextafter(tie, 9.0F)})
      CHECK(e2m1_bits_branchless(-x) == e2m1_bits(-x));
  }
}

TEST_CASE("integer right shift rounds to nearest, ties to even") {
  for (std::uint32_t value = 0; value < 2048; ++value) {
    for (unsigned shift = 0; shift < 14; ++shift) {
      REQUIRE(shift_right_rne(value, shift) == std::nearbyint(std::ldexp(value, -static_cast<int>(shift))));
    }
  }
  CHECK(shift_right_rne(0x7FFFFFFF, 31) == 1);
  CHECK(shift_right_rne(0x7FFFFFFF, 32) == 0);
}

TEST_CASE("scaling by a power of two rounds once, into and out of the subnormals") {
  Random random(3);
  unsigned wrong = 0;
  for (int i = 0; i < 200000; ++i) {
    const float x = float_from_bits(static_cast<std::uint32_t>(random.next()));
    const int exponent = static_cast<int>(random.below(321)) - 160;
    if (!std::isfinite(x)) continue;
    wrong += scale_by_power(x, exponent) != std::ldexp(x, exponent);
  }
  CHECK(wrong == 0);
  CHECK(scale_by_power(3.0F, -150) == 0x1p-148F);
  CHECK(scale_by_power(1.0F, -150) == 0.0F);  // a tie, to even
}
