// SPDX-License-Identifier: Apache-2.0
/// The DRAM behind its socket: presets, time, protocol, data, LT, back-pressure, energy.
#include <catch2/catch.hpp>
#include <map>

#include "core/random.h"
#include "core/units.h"
#include "memory/dram.h"
#include "memory/trace_replay.h"
#include "testbenches/memory/dram_devices.h"
#include "testbenches/memory/dram_trace.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::sc_time;

namespace {

std::unique_ptr<MemorySystem> preset(const std::string& name) {
  const auto file = source_path("configs/memories/" + name + ".yaml");
  return make_memory("memory", ConfigNode::load(file), nullptr);
}

DmaTransfer transfer(std::uint64_t address, std::uint64_t bytes, bool write = false) {
  DmaTransfer t;
  t.address = address;
  t.row_bytes = bytes;
  t.write = write;
  return t;
}

void drive(MemorySystem& memory, std::function<void(SocketDriver&)> body) {
  SocketDriver driver("driver", std::move(body));
  MonitoredLinks monitored;
  ProtocolMonitor& monitor = monitored.bind(driver.initiator, memory.target);
  for (const char* rule : {"no data length", "no streaming width"})  // which the memory has to answer
    monitor.tolerate(rule);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

sc_time cycles(const Dram& dram, Cycle count) {
  return sc_time(dram.device().tck_ns, sc_core::SC_NS) * static_cast<double>(count);
}

/// Capacity and peak as the data sheet says, and the bandwidth of a long sequential read.
void check_preset(const char* name, double gib, double peak_gbps, double least_share, double most_share) {
  const auto memory = preset(name);
  CHECK(static_cast<double>(memory->capacity_bytes()) == Approx(gib * static_cast<double>(nibble::gib)));
  CHECK(memory->peak_bandwidth() == Approx(peak_gbps * 1e9).epsilon(1e-3));
  CHECK_FALSE(memory->source().empty());
  DmaEngine dma("dma", {16, 16384}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory->target);
  DmaRecorder done;
  constexpr std::uint64_t bytes = 16 * mib;
  dma.submit(transfer(0, bytes), done, 0);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].status == tlm::TLM_OK_RESPONSE);
  const double share = static_cast<double>(bytes) / done.entries[0].at.to_seconds() / memory->peak_bandwidth();
  CAPTURE(share);
  CHECK(share >= least_share);
  CHECK(share <= most_share);
  CHECK(memory->bus_read_bytes() == bytes);
  CHECK(dma.read_bytes(Stream::host) == bytes);
}

}  // namespace

// The upper bound is what refresh of all banks leaves, 1 - tRFC / tREFI; one rank or bank at a time hides behind
// others.
TEST_CASE("preset ddr5-4800") {
  check_preset("ddr5-4800", 16, 38.4, 0.915, 0.925);
}
TEST_CASE("preset lpddr4-3200") {
  check_preset("lpddr4-3200", 4, 25.6, 0.95, 1);
}
TEST_CASE("preset lpddr5-6400") {
  check_preset("lpddr5-6400", 4, 51.2, 0.95, 1);
}
TEST_CASE("preset gddr6-16") {
  check_preset("gddr6-16", 1, 64, 0.9, 0.943);
}
TEST_CASE("preset hbm3") {
  check_preset("hbm3", 16, 819.2, 0.94, 1);
}
TEST_CASE("preset hbm2") {
  check_preset("hbm2", 256, 64, 0.91, 0.934);
}
TEST_CASE("preset hbm2-lockstep") {
  check_preset("hbm2-lockstep", 256, 64, 0.91, 0.934);
}
TEST_CASE("preset hbm2-x128") {
  check_preset("hbm2-x128", 256, 64, 0.91, 0.934);
}
TEST_CASE("preset ddr4-2400") {
  check_preset("ddr4-2400", 16, 19.2, 0.94, 0.956);
}
TEST_CASE("preset ddr4-3200") {
  check_preset("ddr4-3200", 16, 25.6, 0.94, 0.956);
}
TEST_CASE("preset reference-ddr4-a") {
  check_preset("reference-ddr4-a", 8, 19.21, 0.74, 0.8);
}
TEST_CASE("preset reference-ddr4-b") {
  check_preset("reference-ddr4-b", 8, 19.21, 0.945, 0.956);
}
TEST_CASE("preset reference-lpddr4-a") {
  check_preset("reference-lpddr4-a", 0.5, 6.4, 0.93, 0.954);
}
TEST_CASE("preset reference-lpddr4-b") {
  check_preset("reference-lpddr4-b", 0.5, 6.4, 0.93, 0.954);
}
TEST_CASE("preset reference-hbm2-a") {
  check_preset("reference-hbm2-a", 0.5, 16, 0.91, 0.934);
}
TEST_CASE("preset reference-hbm2-b") {
  check_preset("reference-hbm2-b", 0.5, 16, 0.91, 0.934);
}

