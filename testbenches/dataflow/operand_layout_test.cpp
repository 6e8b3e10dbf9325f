// SPDX-License-Identifier: Apache-2.0
#include "dataflow/operand_layout.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"

using namespace nibble;

namespace {

/// A field of a row (and of the rows that share it) in a group; of side tables, in all groups.
struct Owner {
  std::uint64_t row, rows, group;
  bool table, side;
  bool of(std::uint64_t row0, std::uint64_t count, std::uint64_t first, std::uint64_t last) const {
    return row < row0 + count && row0 < row + rows && (side || (group >= first && group <= last));
  }
};

/// Who owns each bit, written down in the order in which the layout is defined.
std::vector<std::vector<Owner>> walk(const OperandLayout& layout) {
  std::vector<std::vector<Owner>> bytes;
  unsigned used = 8;  // bits of the last byte
  const auto put = [&](const Owner& owner, std::uint64_t bits) {
    for (std::uint64_t i = 0; i < bits; ++i, ++used) {
      if (used == 8) {
        bytes.emplace_back();
        used = 0;
      }
      if (bytes.back().empty() || bytes.back().back().row != owner.row) bytes.back().push_back(owner);
    }
  };
  const auto pad = [&] { used = 8; };
  for (std::uint64_t block = 0; block < layout.rows; block += layout.block_rows) {
    const std::uint64_t end = std::min(layout.rows, block + layout.block_rows);
    for (std::uint64_t column = 0; column < layout.columns; column += layout.group) {
      const std::uint64_t elements = std::min(layout.group, layout.columns - column);
      const std::uint64_t group = column / layout.group;
      for (std::uint64_t row = block; row < end; ++row) {
        put({row, 1, group, false, false}, elements * layout.bits);
        pad();
      }
      for (std::uint64_t row = block; row < end; row += layout.metadata_rows)
        put({row, layout.metadata_rows, group, true, false}, layout.metadata_bits);
      pad();
    }
  }
  for (std::uint64_t row = 0; row < layout.rows; row += layout.row_share)
    put({row, layout.row_share, 0, true, true}, layout.row_bits);
  pad();
  for (std::uint64_t row = 0; row < layout.rows; row += layout.column_share) {
    for (std::uint64_t column = 0; column < layout.columns; column += layout.group) {
      put({row, layout.column_share, column / layout.group, true, false},
          std::min(layout.group, layout.columns - column) * layout.column_bits);
      pad();
    }
  }
  return bytes;
}

std::set<std::uint64_t> addresses(const std::vector<MemoryRun>& runs) {
  std::set<std::uint64_t> all;
  for (const MemoryRun& run : runs) {
    for (std::uint64_t i = 0; i < run.bytes(); ++i)
      all.insert(run.address + i / run.row_bytes * run.stride + i % run.row_bytes - 0x1000);
  }
  return all;
}

std::uint64_t size_of(const std::vector<MemoryRun>& runs) {
  std::uint64_t bytes = 0;
  for (const MemoryRun& run : runs)
    bytes += run.bytes();
  return bytes;
}

/// A tile against the owners of its bytes; returns what is wrong.
std::string check_tile(const OperandLayout& layout, const std::vector<std::vector<Owner>>& owners, std::uint64_t row0,
                       std::uint64_t rows, std::uint64_t column0, std::uint64_t count) {
  const auto runs = layout.tile(row0, rows, column0, count);
  const std::set<std::uint64_t> fetched = addresses(runs),
                                shared = addresses(layout.shared_bytes(row0, rows, column0, count));
  if (runs.size() > 12) return "many runs";
  if (size_of(runs) != fetched.size()) return "bytes twice";
  for (const MemoryRun& run : runs) {
    for (const std::uint64_t at : addresses({run})) {
      if (run.metadata && !owners[at].front().table) return "codes called metadata";
    }
  }
  const std::uint64_t first = column0 / layout.group, last = (column0 + count - 1) / layout.group;
  for (std::uint64_t at = 0; at < owners.size(); ++at) {
    const auto own = std::count_if(owners[at].begin(), owners[at].end(),
                                   [&](const Owner& owner) { return owner.of(row0, rows, first, last); });
    if ((own > 0) != (fetched.count(at) == 1)) return "byte " + std::to_string(at);
    const bool cut = own > 0 && static_cast<std::size_t>(own) < owners[at].size();
    if (cut != (shared.count(at) == 1)) return "shared byte " + std::to_string(at);
  }
  const std::uint64_t estimate = layout.tile_bytes(rows, column0, count);
  if (row0 % layout.block_rows == 0 && row0 % layout.row_share == 0 && row0 % layout.column_share == 0 &&
      (shared.empty() ? estimate != fetched.size() : estimate > fetched.size()))
    return "estimate";
  return layout.tile_bits(rows, column0, count) <= 8 * fetched.size() ? "" : "more bits than bytes";
}

OperandLayout layout_of(std::uint64_t rows, std::uint64_t columns, std::uint64_t group, unsigned bits,
                        unsigned metadata_bytes, std::uint64_t block_rows) {
  OperandLayout layout;
  layout.base = 0x1000;
  layout.rows = rows;
  layout.columns = columns;
  layout.group = group;
  layout.bits = bits;
  layout.metadata_bits = 8 * metadata_bytes;
  layout.block_rows = block_rows;
  return layout;
}

}  // namespace

