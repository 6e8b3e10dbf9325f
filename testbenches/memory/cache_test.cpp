// SPDX-License-Identifier: Apache-2.0
/// The cache between an initiator and a memory: times and order by hand.
#include <catch2/catch.hpp>
#include <memory>

#include "core/random.h"
#include "memory/cache.h"
#include "testbenches/memory/cache_bench.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/socket_driver.h"

using namespace nibble;
using namespace nibble::test;

TEST_CASE("a miss, a hit and a sector miss by hand") {
  Bench bench(small());
  bench.read_at(0, 0);        // miss: leaves at 3, comes at 3 + 42 = 45, answered 2 cycles later
  bench.read_at(100, 0);      // hit
  bench.read_at(200, 32);     // another sector of the line
  bench.read_at(300, 0, 64);  // two sectors: the bank takes two cycles
  CHECK(bench.answered(0) == Approx(47));
  CHECK(bench.answered(1) == Approx(104));
  CHECK(bench.answered(2) == Approx(247));
  CHECK(bench.answered(3) == Approx(305));
  const CacheCounters& c = bench.cache.counters();
  CHECK(c.line_misses == 1);
  CHECK(c.sector_misses == 1);
  CHECK(c.hits == 2);
  CHECK(c.fill_bytes == 64);
  bench.check_clean();
}

TEST_CASE("hits pass a miss, secondary misses merge with it") {
  Bench bench(small());
  bench.read_at(0, 0);
  bench.read_at(100, 128);  // miss, answered at 147
  bench.read_at(101, 0);    // hit under the miss
  bench.read_at(102, 128);  // merges: served by the same fill
  bench.read_at(103, 160);  // another sector of the line on its way: a fill of its own
  CHECK(bench.answered(1) == Approx(147));
  CHECK(bench.answered(2) == Approx(105));
  CHECK(bench.answered(3) == Approx(147));
  // Leaves at 106, when the memory is busy until 135: data at 135 + 32 + 10 = 177.
  CHECK(bench.answered(4) == Approx(179));
  CHECK(bench.cache.counters().merged == 1);
  CHECK(bench.cache.counters().sector_misses == 1);
  CHECK(bench.memory.bus_read_bytes() == 3 * 32);
  bench.check_clean();
}

TEST_CASE("a long read is looked up line by line and its fills leave as one") {
  CacheConfig config = small();
  Bench bench(config, flat(), "_joined");
  config.fill_bytes = 128;
  Bench apart(config, flat(), "_apart");
  bench.read_at(0, 0, 512);
  apart.dma.submit(
      [] {
        DmaTransfer t;
        t.row_bytes = 512;
        return t;
      }(),
      apart.done, 0);
  // Leaves at 3, 512 + 10 ns, then the bank writes line after line, 4 cycles each: the last starts 12 cycles later.
  CHECK(bench.answered(0) == Approx(3 + 522 + 12 + 2 + 3));
  CHECK(bench.far.requests() == 1);
  CHECK(apart.far.requests() == 4);
  CHECK(apart.answered(0) == Approx(3 + 522 + 2 + 3));  // the other lines were written while the last one came
  CHECK(bench.cache.counters().line_misses == 4);
  CHECK(bench.cache.counters().fills == 4);
  bench.check_clean();
  apart.check_clean();
}

TEST_CASE("a full set of miss registers holds requests back, and so do full targets") {
  CacheConfig config = small();
  config.mshrs = 2;
  config.mshr_targets = 2;
  Bench bench(config, flat(), "_registers"), merging(config, flat(), "_targets");
  for (unsigned i = 0; i < 3; ++i) {
    bench.read_at(i, 128 * i);
    merging.dma.submit(
        [] {
          DmaTransfer t;
          t.row_bytes = 32;
          return t;
        }(),
        merging.done, i);
  }
  CHECK(bench.answered(0) == Approx(47));
  CHECK(bench.answered(1) == Approx(79));  // the memory is taken until 35
  // The third starts when the first fill has come, at 45; leaves at 48, the memory is taken until 67.
  CHECK(bench.answered(2) == Approx(48 + 19 + 42 + 2));
  CHECK(bench.cache.counters().mshr_stalls == 1);
  CHECK(bench.cache.counters().stall_ticks == sc_time(43, SC_NS).value());
  CHECK(merging.cache.counters().target_stalls == 1);
  CHECK(merging.cache.counters().merged == 1);
  CHECK(merging.cache.counters().hits == 1);
  bench.check_clean();
  merging.check_clean();
}

