// SPDX-License-Identifier: Apache-2.0
/// An operand as its command sees it: rows of k columns, wherever the arrangement puts them in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "accelerators/tile_buffers.h"

namespace nibble {

/// A tile of an operand and the elements of the command's rows that it holds: row i, column x of the tile is column
/// column + (i modulo heads) * tile columns + x of row `row` + i / heads.
struct ViewPart {
  std::uint64_t instance = 0;
  TileRange range;
  std::uint64_t row = 0, column = 0, heads = 1;
};

/// The parts that hold rows [row0, row0 + rows) of a vector command; all arrangements but values and
/// token_major.
std::vector<ViewPart> view_parts(const Descriptor& command, const OperandDescriptor& operand, std::uint64_t row0,
                                 std::uint64_t rows);
std::vector<MemoryRun> runs_of(const OperandDescriptor& operand, const std::vector<ViewPart>& parts);
/// The bytes of tables that the parts share with other rows, which a writer has to know.
std::vector<MemoryRun> shared_runs(const OperandDescriptor& operand, const std::vector<ViewPart>& parts);
/// The operand is large enough for the command's rows in its arrangement.
bool is_view(const Descriptor& command, const OperandDescriptor& operand);

/// Rows of k values from the bytes of the runs. Throws InputError for data that no encoder writes.
void read_view(const Descriptor& command, const OperandDescriptor& operand, const std::vector<ViewPart>& parts,
               std::uint64_t row0, const std::vector<std::uint8_t>& bytes, std::vector<float>& rows);
/// The bytes of the runs for rows of k values, encoded in the operand's format; counts overflows and saturated groups.
/// Throws InputError where they cannot be encoded. `shared`: the bytes of shared_runs, before and then after.
std::vector<std::uint8_t> write_view(const Descriptor& command, const OperandDescriptor& operand,
                                     const std::vector<ViewPart>& parts, std::uint64_t row0,
                                     const std::vector<float>& rows, ByteMap& shared, CommandCounters& counters);
/// A tile in the format of an operand, from values row-major.
std::vector<std::uint8_t> encode_tile(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range,
                                      const std::vector<float>& values, ByteMap& shared, CommandCounters& counters);

/// W is arranged as rows, or by tokens in a format that allows it.
bool is_weight_arrangement(const OperandDescriptor& weight);
/// A GEMM's C is large enough; arranged as heads it takes whole groups of whole heads.
bool holds_results(const Descriptor& command);
/// A tile of a GEMM's C: where it goes, and its bytes for results row-major. Arranged as heads, a tile of an instance
/// is one tile of C per query head of the group.
std::vector<MemoryRun> result_runs(const Descriptor& command, std::uint64_t instance, const TileRange& range);
std::vector<std::uint8_t> encode_results(const Descriptor& command, std::uint64_t instance, const TileRange& range,
                                         const std::vector<float>& results, CommandCounters& counters);

}  // namespace nibble
