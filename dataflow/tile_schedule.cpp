// SPDX-License-Identifier: Apache-2.0
#include "dataflow/tile_schedule.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

bool same_activation(const TileJob& a, const TileJob& b) {
  return a.instance == b.instance && a.m0 == b.m0 && a.m == b.m && a.k0 == b.k0 && a.k == b.k;
}

bool same_weight(const TileJob& a, const TileJob& b) {
  return a.instance == b.instance && a.n0 == b.n0 && a.n == b.n && a.k0 == b.k0 && a.k == b.k;
}

bool same_output(const TileJob& a, const TileJob& b) {
  return a.instance == b.instance && a.m0 == b.m0 && a.n0 == b.n0;
}

}  // namespace

const char* to_string(LoopOrder order) {
  switch (order) {
    case LoopOrder::mnk:
      return "mnk";
    case LoopOrder::nmk:
      return "nmk";
    case LoopOrder::mkn:
      return "mkn";
    case LoopOrder::kmn:
      return "kmn";
    case LoopOrder::nkm:
      return "nkm";
    case LoopOrder::knm:
      return "knm";
  }
  throw InternalError("loop order outside its enumeration");
}

bool row_first(LoopOrder order) {
  return order == LoopOrder::mnk || order == LoopOrder::mkn || order == LoopOrder::kmn;
}

LoopOrder loop_order_from(const std::string& text) {
  for (const LoopOrder order : all_loop_orders) {
    if (text == to_string(order)) return order;
  }
  throw InputError("unknown loop order '" + text + "'; known: mnk, nmk, mkn, kmn, nkm, knm (outermost loop first)");
}

TileSchedule::TileSchedule(const GemmShape& shape, const Tiling& tiling) : shape_(shape), tiling_(tiling) {
  check_shape(shape);
  if (tiling.m == 0 || tiling.k == 0 || tiling.n == 0) {
    throw InputError("tiling m=" + std::to_string(tiling.m) + " k=" + std::to_string(tiling.k) +
                     " n=" + std::to_string(tiling.n) + ": a tile extent is 0; every extent must be positive");
  }
  tiling_.m = std::min(tiling.m, shape.m);
  tiling_.k = std::min(tiling.k, shape.k);
  tiling_.n = std::min(tiling.n, shape.n);
  const char* letters = to_string(tiling.order);
  for (std::size_t i = 0; i < 3; ++i)
    order_[i] = letters[i] == 'm' ? axis_m : letters[i] == 'k' ? axis_k : axis_n;
  tiles_[axis_m] = ceil_div(shape.m, tiling_.m);
  tiles_[axis_k] = ceil_div(shape.reduction_needed(0, shape.m), tiling_.k);
  tiles_[axis_n] = ceil_div(shape.columns_needed(0, shape.m), tiling_.n);
  const Axis masked = shape.causal == CausalMask::context ? axis_k : axis_n;
  for (const Axis axis : order_) {
    if (axis == axis_m) masked_axis_inside_m_ = true;
    if (axis == masked) break;
  }
  find_units();
  restart();
}

void TileSchedule::find_units() {
  units_ = shape_.count;
  if (units_ > 1) return;
  const auto outermost = std::find_if(order_.begin(), order_.end(), [&](Axis axis) { return tiles_[axis] > 1; });
  if (outermost == order_.end() || *outermost == axis_k) return;
  unit_axis_ = *outermost;
  units_ = tiles_[*outermost];
}

std::uint64_t TileSchedule::unit_of(const TileJob& job) const {
  if (!unit_axis_) return job.instance;
  return *unit_axis_ == axis_m ? job.m0 / tiling_.m : job.n0 / tiling_.n;
}

std::uint64_t TileSchedule::units_ahead() const {
  const std::uint64_t behind = first_ahead() + 1;
  return instance_ < shape_.count && behind < units_ ? units_ - behind : 0;
}

void TileSchedule::restart() {
  instance_ = 0;
  skip_ = 0;
  to_first_inside(0);
  previous_.reset();
  backwards_ = false;
  ahead_ = produce();
}

bool TileSchedule::step_back() {
  bool stepped = true;
  if (!backwards_) {
    backwards_ = true;
    back_instance_ = shape_.count - 1;
    index_ = {};
    to_last_inside(0);
  } else {
    index_ = back_;
    std::size_t depth = 3;
    while (depth > 0 && index_[order_[depth - 1]] == first_tile(order_[depth - 1]))
      --depth;
    if (depth > 0) {
      --index_[order_[depth - 1]];
      to_last_inside(depth);
    } else if (back_instance_ > 0) {
      --back_instance_;
      to_last_inside(0);
    } else {
      stepped = false;
    }
  }
  back_ = index_;
  instance_ = back_instance_;
  previous_.reset();
  ahead_ = produce();
  return stepped;
}

