// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "formats/bitmod_types.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

TEST_CASE("grids: FP4 with 10 or 16 on one side, FP3 with 3 or 6") {
  CHECK(bitmod_grid_value(4, bitmod_er_positive, 8) == 10);
  CHECK(bitmod_grid_value(4, bitmod_er_negative, 8) == -10);
  CHECK(bitmod_grid_value(4, bitmod_ea_positive, 8) == 16);
  CHECK(bitmod_grid_value(4, bitmod_ea_negative, 8) == -16);
  CHECK(bitmod_grid_value(3, bitmod_er_positive, 4) == 3);
  CHECK(bitmod_grid_value(3, bitmod_ea_negative, 4) == -6);
  const int fp4[] = {0, 1, 2, 3, 4, 6, 8, 12};
  for (unsigned i = 0; i < 8; ++i) {
    CHECK(bitmod_grid_value(4, 0, i) == fp4[i]);
    if (i > 0) CHECK(bitmod_grid_value(4, 0, 8 | i) == -fp4[i]);
  }
}

TEST_CASE("every grid is found again, its special value included") {
  for (const unsigned bits : {3U, 4U}) {
    const Format format = Format::parse("bitmod" + std::to_string(bits) + "-g16");
    for (std::uint8_t type = 0; type < bitmod_type_count; ++type) {
      Tensor tensor{"t", {1, std::size_t{1} << bits}, {}};
      for (unsigned code = 0; code < 1U << bits; ++code)
        tensor.values.push_back(255.0F * static_cast<float>(bitmod_grid_value(bits, type, code)));
      const QuantizedTensor coded = encode(tensor, format);
      CAPTURE(bits, int(type));
      CHECK(int(coded.types[0]) == type);
      CHECK(coded.row_scales[0] == 1.0F);
      CHECK(coded.scales[0] == 255.0F);
      for (unsigned code = 0; code < 1U << bits; ++code)
        CHECK(coded.codes[code] == static_cast<int>(code));
      CHECK(decode(coded).values == tensor.values);
    }
  }
}

TEST_CASE("ties go to the lower value, also between the special value and its neighbours") {
  // Type er+: the grid ... 8 10 12 in units of 255; 12 and -12 fix the scale, 10 the type.
  const auto code_of = [](float value) {
    const Tensor tensor{"t", {1, 4}, {255 * 12.0F, 255 * -12.0F, 255 * 10.0F, 255 * value}};
    const QuantizedTensor coded = encode(tensor, Format::parse("bitmod4-g4"));
    REQUIRE(int(coded.types[0]) == bitmod_er_positive);
    return bitmod_grid_value(4, coded.types[0], static_cast<unsigned>(coded.codes[3]));
  };
  CHECK(code_of(9.0F) == 8);
  CHECK(code_of(std::nextafter(9.0F, 10.0F)) == 10);
  CHECK(code_of(11.0F) == 10);
  CHECK(code_of(0.5F) == 0);
  CHECK(code_of(-0.5F) == -1);
  CHECK(code_of(-10.0F) == -12);
  CHECK(code_of(-5.0F) == -6);
}

TEST_CASE("the scales of a row's groups are integers times one FP16 number") {
  const Tensor tensor = random_tensor({9, 300}, 41);
  for (const char* name : {"bitmod4-g32", "bitmod3-g64", "bitmod6-g128"}) {
    const QuantizedTensor coded = encode(tensor, Format::parse(name));
    CAPTURE(name);
    for (std::size_t row = 0; row < 9; ++row) {
      const float S = coded.row_scales[row];
      CHECK(round_fp16(S) == S);
      float most = 0;
      for (std::size_t g = 0; g < coded.groups_per_row(); ++g) {
        const float c = coded.scales[coded.group_index(row, g)] / S;
        CHECK(c == std::rint(c));
        CHECK((c >= 1 && c <= 255));
        most = std::max(most, c);
      }
      CHECK(most >= 254);
    }
    CHECK(bits_per_element(coded) ==
          Approx(coded.format.bits +
                 (static_cast<double>(coded.groups() * coded.format.metadata_bits()) + 9 * 16.0) / (9 * 300)));
  }
}

TEST_CASE("zeros: groups, rows, and what lies far below its row") {
  Tensor tensor{"t", {3, 8}, std::vector<float>(24, 0.0F)};
  tensor.values[0] = 4.0F;     // row 0: group 1 of zeros
  tensor.values[8] = 0x1p20F;  // row 1: group 1 far below
  tensor.values[12] = 1.0F;
  const QuantizedTensor coded = encode(tensor, Format::parse("bitmod4-g4"));
  CHECK(coded.scales[1] == 0);
  CHECK(coded.scales[3] == coded.row_scales[1]);  // c is at least 1 where there is something
  CHECK(coded.row_scales[2] == 0);
  const Tensor decoded = decode(coded);
  CHECK(decoded.values[0] == Approx(4.0F).epsilon(0.01));
  for (const std::size_t i : {1, 5, 9, 12, 16, 23})
    CHECK(float_bits(decoded.values[i]) == 0);
  // The smallest row scale.
  const QuantizedTensor tiny = encode(Tensor{"t", {1, 2}, {1e-20F, 0}}, Format::parse("bitmod6-g4"));
  CHECK(tiny.row_scales[0] == 0x1p-24F);
  CHECK(tiny.codes[0] == 0);
}

TEST_CASE("a row whose scale FP16 does not hold is refused with its group") {
  const float beyond = 65520.0F * 255 * 31;
  Tensor tensor{"t", {2, 8}, std::vector<float>(16, 1.0F)};
  tensor.values[13] = std::nextafter(beyond, 0.0F);
  CHECK_NOTHROW(encode(tensor, Format::parse("bitmod6-g4")));
  tensor.values[13] = beyond;
  CHECK_THROWS_WITH(encode(tensor, Format::parse("bitmod6-g4")),
                    Catch::Contains("group 3") && Catch::Contains("row 1"));
  tensor.values[13] = std::numeric_limits<float>::max();
  CHECK_THROWS_AS(encode(tensor, Format::parse("bitmod4-g4")), RangeError);
}

TEST_CASE("records hold what the rows' scales are multiplied with") {
  const QuantizedTensor coded = encode(random_tensor({5, 70}, 42), Format::parse("bitmod3-g32"));
  QuantizedTensor back = blank_tensor(coded.format, coded.shape, "back");
  for (std::size_t row = 0; row < 5; ++row) {
    back.row_scales[row] = fp16_value(fp16_bits(coded.row_scales[row]));
    for (std::size_t g = 0; g < coded.groups_per_row(); ++g) {
      std::uint8_t record[2];
      pack_metadata(coded, row, g, record);
      unpack_metadata(record, row, g, back);
    }
  }
  CHECK(back.row_scales == coded.row_scales);
  CHECK(back.scales == coded.scales);
  CHECK(back.types == coded.types);
}
