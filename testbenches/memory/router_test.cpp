// SPDX-License-Identifier: Apache-2.0
/// The router between several initiators and targets: protocol, address map, fairness, conservation.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/random.h"
#include "memory/flat_memory.h"
#include "memory/router.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::SC_NS;
using sc_core::sc_time;

namespace {

FlatConfig flat(unsigned depth = 64) {
  FlatConfig config;
  config.bandwidth_gbps = 1;
  config.latency_ns = 10;
  config.capacity_bytes = 1 << 16;
  config.queue_depth = depth;
  return config;
}

RouterConfig two_targets(unsigned initiators) {
  RouterConfig config;
  config.initiators = initiators;
  config.targets = 2;
  config.windows = {{0, 1 << 16, 0, true}, {1 << 16, 1 << 16, 1, true}};
  return config;
}

DmaTransfer transfer(std::uint64_t address, std::uint64_t bytes) {
  DmaTransfer t;
  t.address = address;
  t.row_bytes = bytes;
  return t;
}

/// Three initiators, one of them behind stalls, each writes a picture over both memories and reads it back.
void check_traffic(bool annotate, unsigned depth) {
  FlatMemory low("low", flat(depth), nullptr), high("high", flat(depth), nullptr);
  Router router("router", two_targets(3));
  std::vector<std::unique_ptr<ProtocolMonitor>> monitors;
  const auto monitor = [&] {
    monitors.push_back(std::make_unique<ProtocolMonitor>(sc_core::sc_gen_unique_name("monitor")));
    return monitors.back().get();
  };
  ProtocolMonitor* at_low = monitor();
  ProtocolMonitor* at_high = monitor();
  StallingLink behind("behind", 5, 12, annotate);
  router.initiator(0).bind(at_low->in);
  at_low->out.bind(low.target);
  router.initiator(1).bind(behind.in);
  behind.out.bind(at_high->in);
  at_high->out.bind(high.target);
  StallingLink before("before", 6, 12, annotate);
  std::vector<std::unique_ptr<DmaEngine>> engines;
  std::vector<Bytes> out(3, Bytes(4000)), in(3, Bytes(4000));
  std::vector<DmaRecorder> done(3);
  Random random(1);
  for (unsigned i = 0; i < 3; ++i) {
    engines.push_back(std::make_unique<DmaEngine>(sc_core::sc_gen_unique_name("dma"), DmaConfig{4, 128}, nullptr));
    DmaEngine& dma = *engines.back();
    ProtocolMonitor* near = monitor();
    dma.memory.bind(near->in);
    if (i == 2) {
      near->out.bind(before.in);
      before.out.bind(router.target(i));
    } else {
      near->out.bind(router.target(i));
    }
    for (auto& byte : out[i])
      byte = static_cast<std::uint8_t>(random.next());
    DmaTransfer write = transfer((1 << 16) - 8000 + i * 5000, 200);
    write.rows = 20;
    write.stride = 250;
    write.write = true;
    write.data = out[i].data();
    done[i].then = [&, i, write](std::uint64_t token) {
      if (token != 0) return;
      DmaTransfer read = write;
      read.write = false;
      read.data = in[i].data();
      engines[i]->submit(read, done[i], 1);
    };
    dma.submit(write, done[i], 0);
  }
  sc_core::sc_start();
  std::uint64_t asked = 0, served = 0;
  for (unsigned i = 0; i < 3; ++i) {
    CAPTURE(i);
    REQUIRE(done[i].entries.size() == 2);
    // Transactions that cross the border of the two windows are refused; none does, 2^16 is a multiple of 128.
    CHECK(done[i].entries[1].status == tlm::TLM_OK_RESPONSE);
    CHECK(in[i] == out[i]);
    asked += engines[i]->read_bytes(Stream::host) + engines[i]->write_bytes(Stream::host);
    served += router.served(i).read_bytes + router.served(i).write_bytes;
    CHECK(router.served(i).transactions == engines[i]->transactions());
  }
  CHECK(asked == 3 * 2 * 4000);
  CHECK(served == asked);
  CHECK(low.bus_read_bytes() + low.bus_write_bytes() + high.bus_read_bytes() + high.bus_write_bytes() == asked);
  for (const auto& m : monitors) {
    CHECK(m->violations() == std::vector<std::string>{});
    CHECK(m->requests() == m->responses());
    CHECK(m->in_flight() == 0);
  }
}

}  // namespace

TEST_CASE("three initiators and two targets keep data and protocol, deep queues") {
  check_traffic(false, 64);
}
TEST_CASE("three initiators and two targets keep data and protocol, queues of one") {
  check_traffic(false, 1);
}
TEST_CASE("three initiators and two targets keep data and protocol, annotated delays") {
  check_traffic(true, 2);
}

TEST_CASE("round robin shares a target, priority serves the first initiator first") {
  struct Bench {
    Bench(Arbitration arbitration, const std::string& suffix)
        : memory(("memory" + suffix).c_str(), flat(1), nullptr),
          router(("router" + suffix).c_str(),
                 [&] {
                   RouterConfig config = RouterConfig::single_target(2, 1 << 16);
                   config.arbitration = arbitration;
                   return config;
                 }()),
          first(("first" + suffix).c_str(), {4, 64}, nullptr),
          second(("second" + suffix).c_str(), {4, 64}, nullptr) {
      first.memory.bind(router.target(0));
      second.memory.bind(router.target(1));
      router.initiator(0).bind(memory.target);
      second.submit(transfer(8192, 640), done, 1);
      first.submit(transfer(0, 640), done, 0);
    }
    FlatMemory memory;
    Router router;
    DmaEngine first, second;
    DmaRecorder done;
  };
  Bench fair(Arbitration::round_robin, "_fair"), strict(Arbitration::priority, "_strict");
  sc_core::sc_start();
  REQUIRE(fair.done.entries.size() == 2);
  REQUIRE(strict.done.entries.size() == 2);
  const auto gap = [](const Bench& b) { return b.done.entries[1].at - b.done.entries[0].at; };
  CHECK(gap(fair) <= sc_time(2 * 74, SC_NS));
  CHECK(strict.done.entries[0].token == 0);
  CHECK(gap(strict) >= sc_time(8 * 74, SC_NS));
  CHECK(strict.router.served(1).waited > strict.router.served(0).waited);
}

TEST_CASE("an access outside every window, or across the end of one, is an address error") {
  FlatMemory memory("memory", flat(), nullptr);
  RouterConfig config;
  config.windows = {{4096, 4096, 0, true}};
  Router router("router", config);
  router.initiator(0).bind(memory.target);
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
  driver.initiator.bind(router.target(0));
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
  router.initiator(0).bind(memory.target);
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
  const auto read = [](const std::string& text) { return RouterConfig::from(ConfigNode::parse(text, "r.yaml")); };
  CHECK(read("{initiators: 2, targets: 1, windows: [{base: 0, size_bytes: 64, target: 0}]}").initiators == 2);
  CHECK_THROWS_WITH(read("{initiators: 2, targets: 1, windows: [{base: 0, size_bytes: 64, target: 1}]}"),
                    Catch::Contains("r.yaml:1"));
}
