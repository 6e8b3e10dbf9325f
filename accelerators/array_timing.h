// SPDX-License-Identifier: Apache-2.0
/// When the passes of a job enter and leave a weight-stationary array, in closed form. SystolicArrayCycle steps through
/// the same structure register by register; a test asserts that both agree.
#pragma once

#include <cstdint>

#include "dataflow/array_passes.h"
#include "dataflow/gemm_shape.h"

namespace nibble {

/// One job on the array.
struct ArrayInterval {
  std::uint64_t start = 0;       ///< first activation row of the first pass enters
  std::uint64_t last_start = 0;  ///< first activation row of the last pass enters
  std::uint64_t end = 0;         ///< edge after the last activation row has entered: operands may be replaced
  std::uint64_t next_start = 0;  ///< earliest start of the next job, its weights being on chip in time
  std::uint64_t result = 0;      ///< last result at the accumulators
};

/// `earliest`: next_start of the job before (0 for the first). `operands`: edge at which the operands were on chip.
/// Weights of the first pass load for weight_load_cycles() before its start, hidden behind the job before when they are
/// there.
inline ArrayInterval schedule_job(const ArrayGeometry& array, std::uint64_t passes, std::uint64_t m,
                                  std::uint64_t last_columns, std::uint64_t earliest, std::uint64_t operands) {
  const std::uint64_t load = array.weight_load_cycles();
  const std::uint64_t interval = m > load ? m : load;
  ArrayInterval job;
  job.start = operands + load > earliest ? operands + load : earliest;
  job.last_start = job.start + (passes - 1) * interval;
  job.end = job.last_start + m;
  job.next_start = job.last_start + interval;
  job.result = job.last_start + (m - 1) + array.rows + (last_columns - 1) + array.foot_latency;
  return job;
}

}  // namespace nibble
