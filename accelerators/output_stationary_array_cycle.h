// SPDX-License-Identifier: Apache-2.0
/// An output-stationary systolic array, register by register: every PE, every cycle, for the arithmetic of any PE.
///
/// - Activations enter column 0, row r of the array r cycles after row 0, and move right one column per cycle; weights
/// enter row 0, column c c cycles after column 0, and move down one row per cycle. PE (r, c) therefore has step t of
/// both r + c cycles after it has entered at the corner. A step occupies a PE for initiation_interval cycles.
/// - Sums stay in the PE. pe_latency cycles after the step's last cycle they are registered.
/// - A finished sum goes to the PE's result register (result_registers), or stays in its accumulator. The PEs of a
/// column form result_ports chains of chain_length() registers. A chain holds its results until its lowest used PE
/// has finished, then shifts down one PE per cycle; the register at its end hands out one result per cycle.
///
/// Whoever feeds the array asks accepts() first; the registers themselves refuse (InternalError) a result that overruns
/// another, so that a schedule that the structure does not carry cannot go unnoticed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/error.h"
#include "dataflow/gemm_shape.h"

namespace nibble {

/// `Pe` is the arithmetic:
///
///   using Left, Top, Sum;   // one step's operands of a PE (k_per_row elements each), and what it accumulates
///   void step(Sum& sum, const Left&, const Top&) const;
///
/// All three are copyable and default-constructible; a pass starts with Sum{}.
template <class Pe>
class OutputStationaryArrayCycle {
 public:
  using Left = typename Pe::Left;
  using Top = typename Pe::Top;
  using Sum = typename Pe::Sum;

  explicit OutputStationaryArrayCycle(const ArrayGeometry& geometry, Pe pe = {})
      : pe_(std::move(pe)),
        rows_(geometry.rows),
        columns_(geometry.columns),
        latency_(geometry.pe_latency),
        interval_(geometry.initiation_interval),
        chain_(geometry.chain_length()),
        own_registers_(geometry.result_registers),
        pes_(rows_ * columns_),
        full_(columns_),
        history_(rows_ + columns_ + latency_ + interval_) {}

  /// One step of a pass: operands of the PEs in the upper left `left.size()` x `top.size()` of the array.
  struct Step {
    bool valid = false;
    bool first = false;     ///< sums start anew
    bool last = false;      ///< sums are complete after it
    std::uint64_t tag = 0;  ///< of the pass; handed back with the results
    std::vector<Left> left;
    std::vector<Top> top;
  };
  /// What leaves a chain in this cycle: the sum of PE (row, column).
  struct Result {
    std::uint64_t tag = 0, row = 0, column = 0;
    Sum sum;
  };

  /// Whether such a step may enter in this cycle.
  bool accepts(bool first, bool last) const {
    if (cycle_ < next_step_) return false;
    if (!own_registers_) return !first || cycle_ >= chain_free_;
    return !last || cycle_ + interval_ - 1 >= chain_free_;
  }

  /// First cycle in which the next step could begin; `first`: it begins a pass.
  std::uint64_t earliest_step(bool first) const {
    return first && !own_registers_ ? std::max(next_step_, chain_free_) : next_step_;
  }

  /// One clock cycle; `step` enters at the corner. `results` receives what the ends of the chains hand out in it.
  void step(const Step& step, std::vector<Result>& results) {
    take(step);
    shift_chains(results);
    // Registered at the end of this cycle: first what completes a pass, then the first step of the next.
    for_each_reached(latency_ - 1 + interval_ - 1, [this](const Step& entry, std::uint64_t r, std::uint64_t c) {
      if (entry.last && interval_ > 1) finish(entry, r, c);
    });
    for_each_reached(latency_ - 1, [this](const Step& entry, std::uint64_t r, std::uint64_t c) {
      accumulate(entry, r, c);
      if (entry.last && interval_ == 1) finish(entry, r, c);
    });
    ++cycle_;
  }

  /// What PE (row, column) registered in the last cycle: nothing, or a step with these operands, which gave this sum.
  struct PeStep {
    bool works = false;
    Left left{};
    Top top{};
    Sum sum{};
  };
  PeStep last_step(std::uint64_t row, std::uint64_t column) const {
    const std::uint64_t age = row + column + latency_;
    if (cycle_ < age) return {};
    const Step& entry = history_[(cycle_ - age) % history_.size()];
    if (!entry.valid || row >= entry.left.size() || column >= entry.top.size()) return {};
    return {true, entry.left[row], entry.top[column], pes_[column * rows_ + row].sum};
  }

