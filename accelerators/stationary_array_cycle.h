// SPDX-License-Identifier: Apache-2.0
/// A weight- or input-stationary systolic array, register by register: every PE, every cycle, for the arithmetic of any
/// PE. Weight stationary, weights stay and rows of A stream; input stationary, activations stay and rows of W stream.
///
/// - Streamed operands enter column 0, row r step_latency() cycles after row r - 1 (skew), and move right one column
/// per cycle.
/// - Partial sums move down one row per step_latency() cycles; what leaves the last row goes to the column's foot.
/// - Stationary operands of the next pass move down shadow registers, one row per cycle, while the current pass
/// streams. An operand stops at the row that it is meant for; those for the bottom enter first, column c starts c
/// cycles after column 0. All are in place after `rows` cycles.
/// - The first row of a pass swaps each PE's shadow into its active register as it goes by. The wave of a new load may
/// follow the swap's diagonal one row behind, but not overtake it.
///
/// Whoever feeds the array asks accepts() and accepts_load() first; the registers themselves refuse (InternalError) an
/// operand that overruns another, so that a schedule that the structure does not carry cannot go unnoticed.
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
///   using Stationary, Streamed, Sum;   // copyable, default-constructible
///   Sum enter(std::uint64_t tag, std::uint64_t column) const;   // what enters a column with a streamed row
///   Sum step(const Sum& above, const Streamed&, const Stationary&, std::uint64_t row) const;
///
/// `above` is what enter() gave in row 0; `row` counts PEs from the top.
template <class Pe>
class StationaryArrayCycle {
 public:
  using Stationary = typename Pe::Stationary;
  using Streamed = typename Pe::Streamed;
  using Sum = typename Pe::Sum;

  explicit StationaryArrayCycle(const ArrayGeometry& geometry, Pe pe = {})
      : pe_(std::move(pe)),
        rows_(geometry.rows),
        columns_(geometry.columns),
        latency_(geometry.step_latency()),
        interval_(geometry.initiation_interval),
        turnaround_(geometry.pass_turnaround()),
        pes_(rows_ * columns_),
        moving_(columns_),
        sums_(rows_ * columns_ * latency_),
        stream_history_(rows_ * latency_ + columns_ - 1),
        reached_(stream_history_.size()),
        load_history_(columns_) {}

  /// One streamed vector: element r for array row r, `rows` of them.
  struct StreamRow {
    bool valid = false;
    bool first = false;     ///< of a pass: stationary operands swap
    std::uint64_t tag = 0;  ///< handed back with the results
    std::vector<Streamed> x;
  };
  /// Stationary operands of one array row, `columns` of them.
  struct LoadRow {
    bool valid = false;
    std::uint64_t row = 0;
    std::vector<Stationary> w;
  };
  /// What leaves the last row of column `column` in this cycle.
  struct Result {
    std::uint64_t tag = 0, column = 0;
    Sum sum;
  };

  /// Whether a streamed vector may enter in this cycle: the first of a pass needs a complete set of stationary
  /// operands.
  bool accepts(bool first) const { return cycle_ >= next_stream_ && (first ? loaded_rows_ == rows_ : true); }
  /// First cycle in which the next pass could begin, its stationary operands having been there in time.
  std::uint64_t earliest_pass() const { return std::max(next_stream_, next_load_ + rows_); }
  /// Whether stationary operands of an array row may enter in this cycle; `swaps`: together with the first of a pass.
  bool accepts_load(bool swaps) const {
    if (swaps) return turnaround_ == rows_;
    return loaded_rows_ < rows_ && (loaded_rows_ > 0 || cycle_ >= next_load_);
  }

  /// One clock cycle. The inputs are those that enter row 0 / column 0 now; the skew registers are part of the array.
  /// `results` receives the sums that the last row registers in this cycle.
  void step(const StreamRow& stream, const LoadRow& load, std::vector<Result>& results) {
    take(stream, load);
    for (std::uint64_t delay = 0; delay < reached_.size(); ++delay)
      reached_[delay] = entry(delay);
    for (std::uint64_t c = 0; c < columns_; ++c) {
      // Bottom row first: every PE reads its upper neighbour's register of the cycle before.
      for (std::uint64_t r = rows_; r-- > 0;)
        step_pe(r, c);
      collect(c, results);
      shift_loads(c);
    }
    ++cycle_;
  }

  /// What PE (row, column) did in the last cycle: nothing, or a step with these operands, which gave this sum.
  struct PeStep {
    bool works = false;
    Streamed streamed{};
    Stationary stationary{};
    Sum sum{};
  };
  PeStep last_step(std::uint64_t row, std::uint64_t column) const {
    const std::uint64_t delay = row * latency_ + column;
    if (cycle_ < delay + 1) return {};
    const StreamRow& entry = stream_history_[(cycle_ - 1 - delay) % stream_history_.size()];
    if (!entry.valid) return {};
    const std::uint64_t pe = column * rows_ + row;
    return {true, entry.x[row], pes_[pe].active, sums_[pe * latency_ + (latency_ == 1 ? 0 : (cycle_ - 1) % latency_)]};
  }

