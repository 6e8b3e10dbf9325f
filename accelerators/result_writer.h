// SPDX-License-Identifier: Apache-2.0
/// Sends finished tiles (and spilled partial sums) to memory at the cycle at which they leave the array's output path.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <systemc>
#include <utility>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/machine_clock.h"
#include "dataflow/operand_layout.h"
#include "memory/dma_engine.h"

namespace nibble {

class ResultWriter final : public sc_core::sc_module, public DmaListener {
 public:
  ResultWriter(sc_core::sc_module_name name, DmaEngine& dma, const MachineClock& clock);

  void start(CommandCounters& counters);
  /// Announces a store to `runs` whose time is not known yet; it counts as outstanding from now on. Returns its number.
  std::uint64_t announce(std::vector<MemoryRun> runs, Stream stream);
  /// A store that takes `cycles` of a port on chip, behind those before it, and none of the memory.
  std::uint64_t announce_on_chip(std::uint64_t cycles, Stream stream);
  /// The announced store `id` goes out from edge `cycle` on. Stores are released in the order of their announcement, at
  /// cycles that do not decrease. `bytes`: the contents of its runs in order, or empty for timing only.
  void release(std::uint64_t id, std::uint64_t cycle, std::vector<std::uint8_t> bytes);
  /// Both at once.
  void write(std::uint64_t cycle, std::vector<MemoryRun> runs, std::vector<std::uint8_t> bytes, Stream stream) {
    release(announce(std::move(runs), stream), cycle, std::move(bytes));
  }
  /// Stores that have been announced and not been completed.
  std::size_t outstanding() const { return stores_.size(); }
  /// A store waits for the memory: of this writer, or of those that it is told of.
  bool on_the_way() const;
  void pause_for(std::vector<const ResultWriter*> others) { others_ = std::move(others); }
  /// A store to `address` has not been completed.
  bool writing(std::uint64_t address) const;
  bool failed() const { return failed_; }
  /// Of the store that was completed last.
  Stream last_stream() const { return last_stream_; }
  /// Notified when a store has been completed.
  const sc_core::sc_event& changed() const { return changed_; }
  /// Drops stores that have not been submitted.
  void cancel();

  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;

 private:
  struct Store {
    std::uint64_t cycle = 0, id = 0;
    std::vector<MemoryRun> runs;
    std::vector<std::uint8_t> bytes;
    Stream stream = Stream::output;
    std::size_t pending = 0;
    std::uint64_t port_cycles = 0;  ///< on chip; 0: to memory
    bool released = false, submitted = false;
  };
  void submit_due();
  void finish_on_chip();
  std::deque<Store>::iterator find(std::uint64_t id);

  DmaEngine& dma_;
  const MachineClock& clock_;
  sc_core::sc_event due_, changed_, port_free_;
  std::uint64_t port_cycle_ = 0;  ///< from which the port on chip is free
  std::deque<Store> stores_;
  std::vector<const ResultWriter*> others_;
  std::uint64_t next_id_ = 0;
  CommandCounters* counters_ = nullptr;
  Stream last_stream_ = Stream::output;
  bool failed_ = false;
};

}  // namespace nibble
