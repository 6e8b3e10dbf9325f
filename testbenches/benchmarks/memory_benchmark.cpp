// SPDX-License-Identifier: Apache-2.0
/// Speed of the memory path: DMA engine, TLM socket, memory. The figure that matters is host time per transaction and
/// bursts per second of host time. All platforms are elaborated first, because the kernel cannot be restarted; each
/// measurement lets it run until its transfers are complete.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/units.h"
#include "memory/dma_engine.h"
#include "memory/dram_channel.h"
#include "memory/memory_system.h"
#include "memory/trace_patterns.h"
#include "testbenches/benchmarks/benchmarks.h"
#include "testbenches/support/paths.h"

namespace nibble {
namespace {

class MemoryBench : public DmaListener {
 public:
  MemoryBench(const std::string& memory, const std::vector<std::string>& overrides, const DmaConfig& config) {
    ConfigNode node = ConfigNode::load(source_path("configs/memories/" + memory + ".yaml"));
    for (const std::string& assignment : overrides)
      node.apply_override(assignment);
    memory_ = make_memory(sc_core::sc_gen_unique_name("memory"), node, nullptr);
    dma_ = std::make_unique<DmaEngine>(sc_core::sc_gen_unique_name("dma"), config, nullptr);
    dma_->memory.bind(memory_->target);
  }

  /// One pass: `transfers` transfers of `bytes`, 64 in flight.
  template <class Address>
  void pass(std::uint64_t transfers, std::uint64_t bytes, Address address) {
    next_address_ = [this, address, bytes] {
      DmaTransfer transfer;
      transfer.address = address(issued_++) % (memory_->capacity_bytes() - bytes);
      transfer.row_bytes = bytes;
      dma_->submit(transfer, *this, 0);
    };
    left_ = transfers;
    for (std::uint64_t i = 0; i < 64 && left_ > 0; ++i)
      submit_next();
    sc_core::sc_start();
  }

  /// Before the first pass of a measurement: what earlier ones moved does not count.
  void start() {
    bytes_before_ = dma_->read_bytes(Stream::host);
    transactions_before_ = dma_->transactions();
    bus_bytes_before_ = memory_->bus_read_bytes();
  }
  /// Fills in the counters of a benchmark after its last pass.
  void report(benchmark::State& state) const {
    const auto bytes = static_cast<double>(dma_->read_bytes(Stream::host) - bytes_before_);
    const auto transactions = static_cast<double>(dma_->transactions() - transactions_before_);
    // In bursts of 64 bytes, whatever the device's: the figure that other simulators state.
    const double bursts = static_cast<double>(memory_->bus_read_bytes() - bus_bytes_before_) / 64;
    state.counters["bursts64/s"] = benchmark::Counter(bursts, benchmark::Counter::kIsRate);
    state.counters["transactions/s"] = benchmark::Counter(transactions, benchmark::Counter::kIsRate);
    state.counters["s_per_110_GB"] =
        benchmark::Counter(bytes / 110e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  }

 private:
  void dma_done(std::uint64_t, tlm::tlm_response_status status) override {
    if (status != tlm::TLM_OK_RESPONSE) std::abort();
    if (left_ > 0) submit_next();
  }
  void submit_next() {
    --left_;
    next_address_();
  }

  std::unique_ptr<MemorySystem> memory_;
  std::unique_ptr<DmaEngine> dma_;
  std::function<void()> next_address_;
  std::uint64_t issued_ = 0, left_ = 0;
  std::uint64_t bytes_before_ = 0, transactions_before_ = 0, bus_bytes_before_ = 0;
};

using Address = std::uint64_t (*)(std::uint64_t index);

std::uint64_t sequential_64k(std::uint64_t i) {
  return i * 64 * kib;
}
/// Two streams in turns of 4 KiB, as tiles of two operands.
std::uint64_t tiled_4k(std::uint64_t i) {
  return i % 2 * (256 * mib + 32 * kib) + i / 2 * 4 * kib;
}
std::uint64_t random_burst(std::uint64_t i) {
  Random random(i);
  return random.below(1 << 22) * 64;
}

void add(const std::string& name, const std::string& memory, const std::vector<std::string>& overrides,
         std::uint64_t transaction_bytes, std::uint64_t transfers, std::uint64_t bytes, Address address) {
  auto bench = std::make_shared<MemoryBench>(memory, overrides,
                                             DmaConfig{transaction_bytes < 256 ? 64U : 16U, transaction_bytes});
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    bench->start();
    for (auto _ : state)
      bench->pass(transfers, bytes, address);
    bench->report(state);
  })->Unit(benchmark::kMillisecond);
}

/// The scheduler alone, without kernel and socket, driven as other simulators are: single bursts in order, at most one
/// per clock, at most 128 at a time.
void add_scheduler(const std::string& memory, const std::string& pattern) {
  ConfigNode node = ConfigNode::load(source_path("configs/memories/" + memory + ".yaml"));
  node.string("kind");
  node.string("summary");
  const DramDevice device = DramDevice::from(node);
  const DramGeometry& g = device.geometry;
  const auto trace = standard_trace(pattern + ",requests=100000", {g.burst_bytes(), g.row_bytes, g.banks()});
  benchmark::RegisterBenchmark((memory + "/scheduler/" + pattern).c_str(), [=](benchmark::State& state) {
    for (auto _ : state) {
      const AddressMap map(device.mapping, g);
      DramChannel channel(device, map);
      std::uint64_t finished = 0;
      const auto collect = [&] {
        finished += channel.done().size();
        channel.done().clear();
      };
      for (std::uint32_t id = 0; id < trace.size(); ++id) {
        for (; id - finished >= 128; collect())
          channel.advance(channel.finish_bound());
        channel.push(trace[id].address / g.burst_bytes(), 1, trace[id].write, id, channel.now() + 1);
        collect();
      }
      for (; !channel.idle(); collect())
        channel.advance(channel.finish_bound());
      if (finished != trace.size()) std::abort();
    }
    const auto bursts = static_cast<double>(trace.size()) * static_cast<double>(state.iterations());
    state.counters["requests/s"] = benchmark::Counter(bursts, benchmark::Counter::kIsRate);
    state.counters["bursts64/s"] =
        benchmark::Counter(bursts * static_cast<double>(g.burst_bytes()) / 64, benchmark::Counter::kIsRate);
  })->Unit(benchmark::kMillisecond);
}

}  // namespace

