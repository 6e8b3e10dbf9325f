// SPDX-License-Identifier: Apache-2.0
#include "memory/trace_replay.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "transport/links.h"
#include "transport/payload_pool.h"

namespace nibble {
namespace {

constexpr std::size_t progress_interval = 4096;

/// AT initiator that follows a trace. `owner` of a payload is the index of its request.
class TraceInitiator : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_initiator_socket<> memory{"memory"};

  TraceInitiator(sc_core::sc_module_name name, const std::vector<TraceRequest>& trace, const sc_core::sc_time& clock,
                 unsigned per_clock, const ReplayProgress& progress)
      : sc_module(name),
        trace_(trace),
        clock_(clock),
        per_clock_(per_clock),
        progress_(progress),
        accepted_(trace.size()) {
    memory.bind(*this);
    std::uint64_t longest = 1;
    for (const TraceRequest& request : trace)
      longest = std::max(longest, request.bytes);
    no_data_.assign(longest, 0);
    SC_METHOD(issue);
    sensitive << wake_;
  }

  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    auto& mine = static_cast<PooledPayload&>(payload);
    const sc_core::sc_time at = sc_core::sc_time_stamp() + delay;
    if (open_ == &mine) {
      accept(mine, at);
      wake_.notify(std::max(not_before_, at) - sc_core::sc_time_stamp());
    }
    if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
    finish(mine, at);
    return tlm::TLM_COMPLETED;
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}

  std::vector<double> read_latencies;  ///< cycles
  sc_core::sc_time last;
  std::uint64_t errors = 0, responses = 0;
  bool stopped = false;

 private:
  SC_HAS_PROCESS(TraceInitiator);

  void issue() {
    while (open_ == nullptr && next_ != trace_.size() && !stopped && issue_next()) {
    }
  }
  /// False: the next request is not due yet.
  bool issue_next() {
    const TraceRequest& request = trace_[next_];
    const sc_core::sc_time due = std::max(clock_ * static_cast<double>(request.cycle), not_before_);
    if (due > sc_core::sc_time_stamp()) {
      wake_.notify(due - sc_core::sc_time_stamp());
      return false;
    }
    if (next_ % progress_interval == 0 && progress_ && !progress_(next_)) {
      stopped = true;
      sc_core::sc_stop();
      return false;
    }
    PooledPayload& payload = pool_.allocate(request.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND,
                                            request.address, no_data_.data(), static_cast<unsigned>(request.bytes));
    payload.tag.timing_only = true;
    payload.owner = next_++;
    open_ = &payload;
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const auto status = memory->nb_transport_fw(payload, phase, delay);
    if (status != tlm::TLM_ACCEPTED) accept(payload, sc_core::sc_time_stamp() + delay);
    if (status == tlm::TLM_COMPLETED) finish(payload, sc_core::sc_time_stamp() + delay);
    return true;
  }
  void accept(PooledPayload& payload, const sc_core::sc_time& at) {
    accepted_[payload.owner] = at;
    open_ = nullptr;
    if (at >= slot_ + clock_) {
      slot_ = at;
      in_slot_ = 0;
    }
    not_before_ = ++in_slot_ < per_clock_ ? at : slot_ + clock_;
  }
  void finish(PooledPayload& payload, const sc_core::sc_time& at) {
    ++responses;
    errors += payload.is_response_error();
    last = std::max(last, at);
    if (payload.is_read()) read_latencies.push_back((at - accepted_[payload.owner]) / clock_);
    payload.release();
  }

  const std::vector<TraceRequest>& trace_;
  const sc_core::sc_time clock_;
  const unsigned per_clock_;
  const ReplayProgress& progress_;
  std::vector<sc_core::sc_time> accepted_;
  std::vector<std::uint8_t> no_data_;  ///< what timing-only payloads point at
  PayloadPool pool_;
  std::size_t next_ = 0;
  PooledPayload* open_ = nullptr;  ///< request whose END_REQ is outstanding
  sc_core::sc_time not_before_;
  sc_core::sc_time slot_;  ///< start of the clock cycle in which the last request was accepted ...
  unsigned in_slot_ = 0;   ///< ... as one of so many
  sc_core::sc_event wake_{"wake"};
};

