// SPDX-License-Identifier: Apache-2.0
/// aligned_unit.sv against the steps of pe/fp_int_aligned_pe.h: groups of 1 to 64 elements, scale groups, stalls,
/// resets.
#include <algorithm>
#include <deque>

#include "pe/fp_int_aligned_pe.h"
#include "rtl_aligned_w4.h"
#include "rtl_aligned_w8.h"
#include "rtl_bench.h"
#include "rtl_float.h"

using namespace nibble;

namespace {

template <class Module, unsigned bits>
class AlignedBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, group_last{"group_last"}, scale_last{"scale_last"}, output_last{"output_last"};
  Pin<1> done{"done"}, result_valid{"result_valid"};
  Pin<16> value{"value"}, weight_scale{"weight_scale"};
  Pin<5> largest{"largest"};
  Pin<bits> w_in{"w_in"};
  Pin<29> sum{"sum"};
  Pin<32> result{"result"};

  AlignedBench(const char* name, std::uint64_t seed) : RtlBench(name, seed) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, value);
    NIBBLE_BIND(dut, largest);
    NIBBLE_BIND(dut, w_in);
    NIBBLE_BIND(dut, group_last);
    NIBBLE_BIND(dut, scale_last);
    NIBBLE_BIND(dut, weight_scale);
    NIBBLE_BIND(dut, output_last);
    NIBBLE_BIND(dut, done);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
    plan();
  }

 private:
  struct Due {
    std::uint64_t cycle = 0;
    float value = 0;
  };

  /// The next group: its elements first, because their largest exponent goes with each of them.
  void plan() {
    values_.resize(once_in(6) ? aligned_group : 1 + random.below(8));
    const bool extreme = once_in(8);
    const auto top = static_cast<std::uint32_t>(random.below(31)),
               spread = static_cast<std::uint32_t>(random.below(31));
    for (std::uint16_t& element : values_) {
      const auto field = top - std::min(top, static_cast<std::uint32_t>(random.below(spread + 1)));
      element = static_cast<std::uint16_t>(field << 10 | random.below(1024) | random.below(2) << 15);
      if (extreme) element = 0xFBFF;
    }
    extreme_ = extreme;
    largest_ = 1;
    for (const std::uint16_t element : values_)
      largest_ = std::max(largest_, aligned_exponent(fp16_value(element)));
    at_ = 0;
  }

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(1000);
    reset.write(restart);
    const bool valid = !once_in(5), ends = at_ + 1 == values_.size();
    const bool scale_ends = once_in(2), output_ends = once_in(3);
    const std::uint16_t scale = random_fp16(random);
    const int most = 1 << (bits - 1);
    const int w = extreme_ ? -most : static_cast<int>(random.below(2U * most)) - most;
    valid_in.write(valid);
    value.write(values_[at_]);
    largest.write(static_cast<std::uint32_t>(largest_));
    w_in.write(pin_bits(w, bits));
    group_last.write(ends);
    scale_last.write(scale_ends);
    output_last.write(output_ends);
    weight_scale.write(scale);
    done_ = false;
    if (restart) {
      sum_ = 0;
      inner_ = accumulator_ = 0;
      due_.clear();
      plan();
    } else if (valid) {
      const std::int16_t m = aligned_magnitude(fp16_value(values_[at_]), largest_, aligned_default_bits);
      sum_ = aligned_step(sum_, m, static_cast<std::int8_t>(w));
      ++at_;
      if (ends) finish_group(scale_ends, output_ends, fp16_value(scale));
    }
  }

  void finish_group(bool scale_ends, bool output_ends, float scale) {
    done_ = true;
    finished_ = sum_;
    inner_ = aligned_inner(inner_, sum_, largest_, aligned_default_bits);
    if (scale_ends) {
      accumulator_ = aligned_foot(accumulator_, inner_, scale);
      inner_ = 0;
      const PeTiming& timing = fp_int_aligned_pe_timing();
      if (output_ends) {
        due_.push_back({now() + timing.mode("w4").latency + timing.foot_latency, accumulator_});
        accumulator_ = 0;
      }
    }
    sum_ = 0;
    plan();
  }

  void compare() {
    expect("done", done.read(), done_);
    if (done_) expect("sum", sign_extended(sum.read(), 29), finished_);
    const bool expected = !due_.empty() && due_.front().cycle == now();
    expect("result_valid", result_valid.read(), expected);
    if (!expected) return;
    expect("result", result.read(), rtl_float(due_.front().value));
    due_.pop_front();
  }

  Module dut{"dut"};
  std::vector<std::uint16_t> values_;
  std::size_t at_ = 0;
  int largest_ = 1;
  bool extreme_ = false, done_ = false;
  std::int32_t sum_ = 0, finished_ = 0;
  float inner_ = 0, accumulator_ = 0;
  std::deque<Due> due_;
};

}  // namespace

TEST_CASE("aligned_unit: INT4 weights, random groups, scales, stalls and resets") {
  AlignedBench<rtl_aligned_w4, 4> bench("aligned_w4", 41);
  bench.run(random_cycles());
  bench.finish(2 * random_cycles());
}

TEST_CASE("aligned_unit: INT8 weights, random groups, scales, stalls and resets") {
  AlignedBench<rtl_aligned_w8, 8> bench("aligned_w8", 42);
  bench.run(random_cycles());
  bench.finish(2 * random_cycles());
}
