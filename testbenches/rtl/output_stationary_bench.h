// SPDX-License-Identifier: Apache-2.0
/// Bench of an output-stationary 4 x 4 array against accelerators/output_stationary_array_cycle.h, cycle for cycle, for
/// any arithmetic: passes over any part of the array, back to back and apart, stalls, resets.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "accelerators/output_stationary_array_cycle.h"
#include "array_arithmetics.h"
#include "rtl_bench.h"

namespace nibble {

/// `Arithmetic` is that of the cycle model and more:
///
///   using Left, Top, Sum; static void step(Sum&, const Left&, const Top&);
///   static const PeTiming& timing();                 // mode(mode_name()).latency, foot_latency
///   static unsigned edge_delay();                    // cycles of what results pass through before the RTL's chains
///   static constexpr bool partial;                   // whether a pass may use a part of the array
///   static std::uint32_t result(const Sum&);         // as the pins show it
///   void restart(Random&);                           // draws what holds until the next reset
///   unsigned interval() const;                       // cycles of a step, until the next reset
///   void plan(Random&);                              // draws what a pass has in common
///   bool may_end() const;                            // whether a pass may end with the step drawn last
///   void draw(Random&, bool last, std::vector<Left>&, std::vector<Top>&);   // operands of a step
template <class Arithmetic>
class OutputStationaryBench : public RtlBench {
 public:
  using Model = OutputStationaryArrayCycle<Arithmetic>;

  Pin<array_columns> result_valid{"result_valid"};

 protected:
  OutputStationaryBench(const char* name, std::uint64_t seed) : RtlBench(name, seed) { restart(); }

  /// Puts a cycle of a step on the pins, its first one 0; places that are not in use get noise.
  virtual void drive(const typename Model::Step& step, unsigned phase) = 0;
  /// The result pin of a column.
  virtual std::uint32_t shown(unsigned column) = 0;

  void cycle() override {
    const bool reset_now = now() < 1 || once_in(2000);
    reset.write(reset_now);
    const typename Model::Step step = next_step();
    if (step.valid || ++phase_ >= arithmetic_.interval()) {
      present_ = step;
      phase_ = 0;
    }
    drive(present_, phase_);
    if (reset_now) {
      restart();
      return;
    }
    std::vector<typename Model::Result> results;
    model_->step(step, results);
    std::array<Seen, array_columns> seen{};
    for (const auto& leaving : results)
      seen[leaving.column] = {true, Arithmetic::result(leaving.sum)};
    due_.push_back(seen);
    compare();
    due_.pop_front();
  }

  Arithmetic arithmetic_;

 private:
  struct Seen {
    bool valid = false;
    std::uint32_t value = 0;
  };

  ArrayGeometry geometry() const {
    ArrayGeometry array;
    array.rows = array_rows;
    array.columns = array_columns;
    array.pe_latency = Arithmetic::timing().modes.front().latency;
    array.initiation_interval = arithmetic_.interval();
    return array;
  }

  void restart() {
    arithmetic_.restart(random);
    present_ = {};
    model_ = std::make_unique<Model>(geometry());
    // The pins show in cycle t what the model hands out in step t.
    due_.assign(Arithmetic::edge_delay(), {});
    left_in_pass_ = 0;
  }

  typename Model::Step next_step() {
    typename Model::Step step;
    const bool first = left_in_pass_ == 0;
    if (first) {
      hurried_ = !once_in(3);
      planned_ = 1 + static_cast<unsigned>(random.below(once_in(3) ? 40 : 8));
      down_ = 1 + static_cast<unsigned>(random.below(array_rows));
      across_ = 1 + static_cast<unsigned>(random.below(array_columns));
      if (!Arithmetic::partial || once_in(2)) down_ = array_rows, across_ = array_columns;
      arithmetic_.plan(random);
    }
    const bool ends = !first && left_in_pass_ + 1 >= planned_ && arithmetic_.may_end();
    const bool only = first && planned_ == 1 && arithmetic_.may_end();
    if (!model_->accepts(first, ends || only) || !(hurried_ || once_in(2))) return step;
    step.valid = true;
    step.first = first;
    step.last = ends || only;
    step.left.resize(down_);
    step.top.resize(across_);
    arithmetic_.draw(random, step.last, step.left, step.top);
    left_in_pass_ = step.last ? 0 : left_in_pass_ + 1;
    return step;
  }