  /// Cycles so far.
  std::uint64_t cycle() const { return cycle_; }
  /// Steps that PEs have performed (valid operands, padding included).
  std::uint64_t pe_operations() const { return pe_operations_; }

 private:
  enum class Shadow : std::uint8_t { empty, moving, ready };
  struct Register {
    Stationary active{}, shadow{};
    std::uint64_t destination = 0;
    Shadow state = Shadow::empty;
  };

  void take(const StreamRow& stream, const LoadRow& load) {
    stream_history_[cycle_ % stream_history_.size()] = stream;
    load_history_[cycle_ % columns_] = load;
    if (stream.valid) {
      if (cycle_ < next_stream_) throw InternalError("systolic array: a PE's step is not over");
      next_stream_ = cycle_ + interval_;
      if (stream.first) {
        loaded_rows_ = 0;
        next_load_ = cycle_ + turnaround_ - rows_;
      }
    }
    if (load.valid) ++loaded_rows_;
  }

  /// The entry that reached a place `delay` cycles from the array's corner in this cycle.
  const StreamRow* entry(std::uint64_t delay) const {
    if (cycle_ < delay) return nullptr;
    const StreamRow& row = stream_history_[(cycle_ - delay) % stream_history_.size()];
    return row.valid ? &row : nullptr;
  }
  /// Slot of a PE's pipeline for what it begins in cycle `cycle_` + `ahead`; read before, what it finished then.
  Sum& sum(std::uint64_t r, std::uint64_t c, std::uint64_t ahead) {
    return sums_[(c * rows_ + r) * latency_ + (latency_ == 1 ? 0 : (cycle_ + ahead) % latency_)];
  }

  void step_pe(std::uint64_t r, std::uint64_t c) {
    const StreamRow* const row = reached_[r * latency_ + c];
    if (row == nullptr) return;
    Register& pe = pes_[c * rows_ + r];
    if (row->first) {
      if (pe.state != Shadow::ready) throw InternalError("systolic array: a pass starts without its operands");
      pe.active = pe.shadow;
      pe.state = Shadow::empty;
    }
    sum(r, c, 0) = pe_.step(r == 0 ? pe_.enter(row->tag, c) : sum(r - 1, c, 0), row->x[r], pe.active, r);
    ++pe_operations_;
  }

  /// The last row registers a sum step_latency() cycles after its operands' entry.
  void collect(std::uint64_t c, std::vector<Result>& results) {
    const StreamRow* const row = reached_[rows_ * latency_ - 1 + c];
    if (row != nullptr) results.push_back({row->tag, c, sum(rows_ - 1, c, 1)});
  }

  void shift_loads(std::uint64_t column) {
    Register* const pes = &pes_[column * rows_];
    for (std::uint64_t r = rows_ - 1; r > 0 && moving_[column] > 0; --r) {
      Register& above = pes[r - 1];
      if (above.state != Shadow::moving) continue;
      --moving_[column];
      receive(pes[r], above.shadow, above.destination, r);
      moving_[column] += pes[r].state == Shadow::moving ? 1 : 0;
      above.state = Shadow::empty;
    }
    if (cycle_ < column) return;
    const LoadRow& entering = load_history_[(cycle_ - column) % columns_];
    if (!entering.valid) return;
    receive(pes[0], entering.w[column], entering.row, 0);
    moving_[column] += pes[0].state == Shadow::moving ? 1 : 0;
  }

  static void receive(Register& pe, const Stationary& operand, std::uint64_t destination, std::uint64_t row) {
    if (pe.state != Shadow::empty) throw InternalError("systolic array: stationary operands overrun those of a pass");
    pe.shadow = operand;
    pe.destination = destination;
    pe.state = destination == row ? Shadow::ready : Shadow::moving;
  }

  Pe pe_;
  std::uint64_t rows_, columns_, latency_, interval_, turnaround_;
  std::vector<Register> pes_;              ///< column by column
  std::vector<std::uint64_t> moving_;      ///< per column: operands on their way to their rows
  std::vector<Sum> sums_;                  ///< per PE its pipeline, by cycle modulo its length
  std::vector<StreamRow> stream_history_;  ///< skew and travel: entry of cycle t at t modulo the size
  std::vector<const StreamRow*> reached_;  ///< the row that is `index` cycles from the corner in this cycle
  std::vector<LoadRow> load_history_;
  std::uint64_t cycle_ = 0, pe_operations_ = 0;
  std::uint64_t next_stream_ = 0, next_load_ = 0, loaded_rows_ = 0;  ///< the feeder's scoreboard
};

}  // namespace nibble
