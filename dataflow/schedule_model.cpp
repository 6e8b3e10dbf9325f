// SPDX-License-Identifier: Apache-2.0
#include "dataflow/schedule_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/table.h"
#include "core/units.h"
#include "dataflow/array_passes.h"
#include "dataflow/array_timeline.h"

namespace nibble {
namespace {

constexpr std::uint64_t no_tile = ~std::uint64_t{0};

/// The smallest extent whose multiples cut neither group, or `extent` when such a multiple does not lie inside it.
std::uint64_t common_step(std::uint64_t a, std::uint64_t b, std::uint64_t extent) {
  if (a >= extent || b >= extent) return extent;
  const std::uint64_t factor = a / std::gcd(a, b);
  return factor >= ceil_div(extent, b) ? extent : factor * b;
}

void check_layout(const OperandLayout& layout, const char* name, std::uint64_t rows, std::uint64_t columns) {
  layout.check(name);
  if (layout.rows < rows || layout.columns < columns) {
    throw InputError(std::string(name) + " layout: " + std::to_string(layout.rows) + " x " +
                     std::to_string(layout.columns) + " does not cover the GEMM's " + std::to_string(rows) + " x " +
                     std::to_string(columns));
  }
}

void check_number(double value, bool may_be_zero, bool may_be_infinite, const char* what) {
  if (std::isnan(value) || (std::isinf(value) && !may_be_infinite) || value < 0 || (value == 0 && !may_be_zero)) {
    throw InputError(std::string("schedule: ") + what + " must be " + (may_be_zero ? "0 or more" : "positive"));
  }
}

/// Where the axes stand in a loop order.
struct Positions {
  Positions(LoopOrder order, bool masked_along_k) {
    const char* letters = to_string(order);
    const char free = masked_along_k ? 'n' : 'k';
    free_outermost = letters[0] == free;
    free_innermost = letters[2] == free;
    m_outside_x = letters[0] == 'm' || (letters[1] == 'm' && free_outermost);
  }
  bool free_outermost, free_innermost;  ///< the axis that the mask does not couple with m
  bool m_outside_x;
};

/// Loads of an operand that has axes {m, x}: `steps` tiles of the free axis pass over it.
std::uint64_t loads_of_pairs(const MaskSums::Area& area, const MaskSums& sums, const Positions& at,
                             std::uint64_t steps) {
  if (at.free_innermost) return area.all;
  const std::uint64_t staying =
      at.free_outermost ? (sums.pairs == 1 ? area.all : 0) : (at.m_outside_x ? area.single : area.tail);
  return staying + steps * (area.all - staying);
}

/// Rows loaded of an operand that has m and the free axis; x passes over it.
std::uint64_t rows_loaded(const MaskSums& sums, const Positions& at, std::uint64_t steps, std::uint64_t m) {
  if (at.m_outside_x) return at.free_innermost && steps > 1 ? sums.rows_times_tiles : m;
  const bool stays = at.free_outermost || steps == 1;
  return sums.rows_times_tiles - (stays ? sums.rows_staying : 0);
}

/// Measure loaded of the weight, which has x and the free axis; m passes over it.
std::uint64_t weight_loaded(const MaskSums& sums, const Positions& at, std::uint64_t steps) {
  if (at.m_outside_x) return sums.weight_all - (at.free_outermost || steps == 1 ? sums.weight_staying : 0);
  return at.free_innermost && steps > 1 ? sums.weight_all : sums.weight_distinct;
}

/// Adds up what passes of an output-stationary array wait for the drain of the pass before (MaskSums).
class DrainSums {
 public:
  DrainSums(const ArrayGeometry& array, std::uint64_t m, MaskSums& sums) : array_(array), m_(m), sums_(sums) {}

  /// `times` m tiles of `rows` rows with `passes` column blocks.
  void add_n(std::uint64_t rows, std::uint64_t passes, std::uint64_t times) {
    const std::uint64_t blocks = ceil_div(rows, array_.pass_m());
    sums_.drains[0].rows_used = array_.pass_m() * array_.rows_fused;
    sums_.drains[0].passes += times * (blocks - 1) * passes;
    MaskSums::Drains& tail = sums_.drains[rows == m_ ? 1 : 2];
    tail.rows_used = tail_rows(rows);
    tail.passes += times * passes;
    sums_.drains[2].rows_used = tail.rows_used;  // the last m tile is added last
  }

