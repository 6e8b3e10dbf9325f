// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/kernel_timing.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"

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

SmCounters simulate(const KernelRun& run, const GemmKernel& kernel) {
  FixedLatencyMemory memory(run.latency);
  SmPipeline pipeline(run.multiprocessor, memory);
  memory.serve(pipeline);
  unsigned launched = 0, running = 0;
  while (launched < run.thread_blocks || running > 0) {
    for (; launched < run.thread_blocks && running < run.resident; ++running)
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

/// See KernelTiming::busy().
double busy_cycles(const SmConfig& sm, const GemmKernel& kernel) {
  std::uint64_t tensor = 0, path = 0, issue = 0;
  for (const WarpInstruction& instruction : kernel.program.body) {
    ++issue;
    if (instruction.operation == WarpOperation::hmma) tensor += instruction.unit_cycles;
    path += ceil_div(instruction.bytes, sm.shared_bytes_per_cycle);
  }
  const double per_block = static_cast<double>(kernel.warps) / sm.blocks;
  return std::max(per_block * static_cast<double>(std::max(tensor, issue)), static_cast<double>(path * kernel.warps));
}

}  // namespace

KernelTiming::KernelTiming(const SmConfig& config, const GemmKernelConfig& kernel, const TensorCoreSteps& steps,
                           std::uint64_t latency)
    : config_(config),
      kernel_(kernel),
      tensor_core_(steps.geometry()),
      few_(make_gemm_kernel(kernel, steps, short_run * kernel.tile_k)),
      many_(make_gemm_kernel(kernel, steps, long_run * kernel.tile_k)),
      instruction_cycles_(steps.cycles()),
      latency_(latency),
      resident_(SmPipeline::resident_thread_blocks(config, few_.warps, few_.registers_per_lane, few_.shared_bytes)),
      busy_(busy_cycles(config, few_)),
      several_(resident_) {
  if (resident_ != 0) return;
  throw InputError("a multiprocessor does not hold one thread block of kernel " + tile_name(kernel) + ": " +
                   std::to_string(few_.warps) + " warps of " + std::to_string(few_.registers_per_lane) +
                   " registers and " + std::to_string(few_.shared_bytes) + " bytes of shared memory");
}

const KernelTiming::Several& KernelTiming::several(unsigned running) const {
  std::optional<Several>& known = several_.at(running - 1);
  if (!known) known = measure(running);
  return *known;
}

const KernelTiming::Single& KernelTiming::single() const {
  if (!single_) single_ = measure_single();
  return *single_;
}

/// `thread_blocks` of few_ or many_, `resident` at a time.
const SmCounters& KernelTiming::run(const GemmKernel& kernel, unsigned thread_blocks, unsigned resident) const {
  const std::uint64_t slices = &kernel == &few_ ? short_run : long_run;
  const KernelRun run{config_, tensor_core_, kernel_, slices, thread_blocks, resident, latency_};
  return KernelMeasurements::of_this_process().of(run, [&] { return simulate(run, kernel); });
}

KernelTiming::Several KernelTiming::measure(unsigned running) const {
  const auto cycles = [&](const GemmKernel& kernel, unsigned thread_blocks) {
    return run(kernel, thread_blocks, running).cycles;
  };
  Several out;
  out.slice = static_cast<double>(cycles(many_, running) - cycles(few_, running)) /
              static_cast<double>(running * (long_run - short_run));
  const std::uint64_t rounds = cycles(few_, many_rounds * running) - cycles(few_, few_rounds * running);
  const double per_block = static_cast<double>(rounds) / ((many_rounds - few_rounds) * running);
  out.turnover = std::max(0.0, per_block - out.slice * static_cast<double>(short_run));
  return out;
}

KernelTiming::Single KernelTiming::measure_single() const {
  const SmCounters &shorter = run(few_, 1, 1), &longer = run(many_, 1, 1);
  Single out;
  out.per_slice =
      combine_work(longer, shorter, [](std::uint64_t a, std::uint64_t b) { return (a - b) / (long_run - short_run); });
  out.per_block =
      combine_work(shorter, out.per_slice, [](std::uint64_t a, std::uint64_t b) { return a - short_run * b; });
  out.multiply = few_.mmas * instruction_cycles_ / (short_run * config_.blocks);
  out.lead = shorter.first_multiplication - std::min(shorter.first_multiplication, latency_);
  const std::uint64_t before_tail =
      shorter.first_multiplication + static_cast<std::uint64_t>(slice(1) * static_cast<double>(short_run));
  out.tail = shorter.cycles > before_tail ? shorter.cycles - before_tail : 0;
  return out;
}

const KernelTimings::Entry& KernelTimings::entry(std::size_t mode, const TensorCoreSteps& steps,
                                                 const GemmKernelConfig& kernel) {
  const Key key{mode,
                kernel.tile_m,
                kernel.tile_n,
                kernel.tile_k,
                kernel.warps_m,
                kernel.warps_n,
                kernel.a_bits,
                kernel.w_bits,
                kernel.result_bits,
                kernel.a_scale_group,
                kernel.scale_group,
                std::uint64_t{kernel.unpack_instructions} << 32 | kernel.integer_instructions,
                static_cast<std::uint64_t>(kernel.result_operations * 1024),
                static_cast<std::uint64_t>(kernel.unpack) << 32 | static_cast<std::uint64_t>(kernel.order)};
  const auto known = entries_.find(key);
  if (known != entries_.end()) return known->second;
  Entry out;
  try {
    out.timing = std::make_unique<KernelTiming>(config_, kernel, steps, latency_);
  } catch (const InputError& error) {
    out.refusal = error.what();
  }
  return entries_.emplace(key, std::move(out)).first->second;
}

const KernelTiming& KernelTimings::of(std::size_t mode, const TensorCoreSteps& steps, const GemmKernelConfig& kernel) {
  const Entry& found = entry(mode, steps, kernel);
  if (found.timing == nullptr) throw InputError(found.refusal);
  return *found.timing;
}

const KernelTiming* KernelTimings::find(std::size_t mode, const TensorCoreSteps& steps,
                                        const GemmKernelConfig& kernel) {
  return entry(mode, steps, kernel).timing.get();
}

}  // namespace nibble
