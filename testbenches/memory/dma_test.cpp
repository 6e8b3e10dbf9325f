// SPDX-License-Identifier: Apache-2.0
/// The DMA engine against targets that behave differently: the flat memory, one that completes early, one behind
/// stalls.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "core/error.h"
#include "testbenches/memory/dma_trace.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;

namespace {

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
  MonitoredLinks monitored;
  monitored.bind(probe.out, memory.target);
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
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
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
  // Three at a time: early completion frees the request channel at once.
  CHECK(sc_core::sc_time_stamp() == sc_time(7.0 * static_cast<double>(dma.transactions()) / 3, SC_NS));
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
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
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
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
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
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
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

TEST_CASE("a transfer of three dimensions visits its rows plane by plane") {
  Trace trace({4, 256});
  DmaTransfer block = timing_read(0, 64);
  block.rows = 2;
  block.stride = 1024;
  block.planes = 3;
  block.plane_stride = 65536;
  CHECK(block.bytes() == 384);
  trace.dma.submit(block, trace.done, 0);
  sc_core::sc_start();
  CHECK((trace.cuts == Trace::Cuts{{0, 64}, {1024, 64}, {65536, 64}, {66560, 64}, {131072, 64}, {132096, 64}}));
  CHECK(trace.dma.read_bytes(Stream::host) == 384);
}

TEST_CASE("contiguous rows and planes are one run, planes of one row are rows") {
  Trace trace({4, 1024});
  DmaTransfer block = timing_read(0, 64);
  block.rows = 4;
  block.stride = 64;
  block.planes = 4;
  block.plane_stride = 256;
  trace.dma.submit(block, trace.done, 0);  // 1024 bytes in one piece
  block.plane_stride = 512;
  block.planes = 2;
  trace.dma.submit(block, trace.done, 1);  // two pieces of 256
  sc_core::sc_start();
  CHECK((trace.cuts == Trace::Cuts{{0, 1024}, {0, 256}, {512, 256}}));
}

TEST_CASE("transactions may be shorter than the boundary that they do not cross, or longer") {
  Trace page({4, 256, 4096}, 1, "_page"), burst({4, 256, 64}, 1, "_burst");
  page.dma.submit(timing_read(4000, 700), page.done, 0);
  burst.dma.submit(timing_read(40, 100), burst.done, 0);
  sc_core::sc_start();
  CHECK((page.cuts == Trace::Cuts{{4000, 96}, {4096, 256}, {4352, 256}, {4608, 92}}));
  CHECK((burst.cuts == Trace::Cuts{{40, 24}, {64, 64}, {128, 12}}));
}

TEST_CASE("codes and scales that lie apart arrive together, region by region or row by row") {
  for (const bool by_row : {false, true}) {
    static std::vector<std::unique_ptr<Trace>> traces;
    traces.push_back(std::make_unique<Trace>(DmaConfig{2, 256}, 1, by_row ? "_rows" : "_regions"));
    Trace& trace = *traces.back();
    DmaTransfer tile = timing_read(0, 64);
    tile.rows = 3;
    tile.stride = 512;
    tile.stream = Stream::weight;
    DmaRegion scales;
    scales.address = 65536;
    scales.row_bytes = 4;
    scales.rows = 2;
    scales.stride = 32;
    scales.stream = Stream::metadata;
    tile.beside = {scales};
    tile.by_row = by_row;
    CHECK(tile.bytes() == 3 * 64 + 2 * 4);
    trace.dma.submit(tile, trace.done, 5);
    if (!by_row) continue;
    sc_core::sc_start();
    CHECK((traces[0]->cuts == Trace::Cuts{{0, 64}, {512, 64}, {1024, 64}, {65536, 4}, {65568, 4}}));
    CHECK((traces[1]->cuts == Trace::Cuts{{0, 64}, {65536, 4}, {512, 64}, {65568, 4}, {1024, 64}}));
    for (const auto& each : traces) {
      REQUIRE(each->done.entries.size() == 1);
      CHECK(each->dma.read_bytes(Stream::weight) == 192);
      CHECK(each->dma.read_bytes(Stream::metadata) == 8);
    }
    traces.clear();
  }
}

TEST_CASE("records of codes and scales are gathered into one buffer and scattered again") {
  FlatMemory memory("memory", flat(), nullptr);
  ProtocolMonitor monitor("monitor");
  DmaEngine dma("dma", {3, 128}, nullptr);
  dma.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  constexpr std::uint64_t records = 20, codes = 64, scale = 4, record = codes + scale;
  const Bytes code_bytes = random_bytes(records * codes, 1), scale_bytes = random_bytes(records * scale, 2);
  Bytes gathered(records * record), codes_back(records * codes), scales_back(records * scale);
  DmaRecorder done;
  const auto side = [&](bool write, std::uint8_t* data, std::uint64_t address, std::uint64_t bytes) {
    DmaTransfer t;
    t.write = write;
    t.address = address;
    t.row_bytes = bytes;
    t.rows = records;
    t.stride = bytes;
    t.data = data;
    return t;
  };
  const auto gather = [&](bool write, std::uint64_t base) {
    DmaTransfer t = side(write, gathered.data(), base, codes);
    t.local_stride = record;
    DmaRegion scales = side(write, gathered.data() + codes, base + 8192, scale);
    scales.local_stride = record;
    t.beside = {scales};
    return t;
  };
  Bytes code_copy = code_bytes, scale_copy = scale_bytes;
  done.then = [&](std::uint64_t token) {
    if (token == 1) dma.submit(gather(false, 0), done, 2);
    if (token == 2) dma.submit(gather(true, 65536), done, 3);
    if (token == 3) dma.submit(side(false, codes_back.data(), 65536, codes), done, 4);
    if (token == 4) dma.submit(side(false, scales_back.data(), 65536 + 8192, scale), done, 5);
  };
  dma.submit(side(true, code_copy.data(), 0, codes), done, 0);
  dma.submit(side(true, scale_copy.data(), 8192, scale), done, 1);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 6);
  for (std::uint64_t i = 0; i < records; ++i) {
    REQUIRE(std::equal(&code_bytes[i * codes], &code_bytes[i * codes] + codes, &gathered[i * record]));
    REQUIRE(std::equal(&scale_bytes[i * scale], &scale_bytes[i * scale] + scale, &gathered[i * record + codes]));
  }
  CHECK(codes_back == code_bytes);
  CHECK(scales_back == scale_bytes);
  CHECK(monitor.violations() == std::vector<std::string>{});
}