/// Every axis inside `depth` at its first tile, given those outside.
void TileSchedule::to_first_inside(std::size_t depth) {
  for (; depth < 3; ++depth)
    index_[order_[depth]] = first_tile(order_[depth]);
}

/// Every axis inside `depth` at its last tile, given those outside.
void TileSchedule::to_last_inside(std::size_t depth) {
  for (; depth < 3; ++depth)
    index_[order_[depth]] = end_tile(order_[depth]) - 1;
}

std::optional<TileJob> TileSchedule::next() {
  if (!ahead_) return std::nullopt;
  TileJob job = *ahead_;
  ahead_ = produce();
  job.load_activation = !previous_ || !same_activation(job, *previous_);
  job.load_weight = !previous_ || !same_weight(job, *previous_);
  job.refill = !job.first_k && !(previous_ && same_output(job, *previous_));
  job.spill = !job.last_k && !(ahead_ && same_output(job, *ahead_));
  job.last = !ahead_;
  previous_ = job;
  return job;
}

std::optional<TileJob> TileSchedule::produce() {
  if (instance_ == shape_.count) return std::nullopt;
  const TileJob job = job_here();
  advance();
  return job;
}

TileJob TileSchedule::job_here() const {
  TileJob job;
  job.instance = instance_;
  job.m0 = index_[axis_m] * tiling_.m;
  job.m = std::min(tiling_.m, shape_.m - job.m0);
  const std::uint64_t reduction = shape_.reduction_needed(job.m0, job.m);
  job.k0 = index_[axis_k] * tiling_.k;
  job.k = std::min(tiling_.k, reduction - job.k0);
  job.n0 = index_[axis_n] * tiling_.n;
  job.n = std::min(tiling_.n, shape_.columns_needed(job.m0, job.m) - job.n0);
  job.first_k = index_[axis_k] == shape_.reduction_skipped(job.m0) / tiling_.k;
  job.last_k = job.k0 + job.k == reduction;
  return job;
}

void TileSchedule::advance() {
  for (std::size_t depth = 3; depth-- > 0;) {
    const Axis axis = order_[depth];
    if (unit_axis_ == axis) index_[axis] += std::exchange(skip_, 0);
    if (++index_[axis] < end_tile(axis)) {
      to_first_inside(depth + 1);
      return;
    }
  }
  instance_ += 1 + std::exchange(skip_, 0);
  to_first_inside(0);
}

std::uint64_t TileSchedule::first_tile(Axis axis) const {
  if (shape_.causal == CausalMask::none) return 0;
  const bool scores = shape_.causal == CausalMask::scores;
  if (axis == (scores ? axis_n : axis_k)) {
    // The window of the first row, of this m tile or of all.
    const std::uint64_t m0 = masked_axis_inside_m_ ? index_[axis_m] * tiling_.m : 0;
    return scores ? shape_.columns_skipped(m0) / tiling_.n : shape_.reduction_skipped(m0) / tiling_.k;
  }
  if (axis != axis_m || masked_axis_inside_m_) return 0;
  const std::uint64_t position = scores ? index_[axis_n] * tiling_.n : index_[axis_k] * tiling_.k;
  // The first row that sees token `position`.
  return position <= shape_.past ? 0 : (position - shape_.past) * shape_.rows_per_token / tiling_.m;
}

std::uint64_t TileSchedule::end_tile(Axis axis) const {
  if (shape_.causal == CausalMask::none) return tiles_[axis];
  if (!masked_axis_inside_m_) {
    if (axis != axis_m) return tiles_[axis];
    const bool scores = shape_.causal == CausalMask::scores;
    const std::uint64_t end = scores ? (index_[axis_n] + 1) * tiling_.n : (index_[axis_k] + 1) * tiling_.k;
    return ceil_div(shape_.rows_seeing_before(end), tiling_.m);
  }
  const std::uint64_t m0 = index_[axis_m] * tiling_.m;
  const std::uint64_t m = std::min(tiling_.m, shape_.m - m0);
  if (axis == axis_n) return ceil_div(shape_.columns_needed(m0, m), tiling_.n);
  if (axis == axis_k) return ceil_div(shape_.reduction_needed(m0, m), tiling_.k);
  return tiles_[axis];
}

}  // namespace nibble
