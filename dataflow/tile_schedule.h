// SPDX-License-Identifier: Apache-2.0
/// TileSchedule: the order in which a weight-stationary machine walks the tiles of a GEMM, as a generator of TileJobs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "dataflow/gemm_shape.h"

namespace nibble {

/// Tile loops from the outermost to the innermost.
enum class LoopOrder { mnk, nmk, mkn, kmn, nkm, knm };
constexpr LoopOrder all_loop_orders[] = {LoopOrder::mnk, LoopOrder::nmk, LoopOrder::mkn,
                                         LoopOrder::kmn, LoopOrder::nkm, LoopOrder::knm};
/// "mnk", ...
const char* to_string(LoopOrder order);
/// Throws InputError with the six spellings.
LoopOrder loop_order_from(const std::string& text);

/// Whether rows of output tiles are finished one after the other (m outside n), not columns.
bool row_first(LoopOrder order);

struct Tiling {
  /// Tile extents. k: a multiple of the operands' groups or the whole K; n: a multiple of the output's group or the
  /// whole N.
  std::uint64_t m = 0, k = 0, n = 0;
  LoopOrder order = LoopOrder::mnk;
};

/// One step of a schedule: rows [m0, m0 + m) of A against rows [n0, n0 + n) of W over [k0, k0 + k).
struct TileJob {
  std::uint64_t instance = 0;  ///< of GemmShape::count
  std::uint64_t m0 = 0, m = 0, k0 = 0, k = 0, n0 = 0, n = 0;
  bool load_activation = true;  ///< the activation tile is not the one of the job before
  bool load_weight = true;      ///< the weight tile is not the one of the job before
  bool first_k = true;          ///< accumulators start at zero
  bool last_k = true;           ///< results are complete after this job
  bool refill = false;          ///< partial sums are read back from memory first
  bool spill = false;           ///< partial sums are written to memory afterwards
  bool last = false;            ///< nothing follows
};

/// Bytes that a schedule moves, by tensor; the compulsory bytes move every operand once.
struct Traffic {
  std::uint64_t activation = 0, weight = 0, output = 0, partial_write = 0, partial_read = 0;
  std::uint64_t total() const { return activation + weight + output + partial_write + partial_read; }
};

/// Walks the tiles of one GEMM, instance after instance. O(1) per job, no allocation.
///
/// - Tile extents beyond the shape mean the whole extent.
/// - `scores` mask: n ends at the columns that the tile's last row needs; tiles beyond are skipped.
/// - `context` mask: k ends at the reduction that the tile's last row needs; tiles beyond are skipped and last_k moves
/// forward.
/// - window: tiles that lie left of it for all their rows are skipped; first_k is where the first tile begins.
/// - spill and refill: the output buffer holds one output tile, so partial sums leave it when the next job works on
/// another
///   output tile before the reduction is complete.
class TileSchedule {
 public:
  /// Throws InputError on a bad shape (check_shape) or a tile extent of 0.
  TileSchedule(const GemmShape& shape, const Tiling& tiling);
  /// nullopt: no more.
  std::optional<TileJob> next();
  void restart();
  /// Forgets the walk and stands before the last job, or one further back than at the last call; false (and where it
  /// stood) when there is none. next() continues from there, as a walk that starts with that job.
  bool step_back();
  /// Units: stretches of the walk that are like each other: instances where there are several, else tiles along the
  /// outermost axis of several tiles. One unit where that axis is k.
  std::uint64_t units() const { return units_; }
  /// Units differ in nothing but the operands' addresses, except that the last one may be shorter. Not so where a mask
  /// cuts tiles of one instance: there they have more or less work from one to the next.
  bool equal_units() const { return !unit_axis_ || shape_.causal == CausalMask::none; }
  /// The unit of a job, from 0 on.
  std::uint64_t unit_of(const TileJob& job) const;
  /// Units between the last one and that which the walk has reached: of the job behind peek().
  std::uint64_t units_ahead() const;
  /// The first of them.
  std::uint64_t first_ahead() const { return (unit_axis_ ? index_[*unit_axis_] : instance_) + skip_ + 1; }
  /// The walk leaves out the first `count` of units_ahead().
  void skip_units(std::uint64_t count) { skip_ += count; }
  /// The job that next() gives, its loads, spill and refill not yet filled in; nullptr: none.
  const TileJob* peek() const { return ahead_ ? &*ahead_ : nullptr; }
  const GemmShape& shape() const { return shape_; }
  /// With extents cut to the shape.
  const Tiling& tiling() const { return tiling_; }

 private:
  enum Axis : std::size_t { axis_m, axis_k, axis_n };
  GemmShape shape_;
  Tiling tiling_;
  std::array<Axis, 3> order_{};           ///< outermost first
  std::array<std::uint64_t, 3> tiles_{};  ///< per axis, masks of all rows considered
  std::uint64_t instance_ = 0;
  std::array<std::uint64_t, 3> index_{};  ///< of the job that produce() makes next, per axis
  bool masked_axis_inside_m_ = false;     ///< the masked axis (n or k) is looped inside m
  std::uint64_t units_ = 1, skip_ = 0;
  std::optional<Axis> unit_axis_;  ///< none: units are instances
  std::optional<TileJob> previous_, ahead_;
  std::uint64_t back_instance_ = 0;  ///< where step_back() stands
  std::array<std::uint64_t, 3> back_{};
  bool backwards_ = false;

  void find_units();
  std::optional<TileJob> produce();
  TileJob job_here() const;
  void advance();
  void to_first_inside(std::size_t depth);
  void to_last_inside(std::size_t depth);
  std::uint64_t first_tile(Axis axis) const;
  std::uint64_t end_tile(Axis axis) const;
};

}  // namespace nibble
