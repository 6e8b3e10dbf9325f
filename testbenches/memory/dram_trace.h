// SPDX-License-Identifier: Apache-2.0
/// Runs a trace on one DRAM channel without a kernel: in order, none before its cycle, at most one request per cycle.
#pragma once

#include <algorithm>
#include <vector>

#include "memory/dram_channel.h"
#include "memory/dram_energy.h"
#include "memory/trace_patterns.h"

namespace nibble::test {

struct TraceOutcome {
  Cycle cycles = 0;  ///< to the last data beat
  double mean_read_latency = 0;
  DramCounters counters;
  std::vector<Cycle> end;  ///< per request
};

/// The device has one channel.
inline TraceOutcome run_trace(const DramDevice& device, const std::vector<TraceRequest>& trace) {
  const AddressMap map(device.mapping, device.geometry);
  DramChannel channel(device, map);
  std::vector<Cycle> arrival(trace.size());
  Cycle next = 0;
  for (std::uint32_t id = 0; id < trace.size(); ++id) {
    const TraceRequest& request = trace[id];
    arrival[id] = std::max(next, static_cast<Cycle>(request.cycle));
    next = arrival[id] + 1;
    const std::uint64_t first = request.address / device.geometry.burst_bytes();
    const std::uint64_t last = (request.address + request.bytes - 1) / device.geometry.burst_bytes();
    channel.push(first, last - first + 1, request.write, id, arrival[id]);
  }
  while (!channel.idle())
    channel.advance(channel.finish_bound());
  TraceOutcome outcome;
  outcome.end.assign(trace.size(), -1);
  std::size_t reads = 0;
  for (const auto& done : channel.done()) {
    outcome.end[done.id] = done.at;
    outcome.cycles = std::max(outcome.cycles, done.at);
    if (trace[done.id].write) continue;
    ++reads;
    outcome.mean_read_latency += static_cast<double>(done.at - arrival[done.id]);
  }
  if (reads != 0) outcome.mean_read_latency /= static_cast<double>(reads);
  channel.advance(outcome.cycles);
  outcome.counters = channel.counters_now();
  return outcome;
}

inline TraceShape shape_of(const DramDevice& device) {
  return {device.geometry.burst_bytes(), device.geometry.row_bytes, device.geometry.banks()};
}

}  // namespace nibble::test
