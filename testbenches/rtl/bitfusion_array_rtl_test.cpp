// SPDX-License-Identifier: Apache-2.0
/// stationary_array.sv, 4 x 4, with BitFusion's units against the cycle model: all pairs of widths, from pass to pass.
#include "bitfusion_words.h"
#include "rtl_bitfusion_array.h"
#include "stationary_bench.h"

using namespace nibble;

namespace {

struct BitfusionArithmetic {
  using Stationary = std::uint32_t;
  struct Streamed {
    std::uint32_t word = 0, a_width = 0, w_width = 0;
  };
  using Sum = std::int32_t;
  static Sum enter(std::uint64_t, std::uint64_t) { return 0; }
  static Sum step(Sum above, const Streamed& x, Stationary w, std::uint64_t) {
    return bitfusion_words_step(above, x.word, w, x.a_width, x.w_width);
  }
};

class ArrayBench : public StationaryBench<BitfusionArithmetic> {
 public:
  Pin<1> valid{"valid"}, first{"first"}, weight_valid{"weight_valid"};
  Pin<4> mode{"mode"};
  Pin<32 * rows> x{"x"};
  Pin<2> weight_row{"weight_row"};
  Pin<32 * columns> weight{"weight"};
  Pin<columns> sum_valid{"sum_valid"}, sum_first{"sum_first"};
  Pin<4 * columns> sum_mode{"sum_mode"};
  Pin<bitfusion_sum_bits * columns> sum{"sum"};

  ArrayBench() : StationaryBench("bitfusion_array", 40) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid);
    NIBBLE_BIND(dut, first);
    NIBBLE_BIND(dut, mode);
    NIBBLE_BIND(dut, x);
    NIBBLE_BIND(dut, weight_valid);
    NIBBLE_BIND(dut, weight_row);
    NIBBLE_BIND(dut, weight);
    NIBBLE_BIND(dut, sum_valid);
    NIBBLE_BIND(dut, sum_first);
    NIBBLE_BIND(dut, sum_mode);
    NIBBLE_BIND(dut, sum);
    restart();
  }

 private:
  struct Pass {
    std::uint32_t a_width = 0, w_width = 0;
    bool extreme = false;
  };

  void plan() override {
    next_ = {static_cast<std::uint32_t>(random.below(3)), static_cast<std::uint32_t>(random.below(3)), once_in(4)};
  }
  void begin() override { current_ = next_; }
  BitfusionArithmetic::Streamed streamed(const StreamRow& row) override {
    if (!row.valid) return {static_cast<std::uint32_t>(random.next()), 0, 0};
    return {bitfusion_word(random, current_.a_width, current_.extreme), current_.a_width, current_.w_width};
  }
  std::uint32_t stationary(const LoadRow&, unsigned) override {
    return bitfusion_word(random, next_.w_width, next_.extreme);
  }

  void drive(const StreamRow& row, const LoadRow& load) override {
    std::uint32_t words[rows];
    for (unsigned r = 0; r < rows; ++r)
      words[r] = row.x[r].word;
    valid.write(row.valid);
    first.write(row.first);
    mode.write(row.valid ? current_.a_width | current_.w_width << 2 : static_cast<std::uint32_t>(random.below(16)));
    x.write(packed_lanes<rows, 32>(words));
    for (unsigned c = 0; c < columns; ++c)
      words[c] = load.w[c];
    weight_valid.write(load.valid);
    weight_row.write(static_cast<std::uint32_t>(load.row));
    weight.write(packed_lanes<columns, 32>(words));
  }

  void compare() override {
    for (unsigned c = 0; c < columns; ++c) {
      expect("sum_valid", pin_field(sum_valid.read(), c, 1) != 0, seen(c).valid);
      if (!seen(c).valid) continue;
      const std::uint32_t bits = pin_field(sum.read(), bitfusion_sum_bits * c, bitfusion_sum_bits);
      expect("sum", sign_extended(bits, bitfusion_sum_bits), seen(c).sum);
    }
  }

  rtl_bitfusion_array dut{"dut"};
  Pass current_, next_;
};

}  // namespace

TEST_CASE("bitfusion_array: 4 x 4 units equal the cycle model, cycle for cycle, all pairs of widths") {
  ArrayBench bench;
  bench.run(random_cycles());
  bench.finish(5 * random_cycles());
}