TEST_CASE("a set whose ways all wait for the memory holds requests back") {
  CacheConfig config = small();  // lines 0 2 4 6 8 are of one set with four ways
  Bench bench(config);
  for (unsigned i = 0; i < 5; ++i)
    bench.read_at(i, 256 * i);
  CHECK(bench.answered(4) > bench.answered(0));
  CHECK(bench.cache.counters().set_stalls == 1);
  CHECK(bench.cache.counters().evictions == 1);
  CHECK(bench.cache.counters().writebacks == 0);
  bench.check_clean();
}

TEST_CASE("dirty lines are written back when they lose their place, only their dirty sectors") {
  Bench bench(small());
  bench.write_at(0, 0);        // covers a sector: nothing is fetched
  bench.write_at(10, 64, 32);  // a third sector of the line
  bench.write_at(20, 256, 8);  // part of a sector: fetched, then written
  for (unsigned i = 2; i < 6; ++i)
    bench.read_at(100.0 * i, 256 * i);
  sc_core::sc_start();
  const CacheCounters& c = bench.cache.counters();
  CHECK(bench.answered(0) == Approx(4));
  CHECK(bench.answered(2) == Approx(20 + 3 + 42 + 2));
  CHECK(c.evictions == 2);
  CHECK(c.writebacks == 2);
  CHECK(c.writeback_bytes == 96);
  CHECK(c.fill_bytes == 32 + 4 * 32);
  CHECK(bench.memory.bus_write_bytes() == 96);
  bench.check_clean();
}

TEST_CASE("banks serve neighbouring lines side by side") {
  CacheConfig config = small();
  Bench one(config, flat(), "_one");
  config.banks = 4;
  Bench four(config, flat(), "_four");
  for (Bench* bench : {&one, &four}) {
    DmaTransfer t;
    t.row_bytes = 512;
    bench->dma.submit(t, bench->done, 0);
  }
  sc_core::sc_start();
  one.count = four.count = 1;
  one.read_at(2000, 0, 512);
  DmaTransfer t;
  t.row_bytes = 512;
  four.dma.submit(t, four.done, 1);
  // Four lines of four cycles each: one behind the other, or together.
  CHECK(one.answered(1) == Approx(2000 + 12 + 4 + 3));
  CHECK(four.answered(1) == Approx(2000 + 4 + 3));
  one.check_clean();
  four.check_clean();
}

TEST_CASE("hits come at the rate of the banks and never faster") {
  struct Stream {
    Stream(unsigned banks, unsigned bytes, const std::string& suffix)
        : memory(("memory" + suffix).c_str(), flat(), nullptr),
          cache(("cache" + suffix).c_str(), config(banks), nullptr),
          dma(("dma" + suffix).c_str(), {64, bytes}, nullptr) {
      monitored.bind(dma.memory, cache.target);
      monitored.bind(cache.memory, memory.target);
    }
    MonitoredLinks monitored;
    static CacheConfig config(unsigned banks) {
      CacheConfig config = small();
      config.banks = banks;
      return config;
    }
    void read(std::uint64_t token) {
      DmaTransfer t;
      t.row_bytes = 1024;
      t.rows = 4;
      t.stride = 0;  // the same kibibyte four times
      dma.submit(t, done, token);
    }
    double end() const { return done.entries.back().at.to_seconds() * 1e9; }
    FlatMemory memory;
    Cache cache;
    DmaEngine dma;
    DmaRecorder done;
  };
  Stream sectors(1, 32, "_sectors"), lines(1, 128, "_lines"), banks(4, 128, "_banks");
  for (Stream* stream : {&sectors, &lines, &banks})
    stream->read(0);  // fills it
  sc_core::sc_start(sc_time(10000, SC_NS));
  for (Stream* stream : {&sectors, &lines, &banks})
    stream->read(1);
  sc_core::sc_start();
  // 4 KiB at 32 bytes per cycle and bank, and 3 cycles for the last one to come out.
  CHECK(sectors.end() == Approx(10000 + 128 + 3));
  CHECK(lines.end() == Approx(10000 + 128 + 3));
  CHECK(banks.end() == Approx(10000 + 32 + 3));
}

TEST_CASE("write through: every write goes on, lines stay clean, reads of written lines hit") {
  CacheConfig config = small();
  config.write_through = true;
  config.write_allocate = false;
  Bench bench(config);
  bench.read_at(0, 0);
  bench.write_at(100, 0);    // hit: updated, and forwarded at 103, answered with the memory's 145
  bench.read_at(200, 0);     // hit
  bench.write_at(300, 512);  // miss: goes past the cache
  bench.read_at(400, 512);   // and is not there
  CHECK(bench.answered(1) == Approx(103 + 42));
  CHECK(bench.answered(2) == Approx(204));
  CHECK(bench.answered(3) == Approx(303 + 42));
  CHECK(bench.answered(4) == Approx(447));
  CHECK(bench.cache.counters().forwarded_bytes == 64);
  CHECK(bench.cache.counters().writebacks == 0);
  bench.check_clean();
}

