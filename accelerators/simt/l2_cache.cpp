// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/l2_cache.h"

#include <algorithm>
#include <utility>

#include "core/units.h"

namespace nibble {
namespace {

/// Conservative: from the first to the last byte of each run.
bool overlap(const std::vector<MemoryRun>& a, const std::vector<MemoryRun>& b) {
  const auto end = [](const MemoryRun& run) { return run.address + (run.rows - 1) * run.stride + run.row_bytes; };
  return std::any_of(a.begin(), a.end(), [&](const MemoryRun& x) {
    return std::any_of(b.begin(), b.end(),
                       [&](const MemoryRun& y) { return x.address < end(y) && y.address < end(x); });
  });
}

}  // namespace

std::uint64_t L2Segment::bytes() const {
  std::uint64_t sum = 0;
  for (const MemoryRun& run : runs)
    sum += run.bytes();
  return sum;
}

L2Cache::L2Cache(const L2Config& config, DmaEngine& dma, const MachineClock& clock)
    : config_(config), dma_(dma), clock_(clock) {}

void L2Cache::start(CommandCounters& counters, bool timing_only) {
  counters_ = &counters;
  // Segments without contents are of no use to a command with data.
  if (timing_only_ && !timing_only) clear();
  timing_only_ = timing_only;
  failed_ = false;
}

void L2Cache::read(std::uint64_t cycle, const L2Segment& segment, std::uint64_t bytes, L2Client& client,
                   std::uint64_t token) {
  // Accesses share a cycle: many small ones move as much as one large one.
  port_bytes_ = std::max(port_bytes_, cycle * config_.bytes_per_cycle) + bytes;
  const std::uint64_t port_free = ceil_div(port_bytes_, config_.bytes_per_cycle);
  ++statistics_.reads;
  statistics_.read_bytes += bytes;
  const auto known = by_key_.find(segment.key);
  if (known != by_key_.end()) {
    Entry& entry = *known->second;
    entries_.splice(entries_.end(), entries_, known->second);
    if (entry.pending == 0) {
      ++statistics_.hits;
      client.l2_answer(token, port_free + config_.hit_latency, timing_only_ ? nullptr : &entry.data);
    } else {
      ++statistics_.merged;
      entry.waiting.push_back({&client, token, port_free});
    }
    return;
  }
  ++statistics_.misses;
  Entry entry;
  entry.key = segment.key;
  entry.bytes = segment.bytes();
  entry.id = next_id_++;
  entry.runs = segment.runs;
  entry.waiting.push_back({&client, token, port_free});
  entries_.push_back(std::move(entry));
  const auto place = std::prev(entries_.end());
  by_key_[segment.key] = place;
  by_id_[place->id] = place;
  held_bytes_ += place->bytes;
  make_room();
  fetch(*place, segment.stream);
}

void L2Cache::fetch(Entry& entry, Stream stream) {
  entry.pending = static_cast<unsigned>(entry.runs.size());
  if (!timing_only_) entry.data.resize(entry.bytes);
  std::uint64_t at = 0;
  for (const MemoryRun& run : entry.runs) {
    DmaTransfer transfer;
    transfer.address = run.address;
    transfer.row_bytes = run.row_bytes;
    transfer.rows = run.rows;
    transfer.stride = run.stride;
    transfer.stream = stream;
    transfer.data = timing_only_ ? nullptr : entry.data.data() + at;
    at += run.bytes();
    counters_->read_bytes[static_cast<unsigned>(stream)] += run.bytes();
    ++in_flight_;
    dma_.submit(transfer, *this, entry.id);
  }
}

/// What is on its way stays: the memory writes into it.
void L2Cache::make_room() {
  for (auto entry = entries_.begin(); held_bytes_ > config_.capacity_bytes && entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->pending == 0 && next != entries_.end()) {
      ++statistics_.evictions;
      drop(entry);
    }
    entry = next;
  }
}

void L2Cache::drop(Entries::iterator entry) {
  const auto same = by_key_.find(entry->key);
  if (same != by_key_.end() && same->second == entry) by_key_.erase(same);
  by_id_.erase(entry->id);
  held_bytes_ -= entry->bytes;
  entries_.erase(entry);
}

void L2Cache::invalidate(const std::vector<MemoryRun>& runs) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (overlap(entry->runs, runs)) {
      if (entry->pending == 0) {
        drop(entry);
      } else if (!entry->stale) {
        entry->stale = true;
        by_key_.erase(entry->key);
      }
    }
    entry = next;
  }
}

void L2Cache::clear() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->pending == 0) drop(entry);
    entry = next;
  }
}

void L2Cache::answer(Entry& entry) {
  const std::vector<Waiting> waiting = std::exchange(entry.waiting, {});
  for (const Waiting& one : waiting) {
    const std::uint64_t cycle = std::max(clock_.now(), one.port_cycle) + config_.hit_latency;
    one.client->l2_answer(one.token, cycle, timing_only_ ? nullptr : &entry.data);
  }
}

void L2Cache::dma_done(std::uint64_t token, tlm::tlm_response_status status) {
  --in_flight_;
  const auto place = by_id_.at(token);
  if (status != tlm::TLM_OK_RESPONSE) failed_ = true;
  if (--place->pending == 0) {
    answer(*place);
    if (place->stale) drop(place);
    make_room();
  }
  changed_.notify();
}

}  // namespace nibble
