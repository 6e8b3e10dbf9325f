// SPDX-License-Identifier: Apache-2.0
/// Several initiators and targets at the router: protocol, conservation, fairness.
#include <catch2/catch.hpp>
#include <memory>

#include "core/random.h"
#include "testbenches/memory/router_devices.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;

namespace {

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
  MonitoredLinks monitored;
  StallingLink behind("behind", 5, 12, annotate);
  router.initiator(0).bind(at_low->in);
  at_low->out.bind(partners.low);
  monitored.bind(router.initiator(1), behind.in);
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
    near->address_may_change();
    dma.memory.bind(near->in);
    if (i == 2) {
      near->out.bind(before.in);
      monitored.bind(before.out, router.target(i)).address_may_change();
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
      monitored.bind(first.memory, router.target(0));
      monitored.bind(second.memory, router.target(1));
      monitored.bind(router.initiator(0), memory.target);
      second.submit(transfer(8192, 640), done, 1);
      first.submit(transfer(0, 640), done, 0);
    }
    MonitoredLinks monitored;
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
    monitored.bind(router.initiator(0), memory.target);
    for (unsigned i = 0; i < 3; ++i) {
      engines.push_back(std::make_unique<DmaEngine>(("dma" + std::to_string(i) + suffix).c_str(), DmaConfig{4, 64}));
      monitored.bind(engines[i]->memory, router.target(i));
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
  MonitoredLinks monitored;
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
