// SPDX-License-Identifier: Apache-2.0
/// A small cache between an initiator and a flat memory, watched on both sides.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "memory/cache.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/protocol_monitor.h"

namespace nibble::test {

using sc_core::SC_NS;
using sc_core::sc_time;

/// 1 byte per ns, 10 ns latency: 32 bytes take 42 ns.
inline FlatConfig flat(unsigned depth = 64) {
  return flat_device(1, 10, depth);
}

/// 1 KiB: 2 sets of 4 ways, 128-byte lines of 32-byte sectors, 1 GHz, 4 cycles to a hit.
inline CacheConfig small() {
  CacheConfig config;
  config.geometry.capacity_bytes = 1024;
  config.hit_latency_cycles = 4;
  config.miss_latency_cycles = 3;
  config.fill_latency_cycles = 2;
  return config;
}

/// An initiator that sends transactions at given times and notes when each response begins.
struct Bench {
  explicit Bench(const CacheConfig& config, const FlatConfig& below = flat(), const std::string& suffix = "")
      : memory(("memory" + suffix).c_str(), below, nullptr),
        cache(("cache" + suffix).c_str(), config, &statistics),
        near(("near" + suffix).c_str()),
        far(("far" + suffix).c_str()),
        dma(("dma" + suffix).c_str(), {64, 4096}, nullptr) {
    dma.memory.bind(near.in);
    near.out.bind(cache.target);
    cache.memory.bind(far.in);
    far.out.bind(memory.target);
  }
  void at(double ns, bool write, std::uint64_t address, std::uint64_t bytes) {
    const sc_time pause = sc_time(ns, SC_NS) - sc_core::sc_time_stamp();
    if (pause > sc_core::SC_ZERO_TIME) sc_core::sc_start(pause);
    DmaTransfer transfer;
    transfer.write = write;
    transfer.address = address;
    transfer.row_bytes = bytes;
    dma.submit(transfer, done, count++);
  }
  void read_at(double ns, std::uint64_t address, std::uint64_t bytes = 32) { at(ns, false, address, bytes); }
  void write_at(double ns, std::uint64_t address, std::uint64_t bytes = 32) { at(ns, true, address, bytes); }
  /// When transaction `token` was answered, ns.
  double answered(std::uint64_t token) {
    if (sc_core::sc_pending_activity()) sc_core::sc_start();
    for (const auto& entry : done.entries) {
      if (entry.token == token) return entry.at.to_seconds() * 1e9;
    }
    return -1;
  }
  void check_clean() {
    CHECK(near.violations() == std::vector<std::string>{});
    CHECK(far.violations() == std::vector<std::string>{});
    CHECK(near.requests() == near.responses());
    CHECK(far.requests() == far.responses());
    CHECK(cache.idle());
    const CacheCounters& c = cache.counters();
    CHECK(c.segments == c.hits + c.line_misses + c.sector_misses + c.merged);
    CHECK(c.responses + c.refused == near.responses());
    CHECK(c.fill_bytes == memory.bus_read_bytes());
    CHECK(c.writeback_bytes + c.forwarded_bytes == memory.bus_write_bytes());
  }
  Statistics statistics{"test"};
  FlatMemory memory;
  Cache cache;
  ProtocolMonitor near, far;
  DmaEngine dma;
  DmaRecorder done;
  std::uint64_t count = 0;
};

}  // namespace nibble::test
