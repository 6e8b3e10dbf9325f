// SPDX-License-Identifier: Apache-2.0
/// Hits, misses and evictions of small walks by hand; the policies against plain models; geometry errors.
#include <algorithm>
#include <catch2/catch.hpp>
#include <list>
#include <map>
#include <set>
#include <vector>

#include "core/error.h"
#include "memory/cache_tags.h"

using namespace nibble;

namespace {

/// Two sets of two ways, lines of 64 bytes in sectors of 16.
CacheGeometry small() {
  CacheGeometry geometry;
  geometry.capacity_bytes = 256;
  geometry.line_bytes = 64;
  geometry.sector_bytes = 16;
  geometry.ways = 2;
  return geometry;
}

CacheGeometry of(std::uint64_t sets, unsigned ways, Replacement replacement) {
  CacheGeometry geometry;
  geometry.capacity_bytes = sets * ways * 64;
  geometry.line_bytes = geometry.sector_bytes = 64;
  geometry.ways = ways;
  geometry.replacement = replacement;
  return geometry;
}

}  // namespace

TEST_CASE("sectors of a segment: touched and covered") {
  const CacheTags tags(small());
  CHECK(tags.touched(0, 64) == 0xF);
  CHECK(tags.covered(0, 64) == 0xF);
  CHECK(tags.touched(15, 2) == 0x3);
  CHECK(tags.covered(15, 2) == 0);
  CHECK(tags.touched(8, 32) == 0x7);
  CHECK(tags.covered(8, 32) == 0x2);
  CHECK(tags.touched(63, 1) == 0x8);
  CHECK(tags.covered(48, 16) == 0x8);
  CacheGeometry wide = small();
  wide.capacity_bytes = 4096;
  wide.line_bytes = 1024;
  wide.sector_bytes = 32;
  CHECK(CacheTags(wide).touched(0, 1024) == 0xFFFFFFFF);
}

TEST_CASE("a walk by hand: compulsory misses, hits, sector misses, an eviction of a dirty line") {
  CacheTags tags(small());
  auto outcome = tags.access(0, 16, false);  // line 0, set 0
  CHECK_FALSE(outcome.line_hit);
  CHECK(outcome.missing == 0x1);
  CHECK(tags.access(0, 16, false).hit());
  outcome = tags.access(16, 16, false);  // the next sector of the same line
  CHECK(outcome.line_hit);
  CHECK(outcome.missing == 0x2);
  outcome = tags.access(128, 64, true);  // line 2, set 0, covered by the write: nothing to fetch
  CHECK_FALSE(outcome.line_hit);
  CHECK(outcome.missing == 0);
  CHECK(outcome.evicted_dirty == 0);
  CHECK(tags.access(0, 1, false).hit());  // line 0 is used last
  outcome = tags.access(256, 8, true);    // line 4, set 0: line 2 goes, all of it dirty
  CHECK(outcome.missing == 0x1);          // half a sector is written, the rest is fetched
  CHECK(outcome.evicted_line == 2);
  CHECK(outcome.evicted_dirty == 0xF);
  CHECK_FALSE(tags.access(64, 64, false).line_hit);  // line 1, set 1, is not concerned
  CHECK(tags.access(0, 32, false).hit());
  CHECK_THROWS_AS(tags.access(60, 8, false), InternalError);
}

TEST_CASE("a cyclic walk over one line more than the ways never hits with LRU") {
  CacheTags lru(of(1, 4, Replacement::lru));
  unsigned hits = 0;
  for (unsigned i = 0; i < 100; ++i)
    hits += lru.access(i % 5 * 64, 64, false).hit();
  CHECK(hits == 0);
  CacheTags fits(of(1, 4, Replacement::lru));
  hits = 0;
  for (unsigned i = 0; i < 100; ++i)
    hits += fits.access(i % 4 * 64, 64, false).hit();
  CHECK(hits == 96);
}

TEST_CASE("LRU equals a list per set") {
  Random random(1);
  for (const std::uint64_t sets : {1ULL, 3ULL, 8ULL}) {
    CacheTags tags(of(sets, 4, Replacement::lru));
    std::vector<std::list<std::uint64_t>> model(sets);
    for (unsigned i = 0; i < 5000; ++i) {
      const std::uint64_t line = random.below(sets * 7);
      auto& list = model[line % sets];
      const auto found = std::find(list.begin(), list.end(), line);
      REQUIRE(tags.access(line * 64, 1, false).line_hit == (found != list.end()));
      if (found != list.end()) list.erase(found);
      list.push_front(line);
      if (list.size() > 4) list.pop_back();
    }
  }
}

