// SPDX-License-Identifier: Apache-2.0
/// The cache between an initiator and a memory: times by hand, policies, errors, maintenance, debug.
#include <catch2/catch.hpp>
#include <map>

#include "core/error.h"
#include "core/random.h"
#include "memory/cache.h"
#include "memory/flat_memory.h"
#include "memory/router.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::SC_NS;
using sc_core::sc_time;

namespace {

/// 1 byte per ns, 10 ns latency: 32 bytes take 42 ns.
FlatConfig flat(unsigned depth = 64) {
  FlatConfig config;
  config.bandwidth_gbps = 1;
  config.latency_ns = 10;
  config.capacity_bytes = 1 << 20;
  config.queue_depth = depth;
  return config;
}

/// 1 KiB: 2 sets of 4 ways, 128-byte lines of 32-byte sectors, 1 GHz, 4 cycles to a hit.
CacheConfig small() {
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

}  // namespace

TEST_CASE("a miss, a hit and a sector miss by hand") {
  Bench bench(small());
  bench.read_at(0, 0);        // miss: leaves at 3, comes at 3 + 42 = 45, answered 2 cycles later
  bench.read_at(100, 0);      // hit
  bench.read_at(200, 32);     // another sector of the line
  bench.read_at(300, 0, 64);  // two sectors: the bank takes two cycles
  CHECK(bench.answered(0) == Approx(47));
  CHECK(bench.answered(1) == Approx(104));
  CHECK(bench.answered(2) == Approx(247));
  CHECK(bench.answered(3) == Approx(305));
  const CacheCounters& c = bench.cache.counters();
  CHECK(c.line_misses == 1);
  CHECK(c.sector_misses == 1);
  CHECK(c.hits == 2);
  CHECK(c.fill_bytes == 64);
  bench.check_clean();
}

TEST_CASE("hits pass a miss, secondary misses merge with it") {
  Bench bench(small());
  bench.read_at(0, 0);
  bench.read_at(100, 128);  // miss, answered at 147
  bench.read_at(101, 0);    // hit under the miss
  bench.read_at(102, 128);  // merges: served by the same fill
  bench.read_at(103, 160);  // another sector of the line on its way: a fill of its own
  CHECK(bench.answered(1) == Approx(147));
  CHECK(bench.answered(2) == Approx(105));
  CHECK(bench.answered(3) == Approx(147));
  // Leaves at 106, when the memory is busy until 135: data at 135 + 32 + 10 = 177.
  CHECK(bench.answered(4) == Approx(179));
  CHECK(bench.cache.counters().merged == 1);
  CHECK(bench.cache.counters().sector_misses == 1);
  CHECK(bench.memory.bus_read_bytes() == 3 * 32);
  bench.check_clean();
}

TEST_CASE("a long read is looked up line by line and its fills leave as one") {
  CacheConfig config = small();
  Bench bench(config, flat(), "_joined");
  config.fill_bytes = 128;
  Bench apart(config, flat(), "_apart");
  bench.read_at(0, 0, 512);
  apart.dma.submit(
      [] {
        DmaTransfer t;
        t.row_bytes = 512;
        return t;
      }(),
      apart.done, 0);
  // Leaves at 3, 512 + 10 ns, then the bank writes line after line, 4 cycles each: the last starts 12 cycles later.
  CHECK(bench.answered(0) == Approx(3 + 522 + 12 + 2 + 3));
  CHECK(bench.far.requests() == 1);
  CHECK(apart.far.requests() == 4);
  CHECK(apart.answered(0) == Approx(3 + 522 + 2 + 3));  // the other lines were written while the last one came
  CHECK(bench.cache.counters().line_misses == 4);
  CHECK(bench.cache.counters().fills == 4);
  bench.check_clean();
  apart.check_clean();
}

TEST_CASE("a full set of miss registers holds requests back, and so do full targets") {
  CacheConfig config = small();
  config.mshrs = 2;
  config.mshr_targets = 2;
  Bench bench(config, flat(), "_registers"), merging(config, flat(), "_targets");
  for (unsigned i = 0; i < 3; ++i) {
    bench.read_at(i, 128 * i);
    merging.dma.submit(
        [] {
          DmaTransfer t;
          t.row_bytes = 32;
          return t;
        }(),
        merging.done, i);
  }
  CHECK(bench.answered(0) == Approx(47));
  CHECK(bench.answered(1) == Approx(79));  // the memory is taken until 35
  // The third starts when the first fill has come, at 45; leaves at 48, the memory is taken until 67.
  CHECK(bench.answered(2) == Approx(48 + 19 + 42 + 2));
  CHECK(bench.cache.counters().mshr_stalls == 1);
  CHECK(bench.cache.counters().stall_ticks == sc_time(43, SC_NS).value());
  CHECK(merging.cache.counters().target_stalls == 1);
  CHECK(merging.cache.counters().merged == 1);
  CHECK(merging.cache.counters().hits == 1);
  bench.check_clean();
  merging.check_clean();
}

TEST_CASE("a set whose ways all wait for the memory holds requests back") {
  CacheConfig config = small();  // lines 0 2 4 6 8 are of one set with four ways
  Bench bench(config);
  for (unsigned i = 0; i < 5; ++i)
    bench.read_at(i, 256 * i);
  CHECK(bench.answered(4) > bench.answered(0));
  CHECK(bench.cache.counters().set_stalls == 1);
  CHECK(bench.cache.counters().evictions == 1);
  CHECK(bench.cache.counters().writebacks == 0);
  bench.check_clean();
}

TEST_CASE("dirty lines are written back when they lose their place, only their dirty sectors") {
  Bench bench(small());
  bench.write_at(0, 0);        // covers a sector: nothing is fetched
  bench.write_at(10, 64, 32);  // a third sector of the line
  bench.write_at(20, 256, 8);  // part of a sector: fetched, then written
  for (unsigned i = 2; i < 6; ++i)
    bench.read_at(100.0 * i, 256 * i);
  sc_core::sc_start();
  const CacheCounters& c = bench.cache.counters();
  CHECK(bench.answered(0) == Approx(4));
  CHECK(bench.answered(2) == Approx(20 + 3 + 42 + 2));
  CHECK(c.evictions == 2);
  CHECK(c.writebacks == 2);
  CHECK(c.writeback_bytes == 96);
  CHECK(c.fill_bytes == 32 + 4 * 32);
  CHECK(bench.memory.bus_write_bytes() == 96);
  bench.check_clean();
}

TEST_CASE("banks serve neighbouring lines side by side") {
  CacheConfig config = small();
  Bench one(config, flat(), "_one");
  config.banks = 4;
  Bench four(config, flat(), "_four");
  for (Bench* bench : {&one, &four}) {
    DmaTransfer t;
    t.row_bytes = 512;
    bench->dma.submit(t, bench->done, 0);
  }
  sc_core::sc_start();
  one.count = four.count = 1;
  one.read_at(2000, 0, 512);
  DmaTransfer t;
  t.row_bytes = 512;
  four.dma.submit(t, four.done, 1);
  // Four lines of four cycles each: one behind the other, or together.
  CHECK(one.answered(1) == Approx(2000 + 12 + 4 + 3));
  CHECK(four.answered(1) == Approx(2000 + 4 + 3));
  one.check_clean();
  four.check_clean();
}

TEST_CASE("hits come at the rate of the banks and never faster") {
  struct Stream {
    Stream(unsigned banks, unsigned bytes, const std::string& suffix)
        : memory(("memory" + suffix).c_str(), flat(), nullptr),
          cache(("cache" + suffix).c_str(), config(banks), nullptr),
          dma(("dma" + suffix).c_str(), {64, bytes}, nullptr) {
      dma.memory.bind(cache.target);
      cache.memory.bind(memory.target);
    }
    static CacheConfig config(unsigned banks) {
      CacheConfig config = small();
      config.banks = banks;
      return config;
    }
    void read(std::uint64_t token) {
      DmaTransfer t;
      t.row_bytes = 1024;
      t.rows = 4;
      t.stride = 0;  // the same kibibyte four times
      dma.submit(t, done, token);
    }
    double end() const { return done.entries.back().at.to_seconds() * 1e9; }
    FlatMemory memory;
    Cache cache;
    DmaEngine dma;
    DmaRecorder done;
  };
  Stream sectors(1, 32, "_sectors"), lines(1, 128, "_lines"), banks(4, 128, "_banks");
  for (Stream* stream : {&sectors, &lines, &banks})
    stream->read(0);  // fills it
  sc_core::sc_start(sc_time(10000, SC_NS));
  for (Stream* stream : {&sectors, &lines, &banks})
    stream->read(1);
  sc_core::sc_start();
  // 4 KiB at 32 bytes per cycle and bank, and 3 cycles for the last one to come out.
  CHECK(sectors.end() == Approx(10000 + 128 + 3));
  CHECK(lines.end() == Approx(10000 + 128 + 3));
  CHECK(banks.end() == Approx(10000 + 32 + 3));
}

TEST_CASE("write through: every write goes on, lines stay clean, reads of written lines hit") {
  CacheConfig config = small();
  config.write_through = true;
  config.write_allocate = false;
  Bench bench(config);
  bench.read_at(0, 0);
  bench.write_at(100, 0);    // hit: updated, and forwarded at 103, answered with the memory's 145
  bench.read_at(200, 0);     // hit
  bench.write_at(300, 512);  // miss: goes past the cache
  bench.read_at(400, 512);   // and is not there
  CHECK(bench.answered(1) == Approx(103 + 42));
  CHECK(bench.answered(2) == Approx(204));
  CHECK(bench.answered(3) == Approx(303 + 42));
  CHECK(bench.answered(4) == Approx(447));
  CHECK(bench.cache.counters().forwarded_bytes == 64);
  CHECK(bench.cache.counters().writebacks == 0);
  bench.check_clean();
}

TEST_CASE("a fill waits for the write of the same line") {
  CacheConfig config = small();
  config.write_through = true;
  config.write_allocate = false;
  Bench bench(config);
  bench.write_at(0, 0);  // forwarded at 3, answered at 45
  bench.read_at(5, 0);   // may leave only then
  CHECK(bench.answered(1) == Approx(45 + 3 + 42 + 2));
  CHECK(bench.cache.counters().order_stalls == 1);
  bench.check_clean();
}

TEST_CASE("a full write buffer holds requests back") {
  CacheConfig config = small();
  config.write_buffer = 1;
  config.write_through = true;
  config.write_allocate = false;
  Bench bench(config);
  for (unsigned i = 0; i < 3; ++i)
    bench.write_at(i, 128 * i);
  CHECK(bench.answered(0) == Approx(45));
  CHECK(bench.answered(1) == Approx(45 + 3 + 42));
  CHECK(bench.answered(2) == Approx(90 + 3 + 42));
  CHECK(bench.cache.counters().write_stalls == 2);
  bench.check_clean();
}

TEST_CASE("LT takes the time of an unloaded AT access and returns the same data") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  ProtocolMonitor monitor("monitor");
  cache.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    auto reply = io.read(0, 32);
    CHECK(reply.took == sc_time(47, SC_NS));
    CHECK(reply.data == Bytes(32, 0));
    reply = io.write(4, {1, 2, 3, 4});
    CHECK(reply.took == sc_time(4, SC_NS));
    CHECK(io.read(2, 8).data == Bytes{0, 0, 1, 2, 3, 4, 0, 0});
    CHECK(io.debug_read(2, 8) == Bytes{0, 0, 1, 2, 3, 4, 0, 0});
    CHECK(memory.bus_write_bytes() == 0);
    // A multi-line write over more lines than there are ways, then everything back.
    Bytes long_data(4000);
    for (std::size_t i = 0; i < long_data.size(); ++i)
      long_data[i] = static_cast<std::uint8_t>(i * 7);
    CHECK(io.write(100, long_data).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(100, 4000).data == long_data);
    CHECK(io.debug_read(100, 4000) == long_data);
    CHECK(cache.idle());
    // Refused accesses.
    CHECK(io.read(1 << 20, 1).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read((1 << 20) - 16, 32).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read((1 << 20) - 16, 16).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(~std::uint64_t{0}, 1).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read(~std::uint64_t{0} - 15, 16).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.write(~std::uint64_t{0} - 15, Bytes(32)).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    Bytes data(4);
    tlm::tlm_generic_payload payload;
    tlm::tlm_dmi dmi;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0, data);
    CHECK_FALSE(io.initiator->get_direct_mem_ptr(payload, dmi));
    sc_time delay;
    payload.set_streaming_width(2);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
    payload.set_streaming_width(4);
    payload.set_byte_enable_ptr(data.data());
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    CHECK(cache.counters().refused == 5);
  });
  driver.initiator.bind(cache.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  CHECK(monitor.violations() == std::vector<std::string>{});
}