TEST_CASE("a hand-placed INT8 operand: two row blocks, a short group, a short block") {
  // 3 rows x 5 columns, groups of 4, blocks of 2 rows, 2 metadata bytes per row and group.
  const OperandLayout layout = layout_of(3, 5, 4, 8, 2, 2);
  CHECK(layout.groups() == 2);
  CHECK(layout.code_bytes(0) == 4);
  CHECK(layout.code_bytes(1) == 1);
  CHECK(layout.bytes() == 3 * (4 + 2 + 1 + 2));
  // Block 0: codes r0 r1 (8), metadata r0 r1 (4), codes r0 r1 of group 1 (2), metadata (4); block 1 from 18.
  CHECK(layout.code_address(1, 0) == 0x1000 + 4);
  CHECK(layout.record_place(0, 0).address == 0x1000 + 8);
  CHECK(layout.code_address(1, 1) == 0x1000 + 13);
  CHECK(layout.record_place(1, 1).address == 0x1000 + 16);
  CHECK(layout.code_address(2, 0) == 0x1000 + 18);
  CHECK(layout.record_place(2, 0).address == 0x1000 + 22);
  CHECK(layout.code_address(2, 1) == 0x1000 + 24);

  SECTION("a whole block is one run, without metadata of its own") {
    const auto runs = layout.tile(0, 2, 0, 5);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].address == 0x1000);
    CHECK(runs[0].bytes() == 18);
    CHECK_FALSE(runs[0].metadata);
  }
  SECTION("everything is one run") {
    const auto runs = layout.tile(0, 3, 0, 5);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].bytes() == layout.bytes());
  }
  SECTION("one row of a block: codes and metadata apart, per group because the second is shorter") {
    const auto runs = layout.tile(1, 1, 0, 5);
    REQUIRE(runs.size() == 4);
    CHECK(runs[0].address == 0x1000 + 4);
    CHECK(runs[1].address == 0x1000 + 10);
    CHECK(runs[1].metadata);
    CHECK(runs[3].row_bytes == 2);
  }
  SECTION("a tile that cuts a group fetches the group") {
    CHECK(layout.tile_bytes(2, 1, 2) == 2 * 6);
    CHECK(layout.tile_bytes(2, 3, 2) == 2 * 9);
    CHECK(layout.tile_bytes(2, 0, 0) == 0);
    CHECK(layout.tile(0, 0, 0, 5).empty());
  }
}

