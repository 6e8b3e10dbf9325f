// SPDX-License-Identifier: Apache-2.0
#include "core/units.h"
#include "memory/dma_engine.h"

namespace nibble {

DmaConfig DmaConfig::from(ConfigNode node) {
  DmaConfig config;
  const auto bytes = [&node](const std::string& key, std::int64_t least, std::uint64_t fallback) {
    const auto value =
        static_cast<std::uint64_t>(node.integer(key, least, 1 << 20, static_cast<std::int64_t>(fallback)));
    if (value != 0 && !is_power_of_two(value)) node.fail(key, "must be a power of two");
    return value;
  };
  config.max_outstanding = static_cast<unsigned>(node.integer("max_outstanding", 1, 4096, config.max_outstanding));
  config.transaction_bytes = bytes("transaction_bytes", 4, config.transaction_bytes);
  config.boundary_bytes = bytes("boundary_bytes", 0, config.boundary_bytes);
  config.loosely_timed = node.boolean("loosely_timed", config.loosely_timed);
  config.channels = static_cast<unsigned>(node.integer("channels", 1, 64, config.channels));
  config.channel_outstanding =
      static_cast<unsigned>(node.integer("channel_outstanding", 0, 4096, config.channel_outstanding));
  config.age_cap = static_cast<unsigned>(node.integer("age_cap", 0, 1 << 20, config.age_cap));
  if (node.has("priorities")) {
    ConfigNode table = node.child("priorities");
    for (unsigned i = 0; i < stream_count; ++i) {
      config.stream_priority[i] =
          static_cast<std::uint8_t>(table.integer(to_string(static_cast<Stream>(i)), 0, priorities - 1, 0));
    }
  }
  node.ignore("priorities");
  return config;
}

}  // namespace nibble
