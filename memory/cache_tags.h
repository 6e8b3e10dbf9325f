// SPDX-License-Identifier: Apache-2.0
/// CacheTags: which lines and sectors a set-associative cache holds, and which one goes next. A plain class without
/// time or data: alone it counts the hits of a walk over addresses, inside a Cache it is its state.
#pragma once

#include <cstdint>
#include <vector>

#include "core/config_node.h"
#include "core/random.h"

namespace nibble {

enum class Replacement : std::uint8_t {
  lru,     ///< the way used longest ago
  tree,    ///< tree pseudo-LRU: one bit per inner node of a binary tree over the ways
  random,  ///< seeded
};

struct CacheGeometry {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t line_bytes = 128;  ///< one tag; a power of two
  std::uint64_t sector_bytes =
      32;  ///< one valid and one dirty bit, the unit of fills; a power of two, at most 32 a line
  unsigned ways = 4;
  Replacement replacement = Replacement::lru;
  std::uint64_t seed = 1;     ///< of random replacement
  bool hashed_index = false;  ///< the set is a hash of the line number (2^64 / golden ratio) instead of line mod sets
  std::uint64_t lines() const { return capacity_bytes / line_bytes; }
  std::uint64_t sets() const { return lines() / ways; }
  unsigned sectors() const { return static_cast<unsigned>(line_bytes / sector_bytes); }

  /// Keys capacity_kib, line_bytes, sector_bytes (default line_bytes), ways, replacement (lru | tree | random), seed,
  /// index (modulo | hashed). The caller rejects unknown keys.
  static CacheGeometry from(ConfigNode node);
};

/// A slot is a way of a set, 0 .. lines - 1. Sectors are bits of a mask, the lowest at the lowest address.
class CacheTags {
 public:
  using Mask = std::uint32_t;
  using Slot = std::uint32_t;
  static constexpr Slot none = ~Slot{0};

  /// Throws InternalError for an impossible geometry (CacheGeometry::from refuses it as the user's error).
  explicit CacheTags(const CacheGeometry& geometry);

  const CacheGeometry& geometry() const { return geometry_; }
  std::uint64_t line_of(std::uint64_t address) const { return address >> line_shift_; }
  std::uint64_t set_of(std::uint64_t line) const {
    if (geometry_.hashed_index) line = line * 0x9E3779B97F4A7C15ULL >> 32;
    return set_mask_ != 0 ? line & set_mask_ : line % sets_;
  }
  /// The sectors that [offset, offset + length) of a line touches; length > 0.
  Mask touched(std::uint64_t offset, std::uint64_t length) const {
    return bits(offset >> sector_shift_, ((offset + length - 1) >> sector_shift_) + 1);
  }
  /// The sectors that it covers from end to end.
  Mask covered(std::uint64_t offset, std::uint64_t length) const {
    const std::uint64_t first = (offset + geometry_.sector_bytes - 1) >> sector_shift_;
    const std::uint64_t end = (offset + length) >> sector_shift_;
    return end > first ? bits(first, end) : 0;
  }

  /// The slot that holds the tag of `line`, or none.
  Slot find(std::uint64_t line) const {
    const std::uint64_t first = set_of(line) * geometry_.ways;
    for (std::uint64_t slot = first; slot < first + geometry_.ways; ++slot) {
      if (tags_[slot] == line) return static_cast<Slot>(slot);
    }
    return none;
  }
  /// Where `line` would go: an empty way, else by the policy; never a pinned way, none when all are pinned. The same
  /// until something changes.
  Slot victim(std::uint64_t line) const;
  /// Makes the slot hold `line` with no sector valid; it counts as used.
  void install(Slot slot, std::uint64_t line);
  void remove(Slot slot);
  /// The slot was used.
  void touch(Slot slot) {
    if (geometry_.replacement == Replacement::lru) stamps_[slot] = ++clock_;
    if (geometry_.replacement == Replacement::tree) touch_tree(slot);
  }

  bool holds_line(Slot slot) const { return tags_[slot] != empty; }
  std::uint64_t line(Slot slot) const { return tags_[slot]; }
  Mask valid(Slot slot) const { return states_[slot].valid; }
  Mask dirty(Slot slot) const { return states_[slot].dirty; }
  void add_valid(Slot slot, Mask sectors) { states_[slot].valid |= sectors; }
  void add_dirty(Slot slot, Mask sectors) { states_[slot].dirty |= sectors; }
  void clean(Slot slot) { states_[slot].dirty = 0; }
  void pin(Slot slot, bool pinned) { states_[slot].pinned = pinned; }

  /// One access that is served at once, for counting hits without a simulation.
  struct Outcome {
    bool line_hit = false;
    Mask missing = 0;                ///< sectors that had to be fetched
    std::uint64_t evicted_line = 0;  ///< meaningful when evicted_dirty != 0
    Mask evicted_dirty = 0;          ///< sectors that had to be written back
    bool hit() const { return line_hit && missing == 0; }
  };
  /// Reads or writes [address, address + length), which must lie in one line, with write back and write allocate;
  /// sectors that a write covers are not fetched.
  Outcome access(std::uint64_t address, std::uint64_t length, bool write);

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  struct State {
    Mask valid = 0, dirty = 0;
    bool pinned = false;
  };
  static Mask bits(std::uint64_t first, std::uint64_t end) {
    return static_cast<Mask>(((std::uint64_t{1} << (end - first)) - 1) << first);
  }
  void touch_tree(Slot slot);
  Slot tree_victim(std::uint64_t set) const;
  Slot by_policy(std::uint64_t set) const;

  CacheGeometry geometry_;
  std::uint64_t sets_, set_mask_;  ///< the mask is 0 when the number of sets is no power of two
  unsigned line_shift_, sector_shift_;
  std::vector<std::uint64_t> tags_;
  std::vector<State> states_;
  std::vector<std::uint64_t> stamps_;  ///< LRU: time of the last use
  std::vector<std::uint64_t> trees_;   ///< tree: per set, node i has children 2i and 2i + 1; 1: the victim is right
  std::uint64_t clock_ = 0;
  Random random_;
  std::uint64_t draw_ = 0;  ///< random: decides the next victim
};

}  // namespace nibble
