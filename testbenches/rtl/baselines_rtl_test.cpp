// SPDX-License-Identifier: Apache-2.0
/// The baseline PEs int8 and int4 with their foot, and fp16, against the functions of pe/.
#include <array>

#include "formats/rounding.h"
#include "pe/fp16_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "pe/integer_foot.h"
#include "rtl_bench.h"
#include "rtl_float.h"
#include "rtl_fp16_pe.h"
#include "rtl_int4_unit.h"
#include "rtl_int8_unit.h"

using namespace nibble;

namespace {

template <class Module, unsigned bits, unsigned sum_bits, std::size_t longest>
class IntegerBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, last_in{"last_in"}, valid_out{"valid_out"}, last_out{"last_out"}, done{"done"};
  Pin<1> accumulate{"accumulate"}, result_valid{"result_valid"};
  Pin<bits> x_in{"x_in"}, w_in{"w_in"}, x_out{"x_out"}, w_out{"w_out"};
  Pin<sum_bits> sum{"sum"};
  Pin<16> activation_scale{"activation_scale"}, weight_scale{"weight_scale"};
  Pin<32> accumulator_in{"accumulator_in"}, result{"result"};

  IntegerBench(const char* name, std::uint64_t seed) : RtlBench(name, seed) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, x_in);
    NIBBLE_BIND(dut, w_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, last_out);
    NIBBLE_BIND(dut, x_out);
    NIBBLE_BIND(dut, w_out);
    NIBBLE_BIND(dut, done);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, activation_scale);
    NIBBLE_BIND(dut, weight_scale);
    NIBBLE_BIND(dut, accumulate);
    NIBBLE_BIND(dut, accumulator_in);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
  }

 private:
  static constexpr std::int32_t lowest = -(1 << (bits - 1));

  struct Scaled {
    bool valid = false;
    std::int64_t sum = 0;
    float activation_scale = 0, weight_scale = 0;
    float add_to(float accumulator) const { return integer_foot(accumulator, sum, activation_scale, weight_scale); }
  };

  void cycle() override {
    if (now() > 0) compare();
    drive_foot();
    const bool restart = now() < 1 || (now() > longest + 10 && once_in(1000));
    reset.write(restart);
    const bool extreme = now() <= longest;  // the longest run at its end, then short ones
    const bool valid = extreme || !once_in(4);
    const std::uint64_t noise = random.next();
    const auto x = extreme || (noise & 15) == 0 ? lowest : sign_extended(static_cast<std::uint32_t>(noise >> 8), bits);
    const auto w = extreme || (noise & 15) == 1 ? lowest : sign_extended(static_cast<std::uint32_t>(noise >> 16), bits);
    const bool last = extreme ? now() == longest : once_in(8);
    valid_in.write(valid);
    last_in.write(last);
    x_in.write(pin_bits(x, bits));
    w_in.write(pin_bits(w, bits));
    if (restart) {
      pe_ = Pe();
      foot_ = {};
      out_valid_ = false;
      fresh_ = true;
      return;
    }
    pe_.valid = valid;
    pe_.done = valid && last;
    if (!valid) return;
    if (fresh_) pe_.sum = 0;
    pe_.sum = bits == 8 ? int8_step(pe_.sum, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w))
                        : int4_step(static_cast<std::int32_t>(pe_.sum), static_cast<std::int8_t>(x),
                                    static_cast<std::int8_t>(w));
    fresh_ = last;
    pe_.last = last;
    pe_.x = x;
    pe_.w = w;
  }

  /// A finished sum meets its scales now and its accumulator two cycles later.
  void drive_foot() {
    const std::uint16_t sx = random_fp16(random), sw = random_fp16(random);
    activation_scale.write(sx);
    weight_scale.write(sw);
    const float product = foot_[1].add_to(0.0F);
    const std::uint32_t start =
        bits == 8 && once_in(4) ? 0 : near_addend(random, float_bits(product), float_bits(out_));
    accumulator_in.write(start);
    out_valid_ = foot_[1].valid;
    if (out_valid_) {
      out_ = foot_[1].add_to(float_from_bits(start));
      if (bits == 8 && start == 0) {
        expect("int8_foot", float_bits(out_),
               float_bits(int8_foot(foot_[1].sum, foot_[1].activation_scale, foot_[1].weight_scale)));
      }
    }
    foot_[1] = foot_[0];
    foot_[0] = {pe_.done, pe_.sum, fp16_value(sx), fp16_value(sw)};
  }

  void compare() {
    expect("valid_out", valid_out.read(), pe_.valid);
    expect("done", done.read(), pe_.done);
    if (pe_.valid) {
      expect("sum", static_cast<std::int64_t>(sign_extended(sum.read(), sum_bits)), pe_.sum);
      expect("last_out", last_out.read(), pe_.last);
      expect("x_out", sign_extended(x_out.read(), bits), pe_.x);
      expect("w_out", sign_extended(w_out.read(), bits), pe_.w);
    }
    expect("accumulate", accumulate.read(), foot_[1].valid);
    expect("result_valid", result_valid.read(), out_valid_);
    if (out_valid_) expect("result", result.read(), rtl_float(out_));
  }

  Module dut{"dut"};
  struct Pe {
    bool valid = false, last = false, done = false;
    std::int64_t sum = 0;
    std::int32_t x = 0, w = 0;
  } pe_;
  bool fresh_ = true, out_valid_ = false;
  std::array<Scaled, 2> foot_{};
  float out_ = 0;
};

