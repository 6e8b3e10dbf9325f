// SPDX-License-Identifier: Apache-2.0
#include "formats/adaptive_types.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

QuantizedTensor encode_as(const Tensor& tensor, const std::string& format) {
  return encode(tensor, Format::parse(format));
}

const std::vector<std::vector<int>> normals{
    {0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 6, 8, 16}, {0, 1, 2, 4, 8, 16, 32, 64}};
const std::vector<std::vector<int>> outliers{{12, 16, 24, 32, 48, 64, 96}, {24, 32, 48, 64, 96, 128, 192}};
const std::vector<std::string> names{"int4", "flint4", "pot4"};

/// The nearest magnitude, the lower one on a tie.
int nearest(const std::vector<int>& grid, double y) {
  int best = grid[0];
  for (const int magnitude : grid) {
    if (std::abs(y - magnitude) < std::abs(y - best)) best = magnitude;
  }
  return best;
}

/// One element or one pair at a scale, by the definition.
void quantize(const std::vector<double>& x, bool olive, std::size_t type, float scale, std::vector<double>& values) {
  std::vector<int> grid = normals[type];
  if (olive && x.size() == 2) grid.insert(grid.end(), outliers[type].begin(), outliers[type].end());
  std::vector<int> magnitudes;
  for (const double value : x)
    magnitudes.push_back(nearest(grid, static_cast<double>(static_cast<float>(std::abs(value)) / scale)));
  const int limit = normals[type].back();
  if (olive && x.size() == 2) {
    if (magnitudes[0] > limit) {
      magnitudes[1] = 0;
    } else if (magnitudes[1] > limit) {
      magnitudes[0] = 0;
    }
  }
  for (std::size_t i = 0; i < x.size(); ++i)
    values.push_back(std::copysign(magnitudes[i], x[i]) * static_cast<double>(scale));
}

struct Expected {
  double error = std::numeric_limits<double>::infinity();
  std::size_t type = 0;
  float scale = 0;
  std::vector<double> values;
};

Expected search(const std::vector<float>& x, std::size_t columns, bool olive) {
  double sum = 0, squares = 0;
  float amax = 0;
  for (const float value : x) {
    amax = std::max(amax, std::abs(value));
    sum += static_cast<double>(value);
  }
  const double mean = sum / static_cast<double>(x.size());
  for (const float value : x)
    squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
  const double sigma = x.size() > 1 ? std::sqrt(squares / static_cast<double>(x.size() - 1)) : 0;
  const float reach = olive ? static_cast<float>(std::abs(mean) + 3 * sigma) : amax;
  Expected best;
  for (std::size_t type = 0; type < (olive ? 2 : 3); ++type) {
    for (int j = 75; j < (olive ? 250 : 150); j += olive ? 2 : 1) {
      float scale = round_fp16(reach * (static_cast<float>(j) / 100.0F) / static_cast<float>(normals[type].back()));
      if (scale == 0) scale = 0x1p-24F;
      if (std::isinf(scale)) continue;
      std::vector<double> values;
      for (std::size_t row = 0; row < x.size(); row += columns) {
        for (std::size_t i = 0; i < columns; i += 2) {
          std::vector<double> pair{static_cast<double>(x[row + i])};
          if (i + 1 < columns) pair.push_back(static_cast<double>(x[row + i + 1]));
          quantize(pair, olive, type, scale, values);
        }
      }
      double error = 0;
      for (std::size_t i = 0; i < x.size(); ++i)
        error += (static_cast<double>(x[i]) - values[i]) * (static_cast<double>(x[i]) - values[i]);
      if (error < best.error) best = {error, type, scale, values};
    }
  }
  return best;
}

void check(const Tensor& tensor, const std::string& format) {
  INFO(format);
  const QuantizedTensor coded = encode_as(tensor, format);
  const bool olive = coded.format.family == FormatFamily::olive4, whole = coded.format.grouping == Grouping::tensor;
  const Tensor decoded = decode(coded);
  const std::size_t length = whole ? tensor.size() : tensor.columns();
  for (std::size_t group = 0; group * length < tensor.size(); ++group) {
    const auto first = tensor.values.begin() + static_cast<std::ptrdiff_t>(group * length);
    const Expected expected = search({first, first + static_cast<std::ptrdiff_t>(length)}, tensor.columns(), olive);
    REQUIRE(type_name(coded.format, coded.types[group]) == names[expected.type]);
    REQUIRE(coded.scales[group] == expected.scale);
    for (std::size_t i = 0; i < length; ++i) {
      const float value = decoded.values[group * length + i];
      REQUIRE(static_cast<double>(value) == expected.values[i]);
      REQUIRE((value != 0 || !std::signbit(value)));
    }
  }
}

}  // namespace

