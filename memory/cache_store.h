// SPDX-License-Identifier: Apache-2.0
/// CacheStore: the bytes of a cache's lines. Timing-only traffic leaves sectors without bytes; they are looked up
/// below, without time, when somebody asks for them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "memory/cache_tags.h"

namespace nibble {

class CacheStore {
 public:
  using Mask = CacheTags::Mask;
  using Slot = CacheTags::Slot;
  /// Reads memory below the cache without time or side effects.
  using Peek = std::function<void(std::uint64_t address, std::uint8_t* to, std::uint64_t length)>;

  CacheStore(const CacheTags& tags, Peek peek);

  /// The slot's sectors have no bytes (a new line).
  void drop(Slot slot) { filled_[slot] = 0; }
  /// Whole sectors from below; nullptr: they came without bytes.
  void fill(Slot slot, std::uint64_t offset, std::uint64_t length, const std::uint8_t* from);
  /// Part of the valid sectors of a line.
  void read(Slot slot, std::uint64_t offset, std::uint64_t length, std::uint8_t* to);
  /// Into the sectors of `into` only; those that are not covered must be valid.
  void write(Slot slot, std::uint64_t offset, std::uint64_t length, const std::uint8_t* from, Mask into);
  /// Sectors that hold bytes here; of the others the memory below has the truth.
  Mask filled(Slot slot) const { return filled_[slot]; }
  std::uint8_t* line(Slot slot);

 private:
  void ensure(Slot slot, Mask sectors);

  const CacheTags& tags_;
  const Peek peek_;
  std::vector<std::uint8_t> bytes_;  ///< empty until the first byte arrives
  std::vector<Mask> filled_;
};

}  // namespace nibble
