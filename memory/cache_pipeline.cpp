// SPDX-License-Identifier: Apache-2.0
#include "memory/cache_pipeline.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

template <class T>
std::uint32_t take(std::vector<T>& items, std::vector<std::uint32_t>& free) {
  if (free.empty()) {
    free.push_back(static_cast<std::uint32_t>(items.size()));
    items.emplace_back();
  }
  const std::uint32_t index = free.back();
  free.pop_back();
  items[index] = T{};
  return index;
}

}  // namespace

/// What one segment needs, found out before anything changes.
struct CachePipeline::Plan {
  Slot slot = CacheTags::none;    ///< that holds the line
  Slot victim = CacheTags::none;  ///< that will, when none does
  std::uint32_t mshr = none;      ///< of the line
  Mask missing = 0;               ///< touched and not valid
  Mask fetch = 0;                 ///< to be asked for
  bool allocate = true;           ///< the line is to be here afterwards
  bool forward = false;           ///< a write that goes on to the memory
  bool wait = false;              ///< for sectors on their way
  bool hit() const { return slot != CacheTags::none && missing == 0 && !wait; }
};

CachePipeline::CachePipeline(const CacheConfig& config, DmaEngine& below, Responses& responses,
                             std::function<void()> changed)
    : config_(config),
      period_(std::max<std::uint64_t>(1, sc_core::sc_time(1e3 / config.clock_mhz, sc_core::SC_NS).value())),
      below_(below),
      ready_(responses),
      changed_(std::move(changed)),
      tags_(config.geometry),
      store_(tags_,
             [this](std::uint64_t address, std::uint8_t* to, std::uint64_t length) {
               PooledPayload& payload =
                   pool_.allocate(tlm::TLM_READ_COMMAND, address, to, static_cast<unsigned>(length));
               below_.memory->transport_dbg(payload);
               payload.release();
             }),
      bank_free_(config.banks, 0),
      mshr_of_(config.geometry.lines(), none),
      stream_of_(config.geometry.lines(), Stream::host) {}

void CachePipeline::enter(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  const std::uint32_t index = take(requests_, free_requests_);
  Request& request = requests_[index];
  const TransferTag* tag = TransferTag::find(payload);
  request.payload = &payload;
  request.next = payload.get_address();
  request.end = request.next + payload.get_data_length();
  request.begun = now;
  request.write = payload.is_write();
  if (tag != nullptr) {
    request.timing_only = tag->timing_only;
    request.stream = tag->stream;
  }
  (request.write ? counters.writes : counters.reads) += 1;
  (request.write ? counters.write_bytes : counters.read_bytes) += payload.get_data_length();
  current_ = index;
  look_up_current(now);
}

void CachePipeline::advance(std::uint64_t now) {
  while (!later_.empty() && later_.top().time <= now) {
    const Departure what = later_.top().item;
    later_.pop();
    depart(what);
  }
  if (current_ != none) look_up_current(now);
  if (!maintenance_.empty()) maintain_next(now);
}

void CachePipeline::look_up_current(std::uint64_t now) {
  const std::uint32_t index = current_;
  while (requests_[index].next < requests_[index].end) {
    const Segment segment = next_segment(requests_[index]);
    const Look look = look_up(index, segment, now);
    if (look != Look::done) {
      stalled(look, now);
      send_open();
      return;
    }
    if (stall_ != Look::done) {
      counters.stall_ticks += now - stalled_from_;
      stall_ = Look::done;
    }
    requests_[index].next += segment.length;
  }
  send_open();
  current_ = none;
  requests_[index].looked_up = true;
  if (requests_[index].pending == 0) finish(index, now);
}

void CachePipeline::stalled(Look reason, std::uint64_t now) {
  if (stall_ == Look::done) stalled_from_ = now;
  if (stall_ == reason) return;
  stall_ = reason;
  counters.mshr_stalls += reason == Look::mshr;
  counters.target_stalls += reason == Look::target;
  counters.set_stalls += reason == Look::set;
  counters.write_stalls += reason == Look::write;
  counters.order_stalls += reason == Look::order;
}

CachePipeline::Segment CachePipeline::next_segment(const Request& request) const {
  const std::uint64_t size = config_.geometry.line_bytes;
  Segment segment;
  segment.line = tags_.line_of(request.next);
  segment.offset = request.next & (size - 1);
  segment.length = std::min(request.end - request.next, size - segment.offset);
  segment.touched = tags_.touched(segment.offset, segment.length);
  segment.covered = tags_.covered(segment.offset, segment.length);
  return segment;
}

