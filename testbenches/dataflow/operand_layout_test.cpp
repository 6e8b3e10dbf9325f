// SPDX-License-Identifier: Apache-2.0
#include "dataflow/operand_layout.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <vector>

#include "core/error.h"

using namespace nibble;

namespace {

struct Owner {
  std::uint64_t row, group;
  bool metadata;
};

/// Who owns each byte, written down in the order in which the layout is defined.
std::vector<Owner> walk(const OperandLayout& layout) {
  std::vector<Owner> bytes;
  for (std::uint64_t block = 0; block < layout.rows; block += layout.block_rows) {
    const std::uint64_t end = std::min(layout.rows, block + layout.block_rows);
    for (std::uint64_t column = 0; column < layout.columns; column += layout.group) {
      const std::uint64_t elements = std::min(layout.group, layout.columns - column);
      const std::uint64_t group = column / layout.group;
      for (std::uint64_t row = block; row < end; ++row) {
        for (std::uint64_t i = 0; i < (elements * layout.bits + 7) / 8; ++i)
          bytes.push_back({row, group, false});
      }
      for (std::uint64_t row = block; row < end; ++row) {
        for (std::uint64_t i = 0; i < layout.metadata_bytes; ++i)
          bytes.push_back({row, group, true});
      }
    }
  }
  return bytes;
}

OperandLayout layout_of(std::uint64_t rows, std::uint64_t columns, std::uint64_t group, unsigned bits,
                        unsigned metadata_bytes, std::uint64_t block_rows) {
  OperandLayout layout;
  layout.base = 0x1000;
  layout.rows = rows;
  layout.columns = columns;
  layout.group = group;
  layout.bits = bits;
  layout.metadata_bytes = metadata_bytes;
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
  CHECK(layout.metadata_address(0, 0) == 0x1000 + 8);
  CHECK(layout.code_address(1, 1) == 0x1000 + 13);
  CHECK(layout.metadata_address(1, 1) == 0x1000 + 16);
  CHECK(layout.code_address(2, 0) == 0x1000 + 18);
  CHECK(layout.metadata_address(2, 0) == 0x1000 + 22);
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
  for (const unsigned bits : {3u, 4u, 8u}) {
    for (const unsigned metadata_bytes : {0u, 3u}) {
      for (const std::uint64_t block_rows : {1, 3, 4, 16}) {
        for (const std::uint64_t columns : {3, 8, 11}) {
          const OperandLayout layout = layout_of(10, columns, 4, bits, metadata_bytes, block_rows);
          const std::vector<Owner> owners = walk(layout);
          REQUIRE(owners.size() == layout.bytes());
          for (std::uint64_t row0 = 0; row0 < 10; ++row0) {
            for (std::uint64_t rows = 1; row0 + rows <= 10; ++rows) {
              for (std::uint64_t column0 = 0; column0 < columns; column0 += 2) {
                for (std::uint64_t count = 1; column0 + count <= columns; ++count) {
                  const auto runs = layout.tile(row0, rows, column0, count);
                  bool good = runs.size() <= 10;
                  std::set<std::uint64_t> fetched;
                  std::uint64_t bytes = 0;
                  for (const MemoryRun& run : runs) {
                    bytes += run.bytes();
                    for (std::uint64_t i = 0; i < run.rows; ++i) {
                      for (std::uint64_t b = 0; b < run.row_bytes; ++b) {
                        const std::uint64_t at = run.address + i * run.stride + b - 0x1000;
                        fetched.insert(at);
                        good = good && (!run.metadata || owners[at].metadata);
                      }
                    }
                  }
                  const std::uint64_t first = column0 / 4, last = (column0 + count - 1) / 4;
                  for (std::uint64_t at = 0; at < owners.size(); ++at) {
                    const Owner& owner = owners[at];
                    const bool wanted =
                        owner.row >= row0 && owner.row < row0 + rows && owner.group >= first && owner.group <= last;
                    good = good && wanted == (fetched.count(at) == 1);
                  }
                  good = good && bytes == fetched.size() && bytes == layout.tile_bytes(rows, column0, count);
                  CAPTURE(bits, metadata_bytes, block_rows, columns, row0, rows, column0, count);
                  if (!good) FAIL("tile does not cover its bytes");
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("addresses agree with the definition") {
  const OperandLayout layout = layout_of(7, 10, 4, 4, 2, 3);
  const std::vector<Owner> owners = walk(layout);
  for (std::uint64_t at = owners.size(); at-- > 0;) {
    const Owner& owner = owners[at];
    const bool first = at == 0 || owners[at - 1].row != owner.row || owners[at - 1].group != owner.group ||
                       owners[at - 1].metadata != owner.metadata;
    if (!first) continue;
    CHECK((owner.metadata ? layout.metadata_address(owner.row, owner.group)
                          : layout.code_address(owner.row, owner.group)) == 0x1000 + at);
  }
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
  layout = layout_of(4, 8, 4, 8, 0, 0);
  CHECK_THROWS_AS(layout.check("weight"), InputError);
  layout = layout_of(0, 8, 4, 8, 0, 1);
  CHECK_THROWS_AS(layout.check("weight"), InputError);
}
