// SPDX-License-Identifier: Apache-2.0
// The check of links itself: a socket bound without a protocol monitor is named, one with a monitor is not.
#include "testbenches/support/link_check.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "memory/dma_engine.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/monitored_links.h"

using namespace nibble;
using namespace nibble::test;

TEST_CASE("of two sockets the one without a protocol monitor is named", "[links-unchecked]") {
  FlatMemory bare_memory("bare_memory", flat_device(1, 10, 64, 4096), nullptr);
  FlatMemory watched_memory("watched_memory", flat_device(1, 10, 64, 4096), nullptr);
  DmaEngine bare("bare", {2, 64}, nullptr), watched("watched", {2, 64}, nullptr);
  MonitoredLinks links;
  bare.memory.bind(bare_memory.target);
  links.bind(watched.memory, watched_memory.target);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  CHECK(LinkCheck::unmonitored() == std::vector<std::string>{"bare.memory"});
}
