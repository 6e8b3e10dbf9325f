// SPDX-License-Identifier: Apache-2.0
/// The GEMM that a schedule is made for, and the numbers of the hardware it is made with.
#pragma once

#include <cstdint>
#include <string>

namespace nibble {

/// Masking of an attention GEMM; row r belongs to token past + r / rows_per_token and sees tokens up to itself.
enum class CausalMask { none, scores, context };

/// C[m, n] = A[m, k] x W[n, k]^T, `count` times with independent operands. Extents > 0.
struct GemmShape {
  std::uint64_t m = 0, k = 0, n = 0, count = 1;
  CausalMask causal = CausalMask::none;
  std::uint64_t past = 0;
  std::uint64_t rows_per_token = 1;
  std::uint64_t window = 0;  ///< tokens that a row sees, itself included; 0: all. Only with a mask

  /// Columns of C that rows [m0, m0 + rows) need (scores), n otherwise.
  std::uint64_t columns_needed(std::uint64_t m0, std::uint64_t rows) const;
  /// Reduction extent that rows [m0, m0 + rows) need (context), k otherwise.
  std::uint64_t reduction_needed(std::uint64_t m0, std::uint64_t rows) const;
  /// Columns (scores) and reduction elements (context) left of the window of row m0 and of all rows behind it.
  std::uint64_t columns_skipped(std::uint64_t m0) const;
  std::uint64_t reduction_skipped(std::uint64_t m0) const;
  /// Whether every row sees a token inside the extents: its window has not left them all.
  bool leaves_tokens() const;
  /// Rows before the first whose window begins at `position` or behind it, at most m.
  std::uint64_t rows_seeing_before(std::uint64_t position) const;
  /// Multiply-accumulates needed, masking exact per row, all instances. Throws InputError as check_shape.
  std::uint64_t macs() const;
};

/// Largest product of all extents: byte and cycle counts then fit 64 bits and are exact in binary64 where they are
/// divided.
constexpr std::uint64_t max_gemm_macs = std::uint64_t{1} << 52;

/// Throws InputError when an extent is 0, m x k x n x count exceeds max_gemm_macs or the last window lies beyond the
/// tokens.
void check_shape(const GemmShape& shape);

/// Which operand stays in the PEs of a systolic array. What lies along its rows and columns, and what moves:
///
///   dataflow            rows  columns  stays         streams, one vector per step       results leave
///   weight_stationary    k      n      weights       activations, m rows                 at the foot of the columns
///   input_stationary     k      m      activations   weights, n rows                     at the foot of the columns
///   output_stationary    m      n      partial sums  both, `k_per_row` elements of k     through the columns
enum class Dataflow { weight_stationary, output_stationary, input_stationary };
/// "weight_stationary", ...
const char* to_string(Dataflow dataflow);
/// Throws InputError with the three spellings.
Dataflow dataflow_from(const std::string& text);

/// A systolic array in one operating mode of its PEs. Modes of one array share rows, columns, dataflow and latencies.
struct ArrayGeometry {
  Dataflow dataflow = Dataflow::weight_stationary;
  std::uint64_t rows = 0;     ///< PEs
  std::uint64_t columns = 0;  ///< PEs
  /// Lanes: reduction elements that a PE takes per step; where k lies along the rows, elements that it holds per pass.
  std::uint64_t k_per_row = 1;
  std::uint64_t rows_fused = 1;           ///< vertically adjacent PEs that work as one (W8A8 on W4A8 PEs: 2)
  std::uint64_t columns_fused = 1;        ///< horizontally adjacent PEs that work as one
  std::uint64_t initiation_interval = 1;  ///< cycles between steps of a PE
  std::uint64_t pe_latency = 1;    ///< cycles from a PE's operands (the last cycle of their step) to its registered sum
  std::uint64_t foot_latency = 0;  ///< cycles from the array's edge to the accumulator (output stationary: the buffer)
  std::uint64_t longest_pass = 0;  ///< reduction elements that a column's partial sum holds; 0: no limit
  /// Output stationary: cycles that a scale group occupies its PE at least, because PEs share a scaling unit (Amove:
  /// four PEs per GIPU of one sum per cycle: 4). 0: no such limit.
  std::uint64_t group_interval = 0;
  /// Output stationary: cycles of a pass beside its steps (Tender: one for each shift between groups of columns).
  std::uint64_t pass_overhead = 0;
  /// Output stationary: equal chains into which the PEs of a column are split; each hands out one result per cycle.
  std::uint64_t result_ports = 1;
  /// Output stationary: results drain through registers of their own while the next tile computes; else through the
  /// accumulators, and the next tile waits.
  bool result_registers = true;
  /// An ideal that no structure has: operands are loaded, results drained and pipelines filled in no time, so that an
  /// array takes the cycles in which operands enter and no others.
  bool free_fill = false;

  /// PEs that work as one, counted as one.
  std::uint64_t logical_rows() const { return rows / rows_fused; }
  std::uint64_t logical_columns() const { return columns / columns_fused; }
  /// Rows and columns of C that a pass works on; 0: no limit, they stream.
  std::uint64_t pass_m() const;
  std::uint64_t pass_n() const;
  /// Reduction extent of one pass where k lies along the rows; output stationary: of one step.
  std::uint64_t pass_k() const;
  /// Multiply-accumulates per initiation interval.
  std::uint64_t macs_per_step() const;
  /// Cycles to load one set of stationary operands, one row of the array per cycle; output stationary: 0.
  std::uint64_t preload_cycles() const { return dataflow == Dataflow::output_stationary || free_fill ? 0 : rows; }
  /// Cycles from a PE's operands to the registered sum; where k lies along the rows, the skew from row to row.
  std::uint64_t step_latency() const { return initiation_interval - 1 + pe_latency; }
  /// Least distance between starts of passes that load: a new set follows the swap of the old one down the array.
  std::uint64_t pass_turnaround() const;
  /// PEs of one result chain.
  std::uint64_t chain_length() const { return rows / result_ports; }
  /// Cycles in which a chain hands out the results of a pass that uses `rows_used` PEs of a column.
  std::uint64_t drain_cycles(std::uint64_t rows_used) const {
    return free_fill ? 0 : rows_used < chain_length() ? rows_used : chain_length();
  }
};

/// On-chip capacities in bytes. Operand buffers are double buffered: a tile may use half. The output buffer holds the
/// accumulators of one output tile (output stationary: its results, the sums stay in the PEs); finished rows leave
/// while the next tile's first pass writes, so it is used whole.
struct BufferCapacity {
  std::uint64_t weight_bytes = 0, activation_bytes = 0, output_bytes = 0;
  std::uint64_t accumulator_bytes = 4;  ///< per element of the output tile; output stationary: of a result
};

/// External memory as the schedule search sees it.
struct MemoryRate {
  double bytes_per_cycle = 0;  ///< sustained, in accelerator cycles; may be infinite
  double latency_cycles = 0;   ///< of an isolated transfer
};

}  // namespace nibble
