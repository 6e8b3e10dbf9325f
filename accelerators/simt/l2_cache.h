// SPDX-License-Identifier: Apache-2.0
/// The L2 cache that the multiprocessors share, in segments: what a thread block walks is a tile at a time, so lines of
/// one segment live and die together, and the hit rate is that of the tile walk.
///
/// A segment is what a slice of an operand tile occupies in memory. The least recently used segments leave when the
/// capacity is exceeded. A read moves some bytes of a segment to a multiprocessor: it takes its turn at the cache's
/// bandwidth and is answered hit_latency later, at once if the segment is there, else when the memory has delivered it;
/// reads of a segment that is on its way wait for it and cause no traffic. Writes go through to memory
/// (result_writer.h) and drop the segments that they touch. Not modelled: sets and conflicts between them, partial
/// lines, slices of the crossbar.
#pragma once

#include <cstdint>
#include <list>
#include <systemc>
#include <unordered_map>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/machine_clock.h"
#include "dataflow/operand_layout.h"
#include "memory/dma_engine.h"

namespace nibble {

/// Defaults: V100; letters as for SmConfig.
struct L2Config {
  std::uint64_t capacity_bytes = 6 * 1024 * 1024;  ///< [V]
  std::uint64_t bytes_per_cycle = 2048;  ///< of all multiprocessors together [G]: 64 partitions of one 32-byte sector
  std::uint64_t hit_latency = 200;       ///< cycles, multiprocessor to multiprocessor [D]
};

/// Rows of an operand tile over whole groups, as they lie in memory. Equal keys are equal segments.
struct L2Segment {
  std::uint64_t key = 0;
  std::vector<MemoryRun> runs;
  Stream stream = Stream::activation;
  std::uint64_t bytes() const;
};

class L2Client {
 public:
  virtual ~L2Client() = default;
  /// The bytes asked for reach the multiprocessor at `cycle`, now or later. `data`: of the whole segment; nullptr:
  /// timing only. Valid during the call.
  virtual void l2_answer(std::uint64_t token, std::uint64_t cycle, const std::vector<std::uint8_t>* data) = 0;
};

struct L2Counters {
  std::uint64_t reads = 0, hits = 0, merged = 0, misses = 0;  ///< accesses; hits + merged + misses = reads
  std::uint64_t read_bytes = 0;                               ///< to the multiprocessors
  std::uint64_t evictions = 0;                                ///< segments
};

class L2Cache final : public DmaListener {
 public:
  L2Cache(const L2Config& config, DmaEngine& dma, const MachineClock& clock);

  /// Begins a command: `counters` receives the bytes asked of memory and must outlive it. What is cached stays.
  void start(CommandCounters& counters, bool timing_only);
  /// Moves `bytes` of the segment from cycle `cycle` on.
  void read(std::uint64_t cycle, const L2Segment& segment, std::uint64_t bytes, L2Client& client, std::uint64_t token);
  /// Memory in these runs is about to change.
  void invalidate(const std::vector<MemoryRun>& runs);
  /// Drops everything, for instance when a host may have written memory.
  void clear();
  bool failed() const { return failed_; }
  /// No DMA is in flight.
  bool quiet() const { return in_flight_ == 0; }
  const sc_core::sc_event& changed() const { return changed_; }
  const L2Counters& counters() const { return statistics_; }

  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;

 private:
  struct Waiting {
    L2Client* client = nullptr;
    std::uint64_t token = 0, port_cycle = 0;
  };
  struct Entry {
    std::uint64_t key = 0, bytes = 0, id = 0;
    std::vector<MemoryRun> runs;
    std::vector<std::uint8_t> data;
    unsigned pending = 0;  ///< DMA transfers on the way
    bool stale = false;    ///< written while on its way: answered, not kept
    std::vector<Waiting> waiting;
  };
  using Entries = std::list<Entry>;
  void fetch(Entry& entry, Stream stream);
  void answer(Entry& entry);
  void make_room();
  void drop(Entries::iterator entry);

  const L2Config config_;
  DmaEngine& dma_;
  const MachineClock& clock_;
  Entries entries_;  ///< least recently used first
  std::unordered_map<std::uint64_t, Entries::iterator> by_key_, by_id_;
  std::uint64_t held_bytes_ = 0, next_id_ = 0, port_bytes_ = 0, in_flight_ = 0;
  CommandCounters* counters_ = nullptr;
  bool timing_only_ = true, failed_ = false;
  L2Counters statistics_;
  sc_core::sc_event changed_;
};

}  // namespace nibble
