// SPDX-License-Identifier: Apache-2.0
/// When the jobs of a command enter and leave a systolic array, in closed form (dataflow/array_passes.h). The
/// register-level arrays of accelerators/ step through the same structure; tests assert that both agree.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataflow/array_passes.h"
#include "dataflow/gemm_shape.h"

namespace nibble {

/// One job on the array. Edges and cycles of the array's clock.
struct ArrayInterval {
  std::uint64_t start = 0;       ///< first streamed operand of the first pass enters
  std::uint64_t end = 0;         ///< edge after the last operand has entered: operands may be replaced
  std::uint64_t next_start = 0;  ///< earliest start of the next job, its operands being on chip in time
  std::uint64_t result = 0;      ///< last result at the accumulators; sums that stay in the PEs: complete there
  std::uint64_t compute = 0;     ///< cycles in which operands entered; end - start - compute: passes waited
  std::uint64_t structural =
      0;  ///< of the cycles before `start`: not hidden loads, drain; the rest waited for operands
};

/// The array of one command, job after job.
class ArrayTimeline {
 public:
  /// Nothing enters before edge `begin`.
  explicit ArrayTimeline(std::uint64_t begin) : end_(begin), next_start_(begin), result_(begin) {}

  /// `operands`: edge at which the job's operands are on chip. `completes`: the job's outputs are finished with it
  /// (TileJob::last_k); output stationary, the sums stay in the PEs otherwise, and such a job has one pass.
  /// Stationary operands load for preload_cycles() before their pass, hidden behind the pass before when they are
  /// there.
  ArrayInterval place(const ArrayGeometry& array, const ArrayPasses& passes, std::uint64_t operands,
                      bool completes = true) {
    return array.dataflow == Dataflow::output_stationary ? place_outputs(array, passes, operands, completes)
                                                         : place_streams(array, passes, operands);
  }
  /// Nothing enters before `edge`; what is inside moves on.
  void hold(std::uint64_t edge) {
    end_ = std::max(end_, edge);
    next_start_ = std::max(next_start_, edge);
  }
  bool started() const { return started_; }
  std::uint64_t end() const { return end_; }
  std::uint64_t result() const { return result_; }

 private:
  ArrayInterval place_streams(const ArrayGeometry& array, const ArrayPasses& passes, std::uint64_t operands) {
    const std::uint64_t load = array.preload_cycles(), stream = passes.stream_cycles();
    const std::uint64_t interval = std::max(stream, array.pass_turnaround());
    const std::uint64_t earliest = started_ ? next_start_ : next_start_ + load;
    ArrayInterval job;
    job.start = std::max(operands + load, earliest);
    const std::uint64_t last_start = job.start + (passes.count() - 1) * interval;
    job.end = last_start + stream;
    job.next_start = last_start + interval;
    job.result = job.end + job_tail_cycles(passes, array);
    return taken(job, passes, earliest);
  }

  ArrayInterval place_outputs(const ArrayGeometry& array, const ArrayPasses& passes, std::uint64_t operands,
                              bool completes) {
    const std::uint64_t stream = passes.stream_cycles(), used = passes.last_rows_used();
    ArrayInterval job;
    job.start = std::max(operands, next_start_);
    // The last step of a pass waits for the chain, so that its results follow those of the pass before.
    std::uint64_t first_end = job.start + stream;
    if (completes) first_end = std::max(first_end, last_step_ + array.initiation_interval);
    job.end = first_end + (passes.count() - 1) * stream + job_stall_cycles(passes, array);
    job.next_start = job.end;
    if (completes) {
      const std::uint64_t drain = array.drain_cycles(used);
      if (array.result_registers) {
        last_step_ = job.end - array.initiation_interval + drain;
      } else if (drain > 0) {
        job.next_start = job.end + drain - 1;
      }
      job.result = job.end + job_tail_cycles(passes, array);
    } else {
      job.result =
          array.free_fill ? job.end : job.end + (used - 1) + (passes.last_columns_used() - 1) + (array.pe_latency - 1);
    }
    return taken(job, passes, next_start_);
  }

  ArrayInterval taken(ArrayInterval job, const ArrayPasses& passes, std::uint64_t earliest) {
    job.compute = passes.compute_cycles();
    job.structural = earliest - end_;
    end_ = job.end;
    next_start_ = job.next_start;
    result_ = std::max(result_, job.result);
    started_ = true;
    return job;
  }

  bool started_ = false;
  std::uint64_t end_, next_start_, result_;
  std::uint64_t last_step_ = 0;  ///< cycle from which a pass's last step may enter: its results find the chain free
};

}  // namespace nibble
