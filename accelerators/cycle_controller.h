// SPDX-License-Identifier: Apache-2.0
/// Controllers of the register-level arrays for one GEMM command: they bring operands to the array as early as it
/// accepts them and take its results. One per kind of array (stationary_controller.h, output_stationary_controller.h),
/// for any PE.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "accelerators/array_observer.h"
#include "accelerators/gemm_progress.h"
#include "accelerators/systolic_config.h"
#include "accelerators/tile_loader.h"
#include "dataflow/array_passes.h"
#include "dataflow/array_timeline.h"
#include "pe/array_datapath.h"

namespace nibble {

/// An element of the output tile.
struct ArrayOutput {
  OutputSum sum;
  bool in_column = false;  ///< it has entered a column and not left it
};

/// A job on the array, alive until its last result has left.
struct ArrayJob {
  ArrayJob(const LoadedJob& loaded_job, const ArrayGeometry& geometry, std::uint64_t sum_extent)
      : loaded(loaded_job),
        array(geometry),
        passes(loaded_job.job.m, loaded_job.job.k, loaded_job.job.n, geometry, sum_extent) {}
  LoadedJob loaded;
  ArrayGeometry array;
  ArrayPasses passes;
  ArrayInterval interval;
  std::uint64_t results_left = 0;
  std::uint64_t result_edge = 0;       ///< the last result so far is in the accumulators
  std::optional<std::uint64_t> store;  ///< of the engine, announced to the result writer
  std::uint64_t number = 0;            ///< jobs that began before it

  // Functional commands only.
  bool functional = false;
  DatapathTile activation, weight;                    ///< as the array's inlets have them
  std::shared_ptr<std::vector<ArrayOutput>> outputs;  ///< the output tile, row-major, shared by the jobs along k
  ArrayOutput& output(std::uint64_t row, std::uint64_t column) { return (*outputs)[row * loaded.job.n + column]; }
  OperandSlice activation_slice(std::uint64_t row, std::uint64_t k, std::uint64_t count) const;
  OperandSlice weight_slice(std::uint64_t column, std::uint64_t k, std::uint64_t count) const;
  /// The tile as binary32; empty for timing only.
  std::vector<float> accumulators() const;
};

class CycleController {
 public:
  /// That of the configuration's dataflow.
  static std::unique_ptr<CycleController> make(const SystolicConfig& config, TileLoader& loader,
                                               GemmProgress& progress);
  virtual ~CycleController() = default;

  /// One cycle beginning at edge `now`. `hold`: no operands enter (the output buffer is full); what is inside moves on.
  /// True when the front job's last operands have entered at the end of it: streamed() is the job.
  virtual bool step(std::uint64_t now, bool hold) = 0;
  ArrayJob& streamed() { return *streamed_; }
  /// The front job was given back to the loader.
  void gave_back_front() { --jobs_ahead_; }
  /// Jobs whose results have all left the array; the caller removes them.
  std::deque<std::shared_ptr<ArrayJob>>& finished() { return finished_; }
  /// Jobs that have begun and are not in finished().
  std::uint64_t unfinished() const { return unfinished_; }

 protected:
  CycleController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress);
  /// The next job whose operands are on chip by `now`, or nullptr.
  std::shared_ptr<ArrayJob> next_job(std::uint64_t now);
  /// The job's first operands enter at edge `now`; the array would have taken them from `earliest` on.
  void start(ArrayJob& job, std::uint64_t now, std::uint64_t earliest);
  /// The job's last operands have entered by edge `end`.
  void end(const std::shared_ptr<ArrayJob>& job, std::uint64_t end);
  void finish(const std::shared_ptr<ArrayJob>& job);
  /// No operands enter in the cycle that begins at `now`.
  void held(std::uint64_t now) { last_end_ = now + 1; }

  const SystolicConfig& config_;
  TileLoader& loader_;
  GemmProgress& progress_;
  const ArrayDatapath& datapath_;
  const std::uint64_t begin_;      ///< edge at which the array's cycle 0 begins
  ArrayObserver* const observer_;  ///< null: nobody watches
  ArrayCycle seen_;                ///< of the cycle at work, where somebody does

 private:
  void attach_operands(ArrayJob& job);

  std::shared_ptr<std::vector<ArrayOutput>> outputs_;  ///< of the last job
  std::uint64_t sums_begin_ = 0;                       ///< reduction index at which its sums began
  std::shared_ptr<ArrayJob> streamed_;
  std::uint64_t last_end_;   ///< edge after the last operand, or the last held cycle, so far
  unsigned jobs_ahead_ = 0;  ///< jobs that have been begun and not given back
  std::uint64_t jobs_begun_ = 0;
  std::uint64_t unfinished_ = 0;
  std::deque<std::shared_ptr<ArrayJob>> finished_;
};

}  // namespace nibble
