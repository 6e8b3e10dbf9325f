// SPDX-License-Identifier: Apache-2.0
/// tender_quad.sv and the foot behind it against the steps of pe/tender_pe.h: runs of nibbles and of whole bytes,
/// groups of columns with shifts between them, empty groups, stalls, resets.
#include <array>
#include <cmath>
#include <deque>

#include "pe/tender_pe.h"
#include "quad_bench.h"
#include "rtl_float.h"
#include "rtl_tender_foot.h"
#include "rtl_tender_quad.h"

using namespace nibble;

namespace {

constexpr unsigned groups = 8;  // the most that 38 bits hold

/// Operands of two rows and two columns, of which row 1 and column 1 enter a cycle later.
struct Step {
  bool valid = false, last = false, rescale = false, fuse = false;
  std::array<std::uint32_t, 2> x{}, w{};  ///< nibbles
};

class TenderBench : public QuadBench<Step, std::int64_t, 1> {
 public:
  Pin<2> rescale_in{"rescale_in"}, fuse{"fuse"};
  Pin<8> x_in{"x_in"}, w_in{"w_in"};
  Pin<1> total_valid{"total_valid"};
  Pin<38> total{"total"};

  TenderBench() : QuadBench("tender_quad", 61) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, rescale_in);
    NIBBLE_BIND(dut, fuse);
    NIBBLE_BIND(dut, x_in);
    NIBBLE_BIND(dut, w_in);
    NIBBLE_BIND(dut, done);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, total_valid);
    NIBBLE_BIND(dut, total);
  }

 private:
  Step draw() override {
    Step step;
    if (fresh()) {
      fuse_ = once_in(2);
      extreme_ = once_in(6);
      length_ = once_in(40) ? 4000 : once_in(4) ? 300 : 12;
      shifts_ = 0;
    }
    step.valid = !once_in(4);
    step.last = once_in(length_);
    step.rescale = shifts_ + 1 < groups && once_in(1 + length_ / groups);
    if (longest_) plan_longest(step);
    step.fuse = fuse_;
    for (unsigned i = 0; i < 2; ++i) {
      // The largest products of both signs: -8 * -8 alone, -8 * 15 and 15 * 15 of bytes' nibbles.
      step.x[i] = extreme_ ? (fuse_ && i == 1 ? 15 : 8) : static_cast<std::uint32_t>(random.below(16));
      step.w[i] = extreme_ ? (fuse_ && i == 1 ? 15 : 8) : static_cast<std::uint32_t>(random.below(16));
    }
    return step;
  }

  /// The first run is the longest that the registers hold: 32768 of the largest products, then all shifts.
  void plan_longest(Step& step) {
    fuse_ = extreme_ = true;
    step.rescale = steps_ >= integer_segment;
    step.last = steps_ + 1 == integer_segment + groups - 1;
    if (!step.valid) return;
    ++steps_;
    longest_ = !step.last;
  }

  std::uint64_t cycles_per_reset() const override { return longest_ ? 0 : 5000; }
  void restarted() override {
    steps_ = 0;
    bytes_ = 0;
  }

  void write(const Step& step, const Step& late) override {
    rescale_in.write(both_halves(step.rescale, late.rescale, 1));
    fuse.write(both_halves(step.fuse, late.fuse, 1));
    x_in.write(both_halves(step.x[0], late.x[1], 4));
    w_in.write(both_halves(step.w[0], late.w[1], 4));
  }

  /// What the steps of pe/ make of four PEs of nibbles, and of the one PE of bytes that fused ones are.
  void accumulate(const Step& step) override {
    const auto nibble = [&](const std::array<std::uint32_t, 2>& codes, unsigned i) {
      const bool low = step.fuse && i == 1;
      return static_cast<std::int8_t>(low ? static_cast<std::int32_t>(codes[i]) : sign_extended(codes[i], 4));
    };
    const auto byte = [](const std::array<std::uint32_t, 2>& halves) {
      return static_cast<std::int8_t>(sign_extended(halves[0] << 4 | halves[1], 8));
    };
    for (unsigned pe = 0; pe < 4; ++pe)
      sums()[pe] = step.rescale ? tender_rescale(sums()[pe])
                                : tender_step(sums()[pe], nibble(step.x, pe / 2), nibble(step.w, pe % 2));
    bytes_ = step.rescale ? tender_rescale(bytes_) : tender_step(bytes_, byte(step.x), byte(step.w));
    if (step.rescale) ++shifts_;
  }
  void finish_run(const Step& step, std::uint64_t first) override {
    if (step.fuse) expect_total(0, first + 3, bytes_);
    bytes_ = 0;
  }

  std::uint64_t latency() const override { return tender_pe_timing().mode("w4a4").latency; }
  bool total_seen(unsigned) const override { return total_valid.read(); }
  std::int64_t total_value(unsigned) const override {
    const std::int64_t bits = static_cast<std::int64_t>(total.read());
    return bits - ((bits >> 37 & 1) << 38);
  }

  rtl_tender_quad dut{"dut"};
  std::int64_t bytes_ = 0;
  unsigned shifts_ = 0;
  std::uint64_t length_ = 12;
  std::uint64_t steps_ = 0;  ///< of the longest run
  bool extreme_ = false, fuse_ = false, longest_ = true;
};

