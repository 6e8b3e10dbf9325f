// SPDX-License-Identifier: Apache-2.0
#include "dataflow/operand_layout.h"

#include <algorithm>
#include <numeric>
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

/// The bytes of fields [first, last) of `bits` each, from the table's first byte.
struct ByteRange {
  ByteRange(std::uint64_t first, std::uint64_t last, std::uint64_t bits)
      : begin(first * bits / 8), end(ceil_div(last * bits, 8)) {}
  std::uint64_t size() const { return end - begin; }
  std::uint64_t begin, end;
};

/// Bytes that fields [first, end) share with others of the `fields` of a table.
std::vector<std::uint64_t> bytes_cut(std::uint64_t first, std::uint64_t end, std::uint64_t fields, std::uint64_t bits) {
  const ByteRange range(first, end, bits);
  std::vector<std::uint64_t> bytes;
  if (first * bits % 8 != 0) bytes.push_back(range.begin);
  if (end < fields && end * bits % 8 != 0 && (bytes.empty() || range.size() > 1)) bytes.push_back(range.end - 1);
  return bytes;
}

}  // namespace

std::uint64_t OperandLayout::groups() const {
  return ceil_div(columns, group);
}

std::uint64_t OperandLayout::code_bytes(std::uint64_t g) const {
  return ceil_div(std::min(group, columns - g * group) * bits, 8);
}

/// Of groups [first, last], those that have as many codes as the first.
std::uint64_t OperandLayout::equal_groups(std::uint64_t first, std::uint64_t last) const {
  return last - first + (code_bytes(last) == code_bytes(first) ? 1 : 0);
}

std::uint64_t OperandLayout::height_of_block(std::uint64_t row) const {
  return std::min(block_rows, rows - round_down(row, block_rows));
}

/// Of the table of a block of so many rows, in one group.
std::uint64_t OperandLayout::record_bytes(std::uint64_t row_count) const {
  return ceil_div(ceil_div(row_count, metadata_rows) * metadata_bits, 8);
}

/// Of a block in groups [g0, g1).
std::uint64_t OperandLayout::bytes_of_block(std::uint64_t height, std::uint64_t g0, std::uint64_t g1) const {
  if (g1 <= g0) return 0;
  const std::uint64_t full = ceil_div(std::min(group, columns) * bits, 8);
  return height * ((g1 - 1 - g0) * full + code_bytes(g1 - 1)) + (g1 - g0) * record_bytes(height);
}

/// Of a line of the columns' table in groups [g0, g1).
std::uint64_t OperandLayout::line_bytes(std::uint64_t g0, std::uint64_t g1) const {
  if (g1 <= g0) return 0;
  const std::uint64_t full = ceil_div(group * column_bits, 8);
  return (g1 - 1 - g0) * full + ceil_div(std::min(group, columns - (g1 - 1) * group) * column_bits, 8);
}

std::uint64_t OperandLayout::block_bytes() const {
  const std::uint64_t rest = rows % block_rows;
  return rows / block_rows * bytes_of_block(block_rows, 0, groups()) + bytes_of_block(rest, 0, groups());
}

std::uint64_t OperandLayout::column_table() const {
  return base + block_bytes() + ceil_div(ceil_div(rows, row_share) * row_bits, 8);
}

std::uint64_t OperandLayout::bytes() const {
  return column_table() - base + ceil_div(rows, column_share) * line_bytes(0, groups());
}

std::uint64_t OperandLayout::code_address(std::uint64_t row, std::uint64_t g) const {
  return base + row / block_rows * bytes_of_block(block_rows, 0, groups()) +
         bytes_of_block(height_of_block(row), 0, g) + row % block_rows * code_bytes(g);
}

FieldPlace OperandLayout::record_place(std::uint64_t row, std::uint64_t g) const {
  const std::uint64_t table = code_address(round_down(row, block_rows), g) + height_of_block(row) * code_bytes(g);
  const std::uint64_t bit = row % block_rows / metadata_rows * metadata_bits;
  return {table + bit / 8, static_cast<unsigned>(bit % 8)};
}

