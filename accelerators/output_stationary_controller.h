// SPDX-License-Identifier: Apache-2.0
/// Controller of OutputStationaryArrayCycle: steps of both operands enter, finished sums drain into the output buffer.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "accelerators/array_arithmetic.h"
#include "accelerators/cycle_controller.h"
#include "accelerators/output_stationary_array_cycle.h"

namespace nibble {

class OutputStationaryController final : public CycleController {
 public:
  OutputStationaryController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress);
  bool step(std::uint64_t now, bool hold) override;

 private:
  using Array = OutputStationaryArrayCycle<OutputArithmetic>;
  struct PassTag {
    std::shared_ptr<ArrayJob> job;
    ArrayPass pass;
    std::uint64_t results_left = 0;
  };
  bool stream(std::uint64_t now);
  void advance(std::uint64_t now);
  void enter_step(const ArrayPass& pass, std::uint64_t count, bool last);
  void leave_array(const std::shared_ptr<ArrayJob>& job);
  void collect(const Array::Result& result, std::uint64_t now);
  void show(std::uint64_t now, bool hold);

  const std::uint64_t interval_;
  Array array_;
  Array::Step step_;
  std::vector<Array::Result> results_;
  std::shared_ptr<ArrayJob> job_;  ///< that streams, or waits to
  std::uint64_t pass_ = 0, k_ = 0;
  std::uint64_t group_start_ = 0;    ///< edge of the first step of the scale group at work
  std::uint64_t overhead_left_ = 0;  ///< cycles that the pass takes beside its steps
  std::uint64_t ending_ = 0;         ///< edge at which the job has streamed in; 0: later
  bool group_begun_ = false;
  bool fresh_ = true;  ///< sums start anew with the next step
  std::deque<PassTag> tags_;
  std::uint64_t first_tag_ = 0;
  std::deque<std::shared_ptr<ArrayJob>> staying_;  ///< their sums stay in the PEs, which their operands still reach
};

}  // namespace nibble