void register_memory_benchmarks() {
  for (const char* memory : {"reference-ddr4-b", "reference-lpddr4-b", "reference-hbm2-b"}) {
    for (const char* pattern : {"seq_read", "gemm_tiled", "mix_seq", "random_read"})
      add_scheduler(memory, pattern);
  }
  for (const std::string preset :
       {"ddr4-2400", "ddr4-3200", "ddr5-4800", "lpddr4-3200", "lpddr5-6400", "gddr6-16", "hbm2", "hbm3"}) {
    add(preset + "/sequential/4096", preset, {}, 4096, 1000, 64 * kib, sequential_64k);
    add(preset + "/tiled_gemm/4096", preset, {}, 4096, 10000, 4 * kib, tiled_4k);
    add(preset + "/random/64", preset, {}, 64, 50000, 64, random_burst);
  }
  for (const std::uint64_t size : {std::uint64_t{4096}, std::uint64_t{16384}, std::uint64_t{65536}}) {
    const std::string suffix = "/" + std::to_string(size);
    add("flat/sequential" + suffix, "flat-64gbps", {}, size, 1000, 64 * kib, sequential_64k);
    if (size > 4096) add("hbm2/sequential" + suffix, "hbm2", {}, size, 1000, 64 * kib, sequential_64k);
    add("hbm2_16_channels/sequential" + suffix, "hbm2", {"channels=16"}, size, 1000, 64 * kib, sequential_64k);
  }
  // Every burst a transaction of its own, and queues of each bank, which take every burst singly.
  add("reference_ddr4_b/sequential/64", "reference-ddr4-b", {}, 64, 50, 64 * kib, sequential_64k);
  add("reference_ddr4_b/random/64", "reference-ddr4-b", {}, 64, 50000, 64, random_burst);
  add("ddr4-3200_bank_queues/sequential/4096", "ddr4-3200", {"controller.queue=per_bank"}, 4096, 1000, 64 * kib,
      sequential_64k);
}

}  // namespace nibble
