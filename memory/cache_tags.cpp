// SPDX-License-Identifier: Apache-2.0
#include "memory/cache_tags.h"

#include <string>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr std::uint64_t most_lines = 1 << 24;  // 2 GiB of 128-byte lines; the host spends some 40 bytes on each

unsigned log2_of(std::uint64_t power) {
  unsigned shift = 0;
  while (std::uint64_t{1} << shift < power)
    ++shift;
  return shift;
}

}  // namespace

CacheGeometry CacheGeometry::from(ConfigNode node) {
  CacheGeometry geometry;
  const auto power = [&node](const std::string& key, std::int64_t least, std::uint64_t fallback) {
    const auto value = static_cast<std::uint64_t>(node.integer(key, least, 65536, static_cast<std::int64_t>(fallback)));
    if (!is_power_of_two(value)) node.fail(key, "must be a power of two");
    return value;
  };
  geometry.capacity_bytes = static_cast<std::uint64_t>(node.integer("capacity_kib", 1, 1 << 22)) * kib;
  geometry.line_bytes = power("line_bytes", 4, geometry.line_bytes);
  geometry.sector_bytes = power("sector_bytes", 1, geometry.line_bytes);
  geometry.ways = static_cast<unsigned>(node.integer("ways", 1, 1024, geometry.ways));
  const std::string policy = node.choice("replacement", {"lru", "tree", "random"}, "lru");
  geometry.replacement = policy == "lru"    ? Replacement::lru
                         : policy == "tree" ? Replacement::tree
                                            : Replacement::random;
  geometry.seed = static_cast<std::uint64_t>(node.integer("seed", 0, std::int64_t{1} << 62, 1));
  geometry.hashed_index = node.choice("index", {"modulo", "hashed"}, "modulo") == "hashed";
  if (geometry.sector_bytes > geometry.line_bytes) node.fail("sector_bytes", "is longer than line_bytes");
  if (geometry.sectors() > 32) node.fail("sector_bytes", "makes more than 32 sectors of a line");
  if (geometry.capacity_bytes % (geometry.line_bytes * geometry.ways) != 0) {
    node.fail("capacity_kib", "must be a multiple of line_bytes x ways");
  }
  if (geometry.lines() > most_lines)
    node.fail("capacity_kib", "makes more than " + std::to_string(most_lines) + " lines");
  if (geometry.replacement == Replacement::tree && (!is_power_of_two(geometry.ways) || geometry.ways > 64)) {
    node.fail("ways", "must be a power of two up to 64 for replacement: tree");
  }
  return geometry;
}

CacheTags::CacheTags(const CacheGeometry& geometry)
    : geometry_(geometry),
      sets_(geometry.ways == 0 || geometry.line_bytes == 0 ? 0 : geometry.sets()),
      set_mask_(is_power_of_two(sets_) && sets_ > 1 ? sets_ - 1 : 0),
      line_shift_(log2_of(geometry.line_bytes)),
      sector_shift_(log2_of(geometry.sector_bytes)),
      random_(geometry.seed) {
  if (!is_power_of_two(geometry.line_bytes) || !is_power_of_two(geometry.sector_bytes) || sets_ == 0 ||
      geometry.sector_bytes > geometry.line_bytes || geometry.sectors() > 32 ||
      sets_ * geometry.ways * geometry.line_bytes != geometry.capacity_bytes ||
      (geometry.replacement == Replacement::tree && (!is_power_of_two(geometry.ways) || geometry.ways > 64))) {
    throw InternalError("cache: impossible geometry");
  }
  tags_.assign(geometry.lines(), empty);
  states_.assign(geometry.lines(), {});
  if (geometry.replacement == Replacement::lru) stamps_.assign(geometry.lines(), 0);
  if (geometry.replacement == Replacement::tree) trees_.assign(sets_, 0);
}

void CacheTags::install(Slot slot, std::uint64_t line) {
  tags_[slot] = line;
  states_[slot] = {};
  if (geometry_.replacement == Replacement::random) draw_ = random_.next();
  touch(slot);
}

void CacheTags::remove(Slot slot) {
  tags_[slot] = empty;
  states_[slot] = {};
}

/// From the leaf up, every node is set to point to the other child.
void CacheTags::touch_tree(Slot slot) {
  std::uint64_t& tree = trees_[slot / geometry_.ways];
  for (unsigned node = geometry_.ways + slot % geometry_.ways; node > 1; node /= 2) {
    const std::uint64_t bit = std::uint64_t{1} << (node / 2);
    tree = node % 2 == 0 ? tree | bit : tree & ~bit;
  }
}

CacheTags::Slot CacheTags::tree_victim(std::uint64_t set) const {
  unsigned node = 1;
  while (node < geometry_.ways)
    node = 2 * node + static_cast<unsigned>(trees_[set] >> node & 1);
  return static_cast<Slot>(set * geometry_.ways + node - geometry_.ways);
}

CacheTags::Slot CacheTags::by_policy(std::uint64_t set) const {
  const auto first = static_cast<Slot>(set * geometry_.ways);
  if (geometry_.replacement == Replacement::lru) {
    Slot oldest = none;
    for (Slot slot = first; slot < first + geometry_.ways; ++slot) {
      if (!states_[slot].pinned && (oldest == none || stamps_[slot] < stamps_[oldest])) oldest = slot;
    }
    return oldest;
  }
  const Slot wanted =
      geometry_.replacement == Replacement::tree ? tree_victim(set) : first + static_cast<Slot>(draw_ % geometry_.ways);
  for (unsigned step = 0; step < geometry_.ways; ++step) {  // from the wanted way on, the first that is not pinned
    const Slot slot = first + (wanted - first + step) % geometry_.ways;
    if (!states_[slot].pinned) return slot;
  }
  return none;
}

CacheTags::Slot CacheTags::victim(std::uint64_t line) const {
  const std::uint64_t set = set_of(line);
  const auto first = static_cast<Slot>(set * geometry_.ways);
  for (Slot slot = first; slot < first + geometry_.ways; ++slot) {
    if (tags_[slot] == empty) return slot;
  }
  return by_policy(set);
}

CacheTags::Outcome CacheTags::access(std::uint64_t address, std::uint64_t length, bool write) {
  Outcome outcome;
  const std::uint64_t line_number = line_of(address), offset = address & (geometry_.line_bytes - 1);
  if (length == 0 || offset + length > geometry_.line_bytes) {
    throw InternalError("cache: an access outside of one line");
  }
  Slot slot = find(line_number);
  outcome.line_hit = slot != none;
  if (outcome.line_hit) {
    touch(slot);
  } else {
    slot = victim(line_number);
    if (slot == none) throw InternalError("cache: all ways are pinned");
    outcome.evicted_dirty = dirty(slot);
    if (outcome.evicted_dirty != 0) outcome.evicted_line = line(slot);
    install(slot, line_number);
  }
  const Mask wanted = touched(offset, length);
  outcome.missing = wanted & ~valid(slot) & ~(write ? covered(offset, length) : 0);
  add_valid(slot, wanted);
  if (write) add_dirty(slot, wanted);
  return outcome;
}

}  // namespace nibble
