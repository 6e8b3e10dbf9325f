// SPDX-License-Identifier: Apache-2.0
/// The DMA engine against targets that behave differently: the flat memory, one that completes early, one behind
/// stalls.
#include <catch2/catch.hpp>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "memory/dma_engine.h"
#include "memory/flat_memory.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::SC_NS;
using sc_core::sc_time;
using Bytes = std::vector<std::uint8_t>;

namespace {

FlatConfig flat(double gbps = 1, double latency_ns = 10, unsigned depth = 64) {
  FlatConfig config;
  config.bandwidth_gbps = gbps;
  config.latency_ns = latency_ns;
  config.capacity_bytes = 1 << 20;
  config.queue_depth = depth;
  return config;
}

DmaTransfer timing_read(std::uint64_t address, std::uint64_t bytes) {
  DmaTransfer transfer;
  transfer.address = address;
  transfer.row_bytes = bytes;
  return transfer;
}

/// Answers every request at once (TLM_COMPLETED) with an annotated delay of 7 ns.
class EarlyTarget : public sc_core::sc_module, public tlm::tlm_fw_transport_if<> {
 public:
  tlm::tlm_target_socket<> target{"target"};
  explicit EarlyTarget(sc_core::sc_module_name name) : sc_module(name), store(1 << 20) { target.bind(*this); }
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& p, tlm::tlm_phase&, sc_time& delay) override {
    b_transport(p, delay);
    return tlm::TLM_COMPLETED;
  }
  void b_transport(tlm::tlm_generic_payload& p, sc_time& delay) override {
    if (p.is_read()) store.read(p.get_address(), p.get_data_ptr(), p.get_data_length());
    if (p.is_write()) store.write(p.get_address(), p.get_data_ptr(), p.get_data_length());
    p.set_response_status(tlm::TLM_OK_RESPONSE);
    delay += sc_time(7, SC_NS);
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
  unsigned transport_dbg(tlm::tlm_generic_payload&) override { return 0; }
  SparseStore store;
};

/// Writes a random picture with gaps between its rows, reads it back in other cuts, compares; through whatever is
/// bound.
struct Picture {
  static constexpr std::uint64_t rows = 37, row_bytes = 203, stride = 512, base = 1000;
  Bytes out = Bytes(rows * row_bytes), in = Bytes(rows * row_bytes);
  DmaRecorder done;

  explicit Picture(DmaEngine& dma) {
    Random random(5);
    for (auto& byte : out)
      byte = static_cast<std::uint8_t>(random.next());
    DmaTransfer write;
    write.write = true;
    write.address = base;
    write.row_bytes = row_bytes;
    write.rows = rows;
    write.stride = stride;
    write.stream = Stream::output;
    write.data = out.data();
    done.then = [this, &dma, write](std::uint64_t token) {
      if (token != 1) return;
      DmaTransfer read = write;
      read.write = false;
      read.stream = Stream::activation;
      read.data = in.data();
      dma.submit(read, done, 2);
    };
    dma.submit(write, done, 1);
  }
  void check(const DmaEngine& dma) const {
    REQUIRE(done.entries.size() == 2);
    CHECK(done.entries[0].status == tlm::TLM_OK_RESPONSE);
    CHECK(done.entries[1].status == tlm::TLM_OK_RESPONSE);
    CHECK(in == out);
    CHECK(dma.write_bytes(Stream::output) == rows * row_bytes);
    CHECK(dma.read_bytes(Stream::activation) == rows * row_bytes);
    CHECK(dma.idle());
  }
};

}  // namespace

