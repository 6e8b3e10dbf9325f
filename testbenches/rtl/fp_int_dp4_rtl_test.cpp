// SPDX-License-Identifier: Apache-2.0
/// fp_int_dp4.sv with one, two, four and eight adder trees against the functions of pe/fp_int_pe.h: both widths, both
/// packings, tails, scale groups, stalls, resets.
#include <algorithm>
#include <array>
#include <deque>

#include "formats/rounding.h"
#include "pe/fp_int_pe.h"
#include "rtl_bench.h"
#include "rtl_float.h"
#include "rtl_fp_int_dp4.h"
#include "rtl_fp_int_dp4_d1.h"
#include "rtl_fp_int_dp4_d4.h"
#include "rtl_fp_int_dp4_d8.h"

using namespace nibble;

namespace {

constexpr unsigned most_lanes = 8;

template <class Module, unsigned trees>
class Dp4Bench : public RtlBench {
  static constexpr unsigned slice_bits = trees == 1 ? 3 : trees == 2 ? 2 : 1;

 public:
  Pin<1> valid_in{"valid_in"}, ready{"ready"}, int2{"int2"}, k_packed{"k_packed"}, upper_half{"upper_half"};
  Pin<1> group_last{"group_last"}, output_last{"output_last"};
  Pin<1> sum_valid{"sum_valid"}, scale_take{"scale_take"}, result_valid{"result_valid"};
  Pin<slice_bits> sum_slice{"sum_slice"}, scale_slice{"scale_slice"}, result_slice{"result_slice"};
  Pin<64> activation{"activation"}, word{"word"};
  Pin<32 * trees> sum{"sum"}, result{"result"};
  Pin<16 * trees> scale{"scale"};

  /// `eager`: an operand in every cycle in which the unit is ready.
  Dp4Bench(const char* name, bool eager) : RtlBench(name, 5), eager_(eager) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, ready);
    NIBBLE_BIND(dut, int2);
    NIBBLE_BIND(dut, k_packed);
    NIBBLE_BIND(dut, upper_half);
    NIBBLE_BIND(dut, activation);
    NIBBLE_BIND(dut, word);
    NIBBLE_BIND(dut, group_last);
    NIBBLE_BIND(dut, output_last);
    NIBBLE_BIND(dut, sum_valid);
    NIBBLE_BIND(dut, sum_slice);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, scale_take);
    NIBBLE_BIND(dut, scale_slice);
    NIBBLE_BIND(dut, scale);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result_slice);
    NIBBLE_BIND(dut, result);
  }

  std::uint64_t results() const { return results_; }

 private:
  /// The outputs of a slice and the cycle in which the RTL shows them (or asks for their scales).
  struct Due {
    std::uint64_t cycle = 0;
    std::uint32_t slice = 0;
    unsigned count = trees;  ///< places that hold an output
    std::array<std::uint32_t, trees> value{};
  };

  unsigned bits() const { return two_ ? 2 : 4; }
  std::string mode() const { return std::string(two_ ? "int2" : "int4") + (along_k_ ? "-k" : ""); }

  void cycle() override {
    if (now() > 0) {
      expect("ready", ready.read(), now() >= next_ready_);
      compare("sum", sums_, sum_valid.read(), sum_slice.read(), sum.read());
      compare("result", results_due_, result_valid.read(), result_slice.read(), result.read());
    }
    supply_scales();
    const bool restart = now() < 1 || once_in(1000);
    reset.write(restart);
    drive(restart);
    if (!restart) return;
    next_ready_ = now() + 1;
    clear_group();
    outputs_ = {};
    output_begun_ = false;
    sums_.clear();
    scales_.clear();
    results_due_.clear();
  }

  void clear_group() {
    accumulators_ = {};
    activation_sum_ = 0;
    steps_ = 0;
  }

  void compare(const char* what, std::deque<Due>& due, bool valid, std::uint32_t slice,
               const PinType<32 * trees>& value) {
    const bool expected = !due.empty() && due.front().cycle == now();
    expect(what, valid, expected);
    if (!expected) return;
    expect(what, slice, due.front().slice);
    for (unsigned t = 0; t < due.front().count; ++t)
      expect(what, pin_field(value, 32 * t, 32), due.front().value[t]);
    due.pop_front();
    if (&due == &results_due_) ++results_;
  }

  void supply_scales() {
    const bool expected = !scales_.empty() && scales_.front().cycle == now();
    if (now() > 0) expect("scale_take", scale_take.read(), expected);
    std::uint32_t values[trees];
    for (unsigned t = 0; t < trees; ++t)
      values[t] = expected ? scales_.front().value[t] : static_cast<std::uint32_t>(random.next() >> 48);
    scale.write(packed_lanes<trees, 16>(values));
    if (!expected) return;
    expect("scale_slice", static_cast<std::uint32_t>(scale_slice.read()), scales_.front().slice);
    scales_.pop_front();
  }

  void drive(bool restart) {
    if (steps_ == 0 && !output_begun_ && once_in(3)) {
      two_ = once_in(2);
      along_k_ = once_in(3);
    }
    const bool valid = eager_ || !once_in(4);
    const unsigned count = once_in(4) ? 1 + static_cast<unsigned>(random.below(4)) : 4;
    const bool upper = two_ && along_k_ && once_in(2);
    const bool group_ends = once_in(3), output_ends = once_in(3);
    float x[4] = {};
    std::uint32_t codes[4] = {}, words[4];
    std::uint16_t packed[4];
    for (unsigned i = 0; i < 4; ++i) {
      if (i < count) codes[i] = random_fp16(random);
      x[i] = fp16_value(static_cast<std::uint16_t>(codes[i]));
      packed[i] = static_cast<std::uint16_t>(once_in(8) ? 0xFFFF : random.next() >> 20);
      words[i] = packed[i];
    }
    valid_in.write(valid);
    int2.write(two_);
    k_packed.write(along_k_);
    upper_half.write(upper);
    activation.write(packed_lanes<4, 16>(codes));
    word.write(packed_lanes<4, 16>(words));
    group_last.write(group_ends);
    output_last.write(output_ends);
    if (!valid || restart || now() < next_ready_) return;
    if (along_k_) {
      accumulators_[0] = fp_int_dp4_k_packed(accumulators_[0], x, packed[0], upper ? 4 : 0, count, bits(), false);
    } else {
      fp_int_dp4_n_packed(accumulators_.data(), x, packed, count, bits(), false);
    }
    activation_sum_ = fp_int_activation_sum(activation_sum_, x, count);
    ++steps_;
    schedule(group_ends, output_ends);
  }

  /// What the step that has entered will show, and when.
  void schedule(bool group_ends, bool output_ends) {
    static const PeTiming timing = fp_int_pe_timing(trees);
    const PeMode& mode_timing = timing.mode(mode());
    next_ready_ = now() + mode_timing.initiation_interval;
    for (unsigned slice = 0; slice < mode_timing.initiation_interval; ++slice) {
      const std::uint64_t summed = now() + mode_timing.latency + slice;
      Due due{summed, slice, std::min(trees, mode_timing.outputs - trees * slice), {}};
      for (unsigned t = 0; t < due.count; ++t)
        due.value[t] = rtl_float(accumulators_[trees * slice + t]);
      sums_.push_back(due);
      if (!group_ends) continue;
      due.cycle = summed + 2;
      for (unsigned t = 0; t < due.count; ++t) {
        const std::uint16_t s = random_fp16(random);
        const unsigned lane = trees * slice + t;
        due.value[t] = s;
        outputs_[lane] = fp_int_group_foot(outputs_[lane], fp16_value(s), accumulators_[lane], activation_sum_, bits());
      }
      scales_.push_back(due);
      if (!output_ends) continue;
      due.cycle = summed + timing.foot_latency;
      for (unsigned t = 0; t < due.count; ++t)
        due.value[t] = rtl_float(outputs_[trees * slice + t]);
      results_due_.push_back(due);
    }
    output_begun_ = true;
    if (!group_ends) return;
    clear_group();
    if (!output_ends) return;
    outputs_ = {};
    output_begun_ = false;
  }

  Module dut{"dut"};
  bool eager_, two_ = false, along_k_ = false, output_begun_ = false;
  unsigned steps_ = 0;
  std::uint64_t next_ready_ = 0, results_ = 0;
  std::array<float, most_lanes> accumulators_{}, outputs_{};
  float activation_sum_ = 0;
  std::deque<Due> sums_, scales_, results_due_;
};

