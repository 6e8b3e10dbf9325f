// SPDX-License-Identifier: Apache-2.0
/// Executes vector commands: operands stream from memory through the vector unit and the quantizer and back, chunk by
/// chunk, load, compute and store overlapped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <systemc>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "accelerators/machine_clock.h"
#include "accelerators/machine_config.h"
#include "accelerators/matrix_engine.h"
#include "accelerators/result_writer.h"
#include "accelerators/vector_data.h"
#include "memory/dma_engine.h"

namespace nibble {

class VectorEngine final : public DmaListener {
 public:
  VectorEngine(const MachineConfig& config, DmaEngine& dma, ResultWriter& writer, const MachineClock& clock);
  CommandStatus check(const Descriptor& command) const;
  /// What a checked command takes of the buffers while it runs.
  BufferUse buffer_use(const Descriptor& command) const;
  /// Runs a checked command from the calling SC_THREAD until its last result is in memory.
  CommandStatus run(const Descriptor& command, CommandCounters& counters, const bool& abort);
  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;

 private:
  /// One half of the activation buffer: both inputs of a chunk.
  struct Half {
    unsigned pending = 0;
    std::uint64_t ready_cycle = 0;
    Stream last_stream = Stream::vector;
    VectorData::Bytes bytes;
  };
  struct Chunks {
    std::uint64_t count = 0;
    /// [share(total, i), share(total, i + 1)) belongs to chunk i.
    std::uint64_t share(std::uint64_t total, std::uint64_t i) const;
  };
  Chunks chunks_of(const Descriptor& command) const;
  void load(const Descriptor& command, const Chunks& chunks, std::uint64_t chunk, CommandCounters& counters);
  void load_data(std::uint64_t chunk, CommandCounters& counters);
  void load_runs(unsigned half, const std::vector<MemoryRun>& runs, std::vector<std::uint8_t>* bytes, Stream stream,
                 CommandCounters& counters);
  std::uint64_t load_tokens(std::uint64_t begin, CommandCounters& counters);
  ValueRecord::Update result(const Descriptor& command, const Chunks& chunks, std::uint64_t chunk,
                             CommandCounters& counters);

  const MachineConfig& config_;
  DmaEngine& dma_;
  ResultWriter& writer_;
  const MachineClock& clock_;
  std::array<Half, 2> halves_;
  std::uint64_t in_flight_ = 0;
  std::optional<VectorData> data_;  ///< of the running command; timing only: none
  bool failed_ = false, bad_operand_ = false;
  sc_core::sc_event changed_;
};

}  // namespace nibble
