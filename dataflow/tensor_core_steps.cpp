// SPDX-License-Identifier: Apache-2.0
#include "dataflow/tensor_core_steps.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr unsigned register_bits = 32;

/// Patches that stand in a buffer, the most recently used last.
class PatchBuffer {
 public:
  explicit PatchBuffer(std::size_t patches) : patches_(patches) {}
  enum class Access { hit, miss, miss_evicting };
  Access access(std::pair<unsigned, unsigned> patch) {
    const auto found = std::find(held_.begin(), held_.end(), patch);
    const bool hit = found != held_.end();
    if (hit) held_.erase(found);
    const bool evicting = !hit && held_.size() == patches_;
    if (evicting) held_.pop_front();
    held_.push_back(patch);
    return hit ? Access::hit : evicting ? Access::miss_evicting : Access::miss;
  }
  std::size_t held() const { return held_.size(); }

 private:
  std::size_t patches_;
  std::deque<std::pair<unsigned, unsigned>> held_;
};

std::string text(unsigned value) {
  return std::to_string(value);
}

void require_division(unsigned part, const char* part_name, unsigned whole, const char* whole_name) {
  if (part != 0 && whole != 0 && whole % part == 0) return;
  throw InputError("tensor core: " + std::string(part_name) + " = " + text(part) + " does not divide " + whole_name +
                   " = " + text(whole));
}

void require_fit(std::uint64_t patch_bits, unsigned buffer_bits, const char* buffer) {
  if (patch_bits > 0 && patch_bits <= buffer_bits) return;
  throw InputError("tensor core: a patch of " + std::to_string(patch_bits) + " bits does not fit " + buffer + " = " +
                   text(buffer_bits) + "; enlarge the buffer or choose smaller steps");
}

}  // namespace

const char* to_string(WeightPacking packing) {
  switch (packing) {
    case WeightPacking::along_n:
      return "along_n";
    case WeightPacking::along_k:
      return "along_k";
    default:
      return "none";
  }
}

TensorCoreSteps::TensorCoreSteps(const TensorCoreGeometry& geometry) : geometry_(geometry) {
  check();
  make_steps();
  count_accesses();
}

void TensorCoreSteps::check() const {
  const TensorCoreGeometry& g = geometry_;
  require_division(g.step_m, "step_m", g.group_m, "group_m");
  require_division(g.step_n, "step_n", g.group_n, "group_n");
  require_division(g.step_k, "step_k", g.mma_k, "mma_k");
  require_division(g.group_m, "group_m", g.mma_m, "mma_m");
  require_division(g.group_n, "group_n", g.mma_n, "mma_n");
  require_division(g.w_sharers, "w_sharers", g.thread_groups, "thread_groups");
  if (std::uint64_t{g.thread_groups} * g.group_m * g.group_n != std::uint64_t{g.mma_m} * g.mma_n) {
    throw InputError("tensor core: " + text(g.thread_groups) + " thread groups of " + text(g.group_m) + " x " +
                     text(g.group_n) + " outputs are not " + text(g.mma_m) + " x " + text(g.mma_n));
  }
  if (g.dp_units == 0 || g.dp_width == 0 || g.adder_trees == 0)
    throw InputError("tensor core: dp_units, dp_width and adder_trees must be at least 1");
  if (g.packing != WeightPacking::none && (g.w_bits == 0 || g.w_bits > 16 || 16 % g.w_bits != 0))
    throw InputError("tensor core: packed weights of " + text(g.w_bits) + " bits do not fill words of 16");
  // A unit that takes one activation against a whole word has as many products at hand as the word has weights.
  const unsigned lanes = g.packing == WeightPacking::along_n ? g.word_lanes() : 1;
  if (g.adder_trees > 1 && g.adder_trees > lanes) {
    throw InputError("tensor core: " + text(g.adder_trees) + " adder trees per unit, but a word brings " + text(lanes) +
                     " sums at once");
  }
  if (g.packing == WeightPacking::along_n) require_division(g.word_lanes(), "a packed word's", g.step_n, "step_n");
  if (g.packing == WeightPacking::along_k) require_division(g.word_lanes(), "a packed word's", g.mma_k, "mma_k");
  require_fit(std::uint64_t{g.step_m} * g.step_k * g.a_bits, g.a_buffer_bits, "a_buffer_bits");
  const unsigned w_k = g.packing == WeightPacking::along_k ? std::max(g.step_k, g.word_lanes()) : g.step_k;
  require_fit(std::uint64_t{w_k} * g.step_n * g.w_bits, g.w_buffer_bits, "w_buffer_bits");
  require_fit(std::uint64_t{g.step_m} * g.step_n * g.c_bits, g.c_buffer_bits, "c_buffer_bits");
}

