// SPDX-License-Identifier: Apache-2.0
/// Channels and priorities of the DMA engine: turns, windows, age cap, mixes of gathers before different targets.
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <memory>

#include "testbenches/memory/dma_trace.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;

TEST_CASE("channels take turns, each within its own window") {
  Trace trace({4, 64, 0, 2, 1});
  DmaTransfer second = timing_read(65536, 256);
  second.channel = 1;
  trace.dma.submit(timing_read(0, 256), trace.done, 0);
  trace.dma.submit(timing_read(4096, 64), trace.done, 1);
  trace.dma.submit(second, trace.done, 2);
  CHECK(trace.dma.waiting(0) == 2);
  CHECK(trace.dma.waiting(1) == 1);
  sc_core::sc_start();
  REQUIRE(trace.cuts.size() == 9);
  std::vector<std::uint64_t> first_channel;
  for (const auto& [address, length] : trace.cuts) {
    if (address < 65536) first_channel.push_back(address);
  }
  CHECK(first_channel == std::vector<std::uint64_t>{0, 64, 128, 192, 4096});
  // One in flight per channel: they alternate while both have work.
  for (std::size_t i = 0; i < 8; ++i)
    CHECK((trace.cuts[i].first >= 65536) == (i % 2 == 0));
  CHECK(trace.dma.idle());
}

TEST_CASE("priorities come from the stream unless the transfer names its own") {
  DmaConfig config{1, 64};
  config.stream_priority[static_cast<unsigned>(Stream::weight)] = 2;
  config.stream_priority[static_cast<unsigned>(Stream::activation)] = 1;
  Trace trace(config);
  const auto submit = [&](Stream stream, std::uint64_t token, std::uint8_t priority = DmaTransfer::by_stream) {
    DmaTransfer t = timing_read(64 * token, 64);
    t.stream = stream;
    t.priority = priority;
    trace.dma.submit(t, trace.done, token);
  };
  submit(Stream::weight, 0);
  submit(Stream::activation, 1);
  submit(Stream::metadata, 2);
  submit(Stream::weight, 3, 0);
  submit(Stream::metadata, 4, 3);
  sc_core::sc_start();
  std::vector<std::uint64_t> order;
  for (const auto& entry : trace.done.entries)
    order.push_back(entry.token);
  CHECK(order == std::vector<std::uint64_t>{2, 3, 1, 0, 4});
}

namespace {

/// Keeps a stream of high priority busy for ever; one transfer of the lowest priority beside it.
struct Flood {
  Flood(unsigned age_cap, const std::string& suffix) : trace(config(age_cap), 1, suffix) {
    trace.done.then = [this](std::uint64_t token) {
      if (token != 0 && trace.done.entries.size() < 1000) high(token);
    };
    for (std::uint64_t token = 1; token <= 4; ++token)
      high(token);
    DmaTransfer low = timing_read(0, 640);
    low.priority = 3;
    trace.dma.submit(low, trace.done, 0);
  }
  static DmaConfig config(unsigned age_cap) {
    DmaConfig config{2, 64};
    config.age_cap = age_cap;
    return config;
  }
  void high(std::uint64_t token) { trace.dma.submit(timing_read(4096 * token, 64), trace.done, token); }
  std::size_t end_of_low() const {
    for (std::size_t i = 0; i < trace.done.entries.size(); ++i) {
      if (trace.done.entries[i].token == 0) return i;
    }
    return ~std::size_t{0};
  }
  Trace trace;
};

}  // namespace

TEST_CASE("a stream of low priority is starved without an age cap and served with one") {
  Flood capped(16, "_capped"), endless(0, "_endless");
  sc_core::sc_start();
  // Ten transactions of 64 bytes, one after every 16 of the others.
  CHECK(capped.end_of_low() >= 10 * 16);
  CHECK(capped.end_of_low() <= 10 * 17 + 2);
  CHECK(endless.end_of_low() >= 1000);  // only when the flood ends
  CHECK(endless.trace.dma.idle());
}

TEST_CASE("no priority waits for ever when all four are busy") {
  DmaConfig config{2, 64};
  config.age_cap = 4;
  Trace trace(config);
  std::array<unsigned, 4> served{};
  const auto submit = [&](std::uint64_t p) {
    DmaTransfer t = timing_read(4096 * p, 64);
    t.priority = static_cast<std::uint8_t>(p);
    trace.dma.submit(t, trace.done, p);
  };
  trace.done.then = [&](std::uint64_t token) {
    ++served[token];
    if (trace.done.entries.size() < 2000) submit(token);
  };
  for (std::uint64_t i = 0; i < 16; ++i)
    submit(i % 4);
  sc_core::sc_start();
  for (const unsigned count : served)
    CHECK(count > 100);
  CHECK(served[0] > served[1]);
}

