// SPDX-License-Identifier: Apache-2.0
#include "pe/rtq.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <iterator>

#include "testbenches/pe/exact_rounding.h"
#include "testbenches/pe/fp16_patterns.h"

namespace nibble {
namespace {

using test::Exact;
using test::random_patterns;
using test::tensor_of;

QuantizedTensor one_shot(const Tensor& tensor, const Format& format, RtqRule rule) {
  EncodeOptions options;
  if (format.family == FormatFamily::mant4) options.select = rule == RtqRule::variance8 ? "variance8" : "variance";
  return encode(tensor, format, options);
}

void check_equal(const QuantizedTensor& got, const QuantizedTensor& expected) {
  CHECK(got.format == expected.format);
  CHECK(got.shape == expected.shape);
  REQUIRE(got.codes == expected.codes);
  REQUIRE(got.scales == expected.scales);
  REQUIRE(got.types == expected.types);
}

TEST_CASE("the registers round once per operation and squares are exact") {
  Random random(81);
  for (int trial = 0; trial < 300; ++trial) {
    RtqRegisters registers;
    float sum = 0, squares = 0, largest = 0;
    for (const std::uint16_t x : random_patterns(64, 64, random)) {
      const float value = fp16_value(x);
      registers = rtq_accept(registers, x);
      sum = test::nearest_f32(Exact::of(sum) + Exact::of(value));
      squares = test::nearest_f32(Exact::of(squares) + Exact::of(value) * Exact::of(value));
      largest = std::max(largest, std::abs(value));
      REQUIRE(float_bits(registers.sum) == float_bits(sum));
      REQUIRE(float_bits(registers.squares) == float_bits(squares));
      REQUIRE(fp16_value(registers.largest) == largest);
    }
    REQUIRE(registers.count == 64);
  }
}

TEST_CASE("types change at the thresholds of the released code") {
  const auto type = [](float v, RtqRule rule) {
    RtqRegisters registers;  // two values, the larger 1.0: v is the sum of squares, w is 1
    registers.largest = 0x3C00;
    registers.squares = v;
    registers.count = 2;
    return int{rtq_mant_scale(registers, rule).type};
  };
  const float beyond = 2;
  CHECK(type(std::nextafter(0.05F, 0.0F), RtqRule::variance) == 0);
  CHECK(type(0.05F, RtqRule::variance) == 25);
  CHECK(type(0.25F, RtqRule::variance) == 25);
  CHECK(type(std::nextafter(0.25F, beyond), RtqRule::variance) == 0xFF);
  CHECK(type(std::nextafter(0.0417F, 0.0F), RtqRule::variance8) == 0);
  CHECK(type(0.0417F, RtqRule::variance8) == 20);
  const std::pair<float, int> steps[] = {{0.0797F, 20},  {0.122F, 40},   {0.1368F, 60}, {0.1446F, 80},
                                         {0.1528F, 100}, {0.1611F, 120}, {beyond, 0xFF}};
  for (std::size_t i = 0; i + 1 < std::size(steps); ++i) {
    CHECK(type(steps[i].first, RtqRule::variance8) == steps[i].second);
    CHECK(type(std::nextafter(steps[i].first, beyond), RtqRule::variance8) == steps[i + 1].second);
  }
  RtqRegisters one;
  one.largest = 0x3C00;
  one.count = 1;
  CHECK(rtq_mant_scale(one, RtqRule::variance).type == 0xFF);
  CHECK(rtq_mant_scale(RtqRegisters(), RtqRule::variance).type == 0xFF);
  CHECK(rtq_mant_scale(RtqRegisters(), RtqRule::variance).scale == 0);
}

TEST_CASE("every FP16 value takes the code of the one-shot encoder under every type") {
  std::vector<std::uint16_t> finite;
  for (unsigned pattern = 0; pattern < 65536; ++pattern) {
    if ((pattern & 0x7C00) != 0x7C00) finite.push_back(static_cast<std::uint16_t>(pattern));
  }
  // Element 0 sets the maximum, so that every pattern up to it is coded against the same scale.
  for (const std::uint16_t largest : {0x7BFF, 0x5555, 0x3C00, 0x2E66, 0x0400, 0x0200, 0x0007}) {
    RtqRegisters registers;
    registers.largest = largest;
    registers.count = 2;
    const float int8 = rtq_int8_scale(registers);
    Tensor pairs{"pairs", {0, 2}, {}};
    for (const std::uint16_t x : finite) {
      if ((x & 0x7FFF) > largest) continue;
      pairs.values.insert(pairs.values.end(), {fp16_value(largest), fp16_value(x)});
    }
    pairs.shape[0] = pairs.values.size() / 2;
    const QuantizedTensor int8_codes = encode(pairs, Format::parse("int8-g2"));
    const QuantizedTensor mant_codes = one_shot(pairs, Format::parse("mant4-g2"), RtqRule::variance8);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < pairs.shape[0]; ++i) {
      const std::uint16_t x = fp16_bits(pairs.values[2 * i + 1]);
      wrong += rtq_int8_code(x, int8) != int8_codes.codes[2 * i + 1];
      wrong += rtq_mant_code(x, {mant_codes.scales[i], mant_codes.types[i]}) != mant_codes.codes[2 * i + 1];
    }
    CAPTURE(largest);
    REQUIRE(wrong == 0);
  }
}

TEST_CASE("the spatial path equals the one-shot encoder whatever the slices, tails included") {
  Random random(82);
  std::size_t types_seen = 0;
  for (const char* name : {"mant4-g64", "int8-g64", "mant4-g32", "int8-g256", "mant4-g7", "mant4-g1"}) {
    for (const RtqRule rule : {RtqRule::variance, RtqRule::variance8}) {
      const Format format = Format::parse(name);
      const std::size_t rows = 9, columns = 1 + random.below(400);
      const std::vector<std::uint16_t> values = random_patterns(rows * columns, format.group_k, random);
      RtqSpatial unit("keys", rows, columns, format, rule);
      std::uint64_t cycle = 0;
      // As an array delivers: all rows of one slice of columns, then the next slice.
      for (std::size_t c = 0, width = 0; c < columns; c += width) {
        width = std::min<std::size_t>(1 + random.below(64), columns - c);
        for (std::size_t r = 0; r < rows; ++r)
          unit.push(r, &values[r * columns + c], width, ++cycle);
      }
      const QuantizedTensor expected = one_shot(tensor_of(values, rows, columns), format, rule);
      check_equal(unit.result(), expected);
      CHECK(unit.pipeline().groups() == expected.groups());
      CHECK(unit.most_open_groups() <= rows);
      types_seen = std::max(types_seen, type_histogram(expected).size());
    }
  }
  CHECK(types_seen >= 3);
}

TEST_CASE("column tiles of 32 keep a group open in every row, and one group per cycle hides all but the last") {
  Random random(83);
  const std::size_t rows = 128, columns = 128;
  const std::vector<std::uint16_t> values = random_patterns(rows * columns, 64, random);
  RtqSpatial unit("activations", rows, columns, Format::parse("int8-g64"));
  std::uint64_t cycle = 1000;
  for (std::size_t c = 0; c < columns; c += 32) {
    for (std::size_t r = 0; r < rows; ++r)
      unit.push(r, &values[r * columns + c], 32, ++cycle);
  }
  CHECK(unit.most_open_groups() == rows);
  CHECK(unit.pipeline().groups() == 2 * rows);
  CHECK(unit.pipeline().longest_wait() == 0);
  CHECK(unit.pipeline().exposed(cycle) == 13);  // 12 of the scale pipeline, 1 of the encoder
  CHECK(exposed_tail(rtq_timing(), rows, 1, 1) == 13);
}

/// Tokens [count][channels]; channel 1 is zero for the first 70 tokens, channel 2 below the smallest INT8 scale.
std::vector<std::uint16_t> value_tokens(std::size_t count, std::size_t channels, Random& random) {
  std::vector<std::uint16_t> tokens = random_patterns(count * channels, channels * 64, random);
  for (std::size_t t = 0; t < count; ++t) {
    if (t < 70) tokens[t * channels + 1] = 0;
    tokens[t * channels + 2] = static_cast<std::uint16_t>(t % 5);
    for (std::size_t c = 0; c < channels; ++c) {
      std::uint16_t& x = tokens[t * channels + c];
      if ((x & 0x7FFF) >= 0x7BFF) x = static_cast<std::uint16_t>(x - 1);  // 65504 can be beyond FP16 in INT8
    }
  }
  return tokens;
}

TEST_CASE("the temporal path equals the value cache in both phases, for every length of prompt") {
  Random random(84);
  const std::size_t channels = 6, count = 330;
  for (const auto window : {MantValueCache::Window::int8, MantValueCache::Window::fp16}) {
    for (const std::size_t prompt : {0U, 1U, 63U, 64U, 65U, 127U, 128U, 200U, 320U}) {
      const std::vector<std::uint16_t> tokens = value_tokens(count, channels, random);
      const Tensor values = tensor_of(tokens, count, channels);
      MantValueCache cache(channels, window);
      RtqTemporal unit(channels, window);
      if (prompt > 0) {
        const auto end = values.values.begin() + static_cast<std::ptrdiff_t>(prompt * channels);
        cache.append_prompt({"v", {prompt, channels}, {values.values.begin(), end}});
      }
      for (std::size_t t = 0; t < count; ++t) {
        const auto first = static_cast<std::ptrdiff_t>(t * channels),
                   last = first + static_cast<std::ptrdiff_t>(channels);
        if (t == prompt) unit.end_prompt();
        if (t >= prompt) cache.append({values.values.begin() + first, values.values.begin() + last});
        unit.push({tokens.begin() + first, tokens.begin() + last}, t);
        if (t < prompt || (t % 9 != 0 && t % 64 < 62)) continue;
        CAPTURE(prompt, t);
        REQUIRE(unit.tokens() == cache.tokens());
        REQUIRE(unit.window_tokens() == cache.window_tokens());
        if (cache.finished_tokens() > 0) check_equal(unit.groups(), cache.groups());
        if (cache.window_tokens() > 0) check_equal(unit.window(), cache.window());
      }
      CHECK(unit.pipeline().groups() == count / 64 * channels);
    }
  }
}

TEST_CASE("a window of values costs one group per channel and 64 tokens") {
  RtqTemporal unit(128);
  unit.end_prompt();
  for (std::uint64_t t = 0; t < 64; ++t)
    unit.push(std::vector<std::uint16_t>(128, 0x3C00), 10 * t);
  CHECK(unit.pipeline().groups() == 128);
  CHECK(unit.pipeline().exposed(630) == 128 + 12);
}

TEST_CASE("what the real-time quantizer refuses") {
  const std::uint16_t one = 0x3C00, infinite = 0x7C00, nan = 0xFE01;
  CHECK_THROWS_WITH(RtqSpatial("keys", 1, 64, Format::parse("int4-g64")),
                    Catch::Contains("keys: the real-time quantizer does not produce int4-g64"));
  CHECK_THROWS_AS(RtqSpatial("keys", 1, 64, Format::parse("mant4-g257")), InputError);
  CHECK_THROWS_AS(RtqSpatial("keys", 1, 64, Format::parse("int8-channel")), InputError);
  CHECK_THROWS_AS(RtqSpatial("keys", 0, 64, Format::parse("mant4-g64")), InputError);
  RtqSpatial unit("keys", 2, 2, Format::parse("mant4-g64"));
  CHECK_THROWS_WITH(unit.push(0, &infinite, 1, 0), "keys: row 0, element 0: infinity cannot be coded");
  CHECK_THROWS_WITH(unit.push(1, &nan, 1, 0), "keys: row 1, element 0: NaN cannot be coded");
  CHECK_THROWS_WITH(unit.push(2, &one, 1, 0), "keys: row 2: 1 more values; expected 2 rows of 2");
  CHECK_THROWS_AS(unit.result(), InternalError);
  CHECK_THROWS_AS(RtqTemporal(0), InputError);
  RtqTemporal values(2);
  CHECK_THROWS_WITH(values.push({one}, 0), "real-time quantizer: token 0 has 1 channels; expected 2");
  CHECK_THROWS_WITH(values.push({one, nan}, 0), "real-time quantizer: token 0, element 1: NaN cannot be coded");
  CHECK(values.tokens() == 0);
  CHECK_THROWS_AS(values.groups(), InternalError);
  CHECK_THROWS_AS(values.window(), InternalError);
  for (int t = 0; t < 64; ++t)
    values.push({one, 0x7BFF}, 0);
  values.end_prompt();
  CHECK_THROWS_WITH(values.push({one, 0x7BFF}, 0), Catch::Contains("channel 1: the INT8 window reads the value back"));
  CHECK(values.window_tokens() == 0);
}

}  // namespace
}  // namespace nibble
