// SPDX-License-Identifier: Apache-2.0
/// Tiles as bytes: what the DMA engine would fetch unpacks to the operand's own codes, what it would store lands where
/// the layout says.
#include "accelerators/tile_buffers.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "accelerators/descriptor.h"
#include "core/random.h"
#include "formats/rounding.h"
#include "testbenches/pe/operands.h"

using namespace nibble;
using namespace nibble::test;

namespace {

OperandDescriptor operand(const std::string& format, std::uint32_t rows, std::uint32_t columns,
                          std::uint32_t block_rows, bool packed = false) {
  OperandDescriptor out;
  out.address = 4096;
  out.format = Format::parse(format);
  out.rows = rows;
  out.columns = columns;
  out.block_rows = block_rows;
  out.packed = packed;
  return out;
}

/// Copies the bytes of `runs` between the operand's memory and a contiguous buffer.
template <class Copy>
void for_each_byte(const OperandLayout& layout, const std::vector<MemoryRun>& runs, Copy copy) {
  std::size_t at = 0;
  for (const auto& run : runs) {
    for (std::uint64_t row = 0; row < run.rows; ++row) {
      for (std::uint64_t i = 0; i < run.row_bytes; ++i)
        copy(run.address - layout.base + row * run.stride + i, at++);
    }
  }
}

std::vector<std::uint8_t> gather(const OperandLayout& layout, const TileRange& range,
                                 const std::vector<std::uint8_t>& memory) {
  const auto runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  std::vector<std::uint8_t> bytes;
  for_each_byte(layout, runs, [&](std::uint64_t from, std::size_t) { bytes.push_back(memory.at(from)); });
  return bytes;
}

void check_tile(const QuantizedTensor& whole, const TileRange& range, const QuantizedTensor& tile) {
  REQUIRE(tile.rows() == range.rows);
  REQUIRE(tile.columns() == range.columns);
  const std::uint64_t group = whole.format.grouping == Grouping::group ? whole.format.group_k : whole.columns();
  for (std::uint64_t r = 0; r < range.rows; ++r) {
    for (std::uint64_t c = 0; c < range.columns; ++c) {
      REQUIRE(tile.codes[r * range.columns + c] == whole.codes[(range.row0 + r) * whole.columns() + range.column0 + c]);
      const std::size_t mine = tile.group_index(r, whole.format.grouping == Grouping::group ? c / group : 0);
      const std::size_t its =
          whole.group_index(range.row0 + r, whole.format.grouping == Grouping::group ? (range.column0 + c) / group : 0);
      REQUIRE(tile.scales[mine] == whole.scales[its]);
      if (!whole.types.empty()) REQUIRE(tile.types[mine] == whole.types[its]);
    }
  }
}

struct Shape {
  std::uint32_t rows, columns, block_rows;
};

}  // namespace

TEST_CASE("operand tiles unpack to the operand's codes, scales and types") {
  Random random(3);
  const std::string format = GENERATE("mant4-g64", "int8-g64", "mant4-g32", "int8-g256", "mant4-g7");
  const Shape shape = GENERATE(Shape{1, 1, 1}, Shape{5, 64, 5}, Shape{33, 130, 16}, Shape{64, 200, 256},
                               Shape{7, 63, 1}, Shape{20, 257, 8});
  CAPTURE(format, shape.rows, shape.columns, shape.block_rows);
  const OperandDescriptor placed = operand(format, shape.rows, shape.columns, shape.block_rows);
  const OperandLayout layout = placed.layout(0);
  const QuantizedTensor whole = random_coded(format, shape.rows, shape.columns, random);
  const auto memory = pack_operand(layout, whole);
  REQUIRE(memory.size() == layout.bytes());

  check_tile(whole, {0, shape.rows, 0, shape.columns},
             unpack_tile(layout, placed.format, {0, shape.rows, 0, shape.columns}, memory));
  for (int i = 0; i < 40; ++i) {
    TileRange range;
    range.row0 = random.below(shape.rows);
    range.rows = 1 + random.below(shape.rows - range.row0);
    range.column0 = random.below(layout.groups()) * placed.format.group_k;
    range.columns = 1 + random.below(shape.columns - range.column0);
    CAPTURE(range.row0, range.rows, range.column0, range.columns);
    check_tile(whole, range, unpack_tile(layout, placed.format, range, gather(layout, range, memory)));
  }
}