/// A scale of the activations in the foot: a binary16 number times 2^-(groups - 1), with a field of 8 bits.
std::uint32_t wide_scale(float scale) {
  return float_bits(scale) >> 13;
}

class FootBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, accumulate{"accumulate"}, valid_out{"valid_out"};
  Pin<38> sum{"sum"};
  Pin<19> activation_scale{"activation_scale"};
  Pin<16> weight_scale{"weight_scale"};
  Pin<32> accumulator_in{"accumulator_in"}, accumulator_out{"accumulator_out"};

  FootBench() : RtlBench("tender_foot", 62) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, activation_scale);
    NIBBLE_BIND(dut, weight_scale);
    NIBBLE_BIND(dut, accumulate);
    NIBBLE_BIND(dut, accumulator_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, accumulator_out);
  }

 private:
  struct Due {
    std::uint64_t cycle = 0;
    float accumulator = 0, result = 0;
  };

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(1000), valid = !once_in(4);
    reset.write(restart);
    const std::int64_t most = std::int64_t{1} << 37;
    const std::int64_t value = once_in(16)
                                   ? (once_in(2) ? -most : most - 1)
                                   : (static_cast<std::int64_t>(random.next() >> 26) - most) >> random.below(38);
    const float x = fp16_value(random_fp16(random)), w = fp16_value(random_fp16(random));
    const auto count = 1 + static_cast<unsigned>(random.below(groups));
    valid_in.write(valid);
    sum.write(static_cast<std::uint64_t>(value) & ((std::uint64_t{1} << 38) - 1));
    activation_scale.write(wide_scale(std::ldexp(x, 1 - static_cast<int>(count))));
    weight_scale.write(fp16_bits(w));
    if (restart) {
      due_.clear();
    } else if (valid) {
      const float alone = tender_foot(0, value, x, count, w);
      Due due{now() + tender_pe_timing().foot_latency, 0, 0};
      due.accumulator = float_from_bits(near_addend(random, float_bits(alone), float_bits(x)));
      due.result = tender_foot(due.accumulator, value, x, count, w);
      due_.push_back(due);
    }
  }

  void compare() {
    accumulator_in.write(static_cast<std::uint32_t>(random.next()));
    for (const Due& due : due_)
      if (due.cycle == now() + 1) accumulator_in.write(float_bits(due.accumulator));
    const bool expected = !due_.empty() && due_.front().cycle == now();
    expect("valid_out", valid_out.read(), expected);
    if (!expected) return;
    expect("accumulator_out", accumulator_out.read(), rtl_float(due_.front().result));
    due_.pop_front();
  }

  rtl_tender_foot dut{"dut"};
  std::deque<Due> due_;
};

}  // namespace

TEST_CASE("tender_quad: random runs of nibbles and bytes, groups and shifts, stalls and resets") {
  REQUIRE(tender_pe_timing().mode("w4a4").initiation_interval == 1);
  REQUIRE(tender_pe_timing().mode("w8a8").pes_fused == 4);
  REQUIRE(tender_pe_timing().mode("w8a8").latency == tender_pe_timing().mode("w4a4").latency);
  TenderBench bench;
  bench.run(random_cycles());
  bench.finish(5 * (random_cycles() - 1));
}

TEST_CASE("tender_foot: sums of 38 bits, scales of every number of groups, accumulators, stalls and resets") {
  FootBench bench;
  bench.run(random_cycles());
  bench.finish(random_cycles());
}
