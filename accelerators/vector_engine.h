// SPDX-License-Identifier: Apache-2.0
/// Executes vector commands: operands stream from memory through the vector unit and the quantizer and back, chunk by
/// chunk, load, compute and store overlapped.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <systemc>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "accelerators/equal_stretches.h"
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
  /// Of commands without data, stretches that repeat themselves are simulated once (equal_stretches.h); `neighbours`
  /// must outlive the engine.
  void repeat_stretches(bool on) { repeat_stretches_ = on; }
  void watch(const Neighbours& neighbours) { neighbours_ = &neighbours; }
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
  /// Timing only: the elements, and with them the bytes, in equal chunks, the last one of what is left.
  struct Chunks {
    std::uint64_t count = 0;
    std::uint64_t elements = 1, chunk_elements = 1;
    /// Of `total` bytes or elements: those before a chunk, the most of a chunk, and its own.
    std::uint64_t begin(std::uint64_t total, std::uint64_t chunk) const;
    std::uint64_t most(std::uint64_t total) const { return std::min(total, begin(total, 1) + 1); }
    std::uint64_t bytes(std::uint64_t total, std::uint64_t chunk) const {
      return begin(total, chunk + 1) - begin(total, chunk);
    }
  };
  /// Of the running command.
  struct Progress {
    const Descriptor& command;
    CommandCounters& counters;
    const bool& abort;
    Chunks chunks;
    bool quantizes = false;
    std::uint64_t end = 0;       ///< edge at which the last chunk so far has been computed and has room behind the unit
    std::uint64_t position = 0;  ///< of the chunk among those that are simulated
    std::uint64_t left_out = 0, left_out_from = 0;  ///< chunks that others stand for
    std::uint64_t chunk_at(std::uint64_t of) const { return left_out > 0 && of >= left_out_from ? of + left_out : of; }
    std::uint64_t chunk() const { return chunk_at(position); }
  };
  Chunks chunks_of(const Descriptor& command) const;
  bool stopped(const Progress& progress) const { return failed_ || bad_operand_ || writer_.failed() || progress.abort; }
  void load(const Progress& progress, std::uint64_t chunk, unsigned half);
  void load_data(std::uint64_t chunk, CommandCounters& counters);
  void load_runs(unsigned half, const std::vector<MemoryRun>& runs, std::vector<std::uint8_t>* bytes, Stream stream);
  std::uint64_t load_tokens(std::uint64_t begin, CommandCounters& counters);
  bool wait_for_operands(Progress& progress);
  void compute(Progress& progress);
  void hand_over(Progress& progress);
  void repeat(Progress& progress, EqualStretches& stretches);
  void drain(Progress& progress);
  ValueRecord::Update result(const Progress& progress);
  std::uint64_t elements_of(const Progress& progress, std::uint64_t chunk) const;
  std::uint64_t operations_of(const Progress& progress, std::uint64_t elements) const;
  std::uint64_t quantizer_latency(const Progress& progress) const;
  void count_work(Progress& progress, std::uint64_t elements) const;
  static void count_load(const Descriptor& command, unsigned input, std::uint64_t bytes, CommandCounters& counters);
  static void count_runs(const std::vector<MemoryRun>& runs, Stream stream, CommandCounters& counters);

  const MachineConfig& config_;
  DmaEngine& dma_;
  ResultWriter& writer_;
  const MachineClock& clock_;
  std::array<Half, 2> halves_;
  std::uint64_t in_flight_ = 0;
  const Neighbours* neighbours_ = nullptr;
  bool repeat_stretches_ = false;
  std::optional<VectorData> data_;  ///< of the running command; timing only: none
  bool failed_ = false, bad_operand_ = false;
  sc_core::sc_event changed_;
};

}  // namespace nibble