CachePipeline::Plan CachePipeline::plan(const Request& request, const Segment& segment) {
  Plan plan;
  plan.slot = tags_.find(segment.line);
  const bool present = plan.slot != CacheTags::none;
  plan.missing = present ? segment.touched & ~tags_.valid(plan.slot) : segment.touched;
  Mask pending = 0;
  if (present) {
    plan.mshr = mshr_of_[plan.slot];
    if (plan.mshr != none) {
      pending = mshrs_[plan.mshr].pending;
      plan.wait = (mshrs_[plan.mshr].wanted & segment.touched) != 0;
    }
  }
  plan.allocate = !request.write || config_.write_allocate || (present && plan.missing == 0);
  plan.forward = request.write && (config_.write_through || !plan.allocate);
  if (plan.allocate) {
    const Mask needed = request.write ? plan.missing & ~segment.covered : plan.missing;
    plan.fetch = needed & ~pending;
    plan.wait |= needed != 0;
  }
  if (!present && plan.allocate) plan.victim = tags_.victim(segment.line);
  return plan;
}

/// Why a planned segment cannot go on now; Look::done when it can.
CachePipeline::Look CachePipeline::obstacle(const Plan& plan, const Segment& segment) {
  const bool places = plan.slot == CacheTags::none && plan.allocate;
  if (places && plan.victim == CacheTags::none) return Look::set;
  const bool evicts = places && tags_.dirty(plan.victim) != 0;
  if ((plan.forward || evicts) && !room_for_write()) return Look::write;
  if (plan.wait) {
    if (plan.mshr == none && mshrs_used_ == config_.mshrs) return Look::mshr;
    if (plan.mshr != none && mshrs_[plan.mshr].targets.size() >= config_.mshr_targets) return Look::target;
  }
  // No fill may overtake a write of the same line, and no write a write-back of it.
  if (plan.fetch != 0 && writing(segment.line, false)) return Look::order;
  if (plan.forward && writing(segment.line, true)) return Look::order;
  if (evicts && writing(tags_.line(plan.victim), false)) return Look::order;
  return Look::done;
}

void CachePipeline::count(const Plan& plan) {
  ++counters.segments;
  if (plan.hit()) {
    ++counters.hits;
  } else if (plan.slot == CacheTags::none) {
    ++counters.line_misses;
  } else if (plan.fetch != 0 || !plan.wait) {
    ++counters.sector_misses;
  } else {
    ++counters.merged;
  }
}

/// Look::done when the segment is served or on its way; otherwise nothing has changed.
CachePipeline::Look CachePipeline::look_up(std::uint32_t index, const Segment& segment, std::uint64_t now) {
  Plan plan = this->plan(requests_[index], segment);
  if (!plan.hit() || plan.forward) {
    const Look look = obstacle(plan, segment);
    if (look != Look::done) return look;
  }
  count(plan);
  if (!plan.hit()) {
    miss(index, segment, plan, now);
    return Look::done;
  }
  tags_.touch(plan.slot);
  Request& request = requests_[index];
  const std::uint64_t cycles = config_.cycles(segment.length);
  const std::uint64_t start = occupy(segment.line, cycles, now);
  access(request, segment, plan.slot, true);
  request.ready = std::max(request.ready, start + (config_.hit_latency_cycles + cycles - 1) * period_);
  if (plan.forward) forward(index, segment, start + config_.miss_latency_cycles * period_);
  return Look::done;
}

void CachePipeline::miss(std::uint32_t index, const Segment& segment, Plan& plan, std::uint64_t now) {
  Request& request = requests_[index];
  const std::uint64_t cycles = plan.wait ? 1 : config_.cycles(segment.length);  // who waits takes the bank to look up
  const std::uint64_t start = occupy(segment.line, cycles, now);
  const std::uint64_t leave = start + config_.miss_latency_cycles * period_;
  if (plan.slot == CacheTags::none && plan.allocate) {
    plan.slot = plan.victim;
    if (tags_.holds_line(plan.slot)) {
      ++counters.evictions;
      write_back(plan.slot, now, leave);
    }
    tags_.install(plan.slot, segment.line);
    store_.drop(plan.slot);
  } else if (plan.slot != CacheTags::none) {
    tags_.touch(plan.slot);
  }
  if (plan.wait) {
    Mshr& mshr = mshr_for(plan.slot);
    mshr.targets.push_back({index, segment, plan.allocate});
    mshr.wanted |= segment.touched;
    mshr.pending |= plan.fetch;
    mshr.failed &= ~plan.fetch;
    ++request.pending;
    if (plan.fetch != 0) request_fill(request, segment.line, plan.fetch, leave);
  } else {
    if (plan.slot != CacheTags::none) access(request, segment, plan.slot, plan.allocate);
    request.ready = std::max(request.ready, start + (config_.hit_latency_cycles + cycles - 1) * period_);
  }
  if (plan.forward) forward(index, segment, leave);
}