TEST_CASE("the engine's statistics have units and agree with a run by hand") {
  Trace trace({1, 64});
  trace.dma.submit(timing_read(0, 64), trace.done, 0);  // 0 .. 74 ns
  trace.dma.submit(timing_read(0, 64), trace.done, 1);  // 74 .. 148 ns
  sc_core::sc_start();
  std::map<std::string, Statistics::Value> values;
  trace.statistics.for_each([&](const Statistics::Value& value) { values[value.path] = value; });
  CHECK(values.at("test.dma.transfers").value == 2);
  CHECK(values.at("test.dma.transfer_latency").value == Approx((74 + 148) / 2.0));
  CHECK(values.at("test.dma.transfer_latency").unit == "ns");
  CHECK(values.at("test.dma.queue_time_host").value == Approx(74));
  CHECK(values.at("test.dma.outstanding").value == Approx(1));
  CHECK(values.at("test.dma.request_blocked").value == 0.0);
}

TEST_CASE("a DMA configuration is checked and its priorities name streams") {
  const auto read = [](const std::string& text) {
    ConfigNode node = ConfigNode::parse(text, "d.yaml");
    const DmaConfig config = DmaConfig::from(node);
    node.reject_unknown();
    return config;
  };
  CHECK(read("{}").max_outstanding == 16);
  const DmaConfig config = read(
      "{max_outstanding: 8, transaction_bytes: 256, boundary_bytes: 4096, channels: 4, channel_outstanding: 2, "
      "age_cap: 0, priorities: {weight: 2}}");
  CHECK(config.boundary_bytes == 4096);
  CHECK(config.channels == 4);
  CHECK(config.channel_outstanding == 2);
  CHECK(config.age_cap == 0);
  CHECK(config.stream_priority[static_cast<unsigned>(Stream::weight)] == 2);
  CHECK(config.stream_priority[static_cast<unsigned>(Stream::output)] == 0);
  CHECK_THROWS_WITH(read("{boundary_bytes: 100}"), Catch::Contains("power of two"));
  CHECK_THROWS_WITH(read("{channels: 0}"), Catch::Contains("d.yaml:1"));
  CHECK_THROWS_WITH(read("{priorities: {weights: 1}}"), Catch::Contains("did you mean 'weight'"));
  CHECK_THROWS_WITH(read("{priorities: {weight: 4}}"), Catch::Contains("weight"));
}

TEST_CASE("an empty transfer is a defect of the caller") {
  FlatMemory memory("memory", flat(), nullptr);
  DmaEngine dma("dma", {1, 64}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
  DmaRecorder done;
  CHECK_THROWS_AS(dma.submit(timing_read(0, 0), done, 0), InternalError);
  DmaTransfer transfer = timing_read(0, 64);
  transfer.beside = {DmaRegion{}};
  CHECK_THROWS_AS(dma.submit(transfer, done, 0), InternalError);
  transfer = timing_read(0, 64);
  transfer.planes = 0;
  CHECK_THROWS_AS(dma.submit(transfer, done, 0), InternalError);
  transfer = timing_read(0, 64);
  transfer.channel = 1;
  CHECK_THROWS_AS(dma.submit(transfer, done, 0), InternalError);
  transfer = timing_read(0, 64);
  transfer.priority = 4;
  CHECK_THROWS_AS(dma.submit(transfer, done, 0), InternalError);
}
