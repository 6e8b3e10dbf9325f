// SPDX-License-Identifier: Apache-2.0
/// Controller of StationaryArrayCycle: weights or activations are loaded, rows of the other operand stream, what leaves
/// the columns goes to their feet.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "accelerators/array_arithmetic.h"
#include "accelerators/cycle_controller.h"
#include "accelerators/stationary_array_cycle.h"

namespace nibble {

class StationaryController final : public CycleController, private SumSource {
 public:
  StationaryController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress);
  bool step(std::uint64_t now, bool hold) override;

 private:
  using Array = StationaryArrayCycle<ColumnArithmetic>;
  struct Place {
    std::shared_ptr<ArrayJob> job;
    std::uint64_t pass = 0;
  };
  struct RowTag {
    std::shared_ptr<ArrayJob> job;
    ArrayPass pass;
    std::uint64_t index = 0;  ///< of the streamed row
    std::uint64_t pass_number = 0;
  };
  /// A column's element of the output tile, and the slices of both operands that its pass takes; no job: unused.
  struct Element {
    ArrayJob* job = nullptr;
    std::uint64_t row = 0, column = 0;
    OperandSlice activation, weight;
  };
  bool stream(std::uint64_t now);
  void enter_row(std::uint64_t now);
  void load(std::uint64_t now);
  bool next_pass(std::uint64_t now);
  void collect(const Array::Result& result, std::uint64_t now);
  void show(std::uint64_t now, bool hold);
  Element element(const RowTag& tag, std::uint64_t array_column) const;
  OperandSlice in_row(const ArrayJob& job, const ArrayPass& pass, bool activation, std::uint64_t index,
                      std::uint64_t array_row) const;
  PartialSum entering(std::uint64_t tag, std::uint64_t column) override;

  const bool inputs_;  ///< activations stay
  const std::uint64_t rows_, columns_, interval_;
  Array array_;
  Array::StreamRow row_;
  Array::LoadRow load_row_;
  std::vector<Array::Result> results_;
  Place loading_, streaming_;
  std::uint64_t rows_loaded_;                 ///< of loading_
  std::uint64_t row_index_ = 0, ending_ = 0;  ///< of streaming_; edge at which its job has streamed in
  std::deque<RowTag> tags_;
  std::uint64_t next_tag_ = 0, first_tag_ = 0;
};

}  // namespace nibble
