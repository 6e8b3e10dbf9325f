// SPDX-License-Identifier: Apache-2.0
#include "pe/bfp_converter.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "formats/bfp.h"
#include "formats/packed_operand.h"
#include "testbenches/pe/fp16_patterns.h"

namespace nibble {
namespace {

using test::random_patterns;
using test::tensor_of;

QuantizedTensor one_shot(const Tensor& tensor, unsigned bits, BfpRounding rounding = BfpRounding::truncate) {
  EncodeOptions options;
  options.select = rounding == BfpRounding::nearest ? "nearest" : "truncate";
  return encode(tensor, Format::parse(bits == 8 ? "bfp8-g32" : "bfp4-g32"), options);
}

void check_equal(const QuantizedTensor& got, const QuantizedTensor& expected) {
  CHECK(got.format == expected.format);
  CHECK(got.shape == expected.shape);
  REQUIRE(got.codes == expected.codes);
  REQUIRE(got.exponents == expected.exponents);
}

unsigned own_exponent(std::uint16_t x) {
  return std::max(1U, (x >> 10) & 31U);
}

/// The mantissa by its value: |x| in units of 2^(E - 22) or 2^(E - 18), in binary64, which is exact.
unsigned mantissa_by_value(std::uint16_t x, unsigned shared, unsigned bits, BfpRounding rounding) {
  const int point = bits == 8 ? 22 : 18;
  const double units = std::ldexp(std::abs(static_cast<double>(fp16_value(x))), point - static_cast<int>(shared));
  const double whole = rounding == BfpRounding::nearest ? std::nearbyint(units) : std::floor(units);
  return static_cast<unsigned>(std::min(whole, bits == 8 ? 255.0 : 15.0));
}

TEST_CASE("every FP16 value at every shift distance, both widths and roundings") {
  std::size_t cases = 0, wrong = 0, refused = 0;
  for (unsigned pattern = 0; pattern < 65536; ++pattern) {
    const auto x = static_cast<std::uint16_t>(pattern);
    if ((x & 0x7C00) == 0x7C00) {
      REQUIRE_THROWS_AS(bfp_convert(&x, 1, 8), InputError);
      ++refused;
      continue;
    }
    for (unsigned shared = own_exponent(x); shared <= 30; ++shared) {
      for (const unsigned bits : {8U, 4U}) {
        for (const BfpRounding rounding : {BfpRounding::truncate, BfpRounding::nearest}) {
          const unsigned mantissa = mantissa_by_value(x, shared, bits, rounding);
          const unsigned sign = mantissa != 0 && pattern >= 0x8000 ? 1U << bits : 0U;
          wrong += bfp_element(x, shared, bits, rounding) != (sign | mantissa);
          ++cases;
        }
      }
    }
  }
  CHECK(cases == 4 * 2048 * (30 + 30 * 31 / 2));  // 30 distances for fields 0 and 1, then 29, 28, ... 1
  CHECK(wrong == 0);
  CHECK(refused == 2048);
}

TEST_CASE("every FP16 value beside every larger exponent equals the encoder") {
  for (unsigned shared = 1; shared <= 30; ++shared) {
    std::vector<std::uint16_t> values;
    for (unsigned pattern = 0; pattern < 65536; ++pattern) {
      const auto x = static_cast<std::uint16_t>(pattern);
      if ((x & 0x7C00) == 0x7C00 || own_exponent(x) > shared) continue;
      // One value of the shared exponent at a different place of each group.
      if (values.size() % 32 == values.size() / 32 % 32) values.push_back(static_cast<std::uint16_t>(shared << 10 | 1));
      values.push_back(x);
    }
    values.resize(values.size() / 32 * 32);
    const std::size_t rows = values.size() / 32;
    for (const unsigned bits : {8U, 4U}) {
      for (const BfpRounding rounding : {BfpRounding::truncate, BfpRounding::nearest}) {
        const QuantizedTensor expected = one_shot(tensor_of(values, rows, 32), bits, rounding);
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < rows; ++r) {
          const BfpGroup group = bfp_convert(&values[r * 32], 32, bits, rounding);
          wrong += group.exponent != expected.exponents[r];
          for (std::size_t i = 0; i < 32; ++i) {
            const int mantissa = group.elements[i] & ((1 << bits) - 1);
            wrong += (group.elements[i] >> bits ? -mantissa : mantissa) != expected.codes[r * 32 + i];
          }
        }
        CAPTURE(shared, bits);
        REQUIRE(wrong == 0);
      }
    }
  }
}

TEST_CASE("the exponent tree finds the maximum at every place") {
  for (std::size_t count = 1; count <= 32; ++count) {
    for (std::size_t place = 0; place < count; ++place) {
      std::vector<std::uint16_t> values(count, 0x8400);  // -2^-14, exponent field 1
      CHECK(bfp_exponent_tree(values.data(), count) == 1);
      values[place] = 0xFBFF;
      REQUIRE(bfp_exponent_tree(values.data(), count) == 30);
      values[place] = 0x03FF;
      REQUIRE(bfp_exponent_tree(values.data(), count) == 1);
    }
  }
  Random random(91);
  for (int trial = 0; trial < 20000; ++trial) {
    const std::vector<std::uint16_t> values = random_patterns(32, 32, random);
    unsigned largest = 1;
    for (const std::uint16_t x : values)
      largest = std::max(largest, own_exponent(x));
    REQUIRE(bfp_exponent_tree(values.data(), 32) == largest);
  }
}

TEST_CASE("a record has 293 or 165 bits and lies in memory as formats packs it") {
  CHECK(bfp_record_bits(8) == 293);
  CHECK(bfp_record_bits(4) == 165);
  Random random(92);
  for (int trial = 0; trial < 2000; ++trial) {
    const std::vector<std::uint16_t> values = random_patterns(32, 32, random);
    for (const unsigned bits : {8U, 4U}) {
      const BfpGroup group = bfp_convert(values.data(), 32, bits);
      const BfpRecord record = bfp_pack(group);
      const QuantizedTensor tensor = one_shot(tensor_of(values, 1, 32), bits);
      std::vector<std::uint8_t> expected(37, 0);
      pack_codes(tensor, 0, 0, expected.data());
      pack_metadata(tensor, 0, 0, expected.data() + code_bytes(tensor.format, 32));
      REQUIRE(std::equal(expected.begin(), expected.end(), record.bytes.begin()));
      for (std::size_t bit = bfp_record_bits(bits); bit < 37 * 8; ++bit)
        REQUIRE((record.bytes[bit / 8] >> (bit % 8) & 1) == 0);
      const BfpGroup back = bfp_unpack(record);
      REQUIRE(back.bits == bits);
      REQUIRE(back.exponent == group.exponent);
      REQUIRE(back.elements == group.elements);
    }
  }
}

TEST_CASE("demoting a record drops the low nibbles, as converting to four bits does") {
  Random random(93);
  for (int trial = 0; trial < 5000; ++trial) {
    const std::vector<std::uint16_t> values = random_patterns(32, 32, random);
    const BfpGroup demoted = bfp_demote(bfp_convert(values.data(), 32, 8)), direct = bfp_convert(values.data(), 32, 4);
    REQUIRE(demoted.elements == direct.elements);
    REQUIRE(demoted.exponent == direct.exponent);
  }
}

TEST_CASE("the row path equals the encoder whatever the slices, tails included") {
  Random random(94);
  for (const unsigned bits : {8U, 4U}) {
    for (int trial = 0; trial < 20; ++trial) {
      const std::size_t rows = 1 + random.below(20), columns = 1 + random.below(200);
      const std::vector<std::uint16_t> values = random_patterns(rows * columns, 32, random);
      const BfpRounding rounding = trial % 2 == 0 ? BfpRounding::truncate : BfpRounding::nearest;
      BfpRowConverter unit("queries", rows, columns, bits, rounding);
      std::uint64_t cycle = 0;
      for (std::size_t c = 0, width = 0; c < columns; c += width) {
        width = std::min<std::size_t>(1 + random.below(70), columns - c);
        for (std::size_t r = 0; r < rows; ++r)
          unit.push(r, &values[r * columns + c], width, cycle++);
      }
      check_equal(unit.result(), one_shot(tensor_of(values, rows, columns), bits, rounding));
    }
  }
}

TEST_CASE("the column path equals the encoder after every token") {
  Random random(95);
  const std::size_t channels = 19;
  for (const unsigned bits : {8U, 4U}) {
    BfpColumnConverter unit(channels, bits);
    std::vector<std::uint16_t> history;  // [token][channel]
    for (std::size_t t = 0; t < 140; ++t) {
      const std::vector<std::uint16_t> token = random_patterns(channels, 1 + random.below(19), random);
      history.insert(history.end(), token.begin(), token.end());
      unit.push(token, t);
      std::vector<std::uint16_t> transposed;
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i <= t; ++i)
          transposed.push_back(history[i * channels + c]);
      }
      REQUIRE(unit.tokens() == t + 1);
      REQUIRE(unit.held_tokens() == (t + 1) % 32);
      check_equal(unit.operand("values"), one_shot(tensor_of(transposed, channels, t + 1), bits));
    }
    CHECK(unit.pipeline().groups() == 140 * channels);
  }
}