template <class Module, unsigned trees>
void compare_with_steps(const char* name, bool eager, std::uint64_t cycles) {
  Dp4Bench<Module, trees> bench(name, eager);
  bench.run(cycles);
  CHECK(bench.results() > cycles / 100);
  bench.finish(2 * cycles);
}

}  // namespace

TEST_CASE("fp_int_dp4: random activations, words, groups, modes, tails, stalls and resets") {
  compare_with_steps<rtl_fp_int_dp4, 2>("fp_int_dp4", false, random_cycles());
}

TEST_CASE("fp_int_dp4: a step in every cycle in which the timing descriptor lets it in") {
  REQUIRE(fp_int_pe_timing().mode("int4").initiation_interval == 2);
  REQUIRE(fp_int_pe_timing().mode("int2").initiation_interval == 4);
  REQUIRE(fp_int_pe_timing().mode("int4-k").initiation_interval == 1);
  REQUIRE(fp_int_pe_timing().mode("int2-k").initiation_interval == 1);
  REQUIRE(fp_int_pe_timing().mode("int4").latency == 4);
  REQUIRE(fp_int_pe_timing().foot_latency == 4);
  compare_with_steps<rtl_fp_int_dp4, 2>("fp_int_dp4_eager", true, random_cycles() / 10);
}

TEST_CASE("fp_int_dp4: one adder tree") {
  REQUIRE(fp_int_pe_timing(1).mode("int2").initiation_interval == 8);
  compare_with_steps<rtl_fp_int_dp4_d1, 1>("fp_int_dp4_d1", false, random_cycles());
}

TEST_CASE("fp_int_dp4: four adder trees") {
  REQUIRE(fp_int_pe_timing(4).mode("int2").initiation_interval == 2);
  compare_with_steps<rtl_fp_int_dp4_d4, 4>("fp_int_dp4_d4", false, random_cycles());
}

TEST_CASE("fp_int_dp4: eight adder trees, of which INT4 uses four") {
  REQUIRE(fp_int_pe_timing(8).mode("int2").initiation_interval == 1);
  compare_with_steps<rtl_fp_int_dp4_d8, 8>("fp_int_dp4_d8", false, random_cycles());
}