TEST_CASE("a fill waits for the write of the same line") {
  CacheConfig config = small();
  config.write_through = true;
  config.write_allocate = false;
  Bench bench(config);
  bench.write_at(0, 0);  // forwarded at 3, answered at 45
  bench.read_at(5, 0);   // may leave only then
  CHECK(bench.answered(1) == Approx(45 + 3 + 42 + 2));
  CHECK(bench.cache.counters().order_stalls == 1);
  bench.check_clean();
}

TEST_CASE("a full write buffer holds requests back") {
  CacheConfig config = small();
  config.write_buffer = 1;
  config.write_through = true;
  config.write_allocate = false;
  Bench bench(config);
  for (unsigned i = 0; i < 3; ++i)
    bench.write_at(i, 128 * i);
  CHECK(bench.answered(0) == Approx(45));
  CHECK(bench.answered(1) == Approx(45 + 3 + 42));
  CHECK(bench.answered(2) == Approx(90 + 3 + 42));
  CHECK(bench.cache.counters().write_stalls == 2);
  bench.check_clean();
}

namespace {

/// Two sets over four banks of one byte per cycle, so that a long read keeps one bank busy while others are free; a
/// write that finds not all of its sectors goes past the cache.
CacheConfig slow_banks() {
  CacheConfig config = small();
  config.write_allocate = false;
  config.banks = 4;
  config.bytes_per_cycle = 1;
  return config;
}

/// Writes with data, and what the memory holds in the end.
struct DataBench : Bench {
  DataBench() : Bench(slow_banks()) {}
  void write_at(double ns, std::uint64_t address, std::size_t bytes, std::uint8_t value) {
    data.push_back(std::make_unique<Bytes>(bytes, value));
    sc_core::sc_start(sc_time(ns, SC_NS) - sc_core::sc_time_stamp());
    DmaTransfer transfer;
    transfer.write = true;
    transfer.address = address;
    transfer.row_bytes = bytes;
    transfer.data = data.back()->data();
    dma.submit(transfer, done, count++);
  }
  Bytes stored(std::uint64_t address, std::size_t bytes) {
    Bytes read(bytes);
    tlm::tlm_generic_payload payload;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, address, read);
    cache.memory->transport_dbg(payload);
    return read;
  }
  std::vector<std::unique_ptr<Bytes>> data;
};

}  // namespace

TEST_CASE("a forwarded write does not overtake the write-back of its line") {
  DataBench bench;
  for (const std::uint64_t line : {0U, 2U, 4U, 6U})
    bench.read_at(static_cast<double>(500 * line), 128 * line, 128);
  bench.write_at(5000, 0, 32, 1);   // dirty
  bench.read_at(5100, 128 * 4, 1);  // line 0 is now the oldest of its set
  bench.read_at(5200, 128 * 2, 1);
  bench.read_at(5300, 128 * 6, 128);  // takes the bank of lines 2, 6 and 10 until 5428
  bench.read_at(5301, 128 * 10, 32);  // evicts line 0, whose write-back leaves at 5431
  bench.write_at(5302, 0, 32, 2);     // past the cache; alone it would leave at 5336
  sc_core::sc_start();
  CHECK(bench.cache.counters().writebacks == 1);
  CHECK(bench.cache.counters().forwarded_bytes == 32);
  CHECK(bench.cache.counters().order_stalls == 1);
  CHECK(bench.stored(0, 32) == Bytes(32, 2));
  bench.check_clean();
}

TEST_CASE("a write-back does not overtake a forwarded write of its line") {
  DataBench bench;
  bench.read_at(0, 0, 32);  // line 0 has its first sector only
  for (const std::uint64_t line : {2U, 4U, 6U})
    bench.read_at(static_cast<double>(500 * line), 128 * line, 128);
  bench.read_at(5000, 128 * 4, 128);  // takes the bank of lines 0 and 4 until 5128
  bench.write_at(5001, 0, 64, 1);     // a sector is missing: goes on to the memory at 5131
  bench.write_at(5002, 0, 32, 2);     // hits: dirty
  bench.read_at(5003, 128 * 4, 1);
  bench.read_at(5004, 128 * 2, 1);
  bench.read_at(5005, 128 * 6, 1);
  bench.read_at(5010, 128 * 10, 32);  // evicts line 0, whose write-back could leave at 5013
  sc_core::sc_start();
  CHECK(bench.cache.counters().writebacks == 1);
  CHECK(bench.cache.counters().forwarded_bytes == 64);
  CHECK(bench.cache.counters().order_stalls == 1);
  CHECK(bench.stored(0, 32) == Bytes(32, 2));
  CHECK(bench.stored(32, 32) == Bytes(32, 1));
  bench.check_clean();
}
