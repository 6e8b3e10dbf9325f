// SPDX-License-Identifier: Apache-2.0
/// Cycle counts of systolic arrays by the conventions of other simulators, to compare figures with theirs.
///
/// C[m, n] = A[m, k] x B[k, n] on `rows` x `columns` PEs, one multiply-accumulate per PE and cycle, no memory. A fold
/// is one filling of the array. Checked against measured cycles in testbenches/dataflow/reference_conventions_test.cpp;
/// how nibble's own convention (dataflow/array_passes.h) differs is explained in docs/dataflow.md.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/units.h"

namespace nibble {

struct ReferenceGemm {
  std::uint64_t m = 0, k = 0, n = 0, rows = 0, columns = 0;  ///< all > 0
};

/// SCALE-Sim v3, output stationary: outputs stay, folds over m and n follow each other without overlap; k operands,
/// then the skew over rows and columns. (Its report prints one cycle less, as the index of the last cycle.)
constexpr std::uint64_t scale_sim_output_stationary(const ReferenceGemm& g) {
  return ceil_div(g.m, g.rows) * ceil_div(g.n, g.columns) * (g.k + g.rows + g.columns - 2);
}

/// SCALE-Sim v3, weight stationary: every fold over k and n loads its weights (rows cycles) before its m rows stream.
constexpr std::uint64_t scale_sim_weight_stationary(const ReferenceGemm& g) {
  return ceil_div(g.k, g.rows) * ceil_div(g.n, g.columns) * (g.m + 2 * g.rows + g.columns - 2);
}

/// SCALE-Sim v3, input stationary: as weight stationary with A in the place of B.
constexpr std::uint64_t scale_sim_input_stationary(const ReferenceGemm& g) {
  return ceil_div(g.k, g.rows) * ceil_div(g.m, g.columns) * (g.n + 2 * g.rows + g.columns - 2);
}

/// Timeloop: the ideal time of the array, or that of the reads at half the words per cycle that memory moves, whichever
/// is longer. Extents beyond the array are padded to multiples of it.
constexpr std::uint64_t timeloop(const ReferenceGemm& g, bool output_stationary, std::uint64_t words_per_cycle) {
  const auto padded = [](std::uint64_t extent, std::uint64_t array) {
    return extent > array ? round_up(extent, array) : extent;
  };
  const std::uint64_t m = output_stationary ? padded(g.m, g.rows) : g.m;
  const std::uint64_t k = output_stationary ? g.k : padded(g.k, g.rows);
  const std::uint64_t n = padded(g.n, g.columns);
  const std::uint64_t array =
      ceil_div(n, g.columns) * (output_stationary ? ceil_div(m, g.rows) * k : ceil_div(k, g.rows) * m);
  return std::max(array, ceil_div(m * k + k * n, words_per_cycle / 2));
}

/// MAESTRO, m over the rows and n over the columns: two cycles per step of k, one more for all.
constexpr std::uint64_t maestro(const ReferenceGemm& g) {
  return 2 * ceil_div(g.m, g.rows) * ceil_div(g.n, g.columns) * g.k + 1;
}

/// STONNE, output-stationary mesh: a fold lasts k + rows used + columns used + 3, one less if it is a single row or
/// column.
constexpr std::uint64_t stonne_output_stationary(const ReferenceGemm& g) {
  std::uint64_t cycles = 0;
  for (std::uint64_t m = 0; m < g.m; m += g.rows) {
    for (std::uint64_t n = 0; n < g.n; n += g.columns) {
      const std::uint64_t rows = std::min(g.rows, g.m - m), columns = std::min(g.columns, g.n - n);
      cycles += g.k + rows + columns + (rows == 1 || columns == 1 ? 2 : 3);
    }
  }
  return cycles;
}

}  // namespace nibble
