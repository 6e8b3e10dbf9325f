// SPDX-License-Identifier: Apache-2.0
/// Bench of four PEs, 2 x 2, that work alone or fused to one: row 1 and column 1 work a cycle after row 0 and column 0.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "rtl_bench.h"

namespace nibble {

/// Two halves of a pin: row 0 or column 0 in the low bits.
inline std::uint32_t both_halves(std::uint32_t low, std::uint32_t high, unsigned width) {
  return low | high << width;
}

/// `Step`: operands of two rows and two columns with members `valid` and `last`. `Sum`: what the PE function adds up
/// to.
template <class Step, class Sum, unsigned totals>
class QuadBench : public RtlBench {
 public:
  Pin<2> valid_in{"valid_in"}, last_in{"last_in"};
  Pin<4> done{"done"};
  Pin<128> sum{"sum"};

 protected:
  using RtlBench::RtlBench;

  virtual Step draw() = 0;
  /// Row 0 and column 0 of `step`, row 1 and column 1 of `late`; all pins but valid_in and last_in.
  virtual void write(const Step& step, const Step& late) = 0;
  /// Adds a step to sums().
  virtual void accumulate(const Step& step) = 0;
  /// What leaves after the last step of a run beside the four sums, the first of which leaves in cycle `first`.
  virtual void finish_run(const Step& step, std::uint64_t first) = 0;
  virtual std::uint64_t latency() const = 0;
  /// A reset once in so many cycles on average; 0: never. Asked in every cycle.
  virtual std::uint64_t cycles_per_reset() const { return 1000; }
  virtual void restarted() {}
  virtual bool total_seen(unsigned i) const = 0;
  virtual std::int64_t total_value(unsigned i) const = 0;

  bool fresh() const { return fresh_; }
  std::array<Sum, 4>& sums() { return sums_; }
  void expect_total(unsigned i, std::uint64_t cycle, std::int64_t value) { due_[4 + i].push_back({cycle, value}); }

 private:
  struct Due {
    std::uint64_t cycle = 0;
    std::int64_t value = 0;
  };

  void cycle() final {
    if (now() > 0) compare();
    const bool restart = now() < 1 || (cycles_per_reset() > 0 && once_in(cycles_per_reset()));
    reset.write(restart);
    const Step step = draw();
    valid_in.write(both_halves(step.valid, previous_.valid, 1));
    last_in.write(both_halves(step.last, previous_.last, 1));
    write(step, previous_);
    if (restart) {
      previous_ = Step();
      sums_ = {};
      fresh_ = true;
      restarted();
      for (auto& due : due_)
        due.clear();
      return;
    }
    previous_ = step;
    if (!step.valid) return;
    accumulate(step);
    fresh_ = step.last;
    if (step.last) end_run(step);
  }

  void end_run(const Step& step) {
    const std::uint64_t first = now() + latency();
    for (unsigned pe = 0; pe < 4; ++pe)
      due_[pe].push_back({first + pe / 2 + pe % 2, sums_[pe]});
    finish_run(step, first);
    sums_ = {};
  }

  void compare() {
    for (unsigned i = 0; i < 4 + totals; ++i) {
      const bool alone = i < 4, expected = !due_[i].empty() && due_[i].front().cycle == now();
      expect(alone ? "done" : "total_valid", alone ? pin_field(done.read(), i, 1) != 0 : total_seen(i - 4), expected);
      if (!expected) continue;
      const std::int64_t value = alone ? sign_extended(pin_field(sum.read(), 32 * i, 32), 32) : total_value(i - 4);
      expect(alone ? "sum" : "total", value, due_[i].front().value);
      due_[i].pop_front();
    }
  }

  Step previous_;
  std::array<Sum, 4> sums_{};
  std::array<std::deque<Due>, 4 + totals> due_;
  bool fresh_ = true;
};

}  // namespace nibble
