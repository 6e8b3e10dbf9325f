// SPDX-License-Identifier: Apache-2.0
/// Choice of tile sizes and loop order under the real buffer capacities, and the closed-form figures of a schedule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataflow/gemm_shape.h"
#include "dataflow/operand_layout.h"
#include "dataflow/tile_schedule.h"

namespace nibble {

/// Which order of output tiles a search may choose. Row-first: rows of output tiles are finished one after the other (m
/// outside n), column-first: columns (n outside m); where either axis has one tile an order is both.
enum class OrderPolicy {
  any,  ///< whichever is best
  row_first,
  column_first,
  less_traffic,  ///< the best of both, whichever of the two moves fewer bytes (Harmonia's controller)
};

/// What a search needs to know. The layouts give bytes per tile (their base does not matter); they cover the shape.
struct ScheduleProblem {
  GemmShape shape;
  ArrayGeometry array;
  BufferCapacity buffers;
  MemoryRate memory;
  OperandLayout activation, weight, output;  ///< m x k, n x k, m x n, of one instance
  /// Reduction extent that one sum of the array may span; 0: any. Empty: pass_group of the layouts.
  std::optional<std::uint64_t> sum_extent;
  bool may_spill = true;       ///< partial sums may leave the chip; else the reduction is finished tile by tile
  unsigned partial_bytes = 4;  ///< per spilled partial sum
  double traffic_price = 0.1;  ///< cycles charged per cycle's worth of memory traffic, beside the cycles themselves
  double job_price = 2;  ///< cycles charged per job: issuing its transfers; keeps jobs from becoming needlessly small
  OrderPolicy order = OrderPolicy::any;
};

/// Closed-form figures of one schedule on one problem. Array cycles follow dataflow/array_passes.h with all jobs of all
/// instances as one command; traffic is exactly what walking TileSchedule with the layouts' tile_bytes adds up to.
///
/// `cycles` is an estimate that overlaps loads, array and stores ideally (double buffering, memory at its sustained
/// rate):
///
///   latency + first load + max(compute + weight loads, memory - first load - last store + last job)
///   + fill and drain + latency + last store
///
/// First load: the tiles of the first job; last store: the output tile of the last job; last job: its array time, which
/// no load is left to hide behind.
struct ScheduleCost {
  std::uint64_t compute_cycles = 0;  ///< operands streamed, all passes
  /// Passes shorter than a load of stationary operands wait for it; output stationary: than the drain of results.
  std::uint64_t weight_load_cycles = 0;
  std::uint64_t fill_drain_cycles = 0;  ///< first load, skew in and out, last drain, foot
  double memory_cycles = 0;             ///< traffic / bytes_per_cycle
  double cycles = 0;                    ///< the estimate above
  Traffic traffic;
  std::uint64_t jobs = 0;
};

struct ScheduleChoice {
  Tiling tiling;
  ScheduleCost cost;
  /// The best schedule of each output order that the policy names; the choice is one of them. Empty for `any`.
  struct InOrder {
    Tiling tiling;
    ScheduleCost cost;
  };
  std::optional<InOrder> row_first, column_first;
  ScheduleCost fastest;  ///< the schedule with the fewest cycles regardless of traffic
  Tiling fastest_tiling;
  std::uint64_t candidates = 0;  ///< legal schedules compared
};

/// Bounds that no schedule can beat.
struct ScheduleBounds {
  /// macs x initiation_interval / macs_per_step, rounded up.
  std::uint64_t compute_cycles = 0;
  /// Every operand once, in whole groups, per instance: activation m x k, weight n x k, output m x n. Under a causal
  /// mask a row of the scores (or of the context's activation) counts the groups that this row needs; weights and their
  /// reduction count what any row needs.
  std::uint64_t compulsory_bytes = 0;
  Traffic compulsory;        ///< the same by tensor; no partial sums
  double memory_cycles = 0;  ///< compulsory / bytes_per_cycle
};

/// The figures of one tiling; extents beyond the shape mean the whole extent. Throws InputError when the problem is
/// malformed, when k cuts a group of an operand or n one of the output, or when a tile exceeds its buffer.
ScheduleCost evaluate(const ScheduleProblem& problem, const Tiling& tiling);
/// Compulsory bytes by tensor, as in ScheduleBounds; no partial sums. The layouts are those of one instance.
Traffic compulsory_traffic(const GemmShape& shape, const OperandLayout& activation, const OperandLayout& weight,
                           const OperandLayout& output);
/// Throws InputError when the problem is malformed.
ScheduleBounds bounds(const ScheduleProblem& problem);

/// Compares the tilings of dataflow/candidate_tiles.h in all loop orders by cycles + traffic_price x memory_cycles (0.1
/// % more for an extent of m or n that cuts row blocks of its operand). Ties: less traffic, fewer jobs, larger tiles.
/// If the winner moves more than 1.25 times the bytes of a schedule that takes at most 1 % more cycles, the one of
/// those that moves least is chosen. `order` restricts the loop orders, or makes the search choose between the two
/// output orders by traffic (ties: cycles, row-first). Throws InputError when the problem is malformed or not even the
/// smallest tile fits, naming the buffer and what it would need.
ScheduleChoice search_schedule(const ScheduleProblem& problem);

/// The choice in words: loop nest, tile sizes, buffer use, traffic by tensor against compulsory, what it was compared
/// with. Several lines, the last one ends with a newline.
std::string explain(const ScheduleProblem& problem, const ScheduleChoice& choice);

}  // namespace nibble
