// SPDX-License-Identifier: Apache-2.0
/// Double, ring and circular buffering: credits, stalls and occupancy by hand, and against the recurrence of a
/// pipeline.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "memory/dma_engine.h"
#include "memory/flat_memory.h"
#include "memory/scratchpad_buffer.h"
#include "testbenches/support/monitored_links.h"

using namespace nibble;

namespace {

ScratchpadBufferConfig circular(std::uint64_t bytes, std::uint64_t align = 1) {
  return {bytes, 0, align};
}

/// A producer that needs fill[i] cycles for piece i and a consumer that needs drain[i], stepped cycle by cycle. Returns
/// the cycle at which each piece was consumed.
std::vector<std::uint64_t> run(ScratchpadBuffer& buffer, const std::vector<std::uint64_t>& fill,
                               const std::vector<std::uint64_t>& drain, std::uint64_t bytes) {
  std::vector<std::uint64_t> done;
  std::size_t next = 0;
  bool filling = false, draining = false;
  std::uint64_t fill_end = 0, drain_end = 0, ticket = 0;
  for (std::uint64_t now = 0; done.size() < fill.size(); ++now) {
    REQUIRE(now < 100000);
    if (draining && drain_end == now) {
      buffer.release(now);
      done.push_back(now);
      draining = false;
    }
    if (filling && fill_end == now) {
      buffer.filled(ticket, now);
      filling = false;
    }
    if (!filling && next < fill.size()) {
      if (const auto piece = buffer.reserve(bytes, now)) {
        ticket = piece->ticket;
        fill_end = now + fill[next++];
        filling = true;
      }
    }
    if (!draining && done.size() < fill.size() && buffer.front(now)) {
      drain_end = now + drain[done.size()];
      draining = true;
    }
  }
  return done;
}

}  // namespace

TEST_CASE("double buffering hides the shorter of fill and drain") {
  ScratchpadBuffer buffer({2048, 2});
  // Fill 10, drain 15: the first fill is exposed, then the consumer is the bottleneck.
  const auto done = run(buffer, {10, 10, 10, 10}, {15, 15, 15, 15}, 1024);
  CHECK(done == std::vector<std::uint64_t>{25, 40, 55, 70});
  CHECK(buffer.consumer_stall() == 10);
  CHECK(buffer.producer_stall() == 5 + 5);  // from 20 to 25, from 35 to 40
  CHECK(buffer.peak_bytes() == 2048);
  CHECK(buffer.pieces() == 0);
  CHECK(buffer.credit_slots() == 2);
}

TEST_CASE("single buffering alternates, a ring of three absorbs one slow fill") {
  ScratchpadBuffer single({1024, 1});
  CHECK(run(single, {10, 10}, {15, 15}, 1024) == std::vector<std::uint64_t>{25, 50});
  ScratchpadBuffer two({3072, 2}), three({3072, 3});
  const std::vector<std::uint64_t> fill{5, 5, 5, 30, 5, 5}, drain(6, 10);
  const auto with_two = run(two, fill, drain, 1024), with_three = run(three, fill, drain, 1024);
  CHECK(with_two.back() == 85);    // the slow fill waits for piece 1 to be consumed, 25 to 55
  CHECK(with_three.back() == 75);  // it begins when piece 0 is consumed, 15 to 45
  CHECK(three.producer_stall() < two.producer_stall());
}

TEST_CASE("slots and stalls follow the recurrence of a pipeline for any times") {
  Random random(4);
  for (int round = 0; round < 200; ++round) {
    const auto slots = 1 + random.below(5);
    std::vector<std::uint64_t> fill, drain;
    for (int i = 0; i < 20; ++i) {
      fill.push_back(1 + random.below(20));
      drain.push_back(1 + random.below(20));
    }
    ScratchpadBuffer buffer({slots * 64, static_cast<unsigned>(slots)});
    const auto done = run(buffer, fill, drain, 64);
    std::vector<std::uint64_t> filled(20), consumed(20);
    std::uint64_t producer = 0, consumer = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      const std::uint64_t free_at = i < slots ? 0 : consumed[i - slots];
      const std::uint64_t before = i == 0 ? 0 : filled[i - 1];
      const std::uint64_t start = std::max(before, free_at);
      producer += start - before;
      filled[i] = start + fill[i];
      const std::uint64_t idle_from = i == 0 ? 0 : consumed[i - 1];
      consumer += std::max(idle_from, filled[i]) - idle_from;
      consumed[i] = std::max(idle_from, filled[i]) + drain[i];
    }
    REQUIRE(done == consumed);
    REQUIRE(buffer.producer_stall() == producer);
    REQUIRE(buffer.consumer_stall() == consumer);
  }
}