TEST_CASE("tiles of decomposed activations bring the groups of their columns from the table behind the operand") {
  Random random(6);
  for (const char* const format : {"tender8-d8", "tender4-d5", "tender8-d1"}) {
    const OperandDescriptor placed = operand(format, 600, 150, 100);
    const OperandLayout layout = placed.layout(0);
    const QuantizedTensor whole = test::random_operand(format, 600, 150, random);
    const auto memory = pack_operand(layout, whole);
    REQUIRE(memory.size() == placed.bytes());
    const unsigned bits = static_cast<unsigned>(placed.format.column_bits());
    // Three chunks of rows with a scale each; two blocks of 64 columns and one of 22.
    REQUIRE(placed.bytes() == layout.block_bytes() + 3 * 2 + 3 * (2 * 8 * bits + (22 * bits + 7) / 8));
    for (const TileRange& range : {TileRange{0, 600, 0, 150}, TileRange{255, 2, 64, 64}, TileRange{300, 299, 128, 22},
                                   TileRange{599, 1, 0, 1}}) {
      const QuantizedTensor tile = unpack_tile(layout, placed.format, range, gather(layout, range, memory));
      REQUIRE(is_encoding(tile));
      check_tile(whole, range, tile);
      for (std::uint64_t r = 0; r < range.rows; ++r) {
        for (std::uint64_t c = 0; c < range.columns; ++c) {
          const std::size_t its = (range.row0 + r) / 256 * 150 + range.column0 + c;
          REQUIRE(int(tile.column_groups[r * range.columns + c]) == int(whole.column_groups[its]));
        }
      }
    }
  }
  // Three bits can hold groups that five groups do not have.
  QuantizedTensor tile = blank_tensor(Format::parse("tender4-d5"), {1, 2}, "tile");
  tile.column_groups = {4, 5};
  CHECK_FALSE(is_encoding(tile));
}

TEST_CASE("tiles bring the scales of their rows from the table behind the operand, planes come back as elements") {
  Random random(7);
  for (const char* const format : {"bitmod4-g32", "bitmod6-g64", "anda7-g64", "anda15-g32"}) {
    for (const bool packed : {false, true}) {
      const OperandDescriptor placed = operand(format, 20, 150, 8, packed);
      const OperandLayout layout = placed.layout(0);
      const QuantizedTensor whole = test::random_operand(format, 20, 150, random);
      const auto memory = pack_operand(layout, whole);
      const bool row_scales = !whole.row_scales.empty();
      REQUIRE(memory.size() == placed.bytes());
      REQUIRE(placed.bytes() == layout.block_bytes() + (row_scales ? 2 * 20 : 0));
      for (const TileRange& range : {TileRange{0, 20, 0, 150}, TileRange{7, 2, 64, 64}, TileRange{3, 17, 128, 22},
                                     TileRange{19, 1, 0, 1}, TileRange{5, 9, 64, 5}}) {
        const QuantizedTensor tile = unpack_tile(layout, placed.format, range, gather(layout, range, memory));
        CAPTURE(format, range.row0, range.rows, range.column0, range.columns);
        REQUIRE(is_encoding(tile));
        const std::size_t k = placed.format.group_k;
        for (std::uint64_t r = 0; r < range.rows; ++r) {
          const std::size_t row = range.row0 + r;
          if (row_scales) REQUIRE(tile.row_scales[r] == whole.row_scales[row]);
          for (std::uint64_t c = 0; c < range.columns; ++c) {
            const std::size_t column = range.column0 + c;
            REQUIRE(tile.codes[r * range.columns + c] == whole.codes[row * 150 + column]);
            const std::size_t mine = tile.group_index(r, c / k), its = whole.group_index(row, column / k);
            if (row_scales) REQUIRE(tile.scales[mine] == whole.scales[its]);
            if (!row_scales) REQUIRE(tile.exponents[mine] == whole.exponents[its]);
            if (!whole.types.empty()) REQUIRE(int(tile.types[mine]) == int(whole.types[its]));
          }
        }
      }
    }
  }
  QuantizedTensor tile = blank_tensor(Format::parse("bitmod4-g32"), {1, 2}, "tile");
  CHECK(is_encoding(tile));
  tile.row_scales[0] = std::numeric_limits<float>::infinity();
  CHECK_FALSE(is_encoding(tile));
  tile.row_scales[0] = 1;
  tile.types[0] = 4;
  CHECK_FALSE(is_encoding(tile));
}

