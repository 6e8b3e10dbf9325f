// SPDX-License-Identifier: Apache-2.0
/// The bench of amove_tile.sv against the functions of pe/amove_pe.h, for either width of the accumulator.
#pragma once

#include <array>
#include <cmath>
#include <deque>

#include "formats/rounding.h"
#include "pe/amove_pe.h"
#include "rtl_bench.h"
#include "rtl_float.h"

namespace nibble {

template <class Module, unsigned accumulator_bits>
class AmoveTileBench : public RtlBench {
 public:
  Pin<2> valid_in{"valid_in"}, last_in{"last_in"}, output_last_in{"output_last_in"};
  Pin<2> valid_out{"valid_out"}, last_out{"last_out"}, output_last_out{"output_last_out"};
  Pin<8> x_in{"x_in"}, w_in{"w_in"}, x_out{"x_out"}, w_out{"w_out"};
  Pin<1> scale_valid{"scale_valid"}, accumulated{"accumulated"}, result_valid{"result_valid"};
  Pin<2> slot{"slot"}, code{"code"}, accumulated_pe{"accumulated_pe"};
  Pin<7> base{"base"}, residual{"residual"};
  Pin<10> exponent{"exponent"};
  Pin<accumulator_bits> accumulator{"accumulator"};

  AmoveTileBench(const char* name, std::uint64_t seed) : RtlBench(name, seed) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, output_last_in);
    NIBBLE_BIND(dut, x_in);
    NIBBLE_BIND(dut, w_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, last_out);
    NIBBLE_BIND(dut, output_last_out);
    NIBBLE_BIND(dut, x_out);
    NIBBLE_BIND(dut, w_out);
    NIBBLE_BIND(dut, scale_valid);
    NIBBLE_BIND(dut, slot);
    NIBBLE_BIND(dut, base);
    NIBBLE_BIND(dut, residual);
    NIBBLE_BIND(dut, code);
    NIBBLE_BIND(dut, exponent);
    NIBBLE_BIND(dut, accumulated);
    NIBBLE_BIND(dut, accumulated_pe);
    NIBBLE_BIND(dut, accumulator);
    NIBBLE_BIND(dut, result_valid);
    restart();
  }

  std::uint64_t results() const { return results_; }

 private:
  static constexpr bool fp32 = accumulator_bits == 32;

  /// Operands of one step of the tile; row 1 and column 1 see them a cycle later.
  struct Step {
    bool valid = false, last = false, output_last = false;
    std::array<std::int8_t, 2> x{}, w{};
  };
  struct Due {
    std::uint64_t cycle = 0;
    std::uint32_t pe = 0;
    float value = 0;
    bool result = false;
  };

  void restart() {
    previous_ = Step();
    history_ = {};
    sums_ = {};
    accumulators_ = {};
    elements_ = slots_ = 0;
    cluster_ = once_in(2) ? 4 : 16;
    due_.clear();
    plan_exponent();
  }

  void plan_exponent() {
    // Mostly products of scales within binary16, sometimes far beyond at either end.
    exponent_ = once_in(4) ? static_cast<int>(random.below(575)) - 320 : static_cast<int>(random.below(24)) - 18;
  }

  void cycle() override {
    if (now() > 0) compare();
    const bool reset_now = now() < 1 || once_in(1000);
    reset.write(reset_now);
    const bool places_scale = slots_ < 4 && (hurried_ || once_in(2));
    place_scale(places_scale);
    const Step step = next_step();
    write(step);
    if (reset_now) {
      restart();
      return;
    }
    history_[1] = history_[0];
    history_[0] = previous_;
    previous_ = step;
    if (step.valid) accumulate(step);
  }

  void place_scale(bool places) {
    const auto s = static_cast<std::uint32_t>(random.below(127)), r = static_cast<std::uint32_t>(random.below(127));
    const auto e = static_cast<std::uint32_t>(random.below(4));
    scale_valid.write(places);
    slot.write(places ? slots_ : static_cast<std::uint32_t>(random.below(4)));
    base.write(s);
    residual.write(r);
    code.write(e);
    if (!places) return;
    scales_[slots_++] = amove_scale(e4m3_value(static_cast<std::uint8_t>(s)), e4m3_value(static_cast<std::uint8_t>(r)),
                                    static_cast<std::uint8_t>(e));
  }

  Step next_step() {
    Step step;
    const bool ends = elements_ + 1 == cluster_;
    step.valid = (hurried_ || !once_in(4)) && !(ends && slots_ < 4);
    step.last = ends;
    step.output_last = output_ends_;
    const std::uint64_t bits = random.next();
    for (unsigned i = 0; i < 2; ++i) {
      step.x[i] = extreme_ ? -8 : static_cast<std::int8_t>(static_cast<int>(bits >> (8 * i) & 15) - 8);
      step.w[i] = extreme_ ? -8 : static_cast<std::int8_t>(static_cast<int>(bits >> (8 * i + 4) & 15) - 8);
    }
    return step;
  }

  void write(const Step& step) {
    const Step& late = previous_;
    valid_in.write(static_cast<std::uint32_t>(step.valid) | static_cast<std::uint32_t>(late.valid) << 1);
    last_in.write(static_cast<std::uint32_t>(step.last) | static_cast<std::uint32_t>(late.last) << 1);
    output_last_in.write(static_cast<std::uint32_t>(step.output_last) | static_cast<std::uint32_t>(late.output_last)
                                                                            << 1);
    x_in.write(pin_bits(step.x[0], 4) | pin_bits(late.x[1], 4) << 4);
    w_in.write(pin_bits(step.w[0], 4) | pin_bits(late.w[1], 4) << 4);
    exponent.write(pin_bits(exponent_, 10));
  }

  void accumulate(const Step& step) {
    for (unsigned pe = 0; pe < 4; ++pe)
      sums_[pe] = amove_step(sums_[pe], step.x[pe / 2], step.w[pe % 2], cluster_);
    ++elements_;
    if (!step.last) return;
    for (std::uint32_t pe = 0; pe < 4; ++pe) {
      accumulators_[pe] =
          amove_foot(accumulators_[pe], sums_[pe], scales_[pe / 2], scales_[2 + pe % 2], exponent_, fp32);
      const unsigned latency = amove_pe_timing().mode("c4").latency + amove_pe_timing().foot_latency;
      due_.push_back({now() + latency + pe, pe, accumulators_[pe], step.output_last});
    }
    sums_ = {};
    elements_ = slots_ = 0;
    if (step.output_last) accumulators_ = {};
    hurried_ = !once_in(3);
    extreme_ = once_in(10);
    // The accumulators of one output take clusters of one size and one exponent; the pin is read some cycles later.
    output_ends_ = once_in(5);
    if (!step.output_last) return;
    cluster_ = once_in(2) ? 4 : 16;
  }

  void compare() {
    compare_passing();
    const bool expected = !due_.empty() && due_.front().cycle == now();
    expect("accumulated", accumulated.read(), expected);
    expect("result_valid", result_valid.read(), expected && due_.front().result);
    if (!expected) return;
    const Due due = due_.front();
    due_.pop_front();
    expect("accumulated_pe", accumulated_pe.read(), due.pe);
    expect("accumulator", static_cast<std::uint32_t>(accumulator.read()), pattern(due.value));
    if (due.result) ++results_;
  }

  /// What the next tiles get: two cycles later to the right, of row 1 and column 1 another later.
  void compare_passing() {
    const Step& first = history_[0];
    const Step& second = history_[1];
    expect("valid_out", valid_out.read(),
           static_cast<std::uint32_t>(first.valid) | static_cast<std::uint32_t>(second.valid) << 1);
    if (first.valid) {
      expect("x_out", x_out.read() & 15, pin_bits(first.x[0], 4));
      expect("w_out", w_out.read() & 15, pin_bits(first.w[0], 4));
      expect("last_out", (last_out.read() & 1) != 0, first.last);
      expect("output_last_out", (output_last_out.read() & 1) != 0, first.output_last);
    }
    if (!second.valid) return;
    expect("x_out", x_out.read() >> 4, pin_bits(second.x[1], 4));
    expect("w_out", w_out.read() >> 4, pin_bits(second.w[1], 4));
    expect("last_out", (last_out.read() & 2) != 0, second.last);
    expect("output_last_out", (output_last_out.read() & 2) != 0, second.output_last);
  }

  static std::uint32_t pattern(float value) {
    if (fp32) return rtl_float(value);
    return std::isnan(value) ? 0x7E00U : std::uint32_t{fp16_bits(value)};
  }

  Module dut{"dut"};
  Step previous_;
  std::array<Step, 2> history_{};  ///< steps of two and three cycles ago
  std::array<std::int32_t, 4> sums_{};
  std::array<float, 4> accumulators_{}, scales_{};
  unsigned elements_ = 0, cluster_ = 4;
  std::uint32_t slots_ = 0;
  int exponent_ = 0;
  bool hurried_ = true, extreme_ = false, output_ends_ = false;
  std::deque<Due> due_;
  std::uint64_t results_ = 0;
};

}  // namespace nibble