TEST_CASE("LT waits for AT traffic of the same cache and sees its effect") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  ProtocolMonitor near("near"), far("far");
  cache.memory.bind(far.in);
  far.out.bind(memory.target);
  Router router("router", RouterConfig::single_target(2, 1 << 20));
  router.initiator(0).bind(near.in);
  near.out.bind(cache.target);
  DmaEngine dma("dma", {8, 64}, nullptr);
  dma.memory.bind(router.target(0));
  Bytes out(700), back(700);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::uint8_t>(i * 3 + 1);
  DmaTransfer write;
  write.write = true;
  write.address = 10;
  write.row_bytes = out.size();
  write.data = out.data();
  DmaRecorder done;
  done.then = [&](std::uint64_t token) {
    DmaTransfer read = write;
    read.write = false;
    read.data = back.data();
    if (token == 0) dma.submit(read, done, 1);
  };
  SocketDriver driver("driver", [&](SocketDriver& io) {
    dma.submit(write, done, 0);
    io.wait(sc_time(5, SC_NS));
    CHECK_FALSE(cache.idle());
    // The first transaction of the engine, 10 .. 63, has its fetch on the way until 47.
    CHECK(io.read(10, 54).data == Bytes(&out[0], &out[54]));
    CHECK(sc_core::sc_time_stamp() >= sc_time(47, SC_NS));
    CHECK(io.write(2000, {1, 2, 3}).status == tlm::TLM_OK_RESPONSE);
    io.wait(sc_time(2, sc_core::SC_US));
    CHECK(io.read(10, 700).data == out);
    CHECK(io.read(2000, 3).data == Bytes{1, 2, 3});
  });
  driver.initiator.bind(router.target(1));
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  REQUIRE(done.entries.size() == 2);
  CHECK(back == out);
  CHECK(near.violations() == std::vector<std::string>{});
  CHECK(far.violations() == std::vector<std::string>{});
  CHECK(cache.idle());
}