  /// `times` m tiles of `rows` rows whose reduction streams in `cycles`.
  void add_k(std::uint64_t rows, std::uint64_t cycles, std::uint64_t times) {
    const std::uint64_t blocks = ceil_div(rows, array_.pass_m()), full = array_.pass_m() * array_.rows_fused;
    const std::uint64_t tail = tail_rows(rows), own = drain_stall(tail, cycles, array_);
    sums_.drain_stalls += times * ((blocks - 1) * drain_stall(full, cycles, array_) + own);
    if (before_rows_ != 0) sums_.drain_step += change(before_rows_, before_cycles_, cycles);
    if (first_cycles_ == 0) first_cycles_ = cycles;
    before_rows_ = tail;
    before_cycles_ = cycles;
    sums_.last_drain = own;
  }

  void close() {
    if (before_rows_ != 0) sums_.drain_wrap = change(before_rows_, before_cycles_, first_cycles_);
  }

 private:
  std::uint64_t tail_rows(std::uint64_t rows) const {
    return (rows - (rows - 1) / array_.pass_m() * array_.pass_m()) * array_.rows_fused;
  }
  /// Of the stall behind a pass when one of `next` instead of `own` cycles follows it.
  std::int64_t change(std::uint64_t rows_used, std::uint64_t own, std::uint64_t next) const {
    return static_cast<std::int64_t>(drain_stall(rows_used, next, array_)) -
           static_cast<std::int64_t>(drain_stall(rows_used, own, array_));
  }

