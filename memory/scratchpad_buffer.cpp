// SPDX-License-Identifier: Apache-2.0
#include "memory/scratchpad_buffer.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"

namespace nibble {

ScratchpadBufferConfig ScratchpadBufferConfig::from(ConfigNode node) {
  ScratchpadBufferConfig config;
  config.capacity_bytes = static_cast<std::uint64_t>(node.integer("capacity_kib", 1, 1 << 22)) * kib;
  const std::string buffering = node.choice("buffering", {"single", "double", "ring", "circular"}, "double");
  config.slots = buffering == "single" ? 1 : buffering == "circular" ? 0 : 2;
  if (buffering == "ring") config.slots = static_cast<unsigned>(node.integer("slots", 1, 65536));
  if (buffering == "circular") {
    config.align_bytes = static_cast<std::uint64_t>(node.integer("align_bytes", 1, 65536, 1));
    if (!is_power_of_two(config.align_bytes)) node.fail("align_bytes", "must be a power of two");
  }
  if (config.slots > 0 && config.capacity_bytes % config.slots != 0) {
    node.fail("capacity_kib", "must be a multiple of " + std::to_string(config.slots) + " slots");
  }
  return config;
}

ScratchpadBuffer::ScratchpadBuffer(const ScratchpadBufferConfig& config)
    : config_(config), slot_bytes_(config.slots == 0 ? config.capacity_bytes : config.capacity_bytes / config.slots) {
  if (slot_bytes_ == 0 || !is_power_of_two(config.align_bytes)) {
    throw InternalError("scratchpad buffer: no room, or an alignment that is no power of two");
  }
}

void ScratchpadBuffer::advance(std::uint64_t now) {
  if (now < now_) throw InternalError("scratchpad buffer: time runs backwards");
  byte_time_ += held_ * (now - now_);
  now_ = now;
}

/// Where a piece goes, or nothing while there is no room.
std::optional<ScratchpadBuffer::Place> ScratchpadBuffer::place(std::uint64_t bytes) const {
  Place place;
  std::uint64_t offset = 0;
  if (config_.slots != 0) {
    if (pieces_.size() == config_.slots) return std::nullopt;
    offset = next_ticket_ % config_.slots * slot_bytes_;
  } else if (!pieces_.empty()) {
    const std::uint64_t first = pieces_.front().piece.offset, last = pieces_.back().end;
    const bool wrapped = pieces_.back().piece.offset < first;  // the free bytes are [last, first)
    const std::uint64_t limit = wrapped ? first : config_.capacity_bytes;
    offset = round_up(last, config_.align_bytes);
    place.gap = offset - last;
    if (offset > limit || bytes > limit - offset) {
      if (wrapped || bytes > first) return std::nullopt;
      offset = 0;
      place.gap = config_.capacity_bytes - last;
    }
  }
  place.next = {{next_ticket_, offset, bytes}, offset + bytes, config_.slots != 0 ? slot_bytes_ : bytes, false};
  return place;
}

std::optional<ScratchpadBuffer::Piece> ScratchpadBuffer::reserve(std::uint64_t bytes, std::uint64_t now) {
  if (bytes == 0 || bytes > slot_bytes_) {
    throw InternalError("scratchpad buffer: a piece of " + std::to_string(bytes) + " bytes, expected 1 to " +
                        std::to_string(slot_bytes_));
  }
  advance(now);
  const auto found = place(bytes);
  if (!found) {
    if (!producer_waits_) producer_waits_ = now;
    return std::nullopt;
  }
  if (producer_waits_) producer_stall_ += now - *producer_waits_;
  producer_waits_.reset();
  if (!pieces_.empty()) pieces_.back().room += found->gap;
  pieces_.push_back(found->next);
  ++next_ticket_;
  held_ += found->next.room + found->gap;
  peak_ = std::max(peak_, held_);
  return found->next.piece;
}

void ScratchpadBuffer::filled(std::uint64_t ticket, std::uint64_t now) {
  advance(now);
  const std::uint64_t oldest = next_ticket_ - pieces_.size();
  if (ticket < oldest || ticket >= next_ticket_ || pieces_[ticket - oldest].filled) {
    throw InternalError("scratchpad buffer: filled a piece that is not being filled");
  }
  pieces_[ticket - oldest].filled = true;
  filled_bytes_ += pieces_[ticket - oldest].piece.bytes;
}

std::optional<ScratchpadBuffer::Piece> ScratchpadBuffer::front(std::uint64_t now) {
  advance(now);
  if (pieces_.empty() || !pieces_.front().filled) {
    if (!consumer_waits_) consumer_waits_ = now;
    return std::nullopt;
  }
  if (consumer_waits_) consumer_stall_ += now - *consumer_waits_;
  consumer_waits_.reset();
  return pieces_.front().piece;
}

void ScratchpadBuffer::release(std::uint64_t now) {
  advance(now);
  if (pieces_.empty() || !pieces_.front().filled) {
    throw InternalError("scratchpad buffer: released a piece that was not consumed");
  }
  held_ -= pieces_.front().room;
  pieces_.pop_front();
  ++released_;
}

std::uint64_t ScratchpadBuffer::credit_slots() const {
  if (config_.slots != 0) return config_.slots - pieces_.size();
  return held_ < config_.capacity_bytes ? 1 : 0;
}

void ScratchpadBuffer::register_statistics(Statistics& group, const std::string& name, const std::string& unit) {
  group.counter(name + "_pieces", "count", "pieces consumed from " + name, released_);
  group.counter(name + "_bytes", "byte", "bytes filled into " + name, filled_bytes_);
  group.counter(name + "_producer_stall", unit, "time in which the producer found no room in " + name, producer_stall_);
  group.counter(name + "_consumer_stall", unit, "time in which the consumer found no filled piece in " + name,
                consumer_stall_);
  group.counter(name + "_peak", "byte", "most bytes held by " + name + " at a time", peak_);
  group.derived(name + "_occupancy", "ratio", "mean share of " + name + " that was held",
                "integral of bytes held / (capacity x time of the last call)", [this] {
                  return Statistics::ratio(static_cast<double>(byte_time_),
                                           static_cast<double>(config_.capacity_bytes) * static_cast<double>(now_));
                });
}

}  // namespace nibble
