// SPDX-License-Identifier: Apache-2.0
/// CacheConfig: everything that a Cache is told.
#pragma once

#include <cstdint>

#include "core/config_node.h"
#include "memory/cache_tags.h"

namespace nibble {

struct CacheConfig {
  CacheGeometry geometry;
  bool write_through = false;     ///< writes go on to the memory at once and leave no dirty sectors
  bool write_allocate = true;     ///< a write that misses takes a line; otherwise it goes past the cache
  unsigned banks = 1;             ///< consecutive lines lie in consecutive banks
  unsigned bytes_per_cycle = 32;  ///< of one bank: a segment of n bytes takes it for ceil(n / bytes_per_cycle) cycles
  double clock_mhz = 1000;
  unsigned hit_latency_cycles = 1;   ///< from the start in the bank to the response when bytes_per_cycle are asked for
  unsigned miss_latency_cycles = 1;  ///< from the start in the bank until the fill leaves
  unsigned fill_latency_cycles = 1;  ///< from the start of the fill's write to the response
  unsigned mshrs = 16;               ///< lines that wait for the memory
  unsigned mshr_targets = 8;         ///< accesses that wait for one line
  unsigned write_buffer = 8;         ///< lines and writes on their way to the memory
  unsigned queue_depth = 32;         ///< transactions inside, the one without END_REQ not counted
  std::uint64_t fill_bytes = 4096;   ///< longest fill or write-back of consecutive lines; a power of two
  std::uint64_t memory_bytes = 0;    ///< requests beyond are address errors; 0: the memory is asked

  std::uint64_t cycles(std::uint64_t bytes) const { return (bytes + bytes_per_cycle - 1) / bytes_per_cycle; }
  /// Keys: those of CacheGeometry::from, write_policy (back | through), write_allocate (default true for back, false
  /// for through), banks, bytes_per_cycle, clock_mhz, hit_latency_cycles, miss_latency_cycles (default
  /// hit_latency_cycles), fill_latency_cycles, mshrs, mshr_targets, write_buffer, queue_depth, fill_bytes, memory_mib
  /// (0: not bounded). Rejects unknown keys.
  static CacheConfig from(ConfigNode node);
};

}  // namespace nibble