TEST_CASE("an endless AT stream does not starve LT, nor LT the stream") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  cache.memory.bind(memory.target);
  Router router("router", RouterConfig::single_target(2, 1 << 20));
  router.initiator(0).bind(cache.target);
  DmaEngine dma("dma", {16, 64}, nullptr);
  dma.memory.bind(router.target(0));
  DmaRecorder done;
  bool enough = false;
  const auto submit = [&](std::uint64_t token) {
    DmaTransfer t;
    t.address = token * 64 % (1 << 19);
    t.row_bytes = 64;
    dma.submit(t, done, token + 20);
  };
  done.then = [&](std::uint64_t token) {
    if (!enough) submit(token);
  };
  for (std::uint64_t token = 0; token < 20; ++token)
    submit(token);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    for (unsigned i = 0; i < 20; ++i) {
      const auto before = done.entries.size();
      io.wait(sc_time(300, SC_NS));
      CHECK(done.entries.size() > before);
      const sc_time start = sc_core::sc_time_stamp();
      CHECK(io.read((1 << 19) + 4096 * i, 32).status == tlm::TLM_OK_RESPONSE);
      // At most what is inside: 16 fills of 64 bytes and its own.
      CHECK(sc_core::sc_time_stamp() - start < sc_time(17 * 64 + 100, SC_NS));
    }
    enough = true;
  });
  driver.initiator.bind(router.target(1));
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("an error of the memory reaches every transaction of the line and no other") {
  EarlyTarget memory("memory");
  memory.forbidden_from = 128;
  memory.forbidden_bytes = 32;
  CacheConfig config = small();
  Cache cache("cache", config, nullptr);
  ProtocolMonitor near("near"), far("far");
  DmaEngine dma("dma", {64, 4096}, nullptr);
  dma.memory.bind(near.in);
  near.out.bind(cache.target);
  cache.memory.bind(far.in);
  far.out.bind(memory.target);
  DmaRecorder done;
  const auto submit = [&](bool write, std::uint64_t address, std::uint64_t bytes, std::uint64_t token) {
    DmaTransfer t;
    t.write = write;
    t.address = address;
    t.row_bytes = bytes;
    dma.submit(t, done, token);
  };
  submit(false, 0, 512, 0);   // fails: one fill of four lines, one of them bad
  submit(false, 0, 32, 1);    // merges with the same fill, but its own line is good
  submit(false, 128, 32, 2);  // the bad one
  submit(false, 160, 32, 3);  // another sector of the bad line
  submit(true, 130, 4, 4);    // needs a fetch of the bad sector
  submit(true, 128, 32, 5);   // covers it: the cache need not ask
  submit(false, 128, 32, 6);  // and then it is there
  sc_core::sc_start();
  std::map<std::uint64_t, tlm::tlm_response_status> status;
  for (const auto& entry : done.entries)
    status[entry.token] = entry.status;
  REQUIRE(status.size() == 7);
  CHECK(status[0] == tlm::TLM_GENERIC_ERROR_RESPONSE);
  CHECK(status[1] == tlm::TLM_OK_RESPONSE);
  CHECK(status[2] == tlm::TLM_GENERIC_ERROR_RESPONSE);
  CHECK(status[3] == tlm::TLM_OK_RESPONSE);
  CHECK(status[4] == tlm::TLM_GENERIC_ERROR_RESPONSE);
  CHECK(status[5] == tlm::TLM_OK_RESPONSE);
  CHECK(status[6] == tlm::TLM_OK_RESPONSE);
  CHECK(cache.idle());
  CHECK(cache.counters().write_errors == 0);
  // The memory refuses the write-back: nobody can be told any more.
  cache.maintain(CacheMaintenance::clean);
  sc_core::sc_start();
  CHECK(cache.counters().write_errors == 1);
  CHECK(cache.idle());
  CHECK(near.violations() == std::vector<std::string>{});
  CHECK(far.violations() == std::vector<std::string>{});
}

