// SPDX-License-Identifier: Apache-2.0
/// The flat memory through its socket: LT, AT, debug, DMI, errors, time, energy; and its presets.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "memory/flat_memory.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/socket_driver.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::SC_NS;
using sc_core::sc_time;

namespace {

FlatConfig flat() {
  FlatConfig config;
  config.bandwidth_gbps = 2;
  config.latency_ns = 10;
  config.capacity_bytes = 1 << 20;
  return config;
}

/// Runs `body` against `memory` in a thread of its own.
void drive(MemorySystem& memory, std::function<void(SocketDriver&)> body) {
  SocketDriver driver("driver", std::move(body));
  MonitoredLinks monitored;
  ProtocolMonitor& monitor = monitored.bind(driver.initiator, memory.target);
  for (const char* rule : {"no data length", "no streaming width"})  // which the memory has to answer
    monitor.tolerate(rule);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

}  // namespace

TEST_CASE("a flat memory returns what was written after its time and refuses what lies outside") {
  FlatMemory memory("memory", flat(), nullptr);
  drive(memory, [](SocketDriver& io) {
    const auto written = io.write((1 << 20) - 4, {1, 2, 3, 4});
    CHECK(written.status == tlm::TLM_OK_RESPONSE);
    CHECK(written.took == sc_time(12, SC_NS));
    CHECK(io.read((1 << 20) - 4, 4).data == Bytes{1, 2, 3, 4});
    CHECK(io.read(0, 3).data == Bytes{0, 0, 0});
    CHECK(io.read((1 << 20) - 3, 4).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read(~std::uint64_t{0}, 4).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read(~std::uint64_t{0}, 4).took == sc_core::SC_ZERO_TIME);
    CHECK(io.read(0, 0).status == tlm::TLM_BURST_ERROR_RESPONSE);
  });
}

TEST_CASE("a flat memory refuses byte enables and streaming") {
  FlatMemory memory("memory", flat(), nullptr);
  drive(memory, [](SocketDriver& io) {
    Bytes data(8), enables(8, TLM_BYTE_ENABLED);
    tlm::tlm_generic_payload payload;
    sc_time delay = sc_core::SC_ZERO_TIME;
    SocketDriver::set(payload, tlm::TLM_WRITE_COMMAND, 0, data);
    payload.set_byte_enable_ptr(enables.data());
    payload.set_byte_enable_length(8);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    SocketDriver::set(payload, tlm::TLM_WRITE_COMMAND, 0, data);
    payload.set_streaming_width(4);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
    CHECK(delay == sc_core::SC_ZERO_TIME);
  });
}

TEST_CASE("debug access takes no time and stops at the end of the memory") {
  FlatMemory memory("memory", flat(), nullptr);
  drive(memory, [&](SocketDriver& io) {
    CHECK(io.debug_write((1 << 20) - 2, {5, 6, 7, 8}) == 2);
    CHECK(io.debug_read((1 << 20) - 2, 4) == Bytes{5, 6});
    CHECK(io.debug_read(1 << 20, 4).empty());
    CHECK(sc_core::sc_time_stamp() == sc_core::SC_ZERO_TIME);
    CHECK(memory.bus_read_bytes() == 0);
  });
}

TEST_CASE("DMI is granted for pages that exist, up to their last byte") {
  FlatMemory memory("memory", flat(), nullptr);
  drive(memory, [](SocketDriver& io) {
    Bytes data(1);
    tlm::tlm_generic_payload payload;
    tlm::tlm_dmi dmi;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 70000, data);
    CHECK_FALSE(io.initiator->get_direct_mem_ptr(payload, dmi));
    io.write(70000, {42});
    REQUIRE(io.initiator->get_direct_mem_ptr(payload, dmi));
    CHECK(dmi.get_start_address() == 65536);
    CHECK(dmi.get_end_address() == 131071);
    CHECK(dmi.is_read_write_allowed());
    CHECK(dmi.get_dmi_ptr()[70000 - 65536] == 42);
    dmi.get_dmi_ptr()[131071 - 65536] = 43;
    CHECK(io.read(131071, 1).data == Bytes{43});
    payload.set_address(1 << 20);
    CHECK_FALSE(io.initiator->get_direct_mem_ptr(payload, dmi));
  });
}