  /// Cycles so far.
  std::uint64_t cycle() const { return cycle_; }
  /// Steps that PEs have performed.
  std::uint64_t pe_operations() const { return pe_operations_; }

 private:
  struct Register {
    Sum sum{};          ///< of the pass at work
    bool busy = false;  ///< between its first step and its end
    bool full = false;  ///< the chain's register holds a result
    bool moving = false;
    Result result;
  };

  void take(const Step& step) {
    history_[cycle_ % history_.size()] = step;
    if (!step.valid) return;
    if (cycle_ < next_step_) throw InternalError("systolic array: a PE's step is not over");
    next_step_ = cycle_ + interval_;
    if (step.last) chain_free_ = next_step_ - 1 + std::min<std::uint64_t>(step.left.size(), chain_);
  }

  /// The PEs whose step entered them `age` cycles ago.
  template <class Visit>
  void for_each_reached(std::uint64_t age, Visit visit) {
    for (std::uint64_t diagonal = 0; diagonal + 1 < rows_ + columns_ && diagonal + age <= cycle_; ++diagonal) {
      const Step& entry = history_[(cycle_ - diagonal - age) % history_.size()];
      if (!entry.valid) continue;
      const std::uint64_t used = entry.left.size(), across = entry.top.size();
      for (std::uint64_t r = diagonal < across ? 0 : diagonal - across + 1; r < used && r <= diagonal; ++r)
        visit(entry, r, diagonal - r);
    }
  }

  void accumulate(const Step& entry, std::uint64_t r, std::uint64_t c) {
    Register& pe = pes_[c * rows_ + r];
    if (entry.first) {
      if (pe.busy) throw InternalError("systolic array: a pass begins in a PE before the one before is finished");
      if (!own_registers_ && pe.full) throw InternalError("systolic array: a pass begins where results drain");
      pe.sum = Sum{};
      pe.busy = true;
    }
    pe_.step(pe.sum, entry.left[r], entry.top[c]);
    ++pe_operations_;
  }

  void finish(const Step& entry, std::uint64_t r, std::uint64_t c) {
    Register& pe = pes_[c * rows_ + r];
    if (pe.full) throw InternalError("systolic array: a result overruns one that drains");
    pe.busy = false;
    pe.full = true;
    ++full_[c];
    pe.moving = false;
    pe.result = {entry.tag, r, c, pe.sum};
    const std::uint64_t top = r / chain_ * chain_, end = std::min<std::uint64_t>(top + chain_, entry.left.size());
    if (r + 1 != end) return;
    for (std::uint64_t i = top; i < end; ++i)
      pes_[c * rows_ + i].moving = true;
  }

  void shift_chains(std::vector<Result>& results) {
    for (std::uint64_t c = 0; c < columns_; ++c) {
      for (std::uint64_t r = full_[c] > 0 ? rows_ : 0; r-- > 0;) {
        Register& pe = pes_[c * rows_ + r];
        if (!pe.full || !pe.moving) continue;
        pe.full = pe.moving = false;
        if (r % chain_ == chain_ - 1 || r == rows_ - 1) {
          results.push_back(pe.result);
          --full_[c];
          continue;
        }
        Register& below = pes_[c * rows_ + r + 1];
        if (below.full || (!own_registers_ && below.busy))
          throw InternalError("systolic array: a draining result overruns another");
        below.result = pe.result;
        below.full = below.moving = true;
      }
    }
  }

  Pe pe_;
  std::uint64_t rows_, columns_, latency_, interval_, chain_;
  bool own_registers_;
  std::vector<Register> pes_;        ///< column by column
  std::vector<std::uint64_t> full_;  ///< per column: results in the chains
  std::vector<Step> history_;        ///< skew, travel and pipelines: entry of cycle t at t modulo the size
  std::uint64_t cycle_ = 0, pe_operations_ = 0;
  std::uint64_t next_step_ = 0;   ///< the feeder's scoreboard: the corner PE's step is over
  std::uint64_t chain_free_ = 0;  ///< earliest last cycle of the next pass (own registers), or first of it
};

}  // namespace nibble
