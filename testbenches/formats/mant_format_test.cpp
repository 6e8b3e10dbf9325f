// SPDX-License-Identifier: Apache-2.0
#include "formats/mant_types.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

constexpr std::uint8_t int4 = mant_int4;

EncodeOptions by(const std::string& select, const Tensor* calibration = nullptr) {
  EncodeOptions options;
  options.select = select;
  options.calibration = calibration;
  return options;
}

QuantizedTensor encode_as(const Tensor& tensor, const std::string& format, const EncodeOptions& options = {}) {
  return encode(tensor, Format::parse(format), options);
}

/// One group in one type, from the definition: exact distances in binary64, the lower index on a tie.
struct Attempt {
  bool possible = false;
  float scale = 0;
  std::vector<int> codes;
  std::vector<float> values;
};

Attempt attempt(const std::vector<float>& x, std::uint8_t type) {
  float amax = 0;
  for (const float value : x)
    amax = std::max(amax, std::abs(value));
  Attempt result;
  const float gmax = type == int4 ? 7.0F : static_cast<float>(7 * type + 128);
  result.scale = round_fp16(amax / gmax);
  if (result.scale == 0) result.scale = 0x1p-24F;
  result.possible = std::isfinite(result.scale);
  for (const float value : x) {
    const double y = static_cast<double>(std::abs(value) / result.scale);
    int best = 0;
    double best_distance = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 8; ++i) {
      const double magnitude = type == int4 ? i : type * i + std::ldexp(1.0, i);
      if (std::abs(y - magnitude) < best_distance) {
        best_distance = std::abs(y - magnitude);
        best = i;
      }
    }
    const bool negative = value < 0 && !(type == int4 && best == 0);
    const double magnitude = type == int4 ? best : type * best + std::ldexp(1.0, best);
    result.codes.push_back(best + (negative ? 8 : 0));
    result.values.push_back(static_cast<float>((negative ? -1 : 1) * magnitude * static_cast<double>(result.scale)));
  }
  return result;
}

double value_error(const std::vector<float>& x, const Attempt& a) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(a.values[i]);
    sum += d * d;
  }
  return sum;
}

double output_error(const std::vector<float>& x, const Attempt& a, const Tensor& calibration, std::size_t column) {
  double total = 0;
  for (std::size_t r = 0; r < calibration.rows(); ++r) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += static_cast<double>(calibration.values[r * calibration.columns() + column + i]) *
             (static_cast<double>(a.values[i]) - static_cast<double>(x[i]));
    }
    total += sum * sum;
  }
  return total / static_cast<double>(calibration.rows());
}

std::vector<float> group_of(const Tensor& tensor, std::size_t row, std::size_t first, std::size_t end) {
  const auto begin = tensor.values.begin() + static_cast<std::ptrdiff_t>(row * tensor.columns());
  return {begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(end)};
}

/// Every group of `coded` against the definition; `calibration` null: mse.
void check_search(const Tensor& tensor, const QuantizedTensor& coded, std::size_t k, const Tensor* calibration) {
  const Tensor decoded = decode(coded);
  for (std::size_t row = 0; row < tensor.rows(); ++row) {
    for (std::size_t first = 0; first < tensor.columns(); first += k) {
      const std::size_t end = std::min(tensor.columns(), first + k), group = coded.group_index(row, first / k);
      const std::vector<float> x = group_of(tensor, row, first, end);
      bool zero = true;
      for (const float value : x)
        zero = zero && value == 0;
      if (zero) {
        REQUIRE(coded.types[group] == int4);
        REQUIRE(coded.scales[group] == 0.0F);
        continue;
      }
      double best = std::numeric_limits<double>::infinity();
      std::uint8_t type = 0;
      for (const std::uint8_t candidate : mant_types) {
        const Attempt a = attempt(x, candidate);
        if (!a.possible) continue;
        const double error = calibration != nullptr ? output_error(x, a, *calibration, first) : value_error(x, a);
        if (error <= best) {
          best = error;
          type = candidate;
        }
      }
      const Attempt expected = attempt(x, type);
      REQUIRE(int(coded.types[group]) == int(type));
      REQUIRE(coded.scales[group] == expected.scale);
      for (std::size_t i = 0; i < x.size(); ++i) {
        REQUIRE(coded.codes[row * tensor.columns() + first + i] == expected.codes[i]);
        REQUIRE(decoded.values[row * tensor.columns() + first + i] == expected.values[i]);
      }
    }
  }
}

}  // namespace

TEST_CASE("grids are those of the paper") {
  const int a17[] = {1, 19, 38, 59, 84, 117, 166, 247};
  const int a120[] = {1, 122, 244, 368, 496, 632, 784, 968};
  for (unsigned i = 0; i < 8; ++i) {
    CHECK(mant_magnitude(0, i) == 1 << i);
    CHECK(mant_magnitude(17, i) == a17[i]);
    CHECK(mant_magnitude(120, i) == a120[i]);
    CHECK(mant_magnitude(int4, i) == static_cast<int>(i));
    CHECK(mant_grid_value(17, 8 | i) == -a17[i]);
  }
}

