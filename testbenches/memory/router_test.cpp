// SPDX-License-Identifier: Apache-2.0
/// The router: address map, windows, errors, DMI, LT, statistics.
#include <catch2/catch.hpp>
#include <map>

#include "core/error.h"
#include "testbenches/memory/router_devices.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"

using namespace nibble;
using namespace nibble::test;

TEST_CASE("waiting and latency are counted per initiator") {
  FlatMemory memory("memory", flat(1), nullptr);
  Statistics statistics("test");
  Router router("router", RouterConfig::single_target(2, 1 << 16), &statistics);
  DmaEngine first("first", {4, 64}, nullptr), second("second", {4, 64}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(first.memory, router.target(0)).address_may_change();
  monitored.bind(second.memory, router.target(1)).address_may_change();
  monitored.bind(router.initiator(0), memory.target);
  DmaRecorder done;
  first.submit(transfer(0, 64), done, 0);   // 0 .. 74 ns
  first.submit(transfer(64, 64), done, 1);  // waits at the memory, 74 .. 148 ns
  sc_core::sc_start(sc_time(1, SC_NS));
  second.submit(transfer(128, 64), done, 2);  // waits at the arbiter from 1 to 74 ns, then until 222 ns
  sc_core::sc_start();
  CHECK(router.served(0).waited == sc_core::SC_ZERO_TIME);
  CHECK(router.served(1).waited == sc_time(73, SC_NS));
  CHECK(router.served(1).longest_wait == sc_time(73, SC_NS));
  CHECK(router.served(0).latency == sc_time(74 + 148, SC_NS));
  CHECK(router.served(0).longest_latency == sc_time(148, SC_NS));
  CHECK(router.served(1).latency == sc_time(221, SC_NS));
  std::map<std::string, Statistics::Value> values;
  statistics.for_each([&](const Statistics::Value& value) { values[value.path] = value; });
  CHECK(values.at("test.router.initiator0_latency").value == Approx(111));
  CHECK(values.at("test.router.initiator0_latency").unit == "ns");
  CHECK(values.at("test.router.initiator1_waited").value == Approx(73));
  CHECK(values.at("test.router.initiator0_reads").value == 2);
  CHECK(values.at("test.router.initiator1_read_bytes").value == 64);
}

TEST_CASE("LT moves the same data and bytes as AT, in the time of the target") {
  FlatMemory low("low", flat(), nullptr), high("high", flat(), nullptr);
  Router router("router", two_targets(2));
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), low.target);
  monitored.bind(router.initiator(1), high.target);
  DmaEngine dma("dma", {4, 64}, nullptr);
  monitored.bind(dma.memory, router.target(1)).address_may_change();
  Bytes written(256), by_at(256);
  for (std::size_t i = 0; i < written.size(); ++i)
    written[i] = static_cast<std::uint8_t>(3 * i);
  DmaRecorder done;
  sc_core::sc_event at_done;
  done.then = [&](std::uint64_t) { at_done.notify(sc_core::SC_ZERO_TIME); };
  SocketDriver driver("driver", [&](SocketDriver& io) {
    for (unsigned i = 0; i < 4; ++i) {
      const auto reply = io.write((1 << 16) - 128 + 64 * i, Bytes(&written[64 * i], &written[64 * i] + 64));
      CHECK(reply.status == tlm::TLM_OK_RESPONSE);
      CHECK(reply.took == sc_time(74, SC_NS));
    }
    DmaTransfer read = transfer((1 << 16) - 128, 256);
    read.data = by_at.data();
    dma.submit(read, done, 0);
    io.wait(at_done);
    CHECK(by_at == written);
    for (unsigned i = 0; i < 4; ++i) {
      CHECK(io.read((1 << 16) - 128 + 64 * i, 64).data == Bytes(&written[64 * i], &written[64 * i] + 64));
    }
    CHECK(router.served(0).read_bytes == router.served(1).read_bytes);
    CHECK(router.served(0).reads == router.served(1).reads);
    CHECK(router.served(0).responses == 8);
  });
  monitored.bind(driver.initiator, router.target(0)).address_may_change();
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("an error of the target reaches the initiator, by AT and by LT") {
  EarlyTarget memory("memory");
  memory.forbidden_from = 128;
  memory.forbidden_bytes = 64;
  Router router("router", RouterConfig::single_target(2, 1 << 20));
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), memory.target);
  DmaEngine dma("dma", {4, 64}, nullptr);
  monitored.bind(dma.memory, router.target(1)).address_may_change();
  DmaRecorder done;
  dma.submit(transfer(0, 256), done, 0);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    CHECK(io.read(127, 1).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(128, 64).status == tlm::TLM_GENERIC_ERROR_RESPONSE);
    io.wait(sc_time(1, sc_core::SC_US));
  });
  monitored.bind(driver.initiator, router.target(0)).address_may_change();
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].status == tlm::TLM_GENERIC_ERROR_RESPONSE);
  CHECK(router.served(0).error_responses == 1);
  CHECK(router.served(1).error_responses == 1);
}