TEST_CASE("a blocking read of a closed row, of an open row and of another row take what the data sheet says") {
  Dram dram("dram", load_device("reference-ddr4-b"), nullptr);
  const DramTiming t = dram.device().timing;
  const Cycle data = t.cl + dram.device().geometry.burst_cycles();
  drive(dram, [&](SocketDriver& io) {
    CHECK(io.read(0, 64).took == cycles(dram, 1 + t.rcd_read + data));
    CHECK(io.read(1024, 4).took == cycles(dram, 1 + data));
    io.wait(cycles(dram, 100));
    CHECK(io.read(std::uint64_t{1} << 17, 64).took == cycles(dram, 1 + t.rp + t.rcd_read + data));
    CHECK(dram.counters().misses == 1);
    CHECK(dram.counters().conflicts == 1);
    CHECK(dram.counters().reads == 3);
    CHECK(dram.idle_latency() == Approx(cycles(dram, 1 + t.rcd_read + data).to_seconds()));
  });
}

TEST_CASE("LT and AT take the same time and see the same bytes") {
  const DramDevice device = load_device("reference-hbm2-b");
  Dram blocking("blocking", device, nullptr), phased("phased", device, nullptr);
  DmaEngine dma("dma", {1, 4096}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, phased.target);
  DmaRecorder done;
  Bytes out(3000), in(3000);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::uint8_t>(i * 7 + 1);
  DmaTransfer write = transfer(500, 3000, true);
  write.data = out.data();
  done.then = [&](std::uint64_t token) {
    DmaTransfer read = transfer(500, 3000);
    read.data = in.data();
    if (token == 0) dma.submit(read, done, 1);
  };
  dma.submit(write, done, 0);
  drive(blocking, [&](SocketDriver& io) {
    const auto written = io.write(500, out);
    io.wait(sc_time(1, sc_core::SC_US));
    const auto read = io.read(500, 3000);
    CHECK(read.data == out);
    io.wait(sc_time(1, sc_core::SC_US));
    REQUIRE(done.entries.size() == 2);
    CHECK(in == out);
    CHECK(done.entries[0].at == written.took);
  });
}

TEST_CASE("DMI and debug see the bytes of the banks, take no time and issue no command") {
  Dram dram("dram", load_device("lpddr5-6400"), nullptr);
  drive(dram, [&](SocketDriver& io) {
    io.write(70000, {1, 2, 3, 4});
    const auto bursts = dram.counters().writes;
    const sc_time before = sc_core::sc_time_stamp();
    Bytes data(4);
    tlm::tlm_generic_payload payload;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 70000, data);
    CHECK(io.initiator->transport_dbg(payload) == 4);
    CHECK(data == Bytes{1, 2, 3, 4});
    tlm::tlm_dmi dmi;
    REQUIRE(io.initiator->get_direct_mem_ptr(payload, dmi));
    CHECK(dmi.get_dmi_ptr()[70002 - dmi.get_start_address()] == 3);
    dmi.get_dmi_ptr()[70002 - dmi.get_start_address()] = 9;
    CHECK(dmi.get_read_latency() > sc_core::SC_ZERO_TIME);
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, dram.capacity_bytes() - 2, data);
    CHECK(io.initiator->transport_dbg(payload) == 2);
    CHECK(sc_core::sc_time_stamp() == before);
    CHECK(dram.counters().writes == bursts);
    CHECK(dram.counters().reads == 0);
    CHECK(io.read(70000, 4).data == Bytes{1, 2, 9, 4});
  });
}

TEST_CASE("blocking accesses far apart meet refreshes of single banks and always end") {
  Dram dram("dram", load_device("lpddr4-3200"), nullptr);
  const DramTiming t = dram.device().timing;
  drive(dram, [&](SocketDriver& io) {
    const sc_time longest = cycles(dram, 2 + t.rp + t.rfc_bank + t.ras + t.rp + t.rcd_read + t.cl + 8);
    for (unsigned i = 0; i < 2000; ++i) {
      const auto read = io.read(i * 37 % 4096 * 64, 32);
      REQUIRE(read.status == tlm::TLM_OK_RESPONSE);
      REQUIRE(read.took <= longest);
      io.wait(sc_time(97 + i % 13, sc_core::SC_NS));
    }
    CHECK(dram.counters().reads == 2000);
    const double due = dram.elapsed_cycles() * 8 * 4 / static_cast<double>(t.refi);
    CHECK(static_cast<double>(dram.counters().refreshes) == Approx(due).margin(5));
  });
}

