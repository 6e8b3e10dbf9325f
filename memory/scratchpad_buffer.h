// SPDX-License-Identifier: Apache-2.0
/// ScratchpadBuffer: room in a scratchpad between one producer and one consumer: double buffer, ring of slots, or
/// circular buffer of pieces of any size. Room is handed out against credits; who finds none waits, and the wait is
/// counted. A plain class: time is what its owner says it is.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/config_node.h"
#include "core/statistics.h"

namespace nibble {

struct ScratchpadBufferConfig {
  std::uint64_t capacity_bytes = 0;
  /// 1: single buffering; 2: double buffering; n: a ring of n equal slots; 0: circular, pieces of any size one after
  /// another, each contiguous (a piece that does not fit before the end begins at offset 0, the gap is lost until the
  /// pieces before it are released).
  unsigned slots = 2;
  std::uint64_t align_bytes = 1;  ///< circular pieces begin at its multiples; a power of two
  /// Keys capacity_kib, buffering (single | double | ring | circular, default double), slots (ring only), align_bytes
  /// (circular only). The caller rejects unknown keys.
  static ScratchpadBufferConfig from(ConfigNode node);
};

/// Pieces are filled in any order and consumed in the order in which they were reserved. The argument `now` of all
/// calls must not decrease.
class ScratchpadBuffer {
 public:
  struct Piece {
    std::uint64_t ticket = 0;  ///< counts up from 0
    std::uint64_t offset = 0;  ///< of its first byte in the buffer
    std::uint64_t bytes = 0;
  };

  /// Throws InternalError for an impossible configuration.
  explicit ScratchpadBuffer(const ScratchpadBufferConfig& config);

  /// The longest piece: a slot, or the whole capacity.
  std::uint64_t piece_bytes() const { return slot_bytes_; }

  /// Producer: room for a piece, or nothing while credits are missing; from the first refusal to the next success the
  /// producer counts as stalled. Throws InternalError when the piece is empty or longer than piece_bytes().
  std::optional<Piece> reserve(std::uint64_t bytes, std::uint64_t now);
  /// Producer: the bytes of a reserved piece are there.
  void filled(std::uint64_t ticket, std::uint64_t now);
  /// Consumer: the oldest piece, once it is filled; from the first refusal to the next success the consumer counts as
  /// stalled. The same piece until release().
  std::optional<Piece> front(std::uint64_t now);
  /// Consumer: the front piece is done with; its credits go back to the producer.
  void release(std::uint64_t now);

  std::uint64_t credit_slots() const;  ///< free slots (circular: 0 or 1, whether anything at all is free)
  std::uint64_t bytes_held() const { return held_; }  ///< reserved and not released (slots count in full)
  std::uint64_t pieces() const { return pieces_.size(); }
  std::uint64_t producer_stall() const { return producer_stall_; }
  std::uint64_t consumer_stall() const { return consumer_stall_; }
  std::uint64_t peak_bytes() const { return peak_; }
  /// The group must not outlive this object. `unit` is the owner's unit of time ("cycle").
  void register_statistics(Statistics& group, const std::string& name, const std::string& unit = "cycle");

 private:
  struct Held {
    Piece piece;
    std::uint64_t end = 0;   ///< first offset behind it
    std::uint64_t room = 0;  ///< bytes that its release frees: slot, or piece and the gap behind it
    bool filled = false;
  };
  struct Place {
    Held next;
    std::uint64_t gap = 0;  ///< bytes lost between the newest piece and this one
  };
  std::optional<Place> place(std::uint64_t bytes) const;
  void advance(std::uint64_t now);

  const ScratchpadBufferConfig config_;
  const std::uint64_t slot_bytes_;
  std::deque<Held> pieces_;
  std::uint64_t next_ticket_ = 0, held_ = 0, peak_ = 0;
  std::uint64_t now_ = 0, byte_time_ = 0, filled_bytes_ = 0, released_ = 0;
  std::optional<std::uint64_t> producer_waits_, consumer_waits_;
  std::uint64_t producer_stall_ = 0, consumer_stall_ = 0;
};

}  // namespace nibble
