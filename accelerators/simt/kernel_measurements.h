// SPDX-License-Identifier: Apache-2.0
/// What runs of kernels on a multiprocessor gave (kernel_timing.h), so that each is simulated once. A process can tell
/// those that it has made to another one: commands that simulate in children of their own let the next child know.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/sm_pipeline.h"

namespace nibble {

/// All that such a run depends on.
struct KernelRun {
  const SmConfig& multiprocessor;
  const TensorCoreGeometry& tensor_core;
  const GemmKernelConfig& kernel;
  std::uint64_t slices = 0;                  ///< of tile_k, each thread block
  unsigned thread_blocks = 0, resident = 0;  ///< in all, and at a time
  std::uint64_t latency = 0;                 ///< cycles, of a memory that always answers so much later
};

class KernelMeasurements {
 public:
  static KernelMeasurements& of_this_process();

  /// The outcome of the run; simulate() gives it when it is not known.
  const SmCounters& of(const KernelRun& run, const std::function<SmCounters()>& simulate);
  /// What was simulated here since the last call, for learn() in a process of the same program.
  std::string take_new();
  /// Throws InternalError for what take_new() does not give.
  void learn(const std::string& told);

 private:
  using Key = std::vector<std::uint64_t>;
  std::map<Key, SmCounters> known_;
  std::string new_;
};

}  // namespace nibble
