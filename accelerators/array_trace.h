// SPDX-License-Identifier: Apache-2.0
/// Waveforms of a register-level array: docs/dataflow.md, section "Waveforms".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "accelerators/array_observer.h"
#include "core/vcd_writer.h"
#include "dataflow/gemm_shape.h"

namespace nibble {

class ArrayTrace final : public ArrayObserver {
 public:
  /// Rows and columns of the array whose inlets and feet are shown.
  static constexpr std::uint64_t most_lines = 16;
  /// [D] A file that a viewer on a laptop opens at once.
  static constexpr std::size_t most_bytes = std::size_t{64} << 20;

  /// `clock_mhz` > 0.
  ArrayTrace(const ArrayGeometry& array, double clock_mhz);

  std::uint64_t row() const override { return 0; }
  std::uint64_t column() const override { return 0; }
  void cycle(const ArrayCycle& seen) override;

  bool full() const { return file_.full(); }
  const std::string& text() const { return file_.text(); }

 private:
  using Signal = VcdWriter::Signal;
  std::uint64_t picoseconds(double edges) const;
  void set_operand(Signal signal, const OperandSlice& operand);
  void set_pe(const ArrayCycle& seen);
  void set_feet(const ArrayCycle& seen);

  double clock_mhz_;
  VcdWriter file_;
  Signal clk_, held_, waiting_, enters_, first_, loads_, load_row_, tile_, pass_;
  std::vector<Signal> left_, top_;  ///< by row, by column
  Signal pe_works_, pe_left_, pe_top_, pe_integer_[2], pe_real_[2];
  std::vector<Signal> foot_valid_, foot_row_, foot_integer_, foot_accumulator_;  ///< by column
};

}  // namespace nibble