FieldPlace OperandLayout::row_place(std::uint64_t row) const {
  const std::uint64_t bit = row / row_share * row_bits;
  return {base + block_bytes() + bit / 8, static_cast<unsigned>(bit % 8)};
}

FieldPlace OperandLayout::column_place(std::uint64_t row, std::uint64_t column) const {
  const std::uint64_t g = column / group, bit = column % group * column_bits;
  return {column_table() + row / column_share * line_bytes(0, groups()) + line_bytes(0, g) + bit / 8,
          static_cast<unsigned>(bit % 8)};
}

/// Rows [row0, row0 + count) of a block that is not taken whole: groups [first, last] of codes, then of records; a
/// shorter last group is a run of its own.
void OperandLayout::append_partial_block(std::vector<MemoryRun>& runs, std::uint64_t row0, std::uint64_t count,
                                         std::uint64_t first, std::uint64_t last) const {
  const std::uint64_t equal = equal_groups(first, last);
  const std::uint64_t stride = bytes_of_block(height_of_block(row0), first, first + 1);
  const std::uint64_t in_block = row0 % block_rows;
  const ByteRange records(in_block / metadata_rows, ceil_div(in_block + count, metadata_rows), metadata_bits);
  if (equal > 0) {
    append(runs, {code_address(row0, first), count * code_bytes(first), equal, stride, false});
    append(runs, {record_place(row0, first).address, records.size(), equal, stride, true});
  }
  if (equal <= last - first) {
    append(runs, {code_address(row0, last), count * code_bytes(last), 1, 0, false});
    append(runs, {record_place(row0, last).address, records.size(), 1, 0, true});
  }
}

void OperandLayout::append_side_tables(std::vector<MemoryRun>& runs, std::uint64_t row0, std::uint64_t count,
                                       std::uint64_t first, std::uint64_t last) const {
  const ByteRange entries(row0 / row_share, ceil_div(row0 + count, row_share), row_bits);
  append(runs, {row_place(row0).address, entries.size(), 1, 0, true});
  const std::uint64_t lines = ceil_div(row0 + count, column_share) - row0 / column_share;
  append(runs, {column_place(row0, first * group).address, line_bytes(first, last + 1), lines, line_bytes(0, groups()),
                true});
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
  const std::uint64_t end = row0 + row_count;
  std::uint64_t row = row0;
  while (row < end) {
    const std::uint64_t height = height_of_block(row), block_end = round_down(row, block_rows) + height;
    if (row % block_rows != 0 || end < block_end) {
      const std::uint64_t count = std::min(end, block_end) - row;
      append_partial_block(runs, row, count, first, last);
      row += count;
      continue;
    }
    // Whole blocks of equal height are one strided run; the operand's shorter last block is taken by itself.
    const std::uint64_t blocks = height == block_rows ? (end - row) / block_rows : 1;
    append(runs, {code_address(row, first), bytes_of_block(height, first, last + 1), blocks,
                  bytes_of_block(height, 0, groups()), false});
    row += blocks * height;
  }
  append_side_tables(runs, row0, row_count, first, last);
  return runs;
}

std::vector<MemoryRun> OperandLayout::shared_bytes(std::uint64_t row0, std::uint64_t row_count, std::uint64_t column0,
                                                   std::uint64_t column_count) const {
  std::vector<MemoryRun> runs;
  if (row_count == 0 || column_count == 0) return runs;
  const std::uint64_t first = column0 / group, last = (column0 + column_count - 1) / group;
  const std::uint64_t end = row0 + row_count;
  // Inside of the two blocks in which the rows begin and end.
  for (std::uint64_t row = row0; metadata_bits % 8 != 0 && row < end;) {
    const std::uint64_t height = height_of_block(row), in_block = row % block_rows;
    const std::uint64_t block_end = row - in_block + height, stop = std::min(end, block_end) - (row - in_block);
    for (const std::uint64_t byte : bytes_cut(in_block / metadata_rows, ceil_div(stop, metadata_rows),
                                              ceil_div(height, metadata_rows), metadata_bits)) {
      const std::uint64_t equal = equal_groups(first, last);
      append(runs, {record_place(row - in_block, first).address + byte, 1, equal,
                    bytes_of_block(height, first, first + 1), true});
      if (equal <= last - first) append(runs, {record_place(row - in_block, last).address + byte, 1, 1, 1, true});
    }
    row = block_end < end ? std::max(block_end, round_down(end, block_rows)) : end;
  }
  const std::uint64_t entries = ceil_div(rows, row_share);
  for (const std::uint64_t byte : bytes_cut(row0 / row_share, ceil_div(end, row_share), entries, row_bits))
    append(runs, {row_place(0).address + byte, 1, 1, 1, true});
  return runs;
}