TEST_CASE("sixteen requests of 64 bytes at 1 byte per ns and 10 ns latency end at 1034 ns") {
  FlatMemory memory("memory", flat(), nullptr);
  ProtocolMonitor monitor("monitor");
  DmaEngine dma("dma", {16, 64}, nullptr);
  dma.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  DmaRecorder done;
  dma.submit(timing_read(0, 1024), done, 7);
  CHECK_FALSE(dma.idle());
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].token == 7);
  CHECK(done.entries[0].at == sc_time(1034, SC_NS));
  CHECK(dma.transactions() == 16);
  CHECK(monitor.requests() == 16);
  CHECK(monitor.responses() == 16);
  CHECK(monitor.most_in_flight() == 16);
  CHECK(monitor.violations() == std::vector<std::string>{});
  CHECK(memory.bus_read_bytes() == 1024);
}

TEST_CASE("the window bounds what is in flight, and the queue of the target withholds END_REQ") {
  struct Bench {
    Bench(unsigned window_, unsigned depth_)
        : window(window_),
          depth(depth_),
          memory(sc_core::sc_gen_unique_name("memory"), flat(1, 10, depth), nullptr),
          monitor(sc_core::sc_gen_unique_name("monitor")),
          dma(sc_core::sc_gen_unique_name("dma"), {window, 64}, nullptr) {
      dma.memory.bind(monitor.in);
      monitor.out.bind(memory.target);
      dma.submit(timing_read(0, 640), done, 0);
    }
    unsigned window, depth;
    FlatMemory memory;
    ProtocolMonitor monitor;
    DmaEngine dma;
    DmaRecorder done;
  };
  std::vector<std::unique_ptr<Bench>> benches;
  for (const unsigned window : {1U, 2U, 5U}) {
    for (const unsigned depth : {1U, 3U})
      benches.push_back(std::make_unique<Bench>(window, depth));
  }
  sc_core::sc_start();
  for (const auto& bench : benches) {
    CAPTURE(bench->window, bench->depth);
    REQUIRE(bench->done.entries.size() == 1);
    // In flight: what the target admitted and one request that waits for its END_REQ.
    CHECK(bench->monitor.most_in_flight() == std::min(bench->window, bench->depth + 1));
    // With one admitted at a time each pays the latency: 10 x (64 + 10) ns; with two or more the bus never waits.
    const bool serial = std::min(bench->window, bench->depth) == 1;
    CHECK(bench->done.entries[0].at == sc_time(serial ? 740 : 650, SC_NS));
    CHECK(bench->monitor.violations() == std::vector<std::string>{});
  }
}

TEST_CASE("transactions are cut at multiples of the transaction size and rows without gaps are one row") {
  FlatMemory memory("memory", flat(), nullptr);
  std::vector<std::pair<std::uint64_t, unsigned>> seen;
  Probe probe("probe", [&](const tlm::tlm_generic_payload& p, const tlm::tlm_phase& phase, const sc_time&) {
    if (phase == tlm::BEGIN_REQ) seen.emplace_back(p.get_address(), p.get_data_length());
  });
  DmaEngine dma("dma", {4, 256}, nullptr);
  dma.memory.bind(probe.in);
  probe.out.bind(memory.target);
  DmaRecorder done;
  dma.submit(timing_read(200, 400), done, 0);  // 200..255, 256..511, 512..599
  DmaTransfer rows = timing_read(1024, 128);
  rows.rows = 3;
  rows.stride = 128;
  dma.submit(rows, done, 1);
  rows.stride = 400;  // 1024..1151, 1424..1551 across 1536, 1824..1951
  dma.submit(rows, done, 2);
  sc_core::sc_start();
  using Cut = std::vector<std::pair<std::uint64_t, unsigned>>;
  const Cut expected{{200, 56},   {256, 256},  {512, 88},  {1024, 256}, {1280, 128},
                     {1024, 128}, {1424, 112}, {1536, 16}, {1824, 128}};
  CHECK((seen == expected));
  CHECK(done.entries.size() == 3);
}

TEST_CASE("a picture with gaps between its rows survives a round trip through the flat memory") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {3, 128}, nullptr);
  dma.memory.bind(memory.target);
  Picture picture(dma);
  sc_core::sc_start();
  picture.check(dma);
}

