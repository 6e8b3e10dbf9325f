// SPDX-License-Identifier: Apache-2.0
/// bfp_pe.sv against the steps of pe/bfp_pe.h: groups of 1 to 128 elements in three modes, stalls, resets.
#include <algorithm>
#include <deque>

#include "pe/bfp_pe.h"
#include "rtl_bench.h"
#include "rtl_bfp_pe.h"
#include "rtl_float.h"

using namespace nibble;

namespace {

constexpr unsigned lanes = 32;

class BfpBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, group_last{"group_last"}, weight_last{"weight_last"}, output_last{"output_last"};
  Pin<1> partial_valid{"partial_valid"}, result_valid{"result_valid"};
  Pin<2> mode{"mode"};
  Pin<8 * lanes> a_magnitude{"a_magnitude"};
  Pin<4 * lanes> b_nibble{"b_nibble"};
  Pin<lanes> a_sign{"a_sign"}, b_sign{"b_sign"};
  Pin<5> a_exponent{"a_exponent"}, b_exponent{"b_exponent"};
  Pin<16> weight_scale{"weight_scale"};
  Pin<32> partial{"partial"}, result{"result"};

  BfpBench() : RtlBench("bfp_pe", 4) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, mode);
    NIBBLE_BIND(dut, a_magnitude);
    NIBBLE_BIND(dut, a_sign);
    NIBBLE_BIND(dut, b_nibble);
    NIBBLE_BIND(dut, b_sign);
    NIBBLE_BIND(dut, group_last);
    NIBBLE_BIND(dut, a_exponent);
    NIBBLE_BIND(dut, b_exponent);
    NIBBLE_BIND(dut, weight_last);
    NIBBLE_BIND(dut, weight_scale);
    NIBBLE_BIND(dut, output_last);
    NIBBLE_BIND(dut, partial_valid);
    NIBBLE_BIND(dut, partial);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
  }

  std::uint64_t results() const { return results_; }

 private:
  /// A value and the cycle in which the RTL shows it.
  struct Due {
    std::uint64_t cycle = 0;
    float value = 0;
  };

  void cycle() override {
    if (now() > 0) {
      compare("partial", partials_, partial_valid.read(), partial.read());
      compare("result", outputs_, result_valid.read(), result.read());
    }
    const bool restart = now() < 1 || once_in(1000);
    reset.write(restart);
    drive(restart);
    if (!restart) return;
    sum_ = 0;
    inner_ = accumulator_ = 0;
    elements_ = 0;
    partials_.clear();
    outputs_.clear();
  }

  void compare(const char* what, std::deque<Due>& due, bool valid, std::uint32_t value) {
    const bool expected = !due.empty() && due.front().cycle == now();
    expect(what, valid, expected);
    if (!expected) return;
    expect(what, value, rtl_float(due.front().value));
    due.pop_front();
    if (&due == &outputs_) ++results_;
  }

  /// A mantissa of `bits` bits with sign: any, zero or the largest.
  std::int16_t mantissa(unsigned bits, std::uint64_t& noise) {
    const auto limit = static_cast<std::int16_t>((1 << bits) - 1);
    const auto any = static_cast<std::int16_t>(noise & static_cast<std::uint64_t>(limit));
    noise >>= bits;
    const bool negative = (noise & 1) != 0;
    noise >>= 1;
    const std::int16_t magnitude = extreme_ ? limit : any;
    return static_cast<std::int16_t>(negative && !same_sign_ ? -magnitude : magnitude);
  }

  void drive(bool restart) {
    // Modes last for some groups and change with others in flight; m8w4 changes at the ends of its weight groups.
    if (elements_ == 0 && (mode_ != BfpMode::m8w4 || inner_groups_ == 0) && once_in(4)) {
      mode_ = static_cast<BfpMode>(random.below(3));
    }
    if (elements_ == 0) {
      extreme_ = once_in(10);
      same_sign_ = extreme_ && once_in(2);
    }
    const bool valid = !once_in(5);
    const unsigned most = bfp_products(mode_);
    const unsigned left = static_cast<unsigned>(bfp_largest_group) - elements_;
    const unsigned products = std::min(once_in(3) ? 1 + static_cast<unsigned>(random.below(most)) : most, left);
    std::int16_t a[lanes] = {}, b[lanes] = {};
    for (unsigned i = 0; i < products; ++i) {
      std::uint64_t noise = random.next();
      a[i] = mantissa(8, noise);
      b[i] = mantissa(mode_ == BfpMode::m8w4 ? 3 : mode_ == BfpMode::m8m4 ? 4 : 8, noise);
    }
    const bool group_ends = products == left || once_in(2);
    const bool weight_ends = once_in(2), output_ends = once_in(3);
    const int first_exponent = 1 + static_cast<int>(random.below(30));
    const int second_exponent = 1 + static_cast<int>(random.below(30));
    const std::uint16_t scale = random_fp16(random);
    write_lanes(a, b);
    valid_in.write(valid);
    mode.write(static_cast<std::uint32_t>(mode_));
    group_last.write(group_ends);
    weight_last.write(weight_ends);
    output_last.write(output_ends);
    a_exponent.write(static_cast<std::uint32_t>(first_exponent));
    b_exponent.write(static_cast<std::uint32_t>(second_exponent));
    weight_scale.write(scale);
    if (restart) inner_groups_ = 0;
    if (!valid || restart) return;
    sum_ = bfp_step(sum_, a, b, products, mode_);
    elements_ += products;
    if (!group_ends) return;
    finish_group(first_exponent, second_exponent, weight_ends, output_ends, fp16_value(scale));
    sum_ = 0;
    elements_ = 0;
  }

  void finish_group(int first_exponent, int second_exponent, bool weight_ends, bool output_ends, float scale) {
    const unsigned latency = bfp_pe_timing().mode("m8w4").latency;
    if (mode_ == BfpMode::m8w4) {
      inner_ = bfp_inner(inner_, sum_, first_exponent);
      ++inner_groups_;
      if (!weight_ends) return;
      partials_.push_back({now() + latency, inner_});
      accumulator_ = bfp_weight_foot(accumulator_, inner_, scale);
      inner_ = 0;
      inner_groups_ = 0;
    } else {
      partials_.push_back({now() + latency, bfp_foot(0.0F, sum_, first_exponent, second_exponent, mode_)});
      accumulator_ = bfp_foot(accumulator_, sum_, first_exponent, second_exponent, mode_);
    }
    if (!output_ends) return;
    outputs_.push_back({now() + latency + bfp_pe_timing().foot_latency, accumulator_});
    accumulator_ = 0;
  }

  /// Products to lanes: one each, in m8m8 a pair of lanes each.
  void write_lanes(const std::int16_t* a, const std::int16_t* b) {
    std::uint32_t magnitudes[lanes] = {}, nibbles[lanes] = {};
    std::uint32_t a_signs = 0, b_signs = 0;
    const unsigned per_product = mode_ == BfpMode::m8m8 ? 2 : 1;
    for (unsigned lane = 0; lane < lanes; ++lane) {
      const unsigned i = lane / per_product;
      magnitudes[lane] = static_cast<std::uint32_t>(std::abs(a[i]));
      nibbles[lane] = static_cast<std::uint32_t>(std::abs(b[i])) >> (lane % per_product * 4) & 15;
      a_signs |= static_cast<std::uint32_t>(a[i] < 0) << lane;
      b_signs |= static_cast<std::uint32_t>(b[i] < 0) << lane;
    }
    a_magnitude.write(packed_lanes<lanes, 8>(magnitudes));
    b_nibble.write(packed_lanes<lanes, 4>(nibbles));
    a_sign.write(a_signs);
    b_sign.write(b_signs);
  }

  rtl_bfp_pe dut{"dut"};
  BfpMode mode_ = BfpMode::m8w4;
  bool extreme_ = false, same_sign_ = false;
  std::int32_t sum_ = 0;
  float inner_ = 0, accumulator_ = 0;
  unsigned elements_ = 0, inner_groups_ = 0;
  std::deque<Due> partials_, outputs_;
  std::uint64_t results_ = 0;
};

}  // namespace

TEST_CASE("bfp_pe: random groups, modes, exponents, scales, stalls and resets") {
  for (const char* name : {"m8w4", "m8m4", "m8m8"}) {
    REQUIRE(bfp_pe_timing().mode(name).latency == 5);
    REQUIRE(bfp_pe_timing().mode(name).initiation_interval == 1);
  }
  REQUIRE(bfp_pe_timing().mode("m8m8").lanes == lanes / 2);
  REQUIRE(bfp_pe_timing().foot_latency == 2);
  BfpBench bench;
  bench.run(random_cycles());
  CHECK(bench.results() > random_cycles() / 50);
  bench.finish(2 * random_cycles());
}