void read_latency(ReplayFigures& figures, std::vector<double>& latencies) {
  if (latencies.empty()) return;
  double sum = 0;
  for (const double latency : latencies)
    sum += latency;
  figures.mean_latency_cycles = sum / static_cast<double>(latencies.size());
  // The smallest value that at least 99 % of the reads do not exceed.
  const std::size_t rank = (latencies.size() * 99 + 99) / 100 - 1;
  std::nth_element(latencies.begin(), latencies.begin() + static_cast<std::ptrdiff_t>(rank), latencies.end());
  figures.p99_latency_cycles = latencies[rank];
}

/// The kernel may have run on after the last data beat: that time is idle and does not count.
BusTime bus_time(const Dram& dram, const DramCounters& n, std::uint64_t cycles) {
  const DramGeometry& g = dram.device().geometry;
  BusTime bus;
  bus.total = g.channels * cycles;
  bus.data = (n.reads + n.writes) * static_cast<std::uint64_t>(g.burst_cycles());
  bus.lost = n.lost;
  const auto now = static_cast<std::uint64_t>(std::floor(dram.elapsed_cycles()));
  bus.lost[static_cast<std::size_t>(LostCause::idle)] -= g.channels * (now - cycles);
  return bus;
}

}  // namespace

ReplayFigures replay(MemorySystem& memory, const std::vector<TraceRequest>& trace, const ReplayProgress& progress,
                     const std::vector<ProbeRequest>& probes) {
  const sc_core::sc_time clock(memory.clock_ns(), sc_core::SC_NS);
  const auto* dram = dynamic_cast<const Dram*>(&memory);
  TraceInitiator initiator("trace", trace, clock, dram != nullptr ? dram->device().geometry.channels : 1, progress);
  Links links(probes);
  links.bind("trace.memory", initiator.memory, memory.target);
  sc_core::sc_start();
  links.finish(!initiator.stopped);
  ReplayFigures figures;
  figures.stopped = initiator.stopped;
  if (!figures.stopped && initiator.responses != trace.size()) {
    throw InternalError("a request of the trace was never answered");
  }
  figures.requests = trace.size();
  for (const TraceRequest& request : trace)
    figures.bytes += request.bytes;
  figures.cycles = initiator.last / clock;
  if (initiator.last == sc_core::SC_ZERO_TIME) return figures;
  figures.time_ns = initiator.last.to_seconds() * 1e9;
  figures.peak_gbps = memory.peak_bandwidth() / 1e9;
  figures.bandwidth_gbps = static_cast<double>(figures.bytes) / figures.time_ns;
  const auto bus_bytes = static_cast<double>(memory.bus_read_bytes() + memory.bus_write_bytes());
  figures.utilization = bus_bytes / figures.time_ns / figures.peak_gbps;
  read_latency(figures, initiator.read_latencies);
  figures.reads = memory.bus_read_bytes() / memory.burst_bytes();
  figures.writes = memory.bus_write_bytes() / memory.burst_bytes();
  figures.energy = memory.energy();
  figures.errors = initiator.errors;
  if (dram != nullptr) {
    const DramCounters n = dram->counters();
    figures.row_hit_rate =
        std::max(0.0, 1 - static_cast<double>(n.activates) / static_cast<double>(n.reads + n.writes));
    const std::uint64_t opened = n.misses + n.conflicts;
    figures.hits = n.reads + n.writes > opened ? n.reads + n.writes - opened : 0;
    figures.misses = n.misses;
    figures.conflicts = n.conflicts;
    figures.activates = n.activates;
    figures.precharges = n.precharges;
    figures.refreshes = n.refreshes;
    figures.turnarounds = n.turnarounds;
    figures.bus = bus_time(*dram, n, static_cast<std::uint64_t>(std::llround(figures.cycles)));
    figures.ranks = dram->ranks();
  }
  return figures;
}

}  // namespace nibble
