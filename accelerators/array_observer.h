// SPDX-License-Identifier: Apache-2.0
/// What a register-level array (cycle fidelity) shows to whoever watches it. The arrays know nothing of it: their
/// controllers fill an ArrayCycle per cycle when somebody watches, and nothing otherwise.
#pragma once

#include <cstdint>
#include <vector>

#include "pe/array_datapath.h"

namespace nibble {

/// One clock cycle. A slice without elements: no operand, or a command without data.
struct ArrayCycle {
  std::uint64_t edge = 0;  ///< clock edge at which the cycle begins
  bool held = false;       ///< the output buffer is full: nothing enters
  bool enters = false;     ///< operands enter at the left (output stationary: and at the top)
  bool first = false;      ///< they are the first of a pass (output stationary: sums start anew)
  bool loads = false;      ///< stationary operands of array row `load_row` enter at the top
  std::uint64_t load_row = 0;
  std::uint64_t tile = 0;               ///< of what enters, in the order of the schedule, from 0
  std::uint64_t pass = 0;               ///< of the tile
  std::vector<OperandSlice> left, top;  ///< by array row, by array column; skewed inside the array

  /// The PE at row(), column() of the observer: operands of the step that it did, and what it holds after it.
  bool pe_works = false;
  OperandSlice pe_left, pe_top;
  std::int64_t pe_integer[2] = {0,
                                0};  ///< stationary: the partial sum's two parts; output stationary: the run's sum, 0
  float pe_real[2] = {0, 0};         ///< stationary: the partial sum, 0; output stationary: accumulator, scale group

  /// A sum that leaves the array at the foot of a column.
  struct Output {
    std::uint64_t column = 0;
    std::uint64_t row = 0;     ///< of C, within the tile
    std::int64_t integer = 0;  ///< of the run at work; stationary: part 0 of what the column adds
    float accumulator = 0;     ///< after this sum
  };
  std::vector<Output> outputs;
};

class ArrayObserver {
 public:
  virtual ~ArrayObserver() = default;
  /// The PE that is watched.
  virtual std::uint64_t row() const = 0;
  virtual std::uint64_t column() const = 0;
  virtual void cycle(const ArrayCycle& seen) = 0;
};

}  // namespace nibble