class Fp16Bench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, last_in{"last_in"}, valid_out{"valid_out"}, last_out{"last_out"}, done{"done"};
  Pin<16> x_in{"x_in"}, w_in{"w_in"}, x_out{"x_out"}, w_out{"w_out"};
  Pin<32> accumulator{"accumulator"};

  Fp16Bench() : RtlBench("fp16_pe", 10) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, x_in);
    NIBBLE_BIND(dut, w_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, last_out);
    NIBBLE_BIND(dut, x_out);
    NIBBLE_BIND(dut, w_out);
    NIBBLE_BIND(dut, done);
    NIBBLE_BIND(dut, accumulator);
  }

 private:
  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(500);
    const bool valid = !once_in(4), last = once_in(12);
    // Every few operands the last product again with the other sign: cancellation.
    const bool again = once_in(6);
    x_ = again ? x_ : random_fp16(random);
    w_ = again ? static_cast<std::uint16_t>(w_ ^ 0x8000) : random_fp16(random);
    reset.write(restart);
    valid_in.write(valid);
    last_in.write(last);
    x_in.write(x_);
    w_in.write(w_);
    valid_ = valid && !restart;
    done_ = valid_ && last;
    if (restart) fresh_ = true;
    if (!valid_) return;
    accumulator_ = fp16_step(fresh_ ? 0.0F : accumulator_, fp16_value(x_), fp16_value(w_));
    fresh_ = last;
  }

  void compare() {
    expect("valid_out", valid_out.read(), valid_);
    expect("done", done.read(), done_);
    if (!valid_) return;
    expect("accumulator", accumulator.read(), rtl_float(accumulator_));
    expect("last_out", last_out.read(), done_);
    expect("x_out", x_out.read(), std::uint32_t{x_});
    expect("w_out", w_out.read(), std::uint32_t{w_});
  }

  rtl_fp16_pe dut{"dut"};
  std::uint16_t x_ = 0, w_ = 0;
  bool valid_ = false, done_ = false, fresh_ = true;
  float accumulator_ = 0;
};

}  // namespace

TEST_CASE("int8: random runs, one of 131071 elements at its limit, scales, stalls and resets") {
  REQUIRE(int8_pe_timing().mode("int8").latency == 1);
  REQUIRE(int8_pe_timing().foot_latency == 3);
  IntegerBench<rtl_int8_unit, 8, 32, 131071> bench("int8_unit", 8);
  bench.run(131072 + random_cycles());
  bench.finish(2 * random_cycles());
}

TEST_CASE("int4: random runs, one of 32768 elements at its limit, scales, stalls and resets") {
  REQUIRE(int4_pe_timing().mode("w4a4").latency == 1);
  REQUIRE(int4_pe_timing().foot_latency == 3);
  IntegerBench<rtl_int4_unit, 4, 23, integer_segment> bench("int4_unit", 9);
  bench.run(integer_segment + random_cycles());
  bench.finish(2 * random_cycles());
}

TEST_CASE("fp16: random products, cancellation, outputs, stalls and resets") {
  REQUIRE(fp16_pe_timing().mode("fp16").latency == 1);
  REQUIRE(fp16_pe_timing().mode("fp16").initiation_interval == 1);
  Fp16Bench bench;
  bench.run(random_cycles());
  bench.finish(2 * random_cycles());
}
