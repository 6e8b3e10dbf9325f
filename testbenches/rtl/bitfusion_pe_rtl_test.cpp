// SPDX-License-Identifier: Apache-2.0
/// bitfusion_pe.sv against the steps of pe/bitfusion_pe.h: every register, every cycle; all pairs of widths, weights on
/// their way, stalls, resets; every pair of operands of 8 bits.
#include "bitfusion_words.h"
#include "rtl_bitfusion_pe.h"

using namespace nibble;

namespace {

constexpr std::uint32_t row = 16;
constexpr unsigned sum_bits = bitfusion_sum_bits;

class PeBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, first_in{"first_in"}, weight_in{"weight_in"}, valid_out{"valid_out"};
  Pin<1> first_out{"first_out"}, weight_out{"weight_out"};
  Pin<2> a_width_in{"a_width_in"}, w_width_in{"w_width_in"}, a_width_out{"a_width_out"}, w_width_out{"w_width_out"};
  Pin<32> x_in{"x_in"}, x_out{"x_out"}, weight_word_in{"weight_word_in"}, weight_word_out{"weight_word_out"};
  Pin<5> weight_row_in{"weight_row_in"}, weight_row_out{"weight_row_out"};
  Pin<sum_bits> sum_in{"sum_in"}, sum_out{"sum_out"};

  explicit PeBench(const char* name, std::uint64_t seed) : RtlBench(name, seed) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, first_in);
    NIBBLE_BIND(dut, a_width_in);
    NIBBLE_BIND(dut, w_width_in);
    NIBBLE_BIND(dut, x_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, first_out);
    NIBBLE_BIND(dut, a_width_out);
    NIBBLE_BIND(dut, w_width_out);
    NIBBLE_BIND(dut, x_out);
    NIBBLE_BIND(dut, sum_in);
    NIBBLE_BIND(dut, sum_out);
    NIBBLE_BIND(dut, weight_in);
    NIBBLE_BIND(dut, weight_row_in);
    NIBBLE_BIND(dut, weight_word_in);
    NIBBLE_BIND(dut, weight_out);
    NIBBLE_BIND(dut, weight_row_out);
    NIBBLE_BIND(dut, weight_word_out);
  }

 protected:
  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 2 || once_in(500);
    if (once_in(16)) {
      a_width_ = static_cast<std::uint32_t>(random.below(3));
      w_width_ = static_cast<std::uint32_t>(random.below(3));
      extreme_ = once_in(4);
    }
    const bool valid = !once_in(4), first = once_in(4), placed = once_in(3);
    const std::uint32_t x = bitfusion_word(random, a_width_, extreme_);
    const std::uint32_t w = bitfusion_word(random, w_width_, extreme_);
    // What 32767 products of 8 by 8 bits can hand down: with one more the registers come to their limit.
    const std::int64_t most = std::int64_t{32767} << 14;
    const std::int64_t drawn = static_cast<std::int64_t>(random.below(2 * static_cast<std::uint64_t>(most) + 1)) - most;
    const auto above = static_cast<std::int32_t>(extreme_ ? (once_in(2) ? most : -most) : drawn);
    const std::uint32_t destination = once_in(2) ? row : static_cast<std::uint32_t>(random.below(32));
    reset.write(restart);
    valid_in.write(valid);
    first_in.write(first);
    a_width_in.write(a_width_);
    w_width_in.write(w_width_);
    x_in.write(x);
    sum_in.write(pin_bits(above, sum_bits));
    weight_in.write(placed);
    weight_row_in.write(destination);
    weight_word_in.write(w);
    valid_ = valid && !restart;
    moving_ = placed && destination != row && !restart;
    if (valid) {
      // A reset clears control alone: weights and sums of no use keep what they are.
      if (first) active_ = shadow_;
      known_ = known_ || (first && shadow_known_);
      x_ = x;
      first_ = first;
      modes_ = a_width_ | w_width_ << 2;
      if (known_) sum_ = bitfusion_words_step(above, x_, active_, a_width_, w_width_);
    }
    if (!placed) return;
    shadow_ = w;
    shadow_known_ = true;
    destination_ = destination;
  }

 private:
  void compare() {
    expect("valid_out", valid_out.read(), valid_);
    expect("weight_out", weight_out.read(), moving_);
    if (shadow_known_) {
      expect("weight_word_out", weight_word_out.read(), shadow_);
      expect("weight_row_out", weight_row_out.read(), destination_);
    }
    if (!known_) return;
    expect("first_out", first_out.read(), first_);
    expect("width_out", a_width_out.read() | w_width_out.read() << 2, modes_);
    expect("x_out", x_out.read(), x_);
    expect("sum_out", sign_extended(sum_out.read(), sum_bits), sum_);
  }

 protected:
  rtl_bitfusion_pe dut{"dut"};

 private:
  std::uint32_t a_width_ = 0, w_width_ = 0, x_ = 0, shadow_ = 0, active_ = 0, destination_ = 0, modes_ = 0;
  std::int32_t sum_ = 0;
  bool extreme_ = false, valid_ = false, moving_ = false, first_ = false, known_ = false, shadow_known_ = false;
};

/// Every activation with every weight of 8 bits.
class EveryProduct : public PeBench {
 public:
  EveryProduct() : PeBench("bitfusion_products", 64) {}

 protected:
  void cycle() override {
    if (now() > 2) expect("sum_out", sign_extended(sum_out.read(), sum_bits), expected_);
    const std::uint64_t count = now() / 2;  // one cycle to place the weight, one to use it
    const bool place = now() % 2 == 0;
    const auto x = static_cast<std::uint32_t>(count & 255), w = static_cast<std::uint32_t>(count >> 8 & 255);
    reset.write(now() == 0);
    valid_in.write(!place);
    first_in.write(true);
    a_width_in.write(2);
    w_width_in.write(2);
    x_in.write(x);
    sum_in.write(0);
    weight_in.write(place);
    weight_row_in.write(row);
    weight_word_in.write(w);
    if (!place) expected_ = bitfusion_words_step(0, x, w, 2, 2);
  }

 private:
  std::int32_t expected_ = 0;
};

}  // namespace

TEST_CASE("bitfusion_pe: random operands of all pairs of widths, weights, stalls and resets") {
  for (const PeMode& mode : bitfusion_pe_timing().modes) {
    REQUIRE(mode.latency == 1);
    REQUIRE(mode.initiation_interval == 1);
  }
  for (const unsigned a : {2U, 4U, 8U})
    for (const unsigned w : {2U, 4U, 8U})
      REQUIRE(bitfusion_pe_timing().mode(bitfusion_mode(a, w)).lanes == bitfusion_bricks / (a / 2 * (w / 2)));
  PeBench bench("bitfusion_pe", 63);
  bench.run(random_cycles());
  bench.finish(7 * random_cycles());
}

TEST_CASE("bitfusion_pe: every activation of 8 bits with every weight") {
  EveryProduct bench;
  bench.run(2 * 65536 + 1);
  bench.finish(2 * 65536 - 3);
}
