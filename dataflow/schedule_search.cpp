// SPDX-License-Identifier: Apache-2.0
#include "dataflow/schedule_search.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/units.h"
#include "dataflow/array_passes.h"
#include "dataflow/candidate_tiles.h"
#include "dataflow/schedule_model.h"

namespace nibble {
namespace {

/// Of the objective, per tile extent that cuts row blocks although it spans one: shorter runs in DRAM.
constexpr double misalignment_price = 0.001;
/// A schedule that takes at most this much longer than the best objective replaces it when that one moves this much
/// more.
constexpr double near_tie_cycles = 1.01, near_tie_traffic = 1.25;
constexpr int climb_steps = 16;

struct Candidate {
  Tiling tiling;
  double objective = 0, cycles = 0;
  std::uint64_t traffic = 0, jobs = 0;
};

/// Behind the leading figure: less traffic, fewer jobs, larger tiles, then the order of the enumeration.
auto tie_break(const Candidate& c) {
  return std::make_tuple(c.traffic, c.jobs, ~c.tiling.m, ~c.tiling.n, ~c.tiling.k, static_cast<int>(c.tiling.order));
}

bool better_objective(const Candidate& a, const Candidate& b) {
  return std::make_tuple(a.objective, tie_break(a)) < std::make_tuple(b.objective, tie_break(b));
}

bool faster(const Candidate& a, const Candidate& b) {
  return std::make_tuple(a.cycles, tie_break(a)) < std::make_tuple(b.cycles, tie_break(b));
}

bool moves_less(const Candidate& a, const Candidate& b) {
  return std::make_tuple(a.traffic, a.cycles, tie_break(a)) < std::make_tuple(b.traffic, b.cycles, tie_break(b));
}

/// Orders that walk differently when only the axes of `many` (bits m, k, n) have several tiles.
std::vector<LoopOrder> distinct_orders(unsigned many) {
  std::vector<LoopOrder> orders;
  std::vector<std::string> walks;
  for (const LoopOrder order : all_loop_orders) {
    std::string walk;
    for (const char* letter = to_string(order); *letter != 0; ++letter) {
      const unsigned bit = *letter == 'm' ? 1u : *letter == 'k' ? 2u : 4u;
      if ((many & bit) != 0) walk += *letter;
    }
    if (std::find(walks.begin(), walks.end(), walk) != walks.end()) continue;
    walks.push_back(walk);
    orders.push_back(order);
  }
  return orders;
}

/// Compares tiles on a model and keeps every candidate.
class Comparison {
 public:
  explicit Comparison(const ScheduleModel& model) : model_(model), tiles_(model) {
    for (unsigned many = 0; many < 8; ++many)
      orders_[many] = distinct_orders(many);
    const std::vector<TileExtents> grid = tiles_.grid();
    candidates_.reserve(grid.size() * 6 + 1024);
    for (const TileExtents& tile : grid)
      compare(tile);
    if (candidates_.empty()) return;
    for (const LoopOrder order : all_loop_orders)
      climb(order, better_objective);
    climb(std::nullopt, faster);
  }

  const std::vector<Candidate>& candidates() const { return candidates_; }

 private:
  using Better = bool (*)(const Candidate&, const Candidate&);

  void compare(const TileExtents& tile) {
    const ScheduleProblem& problem = model_.problem();
    const GemmShape& shape = problem.shape;
    const auto cuts = [](std::uint64_t size, std::uint64_t extent, std::uint64_t block) {
      return size < extent && size >= block && size % block != 0 ? 1 : 0;
    };
    const MaskSums& sums = sums_of(tile);
    Candidate candidate;
    candidate.tiling = {tile.m, tile.k, tile.n, LoopOrder::mnk};
    const TileFigures figures = model_.figures(candidate.tiling, sums);
    const unsigned many = (tile.m < shape.m ? 1u : 0u) | (tile.k < shape.k ? 2u : 0u) | (tile.n < shape.n ? 4u : 0u);
    const double alignment = 1 + misalignment_price * (cuts(tile.m, shape.m, problem.activation.block_rows) +
                                                       cuts(tile.n, shape.n, problem.weight.block_rows));
    for (const LoopOrder order : orders_[many]) {
      if (!model_.allows(order, tile.k)) continue;
      const ScheduleCost cost = model_.cost(order, figures, sums);
      if (!problem.may_spill && cost.traffic.partial_write > 0) continue;
      candidate.tiling.order = order;
      candidate.cycles = cost.cycles;
      candidate.objective = (cost.cycles + problem.traffic_price * cost.memory_cycles +
                             problem.job_price * static_cast<double>(cost.jobs)) *
                            alignment;
      candidate.traffic = cost.traffic.total();
      candidate.jobs = cost.jobs;
      candidates_.push_back(candidate);
    }
  }