TEST_CASE("energy and commands of the ranks sum to those of the memory, and a second channel adds its own") {
  Dram dram("dram", load_device("ddr4-3200"), nullptr);
  Dram wide("wide", load_device("ddr4-3200", {"channels=2", "mapping=row rank bank column:3 channel column bankgroup"}),
            nullptr);
  DmaEngine one("one", {8, 4096}, nullptr), two("two", {8, 4096}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(one.memory, dram.target);
  monitored.bind(two.memory, wide.target);
  DmaRecorder done;
  for (DmaEngine* dma : {&one, &two}) {
    dma->submit(transfer(0, 4 * mib), done, 0);
    dma->submit(transfer(256 * mib, 2 * mib, true), done, 1);
  }
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 4);
  for (const Dram* memory : {&dram, &wide}) {
    MemoryEnergy sum;
    RankCounters counters;
    for (const auto& rank : memory->ranks()) {
      counters += rank.counters;
      sum.activate_pj += rank.energy.activate_pj;
      sum.read_pj += rank.energy.read_pj;
      sum.write_pj += rank.energy.write_pj;
      sum.refresh_pj += rank.energy.refresh_pj;
      sum.background_pj += rank.energy.active_standby_pj + rank.energy.precharge_standby_pj;
    }
    const MemoryEnergy all = memory->energy();
    CHECK(counters.activates == memory->counters().activates);
    CHECK(sum.total_pj() == Approx(all.total_pj()));
    CHECK(sum.background_pj == Approx(all.background_pj));
    CHECK(memory->ranks().size() == 2 * memory->device().geometry.channels);
  }
  // The same bursts; twice the standing ranks, which have a row open for a shorter time.
  CHECK(wide.energy().read_pj == dram.energy().read_pj);
  CHECK(wide.energy().write_pj == dram.energy().write_pj);
  CHECK(wide.energy().background_pj <= 2 * dram.energy().background_pj);
  CHECK(wide.energy().background_pj >= 1.5 * dram.energy().background_pj);
}

TEST_CASE("errors: beyond the end, byte enables, streaming width, zero length") {
  Dram dram("dram", load_device("reference-hbm2-a"), nullptr);
  const std::uint64_t end = dram.capacity_bytes();
  drive(dram, [&](SocketDriver& io) {
    CHECK(io.read(end - 32, 32).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(end - 31, 32).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.write(end, {1}).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read(~std::uint64_t{0} - 2, 4).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read(0, 0).status == tlm::TLM_BURST_ERROR_RESPONSE);
    Bytes data(8), enables(8, TLM_BYTE_ENABLED);
    tlm::tlm_generic_payload payload;
    sc_time delay;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0, data);
    payload.set_byte_enable_ptr(enables.data());
    payload.set_byte_enable_length(8);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0, data);
    payload.set_streaming_width(4);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
    CHECK(dram.counters().reads == 1);
  });
}

namespace {

/// Reads and writes of random sizes over random stalls: data as in a plain array, protocol kept, nothing lost.
void check_traffic(const std::string& name, bool stalls, bool annotate) {
  DramDevice device = load_device(name);
  device.queues.transactions = 5;
  Dram dram("dram", device, nullptr);
  ProtocolMonitor near("near"), far("far");
  std::unique_ptr<StallingLink> link;
  DmaEngine dma("dma", {8, 1024}, nullptr);
  dma.memory.bind(near.in);
  if (stalls) {
    link = std::make_unique<StallingLink>("link", 3, 40, annotate);
    near.out.bind(link->in);
    link->out.bind(far.in);
  } else {
    near.out.bind(far.in);
  }
  far.out.bind(dram.target);

  Random random(9);
  constexpr std::uint64_t area = 64 * 1024;
  Bytes shadow(area);
  std::vector<Bytes> buffers(200);
  std::vector<DmaTransfer> transfers;
  std::uint64_t asked = 0;
  for (Bytes& buffer : buffers) {
    DmaTransfer t = transfer(0, 1 + random.below(300), random.below(2) == 0);
    t.rows = 1 + random.below(5);
    t.stride = t.row_bytes + random.below(200);
    t.address = random.below(area - t.rows * t.stride);
    buffer.resize(t.bytes());
    if (t.write) {
      for (auto& byte : buffer)
        byte = static_cast<std::uint8_t>(random.next());
    }
    t.data = buffer.data();
    asked += t.bytes();
    transfers.push_back(t);
  }
  DmaRecorder done;  // one after the other, so that the order of effects is known
  done.then = [&](std::uint64_t token) {
    if (token + 1 < transfers.size()) dma.submit(transfers[token + 1], done, token + 1);
  };
  dma.submit(transfers[0], done, 0);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == transfers.size());
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    const DmaTransfer& t = transfers[i];
    CHECK(done.entries[i].status == tlm::TLM_OK_RESPONSE);
    for (std::uint64_t row = 0; row < t.rows; ++row) {
      auto* place = shadow.data() + t.address + row * t.stride;
      const auto* packed = buffers[i].data() + row * t.row_bytes;
      if (t.write) {
        std::copy_n(packed, t.row_bytes, place);
      } else {
        REQUIRE(std::equal(packed, packed + t.row_bytes, place));
      }
    }
  }
  CHECK(dma.read_bytes(Stream::host) + dma.write_bytes(Stream::host) == asked);
  CHECK(near.violations() == std::vector<std::string>{});
  CHECK(far.violations() == std::vector<std::string>{});
  CHECK(far.requests() == dma.transactions());
  CHECK(far.responses() == far.requests());
  CHECK(far.most_in_flight() <= 6);
  const double seconds = sc_core::sc_time_stamp().to_seconds();
  CHECK(static_cast<double>(dram.bus_read_bytes() + dram.bus_write_bytes()) <= dram.peak_bandwidth() * seconds);
}

}  // namespace