/// Moves the bytes of a segment to or from its line. `install`: a write makes its sectors valid; otherwise it updates
/// those that are.
void CachePipeline::access(const Request& request, const Segment& segment, Slot slot, bool install) {
  std::uint8_t* data = request.payload->get_data_ptr() +
                       (segment.line * config_.geometry.line_bytes + segment.offset - request.payload->get_address());
  const std::uint64_t accesses = config_.cycles(segment.length);
  if (!request.write) {
    counters.data_reads += accesses;
    if (!request.timing_only) store_.read(slot, segment.offset, segment.length, data);
    return;
  }
  counters.data_writes += accesses;
  const Mask sectors = install ? segment.touched : segment.touched & tags_.valid(slot);
  if (!request.timing_only) store_.write(slot, segment.offset, segment.length, data, sectors);
  tags_.add_valid(slot, sectors);
  if (install && !config_.write_through) {
    tags_.add_dirty(slot, sectors);
    stream_of_[slot] = request.stream;
  }
}

/// The bank of a line is taken for so many cycles as early as possible; when that begins.
std::uint64_t CachePipeline::occupy(std::uint64_t line, std::uint64_t cycles, std::uint64_t now) {
  std::uint64_t& free = bank_free_[config_.banks == 1 ? 0 : line % config_.banks];
  const std::uint64_t edge = round_up(now, period_);
  const std::uint64_t start = std::max(edge, free);
  counters.bank_wait_cycles += (start - edge) / period_;
  free = start + cycles * period_;
  return start;
}

void CachePipeline::finish(std::uint32_t index, std::uint64_t now) {
  Request& request = requests_[index];
  const std::uint64_t end = std::max(request.ready, now);
  request.payload->set_response_status(request.status);
  counters.errors += request.status != tlm::TLM_OK_RESPONSE;
  ++counters.responses;
  counters.latency_ticks += end - request.begun;
  counters.longest_latency_ticks = std::max(counters.longest_latency_ticks, end - request.begun);
  if (blocking_) {
    blocking_end_ = end;
  } else {
    ready_.push(end, request.payload);
  }
  free_requests_.push_back(index);
}

CachePipeline::Mshr& CachePipeline::mshr_for(Slot slot) {
  if (mshr_of_[slot] == none) {
    mshr_of_[slot] = take(mshrs_, free_mshrs_);
    mshrs_[mshr_of_[slot]].slot = slot;
    tags_.pin(slot, true);
    ++mshrs_used_;
  }
  return mshrs_[mshr_of_[slot]];
}

/// Serves the targets whose sectors have come, in order; `start` is when the line's bank took the fill.
void CachePipeline::serve_targets(Mshr& mshr, std::uint64_t start, std::uint64_t now) {
  while (!mshr.targets.empty() && (mshr.targets.front().segment.touched & mshr.pending) == 0) {
    const Target target = mshr.targets.front();
    mshr.targets.pop_front();
    Request& request = requests_[target.request];
    const Segment& segment = target.segment;
    const Mask lost = mshr.failed & segment.touched & (request.write ? ~segment.covered : ~Mask{0});
    if (lost != 0 && target.install) {
      request.status = mshr.status;
    } else {
      access(request, segment, mshr.slot, target.install);
      if (request.write && target.install) mshr.failed &= ~segment.covered;
    }
    const std::uint64_t cycles = config_.fill_latency_cycles + config_.cycles(segment.length);
    request.ready = std::max(request.ready, start + (cycles - 1) * period_);
    if (--request.pending == 0 && request.looked_up) finish(target.request, now);
  }
  mshr.wanted = 0;
  for (const Target& target : mshr.targets)
    mshr.wanted |= target.segment.touched;
  if (!mshr.targets.empty()) return;
  tags_.pin(mshr.slot, false);
  if (tags_.valid(mshr.slot) == 0) tags_.remove(mshr.slot);  // nothing of it could be fetched
  free_mshrs_.push_back(std::exchange(mshr_of_[mshr.slot], none));
  --mshrs_used_;
}

std::uint64_t CachePipeline::serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) {
  // enter() looks the segments up; what they need from the memory leaves through blocking calls.
  blocking_ = true;
  enter(payload, arrival);
  std::uint64_t now = arrival;
  while (!later_.empty()) {
    const Departure what = later_.top().item;
    later_.pop();
    depart_blocking(what, now);
    if (current_ != none) look_up_current(now);
  }
  blocking_ = false;
  return blocking_end_;
}

}  // namespace nibble