  /// Under a mask the sums are worth keeping: they take a walk over the m tiles.
  const MaskSums& sums_of(const TileExtents& tile) {
    const std::uint64_t x = model_.masked_along_k() ? tile.k : tile.n;
    if (sums_.m == tile.m && sums_.x == x) return sums_;
    if (model_.problem().shape.causal == CausalMask::none) return sums_ = model_.mask_sums(tile.m, x);
    const auto found = known_sums_.find({tile.m, x});
    sums_ = found != known_sums_.end() ? found->second : model_.mask_sums(tile.m, x);
    if (found == known_sums_.end()) known_sums_.emplace(std::make_pair(tile.m, x), sums_);
    return sums_;
  }

  /// Moves from the best candidate (of a loop order) to a better neighbour while there is one.
  void climb(std::optional<LoopOrder> order, Better better) {
    const auto allowed = [&](const Candidate& c) { return !order || c.tiling.order == *order; };
    std::optional<Candidate> here;
    for (const Candidate& candidate : candidates_) {
      if (allowed(candidate) && (!here || better(candidate, *here))) here = candidate;
    }
    if (!here) return;
    for (int step = 0; step < climb_steps; ++step) {
      const std::size_t known = candidates_.size();
      for (const TileExtents& tile : tiles_.neighbours({here->tiling.m, here->tiling.k, here->tiling.n}))
        compare(tile);
      const Tiling before = here->tiling;
      for (std::size_t i = known; i < candidates_.size(); ++i) {
        if (better(candidates_[i], *here)) here = candidates_[i];
      }
      if (here->tiling.m == before.m && here->tiling.k == before.k && here->tiling.n == before.n) return;
    }
  }

  const ScheduleModel& model_;
  CandidateTiles tiles_;
  std::array<std::vector<LoopOrder>, 8> orders_;
  MaskSums sums_;  ///< of the tile compared last
  std::map<std::pair<std::uint64_t, std::uint64_t>, MaskSums> known_sums_;
  std::vector<Candidate> candidates_;
};

/// Whether a walk finishes outputs in an order; with one tile along m or n it finishes them in both.
bool in_order(const Tiling& tiling, const GemmShape& shape, OutputOrder order) {
  return tiling.m >= shape.m || tiling.n >= shape.n || row_first(tiling.order) == (order == OutputOrder::row_first);
}

/// The best objective, unless a schedule of nearly equal cycles moves much less. `candidates` is not empty.
const Candidate& choose(const std::vector<Candidate>& candidates) {
  const Candidate& best = *std::min_element(candidates.begin(), candidates.end(), better_objective);
  const double most_cycles = best.cycles * near_tie_cycles;
  const double most_traffic = static_cast<double>(best.traffic) / near_tie_traffic;
  const Candidate* chosen = &best;
  for (const Candidate& candidate : candidates) {
    if (candidate.cycles > most_cycles || static_cast<double>(candidate.traffic) > most_traffic) continue;
    if (chosen == &best || moves_less(candidate, *chosen)) chosen = &candidate;
  }
  return *chosen;
}

/// Bits of what each row of an operand needs along its columns, group by group; `first_row(position)` is the first row
/// that needs a position.
template <class FirstRow>
std::uint64_t needed_bits(const OperandLayout& layout, const GemmShape& shape, std::uint64_t extent,
                          FirstRow first_row) {
  OperandLayout one_tile = layout;  // entries of rows come once
  one_tile.row_bits = 0;
  std::uint64_t bits = layout.tile_bits(shape.m, 0, 1) - one_tile.tile_bits(shape.m, 0, 1);
  for (std::uint64_t g = 0; g * layout.group < extent; ++g) {
    const std::uint64_t position = g * layout.group;
    const std::uint64_t end = shape.rows_seeing_before(std::min(extent, position + layout.group));
    const std::uint64_t first = first_row(position);
    if (end > first) bits += one_tile.tile_bits(end - first, position, 1);
  }
  return bits;
}

/// The choice under a policy of output orders.
void choose_in_order(const ScheduleProblem& problem, const std::vector<Candidate>& candidates, ScheduleChoice& choice) {
  const auto best = [&](OutputOrder order) {
    std::vector<Candidate> allowed;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(allowed),
                 [&](const Candidate& c) { return in_order(c.tiling, problem.shape, order); });
    const Tiling tiling = choose(allowed).tiling;
    return ScheduleChoice::InOrder{tiling, evaluate(problem, tiling)};
  };
  const auto key = [](const ScheduleCost& cost) { return std::make_tuple(cost.traffic.total(), cost.cycles); };
  if (problem.order != OrderPolicy::column_first) choice.row_first = best(OutputOrder::row_first);
  if (problem.order != OrderPolicy::row_first) choice.column_first = best(OutputOrder::column_first);
  const bool column_first =
      !choice.row_first || (choice.column_first && key(choice.column_first->cost) < key(choice.row_first->cost));
  const ScheduleChoice::InOrder& chosen = column_first ? *choice.column_first : *choice.row_first;
  choice.tiling = chosen.tiling;
  choice.cost = chosen.cost;
}

}  // namespace

