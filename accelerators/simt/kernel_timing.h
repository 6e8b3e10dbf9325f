// SPDX-License-Identifier: Apache-2.0
/// How long a kernel's slices take on a multiprocessor when data are in time: measured on SmPipeline, never assumed.
#pragma once

#include <cstdint>
#include <vector>

#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/sm_pipeline.h"

namespace nibble {

struct KernelTiming {
  /// Cycles per slice of each of r + 1 resident thread blocks that run side by side, so that one slice of every one
  /// takes (r + 1) x slice[r].
  std::vector<double> slice;
  /// Cycles that each thread block beyond its slices costs the others when r + 1 are resident and new ones follow:
  /// prologues and epilogues that nothing hides.
  std::vector<double> turnover;
  std::uint64_t multiply = 0;  ///< of a slice's cycles, those in which the tensor cores work, averaged over the blocks
  std::uint64_t lead = 0;      ///< from the arrival of a slice's data to its first multiplication
  std::uint64_t tail = 0;      ///< from the last multiplication to the last store
  SmCounters per_slice;  ///< steady state: instructions, registers, shared memory of one slice of one thread block
  SmCounters per_block;  ///< beside its slices, of one thread block
};

/// Runs 1 to `resident` thread blocks of two reductions, of 8 and 24 slices, and two numbers of thread blocks that
/// follow each other, on a multiprocessor whose memory answers `latency` cycles later; the differences are the steady
/// state.
KernelTiming measure_kernel(const SmConfig& config, const GemmKernelConfig& kernel, const TensorCoreSteps& steps,
                            unsigned resident, std::uint64_t latency);

}  // namespace nibble
