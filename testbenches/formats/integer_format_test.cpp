// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/random.h"
#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

QuantizedTensor encode_as(const Tensor& tensor, const std::string& format) {
  return encode(tensor, Format::parse(format));
}

/// The definition, one element at a time, in binary64 where that is exact.
void check_group(const std::vector<double>& x, const std::vector<int>& codes, float scale, int qmax) {
  double amax = 0;
  for (const double value : x)
    amax = std::max(amax, std::abs(value));
  float expected = round_fp16(static_cast<float>(amax / qmax));
  if (expected == 0 && amax > 0) expected = 0x1p-24F;
  REQUIRE(scale == expected);
  for (std::size_t i = 0; i < x.size(); ++i) {
    double q = 0;
    if (scale > 0) q = std::nearbyint(static_cast<double>(static_cast<float>(x[i] / static_cast<double>(scale))));
    q = std::min<double>(std::max<double>(q, -qmax), qmax);
    REQUIRE(codes[i] == static_cast<int>(q));
  }
}

}  // namespace

TEST_CASE("integers of every width and grouping follow the definition") {
  for (const std::size_t columns : {1U, 31U, 32U, 100U}) {
    const Tensor tensor = random_tensor({7, columns}, columns);
    for (int bits = 2; bits <= 8; ++bits) {
      for (const std::string grouping : {"g32", "g5", "g32x4", "g7x2", "channel", "tensor"}) {
        const Format format = Format::parse("int" + std::to_string(bits) + "-" + grouping);
        const QuantizedTensor coded = encode(tensor, format);
        const std::size_t extent = format.group_extent(columns);
        const std::size_t rows = format.grouping == Grouping::tensor ? 7 : format.group_n;
        std::size_t group = 0;
        for (std::size_t r = 0; r < 7; r += rows) {
          for (std::size_t c = 0; c < columns; c += extent, ++group) {
            std::vector<double> x;
            std::vector<int> codes;
            for (std::size_t i = r; i < std::min<std::size_t>(7, r + rows); ++i) {
              for (std::size_t j = c; j < std::min(columns, c + extent); ++j) {
                x.push_back(static_cast<double>(tensor.values[i * columns + j]));
                codes.push_back(coded.codes[i * columns + j]);
                REQUIRE(coded.group_index(i, j / extent) == group);
              }
            }
            check_group(x, codes, coded.scales.at(group), (1 << (bits - 1)) - 1);
          }
        }
        REQUIRE(coded.scales.size() == group);
        REQUIRE(coded.groups() == group);
        const Tensor decoded = decode(coded);
        for (std::size_t i = 0; i < tensor.size(); ++i) {
          const float scale = coded.scales[coded.group_index(i / columns, i % columns / extent)];
          REQUIRE(decoded.values[i] == static_cast<float>(coded.codes[i]) * scale);
        }
      }
    }
  }
}

TEST_CASE("ties go to the even integer") {
  // amax 7 gives the scale 1 exactly: the values themselves are rounded.
  const Tensor tensor{"t", {1, 8}, {7.0F, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 3.5F}};
  const QuantizedTensor coded = encode_as(tensor, "int4-channel");
  CHECK(coded.scales == std::vector<float>{1.0F});
  CHECK(coded.codes == std::vector<std::int16_t>{7, 0, 2, 2, 0, -2, -2, 4});
}

TEST_CASE("a division, not a product with the reciprocal") {
  // x / s is exactly on a tie where x * (1 / s) is not, or the other way round.
  Random random(5);
  unsigned differing = 0;
  for (int i = 0; i < 200000 && differing < 20; ++i) {
    const float scale = round_fp16(static_cast<float>(0.001 + random.uniform()));
    const float x = (static_cast<float>(random.below(7)) + 0.5F) * scale;
    const float product = rne(x * (1.0F / scale)), quotient = rne(x / scale);
    if (product == quotient) continue;
    ++differing;
    const float peak = 7.0F * scale;  // makes `scale` the group's scale
    if (round_fp16(peak / 7.0F) != scale) continue;
    const QuantizedTensor coded = encode_as(Tensor{"t", {2}, {peak, x}}, "int4-channel");
    CHECK(coded.codes[1] == static_cast<int>(quotient));
  }
  CHECK(differing > 0);
}

TEST_CASE("zeros, tiny and huge groups") {
  const QuantizedTensor zeros = encode_as(Tensor{"t", {2, 2}, {0.0F, -0.0F, 0.0F, 0.0F}}, "int8-channel");
  CHECK(zeros.scales == std::vector<float>{0.0F, 0.0F});
  for (const float value : decode(zeros).values)
    CHECK((value == 0.0F && !std::signbit(value)));

  // The scale would round to zero: 2^-24 instead.
  const float tiny = std::numeric_limits<float>::denorm_min();
  const QuantizedTensor small = encode_as(Tensor{"t", {3}, {tiny, -0x1p-22F, 0x1p-23F}}, "int8-channel");
  CHECK(small.scales == std::vector<float>{0x1p-24F});
  CHECK(small.codes == std::vector<std::int16_t>{0, -4, 2});

  // 65504 * 127 is the largest amplitude whose scale is finite; 65520 * 127 overflows.
  CHECK(encode_as(Tensor{"t", {1}, {65504.0F * 127.0F}}, "int8-channel").scales[0] == 65504.0F);
  CHECK_THROWS_WITH(encode_as(Tensor{"w.npy", {2, 2}, {1, 1, 65520.0F * 127.0F, 1}}, "int8-channel"),
                    "w.npy: group 1 (row 1, columns 0..1): the scale overflows FP16");
  CHECK_THROWS_WITH(encode_as(Tensor{"w.npy", {3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 3e38F}}, "int2-g2x2"),
                    "w.npy: group 3 (row 2, column 2): the scale overflows FP16");
}