TEST_CASE("addresses beyond memory_bytes are refused before the memory is asked") {
  CacheConfig config = small();
  config.memory_bytes = 4096;
  Bench bench(config);
  bench.read_at(0, 4096 - 16, 32);
  bench.read_at(0, 4096 - 32, 32);
  sc_core::sc_start();
  CHECK(bench.done.entries.size() == 2);
  CHECK(bench.cache.counters().refused == 1);
  CHECK(bench.dma.read_bytes(Stream::host) == 16 + 32);  // the engine cuts the first at 4096
  bench.check_clean();
}

TEST_CASE("clean writes dirty lines back and keeps them, flush lets them go, invalidate loses them") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  ProtocolMonitor monitor("monitor");
  cache.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  const auto below = [&](std::uint64_t address) {
    Bytes data(1);
    tlm::tlm_generic_payload payload;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, address, data);
    cache.memory->transport_dbg(payload);
    return data[0];
  };
  SocketDriver driver("driver", [&](SocketDriver& io) {
    io.write(0, Bytes(512, 7));
    CHECK(below(0) == 0);
    cache.maintain(CacheMaintenance::clean, 0, 127);
    io.wait(cache.maintained());
    CHECK(below(0) == 7);
    CHECK(below(128) == 0);
    const auto misses = cache.counters().line_misses;
    CHECK(io.read(0, 128).data == Bytes(128, 7));
    CHECK(cache.counters().line_misses == misses);
    CHECK(cache.counters().writebacks == 1);
    io.write(0, Bytes(1, 8));
    cache.maintain(CacheMaintenance::flush);
    io.wait(cache.maintained());
    CHECK(below(0) == 8);
    CHECK(below(511) == 7);
    CHECK(io.read(0, 128).data[0] == 8);
    CHECK(cache.counters().line_misses == misses + 1);
    io.write(0, Bytes(128, 9));
    cache.maintain(CacheMaintenance::invalidate, 0, 0);
    io.wait(cache.maintained());
    CHECK(io.read(0, 2).data == Bytes{8, 7});
    CHECK(cache.idle());
  });
  driver.initiator.bind(cache.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  CHECK(monitor.violations() == std::vector<std::string>{});
}

