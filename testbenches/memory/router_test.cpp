// SPDX-License-Identifier: Apache-2.0
/// The router between several initiators and targets: protocol, address map, fairness, conservation.
#include <catch2/catch.hpp>
#include <map>

#include "core/error.h"
#include "core/random.h"
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

struct Partners {
  Partners(tlm::tlm_target_socket<>& low_, tlm::tlm_target_socket<>& high_) : low(low_), high(high_) {}
  tlm::tlm_target_socket<>&low, &high;
};

/// Three initiators, one of them behind stalls, each writes a picture over both memories and reads it back.
void check_traffic(Partners partners, bool annotate, Arbitration arbitration = Arbitration::round_robin) {
  RouterConfig config = two_targets(3);
  config.arbitration = arbitration;
  Statistics statistics("test");
  Router router("router", config, &statistics);
  std::vector<std::unique_ptr<ProtocolMonitor>> monitors;
  const auto monitor = [&] {
    monitors.push_back(std::make_unique<ProtocolMonitor>(sc_core::sc_gen_unique_name("monitor")));
    return monitors.back().get();
  };
  ProtocolMonitor* at_low = monitor();
  ProtocolMonitor* at_high = monitor();
  StallingLink behind("behind", 5, 12, annotate);
  router.initiator(0).bind(at_low->in);
  at_low->out.bind(partners.low);
  router.initiator(1).bind(behind.in);
  behind.out.bind(at_high->in);
  at_high->out.bind(partners.high);
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
    const Router::Served& mine = router.served(i);
    served += mine.read_bytes + mine.write_bytes;
    CHECK(mine.transactions == engines[i]->transactions());
    CHECK(mine.transactions == mine.reads + mine.writes);
    CHECK(mine.transactions == mine.responses);
    CHECK(mine.error_responses + mine.address_errors == 0);
    CHECK(mine.waited <= mine.latency);
    CHECK(mine.longest_wait <= mine.longest_latency);
  }
  CHECK(asked == 3 * 2 * 4000);
  CHECK(served == asked);
  for (const auto& m : monitors) {
    CHECK(m->violations() == std::vector<std::string>{});
    CHECK(m->requests() == m->responses());
    CHECK(m->in_flight() == 0);
  }
}

void check_flat(bool annotate, unsigned depth, Arbitration arbitration = Arbitration::round_robin) {
  FlatMemory low("low", flat(depth), nullptr), high("high", flat(depth), nullptr);
  check_traffic({low.target, high.target}, annotate, arbitration);
  CHECK(low.bus_read_bytes() + low.bus_write_bytes() + high.bus_read_bytes() + high.bus_write_bytes() == 3 * 2 * 4000);
}

}  // namespace

