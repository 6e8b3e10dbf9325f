// SPDX-License-Identifier: Apache-2.0
/// The SystemVerilog PE `integer_unit`, Verilated, at pin level: a pair of INT8 codes per cycle, a binary32 per dot
/// product.
#pragma once

#include <Vinteger_unit.h>
#include <cstdint>
#include <systemc>

class RtlPe : public sc_core::sc_module {
 public:
  explicit RtlPe(sc_core::sc_module_name name) : sc_module(name) {
    pe_.clk(clock_), pe_.reset(reset_), pe_.valid_in(valid_), pe_.last_in(last_), pe_.x_in(x_), pe_.w_in(w_);
    pe_.activation_scale(x_scale_), pe_.weight_scale(w_scale_), pe_.accumulator_in(zero_), pe_.sum(sum_);
    pe_.valid_out(open_[0]), pe_.last_out(open_[1]), pe_.x_out(x_out_), pe_.w_out(w_out_), pe_.done(open_[2]);
    pe_.accumulate(open_[3]), pe_.result_valid(result_valid_), pe_.result(result_);
  }
  /// From a thread; scales are FP16 patterns. Pins change between the rising edges.
  void reset() {
    reset_ = true;
    wait(clock_.negedge_event()), wait(clock_.negedge_event());
    reset_ = false;
  }
  std::uint32_t dot(const std::int16_t* x, std::uint16_t x_scale, const std::int16_t* w, std::uint16_t w_scale,
                    std::size_t k) {
    x_scale_ = x_scale, w_scale_ = w_scale;
    for (std::size_t i = 0; i < k; ++i) {
      wait(clock_.negedge_event());
      valid_ = true, last_ = i + 1 == k;
      x_ = static_cast<std::uint8_t>(x[i]), w_ = static_cast<std::uint8_t>(w[i]);
    }
    wait(clock_.negedge_event());
    valid_ = false;
    while (!result_valid_.read())
      wait(clock_.negedge_event());
    return result_.read();
  }

 private:
  sc_core::sc_clock clock_{"clock", sc_core::sc_time(2, sc_core::SC_NS)};
  sc_core::sc_signal<bool> reset_, valid_, last_, result_valid_, open_[4];
  sc_core::sc_signal<std::uint32_t> x_, w_, x_out_, w_out_, sum_, x_scale_, w_scale_, zero_, result_;
  Vinteger_unit pe_{"pe"};
};