TEST_CASE("temporal decoupling: the annotated delay goes in and comes out, requests queue behind one another") {
  FlatMemory memory("memory", flat(), nullptr);
  drive(memory, [](SocketDriver& io) {
    Bytes data(100);
    tlm::tlm_generic_payload payload;
    sc_time delay(30, SC_NS);
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0, data);
    io.initiator->b_transport(payload, delay);
    CHECK(delay == sc_time(30 + 50 + 10, SC_NS));
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0, data);
    delay = sc_time(40, SC_NS);
    io.initiator->b_transport(payload, delay);
    CHECK(delay == sc_time(30 + 50 + 50 + 10, SC_NS));
  });
}

TEST_CASE("a transfer marked timing_only moves time and bytes on the bus, but no data") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {4, 256}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
  DmaRecorder done;
  DmaTransfer transfer;
  transfer.write = true;
  transfer.row_bytes = 1024;
  dma.submit(transfer, done, 0);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].at == sc_time(512 + 10, SC_NS));
  CHECK(memory.bus_write_bytes() == 1024);
  tlm::tlm_generic_payload payload;
  tlm::tlm_dmi dmi;
  payload.set_address(0);
  CHECK_FALSE(memory.get_direct_mem_ptr(payload, dmi));
}

TEST_CASE("energy of a flat memory is bits times constant plus background, mW x ns = pJ") {
  FlatConfig config = flat();
  config.read_pj_per_bit = 0.5;
  config.write_pj_per_bit = 2;
  config.background_mw = 3;
  config.burst_bytes = 32;
  FlatMemory memory("memory", config, nullptr);
  drive(memory, [&](SocketDriver& io) {
    io.read(30, 4);  // touches two bursts
    io.write(64, {1});
    const double elapsed_ns = sc_core::sc_time_stamp().to_seconds() * 1e9;
    CHECK(elapsed_ns == Approx((64 / 2.0 + 10) + (32 / 2.0 + 10)));
    const MemoryEnergy energy = memory.energy();
    CHECK(energy.known);
    CHECK(energy.read_pj == Approx(64 * 8 * 0.5));
    CHECK(energy.write_pj == Approx(32 * 8 * 2.0));
    CHECK(energy.background_pj == Approx(3 * elapsed_ns));
    memory.reset_statistics();
    CHECK(memory.energy().total_pj() == 0);
    CHECK(memory.bus_read_bytes() == 0);
  });
}

TEST_CASE("an energy that is not known says so") {
  FlatMemory memory("memory", flat(), nullptr);
  CHECK_FALSE(memory.energy().known);
}

TEST_CASE("flat presets carry the published constants") {
  struct Expected {
    const char* name;
    double gbps, read_pj_per_bit;
  };
  const Expected all[] = {
      {"flat-ant", 64, 0.629},        {"flat-bitmod", 32, 18.75},      {"flat-axcore", 128, 0.629},
      {"flat-bitfusion", 12, 15},     {"flat-harmonia", 256, 3.9},     {"flat-hbq", 64, 4},
      {"flat-prosperity", 64, 12.45}, {"flat-unicore-ddr4", 128, 8.7}, {"flat-unicore-hbm2", 1024, 1.57}};
  for (const Expected& expected : all) {
    CAPTURE(expected.name);
    const auto file = source_path(std::string("configs/memories/") + expected.name + ".yaml");
    auto memory = make_memory(sc_core::sc_gen_unique_name("memory"), ConfigNode::load(file), nullptr);
    CHECK(memory->peak_bandwidth() == Approx(expected.gbps * 1e9));
    CHECK(memory->energy().known);
    CHECK_FALSE(memory->source().empty());
    CHECK(FlatConfig::from(ConfigNode::load(file)).read_pj_per_bit == expected.read_pj_per_bit);
  }
  const auto file = source_path("configs/memories/flat-64gbps.yaml");
  auto memory = make_memory("open", ConfigNode::load(file), nullptr);
  CHECK(memory->peak_bandwidth() == Approx(64e9));
  CHECK_FALSE(memory->energy().known);
}

TEST_CASE("a memory configuration is refused with place and reason") {
  const auto refuse = [](const std::string& text, const std::string& part) {
    CHECK_THROWS_WITH(make_memory("memory", ConfigNode::parse(text, "m.yaml"), nullptr), Catch::Contains(part));
  };
  refuse("kind: flta\n", "flat");
  refuse("kind: flat\nsource: none\n", "bandwidth_gbps");
  refuse("kind: flat\nsource: none\nbandwidth_gbps: 1\nread_pj_per_bit: 1\nwrite_pj_per_bit: maybe\nbackground_mw: 0\n",
         "m.yaml:5");
  refuse(
      "kind: flat\nsource: none\nbandwidth_gbps: 1\nread_pj_per_bit: 1\nwrite_pj_per_bit: 1\nbackground_mw: 0\nbanks: "
      "4\n",
      "banks");
}
