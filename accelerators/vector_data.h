// SPDX-License-Identifier: Apache-2.0
/// The contents of a vector command: which bytes a chunk of its rows reads and writes, and what the unit makes of them
/// (pe/vector_functions.h). VectorEngine moves the bytes and keeps the time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "accelerators/machine_config.h"
#include "accelerators/value_record.h"
#include "accelerators/vector_view.h"
#include "transport/transfer_tag.h"

namespace nibble {

class VectorData {
 public:
  /// Operands of a chunk: a, w, p, and what C is to be merged with: the state of the records that values enter, or
  /// bytes of tables that rows of other chunks and commands share.
  static constexpr unsigned inputs = 4;
  using Bytes = std::array<std::vector<std::uint8_t>, inputs>;

  /// pending when a command with data may run.
  static CommandStatus check(const MachineConfig& config, const Descriptor& command);

  /// The command passes check().
  VectorData(const MachineConfig& config, const Descriptor& command);

  std::uint64_t chunks() const { return chunks_; }
  /// Bytes of operands and results of a chunk.
  struct Footprint {
    std::uint64_t in = 0, out = 0;
  };
  Footprint footprint() const { return footprint_; }
  /// Token numbers that an embedding reads before its first chunk; empty otherwise.
  std::vector<MemoryRun> token_runs() const;
  /// False when a number is no row of the table.
  bool take_tokens(const std::vector<std::uint8_t>& bytes);
  std::vector<MemoryRun> loads(std::uint64_t chunk, unsigned input) const;
  /// Which stream an input belongs to.
  Stream stream(unsigned input) const;
  std::uint64_t elements(std::uint64_t chunk) const;
  /// Chunks in ascending order. Throws InputError for data that no encoder writes and results that cannot be encoded.
  ValueRecord::Update compute(std::uint64_t chunk, const Bytes& bytes, CommandCounters& counters);

 private:
  /// Rows [row0, row0 + rows); of values the channels of KV heads [head0, head0 + heads) of one sequence.
  struct Chunk {
    std::uint64_t row0 = 0, rows = 0, head0 = 0, heads = 0;
  };
  struct Columns {
    std::uint64_t begin = 0, end = 0;
  };
  Chunk chunk(std::uint64_t index) const;
  bool values() const { return command_.c.arrangement == Arrangement::values; }
  Columns visible(std::uint64_t row) const;
  std::vector<ViewPart> parts(const OperandDescriptor& operand, const Chunk& chunk) const;
  std::vector<float> read(const OperandDescriptor& operand, const Chunk& chunk,
                          const std::vector<std::uint8_t>& bytes) const;
  void apply(const Chunk& chunk, const Bytes& bytes, std::vector<float>& rows);
  void apply_to_parts(const Chunk& chunk, const Bytes& bytes, std::vector<float>& rows);
  ValueRecord::Update append(const Chunk& chunk, const std::vector<float>& rows,
                             const std::vector<std::uint8_t>& held) const;

  const Descriptor command_;
  const std::uint64_t lanes_;
  std::uint64_t together_ = 1, chunks_ = 0;  ///< rows, or heads, of a chunk
  Footprint footprint_;
  std::optional<ValueRecord> record_;
  std::vector<float> parameters_;      ///< gain and shift, or a bias
  std::vector<std::uint32_t> tokens_;  ///< of an embedding
  ByteMap shared_;                     ///< of C's tables, as they are by now
};

}  // namespace nibble