namespace {

/// An initiator that keeps DMI invalidations.
class DirectUser : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_initiator_socket<> memory{"memory"};
  explicit DirectUser(sc_core::sc_module_name name) : sc_module(name) { memory.bind(*this); }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload&, tlm::tlm_phase&, sc_time&) override {
    return tlm::TLM_ACCEPTED;
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override {
    invalidated.emplace_back(start, end);
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> invalidated;
};

/// A target that grants DMI to all of its 256 KiB and can take it back.
class DirectTarget : public OddTarget {
 public:
  explicit DirectTarget(sc_core::sc_module_name name) : OddTarget(name), bytes(256 * 1024) {}
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload&, tlm::tlm_phase&, sc_time&) override {
    return tlm::TLM_COMPLETED;
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& p, tlm::tlm_dmi& dmi) override {
    dmi.set_start_address(0);
    dmi.set_end_address(bytes.size() - 1);
    asked = p.get_address();
    if (!granting) return false;
    dmi.set_dmi_ptr(bytes.data());
    dmi.allow_read_write();
    return true;
  }
  Bytes bytes;
  std::uint64_t asked = 0;
  bool granting = true;
};

}  // namespace

TEST_CASE("DMI is translated and cut to the window, and so is its invalidation") {
  DirectTarget memory("memory");
  RouterConfig config;
  config.initiators = 2;
  // Two windows onto one target, the second from its 64 KiB on.
  config.windows = {{0x100000, 0x4000, 0, true, 0x10000}, {0x4000, 0x4000, 0, false}};
  Router router("router", config);
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), memory.target);
  DirectUser first("first"), second("second");
  monitored.bind(first.memory, router.target(0)).address_may_change();
  monitored.bind(second.memory, router.target(1)).address_may_change();
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  Bytes data(1);
  tlm::tlm_generic_payload payload;
  tlm::tlm_dmi dmi;
  SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0x100010, data);
  REQUIRE(first.memory->get_direct_mem_ptr(payload, dmi));
  CHECK(memory.asked == 0x10010);
  CHECK(payload.get_address() == 0x100010);
  CHECK(dmi.get_start_address() == 0x100000);
  CHECK(dmi.get_end_address() == 0x103FFF);
  CHECK(dmi.get_dmi_ptr() == memory.bytes.data() + 0x10000);
  SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0x5000, data);
  REQUIRE(first.memory->get_direct_mem_ptr(payload, dmi));
  CHECK(dmi.get_start_address() == 0x4000);
  CHECK(dmi.get_end_address() == 0x7FFF);
  CHECK(dmi.get_dmi_ptr() == memory.bytes.data() + 0x4000);
  memory.granting = false;
  CHECK_FALSE(first.memory->get_direct_mem_ptr(payload, dmi));
  CHECK(dmi.get_start_address() == 0x4000);
  CHECK(dmi.get_end_address() == 0x7FFF);
  SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 0x9000, data);
  CHECK_FALSE(first.memory->get_direct_mem_ptr(payload, dmi));
  using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  memory.target->invalidate_direct_mem_ptr(0x7000, 0x100FF);  // the end of one window, the start of the other
  CHECK((first.invalidated == Ranges{{0x7000, 0x7FFF}, {0x100000, 0x1000FF}}));
  CHECK((second.invalidated == first.invalidated));
  memory.target->invalidate_direct_mem_ptr(0x8000, 0xFFFF);  // in no window
  CHECK(first.invalidated.size() == 2);
  memory.target->invalidate_direct_mem_ptr(0, ~std::uint64_t{0});
  CHECK(first.invalidated.size() == 4);
}

