// SPDX-License-Identifier: Apache-2.0
/// How long a kernel's slices take on a multiprocessor when data are in time: measured on SmPipeline, never assumed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/kernel_measurements.h"
#include "accelerators/simt/sm_pipeline.h"

namespace nibble {

/// One kernel on one kind of multiprocessor. Every figure is measured when it is first asked for, unless
/// KernelMeasurements knows it: thread blocks of two reductions, of 8 and 24 slices, and two numbers of thread blocks
/// that follow each other, on a multiprocessor whose memory answers a fixed latency later; the differences are the
/// steady state.
class KernelTiming {
 public:
  /// `latency`: cycles. Throws InputError where there is no such kernel, or a multiprocessor does not hold one of its
  /// thread blocks.
  KernelTiming(const SmConfig& config, const GemmKernelConfig& kernel, const TensorCoreSteps& steps,
               std::uint64_t latency);

  /// Thread blocks that a multiprocessor holds, at least 1.
  unsigned resident() const { return resident_; }
  /// Cycles in which a slice of one thread block occupies tensor cores, schedulers or the path to shared memory,
  /// whichever is busy longest: slice() from below, in closed form.
  double busy() const { return busy_; }
  /// Cycles per slice of each of `running` thread blocks side by side (1 to resident()), so that one slice of every one
  /// takes running x slice(running).
  double slice(unsigned running) const { return several(running).slice; }
  /// Cycles that each thread block beyond its slices costs the others when `running` are resident and new ones follow:
  /// prologues and epilogues that nothing hides.
  double turnover(unsigned running) const { return several(running).turnover; }

  /// What one thread block alone tells.
  struct Single {
    std::uint64_t multiply =
        0;                   ///< of a slice's cycles, those in which the tensor cores work, averaged over the blocks
    std::uint64_t lead = 0;  ///< from the arrival of a slice's data to its first multiplication
    std::uint64_t tail = 0;  ///< from the last multiplication to the last store
    SmCounters per_slice;    ///< steady state: instructions, registers, shared memory of one slice
    SmCounters per_block;    ///< beside its slices
  };
  const Single& single() const;

 private:
  struct Several {
    double slice = 0, turnover = 0;
  };
  const Several& several(unsigned running) const;
  const SmCounters& run(const GemmKernel& kernel, unsigned thread_blocks, unsigned resident) const;
  Several measure(unsigned running) const;
  Single measure_single() const;

  SmConfig config_;
  GemmKernelConfig kernel_;
  TensorCoreGeometry tensor_core_;
  GemmKernel few_, many_;  ///< of 8 and 24 slices
  std::uint64_t instruction_cycles_, latency_;
  unsigned resident_ = 0;
  double busy_ = 0;
  mutable std::vector<std::optional<Several>> several_;
  mutable std::optional<Single> single_;
};

/// The kernels of a machine's multiprocessor, each measured once.
class KernelTimings {
 public:
  KernelTimings(const SmConfig& config, std::uint64_t latency) : config_(config), latency_(latency) {}
  /// `mode`: which of the machine's tensor core modes has these steps. Throws InputError as KernelTiming.
  const KernelTiming& of(std::size_t mode, const TensorCoreSteps& steps, const GemmKernelConfig& kernel);
  /// nullptr where of() throws.
  const KernelTiming* find(std::size_t mode, const TensorCoreSteps& steps, const GemmKernelConfig& kernel);

 private:
  using Key = std::array<std::uint64_t, 14>;
  /// `refusal` where there is no timing.
  struct Entry {
    std::unique_ptr<KernelTiming> timing;
    std::string refusal;
  };
  const Entry& entry(std::size_t mode, const TensorCoreSteps& steps, const GemmKernelConfig& kernel);

  SmConfig config_;
  std::uint64_t latency_;
  std::map<Key, Entry> entries_;
};

}  // namespace nibble