TEST_CASE("three initiators and two targets keep data and protocol, deep queues") {
  check_flat(false, 64);
}
TEST_CASE("three initiators and two targets keep data and protocol, queues of one") {
  check_flat(false, 1);
}
TEST_CASE("three initiators and two targets keep data and protocol, annotated delays") {
  check_flat(true, 2);
}
TEST_CASE("three initiators and two targets keep data and protocol, by priority") {
  check_flat(false, 1, Arbitration::priority);
}
TEST_CASE("three initiators keep data and protocol before targets that complete early") {
  EarlyTarget low("low"), high("high");
  check_traffic({low.target, high.target}, false);
}
TEST_CASE("three initiators keep data and protocol before targets that answer in any order") {
  ShufflingTarget low("low"), high("high");
  check_traffic({low.target, high.target}, true, Arbitration::priority);
}
TEST_CASE("three initiators keep data and protocol before an early and a shuffling target") {
  EarlyTarget low("low");
  ShufflingTarget high("high");
  check_traffic({low.target, high.target}, false, Arbitration::priority);
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

namespace {

/// Three initiators at one slow target: 0 and 1 never stop, 2 has ten requests.
struct Crowd {
  Crowd(Arbitration arbitration, std::vector<unsigned> priorities, unsigned age_cap, const std::string& suffix)
      : memory(("memory" + suffix).c_str(), flat(1), nullptr),
        router(("router" + suffix).c_str(), config(arbitration, std::move(priorities), age_cap), &statistics) {
    router.initiator(0).bind(memory.target);
    for (unsigned i = 0; i < 3; ++i) {
      engines.push_back(std::make_unique<DmaEngine>(("dma" + std::to_string(i) + suffix).c_str(), DmaConfig{4, 64}));
      engines[i]->memory.bind(router.target(i));
    }
    done.then = [this](std::uint64_t token) {
      if (token != 2 && done.entries.size() < 60) engines[token]->submit(transfer(0, 640), done, token);
    };
    for (unsigned i = 0; i < 3; ++i)
      engines[i]->submit(transfer(0, 640), done, i);
  }
  static RouterConfig config(Arbitration arbitration, std::vector<unsigned> priorities, unsigned age_cap) {
    RouterConfig config = RouterConfig::single_target(3, 1 << 16);
    config.arbitration = arbitration;
    config.priorities = std::move(priorities);
    config.age_cap = age_cap;
    return config;
  }
  double end_of_last() const {
    for (const auto& entry : done.entries) {
      if (entry.token == 2) return entry.at.to_seconds() * 1e9;
    }
    return -1;
  }
  Statistics statistics{"test"};
  FlatMemory memory;
  Router router;
  std::vector<std::unique_ptr<DmaEngine>> engines;
  DmaRecorder done;
};

}  // namespace

TEST_CASE("the last initiator starves by priority, and is served in turns or with an age cap") {
  Crowd fair(Arbitration::round_robin, {}, 0, "_fair"), starving(Arbitration::priority, {}, 0, "_starving"),
      capped(Arbitration::priority, {}, 5, "_capped"), first(Arbitration::priority, {2, 1, 0}, 0, "_first");
  sc_core::sc_start();
  const double one = 74;  // ns per request, queue of one
  CHECK(fair.end_of_last() <= 31 * one);
  CHECK(capped.end_of_last() <= 61 * one);  // one of six
  CHECK(capped.end_of_last() >= 50 * one);
  CHECK(starving.end_of_last() > 500 * one);  // after everything else
  CHECK(first.end_of_last() <= 13 * one);
  CHECK(capped.router.served(2).longest_wait <= sc_time(7 * one, SC_NS));
}

TEST_CASE("waiting and latency are counted per initiator") {
  FlatMemory memory("memory", flat(1), nullptr);
  Statistics statistics("test");
  Router router("router", RouterConfig::single_target(2, 1 << 16), &statistics);
  DmaEngine first("first", {4, 64}, nullptr), second("second", {4, 64}, nullptr);
  first.memory.bind(router.target(0));
  second.memory.bind(router.target(1));
  router.initiator(0).bind(memory.target);
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
  router.initiator(0).bind(low.target);
  router.initiator(1).bind(high.target);
  DmaEngine dma("dma", {4, 64}, nullptr);
  dma.memory.bind(router.target(1));
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
  driver.initiator.bind(router.target(0));
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}

TEST_CASE("an error of the target reaches the initiator, by AT and by LT") {
  EarlyTarget memory("memory");
  memory.forbidden_from = 128;
  memory.forbidden_bytes = 64;
  Router router("router", RouterConfig::single_target(2, 1 << 20));
  router.initiator(0).bind(memory.target);
  DmaEngine dma("dma", {4, 64}, nullptr);
  dma.memory.bind(router.target(1));
  DmaRecorder done;
  dma.submit(transfer(0, 256), done, 0);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    CHECK(io.read(127, 1).status == tlm::TLM_OK_RESPONSE);
    CHECK(io.read(128, 64).status == tlm::TLM_GENERIC_ERROR_RESPONSE);
    io.wait(sc_time(1, sc_core::SC_US));
  });
  driver.initiator.bind(router.target(0));
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
  router.initiator(0).bind(memory.target);
  DirectUser first("first"), second("second");
  first.memory.bind(router.target(0));
  second.memory.bind(router.target(1));
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
  router.initiator(0).bind(memory.target);
  DmaEngine dma("dma", {4, 64}, nullptr);
  dma.memory.bind(router.target(1));
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
  driver.initiator.bind(router.target(0));
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
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