TEST_CASE("windows remap to any place of a target, by LT, AT and debug alike") {
  FlatMemory memory("memory", flat(), nullptr);
  RouterConfig config;
  config.initiators = 2;
  config.windows = {{1 << 20, 4096, 0, true, 8192}, {0, 1 << 16, 0, false}};
  Router router("router", config);
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), memory.target);
  DmaEngine dma("dma", {4, 64}, nullptr);
  monitored.bind(dma.memory, router.target(1)).address_may_change();
  Bytes out{9, 8, 7, 6};
  DmaTransfer write = transfer((1 << 20) + 100, 4);
  write.write = true;
  write.data = out.data();
  DmaRecorder done;
  dma.submit(write, done, 0);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    io.wait(sc_time(1, sc_core::SC_US));
    CHECK(io.read(8192 + 100, 4).data == out);
    CHECK(io.read((1 << 20) + 100, 4).data == out);
    CHECK(io.debug_read((1 << 20) + 100, 4) == out);
    CHECK(io.debug_write((1 << 20) + 101, {1}) == 1);
    CHECK(io.read(8192 + 101, 1).data == Bytes{1});
    Bytes data(4);
    tlm::tlm_generic_payload payload;
    sc_time delay;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, (1 << 20) + 100, data);
    io.initiator->b_transport(payload, delay);
    CHECK(payload.get_address() == (1 << 20) + 100);
  });
  monitored.bind(driver.initiator, router.target(0)).address_may_change();
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("an access outside every window, or across the end of one, is an address error") {
  FlatMemory memory("memory", flat(), nullptr);
  RouterConfig config;
  config.windows = {{4096, 4096, 0, true}};
  Router router("router", config);
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), memory.target);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    CHECK(io.write(4096, {1, 2}).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(4095, 1).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.read(8191, 1).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(8191, 2).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(io.debug_read(4096, 2) == Bytes{1, 2});
    CHECK(io.debug_read(0, 2).empty());
    Bytes data(1);
    tlm::tlm_generic_payload payload;
    tlm::tlm_dmi dmi;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, 4097, data);
    REQUIRE(io.initiator->get_direct_mem_ptr(payload, dmi));
    CHECK(dmi.get_start_address() == 4096);
    CHECK(dmi.get_end_address() == 8191);
    CHECK(dmi.get_dmi_ptr()[1] == 2);
    CHECK(router.served(0).address_errors == 2);
  });
  monitored.bind(driver.initiator, router.target(0)).address_may_change();
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("an AT access outside every window ends its transfer with an address error") {
  FlatMemory memory("memory", flat(), nullptr);
  Router router("router", RouterConfig::single_target(1, 1 << 16));
  ProtocolMonitor monitor("monitor");
  DmaEngine dma("dma", {4, 64}, nullptr);
  dma.memory.bind(monitor.in);
  monitor.out.bind(router.target(0));
  MonitoredLinks monitored;
  monitored.bind(router.initiator(0), memory.target);
  DmaRecorder done;
  dma.submit(transfer((1 << 16) - 128, 256), done, 0);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(monitor.violations() == std::vector<std::string>{});
  CHECK(dma.idle());
}

TEST_CASE("impossible address maps are refused") {
  const auto refuse = [](std::vector<RouterConfig::Window> windows, const char* part) {
    RouterConfig config;
    config.windows = std::move(windows);
    CHECK_THROWS_WITH(config.check(), Catch::Contains(part));
  };
  refuse({}, "no address window");
  refuse({{0, 0, 0, false}}, "empty");
  refuse({{0, 10, 1, false}}, "target 1 of 1");
  refuse({{0, 10, 0, false}, {9, 10, 0, false}}, "overlap");
  refuse({{~std::uint64_t{0} - 4, 10, 0, false}}, "beyond 2^64");
  RouterConfig uneven = RouterConfig::single_target(2, 64);
  uneven.priorities = {1};
  CHECK_THROWS_WITH(uneven.check(), Catch::Contains("1 priorities for 2 initiators"));
  const auto read = [](const std::string& text) { return RouterConfig::from(ConfigNode::parse(text, "r.yaml")); };
  CHECK(read("{initiators: 2, targets: 1, windows: [{base: 0, size_bytes: 64, target: 0}]}").initiators == 2);
  CHECK_THROWS_WITH(read("{initiators: 2, targets: 1, windows: [{base: 0, size_bytes: 64, target: 1}]}"),
                    Catch::Contains("r.yaml:1"));
  const RouterConfig full = read(
      "{initiators: 2, targets: 1, arbitration: priority, priorities: [3, 1], age_cap: 7, "
      "windows: [{base: 0, size_bytes: 64, target: 0, remap: true, target_base: 128}]}");
  CHECK(full.arbitration == Arbitration::priority);
  CHECK(full.priorities == std::vector<unsigned>{3, 1});
  CHECK(full.age_cap == 7);
  CHECK(full.windows[0].target_base == 128);
  CHECK_THROWS_WITH(read("{initiators: 2, targets: 1, priorities: [1.5, 2], windows: [{base: 0, size_bytes: 64, "
                         "target: 0}]}"),
                    Catch::Contains("whole numbers"));
  CHECK_THROWS_WITH(read("{initiators: 1, targets: 1, windows: [{base: 0, size_bytes: 64, target: 0}, {base: 32, "
                         "size_bytes: 64, target: 0}]}"),
                    Catch::Contains("overlap"));
}
