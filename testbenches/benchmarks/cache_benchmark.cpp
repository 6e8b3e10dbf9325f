// SPDX-License-Identifier: Apache-2.0
/// Speed of the cache: DMA engine, TLM socket, cache and, for misses, a flat memory below. Segments are parts of
/// transactions in one line of 128 bytes. The tags alone, without kernel, are what a tile walk costs.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "core/units.h"
#include "memory/cache.h"
#include "memory/dma_engine.h"
#include "memory/flat_memory.h"
#include "testbenches/benchmarks/benchmarks.h"

namespace nibble {
namespace {

CacheConfig config() {
  CacheConfig config;
  config.geometry.capacity_bytes = 128 * kib;
  config.banks = 4;
  config.hit_latency_cycles = 20;
  config.mshrs = 64;
  config.queue_depth = 64;
  return config;
}

FlatConfig flat() {
  FlatConfig config;
  config.bandwidth_gbps = 64;
  config.capacity_bytes = 4 * gib;
  return config;
}

class CacheBench : public DmaListener {
 public:
  explicit CacheBench(std::uint64_t transaction_bytes)
      : memory_(sc_core::sc_gen_unique_name("memory"), flat(), nullptr),
        cache_(sc_core::sc_gen_unique_name("cache"), config(), nullptr),
        dma_(sc_core::sc_gen_unique_name("dma"), {32, transaction_bytes}, nullptr) {
    dma_.memory.bind(cache_.target);
    cache_.memory.bind(memory_.target);
  }
  /// Reads `transfers` x 64 KiB, over and over the first `footprint` bytes.
  void pass(std::uint64_t transfers, std::uint64_t footprint) {
    left_ = transfers;
    footprint_ = footprint;
    for (unsigned i = 0; i < 4; ++i)
      next();
    sc_core::sc_start();
  }
  void report(benchmark::State& state) const {
    const CacheCounters& c = cache_.counters();
    const auto rate = [&](const char* name, std::uint64_t value) {
      state.counters[name] = benchmark::Counter(static_cast<double>(value), benchmark::Counter::kIsRate);
    };
    rate("transactions/s", c.reads);
    rate("segments/s", c.segments);
    rate("hits/s", c.hits);
  }

 private:
  void dma_done(std::uint64_t, tlm::tlm_response_status status) override {
    if (status != tlm::TLM_OK_RESPONSE) std::abort();
    next();
  }
  void next() {
    if (left_ == 0) return;
    --left_;
    DmaTransfer transfer;
    transfer.address = count_++ * 64 * kib % footprint_;
    transfer.row_bytes = 64 * kib;
    dma_.submit(transfer, *this, 0);
  }

  FlatMemory memory_;
  Cache cache_;
  DmaEngine dma_;
  std::uint64_t left_ = 0, count_ = 0, footprint_ = 0;
};

void add(const std::string& name, std::uint64_t transaction_bytes, std::uint64_t footprint) {
  auto bench = std::make_shared<CacheBench>(transaction_bytes);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    for (auto _ : state)
      bench->pass(400, footprint);
    bench->report(state);
  })->Unit(benchmark::kMillisecond);
}

void tags(benchmark::State& state) {
  CacheTags tags(config().geometry);
  std::uint64_t hits = 0, accesses = 0;
  for (auto _ : state) {
    for (std::uint64_t address = 0; address < 128 * kib; address += 128)
      hits += tags.access(address, 128, false).hit();
    accesses += 1024;
  }
  benchmark::DoNotOptimize(hits);
  state.counters["segments/s"] = benchmark::Counter(static_cast<double>(accesses), benchmark::Counter::kIsRate);
}

}  // namespace

void register_cache_benchmarks() {
  benchmark::RegisterBenchmark("cache/tags_alone", tags);
  add("cache/hits/32", 32, 128 * kib);
  add("cache/hits/128", 128, 128 * kib);
  add("cache/hits/4096", 4096, 128 * kib);
  add("cache/misses/128", 128, gib);
  add("cache/misses/4096", 4096, gib);
}

}  // namespace nibble
