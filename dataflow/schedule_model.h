// SPDX-License-Identifier: Apache-2.0
/// Closed-form figures of a schedule: what walking TileSchedule and adding up would give, without the walk.
///
/// Without a mask a schedule costs O(1). A causal mask couples m with the masked axis x (n of `scores`, k of
/// `context`); the sums over the m tiles then take O(m tiles) and depend on the tile extents of m and x alone, so that
/// a search makes them once for many schedules (MaskSums).
///
/// How loads are counted: an operand is loaded by every job whose tile of it differs from the job before. Of the three
/// axes it lacks one, f. With f innermost each tile is loaded once. With f further out the walk returns to a tile once
/// per step of f, unless the loops inside f have a single iteration, in which case the tile simply stays. The same
/// count for the output tile, less one per tile, is the number of spills and of refills.
#pragma once

#include <cstdint>

#include "dataflow/schedule_search.h"

namespace nibble {

/// Sums over the pairs (m tile, tile of the masked axis x); without a mask x is n and every m tile needs all of it.
struct MaskSums {
  std::uint64_t m = 0, x = 0;  ///< the tile extents
  std::uint64_t m_tiles = 0, pairs = 0;
  std::uint64_t rows_times_tiles = 0;  ///< sum over m tiles of rows x (tiles of x)
  std::uint64_t rows_staying = 0;  ///< sum of rows that one tile of x ends with and the next begins with, x outside m
  std::uint64_t first_x = 0, last_x = 0;  ///< extents of the first and the last job along x
  std::uint64_t last_rows = 0;            ///< rows of the last m tile
  std::uint64_t work = 0;    ///< array cycles per step of the free axis: products of what m and x contribute
  std::uint64_t stalls = 0;  ///< weight and input stationary: likewise, cycles that passes wait for a load

  /// Output stationary, x is n: passes by the rows that drain behind them (whole row blocks; the last block of an m
  /// tile; of the last m tile).
  struct Drains {
    std::uint64_t rows_used = 0, passes = 0;
  };
  Drains drains[3];
  /// Output stationary, x is k, per column block: cycles that passes wait for the drain of the pass before, if that one
  /// is of the same m tile; what changes from each m tile to the next, and from the last to the first.
  std::uint64_t drain_stalls = 0;
  std::int64_t drain_step = 0, drain_wrap = 0;
  std::uint64_t last_drain = 0;  ///< what the last pass would make another of its m tile wait

  /// A measure of the tiles of {m, x}: over all pairs; of those m tiles that need one tile of x; of those tiles of x
  /// that one m tile needs.
  struct Area {
    std::uint64_t all = 0, single = 0, tail = 0;
  };
  Area area;                      ///< output elements (scores, none) or activation bits (context)
  std::uint64_t output_bits = 0;  ///< scores and none: sum of rows x bits of an output row

  /// A measure of the weight tiles, whose clipped extent along x depends on m: over all pairs; what stays from one m
  /// tile to the next when x is the innermost of the two; the distinct ones per tile of x. Weight rows (scores, none)
  /// or bits of a weight row (context).
  std::uint64_t weight_all = 0, weight_staying = 0, weight_distinct = 0;
};

/// What does not depend on the loop order.
struct TileFigures {
  Tiling tiling;            ///< extents within the shape; the order is not used
  std::uint64_t steps = 0;  ///< tiles of the axis that the mask does not couple with m
  std::uint64_t free = 0;   ///< what that axis contributes to array cycles
  std::uint64_t jobs = 0, compute_cycles = 0, weight_load_cycles = 0, fill_drain_cycles = 0;
  std::uint64_t last_span = 0;            ///< array cycles of the last job, stalls between its passes included
  double first_load = 0, last_store = 0;  ///< memory cycles without latency
  double last_job = 0;                    ///< array cycles of the last job without fill and drain
};

class ScheduleModel {
 public:
  /// Throws InputError when the problem is malformed (shape, array, layouts that do not cover the shape, rates).
  explicit ScheduleModel(const ScheduleProblem& problem);

  const ScheduleProblem& problem() const { return problem_; }
  /// Smallest step of a k tile that cuts no group, and of an n tile that cuts no output group; the extent itself if
  /// none does.
  std::uint64_t k_step() const { return k_step_; }
  std::uint64_t n_step() const { return n_step_; }

  /// Bytes of the largest tiles of these extents.
  std::uint64_t activation_tile_bytes(std::uint64_t m, std::uint64_t k) const;
  std::uint64_t weight_tile_bytes(std::uint64_t n, std::uint64_t k) const;
  std::uint64_t output_tile_bytes(std::uint64_t m, std::uint64_t n) const;
  bool fits(std::uint64_t m, std::uint64_t k, std::uint64_t n) const;
  /// Output stationary: sums stay in the PEs, so a reduction in several tiles takes one pass's outputs at a time, k
  /// innermost. Other dataflows keep them in the output buffer.
  bool keeps_sums(std::uint64_t m, std::uint64_t k, std::uint64_t n) const;
  bool allows(LoopOrder order, std::uint64_t k) const;
  /// Throws InputError that says which extent cuts a group, which buffer the tiling exceeds, or what the array cannot
  /// keep.
  void check_tiling(const Tiling& tiling) const;

  /// For tile extents (m, n), or (m, k) under a `context` mask.
  class MaskWalk;
  MaskSums mask_sums(std::uint64_t m, std::uint64_t x) const;
  bool masked_along_k() const { return problem_.shape.causal == CausalMask::context; }
  /// `tiling` passes check_tiling, its extents do not exceed the shape, and `sums` are of its extents.
  TileFigures figures(const Tiling& tiling, const MaskSums& sums) const;
  ScheduleCost cost(LoopOrder order, const TileFigures& figures, const MaskSums& sums) const;

 private:
  ScheduleProblem problem_;
  std::uint64_t group_;  ///< pass_group
  std::uint64_t k_step_ = 0, n_step_ = 0;
  std::uint64_t n_needed_ = 0, k_needed_ = 0;  ///< by all rows
  std::uint64_t row_bits(const OperandLayout& layout, std::uint64_t columns, std::uint64_t steps) const;
  std::uint64_t cycles_of_m(std::uint64_t m) const;
  std::uint64_t cycles_of_n(std::uint64_t n) const;
  std::uint64_t cycles_of_k(std::uint64_t k) const;
  std::uint64_t stalls_of_m(std::uint64_t m) const;
  std::uint64_t stalls_of_n(std::uint64_t n) const;
  Traffic loads(LoopOrder order, std::uint64_t steps, const MaskSums& sums) const;
  std::uint64_t drain_stalls(LoopOrder order, const TileFigures& figures, const MaskSums& sums) const;
  std::uint64_t tail_of_last_jobs(LoopOrder order, const TileFigures& figures) const;
};

}  // namespace nibble