bool OperandLayout::whole_bytes(std::uint64_t step) const {
  if (step >= rows) return true;
  const auto ends_with_byte = [](std::uint64_t first_rows, std::uint64_t share, std::uint64_t width) {
    return width == 0 || (first_rows % share == 0 && first_rows / share * width % 8 == 0);
  };
  const bool records =
      step % block_rows == 0 || ends_with_byte(std::gcd(step, block_rows), metadata_rows, metadata_bits);
  return records && ends_with_byte(step, row_share, row_bits);
}

std::uint64_t OperandLayout::tile_bytes(std::uint64_t row_count, std::uint64_t column0,
                                        std::uint64_t column_count) const {
  if (row_count == 0 || column_count == 0) return 0;
  const std::uint64_t first = column0 / group, end = (column0 + column_count - 1) / group + 1;
  return row_count / block_rows * bytes_of_block(block_rows, first, end) +
         bytes_of_block(row_count % block_rows, first, end) + ceil_div(ceil_div(row_count, row_share) * row_bits, 8) +
         ceil_div(row_count, column_share) * line_bytes(first, end);
}

std::uint64_t OperandLayout::tile_bits(std::uint64_t row_count, std::uint64_t column0,
                                       std::uint64_t column_count) const {
  if (row_count == 0 || column_count == 0) return 0;
  const std::uint64_t first = column0 / group, end = (column0 + column_count - 1) / group + 1;
  const std::uint64_t full = ceil_div(std::min(group, columns) * bits, 8);
  return 8 * row_count * ((end - 1 - first) * full + code_bytes(end - 1)) +
         (end - first) * ceil_div(row_count, metadata_rows) * metadata_bits +
         ceil_div(row_count, row_share) * row_bits + 8 * ceil_div(row_count, column_share) * line_bytes(first, end);
}

std::uint64_t OperandLayout::bits_before(std::uint64_t column) const {
  if (column == 0) return 0;
  const std::uint64_t end = (column - 1) / group + 1;
  const std::uint64_t full = ceil_div(std::min(group, columns) * bits, 8);
  return 8 * ((end - 1) * full + code_bytes(end - 1)) + end * ceil_div(metadata_bits, metadata_rows) +
         ceil_div(8 * line_bytes(0, end), column_share);
}

std::uint64_t OperandLayout::side_bits() const {
  return ceil_div(row_bits, row_share);
}

void OperandLayout::check(const std::string& name) const {
  const auto fail = [&](const std::string& what) { throw InputError(name + " layout: " + what); };
  if (rows == 0 || columns == 0) fail("an extent is 0; every extent must be positive");
  if (group == 0) fail("the group is 0; metadata-free formats take any positive blocking factor");
  if (block_rows == 0) fail("the row block is 0; plain row-major storage has blocks of 1 row");
  if (bits == 0 || bits > 64) fail(std::to_string(bits) + " bits per element; 1 to 64 are possible");
  if (metadata_bits > 2048) fail(std::to_string(metadata_bits) + " metadata bits per group; at most 2048 are possible");
  if (row_bits > 64 || column_bits > 64) fail("an entry of a side table has at most 64 bits");
  if (metadata_rows == 0 || row_share == 0 || column_share == 0) fail("0 rows share metadata; 1 says that none do");
  if (block_rows % metadata_rows != 0 && block_rows < rows)
    fail("rows of two blocks share a record; take blocks of whole multiples of " + std::to_string(metadata_rows));
}

}  // namespace nibble
