// SPDX-License-Identifier: Apache-2.0
/// The table "Limits" of docs/formats.md: the largest magnitudes, on both sides of the limit.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "formats/quantizer.h"

using namespace nibble;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Tensor row(float largest) {
  return Tensor{"t", {1, 4}, {0.25F * largest, -largest, 0.0F, 0.5F * largest}};
}

struct Limit {
  const char* format;
  const char* select;
  float beyond;  ///< the smallest magnitude that is refused
};

}  // namespace

TEST_CASE("each range ends where the page says") {
  const Limit limits[] = {{"fp16", "", 65520},
                          {"bf16", "", 0x1.FFp127F},
                          {"bfp8-g4", "", 65520},
                          {"bfp4-g4", "nearest", 65520},
                          {"int8-g4", "", 65520.0F * 127},
                          {"int8-tensor", "", 8321040},
                          {"int4-g4", "", 458640},
                          {"int4-g4x1", "", 65520.0F * 7},
                          {"int2-channel", "", 65520},
                          {"tender8-d8", "", 8321040},
                          {"tender4-d1", "", 458640},
                          {"anda7-g4", "", 65520},
                          {"bitmod6-g4", "", 65520.0F * 255 * 31},
                          {"mant4-g4", "mse", 63423360},
                          {"mant4-g4", "variance", 65520},
                          {"ant4-tensor", "", 5591040}};
  for (const Limit& limit : limits) {
    CAPTURE(limit.format, limit.beyond);
    EncodeOptions options;
    options.select = limit.select;
    const Format format = Format::parse(limit.format);
    CHECK_NOTHROW(encode(row(std::nextafter(limit.beyond, 0.0F)), format, options));
    CHECK_THROWS_AS(encode(row(limit.beyond), format, options), RangeError);
    CHECK_THROWS_AS(encode(row(std::numeric_limits<float>::max()), format, options), RangeError);
    CHECK_THROWS_AS(encode(row(infinity), format, options), InputError);
  }
}

TEST_CASE("formats that hold every finite number") {
  for (const char* name : {"fp32", "mxfp4-g32", "mxfp6-g32", "mxfp8-g32", "mxint8-g32", "nvfp4-g16"}) {
    CAPTURE(name);
    const Tensor decoded = decode(encode(row(std::numeric_limits<float>::max()), Format::parse(name)));
    for (const float value : decoded.values)
      CHECK(std::isfinite(value));
    CHECK(decoded.values[1] < -1e38F);
  }
}

TEST_CASE("what is small becomes zero, and only that") {
  const auto value = [](float x, float largest, const char* name, const char* select = "") {
    EncodeOptions options;
    options.select = select;
    return decode(encode(Tensor{"t", {1, 2}, {x, largest}}, Format::parse(name), options)).values[0];
  };
  CHECK(value(0.5F, 127, "int8-g2") == 0);
  CHECK(value(std::nextafter(0.5F, 1.0F), 127, "int8-g2") == 1);
  CHECK(value(0x1p-8F, 1, "bfp8-g2") == 0);
  CHECK(value(0x1p-7F, 1, "bfp8-g2") == 0x1p-7F);
  CHECK(value(0x1p-4F, 1, "bfp4-g2") == 0);
  CHECK(value(0x1p-3F, 1, "bfp4-g2") == 0x1p-3F);
  CHECK(value(0x1p-25F, 0x1p-25F, "fp16") == 0);
  CHECK(value(0x1.8p-25F, 1, "fp16") == 0x1p-24F);
  CHECK(value(0.25F, 6, "mxfp4-g32") == 0);
  CHECK(value(std::nextafter(0.25F, 1.0F), 6, "mxfp4-g32") == 0.5F);
  // A group whose scale would be below FP16's smallest number has that one, and 0 below half of it.
  CHECK(value(0x1p-25F, 0x1p-25F, "int8-g2") == 0);
  CHECK(value(0x1.8p-25F, 0x1.8p-25F, "int8-g2") == 0x1p-24F);
}

TEST_CASE("amove: scales beyond E4M3 saturate, below it vanish") {
  const auto encode_at = [](float largest, int exponent) {
    EncodeOptions options;
    options.exponent = exponent;
    return encode(Tensor{"t", {1, 2}, {largest, largest}}, Format::parse("amove4-g2c2"), options);
  };
  CHECK(encode_at(448 * 7, 0).saturated_groups == 0);
  CHECK(encode_at(449 * 7, 0).saturated_groups == 1);
  CHECK(decode(encode_at(10000 * 7, 0)).values[0] == 448 * 7);
  CHECK(encode_at(449 * 7, 1).saturated_groups == 0);
  CHECK(decode(encode_at(0x1p-10F * 7, 0)).values[0] == 0);
  CHECK(decode(encode_at(0x1.2p-10F * 7, 0)).values[0] == 0x1p-7F);  // 3.9 steps of 2^-9
  CHECK(decode(encode_at(0x1p-10F * 7, -1)).values[0] == 0x1p-10F * 7);
  CHECK_THROWS_AS(encode_at(std::numeric_limits<float>::max(), -10), RangeError);
}