TEST_CASE("grids are those of the papers") {
  for (std::size_t type = 0; type < 3; ++type) {
    for (unsigned i = 0; i < 8; ++i) {
      CHECK(adaptive_magnitudes[type][i] == normals[type][i]);
      if (type < 2 && i > 0)
        CHECK(olive_outlier_magnitude(static_cast<std::uint8_t>(type), i) == outliers[type][i - 1]);
    }
  }
}

TEST_CASE("ant4 and olive4 follow their definitions") {
  for (const std::size_t columns : {1U, 2U, 7U, 48U}) {
    const Tensor tensor = random_tensor({5, columns}, columns);
    for (const char* format : {"ant4-channel", "ant4-tensor", "olive4-channel", "olive4-tensor"})
      check(tensor, format);
  }
  for (const double deviation : {0x1p-26, 1e3})
    check(random_tensor({3, 16}, 5, deviation), "ant4-channel");
}

TEST_CASE("each type is chosen for data on its grid") {
  for (std::size_t type = 0; type < 3; ++type) {
    Tensor tensor{"t", {1, 16}, {}};
    for (const int magnitude : normals[type]) {
      tensor.values.push_back(static_cast<float>(magnitude));
      tensor.values.push_back(static_cast<float>(-magnitude));
    }
    const QuantizedTensor coded = encode_as(tensor, "ant4-channel");
    CHECK(coded.types[0] == type);
    CHECK(decode(coded).values == tensor.values);
    for (std::size_t i = 0; i < 16; ++i)
      CHECK(coded.codes[i] == static_cast<int>(i / 2 + (i % 2 == 1 && i > 1 ? 8 : 0)));
    CHECK(type_histogram(coded) == std::map<std::string, std::uint64_t>{{names[type], 1}});
  }
}

TEST_CASE("an outlier makes its partner the victim") {
  // Many normal values, so that three sigmas stay small; outliers: first, second, both, and one without a partner.
  Random random(3);
  Tensor tensor{"t", {1, 20001}, {}};
  for (std::size_t i = 0; i < 20001; ++i)
    tensor.values.push_back(static_cast<float>(std::min(2.9, std::max(-2.9, random.normal()))));
  const std::vector<std::pair<std::size_t, float>> large{
      {10, 40.0F}, {21, -30.0F}, {30, 20.0F}, {31, 40.0F}, {20000, 39.0F}};
  for (const auto& entry : large)
    tensor.values[entry.first] = entry.second;
  const QuantizedTensor coded = encode_as(tensor, "olive4-channel");
  const Tensor decoded = decode(coded);
  CHECK(coded.codes[11] == 8);
  CHECK(decoded.values[11] == 0.0F);
  CHECK(decoded.values[10] > 30);
  CHECK(coded.codes[20] == 8);
  CHECK(decoded.values[20] == 0.0F);
  CHECK(decoded.values[21] < -20);
  CHECK(coded.codes[31] == 8);  // the first of two outliers stays
  CHECK(decoded.values[30] > 15);
  CHECK(coded.codes[20000] == 7);  // no partner: the largest normal value
  unsigned victims = 0;
  for (const std::int16_t code : coded.codes)
    victims += code == 8;
  CHECK(victims == 3);
}

TEST_CASE("zero groups, overflow, storage") {
  for (const char* format : {"ant4-channel", "olive4-channel"}) {
    const QuantizedTensor zero = encode_as(Tensor{"t", {1, 3}, {0, -0.0F, 0}}, format);
    CHECK(zero.scales[0] == 0.0F);
    CHECK(type_name(zero.format, zero.types[0]) == "int4");
    CHECK(zero.codes == std::vector<std::int16_t>{0, 0, 0});
    CHECK_THROWS_WITH(encode_as(Tensor{"w.npy", {2, 2}, {1, 1, 3e38F, -3e38F}}, format),
                      "w.npy: group 1 (row 1, columns 0..1): the scale of every type overflows FP16");
  }
  CHECK(bits_per_element(encode_as(random_tensor({2, 128}, 1), "ant4-channel")) == 4.0 + 18.0 / 128);
  CHECK(bits_per_element(encode_as(random_tensor({2, 128}, 1), "olive4-tensor")) == 4.0 + 17.0 / 256);
}
