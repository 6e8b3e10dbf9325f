// SPDX-License-Identifier: Apache-2.0
/// Passes of a systolic array: how a tile of a GEMM is cut into sets of stationary operands, and how long they take.
///
/// Weight stationary: a pass holds up to pass_n() output channels and up to pass_k() reduction elements of one group;
/// the tile's m activation rows stream through it. The passes of a tile run column block by column block, within a
/// block along k, so that the columns of a block are finished early. Input stationary: the same with m and n, weights
/// and activations in each other's place. Output stationary: a pass computes up to pass_m() x pass_n() outputs, the
/// tile's whole k streams through it in steps of k_per_row elements of one group.
///
/// Time, in cycles; stream = cycles in which operands of a pass enter, lat = step_latency(), interval =
/// initiation_interval:
/// - Weight and input stationary. The stationary operands of the next pass (of this job or the next one) shift into
/// shadow registers while the current pass streams; with lat > 1 they must wait for the swap to run down the array.
/// Consecutive passes start max(stream, pass_turnaround()) apart; the first pass of a command waits one whole load.
/// What enters in cycle t is summed by the last PE of the last used column in cycle t + (rows - 1) x lat + (columns
/// used - 1), registered lat later and in the accumulator foot_latency after that. One isolated job of passes 1..P
/// lasts
///   load + (P - 1) x max(stream, turnaround) + stream + rows x lat - interval + (columns used in P - 1) +
///   foot_latency.
/// - Output stationary. Nothing is loaded ahead: consecutive passes stream back to back. What enters in cycle t reaches
/// the last used PE in cycle t + (rows used - 1) + (columns used - 1). When the lowest used PE of a result chain is
/// finished, the chain shifts down one PE per cycle; the top result leaves chain_length() cycles later. With result
/// registers, the last step of the next pass waits until its results find the chain free: ends of passes are at least
/// `used` apart, used = rows used, at most a chain. Without, its first step waits instead. One isolated job lasts
///   stream + (P - 1) x max(stream, used), or x (stream + used - 1) without result registers,
///   + (rows used - 1) + (columns used - 1) + lat - interval + chain_length() + foot_latency.
#pragma once

#include <cstdint>

#include "dataflow/gemm_shape.h"
#include "dataflow/operand_layout.h"

namespace nibble {

/// Reduction extent that a pass may not cross because scales change there: the greatest common divisor of the groups of
/// those operands that carry metadata. 0: no operand does, passes cross freely.
std::uint64_t pass_group(const OperandLayout& activation, const OperandLayout& weight);

/// What one pass computes, relative to its tile: outputs [m0, m0 + m) x [n0, n0 + n) over [k0, k0 + k).
struct ArrayPass {
  std::uint64_t m0 = 0, m = 0, k0 = 0, k = 0, n0 = 0, n = 0;
};

/// Order of the passes of an output-stationary tile: row block by row block, or column block by column block.
enum class OutputOrder { row_first, column_first };
/// "row-first", "column-first"
const char* to_string(OutputOrder order);

/// The passes of one tile of m activation rows, k reduction elements (starting at a group) and n columns. Extents > 0.
class ArrayPasses {
 public:
  /// `group`: as from pass_group.
  ArrayPasses(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array, std::uint64_t group,
              OutputOrder order = OutputOrder::row_first);

  /// Activation rows of the tile.
  std::uint64_t rows() const { return m_; }
  std::uint64_t columns() const { return n_; }
  /// Blocks of the tile's rows and columns that passes work on one by one; 1 where they stream.
  std::uint64_t row_blocks() const { return row_blocks_; }
  std::uint64_t column_blocks() const { return column_blocks_; }
  /// Passes that add to the same outputs.
  std::uint64_t per_output() const { return per_output_; }
  std::uint64_t per_column_block() const { return per_output_ * row_blocks_; }
  std::uint64_t count() const { return row_blocks_ * column_blocks_ * per_output_; }
  /// Cycles in which operands of each pass enter.
  std::uint64_t stream_cycles() const { return stream_; }
  /// In which operands enter, all passes.
  std::uint64_t compute_cycles() const { return count() * stream_; }
  /// Pass i in the order of execution, i < count().
  ArrayPass at(std::uint64_t i) const;
  /// Columns of the last pass, as it uses them: of n, input stationary of m.
  std::uint64_t last_columns() const;
  /// PEs along a row that a pass uses, and PEs down a column (weight and input stationary: all).
  std::uint64_t columns_used(const ArrayPass& pass) const;
  std::uint64_t rows_used(const ArrayPass& pass) const;
  std::uint64_t last_columns_used() const { return columns_used(at(count() - 1)); }
  std::uint64_t last_rows_used() const { return rows_used(at(count() - 1)); }

 private:
  Dataflow dataflow_;
  OutputOrder order_;
  std::uint64_t m_, k_, n_, pass_m_, pass_n_, pass_k_, group_, per_group_, rows_, rows_fused_, columns_fused_;
  std::uint64_t row_blocks_ = 1, column_blocks_ = 1, per_output_ = 1, stream_ = 0;
};

/// Passes along a reduction of `k` elements that starts at a group; output stationary: 1.
std::uint64_t passes_along_k(std::uint64_t k, const ArrayGeometry& array, std::uint64_t group);
/// Cycles in which the operands of a pass enter: initiation intervals of its rows (weight stationary: m, input
/// stationary: n) or of its steps along k, where a group takes at least group_interval, and pass_overhead.
std::uint64_t stream_cycles(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array,
                            std::uint64_t group);

/// PEs times cycles in which they multiply, for a job of m x k x n whose k starts at a group.
std::uint64_t pe_cycles(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array,
                        std::uint64_t group);

/// Busy time of an array by cause; the sum is the time from the first operand's entry to the last accumulator's update.
struct ArrayCycles {
  std::uint64_t compute = 0;  ///< operands streamed
  /// Passes shorter than a load wait for the next stationary operands; output stationary: passes shorter than the drain
  /// of results wait for it.
  std::uint64_t weight_load = 0;
  std::uint64_t fill_drain = 0;  ///< first load, skew down and across the array, drain of the last results, foot
  std::uint64_t total() const { return compute + weight_load + fill_drain; }
};

/// Weight and input stationary: cycles that a pass waits, after streaming, for the operands of the pass behind it.
std::uint64_t load_stall(std::uint64_t stream, const ArrayGeometry& array);
/// Output stationary: cycles that a pass waits for the results of the pass before, of which a column used `rows_used`
/// PEs. `stream`: all cycles in which operands of the pass enter, of several jobs along k together.
std::uint64_t drain_stall(std::uint64_t rows_used, std::uint64_t stream, const ArrayGeometry& array);
/// From the last operand of a pass to its last result at the accumulators (output stationary: in the output buffer).
std::uint64_t tail_cycles(std::uint64_t rows_used, std::uint64_t columns_used, const ArrayGeometry& array);
/// From the last operand of a job to its last result: of its last pass, or of one before that used more of the array.
std::uint64_t job_tail_cycles(const ArrayPasses& passes, const ArrayGeometry& array);
/// Stalls between the passes of a job.
std::uint64_t job_stall_cycles(const ArrayPasses& passes, const ArrayGeometry& array);
/// One job alone.
ArrayCycles isolated_cycles(const ArrayPasses& passes, const ArrayGeometry& array);

/// Throws InputError when the geometry cannot hold one reduction element and one column, or a count is 0.
void check_array(const ArrayGeometry& array);

}  // namespace nibble
