// SPDX-License-Identifier: Apache-2.0
/// When the passes of a job enter and leave a weight-stationary array (dataflow/array_timeline.h has all dataflows).
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataflow/array_timeline.h"

namespace nibble {

/// `earliest`: next_start of the job before (0 for the first). `operands`: edge at which the operands were on chip.
/// Weights of the first pass load for weight_load_cycles() before its start, hidden behind the job before when they are
/// there.
inline ArrayInterval schedule_job(const ArrayGeometry& array, std::uint64_t passes, std::uint64_t m,
                                  std::uint64_t last_columns, std::uint64_t earliest, std::uint64_t operands) {
  const std::uint64_t load = array.preload_cycles(), stream = m * array.initiation_interval;
  const std::uint64_t interval = std::max(stream, array.pass_turnaround());
  ArrayInterval job;
  job.start = operands + load > earliest ? operands + load : earliest;
  const std::uint64_t last_start = job.start + (passes - 1) * interval;
  job.end = last_start + stream;
  job.next_start = last_start + interval;
  job.result = job.end + tail_cycles(array.rows, last_columns, array);
  return job;
}

}  // namespace nibble
