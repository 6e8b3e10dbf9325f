// SPDX-License-Identifier: Apache-2.0
#include "dataflow/operand_layout.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

/// Appends a run; runs of equal kind that continue each other become one.
void append(std::vector<MemoryRun>& runs, MemoryRun run) {
  if (run.rows == 0 || run.row_bytes == 0) return;
  if (run.rows > 1 && run.stride == run.row_bytes) {
    run.row_bytes *= run.rows;
    run.rows = 1;
  }
  if (run.rows == 1) run.stride = run.row_bytes;
  if (!runs.empty()) {
    MemoryRun& last = runs.back();
    if (last.rows == 1 && run.rows == 1 && last.metadata == run.metadata &&
        last.address + last.bytes() == run.address) {
      last.row_bytes += run.row_bytes;
      last.stride = last.row_bytes;
      return;
    }
  }
  runs.push_back(run);
}

/// Rows [row0, row0 + count) of a block that is not taken whole: groups [first, last] of codes, then of metadata; a
/// shorter last group is a run of its own.
void append_partial_block(std::vector<MemoryRun>& runs, const OperandLayout& layout, std::uint64_t row0,
                          std::uint64_t count, std::uint64_t first, std::uint64_t last) {
  const std::uint64_t block_rows = std::min(layout.block_rows, layout.rows - round_down(row0, layout.block_rows));
  const bool ragged = layout.code_bytes(last) != layout.code_bytes(first);
  const std::uint64_t equal = last - first + (ragged ? 0 : 1);
  const std::uint64_t stride = block_rows * (layout.code_bytes(first) + layout.metadata_bytes);
  const std::uint64_t metadata = count * layout.metadata_bytes;
  std::vector<MemoryRun> parts;
  parts.reserve(4);
  if (equal > 0) {
    parts.push_back({layout.code_address(row0, first), count * layout.code_bytes(first), equal, stride, false});
    parts.push_back({layout.metadata_address(row0, first), metadata, equal, stride, true});
  }
  if (ragged) {
    parts.push_back({layout.code_address(row0, last), count * layout.code_bytes(last), 1, 0, false});
    parts.push_back({layout.metadata_address(row0, last), metadata, 1, 0, true});
  }
  for (const MemoryRun& part : parts)
    append(runs, part);
}

}  // namespace

std::uint64_t OperandLayout::groups() const {
  return ceil_div(columns, group);
}

std::uint64_t OperandLayout::code_bytes(std::uint64_t g) const {
  return ceil_div(std::min(group, columns - g * group) * bits, 8);
}

std::uint64_t OperandLayout::row_bytes(std::uint64_t g0, std::uint64_t g1) const {
  if (g1 <= g0) return 0;
  const std::uint64_t full = ceil_div(std::min(group, columns) * bits, 8) + metadata_bytes;
  return (g1 - 1 - g0) * full + code_bytes(g1 - 1) + metadata_bytes;
}

std::uint64_t OperandLayout::bytes() const {
  return rows * row_bytes(0, groups());
}

std::uint64_t OperandLayout::code_address(std::uint64_t row, std::uint64_t g) const {
  const std::uint64_t block_row = round_down(row, block_rows);
  const std::uint64_t in_block = std::min(block_rows, rows - block_row);
  return base + block_row * row_bytes(0, groups()) + in_block * row_bytes(0, g) + (row - block_row) * code_bytes(g);
}

std::uint64_t OperandLayout::metadata_address(std::uint64_t row, std::uint64_t g) const {
  const std::uint64_t block_row = round_down(row, block_rows);
  const std::uint64_t in_block = std::min(block_rows, rows - block_row);
  return base + block_row * row_bytes(0, groups()) + in_block * (row_bytes(0, g) + code_bytes(g)) +
         (row - block_row) * metadata_bytes;
}

std::vector<MemoryRun> OperandLayout::tile(std::uint64_t row0, std::uint64_t row_count, std::uint64_t column0,
                                           std::uint64_t column_count) const {
  if (row0 + row_count > rows || column0 + column_count > columns) {
    throw InternalError("tile of rows " + std::to_string(row0) + "+" + std::to_string(row_count) + ", columns " +
                        std::to_string(column0) + "+" + std::to_string(column_count) + " outside an operand of " +
                        std::to_string(rows) + " x " + std::to_string(columns));
  }
  std::vector<MemoryRun> runs;
  if (row_count == 0 || column_count == 0) return runs;
  const std::uint64_t first = column0 / group;
  const std::uint64_t last = (column0 + column_count - 1) / group;
  const std::uint64_t per_row = row_bytes(first, last + 1);
  const std::uint64_t whole_row = row_bytes(0, groups());
  const std::uint64_t end = row0 + row_count;
  std::uint64_t row = row0;
  while (row < end) {
    const std::uint64_t block_end = std::min(rows, round_down(row, block_rows) + block_rows);
    if (row % block_rows != 0 || end < block_end) {
      const std::uint64_t count = std::min(end, block_end) - row;
      append_partial_block(runs, *this, row, count, first, last);
      row += count;
      continue;
    }
    // Whole blocks of equal height are one strided run; the operand's shorter last block is taken by itself.
    const std::uint64_t height = block_end - row;
    const std::uint64_t blocks = height == block_rows ? (end - row) / block_rows : 1;
    append(runs, {code_address(row, first), height * per_row, blocks, height * whole_row, false});
    row += blocks * height;
  }
  return runs;
}

std::uint64_t OperandLayout::tile_bytes(std::uint64_t row_count, std::uint64_t column0,
                                        std::uint64_t column_count) const {
  if (column_count == 0) return 0;
  return row_count * row_bytes(column0 / group, (column0 + column_count - 1) / group + 1);
}

void OperandLayout::check(const std::string& name) const {
  const auto fail = [&](const std::string& what) { throw InputError(name + " layout: " + what); };
  if (rows == 0 || columns == 0) fail("an extent is 0; every extent must be positive");
  if (group == 0) fail("the group is 0; metadata-free formats take any positive blocking factor");
  if (block_rows == 0) fail("the row block is 0; plain row-major storage has blocks of 1 row");
  if (bits == 0 || bits > 64) fail(std::to_string(bits) + " bits per element; 1 to 64 are possible");
  if (metadata_bytes > 256)
    fail(std::to_string(metadata_bytes) + " metadata bytes per group; at most 256 are possible");
}

}  // namespace nibble