TEST_CASE("circular pieces wrap around whole and give the lost gap back") {
  ScratchpadBuffer buffer(circular(100));
  const auto a = buffer.reserve(40, 0), b = buffer.reserve(40, 0);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(b->offset == 40);
  CHECK_FALSE(buffer.reserve(30, 0));  // 20 bytes at the end, none at the start
  buffer.filled(b->ticket, 1);         // out of order
  CHECK_FALSE(buffer.front(1));
  buffer.filled(a->ticket, 2);
  REQUIRE(buffer.front(3));
  CHECK(buffer.front(3)->offset == 0);
  buffer.release(5);
  const auto c = buffer.reserve(30, 5);
  REQUIRE(c);
  CHECK(c->offset == 0);
  CHECK(buffer.bytes_held() == 40 + 20 + 30);
  CHECK_FALSE(buffer.reserve(11, 5));  // up to the front piece at 40
  CHECK(buffer.credit_slots() == 1);
  REQUIRE(buffer.reserve(10, 5));
  CHECK(buffer.credit_slots() == 0);
  CHECK(buffer.bytes_held() == 100);
  REQUIRE(buffer.front(6));
  buffer.release(6);
  CHECK(buffer.bytes_held() == 40);
  const auto d = buffer.reserve(60, 6);
  REQUIRE(d);
  CHECK(d->offset == 40);
  CHECK(buffer.producer_stall() == 5 + 0);
  CHECK(buffer.consumer_stall() == 2);
}

TEST_CASE("circular pieces never overlap, stay in order and fill the whole room") {
  Random random(12);
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t capacity = 64 + random.below(500), align = std::uint64_t{1} << random.below(5);
    ScratchpadBuffer buffer(circular(capacity, align));
    std::map<std::uint64_t, ScratchpadBuffer::Piece> held;
    std::uint64_t expected = 0;
    for (std::uint64_t now = 0; now < 300; ++now) {
      if (random.below(2) != 0) {
        const std::uint64_t bytes = 1 + random.below(capacity);
        if (const auto piece = buffer.reserve(bytes, now)) {
          REQUIRE(piece->offset % align == 0);
          REQUIRE(piece->offset + bytes <= capacity);
          for (const auto& [ticket, other] : held)
            REQUIRE((piece->offset >= other.offset + other.bytes || piece->offset + bytes <= other.offset));
          held[piece->ticket] = *piece;
          buffer.filled(piece->ticket, now);
        } else {
          REQUIRE_FALSE(held.empty());
        }
      } else if (const auto piece = buffer.front(now)) {
        REQUIRE(piece->ticket == expected++);
        REQUIRE(held.erase(piece->ticket) == 1);
        buffer.release(now);
      } else {
        REQUIRE(held.empty());
      }
      REQUIRE(buffer.bytes_held() <= capacity);
      if (held.empty()) REQUIRE(buffer.bytes_held() == 0);
    }
  }
}

namespace {

/// Tiles of 64 bytes through a buffer: a DMA engine fills, a unit consumes one in `drain` ns.
class TileStream : public sc_core::sc_module, public DmaListener {
 public:
  TileStream(sc_core::sc_module_name name, unsigned slots, unsigned tiles, double drain)
      : sc_module(name),
        buffer({slots * 64ULL, slots}),
        memory("memory", flat(), nullptr),
        dma("dma", {8, 4096}, nullptr),
        bytes_(slots * 64ULL),
        tiles_(tiles),
        drain_(drain, sc_core::SC_NS) {
    monitored.bind(dma.memory, memory.target);
    SC_HAS_PROCESS(TileStream);
    SC_METHOD(drained);
    sensitive << end_;
    dont_initialize();
    for (unsigned i = 0; i < tiles; ++i)
      debug_write(i * 1000ULL, static_cast<std::uint8_t>(i + 1));
    produce();
  }
  // excerpt: stream
  /// As many tiles as there are credits for are on their way.
  void produce() {
    while (issued_ < tiles_) {
      const auto piece = buffer.reserve(64, now());
      if (!piece) return;  // drained() tries again
      DmaTransfer tile;
      tile.address = issued_++ * 1000;
      tile.row_bytes = 64;
      tile.data = bytes_.data() + piece->offset;
      dma.submit(tile, *this, piece->ticket);
    }
  }
  void dma_done(std::uint64_t ticket, tlm::tlm_response_status) override {
    buffer.filled(ticket, now());
    consume();
  }
  void consume() {
    if (draining_) return;
    const auto piece = buffer.front(now());
    if (!piece) return;  // dma_done() tries again
    use(bytes_.data() + piece->offset, piece->bytes);
    draining_ = true;
    end_.notify(drain_);
  }
  void drained() {
    draining_ = false;
    buffer.release(now());
    produce();
    if (consumed < tiles_) consume();
  }
  // end excerpt
  ScratchpadBuffer buffer;
  test::MonitoredLinks monitored;
  FlatMemory memory;
  DmaEngine dma;
  unsigned consumed = 0, wrong = 0;

