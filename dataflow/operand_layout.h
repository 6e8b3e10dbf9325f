// SPDX-License-Identifier: Apache-2.0
/// How a matrix operand lies in memory, and which contiguous segments a tile of it occupies.
///
/// A matrix of `rows` x `columns` is cut along the columns (the reduction axis of a GEMM operand) into groups of
/// `group` elements, and along the rows into blocks of `block_rows`. A block holds, for one group, the packed codes of
/// its rows and then the metadata of its rows:
///
///   [row block][group]{ [row] codes, [row] metadata }
///
/// Nothing is padded: the last row block has fewer rows, the last group fewer codes (each row's codes are whole bytes),
/// so the operand occupies exactly rows x sum over groups of (ceil(elements x bits / 8) + metadata_bytes). With
/// block_rows = 1 and no metadata this is plain row-major storage.
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

struct OperandLayout {
  std::uint64_t base = 0;       ///< address of element (0, 0)
  std::uint64_t rows = 0;       ///< allocated rows (a cache: its capacity)
  std::uint64_t columns = 0;    ///< allocated columns
  std::uint64_t group = 0;      ///< elements per group along the columns; metadata-free formats: any blocking factor
  unsigned bits = 16;           ///< per element, 1 to 64
  unsigned metadata_bytes = 0;  ///< per row and group, at most 256
  std::uint64_t block_rows = 1;

  std::uint64_t groups() const;
  /// Bytes of codes of one row in group g.
  std::uint64_t code_bytes(std::uint64_t g) const;
  /// Bytes of codes and metadata of one row in groups [g0, g1).
  std::uint64_t row_bytes(std::uint64_t g0, std::uint64_t g1) const;
  /// Whole operand.
  std::uint64_t bytes() const;
  /// Address of the codes of (row, group g), and of their metadata.
  std::uint64_t code_address(std::uint64_t row, std::uint64_t g) const;
  std::uint64_t metadata_address(std::uint64_t row, std::uint64_t g) const;

  /// The segments that hold rows [row0, row0 + row_count) of the groups that touch columns [column0, column0 +
  /// column_count), merged where they are contiguous: a row block taken whole is contiguous over its groups, whole
  /// blocks are one strided run. In a block taken in part, codes and metadata are runs of their own, strided over the
  /// groups; runs are in the order of the row blocks. A tile that cuts a group still fetches the group. At most ten
  /// runs. A range outside is an InternalError.
  std::vector<MemoryRun> tile(std::uint64_t row0, std::uint64_t row_count, std::uint64_t column0,
                              std::uint64_t column_count) const;
  /// Bytes of tile(...), without building it.
  std::uint64_t tile_bytes(std::uint64_t row_count, std::uint64_t column0, std::uint64_t column_count) const;

  /// Throws InputError ("NAME layout: ...") when a field is out of range; the other functions assume that none is.
  void check(const std::string& name) const;
};

}  // namespace nibble
