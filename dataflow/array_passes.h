// SPDX-License-Identifier: Apache-2.0
/// Passes of a weight-stationary array: how a tile is cut into sets of stationary weights, and how long they take.
///
/// A pass holds up to `columns` output channels and up to pass_k() reduction elements of one group; the tile's m
/// activation rows stream through it, one per cycle. The passes of a tile run column block by column block, within a
/// block along k, so that the columns of a block are finished early.
///
/// Time, in cycles, load = weight_load_cycles():
/// - The weights of the next pass (of this job or the next one) shift into shadow registers while the current pass
/// streams:
///   consecutive passes start max(m, load) apart. The first pass of a command waits one whole load.
/// - The last result of a pass whose first row enters in cycle t is computed by the last PE of the last used column in
/// cycle
///   t + (m - 1) + (rows - 1) + (columns used - 1): one cycle per array row down, one per column across; at the end of
///   that cycle it enters the foot, and foot_latency cycles later it is in the accumulator.
/// One isolated job of passes 1..P lasts load + (P - 1) x max(m, load) + m + (rows - 1) + (columns used in P - 1) +
/// foot_latency.
#pragma once

#include <cstdint>

#include "dataflow/gemm_shape.h"
#include "dataflow/operand_layout.h"

namespace nibble {

/// Reduction extent that a pass may not cross because scales change there: the greatest common divisor of the groups of
/// those operands that carry metadata. 0: no operand does, passes cross freely.
std::uint64_t pass_group(const OperandLayout& activation, const OperandLayout& weight);

/// One set of stationary weights, relative to its tile: rows [k0, k0 + k) of the reduction, columns [n0, n0 + n).
struct ArrayPass {
  std::uint64_t k0 = 0, k = 0, n0 = 0, n = 0;
};

/// The passes of one tile of m activation rows, k reduction elements (starting at a group) and n columns. Extents > 0.
class ArrayPasses {
 public:
  /// `group`: as from pass_group.
  ArrayPasses(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array, std::uint64_t group);

  /// Activation rows of every pass.
  std::uint64_t rows() const { return m_; }
  std::uint64_t column_blocks() const { return column_blocks_; }
  std::uint64_t per_column_block() const { return per_block_; }
  std::uint64_t count() const { return column_blocks_ * per_block_; }
  /// Pass i in the order of execution, i < count().
  ArrayPass at(std::uint64_t i) const;
  /// Columns used by the last pass.
  std::uint64_t last_columns() const { return n_ - (column_blocks_ - 1) * columns_; }

 private:
  std::uint64_t m_, k_, n_, columns_, pass_k_, group_, per_group_;
  std::uint64_t column_blocks_ = 0, per_block_ = 0;
};

/// Passes along a reduction of `k` elements that starts at a group.
std::uint64_t passes_along_k(std::uint64_t k, const ArrayGeometry& array, std::uint64_t group);

/// Busy time of an array by cause; the sum is the time from the first weight's entry to the last accumulator's update.
struct ArrayCycles {
  std::uint64_t compute = 0;      ///< activation rows streamed
  std::uint64_t weight_load = 0;  ///< passes shorter than a weight load wait for the next weights
  std::uint64_t fill_drain = 0;   ///< first weight load, skew down and across the array, foot
  std::uint64_t total() const { return compute + weight_load + fill_drain; }
};

/// Cycles that a pass of m rows waits for the weights of the pass behind it.
std::uint64_t weight_stall(std::uint64_t m, const ArrayGeometry& array);
/// First load, skew and foot of a command whose last pass uses `last_columns`.
std::uint64_t fill_drain_cycles(std::uint64_t last_columns, const ArrayGeometry& array);
/// One job alone.
ArrayCycles isolated_cycles(const ArrayPasses& passes, const ArrayGeometry& array);

/// Throws InputError when the geometry cannot hold one reduction element and one column.
void check_array(const ArrayGeometry& array);

}  // namespace nibble
