// SPDX-License-Identifier: Apache-2.0
/// How a matrix operand lies in memory, and which contiguous segments a tile of it occupies.
///
/// A matrix of `rows` x `columns` is cut along the columns (the reduction axis of a GEMM operand) into groups of
/// `group` elements, and along the rows into blocks of `block_rows`. A block holds, for one group, the packed codes of
/// its rows and then a table of records, the metadata of its rows; side tables lie behind the blocks:
///
///   [row block][group]{ [row] codes, [row / metadata_rows] record } [row / row_share] entry
///   [row / column_share][column] entry
///
/// Each row's codes are whole bytes. The fields of a table follow one another without gaps, the first in the low bits:
/// a record of 5 bits takes 5 bits, and the bytes that a table ends with belong to it alone. The table of the columns
/// is cut into the groups of the operand, each whole bytes. Nothing else is padded: the last row block has fewer rows,
/// the last group fewer codes. With block_rows = 1 and no metadata this is plain row-major storage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// `rows` runs of `row_bytes` contiguous bytes, `stride` apart: one 2-D DMA descriptor. A single run has stride =
/// row_bytes.
struct MemoryRun {
  std::uint64_t address = 0;
  std::uint64_t row_bytes = 0;
  std::uint64_t rows = 1;
  std::uint64_t stride = 0;
  bool metadata = false;  ///< group metadata that is fetched apart from its codes
  std::uint64_t bytes() const { return row_bytes * rows; }
};

/// A field of a table: `bit` counts from the low bit of the byte at `address`.
struct FieldPlace {
  std::uint64_t address = 0;
  unsigned bit = 0;
};

struct OperandLayout {
  std::uint64_t base = 0;           ///< address of element (0, 0)
  std::uint64_t rows = 0;           ///< allocated rows (a cache: its capacity)
  std::uint64_t columns = 0;        ///< allocated columns
  std::uint64_t group = 0;          ///< elements per group along the columns; without groups: any blocking factor
  unsigned bits = 16;               ///< per element, 1 to 64
  unsigned metadata_bits = 0;       ///< of a record, at most 2048
  std::uint64_t metadata_rows = 1;  ///< rows of a block that share a record
  std::uint64_t block_rows = 1;
  unsigned row_bits = 0;  ///< side table: of an entry that `row_share` rows have, at most 64
  std::uint64_t row_share = 1;
  unsigned column_bits = 0;  ///< side table: of an entry that a column has in `column_share` rows, at most 64
  std::uint64_t column_share = 1;

  std::uint64_t groups() const;
  /// Bytes of codes of one row in group g.
  std::uint64_t code_bytes(std::uint64_t g) const;
  /// The blocks, without side tables; all of it.
  std::uint64_t block_bytes() const;
  std::uint64_t bytes() const;
  /// Address of the codes of (row, group g), and places of its record and of its entries in the side tables.
  std::uint64_t code_address(std::uint64_t row, std::uint64_t g) const;
  FieldPlace record_place(std::uint64_t row, std::uint64_t g) const;
  FieldPlace row_place(std::uint64_t row) const;
  FieldPlace column_place(std::uint64_t row, std::uint64_t column) const;

  /// The segments that hold rows [row0, row0 + row_count) of the groups that touch columns [column0, column0 +
  /// column_count), merged where they are contiguous: a row block taken whole is contiguous over its groups, whole
  /// blocks are one strided run. In a block taken in part, codes and records are runs of their own, strided over the
  /// groups; runs are in the order of the row blocks, those of the side tables behind them. A tile that cuts a group
  /// still fetches the group, one that cuts a byte of a table the byte. At most twelve runs. A range outside is an
  /// InternalError.
  std::vector<MemoryRun> tile(std::uint64_t row0, std::uint64_t row_count, std::uint64_t column0,
                              std::uint64_t column_count) const;
  /// Of these runs the bytes in which records and row entries of other rows lie, too, one by one or strided: who
  /// writes the tile has to keep their other bits. A tile is taken to cut no record.
  std::vector<MemoryRun> shared_bytes(std::uint64_t row0, std::uint64_t row_count, std::uint64_t column0,
                                      std::uint64_t column_count) const;
  /// Tiles of `step` rows, the first at row 0, share no byte of a table with one another. May be false where they are
  /// few and happen not to.
  bool whole_bytes(std::uint64_t step) const;
  /// Bytes of tile(...), without building it, of a tile that begins with a row block.
  std::uint64_t tile_bytes(std::uint64_t row_count, std::uint64_t column0, std::uint64_t column_count) const;
  /// Bits of a tile with nothing padded but codes: no walk moves less.
  std::uint64_t tile_bits(std::uint64_t row_count, std::uint64_t column0, std::uint64_t column_count) const;
  /// Bits of one row before `column`, groups taken whole, with its share of what rows have together (rounded up).
  std::uint64_t bits_before(std::uint64_t column) const;
  /// Of the row table, for every tile of the row.
  std::uint64_t side_bits() const;

  /// Throws InputError ("NAME layout: ...") when a field is out of range; the other functions assume that none is.
  void check(const std::string& name) const;

 private:
  std::uint64_t equal_groups(std::uint64_t first, std::uint64_t last) const;
  std::uint64_t height_of_block(std::uint64_t row) const;
  std::uint64_t record_bytes(std::uint64_t row_count) const;
  std::uint64_t bytes_of_block(std::uint64_t height, std::uint64_t g0, std::uint64_t g1) const;
  std::uint64_t line_bytes(std::uint64_t g0, std::uint64_t g1) const;
  std::uint64_t column_table() const;
  void append_partial_block(std::vector<MemoryRun>& runs, std::uint64_t row0, std::uint64_t count, std::uint64_t first,
                            std::uint64_t last) const;
  void append_side_tables(std::vector<MemoryRun>& runs, std::uint64_t row0, std::uint64_t count, std::uint64_t first,
                          std::uint64_t last) const;
};

}  // namespace nibble
