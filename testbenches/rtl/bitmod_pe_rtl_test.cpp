// SPDX-License-Identifier: Apache-2.0
/// bitmod_pe.sv and bitmod_decoder.sv against the steps of pe/bitmod_pe.h: terms of floating types and of integers,
/// groups, tails, scales, stalls, resets; every weight of the decoder.
#include <array>
#include <bitset>
#include <cstdlib>
#include <deque>

#include "pe/bitmod_pe.h"
#include "rtl_bench.h"
#include "rtl_bitmod_decoder.h"
#include "rtl_bitmod_pe.h"
#include "rtl_float.h"

using namespace nibble;

namespace {

/// What the floating types' grids hold, and more: numbers of two bits at most.
int random_grid_value(Random& random) {
  const int value = (1 << random.below(5)) | (random.below(3) == 0 ? 0 : 1 << random.below(5));
  return random.below(8) == 0 ? 0 : random.below(2) == 0 ? -value : value;
}

class BitmodBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, group_last_in{"group_last_in"}, valid_out{"valid_out"}, group_last_out{"group_last_out"};
  Pin<1> sum_valid{"sum_valid"}, scale_take{"scale_take"}, output_last{"output_last"}, result_valid{"result_valid"};
  Pin<64> activation_in{"activation_in"}, activation_out{"activation_out"};
  Pin<4> term_in{"term_in"}, negative_in{"negative_in"}, term_out{"term_out"}, negative_out{"negative_out"};
  Pin<12> exponent_in{"exponent_in"}, exponent_out{"exponent_out"};
  Pin<3> significance_in{"significance_in"}, significance_out{"significance_out"};
  Pin<27> scale{"scale"};
  Pin<32> sum{"sum"}, result{"result"};

  BitmodBench() : RtlBench("bitmod_pe", 66) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, activation_in);
    NIBBLE_BIND(dut, term_in);
    NIBBLE_BIND(dut, negative_in);
    NIBBLE_BIND(dut, exponent_in);
    NIBBLE_BIND(dut, significance_in);
    NIBBLE_BIND(dut, group_last_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, activation_out);
    NIBBLE_BIND(dut, term_out);
    NIBBLE_BIND(dut, negative_out);
    NIBBLE_BIND(dut, exponent_out);
    NIBBLE_BIND(dut, significance_out);
    NIBBLE_BIND(dut, group_last_out);
    NIBBLE_BIND(dut, sum_valid);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, scale_take);
    NIBBLE_BIND(dut, scale);
    NIBBLE_BIND(dut, output_last);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
    plan();
  }

 private:
  struct Seen {
    bool valid = false, group_last = false;
    std::uint64_t activations = 0;
    std::uint32_t terms = 0, negative = 0, exponents = 0, significance = 0;
  };
  struct Sum {
    std::uint64_t cycle = 0;
    float value = 0;
    bool group_last = false, output_last = false;
    std::uint32_t scale = 0;
  };
  struct Due {
    std::uint64_t cycle = 0;
    float value = 0;
  };

  /// The next group: whether its weights are floating, the cycles of a step of four, and its steps.
  void plan() {
    floating_ = once_in(2);
    cycles_ = floating_ ? 2 : 1 + static_cast<unsigned>(random.below(4));
    // A group takes eight cycles at least.
    steps_ = (8 + cycles_ - 1) / cycles_ + static_cast<unsigned>(random.below(once_in(4) ? 32 : 4));
    largest_exponent_ = 1 + static_cast<unsigned>(random.below(30));
    at_ = 0;
    draw();
  }

  /// Four activations, or fewer at a row's end, and four weights.
  void draw() {
    lanes_ = once_in(8) ? 1 + static_cast<unsigned>(random.below(bitmod_lanes)) : bitmod_lanes;
    for (unsigned i = 0; i < bitmod_lanes; ++i) {
      std::uint16_t code = random_fp16(random);
      const auto near = static_cast<std::uint16_t>(largest_exponent_ - random.below(std::min(largest_exponent_, 6U)));
      if (once_in(2)) code = static_cast<std::uint16_t>((code & 0x83FF) | near << 10);
      codes_[i] = i < lanes_ ? code : std::uint16_t{0};
      weights_[i] = floating_ ? random_grid_value(random) : static_cast<int>(random.below(256)) - 128;
      if (!floating_ && cycles_ < 4) weights_[i] >>= 8 - 2 * cycles_;
    }
  }

  void cycle() override {
    if (now() > 0) compare();
    supply();
    const bool restart = now() < 1 || once_in(1500), valid = !once_in(6);
    Seen in;
    in.valid = valid;
    const unsigned index = at_ % cycles_;
    float activations[bitmod_lanes] = {};
    BitmodTerm terms[bitmod_lanes];
    for (unsigned i = 0; i < bitmod_lanes; ++i) {
      activations[i] = fp16_value(codes_[i]);
      terms[i] = floating_ ? bitmod_float_term(weights_[i], index) : bitmod_digit(weights_[i], index);
      in.activations |= std::uint64_t{codes_[i]} << (16 * i);
      if (i >= lanes_) continue;
      in.terms |= (terms[i].sign != 0 ? 1U : 0U) << i;
      in.negative |= (terms[i].sign < 0 ? 1U : 0U) << i;
      in.exponents |= std::uint32_t{terms[i].exponent} << (3 * i);
    }
    in.significance = floating_ ? 0 : 2 * index;
    in.group_last = at_ + 1 == steps_ * cycles_;
    drive(in, restart);
    if (restart) {
      sums_.clear();
      results_.clear();
      sum_ = accumulator_ = 0;
      seen_.valid = false;
      plan();
    } else {
      if (valid) seen_ = in;
      seen_.valid = valid;
      if (valid) step(activations, terms, in);
    }
  }

  void drive(const Seen& in, bool restart) {
    reset.write(restart);
    valid_in.write(in.valid);
    activation_in.write(in.activations);
    term_in.write(in.terms);
    negative_in.write(in.negative);
    exponent_in.write(in.exponents);
    significance_in.write(in.significance);
    group_last_in.write(in.group_last);
  }

  void step(const float* activations, const BitmodTerm* terms, const Seen& in) {
    const PeTiming& timing = bitmod_pe_timing();
    sum_ = bitmod_step(sum_, activations, terms, lanes_, in.significance);
    Sum sum{now() + timing.modes.front().latency, sum_, in.group_last, once_in(3), 0};
    if (in.group_last) {
      // A binary16 times an integer of eight bits; or a binary16 alone, as integer formats have it.
      float u = fp16_value(random_fp16(random)) * static_cast<float>(once_in(2) ? 1 : random.below(256));
      sum.scale = float_bits(u) >> 5;
      accumulator_ = bitmod_foot(accumulator_, sum_, u);
      sum_ = 0;
      if (sum.output_last) {
        results_.push_back({sum.cycle + timing.foot_latency, accumulator_});
        accumulator_ = 0;
      }
    }
    sums_.push_back(sum);
    ++at_;
    if (in.group_last) {
      plan();
    } else if (at_ % cycles_ == 0) {
      draw();
    }
  }

  void supply() {
    const bool asked = !sums_.empty() && sums_.front().cycle == now() && sums_.front().group_last;
    scale.write(asked ? sums_.front().scale : static_cast<std::uint32_t>(random.below(1U << 27)));
    output_last.write(asked ? sums_.front().output_last : once_in(2));
    if (!sums_.empty() && sums_.front().cycle == now()) sums_.pop_front();
  }

  void compare() {
    expect("valid_out", valid_out.read(), seen_.valid);
    if (seen_.valid) {
      expect("activation_out", activation_out.read(), seen_.activations);
      expect("term_out", term_out.read() | negative_out.read() << 4, seen_.terms | seen_.negative << 4);
      expect("exponent_out", exponent_out.read() | significance_out.read() << 12,
             seen_.exponents | seen_.significance << 12);
      expect("group_last_out", group_last_out.read(), seen_.group_last);
    }
    const bool summed = !sums_.empty() && sums_.front().cycle == now();
    expect("sum_valid", sum_valid.read(), summed);
    expect("scale_take", scale_take.read(), summed && sums_.front().group_last);
    if (summed) expect("sum", sum.read(), rtl_float(sums_.front().value));
    const bool expected = !results_.empty() && results_.front().cycle == now();
    expect("result_valid", result_valid.read(), expected);
    if (!expected) return;
    expect("result", result.read(), rtl_float(results_.front().value));
    results_.pop_front();
  }

  rtl_bitmod_pe dut{"dut"};
  Seen seen_;
  std::array<std::uint16_t, bitmod_lanes> codes_{};
  std::array<int, bitmod_lanes> weights_{};
  bool floating_ = true;
  unsigned cycles_ = 2, steps_ = 1, at_ = 0, lanes_ = bitmod_lanes, largest_exponent_ = 1;
  float sum_ = 0, accumulator_ = 0;
  std::deque<Sum> sums_;
  std::deque<Due> results_;
};

