// SPDX-License-Identifier: Apache-2.0
/// A scratchpad behind a socket: times by hand, conflicts between initiators, LT against AT, DMI, debug, errors.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/random.h"
#include "memory/dma_engine.h"
#include "memory/router.h"
#include "memory/scratchpad_memory.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::SC_NS;
using sc_core::sc_time;

namespace {

/// 4 KiB in four banks of 8 bytes, 1 GHz, 2 cycles.
ScratchpadMemoryConfig four_banks(unsigned reads = 1, unsigned writes = 1, unsigned shared = 0) {
  ScratchpadMemoryConfig config;
  config.array = {4096, 4, 8, reads, writes, shared};
  config.latency_cycles = 2;
  return config;
}

DmaTransfer transfer(bool write, std::uint64_t address, std::uint64_t bytes) {
  DmaTransfer t;
  t.write = write;
  t.address = address;
  t.row_bytes = bytes;
  return t;
}

}  // namespace

TEST_CASE("words spread over the banks, one per bank and cycle") {
  ScratchpadMemory memory("memory", four_banks());
  SocketDriver driver("driver", [&](SocketDriver& io) {
    CHECK(io.read(0, 8).took == sc_time(2, SC_NS));
    CHECK(io.read(0, 32).took == sc_time(2, SC_NS));
    CHECK(io.read(4, 32).took == sc_time(3, SC_NS));  // five words, two in bank 0
    CHECK(io.read(0, 320).took == sc_time(11, SC_NS));
    CHECK(memory.reads() == 1 + 4 + 5 + 40);
    CHECK(memory.wait_cycles() == 1 + 4 * (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9));
    io.write(100, {1, 2, 3});
    CHECK(memory.writes() == 1);
    CHECK(io.read(99, 5).data == Bytes{0, 1, 2, 3, 0});
    CHECK(io.debug_read(100, 3) == Bytes{1, 2, 3});
    CHECK(io.read(4096, 1).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    Bytes data(1);
    tlm::tlm_generic_payload payload;
    tlm::tlm_dmi dmi;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 100, data);
    REQUIRE(io.initiator->get_direct_mem_ptr(payload, dmi));
    CHECK(dmi.get_end_address() == 4095);
    CHECK(dmi.get_read_latency() == sc_time(2, SC_NS));
  });
  MonitoredLinks monitored;
  monitored.bind(driver.initiator, memory.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  CHECK(memory.peak_bandwidth() == 4 * 2 * 8e9);
  CHECK(memory.idle_latency() == Approx(2e-9));
}

TEST_CASE("a read and a write meet at a shared port and pass at ports of their own") {
  struct Bench {
    Bench(const ScratchpadMemoryConfig& config, const std::string& suffix)
        : memory(("memory" + suffix).c_str(), config), dma(("dma" + suffix).c_str(), {4, 4096}) {
      monitored.bind(dma.memory, memory.target);
      dma.submit(transfer(false, 0, 64), done, 0);
      dma.submit(transfer(true, 0, 64), done, 1);
    }
    MonitoredLinks monitored;
    ScratchpadMemory memory;
    DmaEngine dma;
    DmaRecorder done;
  };
  Bench own(four_banks(), "_own"), shared(four_banks(0, 0, 1), "_shared"), three(four_banks(1, 1, 1), "_three");
  sc_core::sc_start();
  CHECK(own.done.entries[1].at == sc_time(3, SC_NS));  // two words per bank
  CHECK(shared.done.entries[0].at == sc_time(3, SC_NS));
  CHECK(shared.done.entries[1].at == sc_time(5, SC_NS));  // behind the read
  CHECK(three.done.entries[0].at == sc_time(2, SC_NS));   // both words at once
  CHECK(three.done.entries[1].at == sc_time(3, SC_NS));   // the shared port is taken in the first cycle
  CHECK(own.memory.bus_read_bytes() == 64);
  CHECK(own.memory.bus_write_bytes() == 64);
}

TEST_CASE("a random picture survives two initiators, stalls and a queue of one") {
  ScratchpadMemoryConfig config = four_banks();
  config.array.capacity_bytes = 1 << 16;
  config.queue_depth = 1;
  ScratchpadMemory memory("memory", config);
  ProtocolMonitor monitor("monitor");
  StallingLink link("link", 3, 7, true);
  Router router("router", RouterConfig::single_target(2, 1 << 16));
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), link.in);
  link.out.bind(monitor.in);
  monitor.out.bind(memory.target);
  DmaEngine first("first", {4, 64}), second("second", {4, 128});
  monitored.bind(first.memory, router.target(0));
  monitored.bind(second.memory, router.target(1));
  Random random(2);
  Bytes out[2] = {Bytes(3000), Bytes(3000)}, in[2] = {Bytes(3000), Bytes(3000)};
  DmaRecorder done;
  for (auto& bytes : out) {
    for (auto& byte : bytes)
      byte = static_cast<std::uint8_t>(random.next());
  }
  const auto run = [&](unsigned i, bool write) {
    DmaTransfer t = transfer(write, 10 + 5000 * i, 100);
    t.rows = 30;
    t.stride = 130;
    t.data = write ? out[i].data() : in[i].data();
    (i == 0 ? first : second).submit(t, done, 2 * i + !write);
  };
  done.then = [&](std::uint64_t token) {
    if (token % 2 == 0) run(static_cast<unsigned>(token / 2), false);
  };
  run(0, true);
  run(1, true);
  sc_core::sc_start();
  CHECK(done.entries.size() == 4);
  CHECK(in[0] == out[0]);
  CHECK(in[1] == out[1]);
  CHECK(monitor.violations() == std::vector<std::string>{});
  CHECK(monitor.requests() == monitor.responses());
  CHECK(monitor.requests() == first.transactions() + second.transactions());
}

