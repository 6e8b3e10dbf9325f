// SPDX-License-Identifier: Apache-2.0
/// What the router's tests put before and behind it.
#pragma once

#include "memory/dma_engine.h"
#include "memory/router.h"
#include "testbenches/memory/flat_device.h"

namespace nibble::test {

using sc_core::SC_NS;
using sc_core::sc_time;

inline FlatConfig flat(unsigned depth = 64) {
  return flat_device(1, 10, depth, 1 << 16);
}

inline RouterConfig two_targets(unsigned initiators) {
  RouterConfig config;
  config.initiators = initiators;
  config.targets = 2;
  config.windows = {{0, 1 << 16, 0, true}, {1 << 16, 1 << 16, 1, true}};
  return config;
}

inline DmaTransfer transfer(std::uint64_t address, std::uint64_t bytes) {
  DmaTransfer t;
  t.address = address;
  t.row_bytes = bytes;
  return t;
}

}  // namespace nibble::test
