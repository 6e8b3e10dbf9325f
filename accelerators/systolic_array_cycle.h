// SPDX-License-Identifier: Apache-2.0
/// A weight-stationary systolic array of MANT PEs, register by register: every PE, every cycle.
///
/// - Activations enter column 0, row r one cycle after row r - 1 (skew), and move right one column per cycle.
/// - Partial sums move down one row per cycle; what leaves the last row goes to the column's foot.
/// - Weights of the next pass move down shadow registers while the current pass streams. A weight stops at the row that
/// it is
///   meant for; rows for the bottom enter first, column c starts c cycles after column 0. All are in place after `rows`
///   cycles.
/// - The first activation of a pass swaps each PE's shadow weight into its active register as it goes by. A new load
/// may begin
///   in the cycle of the swap in row 0: its wave follows the swap's diagonal one row behind.
#pragma once

#include <cstdint>
#include <vector>

#include "dataflow/gemm_shape.h"
#include "pe/mant_pe.h"

namespace nibble {

class SystolicArrayCycle {
 public:
  explicit SystolicArrayCycle(const ArrayGeometry& geometry);

  /// Activations of one row of A: element r for array row r, `rows` of them.
  struct ActivationRow {
    bool valid = false;
    bool first = false;     ///< first row of a pass: weights swap
    bool wide = false;      ///< INT8 weights, two PEs fused
    std::uint64_t tag = 0;  ///< handed back with the results
    std::vector<std::int8_t> x;
  };
  /// Stationary weights of one array row: `columns` codes (narrow: sign << 3 | i; wide: 4-bit slices of the INT8
  /// weight) and whether each column's group is of type INT4.
  struct WeightRow {
    bool valid = false;
    std::uint64_t row = 0;
    std::vector<std::uint8_t> codes;
    std::vector<std::uint8_t> int4;
  };
  /// What leaves the last row of column `column` in this cycle.
  struct Result {
    std::uint64_t tag = 0, column = 0;
    MantSums sums;
  };

  /// One clock cycle. The inputs are those that enter row 0 / column 0 now; the skew registers are part of the array.
  /// `results` receives the sums that the last row registers in this cycle.
  void step(const ActivationRow& activation, const WeightRow& weight, std::vector<Result>& results);

  /// Multiply-accumulates that PEs have performed (valid operands, padding included).
  std::uint64_t pe_operations() const { return pe_operations_; }

 private:
  struct Pe {
    std::uint8_t active = 0, active_int4 = 0;
    std::uint8_t shadow = 0, shadow_int4 = 0;
    bool moving = false;  ///< the shadow weight has not reached its row
    std::uint64_t destination = 0;
    MantSums sums;  ///< registered partial sums
  };
  void shift_weights(std::uint64_t column);

  std::uint64_t rows_, columns_;
  std::vector<Pe> pes_;                            ///< row-major
  std::vector<ActivationRow> activation_history_;  ///< skew and travel: entry of cycle t at t modulo the size
  std::vector<WeightRow> weight_history_;
  std::uint64_t cycle_ = 0, pe_operations_ = 0;
};

}  // namespace nibble