/// Every number of the floating grids, every integer, every term. Combinational: the outputs are those of the cycle
/// before.
class DecoderBench : public RtlBench {
 public:
  Pin<1> floating{"floating"}, term{"term"}, negative{"negative"};
  Pin<8> value{"value"};
  Pin<2> index{"index"};
  Pin<3> exponent{"exponent"};

  DecoderBench() : RtlBench("bitmod_decoder", 67) {
    NIBBLE_BIND(dut, floating);
    NIBBLE_BIND(dut, value);
    NIBBLE_BIND(dut, index);
    NIBBLE_BIND(dut, term);
    NIBBLE_BIND(dut, negative);
    NIBBLE_BIND(dut, exponent);
  }

 private:
  void cycle() override {
    if (now() > 0 && known_) {
      expect("term", term.read(), expected_.sign != 0);
      if (expected_.sign != 0) expect("negative", negative.read(), expected_.sign < 0);
      expect("exponent", exponent.read(), expected_.sign != 0 ? std::uint32_t{expected_.exponent} : exponent.read());
    }
    const auto place = static_cast<unsigned>(now());
    const int number = static_cast<int>(place & 255) - 128;
    const bool grid = (place >> 8 & 1) != 0;
    const unsigned at = place >> 9 & 3;
    floating.write(grid);
    value.write(pin_bits(number, 8));
    index.write(at);
    const unsigned magnitude = static_cast<unsigned>(std::abs(number));
    known_ = !grid || (at < 2 && magnitude < 32 && std::bitset<8>(magnitude).count() <= 2);
    if (known_) expected_ = grid ? bitmod_float_term(number, at) : bitmod_digit(number, at);
  }

  rtl_bitmod_decoder dut{"dut"};
  BitmodTerm expected_;
  bool known_ = false;
};

}  // namespace

TEST_CASE("bitmod_pe: random activations, terms of all kinds, groups, tails, scales, stalls and resets") {
  const PeTiming& timing = bitmod_pe_timing();
  REQUIRE(timing.group_interval == 8);
  for (const PeMode& mode : timing.modes)
    REQUIRE(mode.latency == 3);
  BitmodBench bench;
  bench.run(random_cycles());
  bench.finish(3 * random_cycles());
}

TEST_CASE("bitmod_decoder: every number of the grids and every integer, every term") {
  DecoderBench bench;
  bench.run(2048);
  bench.finish(2900);
}