TEST_CASE("random traffic keeps data and protocol") {
  check_traffic("hbm2", false, false);
}
TEST_CASE("random traffic behind stalls keeps data and protocol") {
  check_traffic("hbm2", true, false);
}
TEST_CASE("random traffic with annotated delays keeps data and protocol") {
  check_traffic("reference-ddr4-a", true, true);
}

TEST_CASE("a full transaction queue withholds END_REQ") {
  DramDevice device = load_device("reference-hbm2-b");
  device.queues.transactions = 3;
  Dram dram("dram", device, nullptr);
  ProtocolMonitor monitor("monitor");
  DmaEngine dma("dma", {16, 256}, nullptr);
  dma.memory.bind(monitor.in);
  monitor.out.bind(dram.target);
  DmaRecorder done;
  dma.submit(transfer(0, 65536), done, 0);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(monitor.most_in_flight() == 4);
  CHECK(monitor.violations() == std::vector<std::string>{});
}

TEST_CASE("replay through the socket gives the cycles of the scheduler alone") {
  const auto memory = preset("reference-hbm2-a");
  const DramDevice device = load_device("reference-hbm2-a");
  const auto trace = standard_trace("mix_seq", shape_of(device));
  const TraceOutcome alone = run_trace(device, trace);
  const ReplayFigures figures = replay(*memory, trace);
  CHECK(figures.cycles == static_cast<double>(alone.cycles));
  CHECK(figures.activates == alone.counters.activates);
  CHECK(figures.reads + figures.writes == trace.size());
  CHECK(figures.bytes == trace.size() * 32);
  CHECK(figures.errors == 0);
  CHECK(figures.utilization <= 1);
  CHECK(figures.time_ns == Approx(figures.cycles * device.tck_ns));
}

TEST_CASE("two memories in one process behave like one alone") {
  const DramDevice device = load_device("hbm2");
  Dram one("one", device, nullptr), two("two", device, nullptr);
  DmaEngine first("first", {8, 4096}, nullptr), second("second", {8, 4096}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(first.memory, one.target);
  monitored.bind(second.memory, two.target);
  DmaRecorder done;
  first.submit(transfer(4096, 300000), done, 0);
  second.submit(transfer(4096, 300000), done, 1);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 2);
  CHECK(done.entries[0].at == done.entries[1].at);
  CHECK(one.counters().activates == two.counters().activates);
  CHECK(one.energy().total_pj() == two.energy().total_pj());
}

TEST_CASE("statistics count from their reset") {
  Statistics root("platform");
  Dram dram("dram", load_device("reference-ddr4-b"), &root);
  drive(dram, [&](SocketDriver& io) {
    io.read(0, 4096);
    dram.reset_statistics();
    CHECK(dram.energy().total_pj() == 0);
    CHECK(dram.bus_read_bytes() == 0);
    io.read(0, 128);
    CHECK(dram.bus_read_bytes() == 128);
    std::map<std::string, double> values;
    root.for_each([&](const Statistics::Value& v) {
      if (v.value) values[v.path] = *v.value;
      CHECK_FALSE(v.unit.empty());
      CHECK_FALSE(v.meaning.empty());
    });
    CHECK(values.at("platform.dram.channel0.reads") == 2);
    CHECK(values.at("platform.dram.read_bytes") == 128);
    CHECK(values.at("platform.dram.row_hit_rate") == 1);
  });
}
