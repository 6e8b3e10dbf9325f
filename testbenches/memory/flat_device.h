// SPDX-License-Identifier: Apache-2.0
/// A flat memory whose times can be reckoned by hand.
#pragma once

#include "memory/flat_memory.h"

namespace nibble::test {

/// 1 byte per ns and 10 ns latency unless told otherwise: 32 bytes take 42 ns.
inline FlatConfig flat_device(double gbps, double latency_ns, unsigned depth, std::uint64_t capacity_bytes = 1 << 20) {
  FlatConfig config;
  config.bandwidth_gbps = gbps;
  config.latency_ns = latency_ns;
  config.capacity_bytes = capacity_bytes;
  config.queue_depth = depth;
  return config;
}

}  // namespace nibble::test