TEST_CASE("every code of every type survives encoding") {
  for (const std::uint8_t type : mant_types) {
    Tensor tensor{"t", {1, 16}, {}};
    for (unsigned code = 0; code < 16; ++code)
      tensor.values.push_back(0.5F * static_cast<float>(mant_grid_value(type, code)));
    const QuantizedTensor coded = encode_as(tensor, "mant4-g16");
    INFO("type " << int(type));
    CHECK(coded.types[0] == type);
    CHECK(coded.scales[0] == 0.5F);
    for (unsigned code = 0; code < 16; ++code)
      CHECK(coded.codes[code] == (type == int4 && code == 8 ? 0 : static_cast<int>(code)));
    CHECK(decode(coded).values == tensor.values);
  }
}

TEST_CASE("the search by value error follows the definition") {
  for (const std::size_t k : {1U, 2U, 16U, 64U}) {
    const Tensor tensor = random_tensor({24, 130}, k);
    check_search(tensor, encode_as(tensor, "mant4-g" + std::to_string(k)), k, nullptr);
  }
}

TEST_CASE("the search by output error follows the definition") {
  const Tensor tensor = random_tensor({10, 100}, 3);
  const Tensor calibration = random_tensor({2, 3, 100}, 4);
  const QuantizedTensor coded = encode_as(tensor, "mant4-g32", by("", &calibration));
  check_search(tensor, coded, 32, &calibration);
  CHECK(encode_as(tensor, "mant4-g32", by("output-mse", &calibration)).codes == coded.codes);
  CHECK(encode_as(tensor, "mant4-g32").types != coded.types);
  // A calibration of zeros makes every type equal: the last one wins.
  const Tensor zeros{"zeros", {1, 100}, std::vector<float>(100, 0.0F)};
  for (const std::uint8_t type : encode_as(tensor, "mant4-g32", by("", &zeros)).types)
    CHECK(type == int4);
}

TEST_CASE("a tie between magnitudes goes to the lower one, in INT4 toward zero") {
  // Each magnitude many times makes the type certain; then come the boundaries, and the values beside them.
  for (const std::uint8_t type : mant_types) {
    Tensor tensor{"t", {1, 0}, {}};
    for (unsigned i = 0; i < 8; ++i)
      tensor.values.insert(tensor.values.end(), 200, static_cast<float>(mant_magnitude(type, i)));
    std::vector<int> expected;
    for (unsigned i = 0; i < 7; ++i) {
      const float tie = mant_boundary(type, i);
      const int low = static_cast<int>(i), negative = type == int4 && i == 0 ? 0 : 8 | low;
      tensor.values.insert(tensor.values.end(), {tie, -tie, std::nextafter(tie, 0.0F), std::nextafter(tie, 1000.0F)});
      expected.insert(expected.end(), {low, negative, low, low + 1});
    }
    tensor.shape[1] = tensor.values.size();
    const QuantizedTensor coded = encode_as(tensor, "mant4-g65536");
    INFO("type " << int(type));
    REQUIRE(int(coded.types[0]) == int(type));
    REQUIRE(coded.scales[0] == 1.0F);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(coded.codes[1600 + i] == expected[i]);
  }
}

TEST_CASE("on an exact tie between types the later one wins") {
  // One element: every type whose scale is exact represents it without error. INT4 comes last and 7 * 2^n is exact in
  // it.
  const QuantizedTensor one = encode_as(Tensor{"t", {1}, {14.0F}}, "mant4-g1");
  CHECK(one.types[0] == int4);
  CHECK(one.scales[0] == 2.0F);
}

TEST_CASE("zero groups and negative zero") {
  for (const char* select : {"mse", "variance", "variance8"}) {
    const QuantizedTensor coded = encode_as(Tensor{"t", {1, 4}, {0, -0.0F, 0, 1}}, "mant4-g3", by(select));
    CHECK(coded.types[0] == int4);
    CHECK(coded.scales[0] == 0.0F);
    for (int i = 0; i < 3; ++i)
      CHECK(coded.codes[static_cast<std::size_t>(i)] == 0);
    const Tensor decoded = decode(coded);
    for (int i = 0; i < 3; ++i)
      CHECK((decoded.values[static_cast<std::size_t>(i)] == 0 &&
             !std::signbit(decoded.values[static_cast<std::size_t>(i)])));
  }
  // Not one of x < 0: -0 has a positive code on a grid without zero.
  Tensor powers{"t", {1, 9}, {-0.0F, 128, -64, 32, -16, 8, 4, 2, 1}};
  const QuantizedTensor coded = encode_as(powers, "mant4-g9");
  REQUIRE(int(coded.types[0]) == 0);
  CHECK(coded.codes[0] == 0);
  CHECK(decode(coded).values[0] == 1.0F);
}

