// SPDX-License-Identifier: Apache-2.0
/// mant_column_foot.sv against mant_group_sum and mant_foot: bit for bit, at the cycle of the timing descriptor.
#include <array>

#include "formats/rounding.h"
#include "pe/mant_pe.h"
#include "rtl_bench.h"
#include "rtl_float.h"
#include "rtl_mant_column_foot.h"

using namespace nibble;

namespace {

constexpr unsigned stages = 4;

class FootBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, last_in{"last_in"}, wide_in{"wide_in"}, group_sum_valid{"group_sum_valid"};
  Pin<1> accumulate{"accumulate"}, valid_out{"valid_out"};
  Pin<18> p1_in{"p1_in"};
  Pin<22> p2_in{"p2_in"};
  Pin<26> group_sum_in{"group_sum_in"}, group_sum{"group_sum"};
  Pin<8> group_type{"group_type"};
  Pin<16> activation_scale{"activation_scale"}, weight_scale{"weight_scale"};
  Pin<32> accumulator_in{"accumulator_in"}, accumulator_out{"accumulator_out"};

  FootBench() : RtlBench("mant_column_foot", 2) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, wide_in);
    NIBBLE_BIND(dut, p1_in);
    NIBBLE_BIND(dut, p2_in);
    NIBBLE_BIND(dut, group_sum_in);
    NIBBLE_BIND(dut, group_type);
    NIBBLE_BIND(dut, activation_scale);
    NIBBLE_BIND(dut, weight_scale);
    NIBBLE_BIND(dut, group_sum_valid);
    NIBBLE_BIND(dut, group_sum);
    NIBBLE_BIND(dut, accumulate);
    NIBBLE_BIND(dut, accumulator_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, accumulator_out);
  }

 private:
  /// What a stage holds after the edge at the end of the cycle.
  struct Stage {
    bool valid = false, last = false;
    std::int32_t sum = 0;
    float activation_scale = 0, weight_scale = 0;
  };

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(500);
    reset.write(restart);
    drive();
    accumulator_in.write(float_bits(next_accumulator()));
    if (restart) {
      stages_ = {};
      out_ = Out();
      return;
    }
    const Stage& oldest = stages_[stages - 2];
    out_.valid = oldest.valid;
    if (oldest.valid) {
      out_.accumulator =
          mant_foot(float_from_bits(accumulator_), oldest.sum, oldest.activation_scale, oldest.weight_scale);
    }
    for (unsigned i = stages - 2; i > 0; --i)
      stages_[i] = stages_[i - 1];
    stages_[1].valid = stages_[1].valid && stages_[1].last;
    stages_[0] = entering_;
  }

  void compare() {
    expect("group_sum_valid", group_sum_valid.read(), stages_[0].valid && !stages_[0].last);
    if (stages_[0].valid) expect("group_sum", sign_extended(group_sum.read(), 26), stages_[0].sum);
    expect("accumulate", accumulate.read(), stages_[stages - 2].valid);
    expect("valid_out", valid_out.read(), out_.valid);
    if (out_.valid) expect("accumulator_out", accumulator_out.read(), rtl_float(out_.accumulator));
  }

  /// A sum as an array delivers it: small, at random, or at the ends of what 64 elements give.
  std::int32_t partial(std::int64_t limit) {
    switch (random.below(4)) {
      case 0:
        return static_cast<std::int32_t>(random.below(201)) - 100;
      case 1:
        return static_cast<std::int32_t>(random.below(2) != 0 ? limit : -limit);
      default:
        return static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * limit + 1)) -
                                         static_cast<std::uint64_t>(limit));
    }
  }

  void drive() {
    const std::uint64_t bits = random.next();
    const bool wide = (bits & 3) == 0, int4 = (bits >> 2 & 3) == 0;
    const auto type = static_cast<std::uint8_t>(int4 ? mant_int4_type : bits >> 8 & 127);
    MantSums sums;
    sums.mac = partial(wide ? 32L * 128 * 15 : 64L * 896);
    sums.sac = wide ? partial(32L * 128 * 8) : int4 ? 0 : partial(64L * 16384);
    // Up to three passes of the same group before this one.
    const std::int32_t carried = once_in(3) ? partial(3L * (127 * 64 * 896 + 64 * 16384)) : 0;
    const std::uint16_t sx = random_fp16(random), sw = random_fp16(random);
    entering_.valid = (bits >> 16 & 7) != 0;
    entering_.last = (bits >> 19 & 3) != 0;
    entering_.sum = carried + (wide ? 16 * sums.sac + sums.mac : mant_group_sum(sums, type));
    entering_.activation_scale = fp16_value(sx);
    entering_.weight_scale = fp16_value(sw);
    valid_in.write(entering_.valid);
    last_in.write(entering_.last);
    wide_in.write(wide);
    p1_in.write(pin_bits(sums.mac, 18));
    p2_in.write(pin_bits(sums.sac, 22));
    group_sum_in.write(pin_bits(carried, 26));
    group_type.write(type);
    activation_scale.write(sx);
    weight_scale.write(sw);
  }

  /// Any binary32, the last result, or close to what is added, of either sign: cancellation.
  float next_accumulator() {
    const Stage& stage = stages_[stages - 2];
    const float value = mant_foot(0.0F, stage.sum, stage.activation_scale, stage.weight_scale);
    accumulator_ = near_addend(random, float_bits(value), float_bits(out_.accumulator));
    return float_from_bits(accumulator_);
  }

  rtl_mant_column_foot dut{"dut"};
  std::array<Stage, stages - 1> stages_{};
  struct Out {
    bool valid = false;
    float accumulator = 0;
  } out_;
  Stage entering_;
  std::uint32_t accumulator_ = 0;
};

}  // namespace

TEST_CASE("mant_column_foot: random sums, types, scales, accumulators, gaps and resets") {
  REQUIRE(mant_pe_timing().foot_latency == stages);
  FootBench bench;
  bench.run(random_cycles());
  bench.finish(2 * random_cycles());
}
