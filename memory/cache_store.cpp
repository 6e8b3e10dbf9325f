// SPDX-License-Identifier: Apache-2.0
#include "memory/cache_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nibble {

CacheStore::CacheStore(const CacheTags& tags, Peek peek)
    : tags_(tags), peek_(std::move(peek)), filled_(tags.geometry().lines(), 0) {}

std::uint8_t* CacheStore::line(Slot slot) {
  if (bytes_.empty()) bytes_.assign(tags_.geometry().capacity_bytes, 0);
  return bytes_.data() + slot * tags_.geometry().line_bytes;
}

/// Looks up the bytes of sectors that came without.
void CacheStore::ensure(Slot slot, Mask sectors) {
  const std::uint64_t size = tags_.geometry().sector_bytes;
  const Mask missing = sectors & ~filled_[slot];
  for (unsigned i = 0; missing >> i != 0 && i < 32; ++i) {
    if ((missing >> i & 1) == 0) continue;
    peek_(tags_.line(slot) * tags_.geometry().line_bytes + i * size, line(slot) + i * size, size);
  }
  filled_[slot] |= missing;
}

void CacheStore::fill(Slot slot, std::uint64_t offset, std::uint64_t length, const std::uint8_t* from) {
  const Mask sectors = tags_.touched(offset, length);
  if (from == nullptr) {
    filled_[slot] &= ~sectors;
    return;
  }
  std::memcpy(line(slot) + offset, from, length);
  filled_[slot] |= sectors;
}

void CacheStore::read(Slot slot, std::uint64_t offset, std::uint64_t length, std::uint8_t* to) {
  ensure(slot, tags_.touched(offset, length));
  std::memcpy(to, line(slot) + offset, length);
}

void CacheStore::write(Slot slot, std::uint64_t offset, std::uint64_t length, const std::uint8_t* from, Mask into) {
  const std::uint64_t size = tags_.geometry().sector_bytes;
  ensure(slot, into & tags_.touched(offset, length) & ~tags_.covered(offset, length));
  for (std::uint64_t at = offset; at < offset + length;) {
    const std::uint64_t end = std::min(offset + length, (at / size + 1) * size);
    const Mask sector = Mask{1} << (at / size);
    if ((into & sector) != 0) {
      std::memcpy(line(slot) + at, from + (at - offset), end - at);
      filled_[slot] |= sector;
    }
    at = end;
  }
}

}  // namespace nibble