 private:
  static FlatConfig flat() {
    FlatConfig config;
    config.bandwidth_gbps = 1;
    config.latency_ns = 10;
    config.capacity_bytes = 1 << 20;
    return config;
  }
  static std::uint64_t now() { return sc_core::sc_time_stamp().value() / 1000; }
  void debug_write(std::uint64_t address, std::uint8_t value) {
    std::vector<std::uint8_t> data(64, value);
    tlm::tlm_generic_payload payload;
    payload.set_command(tlm::TLM_WRITE_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(data.data());
    payload.set_data_length(64);
    memory.transport_dbg(payload);
  }
  void use(const std::uint8_t* data, std::uint64_t length) {
    ++consumed;
    wrong += std::count(data, data + length, static_cast<std::uint8_t>(consumed)) != 64;
  }
  std::vector<std::uint8_t> bytes_;
  const unsigned tiles_;
  const sc_core::sc_time drain_;
  unsigned issued_ = 0;
  bool draining_ = false;
  sc_core::sc_event end_;
};

}  // namespace

TEST_CASE("a DMA engine streams through a buffer and waits for credits when the consumer is slow") {
  TileStream twice("twice", 2, 10, 100), once("once", 1, 10, 100);
  sc_core::sc_start();
  for (TileStream* stream : {&twice, &once}) {
    CHECK(stream->consumed == 10);
    CHECK(stream->wrong == 0);
    CHECK(stream->buffer.pieces() == 0);
    CHECK(stream->dma.idle());
  }
  // A fill takes 74 ns alone. Double: the first is exposed, then the consumer never waits. Single: both in turns.
  CHECK(twice.buffer.consumer_stall() == 0);  // it first looks when the first tile is there
  CHECK(twice.buffer.producer_stall() == 8 * 100 + 74);
  CHECK(twice.buffer.peak_bytes() == 128);
  CHECK(once.buffer.consumer_stall() == 9 * 74);
  CHECK(sc_core::sc_time_stamp() == sc_core::sc_time(10 * 174, sc_core::SC_NS));
}

TEST_CASE("statistics have units and the occupancy is an integral over time") {
  ScratchpadBuffer buffer({1024, 2});
  Statistics group("sram");
  buffer.register_statistics(group, "tiles");
  const auto piece = buffer.reserve(512, 0);
  buffer.filled(piece->ticket, 30);
  buffer.front(30);
  buffer.release(50);
  buffer.reserve(1, 100);  // 512 of 1024 bytes for 50 of 100 cycles
  std::map<std::string, Statistics::Value> values;
  group.for_each([&](const Statistics::Value& value) { values[value.path] = value; });
  CHECK(values.at("sram.tiles_occupancy").value == 0.25);
  CHECK(values.at("sram.tiles_bytes").value == 512);
  CHECK(values.at("sram.tiles_pieces").value == 1);
  CHECK(values.at("sram.tiles_producer_stall").unit == "cycle");
}

TEST_CASE("a buffer is misused loudly") {
  ScratchpadBuffer buffer({1024, 2});
  CHECK_THROWS_AS(buffer.reserve(0, 0), InternalError);
  CHECK_THROWS_AS(buffer.reserve(513, 0), InternalError);
  CHECK_THROWS_AS(buffer.release(0), InternalError);
  CHECK_THROWS_AS(buffer.filled(0, 0), InternalError);
  const auto piece = buffer.reserve(512, 5);
  CHECK_THROWS_AS(buffer.reserve(1, 4), InternalError);
  buffer.filled(piece->ticket, 5);
  CHECK_THROWS_AS(buffer.filled(piece->ticket, 5), InternalError);
  CHECK_THROWS_AS(ScratchpadBuffer({0, 2}), InternalError);
  CHECK_THROWS_AS(ScratchpadBuffer({64, 0, 3}), InternalError);
}

TEST_CASE("a buffer's configuration names its buffering") {
  const auto read = [](const std::string& text) {
    ConfigNode node = ConfigNode::parse(text, "b.yaml");
    const auto config = ScratchpadBufferConfig::from(node);
    node.reject_unknown();
    return config;
  };
  CHECK(read("{capacity_kib: 4}").slots == 2);
  CHECK(read("{capacity_kib: 4, buffering: single}").slots == 1);
  CHECK(read("{capacity_kib: 4, buffering: ring, slots: 8}").slots == 8);
  CHECK(read("{capacity_kib: 4, buffering: circular, align_bytes: 64}").slots == 0);
  CHECK(read("{capacity_kib: 4, buffering: circular, align_bytes: 64}").align_bytes == 64);
  CHECK_THROWS_WITH(read("{capacity_kib: 4, buffering: triple}"), Catch::Contains("b.yaml:1"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, buffering: ring, slots: 3}"), Catch::Contains("multiple of 3 slots"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, buffering: circular, align_bytes: 3}"), Catch::Contains("power of two"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, buffering: double, slots: 3}"), Catch::Contains("slots"));
}
