// SPDX-License-Identifier: Apache-2.0
/// Controller of SystolicArrayCycle for one GEMM command: loads weights, starts passes, scales what leaves the column
/// feet.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "accelerators/accelerator_config.h"
#include "accelerators/gemm_progress.h"
#include "accelerators/systolic_array_cycle.h"
#include "accelerators/tile_loader.h"
#include "dataflow/array_passes.h"

namespace nibble {

/// A job on the array, alive until its last result has left.
struct ArrayJob {
  ArrayJob(const LoadedJob& loaded_job, const ArrayPasses& array_passes) : loaded(loaded_job), passes(array_passes) {}
  LoadedJob loaded;
  ArrayPasses passes;
  const QuantizedTensor* activation = nullptr;  ///< functional commands only; valid until the last row has entered
  const QuantizedTensor* weight = nullptr;
  std::vector<float> activation_scales, weight_scales;  ///< the foot needs them after the buffers were given back
  std::vector<std::uint8_t> weight_types;
  std::uint64_t groups = 0, weight_groups = 0;       ///< scales per row of A and of W
  std::shared_ptr<std::vector<float>> accumulators;  ///< the output tile, shared by the jobs along k
  std::vector<std::int32_t> group_sums;              ///< G so far, when a group takes several passes
  std::uint64_t results_left = 0;
  std::uint64_t result_edge = 0;  ///< the last result so far is in the accumulators
};

class CycleController {
 public:
  CycleController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress);

  /// One cycle beginning at edge `now`. True when the front job's last activation row enters in it.
  bool step(std::uint64_t now);
  /// One cycle in which no activations enter (the output buffer is full); what is inside moves on, weights load.
  void bubble(std::uint64_t now);
  /// The front job was given back to the loader.
  void gave_back_front() { --jobs_ahead_; }
  /// Jobs whose results have all left the array, in order; the caller removes them.
  std::deque<std::shared_ptr<ArrayJob>>& finished() { return finished_; }
  /// Jobs that have streamed in and are not in finished().
  std::uint64_t unfinished() const { return unfinished_; }

 private:
  struct RowTag {
    std::shared_ptr<ArrayJob> job;
    std::uint64_t pass = 0, row = 0;
  };
  const SegmentPlan& plan(const LoadedJob& job) const { return progress_.segments[job.segment]; }
  const ArrayGeometry& geometry(const LoadedJob& job) const { return plan(job).array; }
  bool wide(const LoadedJob& job) const { return geometry(job).rows_fused > 1; }
  bool stream(std::uint64_t now);
  void account_start(std::uint64_t now);
  void enter_row();
  void load(std::uint64_t now);
  bool next_pass(std::uint64_t now);
  std::shared_ptr<ArrayJob> make_job(const LoadedJob& loaded);
  void advance_array(std::uint64_t now);
  void collect(const SystolicArrayCycle::Result& result, std::uint64_t now);
  void scale(ArrayJob& job, const RowTag& tag, const ArrayPass& pass, const SystolicArrayCycle::Result& result);

  TileLoader& loader_;
  GemmProgress& progress_;
  const ArrayGeometry native_;
  SystolicArrayCycle array_;
  SystolicArrayCycle::ActivationRow activation_;
  SystolicArrayCycle::WeightRow weight_;
  std::vector<SystolicArrayCycle::Result> results_;

  std::shared_ptr<ArrayJob> shadow_job_;  ///< its weights load, or were loaded last
  std::shared_ptr<ArrayJob> streaming_;
  std::shared_ptr<std::vector<float>> accumulators_;
  std::uint64_t shadow_pass_ = 0, pass_ = 0, row_ = 0, loaded_rows_ = 0;
  std::uint64_t last_pass_end_ = 0;    ///< edge after the last activation row, or bubble, so far
  std::uint64_t next_pass_start_ = 0;  ///< earliest start of the next pass
  bool loading_ = false, shadow_full_ = false;
  unsigned jobs_ahead_ = 0;  ///< jobs whose weights have begun to load and that were not given back
  std::uint64_t unfinished_ = 0;
  std::deque<RowTag> tags_;
  std::uint64_t next_tag_ = 0, first_tag_ = 0;
  std::deque<std::shared_ptr<ArrayJob>> finished_;
};

}  // namespace nibble