TEST_CASE("LT and AT make the same accesses and take the same time alone") {
  ScratchpadMemory by_at("by_at", four_banks()), by_lt("by_lt", four_banks());
  DmaEngine dma("dma", {1, 4096});
  MonitoredLinks monitored;
  monitored.bind(dma.memory, by_at.target);
  DmaRecorder done;
  sc_core::sc_event ended;
  done.then = [&](std::uint64_t) { ended.notify(sc_core::SC_ZERO_TIME); };
  SocketDriver driver("driver", [&](SocketDriver& io) {
    Random random(4);
    for (unsigned i = 0; i < 100; ++i) {
      const bool write = random.below(2) != 0;
      const std::uint64_t length = 1 + random.below(200), address = random.below(4096 - length);
      const sc_time start = sc_core::sc_time_stamp();
      dma.submit(transfer(write, address, length), done, 0);
      io.wait(ended);
      const sc_time took = sc_core::sc_time_stamp() - start;
      REQUIRE((write ? io.write(address, Bytes(length)) : io.read(address, static_cast<unsigned>(length))).took ==
              took);
    }
    CHECK(by_at.reads() == by_lt.reads());
    CHECK(by_at.writes() == by_lt.writes());
    CHECK(by_at.wait_cycles() == by_lt.wait_cycles());
  });
  monitored.bind(driver.initiator, by_lt.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("energy since the last reset, and a configuration with units") {
  ScratchpadMemoryConfig config;
  config.array = {256 * 1024, 2, 32, 1, 1, 0};
  ScratchpadMemory memory("memory", config);
  const CostBook book = CostBook::load(ConfigNode::load(source_path("configs/technologies/published-28nm.yaml")));
  SocketDriver driver("driver", [&](SocketDriver& io) {
    io.read(0, 128);
    io.wait(sc_time(1, sc_core::SC_US) - sc_core::sc_time_stamp());
    SramEnergy energy = memory.energy(book);
    CHECK(energy.read_pj == Approx(4 * 41.54));
    CHECK(energy.leakage_pj == Approx(2 * 79.4e3));  // 79.4 mW per bank for a microsecond
    memory.reset_statistics();
    energy = memory.energy(book);
    CHECK(energy.total_pj() == 0);
  });
  MonitoredLinks monitored;
  monitored.bind(driver.initiator, memory.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  CHECK_FALSE(static_cast<MemorySystem&>(memory).energy().known);
  const auto read = [](const std::string& text) {
    return ScratchpadMemoryConfig::from(ConfigNode::parse(text, "s.yaml"));
  };
  CHECK(read("{capacity_kib: 64, banks: 8, width_bits: 256, clock_mhz: 500, latency_cycles: 3}").latency_cycles == 3);
  CHECK_THROWS_WITH(read("{capacity_kib: 64}"), Catch::Contains("clock_mhz"));
  CHECK_THROWS_WITH(read("{capacity_kib: 64, clock_mhz: 500, bank: 2}"), Catch::Contains("did you mean 'banks'"));
}