TEST_CASE("the tree of four ways: the victim by hand") {
  CacheTags tags(of(1, 4, Replacement::tree));
  for (std::uint64_t line = 0; line < 4; ++line)
    tags.access(line * 64, 64, false);  // ways 0 1 2 3
  CHECK(tags.victim(9) == 0);           // 3 was last: left half, of it 1 was last
  tags.access(0, 64, false);
  CHECK(tags.victim(9) == 2);  // 0 was last: right half, of it 3 was last
  tags.access(2 * 64, 64, false);
  CHECK(tags.victim(9) == 1);
  tags.access(1 * 64, 64, false);
  CHECK(tags.victim(9) == 3);
}

TEST_CASE("random replacement is seeded, and every policy keeps pinned ways") {
  for (const auto policy : {Replacement::lru, Replacement::tree, Replacement::random}) {
    CacheTags a(of(1, 8, policy)), b(of(1, 8, policy));
    Random random(3);
    for (unsigned i = 0; i < 500; ++i) {
      const std::uint64_t address = random.below(20) * 64;
      REQUIRE(a.access(address, 64, false).line_hit == b.access(address, 64, false).line_hit);
    }
    for (CacheTags::Slot slot = 0; slot < 8; ++slot)
      a.pin(slot, slot != 5);
    for (unsigned i = 0; i < 20; ++i)
      CHECK(a.victim(100) == 5);
    a.pin(5, true);
    CHECK(a.victim(100) == CacheTags::none);
  }
  CacheTags random_way(of(1, 8, Replacement::random));
  for (std::uint64_t line = 0; line < 8; ++line)
    random_way.access(line * 64, 64, false);
  std::set<CacheTags::Slot> seen;
  for (std::uint64_t line = 100; line < 300; ++line) {
    const auto slot = random_way.victim(line);
    CHECK(random_way.victim(line) == slot);
    random_way.install(slot, line);
    seen.insert(slot);
  }
  CHECK(seen.size() == 8);
}

TEST_CASE("a hashed index spreads a stride that meets in one set") {
  CacheGeometry geometry = of(64, 4, Replacement::lru);
  CacheTags plain(geometry);
  geometry.hashed_index = true;
  CacheTags hashed(geometry);
  unsigned plain_hits = 0, hashed_hits = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::uint64_t address = i % 16 * 64 * 64;  // 16 lines, all of set 0
    plain_hits += plain.access(address, 64, false).hit();
    hashed_hits += hashed.access(address, 64, false).hit();
  }
  CHECK(plain_hits == 0);
  CHECK(hashed_hits > 900);
}

TEST_CASE("sets need not be a power of two") {
  // 6 MiB, 16 ways of 128 bytes: 3072 sets, as in a GPU's second level.
  CacheGeometry geometry;
  geometry.capacity_bytes = 6 * 1024 * 1024;
  geometry.ways = 16;
  CacheTags tags(geometry);
  CHECK(geometry.sets() == 3072);
  for (std::uint64_t line = 0; line < geometry.lines(); ++line)
    tags.access(line * 128, 128, true);
  for (std::uint64_t line = 0; line < geometry.lines(); ++line)
    REQUIRE(tags.access(line * 128, 128, false).hit());
  CHECK(tags.access(geometry.lines() * 128, 1, false).evicted_line == 0);
}

TEST_CASE("impossible geometries are refused") {
  const auto read = [](const std::string& text) { return CacheGeometry::from(ConfigNode::parse(text, "c.yaml")); };
  const CacheGeometry geometry =
      read("{capacity_kib: 128, line_bytes: 128, sector_bytes: 32, ways: 4, replacement: tree, index: hashed}");
  CHECK(geometry.sectors() == 4);
  CHECK(geometry.sets() == 256);
  CHECK(geometry.replacement == Replacement::tree);
  CHECK(geometry.hashed_index);
  CHECK(read("{capacity_kib: 1, line_bytes: 64}").sector_bytes == 64);
  CHECK_THROWS_WITH(read("{capacity_kib: 1, line_bytes: 100}"), Catch::Contains("power of two"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, line_bytes: 64, sector_bytes: 128}"), Catch::Contains("longer than"));
  CHECK_THROWS_WITH(read("{capacity_kib: 64, line_bytes: 64, sector_bytes: 1}"), Catch::Contains("32 sectors"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, line_bytes: 128, ways: 3}"), Catch::Contains("multiple of line_bytes"));
  CHECK_THROWS_WITH(read("{capacity_kib: 3, line_bytes: 128, ways: 3, replacement: tree}"),
                    Catch::Contains("power of two up to 64"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, replacement: fifo}"), Catch::Contains("c.yaml:1"));
  CHECK_THROWS_WITH(read("{capacity_kib: 4194304, line_bytes: 4}"), Catch::Contains("more than 16777216 lines"));
  CacheGeometry odd = small();
  odd.capacity_bytes = 300;
  CHECK_THROWS_AS(CacheTags(odd), InternalError);
  odd = small();
  odd.ways = 0;
  CHECK_THROWS_AS(CacheTags(odd), InternalError);
}
