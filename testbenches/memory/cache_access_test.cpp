// SPDX-License-Identifier: Apache-2.0
/// The cache beside its timing: LT, errors of the memory, maintenance, debug, timing-only traffic, statistics,
/// configuration.
#include <catch2/catch.hpp>
#include <map>

#include "core/error.h"
#include "memory/cache.h"
#include "memory/router.h"
#include "testbenches/memory/cache_bench.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;

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
    payload.set_byte_enable_length(4);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    CHECK(cache.counters().refused == 5);
  });
  MonitoredLinks monitored;
  monitored.bind(driver.initiator, cache.target);
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
  MonitoredLinks monitored;
  monitored.bind(dma.memory, router.target(0));
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
  monitored.bind(driver.initiator, router.target(1));
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
  MonitoredLinks monitored;
  monitored.bind(cache.memory, memory.target);
  Router router("router", RouterConfig::single_target(2, 1 << 20));
  monitored.bind(router.initiator(0), cache.target);
  DmaEngine dma("dma", {16, 64}, nullptr);
  monitored.bind(dma.memory, router.target(0));
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
  monitored.bind(driver.initiator, router.target(1));
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
  MonitoredLinks monitored;
  monitored.bind(driver.initiator, cache.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  CHECK(monitor.violations() == std::vector<std::string>{});
}

TEST_CASE("debug writes reach cached lines, dirty ones too, and the memory") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  MonitoredLinks monitored;
  monitored.bind(cache.memory, memory.target);
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
  monitored.bind(driver.initiator, cache.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("timing-only traffic moves time and dirty bits but no data") {
  FlatMemory memory("memory", flat(), nullptr);
  Cache cache("cache", small(), nullptr);
  MonitoredLinks monitored;
  monitored.bind(cache.memory, memory.target);
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
  monitored.bind(driver.initiator, cache.target);
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
  const CostBook book = CostBook::load(ConfigNode::load(source_path("configs/technologies/published-28nm.yaml")));
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