  const ArrayGeometry& array_;
  std::uint64_t m_;
  MaskSums& sums_;
  std::uint64_t before_rows_ = 0, before_cycles_ = 0, first_cycles_ = 0;
};

/// Extent of the last of the tiles that cover `extent`.
std::uint64_t last_extent(std::uint64_t extent, std::uint64_t tile) {
  return extent - (extent - 1) / tile * tile;
}

}  // namespace

ScheduleModel::ScheduleModel(const ScheduleProblem& problem) : problem_(problem), group_(0) {
  const GemmShape& shape = problem.shape;
  check_shape(shape);
  check_array(problem.array);
  check_layout(problem.activation, "activation", shape.m, shape.k);
  check_layout(problem.weight, "weight", shape.n, shape.k);
  check_layout(problem.output, "output", shape.m, shape.n);
  check_number(problem.memory.bytes_per_cycle, false, true, "bytes per cycle");
  check_number(problem.memory.latency_cycles, true, false, "memory latency");
  check_number(problem.traffic_price, true, false, "traffic price");
  check_number(problem.job_price, true, false, "job price");
  if (problem.buffers.accumulator_bytes == 0 || problem.buffers.accumulator_bytes > 64 || problem.partial_bytes > 64) {
    throw InputError("schedule: an accumulator has 1 to 64 bytes, a spilled partial sum at most 64");
  }
  group_ = problem.sum_extent.value_or(pass_group(problem.activation, problem.weight));
  k_step_ = common_step(problem.activation.group, problem.weight.group, shape.k);
  n_step_ = std::min(problem.output.group, shape.n);
  n_needed_ = shape.columns_needed(0, shape.m);
  k_needed_ = shape.reduction_needed(0, shape.m);
}

/// Of a whole row that moves in so many tiles; each brings the row's entry of a side table.
std::uint64_t ScheduleModel::row_bits(const OperandLayout& layout, std::uint64_t columns, std::uint64_t steps) const {
  return layout.bits_before(columns) + steps * layout.side_bits();
}

std::uint64_t ScheduleModel::activation_tile_bytes(std::uint64_t m, std::uint64_t k) const {
  return problem_.activation.tile_bytes(m, 0, k);
}

std::uint64_t ScheduleModel::weight_tile_bytes(std::uint64_t n, std::uint64_t k) const {
  return problem_.weight.tile_bytes(n, 0, k);
}

std::uint64_t ScheduleModel::output_tile_bytes(std::uint64_t m, std::uint64_t n) const {
  return m * n * problem_.buffers.accumulator_bytes;
}

bool ScheduleModel::keeps_sums(std::uint64_t m, std::uint64_t k, std::uint64_t n) const {
  const ArrayGeometry& array = problem_.array;
  return array.dataflow != Dataflow::output_stationary || k >= k_needed_ ||
         (m <= array.pass_m() && n <= array.pass_n());
}

bool ScheduleModel::allows(LoopOrder order, std::uint64_t k) const {
  return problem_.array.dataflow != Dataflow::output_stationary || k >= k_needed_ || to_string(order)[2] == 'k';
}

bool ScheduleModel::fits(std::uint64_t m, std::uint64_t k, std::uint64_t n) const {
  return keeps_sums(m, k, n) && activation_tile_bytes(m, k) <= problem_.buffers.activation_bytes / 2 &&
         weight_tile_bytes(n, k) <= problem_.buffers.weight_bytes / 2 &&
         output_tile_bytes(m, n) <= problem_.buffers.output_bytes;
}

void ScheduleModel::check_tiling(const Tiling& tiling) const {
  const GemmShape& shape = problem_.shape;
  const std::string text = "tiling m=" + std::to_string(tiling.m) + " k=" + std::to_string(tiling.k) +
                           " n=" + std::to_string(tiling.n) + ": ";
  if (tiling.m == 0 || tiling.k == 0 || tiling.n == 0) {
    throw InputError(text + "a tile extent is 0; every extent must be positive");
  }
  const std::uint64_t m = std::min(tiling.m, shape.m), k = std::min(tiling.k, shape.k), n = std::min(tiling.n, shape.n);
  if (k < shape.k && k % k_step_ != 0) {
    throw InputError(text + "k cuts a group; use multiples of " + std::to_string(k_step_) + " or the whole " +
                     std::to_string(shape.k));
  }
  if (n < shape.n && n % n_step_ != 0) {
    throw InputError(text + "n cuts a group of the output; use multiples of " + std::to_string(n_step_) +
                     " or the whole " + std::to_string(shape.n));
  }
  const auto check = [&](const char* buffer, std::uint64_t need, std::uint64_t have, const char* of) {
    if (need > have) {
      throw InputError(text + "its " + buffer + " tile needs " + with_separators(need) + " bytes; " + of + " the " +
                       buffer + " buffer has " + with_separators(have));
    }
  };
  check("activation", activation_tile_bytes(m, k), problem_.buffers.activation_bytes / 2, "half of");
  check("weight", weight_tile_bytes(n, k), problem_.buffers.weight_bytes / 2, "half of");
  check("output", output_tile_bytes(m, n), problem_.buffers.output_bytes, "all of");
  if (!keeps_sums(m, k, n)) {
    throw InputError(text + "an output-stationary array keeps the sums of " + std::to_string(problem_.array.pass_m()) +
                     " x " + std::to_string(problem_.array.pass_n()) +
                     " outputs; take tiles within that, or the whole " + std::to_string(k_needed_) + " of k");
  }
  if (!allows(tiling.order, k)) {
    throw InputError(text +
                     "an output-stationary array finishes its sums before it begins others; take the order mnk "
                     "or nmk, or the whole " +
                     std::to_string(k_needed_) + " of k");
  }
}

// What an extent of an axis contributes to the array cycles of a tile: their product. Weight stationary, rows stream
// for every pass of k and n; input stationary, weight rows for every pass of k and m; output stationary, k for every m
// and n.
std::uint64_t ScheduleModel::cycles_of_m(std::uint64_t m) const {
  const ArrayGeometry& array = problem_.array;
  return array.pass_m() == 0 ? m * array.initiation_interval : ceil_div(m, array.pass_m());
}
std::uint64_t ScheduleModel::cycles_of_n(std::uint64_t n) const {
  const ArrayGeometry& array = problem_.array;
  return array.pass_n() == 0 ? n * array.initiation_interval : ceil_div(n, array.pass_n());
}
std::uint64_t ScheduleModel::cycles_of_k(std::uint64_t k) const {
  return problem_.array.dataflow == Dataflow::output_stationary ? stream_cycles(1, k, 1, problem_.array, group_)
                                                                : passes_along_k(k, problem_.array, group_);
}
/// Likewise the cycles that passes wait for a load: the streaming axis gives what a pass lacks.
std::uint64_t ScheduleModel::stalls_of_m(std::uint64_t m) const {
  return problem_.array.pass_m() == 0 ? load_stall(cycles_of_m(m), problem_.array) : cycles_of_m(m);
}
std::uint64_t ScheduleModel::stalls_of_n(std::uint64_t n) const {
  return problem_.array.pass_n() == 0 ? load_stall(cycles_of_n(n), problem_.array) : cycles_of_n(n);
}

/// Adds up the tiles of m and x, m tile by m tile from above.
class ScheduleModel::MaskWalk {
 public:
  MaskWalk(const ScheduleModel& model, std::uint64_t m, std::uint64_t x)
      : model_(model),
        along_k_(model.masked_along_k()),
        x_(x),
        work_per_tile_(work_of(x)),
        stalls_per_tile_(stalls_of(x)),
        drains_(model.problem_.array, m, sums_) {
    const std::uint64_t rows = model.problem_.shape.m;
    sums_.m = m;
    sums_.x = x;
    sums_.m_tiles = ceil_div(rows, m);
    sums_.last_rows = rows - (sums_.m_tiles - 1) * m;
  }

