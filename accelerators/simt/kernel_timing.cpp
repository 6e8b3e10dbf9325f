// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/kernel_timing.h"

#include <algorithm>

namespace nibble {
namespace {

constexpr std::uint64_t short_run = 8, long_run = 24;  // slices
constexpr unsigned few_rounds = 2, many_rounds = 5;    // of resident thread blocks

class FixedLatencyMemory final : public GlobalMemoryPort {
 public:
  explicit FixedLatencyMemory(std::uint64_t latency) : latency_(latency) {}
  void serve(SmPipeline& pipeline) { pipeline_ = &pipeline; }
  void load(std::uint64_t cycle, const GlobalAccess&, std::uint64_t ticket) override {
    pipeline_->complete(ticket, cycle + latency_);
  }
  void store(std::uint64_t, const GlobalAccess&) override {}

 private:
  std::uint64_t latency_;
  SmPipeline* pipeline_ = nullptr;
};

/// `thread_blocks` of them, `resident` at a time.
SmCounters run(const SmConfig& config, const GemmKernel& kernel, unsigned thread_blocks, unsigned resident,
               std::uint64_t latency) {
  FixedLatencyMemory memory(latency);
  SmPipeline pipeline(config, memory);
  memory.serve(pipeline);
  unsigned launched = 0, running = 0;
  while (launched < thread_blocks || running > 0) {
    for (; launched < thread_blocks && running < resident; ++running)
      pipeline.launch(launched++, kernel.program, kernel.warps);
    pipeline.run(SmPipeline::never);
    running -= static_cast<unsigned>(pipeline.take_finished().size());
  }
  return pipeline.counters();
}

/// Work, time apart: (a - b) / divisor, or a - factor x b.
template <typename Combine>
SmCounters combine_work(const SmCounters& a, const SmCounters& b, const Combine& combine) {
  SmCounters out;
  for (std::size_t i = 0; i < warp_operation_count; ++i)
    out.instructions[i] = combine(a.instructions[i], b.instructions[i]);
  out.register_reads = combine(a.register_reads, b.register_reads);
  out.register_writes = combine(a.register_writes, b.register_writes);
  out.shared_read_bytes = combine(a.shared_read_bytes, b.shared_read_bytes);
  out.shared_written_bytes = combine(a.shared_written_bytes, b.shared_written_bytes);
  out.shared_cycles = combine(a.shared_cycles, b.shared_cycles);
  out.global_read_bytes = combine(a.global_read_bytes, b.global_read_bytes);
  out.global_written_bytes = combine(a.global_written_bytes, b.global_written_bytes);
  return out;
}

}  // namespace

KernelTiming measure_kernel(const SmConfig& config, const GemmKernelConfig& kernel, const TensorCoreSteps& steps,
                            unsigned resident, std::uint64_t latency) {
  const GemmKernel few = make_gemm_kernel(kernel, steps, short_run * kernel.tile_k);
  const GemmKernel many = make_gemm_kernel(kernel, steps, long_run * kernel.tile_k);
  KernelTiming timing;
  for (unsigned r = 1; r <= std::max(resident, 1U); ++r) {
    const SmCounters shorter = run(config, few, r, r, latency), longer = run(config, many, r, r, latency);
    timing.slice.push_back(static_cast<double>(longer.cycles - shorter.cycles) /
                           static_cast<double>(r * (long_run - short_run)));
    const std::uint64_t rounds =
        run(config, few, many_rounds * r, r, latency).cycles - run(config, few, few_rounds * r, r, latency).cycles;
    const double per_block = static_cast<double>(rounds) / ((many_rounds - few_rounds) * r);
    timing.turnover.push_back(std::max(0.0, per_block - timing.slice.back() * static_cast<double>(short_run)));
    if (r > 1) continue;
    timing.per_slice = combine_work(longer, shorter,
                                    [](std::uint64_t a, std::uint64_t b) { return (a - b) / (long_run - short_run); });
    timing.per_block =
        combine_work(shorter, timing.per_slice, [](std::uint64_t a, std::uint64_t b) { return a - short_run * b; });
    timing.multiply = few.mmas * steps.cycles() / (short_run * config.blocks);
    timing.lead = shorter.first_multiplication - std::min(shorter.first_multiplication, latency);
    const std::uint64_t before_tail = shorter.first_multiplication +
                                      static_cast<std::uint64_t>(timing.slice.front() * static_cast<double>(short_run));
    timing.tail = shorter.cycles > before_tail ? shorter.cycles - before_tail : 0;
  }
  return timing;
}

}  // namespace nibble