TEST_CASE("a code below -qmax or above qmax is clamped") {
  // amax / 7 rounds down to an FP16 scale, so that x / s exceeds 7 and a half for no value; the clamp is reached with
  // 2^-24.
  const float s = 0x1p-24F;
  const QuantizedTensor coded = encode_as(Tensor{"t", {2}, {0x1p-25F * 1.0F, -0x1p-25F}}, "int2-channel");
  CHECK(coded.scales == std::vector<float>{s});
  CHECK(coded.codes == std::vector<std::int16_t>{0, 0});  // ties to even
  const QuantizedTensor edge = encode_as(Tensor{"t", {1}, {1.4999F * s}}, "int2-channel");
  CHECK(edge.codes == std::vector<std::int16_t>{1});
}

TEST_CASE("casts round, keep the sign of zero and refuse overflow") {
  const Tensor tensor{"x.npy", {4}, {1.0F + 0x1p-11F, -0.0F, 1.0F + 0x1.8p-10F, 65519.0F}};
  const QuantizedTensor half = encode_as(tensor, "fp16");
  CHECK(half.values == std::vector<float>{1.0F, -0.0F, 1.0F + 0x1p-9F, 65504.0F});
  CHECK(std::signbit(decode(half).values[1]));
  CHECK(half.codes.empty());
  CHECK(half.groups() == 0);
  CHECK(bits_per_element(half) == 16.0);
  CHECK(decode(encode_as(tensor, "fp32")).values == tensor.values);
  CHECK(decode(encode_as(tensor, "bf16")).values[3] == 65536.0F);
  CHECK_THROWS_WITH(encode_as(Tensor{"x.npy", {2}, {0, 65520.0F}}, "fp16"),
                    "x.npy: the value at flat index 1 overflows fp16");
  CHECK_THROWS_WITH(encode_as(Tensor{"x.npy", {1}, {std::numeric_limits<float>::max()}}, "bf16"),
                    Catch::Contains("index 0"));
}

TEST_CASE("tensors and options that an encoder refuses") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(encode_as(Tensor{"x.npy", {2, 2}, {0, 0, nan, 0}}, "int8-channel"), "x.npy: NaN at flat index 2");
  CHECK_THROWS_WITH(encode_as(Tensor{"x.npy", {2, 2}, {0, 0, 0, -infinity}}, "fp16"),
                    "x.npy: infinity at flat index 3");
  CHECK_THROWS_AS(encode_as(Tensor{"x.npy", {0}, {}}, "fp16"), InputError);
  CHECK_THROWS_AS(encode_as(Tensor{"x.npy", {}, {1}}, "fp16"), InputError);
  CHECK_THROWS_AS(encode_as(Tensor{"x.npy", {2, 3}, {1}}, "fp16"), InternalError);
  CHECK_THROWS_WITH(encode_as(random_tensor({2, 2, 2}, 1), "int4-g2x2"), Catch::Contains("two axes"));

  const Tensor tensor = random_tensor({2, 64}, 1), calibration = random_tensor({3, 64}, 2);
  const auto refuse = [&](const std::string& format, const EncodeOptions& options, const std::string& part) {
    INFO(format << " " << part);
    CHECK_THROWS_WITH(encode(tensor, Format::parse(format), options), Catch::Contains(part));
    CHECK_THROWS_AS(encode(tensor, Format::parse(format), options), InputError);
  };
  EncodeOptions select;
  select.select = "mse";
  refuse("int4-g32", select, "selection");
  refuse("fp16", select, "selection");
  refuse("bfp8-g32", select, "unknown selection 'mse'");
  EncodeOptions exponent;
  exponent.exponent = 1;
  refuse("mant4-g64", exponent, "exponent");
  exponent.slot = TensorSlot::offline;
  refuse("amove4-g32c4", exponent, "offline");
  exponent.slot = TensorSlot::online;
  exponent.exponent = 128;
  refuse("amove4-g32c4", exponent, "-160 to 127");
  EncodeOptions calibrated;
  calibrated.calibration = &calibration;
  refuse("int4-g32", calibrated, "output-mse");
  calibrated.select = "mse";
  refuse("mant4-g64", calibrated, "output-mse");
  EncodeOptions uncalibrated;
  uncalibrated.select = "output-mse";
  refuse("mant4-g64", uncalibrated, "calibration");
  const Tensor narrow = random_tensor({3, 63}, 2);
  calibrated.select = "";
  calibrated.calibration = &narrow;
  refuse("mant4-g64", calibrated, "63 columns");
  Tensor broken = calibration;
  broken.values[70] = nan;
  calibrated.calibration = &broken;
  refuse("mant4-g64", calibrated, "NaN at flat index 70");
}

TEST_CASE("storage counts every stored bit") {
  CHECK(bits_per_element(encode_as(random_tensor({4, 128}, 1), "int4-g128")) == 4.125);
  CHECK(bits_per_element(encode_as(random_tensor({4, 128}, 1), "mant4-g64")) == 4.375);
  CHECK(bits_per_element(encode_as(random_tensor({4, 128}, 1), "int4-g32x4")) == 4.125);
  CHECK(bits_per_element(encode_as(random_tensor({4, 128}, 1), "int8-tensor")) == 8.0 + 16.0 / 512);
  CHECK(bits_per_element(encode_as(random_tensor({1, 65}, 1), "mant4-g64")) ==
        4.0 + 48.0 / 65);  // a short group pays in full
}