TEST_CASE("sixteen lanes take a group each per cycle and hide all but three cycles") {
  BfpColumnConverter values(128);
  values.push(std::vector<std::uint16_t>(128, 0x3C00), 100);
  CHECK(values.pipeline().finish() == 100 + 8 + 2);  // 128 channels over 16 lanes, the last leaves two cycles later
  for (int t = 1; t < 32; ++t)
    values.push(std::vector<std::uint16_t>(128, 0x3C00), 200, false);
  CHECK(values.pipeline().groups() == 256);  // the prompt's tokens convert once, when the group is full
  BfpRowConverter rows("inputs", 64, 32);
  const std::vector<std::uint16_t> row(32, 0x3C00);
  for (std::size_t r = 0; r < 64; ++r)
    rows.push(r, row.data(), 32, 1 + r / 16);
  CHECK(rows.pipeline().exposed(4) == 3);
  CHECK(exposed_tail(bfp_converter_timing(), 4, 16, 1) == 3);
}

TEST_CASE("what the converter refuses") {
  const std::vector<std::uint16_t> values(33, 0x3C00);
  const std::uint16_t infinite = 0xFC00, nan = 0x7C01;
  CHECK_THROWS_WITH(bfp_convert(values.data(), 33, 8), "bfp converter: 33 values for a lane; expected 1..32");
  CHECK_THROWS_AS(bfp_convert(values.data(), 0, 8), InputError);
  CHECK_THROWS_WITH(bfp_convert(values.data(), 32, 5), "bfp converter: mantissas of 5 bits; expected 8 or 4");
  CHECK_THROWS_WITH(bfp_convert(&infinite, 1, 8), "bfp converter, element 0: infinity cannot be coded");
  CHECK_THROWS_WITH(bfp_convert(&nan, 1, 8), "bfp converter, element 0: NaN cannot be coded");
  CHECK_THROWS_AS(bfp_demote(bfp_convert(values.data(), 32, 4)), InternalError);
  CHECK_THROWS_AS(BfpColumnConverter(0), InputError);
  CHECK_THROWS_AS(BfpRowConverter("rows", 1, 0), InputError);
  BfpColumnConverter unit(2);
  CHECK_THROWS_WITH(unit.push({0x3C00}, 0), "bfp converter: token 0 has 1 channels; expected 2");
  CHECK_THROWS_AS(unit.push({0x3C00, nan}, 0), InputError);
  CHECK(unit.tokens() == 0);
  CHECK_THROWS_AS(unit.provisional(0), InternalError);
  CHECK_THROWS_AS(unit.committed(0, 0), InternalError);
  CHECK_THROWS_AS(unit.operand("v"), InternalError);
}

}  // namespace
}  // namespace nibble