TEST_CASE("debug writes reach cached lines, dirty ones too, and the memory") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  cache.memory.bind(memory.target);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    io.write(0, Bytes(64, 1));
    CHECK(io.debug_write(30, Bytes(200, 5)) == 200);
    CHECK(io.read(0, 32).data == [] {
      Bytes b(32, 1);
      b[30] = b[31] = 5;
      return b;
    }());
    CHECK(io.read(64, 32).data == Bytes(32, 5));
    CHECK(io.debug_read(28, 4) == Bytes{1, 1, 5, 5});
    CHECK(io.debug_read((1 << 20) - 2, 4).size() == 2);
    cache.maintain(CacheMaintenance::flush);
    io.wait(cache.maintained());
    CHECK(io.debug_read(28, 4) == Bytes{1, 1, 5, 5});
  });
  driver.initiator.bind(cache.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("timing-only traffic moves time and dirty bits but no data") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  cache.memory.bind(memory.target);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    CHECK(io.debug_write(0, Bytes(128, 3)) == 128);
    Bytes junk(128, 99);
    tlm::tlm_generic_payload payload;
    TransferTag tag;
    tag.timing_only = true;
    payload.set_extension(&tag);
    for (const auto command : {tlm::TLM_READ_COMMAND, tlm::TLM_WRITE_COMMAND}) {
      SocketDriver::set(payload, command, 0, junk);
      sc_time delay;
      io.initiator->b_transport(payload, delay);
      CHECK(payload.get_response_status() == tlm::TLM_OK_RESPONSE);
      CHECK(junk == Bytes(128, 99));
      io.wait(delay);
    }
    CHECK(io.read(0, 128).data == Bytes(128, 3));
    CHECK(cache.counters().hits == 2);
    io.write(5, {4});
    for (unsigned i = 1; i < 5; ++i)
      io.read(256 * i, 1);  // evicts it
    CHECK(cache.counters().writebacks == 1);
    CHECK(io.debug_read(4, 3) == Bytes{3, 4, 3});
    payload.clear_extension(&tag);
  });
  driver.initiator.bind(cache.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("statistics carry units and formulas, energy comes from the book") {
  Bench bench(small());
  CacheConfig config = small();
  config.geometry.capacity_bytes = 128 * 1024;
  Bench other(config, flat(), "_other");
  bench.read_at(0, 0);
  bench.read_at(100, 0);
  sc_core::sc_start();
  std::map<std::string, Statistics::Value> values;
  bench.statistics.for_each([&](const Statistics::Value& value) { values[value.path] = value; });
  CHECK(values.at("test.cache.hit_rate").value == 0.5);
  CHECK(values.at("test.cache.hit_rate").formula == "hits / segments");
  CHECK(values.at("test.cache.latency").value == Approx((47 + 4) / 2.0));
  CHECK(values.at("test.cache.latency").unit == "ns");
  CHECK(values.at("test.cache.longest_latency").value == Approx(47));
  CHECK(values.at("test.cache.traffic_ratio").value == 0.5);
  CHECK(values.at("test.cache.fill_bytes").unit == "byte");
  const CostBook book =
      CostBook::load(ConfigNode::load(std::string(NIBBLE_SOURCE_DIR) + "/configs/technologies/published-28nm.yaml"));
  const SramEnergy energy = other.cache.energy(book, 1e-6);
  CHECK(energy.read_pj == 0);
  CHECK(energy.leakage_pj == Approx(79.4e3));  // 79.4 mW for a microsecond
  CHECK(energy.left_out == "tags and miss registers");
}

TEST_CASE("a cache's configuration is read with its units and checked") {
  const auto read = [](const std::string& text) { return CacheConfig::from(ConfigNode::parse(text, "c.yaml")); };
  const CacheConfig config = read(
      "{capacity_kib: 128, line_bytes: 128, sector_bytes: 32, ways: 4, clock_mhz: 1530, banks: 4, bytes_per_cycle: 64, "
      "hit_latency_cycles: 28, mshrs: 64, mshr_targets: 16, write_policy: through, memory_mib: 16}");
  CHECK(config.write_through);
  CHECK_FALSE(config.write_allocate);
  CHECK(config.miss_latency_cycles == 28);
  CHECK(config.memory_bytes == 16 << 20);
  CHECK(read("{capacity_kib: 1, ways: 2, clock_mhz: 1}").write_allocate);
  CHECK_THROWS_WITH(read("{capacity_kib: 1, ways: 2}"), Catch::Contains("clock_mhz"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, ways: 2, clock_mhz: 1, mshrs: 0}"), Catch::Contains("mshrs"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, ways: 2, clock_mhz: 1, mshr: 4}"), Catch::Contains("did you mean 'mshrs'"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, ways: 2, clock_mhz: 1, fill_bytes: 64}"), Catch::Contains("fill_bytes"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, ways: 2, clock_mhz: 1, write_policy: around}"),
                    Catch::Contains("c.yaml:1"));
  CacheConfig none = small();
  none.mshrs = 0;
  CHECK_THROWS_AS(Cache("cache", none), InternalError);
}
