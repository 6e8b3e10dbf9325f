// SPDX-License-Identifier: Apache-2.0
/// Replays a request trace against a memory and measures what an engineer asks of a memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "memory/dram.h"
#include "memory/memory_system.h"
#include "memory/trace.h"
#include "transport/probe_request.h"

namespace nibble {

/// Where the time of the data buses went, in bus cycles: all channels together, from cycle 0 to the last data beat of
/// the trace. total = data + the sum of lost, exactly.
struct BusTime {
  std::uint64_t total = 0, data = 0;
  LostCycles lost{};
};

/// Cycles are those of the memory's clock (MemorySystem::clock_ns). Empty optional: the memory has no such thing.
struct ReplayFigures {
  std::uint64_t requests = 0, bytes = 0;  ///< as in the trace
  double cycles = 0;                      ///< from cycle 0 to the last data beat
  double time_ns = 0;
  double bandwidth_gbps = 0;  ///< requested bytes / time, 1e9 bytes per second
  double peak_gbps = 0;
  double utilization = 0;  ///< bytes on the bus / (peak x time)
  /// From the acceptance of a read to its last data beat; empty without reads.
  std::optional<double> mean_latency_cycles, p99_latency_cycles;
  std::uint64_t reads = 0, writes = 0;  ///< bursts
  std::optional<double> row_hit_rate;   ///< 1 - activates / (reads + writes), at least 0
  std::optional<std::uint64_t> hits, misses, conflicts, activates, precharges, refreshes, turnarounds;
  MemoryEnergy energy;
  std::optional<BusTime> bus;
  std::vector<Dram::RankReport> ranks;  ///< empty: no DRAM
  std::uint64_t errors = 0;             ///< requests answered with an error response
  bool stopped = false;                 ///< by the progress callback
};

/// Called now and then with the number of requests issued so far; false stops the replay.
using ReplayProgress = std::function<bool(std::uint64_t issued)>;

/// Issues the requests in order through the memory's socket: none before its cycle, at most one per memory clock cycle
/// and channel, as long as the memory accepts them. Runs the kernel until the last response; to be called once per
/// process, before sc_start(). A request that the memory refuses is counted in `errors`. A replay that was stopped
/// returns what happened until then. `probes` stand on the link, `trace.memory`; throws InputError when one has found
/// something wrong.
ReplayFigures replay(MemorySystem& memory, const std::vector<TraceRequest>& trace, const ReplayProgress& progress = {},
                     const std::vector<ProbeRequest>& probes = {});

/// A report for people, and the same as one JSON document.
std::string replay_table(const std::string& memory, const ReplayFigures& figures);
/// Where the lost bandwidth went, and commands and energy of each rank; throws InputError for a memory without banks.
std::string explain_table(const std::string& memory, const ReplayFigures& figures);
std::string replay_json(const std::string& memory, const std::string& trace, const ReplayFigures& figures);

}  // namespace nibble