void TensorCoreSteps::make_steps() {
  const TensorCoreGeometry& g = geometry_;
  const auto extent = [&g](StepAxis axis) {
    return axis == StepAxis::m ? g.group_m / g.step_m : axis == StepAxis::n ? g.group_n / g.step_n : g.mma_k / g.step_k;
  };
  TensorCoreStep step;
  const auto index = [&step](StepAxis axis) -> unsigned& {
    return axis == StepAxis::m ? step.m : axis == StepAxis::n ? step.n : step.k;
  };
  const auto [outer, middle, inner] = g.order;
  if (outer == middle || middle == inner || outer == inner)
    throw InputError("tensor core: the step order must name m, n and k once each");
  for (index(outer) = 0; index(outer) < extent(outer); ++index(outer)) {
    for (index(middle) = 0; index(middle) < extent(middle); ++index(middle)) {
      for (index(inner) = 0; index(inner) < extent(inner); ++index(inner))
        steps_.push_back(step);
    }
  }
  const std::uint64_t products = std::uint64_t{g.step_m} * g.step_n * g.step_k;
  // A tree adds to one sum at a time: a width that does not divide step_k leaves products idle at the end of a sum.
  const std::uint64_t additions = std::uint64_t{g.step_m} * g.step_n * ceil_div(g.step_k, g.dp_width);
  cycles_per_step_ = static_cast<unsigned>(ceil_div(additions, std::uint64_t{g.dp_units} * g.adder_trees));
  if (g.scale_extent == 0 || g.scaled_sums_per_cycle == 0) return;
  const std::uint64_t scaled = ceil_div(products, std::uint64_t{g.scale_extent} * g.scaled_sums_per_cycle);
  cycles_per_step_ = std::max(cycles_per_step_, static_cast<unsigned>(scaled));
}

std::uint64_t TensorCoreSteps::decoded_scales() const {
  const TensorCoreGeometry& g = geometry_;
  if (!g.decodes_scales || g.scale_extent == 0) return 0;
  const std::uint64_t rows = std::uint64_t{g.thread_groups} * g.group_m;
  const std::uint64_t columns = std::uint64_t{g.thread_groups / g.w_sharers} * g.group_n;
  return (rows + columns) * ceil_div(g.mma_k, g.scale_extent);
}

void TensorCoreSteps::count_accesses() {
  const TensorCoreGeometry& g = geometry_;
  const unsigned w_k = g.packing == WeightPacking::along_k ? std::max(g.step_k, g.word_lanes()) : g.step_k;
  const std::uint64_t a_bits = std::uint64_t{g.step_m} * g.step_k * g.a_bits;
  const std::uint64_t w_bits = std::uint64_t{w_k} * g.step_n * g.w_bits;
  const std::uint64_t c_bits = std::uint64_t{g.step_m} * g.step_n * g.c_bits;
  const std::uint64_t sharing_sets = g.thread_groups / g.w_sharers;
  const std::uint64_t a_registers = g.thread_groups * ceil_div(a_bits, register_bits);
  const std::uint64_t w_registers = sharing_sets * ceil_div(w_bits, register_bits);
  const std::uint64_t c_registers = g.thread_groups * ceil_div(c_bits, register_bits);

  PatchBuffer a(g.a_buffer_bits / a_bits), w(g.w_buffer_bits / w_bits), c(g.c_buffer_bits / c_bits);
  by_step_.reserve(steps_.size());
  for (const TensorCoreStep& step : steps_) {
    OperandAccesses step_accesses;
    if (a.access({step.m, step.k}) != PatchBuffer::Access::hit) step_accesses.a_reads = a_registers;
    if (w.access({step.k * g.step_k / w_k, step.n}) != PatchBuffer::Access::hit) step_accesses.w_reads = w_registers;
    const auto access = c.access({step.m, step.n});
    if (access != PatchBuffer::Access::hit) step_accesses.c_reads = c_registers;
    if (access == PatchBuffer::Access::miss_evicting) step_accesses.c_writes = c_registers;
    by_step_.push_back(step_accesses);
  }
  // What the buffer of C still holds goes back with the last step.
  by_step_.back().c_writes += c.held() * c_registers;
  holds_accumulators_ = std::uint64_t{g.group_m} * g.group_n * g.c_bits <= g.c_buffer_bits;
  for (const OperandAccesses& step_accesses : by_step_) {
    accesses_.a_reads += step_accesses.a_reads;
    accesses_.w_reads += step_accesses.w_reads;
    accesses_.c_reads += step_accesses.c_reads;
    accesses_.c_writes += step_accesses.c_writes;
  }
}

}  // namespace nibble