TEST_CASE("the open value window unpacks with one scale per channel") {
  Random random(4);
  for (const std::uint32_t tokens : {1u, 2u, 37u, 63u, 64u}) {
    const OperandDescriptor placed = operand("int8-channel", 48, tokens, 48);
    const OperandLayout layout = placed.layout(0);
    const QuantizedTensor whole = random_coded("int8-channel", 48, tokens, random);
    const auto memory = pack_operand(layout, whole);
    REQUIRE(memory.size() == 48 * (tokens + 2));
    for (const TileRange& range : {TileRange{0, 48, 0, tokens}, TileRange{5, 17, 0, tokens}, TileRange{47, 1, 0, 1}}) {
      check_tile(whole, range, unpack_tile(layout, placed.format, range, gather(layout, range, memory)));
    }
  }
}

TEST_CASE("a per-channel operand keeps the scales of its rows behind its blocks") {
  Random random(5);
  const OperandDescriptor placed = operand("int8-channel", 6, 150, 4);
  const OperandLayout layout = placed.layout(0);
  const QuantizedTensor whole = random_coded("int8-channel", 6, 150, random);
  const auto memory = pack_operand(layout, whole);
  REQUIRE(memory.size() == 6 * (150 + 2));
  for (const TileRange& range : {TileRange{0, 6, 0, 150}, TileRange{1, 4, 64, 64}, TileRange{3, 3, 128, 22}})
    check_tile(whole, range, unpack_tile(layout, placed.format, range, gather(layout, range, memory)));
}

TEST_CASE("rows written one by one merge their packed records with those that are there") {
  Random random(8);
  for (const char* const format : {"bfp8-g32", "bfp4-g32", "anda7-g32"}) {
    const OperandDescriptor placed = operand(format, 21, 100, 16, true);
    const OperandLayout layout = placed.layout(0);
    CHECK(layout.bytes() < operand(format, 21, 100, 16).bytes());
    std::vector<float> values(21 * 100);
    for (float& value : values)
      value = static_cast<float>(random.normal());
    const QuantizedTensor whole = encode({"whole", {21, 100}, values}, placed.format);
    std::vector<std::uint8_t> memory(layout.bytes(), 0);
    std::uint64_t saturated = 0;
    for (std::uint64_t row = 0; row < 21;) {
      const std::uint64_t count = std::min<std::uint64_t>(1 + random.below(3), 21 - row);
      const auto cut = layout.shared_bytes(row, count, 0, 100);
      std::vector<std::uint8_t> before;
      for_each_byte(layout, cut, [&](std::uint64_t from, std::size_t) { before.push_back(memory.at(from)); });
      ByteMap shared;
      insert_bytes(cut, before, shared);
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(row * 100);
      const auto bytes =
          quantize_results(layout, placed.format, {row, count, 0, 100},
                           {first, first + static_cast<std::ptrdiff_t>(count * 100)}, 0, shared, saturated);
      for_each_byte(layout, layout.tile(row, count, 0, 100),
                    [&](std::uint64_t to, std::size_t from) { memory.at(to) = bytes.at(from); });
      for (const auto& [address, byte] : shared)
        CHECK(memory.at(address - layout.base) == byte);
      row += count;
    }
    CHECK((memory == pack_operand(layout, whole)));
  }
}

TEST_CASE("rows of weights that share a scale have it once") {
  Random random(9);
  for (const std::uint32_t block_rows : {8u, 6u, 64u}) {
    const OperandDescriptor placed = operand("int4-g32x4", 22, 70, block_rows, true);
    const OperandLayout layout = placed.layout(0);
    const QuantizedTensor whole = test::random_operand("int4-g32x4", 22, 70, random);
    const auto memory = pack_operand(layout, whole);
    // Scales of 4 rows and 32 columns; blocks of 6 rows keep those of 2.
    if (block_rows == 64) REQUIRE(memory.size() == 22 * (16 + 16 + 3) + 3 * 6 * 2);
    if (block_rows == 6) REQUIRE(memory.size() == 22 * (16 + 16 + 3) + 3 * 11 * 2);
    for (const TileRange& range : {TileRange{0, 22, 0, 70}, TileRange{5, 6, 32, 32}, TileRange{3, 1, 64, 6}}) {
      const QuantizedTensor tile = unpack_tile(layout, placed.format, range, gather(layout, range, memory));
      CAPTURE(block_rows, range.row0, range.column0);
      check_tile(whole, range, tile);
    }
  }
}