  /// `times` m tiles of `rows` rows that all need the positions from `skipped` to `needed`.
  void add(std::uint64_t rows, std::uint64_t skipped, std::uint64_t needed, std::uint64_t times) {
    const std::uint64_t first = skipped / x_, begin = first * x_, clip = needed % x_;
    const std::uint64_t full = needed / x_ - first, tiles = full + (clip != 0 ? 1 : 0);
    const std::uint64_t area = rows * (area_measure(needed) - area_measure(begin));
    const std::uint64_t work = full * work_per_tile_ + work_of(clip);
    if (last_.rows != 0) settle(first);
    last_ = {rows, first, first + tiles, last_.end, needed};
    sums_.pairs += times * tiles;
    sums_.rows_times_tiles += times * rows * tiles;
    sums_.area.all += times * area;
    if (tiles == 1) sums_.area.single += times * area;
    if (!along_k_) {
      const OperandLayout& output = model_.problem_.output;
      sums_.output_bits += times * rows * (output.bits_before(needed) - output.bits_before(begin));
    }
    add_weights(begin, needed, tiles, times);
    sums_.work += times * work * model_.cycles_of_m(rows);
    sums_.stalls += times * (full * stalls_per_tile_ + stalls_of(clip)) * model_.stalls_of_m(rows);
    if (model_.problem_.array.dataflow == Dataflow::output_stationary) {
      if (along_k_) {
        drains_.add_k(rows, work, times);
      } else {
        drains_.add_n(rows, work, times);
      }
    }
    if (before_ == 0) sums_.first_x = std::min(needed, begin + x_) - begin;
    before_ = needed;
  }

  MaskSums finish() {
    settle(no_tile);
    drains_.close();
    return sums_;
  }

 private:
  /// Measures of [0, position) along x; additive over tiles because tiles cut no group.
  std::uint64_t weight_measure(std::uint64_t position) const { return measure(model_.problem_.weight, position); }
  std::uint64_t area_measure(std::uint64_t position) const { return measure(model_.problem_.activation, position); }
  std::uint64_t measure(const OperandLayout& layout, std::uint64_t position) const {
    return along_k_ ? model_.row_bits(layout, position, ceil_div(position, x_)) : position;
  }
  std::uint64_t work_of(std::uint64_t extent) const {
    if (extent == 0) return 0;
    return along_k_ ? model_.cycles_of_k(extent) : model_.cycles_of_n(extent);
  }
  std::uint64_t stalls_of(std::uint64_t extent) const {
    return extent == 0 || along_k_ ? work_of(extent) : model_.stalls_of_n(extent);
  }

  void add_weights(std::uint64_t begin, std::uint64_t needed, std::uint64_t tiles, std::uint64_t times) {
    const std::uint64_t weight = weight_measure(needed) - weight_measure(begin);
    sums_.weight_all += times * weight;
    // A whole repetition stays when one tile of x serves it; so does the first when it continues the tile above.
    if (tiles == 1) sums_.weight_staying += (times - 1) * weight;
    if (before_ > begin && before_ == std::min(needed, begin + x_))
      sums_.weight_staying += weight_measure(before_) - weight_measure(begin);
    if (needed > before_)
      sums_.weight_distinct += weight_measure(needed) - weight_measure(std::max(begin, round_down(before_, x_)));
  }

  /// Tiles of x that only the m tile added last needs, and those that it is the last to need before it begins the next
  /// one, which begins with the tile `next_first`.
  void settle(std::uint64_t next_first) {
    const std::uint64_t from = std::max(last_.first, last_.end_above), to = std::min(last_.end, next_first);
    if (to > from)
      sums_.area.tail += last_.rows * (area_measure(std::min(last_.needed, to * x_)) - area_measure(from * x_));
    const std::uint64_t begun = std::max(last_.first + 1, last_.end_above);
    const std::uint64_t ended = std::min(last_.end, next_first == no_tile ? no_tile : next_first + 1);
    if (ended > begun) sums_.rows_staying += last_.rows * (ended - begun);
  }