ScheduleCost evaluate(const ScheduleProblem& problem, const Tiling& tiling) {
  const ScheduleModel model(problem);
  model.check_tiling(tiling);
  const GemmShape& shape = problem.shape;
  const Tiling inside{std::min(tiling.m, shape.m), std::min(tiling.k, shape.k), std::min(tiling.n, shape.n),
                      tiling.order};
  const MaskSums sums = model.mask_sums(inside.m, model.masked_along_k() ? inside.k : inside.n);
  return model.cost(inside.order, model.figures(inside, sums), sums);
}

Traffic compulsory_traffic(const GemmShape& shape, const OperandLayout& activation, const OperandLayout& weight,
                           const OperandLayout& output) {
  const auto first_row = [&](std::uint64_t position) {
    return position <= shape.past ? 0 : (position - shape.past) * shape.rows_per_token;
  };
  const std::uint64_t k = shape.reduction_needed(0, shape.m), n = shape.columns_needed(0, shape.m);
  const std::uint64_t k0 = shape.reduction_skipped(0), n0 = shape.columns_skipped(0);
  // As few bits as any walk moves: tables padded to bytes are not in it.
  const auto once_each = [&](const OperandLayout& layout, CausalMask cut, std::uint64_t extent) {
    return (shape.causal == cut ? needed_bits(layout, shape, extent, first_row)
                                : layout.tile_bits(shape.m, 0, extent)) *
           shape.count / 8;
  };
  Traffic once;
  once.weight = weight.tile_bits(n - n0, k0, k - k0) * shape.count / 8;
  once.activation = once_each(activation, CausalMask::context, k);
  once.output = once_each(output, CausalMask::scores, n);
  return once;
}

ScheduleBounds bounds(const ScheduleProblem& problem) {
  const ScheduleModel model(problem);
  const GemmShape& shape = problem.shape;
  ScheduleBounds result;
  result.compute_cycles = ceil_div(shape.macs() * problem.array.initiation_interval, problem.array.macs_per_step());
  result.compulsory = compulsory_traffic(shape, problem.activation, problem.weight, problem.output);
  result.compulsory_bytes = result.compulsory.total();
  result.memory_cycles = static_cast<double>(result.compulsory_bytes) / problem.memory.bytes_per_cycle;
  return result;
}

ScheduleChoice search_schedule(const ScheduleProblem& problem) {
  const ScheduleModel model(problem);
  const Comparison comparison(model);
  const std::vector<Candidate>& candidates = comparison.candidates();
  if (candidates.empty()) {
    const std::uint64_t k = model.keeps_sums(1, model.k_step(), model.n_step()) ? model.k_step() : problem.shape.k;
    try {
      model.check_tiling({1, k, model.n_step(), LoopOrder::mnk});
    } catch (const InputError& error) {
      throw InputError(std::string("no schedule fits, not even the smallest ") + error.what());
    }
    throw InternalError("schedule search: no candidate although the smallest tile fits");
  }
  ScheduleChoice choice;
  if (problem.order == OrderPolicy::any) {
    choice.tiling = choose(candidates).tiling;
    choice.cost = evaluate(problem, choice.tiling);
  } else {
    choose_in_order(problem, candidates, choice);
  }
  choice.fastest_tiling = std::min_element(candidates.begin(), candidates.end(), faster)->tiling;
  choice.fastest = evaluate(problem, choice.fastest_tiling);
  choice.candidates = candidates.size();
  return choice;
}

}  // namespace nibble
