// SPDX-License-Identifier: Apache-2.0
/// The GEMM that a schedule is made for, and the numbers of the hardware it is made with.
#pragma once

#include <cstdint>

namespace nibble {

/// Masking of an attention GEMM; row r belongs to token past + r / rows_per_token and sees tokens up to itself.
enum class CausalMask { none, scores, context };

/// C[m, n] = A[m, k] x W[n, k]^T, `count` times with independent operands. Extents > 0.
struct GemmShape {
  std::uint64_t m = 0, k = 0, n = 0, count = 1;
  CausalMask causal = CausalMask::none;
  std::uint64_t past = 0;
  std::uint64_t rows_per_token = 1;

  /// Columns of C that rows [m0, m0 + rows) need (scores), n otherwise.
  std::uint64_t columns_needed(std::uint64_t m0, std::uint64_t rows) const;
  /// Reduction extent that rows [m0, m0 + rows) need (context), k otherwise.
  std::uint64_t reduction_needed(std::uint64_t m0, std::uint64_t rows) const;
  /// Multiply-accumulates needed, masking exact per row, all instances. Throws InputError as check_shape.
  std::uint64_t macs() const;
};

/// Largest product of all extents: byte and cycle counts then fit 64 bits and are exact in binary64 where they are
/// divided.
constexpr std::uint64_t max_gemm_macs = std::uint64_t{1} << 52;

/// Throws InputError when an extent is 0 or m x k x n x count exceeds max_gemm_macs.
void check_shape(const GemmShape& shape);

/// A weight-stationary systolic array: the reduction runs along the rows, output channels along the columns.
struct ArrayGeometry {
  std::uint64_t rows = 0;          ///< PEs along k
  std::uint64_t columns = 0;       ///< PEs along n
  std::uint64_t k_per_row = 1;     ///< reduction elements per PE and pass
  std::uint64_t rows_fused = 1;    ///< PEs that one reduction element occupies (W8A8 on W4A8 PEs: 2)
  std::uint64_t foot_latency = 0;  ///< cycles from the array's last row to the accumulator

  /// Reduction extent of one pass.
  std::uint64_t pass_k() const { return rows / rows_fused * k_per_row; }
  /// Cycles to load one set of stationary weights: one row of the array per cycle.
  std::uint64_t weight_load_cycles() const { return rows; }
};

/// On-chip capacities in bytes. Operand buffers are double buffered: a tile may use half. The output buffer holds the
/// accumulators of one output tile; finished rows leave while the next tile's first pass writes, so it is used whole.
struct BufferCapacity {
  std::uint64_t weight_bytes = 0, activation_bytes = 0, output_bytes = 0;
  std::uint64_t accumulator_bytes = 4;  ///< per element of the output tile
};

/// External memory as the schedule search sees it.
struct MemoryRate {
  double bytes_per_cycle = 0;  ///< sustained, in accelerator cycles
  double latency_cycles = 0;   ///< of an isolated transfer
};

}  // namespace nibble