  const ScheduleModel& model_;
  const bool along_k_;
  const std::uint64_t x_, work_per_tile_, stalls_per_tile_;
  MaskSums sums_;
  DrainSums drains_;
  std::uint64_t before_ = 0;  ///< positions needed by the m tile above
  /// The m tile added last, until it is known where the next one begins: rows, tiles of x and what it needs.
  struct {
    std::uint64_t rows = 0, first = 0, end = 0, end_above = 0, needed = 0;
  } last_;
};

MaskSums ScheduleModel::mask_sums(std::uint64_t m, std::uint64_t x) const {
  const GemmShape& shape = problem_.shape;
  const bool along_k = masked_along_k();
  const std::uint64_t all = along_k ? k_needed_ : n_needed_;
  MaskWalk walk(*this, m, x);
  if (shape.causal == CausalMask::none) {
    const std::uint64_t tiles = ceil_div(shape.m, m);
    if (tiles > 1) walk.add(m, 0, all, tiles - 1);
    walk.add(shape.m - (tiles - 1) * m, 0, all, 1);
  } else {
    for (std::uint64_t m0 = 0; m0 < shape.m; m0 += m) {
      const std::uint64_t rows = std::min(m, shape.m - m0);
      walk.add(rows, along_k ? shape.reduction_skipped(m0) : shape.columns_skipped(m0),
               along_k ? shape.reduction_needed(m0, rows) : shape.columns_needed(m0, rows), 1);
    }
  }
  MaskSums sums = walk.finish();
  sums.last_x = last_extent(all, x);
  return sums;
}

Traffic ScheduleModel::loads(LoopOrder order, std::uint64_t steps, const MaskSums& sums) const {
  const GemmShape& shape = problem_.shape;
  const Positions at(order, masked_along_k());
  const std::uint64_t rows = rows_loaded(sums, at, steps, shape.m);
  const std::uint64_t pairs = loads_of_pairs(sums.area, sums, at, steps);
  const std::uint64_t weights = weight_loaded(sums, at, steps);
  Traffic traffic;
  std::uint64_t spilled = 0;
  if (masked_along_k()) {
    traffic.activation = ceil_div(pairs * shape.count, 8);
    traffic.weight = ceil_div(weights * shape.n * shape.count, 8);
    traffic.output = ceil_div(shape.m * problem_.output.bits_before(shape.n) * shape.count, 8);
    spilled = (rows - shape.m) * shape.n;
  } else {
    traffic.activation = ceil_div(rows * row_bits(problem_.activation, shape.k, steps) * shape.count, 8);
    traffic.weight = ceil_div(weights * row_bits(problem_.weight, shape.k, steps) * shape.count, 8);
    traffic.output = ceil_div(sums.output_bits * shape.count, 8);
    spilled = pairs - sums.area.all;
  }
  traffic.partial_write = traffic.partial_read = spilled * problem_.partial_bytes * shape.count;
  return traffic;
}

TileFigures ScheduleModel::figures(const Tiling& tiling, const MaskSums& sums) const {
  const GemmShape& shape = problem_.shape;
  const ArrayGeometry& array = problem_.array;
  const bool along_k = masked_along_k();
  TileFigures figures;
  figures.tiling = tiling;
  const std::uint64_t extent = along_k ? shape.n : shape.k, tile = along_k ? tiling.n : tiling.k;
  const std::uint64_t full = extent / tile, rest = extent - full * tile;
  const auto total = [&](auto measure) { return full * measure(tile) + (rest != 0 ? measure(rest) : 0); };
  const auto cycles_of = [&](std::uint64_t e) { return along_k ? cycles_of_n(e) : cycles_of_k(e); };
  figures.steps = full + (rest != 0 ? 1 : 0);
  figures.free = total(cycles_of);
  figures.jobs = sums.pairs * figures.steps * shape.count;
  figures.compute_cycles = sums.work * figures.free * shape.count;

  const std::uint64_t first_k = along_k ? sums.first_x : tiling.k, first_n = along_k ? tiling.n : sums.first_x;
  const std::uint64_t last_k = along_k ? sums.last_x : last_extent(shape.k, tiling.k);
  const std::uint64_t last_n = along_k ? last_extent(shape.n, tiling.n) : sums.last_x;
  const ArrayPasses last_job(sums.last_rows, last_k, last_n, array, group_);
  if (array.dataflow != Dataflow::output_stationary) {
    const std::uint64_t stalls = total([&](std::uint64_t e) { return along_k ? stalls_of_n(e) : cycles_of_k(e); });
    figures.weight_load_cycles = sums.stalls * stalls * shape.count - load_stall(last_job.stream_cycles(), array);
  }
  const double rate = problem_.memory.bytes_per_cycle;
  figures.fill_drain_cycles = array.preload_cycles() + job_tail_cycles(last_job, array);
  figures.last_span = last_job.count() * last_job.stream_cycles() + job_stall_cycles(last_job, array);
  figures.first_load =
      static_cast<double>(activation_tile_bytes(tiling.m, first_k) + weight_tile_bytes(first_n, first_k)) / rate;
  figures.last_store =
      static_cast<double>(problem_.output.tile_bytes(sums.last_rows, n_needed_ - last_n, last_n)) / rate;
  figures.last_job = static_cast<double>(figures.last_span);
  return figures;
}

std::uint64_t ScheduleModel::drain_stalls(LoopOrder order, const TileFigures& figures, const MaskSums& sums) const {
  const std::uint64_t count = problem_.shape.count;
  if (!masked_along_k()) {
    // Every pass streams the whole reduction, in one job or in several.
    std::uint64_t stalls = 0;
    for (const MaskSums::Drains& drains : sums.drains)
      stalls += drains.passes * drain_stall(drains.rows_used, figures.free, problem_.array);
    return stalls * count - drain_stall(sums.drains[2].rows_used, figures.free, problem_.array);
  }
  // Column blocks of all n tiles; where the m tile changes, the next pass streams for longer or shorter.
  const std::uint64_t rounds = row_first(order) ? 1 : figures.steps;
  const std::int64_t changes = sums.drain_step * static_cast<std::int64_t>(rounds * count) +
                               sums.drain_wrap * static_cast<std::int64_t>(rounds * count - 1);
  return sums.drain_stalls * figures.free * count - sums.last_drain + static_cast<std::uint64_t>(changes);
}

/// From the last operand to the last result, which a job before the last may have when that one is short and narrow.
std::uint64_t ScheduleModel::tail_of_last_jobs(LoopOrder order, const TileFigures& figures) const {
  const ArrayGeometry& array = problem_.array;
  const std::uint64_t most = tail_cycles(array.rows, array.columns, array);
  const std::uint64_t tail = figures.fill_drain_cycles - array.preload_cycles();
  if (figures.jobs == 1 || figures.last_span + tail >= most) return tail;
  Tiling tiling = figures.tiling;
  tiling.order = order;
  TileSchedule schedule(problem_.shape, tiling);
  for (std::uint64_t span = 0; span < most && schedule.step_back();) {
    const TileJob& job = *schedule.peek();
    span += ArrayPasses(job.m, job.k, job.n, array, group_).count() * stream_cycles(job.m, job.k, job.n, array, group_);
  }
  ArrayTimeline timeline(0);
  while (const auto job = schedule.next())
    timeline.place(array, ArrayPasses(job->m, job->k, job->n, array, group_), 0, job->last_k);
  return timeline.result() - timeline.end();
}

ScheduleCost ScheduleModel::cost(LoopOrder order, const TileFigures& figures, const MaskSums& sums) const {
  ScheduleCost cost;
  cost.traffic = loads(order, figures.steps, sums);
  cost.jobs = figures.jobs;
  cost.compute_cycles = figures.compute_cycles;
  cost.weight_load_cycles = problem_.array.dataflow == Dataflow::output_stationary ? drain_stalls(order, figures, sums)
                                                                                   : figures.weight_load_cycles;
  cost.fill_drain_cycles = problem_.array.preload_cycles() + tail_of_last_jobs(order, figures);
  cost.memory_cycles = static_cast<double>(cost.traffic.total()) / problem_.memory.bytes_per_cycle;
  const double array_time = static_cast<double>(cost.compute_cycles + cost.weight_load_cycles);
  const double rest = std::max(0.0, cost.memory_cycles - figures.first_load - figures.last_store);
  cost.cycles = figures.first_load + std::max(array_time, rest + figures.last_job) + figures.last_store +
                static_cast<double>(cost.fill_drain_cycles) + 2 * problem_.memory.latency_cycles;
  return cost;
}

}  // namespace nibble
