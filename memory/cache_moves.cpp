// SPDX-License-Identifier: Apache-2.0
/// CachePipeline, second half: what moves between the cache and the memory below - fills, write-backs, forwarded writes
/// - maintenance, and debug access over all of them.
#include <algorithm>
#include <cstring>
#include <utility>

#include "core/units.h"
#include "memory/cache_pipeline.h"

namespace nibble {
namespace {

/// Calls `each(first, count)` for every run of set bits.
template <class Each>
void for_each_run(CacheTags::Mask mask, Each each) {
  for (unsigned first = 0; first < 32 && mask >> first != 0; ++first) {
    if ((mask >> first & 1) == 0) continue;
    unsigned count = 1;
    while (first + count < 32 && (mask >> (first + count) & 1) != 0)
      ++count;
    each(first, count);
    first += count;
  }
}

void remove(std::vector<std::uint32_t>& list, std::uint32_t index) {
  list.erase(std::find(list.begin(), list.end(), index));
}

}  // namespace

std::uint32_t CachePipeline::new_move(Moves& moves, Move move) {
  if (moves.free.empty()) {
    moves.free.push_back(static_cast<std::uint32_t>(moves.all.size()));
    moves.all.emplace_back();
  }
  const std::uint32_t index = moves.free.back();
  moves.free.pop_back();
  moves.all[index] = std::move(move);
  moves.active.push_back(index);
  return index;
}

CachePipeline::Move CachePipeline::end_move(Moves& moves, std::uint32_t index) {
  remove(moves.active, index);
  moves.free.push_back(index);
  return std::move(moves.all[index]);
}

void CachePipeline::request_fill(const Request& request, std::uint64_t line, Mask sectors, std::uint64_t leave) {
  for_each_run(sectors, [&](unsigned first, unsigned count) {
    Move move;
    move.address = line * config_.geometry.line_bytes + first * config_.geometry.sector_bytes;
    move.length = count * config_.geometry.sector_bytes;
    move.leave = leave;
    move.timing_only = request.timing_only;
    move.stream = request.stream;
    if (open_fill_ != none &&
        fills_.all[open_fill_].append(move.address, move.length, config_.fill_bytes, move.timing_only, move.stream)) {
      return;
    }
    close(fills_, open_fill_, false);
    open_fill_ = new_move(fills_, std::move(move));
  });
}

/// Lets an open fill or write-back leave as it is.
void CachePipeline::close(Moves& moves, std::uint32_t& open, bool write) {
  if (open == none) return;
  later_.push(moves.all[open].leave, {write, open});
  open = none;
}

void CachePipeline::send_open() {
  close(fills_, open_fill_, false);
  close(writes_, open_write_, true);
}

void CachePipeline::filled(std::uint32_t index, tlm::tlm_response_status status, std::uint64_t now) {
  const Move fill = end_move(fills_, index);
  const std::uint64_t size = config_.geometry.line_bytes;
  const bool failed = status != tlm::TLM_OK_RESPONSE;
  if (failed && fill.length > config_.geometry.sector_bytes) {
    split(fill, now);
    return;
  }
  for (std::uint64_t at = fill.address; at < fill.address + fill.length;) {
    const std::uint64_t line = tags_.line_of(at), offset = at & (size - 1);
    const std::uint64_t length = std::min(fill.address + fill.length - at, size - offset);
    const Slot slot = tags_.find(line);
    Mshr& mshr = mshr_for(slot);
    const Mask sectors = tags_.touched(offset, length);
    mshr.pending &= ~sectors;
    std::uint64_t start = now;
    if (failed) {
      mshr.failed |= sectors;
      mshr.status = status;
    } else {
      tags_.add_valid(slot, sectors);
      store_.fill(slot, offset, length, fill.timing_only ? nullptr : fill.bytes.data() + (at - fill.address));
      ++counters.fills;
      counters.fill_bytes += length;
      counters.data_writes += config_.cycles(length);
      start = occupy(line, config_.cycles(length), now);
    }
    serve_targets(mshr, start, now);
    at += length;
  }
}

/// A fill of several lines, or of several sectors, failed: each is asked for alone, so that only those fail that must.
void CachePipeline::split(const Move& fill, std::uint64_t now) {
  const bool lines = tags_.line_of(fill.address) != tags_.line_of(fill.address + fill.length - 1);
  const std::uint64_t size = lines ? config_.geometry.line_bytes : config_.geometry.sector_bytes;
  for (std::uint64_t at = fill.address; at < fill.address + fill.length;) {
    Move part;
    part.address = at;
    part.length = std::min(fill.address + fill.length, round_down(at, size) + size) - at;
    part.timing_only = fill.timing_only;
    part.stream = fill.stream;
    part.leave = now;
    at += part.length;
    later_.push(now, {false, new_move(fills_, std::move(part))});
  }
}

/// The dirty sectors of a line go to the write buffer.
void CachePipeline::write_back(Slot slot, std::uint64_t now, std::uint64_t leave) {
  const Mask dirty = tags_.dirty(slot);
  if (dirty == 0) return;
  ++counters.writebacks;
  unsigned credits = 1;
  for_each_run(dirty, [&](unsigned first, unsigned count) {
    const std::uint64_t size = config_.geometry.sector_bytes, offset = first * size, length = count * size;
    Move move;
    move.address = tags_.line(slot) * config_.geometry.line_bytes + offset;
    move.length = length;
    move.leave = leave;
    move.timing_only = (store_.filled(slot) & tags_.touched(offset, length)) == 0;
    move.stream = stream_of_[slot];
    counters.writeback_bytes += length;
    counters.data_reads += config_.cycles(length);
    occupy(tags_.line(slot), config_.cycles(length), now);
    std::vector<std::uint8_t> bytes(move.timing_only ? 0 : length);
    if (!move.timing_only) store_.read(slot, offset, length, bytes.data());
    Move* open = open_write_ == none ? nullptr : &writes_.all[open_write_];
    if (open == nullptr || !open->append(move.address, length, config_.fill_bytes, move.timing_only, move.stream)) {
      close(writes_, open_write_, true);
      open_write_ = new_move(writes_, std::move(move));
      open = &writes_.all[open_write_];
    }
    open->bytes.insert(open->bytes.end(), bytes.begin(), bytes.end());
    open->credits += credits;
    write_credits_ += std::exchange(credits, 0);
  });
}

/// A write goes on to the memory; its request waits for the answer.
void CachePipeline::forward(std::uint32_t index, const Segment& segment, std::uint64_t leave) {
  Request& request = requests_[index];
  Move move;
  move.address = segment.line * config_.geometry.line_bytes + segment.offset;
  move.length = segment.length;
  move.leave = leave;
  move.timing_only = request.timing_only;
  move.stream = request.stream;
  move.credits = 1;
  move.request = index;
  if (!move.timing_only) {
    const std::uint8_t* from = request.payload->get_data_ptr() + (move.address - request.payload->get_address());
    move.bytes.assign(from, from + segment.length);
  }
  ++write_credits_;
  ++request.pending;
  counters.forwarded_bytes += segment.length;
  later_.push(leave, {true, new_move(writes_, std::move(move))});
}

void CachePipeline::written(std::uint32_t index, tlm::tlm_response_status status, std::uint64_t now) {
  const Move move = end_move(writes_, index);
  write_credits_ -= move.credits;
  const bool failed = status != tlm::TLM_OK_RESPONSE;
  if (move.request == none) {
    counters.write_errors += failed;
    return;
  }
  Request& request = requests_[move.request];
  if (failed) request.status = status;
  request.ready = std::max(request.ready, now);
  if (--request.pending == 0 && request.looked_up) finish(move.request, now);
}

bool CachePipeline::writing(std::uint64_t line, bool write_backs_only) const {
  const std::uint64_t size = config_.geometry.line_bytes;
  return std::any_of(writes_.active.begin(), writes_.active.end(), [&](std::uint32_t index) {
    const Move& move = writes_.all[index];
    return move.overlaps(line * size, size) && !(write_backs_only && move.request != none);
  });
}

void CachePipeline::depart(const Departure& what) {
  Move& move = (what.write ? writes_ : fills_).all[what.index];
  if (!what.write && !move.timing_only) move.bytes.resize(move.length);
  DmaTransfer transfer;
  transfer.write = what.write;
  transfer.address = move.address;
  transfer.row_bytes = move.length;
  transfer.stream = move.stream;
  transfer.priority = what.write ? 1 : 0;
  transfer.data = move.timing_only ? nullptr : move.bytes.data();
  below_.submit(transfer, *this, std::uint64_t{what.index} << 1 | (what.write ? 1 : 0));
}

/// The same by a blocking call; `now` becomes its end.
void CachePipeline::depart_blocking(const Departure& what, std::uint64_t& now) {
  Move& move = (what.write ? writes_ : fills_).all[what.index];
  if (move.bytes.size() < move.length)
    move.bytes.resize(move.length);  // a payload points at bytes even when it moves none
  PooledPayload& payload = pool_.allocate(what.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND, move.address,
                                          move.bytes.data(), static_cast<unsigned>(move.length));
  payload.tag.stream = move.stream;
  payload.tag.timing_only = move.timing_only;
  const std::uint64_t kernel = sc_core::sc_time_stamp().value();
  sc_core::sc_time delay = sc_core::sc_time::from_value(std::max(move.leave, kernel) - kernel);
  below_.memory->b_transport(payload, delay);
  const auto status = payload.get_response_status();
  payload.release();
  now = sc_core::sc_time_stamp().value() + delay.value();
  if (what.write) {
    written(what.index, status, now);
  } else {
    filled(what.index, status, now);
  }
}

void CachePipeline::dma_done(std::uint64_t token, tlm::tlm_response_status status) {
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  const auto index = static_cast<std::uint32_t>(token >> 1);
  if ((token & 1) != 0) {
    written(index, status, now);
  } else {
    filled(index, status, now);
  }
  changed_();
}

void CachePipeline::maintain(CacheMaintenance what, std::uint64_t start, std::uint64_t end) {
  maintenance_.push_back({what, start, end, 0});
  changed_();
}

/// Goes through the lines once nothing waits for the memory; stops while the write buffer is full.
void CachePipeline::maintain_next(std::uint64_t now) {
  if (current_ != none || mshrs_used_ != 0) return;
  Maintenance& work = maintenance_.front();
  const std::uint64_t size = config_.geometry.line_bytes;
  for (; work.cursor < config_.geometry.lines(); ++work.cursor) {
    const Slot slot = work.cursor;
    if (!tags_.holds_line(slot)) continue;
    const std::uint64_t first = tags_.line(slot) * size;
    if (first > work.end || first + (size - 1) < work.start) continue;
    if (work.what != CacheMaintenance::invalidate && tags_.dirty(slot) != 0) {
      if (!room_for_write() || writing(tags_.line(slot), false)) break;
      write_back(slot, now, now);
      tags_.clean(slot);
    }
    if (work.what != CacheMaintenance::clean) {
      tags_.remove(slot);
      store_.drop(slot);
    }
  }
  send_open();
  if (work.cursor < config_.geometry.lines() || !writes_.active.empty()) return;
  maintenance_.pop_front();
  ++maintained_;
  changed_();
}

unsigned CachePipeline::debug(tlm::tlm_generic_payload& payload) {
  const unsigned length = below_.memory->transport_dbg(payload);
  const std::uint64_t address = payload.get_address();
  std::uint8_t* data = payload.get_data_ptr();
  const auto meet = [&](Moves& moves) {
    for (const std::uint32_t index : moves.active) {
      Move& move = moves.all[index];
      const std::uint64_t first = std::max(address, move.address);
      const std::uint64_t end = std::min(address + length, move.address + move.bytes.size());
      if (first >= end || move.timing_only) continue;
      std::uint8_t *ours = move.bytes.data() + (first - move.address), *theirs = data + (first - address);
      if (payload.is_read()) std::memcpy(theirs, ours, end - first);
      if (payload.is_write()) std::memcpy(ours, theirs, end - first);
    }
  };
  meet(writes_);
  if (payload.is_write()) meet(fills_);
  debug_lines(payload, length);
  return length;
}

void CachePipeline::debug_lines(tlm::tlm_generic_payload& payload, std::uint64_t length) {
  const std::uint64_t size = config_.geometry.sector_bytes, line_bytes = config_.geometry.line_bytes;
  const std::uint64_t address = payload.get_address();
  for (std::uint64_t at = address; at < address + length;) {
    const std::uint64_t end = std::min(address + length, round_down(at, size) + size);
    const Slot slot = tags_.find(tags_.line_of(at));
    const std::uint64_t offset = at & (line_bytes - 1);
    if (slot != CacheTags::none && (store_.filled(slot) & tags_.touched(offset, end - at)) != 0) {
      std::uint8_t *ours = store_.line(slot) + offset, *theirs = payload.get_data_ptr() + (at - address);
      if (payload.is_read()) std::memcpy(theirs, ours, end - at);
      if (payload.is_write()) std::memcpy(ours, theirs, end - at);
    }
    at = end;
  }
}

}  // namespace nibble
