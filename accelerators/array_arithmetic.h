// SPDX-License-Identifier: Apache-2.0
/// The PEs of a machine in the register-level arrays: the datapath of its PE (pe/array_datapath.h) on slices of operand
/// tiles. A slice of no elements stands for an operand that is not there: of a command without data, of PEs that a pass
/// leaves unused, of all but the last of PEs that work as one.
#pragma once

#include <cstdint>

#include "pe/array_datapath.h"

namespace nibble {

/// Gives what enters a column with a row of operands.
class SumSource {
 public:
  virtual ~SumSource() = default;
  virtual PartialSum entering(std::uint64_t tag, std::uint64_t column) = 0;
};

/// For StationaryArrayCycle.
struct ColumnArithmetic {
  using Stationary = OperandSlice;
  using Streamed = OperandSlice;
  using Sum = PartialSum;
  const ArrayDatapath* datapath = nullptr;
  const GemmOptions* options = nullptr;
  SumSource* source = nullptr;
  bool stationary_activations = false;

  Sum enter(std::uint64_t tag, std::uint64_t column) const { return source->entering(tag, column); }
  Sum step(const Sum& above, const Streamed& streamed, const Stationary& stationary, std::uint64_t) const {
    Sum sum = above;
    if (streamed.empty() || stationary.empty()) return sum;
    datapath->step(sum, stationary_activations ? stationary : streamed, stationary_activations ? streamed : stationary,
                   *options);
    return sum;
  }
};

/// For OutputStationaryArrayCycle.
struct OutputArithmetic {
  using Left = OperandSlice;
  using Top = OperandSlice;
  using Sum = OutputSum;
  const ArrayDatapath* datapath = nullptr;
  const GemmOptions* options = nullptr;

  void step(Sum& sum, const Left& activation, const Top& weight) const {
    if (activation.empty() || weight.empty()) return;
    PartialSum partial = datapath->enter != nullptr ? datapath->enter(sum) : PartialSum{};
    datapath->step(partial, activation, weight, *options);
    datapath->leave(sum, partial, activation, weight, *options);
  }
};

}  // namespace nibble