TEST_CASE("results stored tile by tile read back as the whole, in fp16 and fp32") {
  Random random(6);
  const std::string format = GENERATE("fp16", "fp32");
  const Shape shape = GENERATE(Shape{1, 1, 1}, Shape{65, 200, 16}, Shape{3, 64, 8}, Shape{40, 129, 1});
  CAPTURE(format, shape.rows, shape.columns, shape.block_rows);
  const OperandDescriptor placed = operand(format, shape.rows, shape.columns, shape.block_rows);
  const OperandLayout layout = placed.layout(0);
  std::vector<float> values;
  for (std::uint32_t i = 0; i < shape.rows * shape.columns; ++i)
    values.push_back(fp16_value(static_cast<std::uint16_t>(random.below(0x7C00))));
  std::vector<std::uint8_t> memory(layout.bytes(), 0xEE);
  std::uint64_t overflows = 0, stored = 0;
  const std::uint64_t tile_rows = 1 + random.below(shape.rows);
  for (std::uint64_t m0 = 0; m0 < shape.rows; m0 += tile_rows) {
    for (std::uint64_t n0 = 0; n0 < shape.columns; n0 += 128) {
      const TileRange range{m0, std::min<std::uint64_t>(tile_rows, shape.rows - m0), n0,
                            std::min<std::uint64_t>(128, shape.columns - n0)};
      std::vector<float> tile;
      for (std::uint64_t r = 0; r < range.rows; ++r) {
        const auto begin = values.begin() + static_cast<std::ptrdiff_t>((m0 + r) * shape.columns + n0);
        tile.insert(tile.end(), begin, begin + static_cast<std::ptrdiff_t>(range.columns));
      }
      const auto bytes = pack_results(layout, placed.format, range, tile, overflows);
      REQUIRE(bytes.size() == layout.tile_bytes(range.rows, range.column0, range.columns));
      const auto runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
      for_each_byte(layout, runs, [&](std::uint64_t to, std::size_t from) { memory.at(to) = bytes.at(from); });
      stored += bytes.size();
    }
  }
  CHECK(stored == layout.bytes());  // every byte once
  CHECK(unpack_results(layout, placed.format, memory) == values);
  CHECK(overflows == 0);
}

TEST_CASE("fp16 results round to nearest even and count overflows") {
  const OperandDescriptor placed = operand("fp16", 1, 6, 1);
  const OperandLayout layout = placed.layout(0);
  std::uint64_t overflows = 0;
  const std::vector<float> values = {1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f, 65519.0f, 65520.0f, -1e9f, 0x1p-25f};
  const auto bytes = pack_results(layout, placed.format, {0, 1, 0, 6}, values, overflows);
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(unpack_results(layout, placed.format, bytes) ==
        std::vector<float>{1.0f, 1.0f + 0x1p-9f, 65504.0f, infinity, -infinity, 0.0f});
  CHECK(overflows == 2);
}

TEST_CASE("fp32 results keep every bit and count what would overflow in fp16") {
  const OperandDescriptor placed = operand("fp32", 2, 2, 1);
  const OperandLayout layout = placed.layout(0);
  std::uint64_t overflows = 0;
  const std::vector<float> values = {1e9f, 0x1.234568p-100f, -0.0f, 65504.0f};
  const auto bytes = pack_results(layout, placed.format, {0, 2, 0, 2}, values, overflows);
  const auto back = unpack_results(layout, placed.format, bytes);
  CHECK(back == values);
  CHECK(std::signbit(back[2]));
  CHECK(overflows == 1);
}

TEST_CASE("types that no encoder produces are recognized") {
  Random random(7);
  QuantizedTensor tile = random_coded("mant4-g64", 4, 64, random);
  CHECK(is_encoding(tile));
  for (unsigned type = 0; type < 256; ++type) {
    tile.types[2] = static_cast<std::uint8_t>(type);
    CHECK(is_encoding(tile) == (type <= 127 || type == 255));
  }
  CHECK(is_encoding(random_coded("int8-g64", 4, 64, random)));
}
