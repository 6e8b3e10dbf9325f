// SPDX-License-Identifier: Apache-2.0
#include "memory/cache_config.h"

#include "core/units.h"

namespace nibble {

CacheConfig CacheConfig::from(ConfigNode node) {
  CacheConfig config;
  const auto count = [&node](const char* key, std::int64_t least, unsigned fallback) {
    return static_cast<unsigned>(node.integer(key, least, 65536, fallback));
  };
  config.geometry = CacheGeometry::from(node);
  config.write_through = node.choice("write_policy", {"back", "through"}, "back") == "through";
  config.write_allocate = node.boolean("write_allocate", !config.write_through);
  config.banks = count("banks", 1, config.banks);
  config.bytes_per_cycle = count("bytes_per_cycle", 1, config.bytes_per_cycle);
  config.clock_mhz = node.number("clock_mhz", 1, 100000);
  config.hit_latency_cycles = count("hit_latency_cycles", 0, config.hit_latency_cycles);
  config.miss_latency_cycles = count("miss_latency_cycles", 0, config.hit_latency_cycles);
  config.fill_latency_cycles = count("fill_latency_cycles", 0, config.fill_latency_cycles);
  config.mshrs = count("mshrs", 1, config.mshrs);
  config.mshr_targets = count("mshr_targets", 1, config.mshr_targets);
  config.write_buffer = count("write_buffer", 1, config.write_buffer);
  config.queue_depth = count("queue_depth", 1, config.queue_depth);
  config.fill_bytes =
      static_cast<std::uint64_t>(node.integer("fill_bytes", 1, 1 << 20, static_cast<std::int64_t>(config.fill_bytes)));
  config.memory_bytes = static_cast<std::uint64_t>(node.integer("memory_mib", 0, 1 << 24, 0)) * mib;
  node.string("source", "");
  node.reject_unknown();
  if (!is_power_of_two(config.fill_bytes) || config.fill_bytes < config.geometry.line_bytes) {
    node.fail("fill_bytes", "must be a power of two of at least line_bytes");
  }
  return config;
}

}  // namespace nibble