  void compare() {
    for (unsigned c = 0; c < array_columns; ++c) {
      const Seen& seen = due_.front()[c];
      expect("result_valid", pin_field(result_valid.read(), c, 1) != 0, seen.valid);
      if (seen.valid) expect("result", shown(c), seen.value);
    }
  }

  std::unique_ptr<Model> model_;
  typename Model::Step present_;  ///< at work on the pins, if valid
  unsigned phase_ = 0;
  std::deque<std::array<Seen, array_columns>> due_;
  unsigned left_in_pass_ = 0, planned_ = 1, down_ = 1, across_ = 1;
  bool hurried_ = true;
};

/// Of output_stationary_array.sv: the pins that all its PEs have in common.
template <class Arithmetic>
class SkeletonBench : public OutputStationaryBench<Arithmetic> {
  using Base = OutputStationaryBench<Arithmetic>;

 public:
  Pin<array_rows> rows{"rows"};
  Pin<array_columns> columns{"columns"};
  Pin<1> last{"last"};

 protected:
  using Base::Base;
  using Step = typename Base::Model::Step;

  template <class Rtl>
  void bind_common(Rtl& dut) {
    dut.clk(this->clk);
    dut.reset(this->reset);
    dut.rows(rows);
    dut.columns(columns);
    dut.last(last);
    dut.result_valid(this->result_valid);
  }
  void drive_common(const Step& step, bool last_cycle = true) {
    const auto noise = static_cast<std::uint32_t>(this->random.below(1U << array_columns));
    rows.write(step.valid ? (1U << step.left.size()) - 1 : 0U);
    columns.write(step.valid ? (1U << step.top.size()) - 1 : noise);
    last.write(step.valid ? step.last && last_cycle : this->once_in(2));
  }
};

/// Of the kinds whose operands are one number: of `width` bits from the left, `top_width` from above.
template <class Arithmetic, class Rtl, unsigned width, unsigned top_width, unsigned sum>
class PlainArrayBench : public SkeletonBench<Arithmetic> {
  using Base = SkeletonBench<Arithmetic>;

 public:
  Pin<array_rows * width> left{"left"};
  Pin<array_columns * top_width> top{"top"};
  Pin<array_columns * sum> result{"result"};

  PlainArrayBench(const char* name, std::uint64_t seed) : Base(name, seed) {
    this->bind_common(dut);
    dut.left(left);
    dut.top(top);
    dut.result(result);
  }

 private:
  void drive(const typename Base::Step& step, unsigned) override {
    this->drive_common(step);
    const auto& x = step.left;
    const auto& w = step.top;
    std::uint32_t rows[array_rows], columns[array_columns];
    for (unsigned i = 0; i < array_rows; ++i) {
      rows[i] = i < x.size() ? pin_bits(x[i], width) : static_cast<std::uint32_t>(this->random.below(1U << width));
      columns[i] =
          i < w.size() ? pin_bits(w[i], top_width) : static_cast<std::uint32_t>(this->random.below(1U << top_width));
    }
    left.write(packed_lanes<array_rows, width>(rows));
    top.write(packed_lanes<array_columns, top_width>(columns));
  }
  std::uint32_t shown(unsigned column) override { return pin_field(result.read(), sum * column, sum); }

  Rtl dut{"dut"};
};

template <class Bench>
void compare_with_model(Bench& bench, std::uint64_t cycles) {
  bench.run(cycles);
  bench.finish(4 * cycles);
}

}  // namespace nibble
