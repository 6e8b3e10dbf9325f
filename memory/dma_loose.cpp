// SPDX-License-Identifier: Apache-2.0
/// The loosely timed side of DmaEngine, and its statistics.
#include <algorithm>
#include <string>

#include "memory/dma_impl.h"

namespace nibble {

/// A blocking call at the engine's own time; the target says when it ends.
void DmaEngine::Impl::issue_blocking(PooledPayload& payload) {
  sc_core::sc_time delay = sc_core::sc_time::from_value(now() - sc_core::sc_time_stamp().value());
  owner.memory->b_transport(payload, delay);
  Transfer& transfer = transfers[payload.owner];
  const std::uint64_t end = sc_core::sc_time_stamp().value() + delay.value();
  transfer.end = std::max(transfer.end, end);
  slots.push(end, transfer.channel);
  enter();  // the target may have waited
  answered(payload);
}

void DmaEngine::Impl::free_slots() {
  const std::uint64_t here = now();
  while (!slots.empty() && slots.top().time <= here) {
    now_ticks = std::max(slots.top().time, in_flight_from);
    free_slot(slots.top().item);
    slots.pop();
  }
  now_ticks = here;
}

/// Listeners are told at the time of the last response.
void DmaEngine::Impl::tell_due() {
  while (!ends.empty() && ends.top().time <= sc_core::sc_time_stamp().value()) {
    done.push(ends.top().item);
    ends.pop();
  }
  deliver();
}

/// Issues what there is, from one end of a transaction to the next where all slots are taken, as far as the quantum
/// reaches, at whose multiples all initiators meet the kernel.
void DmaEngine::Impl::run_ahead() {
  wake_pending = false;
  stepping = true;
  enter();
  std::uint64_t kernel = 0, limit = 0;
  for (;;) {
    free_slots();
    tell_due();
    if (can_issue() && issue()) continue;
    kernel = sc_core::sc_time_stamp().value();
    limit = kernel + tlm::tlm_global_quantum::instance().compute_local_quantum().value();
    if (waiting == 0 || slots.empty() || slots.top().time > limit) break;
    local_ticks = now_ticks = std::max(now(), slots.top().time);
  }
  stepping = false;
  constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint64_t next = ends.empty() ? never : ends.top().time;
  if (waiting != 0 && !slots.empty()) next = std::min(next, limit > kernel ? limit : slots.top().time);
  if (next != never) wake.notify(sc_core::sc_time::from_value(std::max(next, kernel) - kernel));
}

void DmaEngine::Impl::register_statistics(Statistics* parent) {
  if (parent == nullptr) return;
  const auto ns = [](std::uint64_t ticks) { return sc_core::sc_time::from_value(ticks).to_seconds() * 1e9; };
  statistics = std::make_unique<Statistics>(owner.basename(), parent);
  statistics->counter("transactions", "count", "bus transactions completed", transactions);
  statistics->counter("errors", "count", "bus transactions with an error response", errors);
  statistics->counter("transfers", "count", "transfers completed, also with an error", transfers_done);
  statistics->derived("transfer_latency", "ns", "mean time of a transfer from submission to its last response",
                      "sum over transfers / transfers",
                      [this, ns] { return Statistics::ratio(ns(transfer_time), static_cast<double>(transfers_done)); });
  statistics->derived("outstanding", "count", "mean number of transactions in flight",
                      "integral of transactions in flight / elapsed time", [this] {
                        return Statistics::ratio(static_cast<double>(in_flight_time),
                                                 static_cast<double>(sc_core::sc_time_stamp().value()));
                      });
  statistics->derived("request_blocked", "ns", "time in which a request waited for the target to take it",
                      "sum of END_REQ - BEGIN_REQ", [this, ns] { return std::optional<double>(ns(blocked_time)); });
  for (unsigned i = 0; i < stream_count; ++i) {
    const std::string stream = to_string(static_cast<Stream>(i));
    statistics->counter("read_bytes_" + stream, "byte", "bytes read for stream " + stream, read_bytes[i]);
    statistics->counter("write_bytes_" + stream, "byte", "bytes written for stream " + stream, write_bytes[i]);
    statistics->derived("queue_time_" + stream, "ns", "time that transfers of stream " + stream + " waited to begin",
                        "sum of first BEGIN_REQ - submission",
                        [this, ns, i] { return std::optional<double>(ns(queue_time[i])); });
  }
}

}  // namespace nibble