TEST_CASE("a picture survives a target that completes early") {
  EarlyTarget memory("memory");
  ProtocolMonitor monitor("monitor");
  DmaEngine dma("dma", {3, 128}, nullptr);
  dma.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  Picture picture(dma);
  sc_core::sc_start();
  picture.check(dma);
  CHECK(monitor.violations() == std::vector<std::string>{});
  CHECK(sc_core::sc_time_stamp() == sc_time(7.0 * static_cast<double>(dma.transactions()), SC_NS));
}

namespace {

void check_behind_stalls(bool annotate, unsigned depth) {
  FlatMemory memory("memory", flat(1, 10, depth), nullptr);
  ProtocolMonitor near("near"), far("far");
  StallingLink link("link", 11, 9, annotate);
  DmaEngine dma("dma", {3, 128}, nullptr);
  dma.memory.bind(near.in);
  near.out.bind(link.in);
  link.out.bind(far.in);
  far.out.bind(memory.target);
  Picture picture(dma);
  sc_core::sc_start();
  picture.check(dma);
  CHECK(near.violations() == std::vector<std::string>{});
  CHECK(far.violations() == std::vector<std::string>{});
  CHECK(near.requests() == far.responses());
  CHECK(near.in_flight() == 0);
}

}  // namespace

TEST_CASE("a picture survives random stalls in every phase, deep queue") {
  check_behind_stalls(false, 4);
}
TEST_CASE("a picture survives random stalls in every phase, queue of one") {
  check_behind_stalls(false, 1);
}
TEST_CASE("a picture survives random annotated delays, deep queue") {
  check_behind_stalls(true, 4);
}
TEST_CASE("a picture survives random annotated delays, queue of one") {
  check_behind_stalls(true, 1);
}

TEST_CASE("an error response ends its transfer, names the first error, and leaves others alone") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {2, 64}, nullptr);
  dma.memory.bind(memory.target);
  DmaRecorder done;
  dma.submit(timing_read((1 << 20) - 64, 640), done, 1);  // the second transaction lies beyond the end
  dma.submit(timing_read(0, 64), done, 2);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 2);
  std::sort(done.entries.begin(), done.entries.end(), [](auto& a, auto& b) { return a.token < b.token; });
  CHECK(done.entries[0].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(done.entries[1].status == tlm::TLM_OK_RESPONSE);
  CHECK(dma.transactions() < 5);
  CHECK(dma.idle());
}

TEST_CASE("abort drops what is not on the bus and silences what is") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {2, 64}, nullptr);
  dma.memory.bind(memory.target);
  DmaRecorder done;
  dma.submit(timing_read(0, 6400), done, 1);
  dma.submit(timing_read(0, 64), done, 2);
  sc_core::sc_start(sc_time(100, SC_NS));
  dma.abort();
  sc_core::sc_start();
  CHECK(done.entries.empty());
  CHECK(dma.idle());
  CHECK(dma.transactions() == 3);  // one ended at 74 ns, two were in flight
  dma.submit(timing_read(0, 64), done, 3);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].token == 3);
}

TEST_CASE("a lower priority number goes first, in order of submission within it") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {1, 64}, nullptr);
  dma.memory.bind(memory.target);
  DmaRecorder done;
  for (std::uint64_t token = 0; token < 6; ++token) {
    DmaTransfer transfer = timing_read(64 * token, 64);
    transfer.priority = token % 2 == 0 ? 1 : 0;
    dma.submit(transfer, done, token);
  }
  sc_core::sc_start();
  std::vector<std::uint64_t> order;
  for (const auto& entry : done.entries)
    order.push_back(entry.token);
  CHECK(order == std::vector<std::uint64_t>{1, 3, 5, 0, 2, 4});
}

TEST_CASE("an empty transfer is a defect of the caller") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {1, 64}, nullptr);
  dma.memory.bind(memory.target);
  DmaRecorder done;
  CHECK_THROWS_AS(dma.submit(timing_read(0, 0), done, 0), InternalError);
}