TEST_CASE("row blocks of one row without metadata are plain row-major storage") {
  const OperandLayout layout = layout_of(16, 64, 16, 16, 0, 1);
  for (std::uint64_t row = 0; row < 16; ++row)
    CHECK(layout.code_address(row, 2) == 0x1000 + row * 128 + 64);
  const auto runs = layout.tile(4, 8, 16, 32);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].address == 0x1000 + 4 * 128 + 32);
  CHECK(runs[0].row_bytes == 64);
  CHECK(runs[0].rows == 8);
  CHECK(runs[0].stride == 128);
}

TEST_CASE("the tile of a GEMM operand aligned to row blocks is one strided run") {
  const OperandLayout layout = layout_of(1024, 4096, 64, 4, 3, 256);
  const auto runs = layout.tile(256, 512, 1024, 512);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].rows == 2);
  CHECK(runs[0].row_bytes == 256 * 8 * 35);
  CHECK(runs[0].stride == 256 * 64 * 35);
}

TEST_CASE("tiles cover exactly the bytes of their rows and groups, in few runs") {
  struct Tables {
    unsigned metadata_bits;
    std::uint64_t metadata_rows;
    unsigned row_bits;
    std::uint64_t row_share;
    unsigned column_bits;
    std::uint64_t column_share;
  };
  const Tables all[] = {{0, 1, 0, 1, 0, 1},  {24, 1, 0, 1, 0, 1},  {5, 1, 0, 1, 0, 1},  {18, 1, 0, 1, 0, 1},
                        {16, 2, 0, 1, 0, 1}, {10, 1, 16, 1, 0, 1}, {0, 1, 18, 1, 0, 1}, {0, 1, 16, 4, 3, 4}};
  for (const Tables& tables : all) {
    for (const unsigned bits : {3u, 8u}) {
      for (const std::uint64_t block_rows : {1, 4, 16}) {
        for (const std::uint64_t columns : {3, 8, 11}) {
          OperandLayout layout = layout_of(10, columns, 4, bits, 0, block_rows);
          layout.metadata_bits = tables.metadata_bits;
          layout.metadata_rows = block_rows == 1 ? 1 : tables.metadata_rows;
          layout.row_bits = tables.row_bits;
          layout.row_share = tables.row_share;
          layout.column_bits = tables.column_bits;
          layout.column_share = tables.column_share;
          layout.check("operand");
          const auto owners = walk(layout);
          REQUIRE(owners.size() == layout.bytes());
          const std::uint64_t step = std::max({layout.metadata_rows, layout.row_share, layout.column_share});
          for (std::uint64_t row0 = 0; row0 < 10; row0 += step) {
            for (std::uint64_t rows = 1; row0 + rows <= 10; ++rows) {
              if (rows % step != 0 && row0 + rows < 10) continue;  // a tile cuts no record
              for (std::uint64_t column0 = 0; column0 < columns; column0 += 2) {
                for (std::uint64_t count = 1; column0 + count <= columns; ++count) {
                  const std::string wrong = check_tile(layout, owners, row0, rows, column0, count);
                  CAPTURE(tables.metadata_bits, tables.row_bits, bits, block_rows, columns, row0, rows, column0, count);
                  REQUIRE(wrong.empty());
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("tiles of whole bytes are those that share none") {
  for (const unsigned bits : {4u, 5u, 16u, 18u}) {
    for (const std::uint64_t block_rows : {1, 3, 8, 12, 32}) {
      for (const bool by_row : {false, true}) {
        OperandLayout layout = layout_of(48, 8, 4, 8, 0, block_rows);
        (by_row ? layout.row_bits : layout.metadata_bits) = bits;
        for (std::uint64_t step = 1; step <= 49; ++step) {
          bool shares = false;
          for (std::uint64_t row = 0; row < 48; row += step)
            shares = shares || !layout.shared_bytes(row, std::min<std::uint64_t>(step, 48 - row), 0, 8).empty();
          CAPTURE(bits, block_rows, by_row, step);
          CHECK_FALSE((layout.whole_bytes(step) && shares));
          if (step <= 16) CHECK((layout.whole_bytes(step) || shares));  // of few steps not all cuts are looked at
        }
      }
    }
  }
}

TEST_CASE("records of five bits follow one another in a block and begin anew in the next") {
  OperandLayout layout = layout_of(20, 64, 32, 9, 0, 16);
  layout.metadata_bits = 5;
  // 16 rows x 36 bytes, 10 bytes of records; then 4 rows, 3 bytes.
  CHECK(layout.bytes() == 2 * (16 * 36 + 10) + 2 * (4 * 36 + 3));
  CHECK(layout.record_place(3, 0).address == 0x1000 + 16 * 36 + 1);
  CHECK(layout.record_place(3, 0).bit == 7);
  CHECK(layout.record_place(17, 1).address == 0x1000 + 2 * 586 + 147 + 4 * 36);
  CHECK(layout.record_place(17, 1).bit == 5);
  // Row 3: 36 bytes of codes in each group, bits 15 to 19 of the table.
  const auto runs = layout.tile(3, 1, 0, 64);
  REQUIRE(runs.size() == 2);
  CHECK((runs[0].bytes() == 72 && runs[1].bytes() == 4 && runs[1].stride == 586 && runs[1].metadata));
  const auto shared = layout.shared_bytes(3, 1, 0, 64);
  CHECK(size_of(shared) == 4);
  CHECK(size_of(layout.shared_bytes(0, 8, 0, 64)) == 0);
  CHECK(size_of(layout.shared_bytes(8, 12, 0, 64)) == 0);
}

TEST_CASE("rows that share a record and rows that share a scale") {
  OperandLayout layout = layout_of(8, 64, 32, 4, 0, 8);
  layout.metadata_bits = 16;
  layout.metadata_rows = 4;
  CHECK(layout.bytes() == 2 * (8 * 16 + 2 * 2));  // int4-g32x4: 4.125 bits
  CHECK(layout.record_place(3, 1).address == layout.record_place(0, 1).address);
  CHECK(layout.record_place(4, 1).address == layout.record_place(0, 1).address + 2);
  layout.metadata_bits = 0;
  layout.row_bits = 16;
  CHECK(layout.bytes() == 2 * 8 * 16 + 8 * 2);  // int4-channel
  CHECK(layout.row_place(3).address == 0x1000 + 256 + 6);
  CHECK(layout.tile_bytes(4, 32, 32) == 4 * 16 + 4 * 2);
}

TEST_CASE("bad layouts and tiles are refused") {
  OperandLayout layout = layout_of(4, 8, 4, 8, 0, 1);
  CHECK_NOTHROW(layout.check("weight"));
  CHECK_THROWS_AS(layout.tile(2, 3, 0, 1), InternalError);
  CHECK_THROWS_AS(layout.tile(0, 1, 7, 2), InternalError);
  layout.group = 0;
  CHECK_THROWS_WITH(layout.check("weight"), Catch::StartsWith("weight layout: "));
  layout = layout_of(4, 8, 4, 0, 0, 1);
  CHECK_THROWS_AS(layout.check("weight"), InputError);
  layout = layout_of(4, 8, 4, 8, 300, 1);
  CHECK_THROWS_AS(layout.check("weight"), InputError);
  layout = layout_of(4, 8, 4, 8, 0, 2);
  layout.metadata_rows = 4;
  CHECK_THROWS_WITH(layout.check("weight"), Catch::Contains("share a record"));
  layout.row_bits = 65;
  CHECK_THROWS_AS(layout.check("weight"), InputError);
  layout = layout_of(4, 8, 4, 8, 0, 0);
  CHECK_THROWS_AS(layout.check("weight"), InputError);
  layout = layout_of(0, 8, 4, 8, 0, 1);
  CHECK_THROWS_AS(layout.check("weight"), InputError);
}