TEST_CASE("scales at the ends of FP16") {
  // 65504 * 7 fits INT4; larger groups drop the types one by one until none is left.
  CHECK(encode_as(Tensor{"t", {1}, {65504.0F * 7}}, "mant4-g1").types[0] == int4);
  const QuantizedTensor large = encode_as(Tensor{"t", {1}, {65504.0F * 968}}, "mant4-g1");
  CHECK(int(large.types[0]) == 120);
  CHECK(large.scales[0] == 65504.0F);
  CHECK_THROWS_WITH(encode_as(Tensor{"w.npy", {1, 3}, {1, 2, 65520.0F * 968}}, "mant4-g2"),
                    "w.npy: group 1 (row 0, column 2): the scale of every type overflows FP16");
  const QuantizedTensor tiny = encode_as(Tensor{"t", {1}, {0x1p-30F}}, "mant4-g1");
  CHECK(tiny.scales[0] == 0x1p-24F);
  check_search(Tensor{"t", {1, 2}, {0x1p-30F, -0x1p-26F}},
               encode_as(Tensor{"t", {1, 2}, {0x1p-30F, -0x1p-26F}}, "mant4-g2"), 2, nullptr);
}

TEST_CASE("types by variance") {
  // n = 1.
  CHECK(encode_as(Tensor{"t", {1}, {3.0F}}, "mant4-g1", by("variance")).types[0] == int4);
  // +1 and -1: v = 2, w = 1: INT4.
  CHECK(encode_as(Tensor{"t", {2}, {1, -1}}, "mant4-g2", by("variance")).types[0] == int4);
  // One spike among zeros: v = 1 - 1/n against w = n - 1, that is 1/n.
  for (const std::size_t n : {2U, 3U, 4U, 5U, 20U, 21U, 64U}) {
    Tensor spike{"t", {n}, std::vector<float>(n, 0.0F)};
    spike.values[0] = 1;
    const int three = encode_as(spike, "mant4-g64", by("variance")).types[0];
    const int eight = encode_as(spike, "mant4-g64", by("variance8")).types[0];
    INFO(n);
    // v and w as the definition has them; 1/n is at a threshold for n = 4 (0.25) and n = 20 (0.05).
    const float v = 1.0F - 1.0F / static_cast<float>(n), w = static_cast<float>(n - 1);
    CHECK(three == (v < 0.05F * w ? 0 : v <= 0.25F * w ? 25 : int4));
    int expected = int4;
    const float thresholds[] = {0.1611F, 0.1528F, 0.1446F, 0.1368F, 0.122F, 0.0797F};
    const int types[] = {120, 100, 80, 60, 40, 20};
    for (int i = 0; i < 6; ++i) {
      if (v <= thresholds[i] * w) expected = types[i];
    }
    if (v < 0.0417F * w) expected = 0;
    CHECK(eight == expected);
  }
  // The tie at 0.25: v = 0.75, w = 3 exactly.
  CHECK(int(encode_as(Tensor{"t", {4}, {1, 0, 0, 0}}, "mant4-g4", by("variance")).types[0]) == 25);
}

TEST_CASE("variance works on FP16 values only") {
  const Tensor tensor = random_tensor({16, 96}, 8);
  Tensor rounded = tensor;
  for (float& value : rounded.values)
    value = round_fp16(value);
  for (const char* select : {"variance", "variance8"}) {
    const QuantizedTensor a = encode_as(tensor, "mant4-g64", by(select)),
                          b = encode_as(rounded, "mant4-g64", by(select));
    CHECK(a.codes == b.codes);
    CHECK(a.types == b.types);
    CHECK(a.scales == b.scales);
    for (std::size_t row = 0; row < 16; ++row) {
      for (std::size_t first = 0; first < 96; first += 64) {
        const std::size_t group = a.group_index(row, first / 64);
        const Attempt expected =
            attempt(group_of(rounded, row, first, std::min<std::size_t>(96, first + 64)), a.types[group]);
        REQUIRE(a.scales[group] == expected.scale);
        for (std::size_t i = 0; i < expected.codes.size(); ++i)
          REQUIRE(a.codes[row * 96 + first + i] == expected.codes[i]);
      }
    }
  }
  // Values that vanish in FP16 make a zero group; values beyond it are refused.
  CHECK(encode_as(Tensor{"t", {1}, {0x1p-26F}}, "mant4-g1", by("variance")).scales[0] == 0.0F);
  CHECK_THROWS_WITH(encode_as(Tensor{"v.npy", {2, 2}, {0, 0, 0, 1e6F}}, "mant4-g2", by("variance")),
                    "v.npy: group 1 (row 1, columns 0..1): the value at flat index 3 overflows FP16");
}

TEST_CASE("the histogram of types") {
  const Tensor tensor{"t", {2, 8}, {1, 2, 4, 8, 16, 32, 64, 128, 7, 6, 5, 4, 3, 2, 1, 0}};
  const auto histogram = type_histogram(encode_as(tensor, "mant4-g8"));
  CHECK(histogram == std::map<std::string, std::uint64_t>{{"0", 1}, {"int4", 1}});
  CHECK(type_histogram(encode_as(tensor, "int4-g8")).empty());
}