namespace {

/// Random transfers of all kinds on three channels; every byte is checked, also that of gaps.
struct Mix {
  explicit Mix(DmaEngine& dma_) : dma(dma_) {
    done.then = [this](std::uint64_t token) {
      if (token % 2 == 0) submit(token + 1, false);
    };
    for (std::uint64_t i = 0; i < 24; ++i) {
      out.push_back(random_bytes(4096, i));
      in.emplace_back(4096, 0);
    }
    for (std::uint64_t i = 0; i < 24; ++i)
      submit(2 * i, true);
  }
  void submit(std::uint64_t token, bool write) {
    const std::uint64_t i = token / 2;
    Random random(100 + i);
    DmaTransfer t;
    t.write = write;
    Bytes& bytes = write ? out[i] : in[i];
    t.address = i * 32768 + random.below(300);
    t.row_bytes = 1 + random.below(150);
    t.rows = 1 + random.below(4);
    t.stride = t.row_bytes + random.below(2) * random.below(500);
    t.planes = 1 + random.below(3);
    t.plane_stride = t.stride * t.rows + random.below(2) * random.below(700);
    t.channel = static_cast<unsigned>(i % 3);
    t.priority = static_cast<std::uint8_t>(i % 4);
    t.data = bytes.data();
    t.local_stride = random.below(2) == 0 ? 0 : t.row_bytes + random.below(3);
    DmaRegion far;
    far.address = i * 32768 + 20000;
    far.row_bytes = 1 + random.below(30);
    far.rows = 1 + random.below(5);
    far.stride = 100;
    far.data = bytes.data() + 3000;
    t.beside = {far};
    t.by_row = i % 2 == 0;
    if (!write) {
      asked += t.bytes();
      for (std::uint64_t row = 0; row < t.rows * t.planes; ++row)
        expect(bytes, out[i], row * (t.local_stride == 0 ? t.row_bytes : t.local_stride), t.row_bytes);
      expect(bytes, out[i], 3000, far.row_bytes * far.rows);
    }
    dma.submit(t, done, token);
  }
  /// Remembers that [at, at + length) of a read must equal what was written.
  void expect(const Bytes& got, const Bytes& want, std::uint64_t at, std::uint64_t length) {
    checks.push_back({&got, &want, at, length});
  }
  void check() const {
    REQUIRE(done.entries.size() == 48);
    for (const auto& entry : done.entries)
      REQUIRE(entry.status == tlm::TLM_OK_RESPONSE);
    for (const auto& c : checks) {
      for (std::uint64_t k = c.at; k < c.at + c.length; ++k)
        REQUIRE((*c.got)[k] == (*c.want)[k]);
    }
    CHECK(dma.read_bytes(Stream::host) == asked);
    CHECK(dma.write_bytes(Stream::host) == asked);
    CHECK(dma.idle());
  }
  struct Check {
    const Bytes *got, *want;
    std::uint64_t at, length;
  };
  DmaEngine& dma;
  DmaRecorder done;
  std::vector<Bytes> out, in;
  std::vector<Check> checks;
  std::uint64_t asked = 0;
};

/// `stall`: nanoseconds, 0 for no link at all.
template <class Target>
void check_mix(Target& memory, unsigned stall = 0, bool annotate = false) {
  ProtocolMonitor near("near"), far("far");
  DmaConfig config{6, 128, 256, 3, 3, 8};
  DmaEngine dma("dma", config, nullptr);
  std::unique_ptr<StallingLink> link;
  dma.memory.bind(near.in);
  if (stall == 0) {
    near.out.bind(far.in);
  } else {
    link = std::make_unique<StallingLink>("link", 3, stall, annotate);
    near.out.bind(link->in);
    link->out.bind(far.in);
  }
  far.out.bind(memory.target);
  Mix mix(dma);
  sc_core::sc_start();
  mix.check();
  for (const ProtocolMonitor* monitor : {&near, &far}) {
    CHECK(monitor->violations() == std::vector<std::string>{});
    CHECK(monitor->requests() == dma.transactions());
    CHECK(monitor->responses() == dma.transactions());
    CHECK(monitor->in_flight() == 0);
  }
}

}  // namespace

TEST_CASE("a mix of gathers on three channels survives a memory with back-pressure") {
  FlatMemory memory("memory", flat(1, 10, 2), nullptr);
  check_mix(memory);
}
TEST_CASE("a mix of gathers on three channels survives random stalls") {
  FlatMemory memory("memory", flat(1, 10, 3), nullptr);
  check_mix(memory, 15, false);
}
TEST_CASE("a mix of gathers on three channels survives annotated delays") {
  FlatMemory memory("memory", flat(1, 10, 3), nullptr);
  check_mix(memory, 15, true);
}
TEST_CASE("a mix of gathers on three channels survives early completion") {
  EarlyTarget memory("memory");
  check_mix(memory);
}
TEST_CASE("a mix of gathers on three channels survives responses out of order") {
  ShufflingTarget memory("memory");
  check_mix(memory);
}

TEST_CASE("an error in one region of a gather ends the whole transfer, other channels go on") {
  FlatMemory memory("memory", flat(), nullptr);
  ProtocolMonitor monitor("monitor");
  DmaConfig config{2, 64, 0, 2};
  Statistics statistics("test");
  DmaEngine dma("dma", config, &statistics);
  dma.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  DmaRecorder done;
  DmaTransfer bad = timing_read(0, 64);
  DmaRegion beyond;
  beyond.address = 1 << 20;
  beyond.row_bytes = 64;
  beyond.rows = 100;
  beyond.stride = 128;
  bad.beside = {beyond, beyond};
  dma.submit(bad, done, 1);
  DmaTransfer good = timing_read(0, 640);
  good.channel = 1;
  dma.submit(good, done, 2);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 2);
  CHECK(done.entries[0].token == 1);
  CHECK(done.entries[0].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(done.entries[1].status == tlm::TLM_OK_RESPONSE);
  CHECK(dma.transactions() < 15);
  CHECK(dma.idle());
  CHECK(dma.waiting(0) == 0);
  CHECK(monitor.requests() == monitor.responses());
}

TEST_CASE("abort empties every channel") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {2, 64, 0, 2}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
  DmaRecorder done;
  for (unsigned i = 0; i < 2; ++i) {
    DmaTransfer t = timing_read(0, 6400);
    t.channel = i;
    t.priority = static_cast<std::uint8_t>(i);
    dma.submit(t, done, i);
  }
  sc_core::sc_start(sc_time(100, SC_NS));
  dma.abort();
  CHECK(dma.waiting(0) + dma.waiting(1) == 0);
  sc_core::sc_start();
  CHECK(done.entries.empty());
  CHECK(dma.idle());
}
