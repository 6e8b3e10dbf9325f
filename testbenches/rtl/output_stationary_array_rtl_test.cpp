// SPDX-License-Identifier: Apache-2.0
/// output_stationary_array.sv, 4 x 4, with the PEs int8, int4, fp16 and bfp against the cycle model of the arrays.
#include "output_stationary_bench.h"
#include "pe/bfp_pe.h"
#include "pe/fp16_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "rtl_bfp_array.h"
#include "rtl_fp16_array.h"
#include "rtl_int4_array.h"
#include "rtl_int8_array.h"

using namespace nibble;

namespace {

/// PEs that add up whole integers.
template <unsigned bits>
struct IntegerArithmetic {
  using Left = std::int8_t;
  using Top = std::int8_t;
  using Sum = std::int32_t;
  static constexpr bool partial = true;
  static unsigned edge_delay() { return 0; }
  static const PeTiming& timing() { return bits == 8 ? int8_pe_timing() : int4_pe_timing(); }
  static void step(Sum& sum, Left x, Top w) {
    sum = static_cast<Sum>(bits == 8 ? int8_step(sum, x, w) : int4_step(sum, x, w));
  }
  static std::uint32_t result(Sum sum) { return pin_bits(sum, bits == 8 ? 32 : 23); }

  void plan(Random& random) { extreme_ = random.below(8) == 0; }
  bool may_end() const { return true; }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) {
    for (std::int8_t& x : left)
      x = value(random);
    for (std::int8_t& w : top)
      w = value(random);
  }

 private:
  std::int8_t value(Random& random) const {
    const int most = 1 << (bits - 1);
    return static_cast<std::int8_t>(extreme_ ? -most : static_cast<int>(random.below(2U * most)) - most);
  }
  bool extreme_ = false;
};

struct Fp16Arithmetic {
  using Left = std::uint16_t;
  using Top = std::uint16_t;
  using Sum = float;
  static constexpr bool partial = true;
  static unsigned edge_delay() { return 0; }
  static const PeTiming& timing() { return fp16_pe_timing(); }
  static void step(Sum& sum, Left x, Top w) { sum = fp16_step(sum, fp16_value(x), fp16_value(w)); }
  static std::uint32_t result(Sum sum) { return rtl_float(sum); }

  void plan(Random&) {}
  bool may_end() const { return true; }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) {
    for (std::uint16_t& x : left)
      x = random_fp16(random);
    for (std::uint16_t& w : top)
      w = random_fp16(random);
  }
};

constexpr unsigned lanes = 8;  // of the 32 of Harmonia's PE: sixteen PEs compile in a minute

/// Products of a step.
unsigned products_of(BfpMode mode) {
  return mode == BfpMode::m8m8 ? lanes / 2 : lanes;
}

struct BfpLeft {
  std::uint32_t mode = 0, exponent = 1, signs = 0;
  bool group_last = false, weight_last = false;
  std::array<std::int16_t, lanes> mantissas{};
};
struct BfpTop {
  std::uint32_t exponent = 1;
  std::uint16_t scale = 0;
  std::array<std::int16_t, lanes> mantissas{};
};

/// Groups of one or several steps; a pass ends with a group, in m8w4 with a weight group.
struct BfpArithmetic {
  using Left = BfpLeft;
  using Top = BfpTop;
  struct Sum {
    std::int32_t group = 0;
    float inner = 0, accumulator = 0;
  };
  static constexpr bool partial = true;
  static unsigned edge_delay() { return timing().foot_latency; }
  static const PeTiming& timing() { return bfp_pe_timing(); }
  static void step(Sum& sum, const Left& a, const Top& b) {
    const auto mode = static_cast<BfpMode>(a.mode);
    sum.group = bfp_step(sum.group, a.mantissas.data(), b.mantissas.data(), products_of(mode), mode);
    if (!a.group_last) return;
    const int first = static_cast<int>(a.exponent), second = static_cast<int>(b.exponent);
    if (mode == BfpMode::m8w4) {
      sum.inner = bfp_inner(sum.inner, sum.group, first);
      if (a.weight_last) {
        sum.accumulator = bfp_weight_foot(sum.accumulator, sum.inner, fp16_value(b.scale));
        sum.inner = 0;
      }
    } else {
      sum.accumulator = bfp_foot(sum.accumulator, sum.group, first, second, mode);
    }
    sum.group = 0;
  }
  static std::uint32_t result(const Sum& sum) { return rtl_float(sum.accumulator); }

  void plan(Random& random) {
    mode_ = static_cast<std::uint32_t>(random.below(3));
    steps_ = 0;
  }
  bool may_end() const { return true; }
  void draw(Random& random, bool last, std::vector<Left>& left, std::vector<Top>& top) {
    const bool group_last = last || ++steps_ == 4 || random.below(2) == 0, weight_last = last || random.below(2) == 0;
    if (group_last) steps_ = 0;
    const unsigned products = products_of(static_cast<BfpMode>(mode_));
    const int most = mode_ == 0 ? 7 : mode_ == 1 ? 15 : 255;
    for (Left& a : left) {
      a.mode = mode_;
      a.exponent = 1 + static_cast<std::uint32_t>(random.below(30));
      a.group_last = group_last;
      a.weight_last = weight_last;
      for (unsigned i = 0; i < products; ++i)
        a.mantissas[i] = static_cast<std::int16_t>(static_cast<int>(random.below(511)) - 255);
    }
    for (Top& b : top) {
      b.exponent = 1 + static_cast<std::uint32_t>(random.below(30));
      b.scale = random_fp16(random);
      for (unsigned i = 0; i < products; ++i)
        b.mantissas[i] = static_cast<std::int16_t>(static_cast<int>(random.below(2U * most + 1)) - most);
    }
  }

 private:
  std::uint32_t mode_ = 0;
  unsigned steps_ = 0;
};

/// Operands of `width` bits, one of each row and column.
template <class Arithmetic, class Rtl, unsigned width, unsigned sum>
class PlainArrayBench : public SkeletonBench<Arithmetic> {
  using Base = SkeletonBench<Arithmetic>;

 public:
  Pin<array_rows * width> left{"left"};
  Pin<array_columns * width> top{"top"};
  Pin<array_columns * sum> result{"result"};

  PlainArrayBench(const char* name, std::uint64_t seed) : Base(name, seed) {
    this->bind_common(dut);
    dut.left(left);
    dut.top(top);
    dut.result(result);
  }

 private:
  void drive(const typename Base::Step& step) override {
    this->drive_common(step);
    const auto& x = step.left;
    const auto& w = step.top;
    std::uint32_t rows[array_rows], columns[array_columns];
    for (unsigned i = 0; i < array_rows; ++i) {
      rows[i] = i < x.size() ? pin_bits(x[i], width) : static_cast<std::uint32_t>(this->random.below(1U << width));
      columns[i] = i < w.size() ? pin_bits(w[i], width) : static_cast<std::uint32_t>(this->random.below(1U << width));
    }
    left.write(packed_lanes<array_rows, width>(rows));
    top.write(packed_lanes<array_columns, width>(columns));
  }
  std::uint32_t shown(unsigned column) override { return pin_field(result.read(), sum * column, sum); }

  Rtl dut{"dut"};
};

class BfpArrayBench : public SkeletonBench<BfpArithmetic> {
 public:
  static constexpr unsigned left_bits = 9 * lanes + 9, top_bits = 5 * lanes + 21;
  Pin<array_rows * left_bits> left{"left"};
  Pin<array_columns * top_bits> top{"top"};
  Pin<array_columns * 32> result{"result"};

  BfpArrayBench() : SkeletonBench<BfpArithmetic>("bfp_array", 34) {
    bind_common(dut);
    dut.left(left);
    dut.top(top);
    dut.result(result);
  }

 private:
  /// Appends fields of a pin, lowest first.
  template <class Vector>
  static void put(Vector& pin, unsigned& at, std::uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; ++i, ++at)
      pin.set_bit(static_cast<int>(at), (value >> i & 1) != 0 ? sc_dt::Log_1 : sc_dt::Log_0);
  }

  void drive(const Step& step) override {
    drive_common(step);
    const std::vector<BfpLeft>& x = step.left;
    const std::vector<BfpTop>& w = step.top;
    sc_dt::sc_bv<array_rows * left_bits> rows_pin;
    sc_dt::sc_bv<array_columns * top_bits> columns_pin;
    for (unsigned r = 0; r < x.size(); ++r) {
      unsigned at = r * left_bits;
      const bool fused = x[r].mode == 2;
      for (unsigned lane = 0; lane < lanes; ++lane)
        put(rows_pin, at, static_cast<std::uint64_t>(std::abs(x[r].mantissas[fused ? lane / 2 : lane])), 8);
      for (unsigned lane = 0; lane < lanes; ++lane)
        put(rows_pin, at, x[r].mantissas[fused ? lane / 2 : lane] < 0 ? 1 : 0, 1);
      put(rows_pin, at, x[r].exponent, 5);
      put(rows_pin, at, x[r].weight_last ? 1 : 0, 1);
      put(rows_pin, at, x[r].group_last ? 1 : 0, 1);
      put(rows_pin, at, x[r].mode, 2);
    }
    const bool fused = !x.empty() && x.front().mode == 2;
    for (unsigned c = 0; c < w.size(); ++c) {
      unsigned at = c * top_bits;
      for (unsigned lane = 0; lane < lanes; ++lane) {
        const int b = std::abs(w[c].mantissas[fused ? lane / 2 : lane]);
        put(columns_pin, at, static_cast<std::uint64_t>(fused && lane % 2 == 1 ? b >> 4 : b & 15), 4);
      }
      for (unsigned lane = 0; lane < lanes; ++lane)
        put(columns_pin, at, w[c].mantissas[fused ? lane / 2 : lane] < 0 ? 1 : 0, 1);
      put(columns_pin, at, w[c].scale, 16);
      put(columns_pin, at, w[c].exponent, 5);
    }
    left.write(rows_pin);
    top.write(columns_pin);
  }
  std::uint32_t shown(unsigned column) override { return pin_field(result.read(), 32 * column, 32); }

  rtl_bfp_array dut{"dut"};
};

template <class Bench>
void compare_with_model(Bench& bench, std::uint64_t cycles) {
  bench.run(cycles);
  bench.finish(4 * cycles);
}

}  // namespace

TEST_CASE("int8_array: 4 x 4 PEs equal the cycle model, cycle for cycle") {
  PlainArrayBench<IntegerArithmetic<8>, rtl_int8_array, 8, 32> bench("int8_array", 31);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("int4_array: 4 x 4 PEs equal the cycle model, cycle for cycle") {
  PlainArrayBench<IntegerArithmetic<4>, rtl_int4_array, 4, 23> bench("int4_array", 32);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("fp16_array: 4 x 4 PEs equal the cycle model, cycle for cycle") {
  PlainArrayBench<Fp16Arithmetic, rtl_fp16_array, 16, 32> bench("fp16_array", 33);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("bfp_array: 4 x 4 PEs of 8 lanes equal the cycle model, cycle for cycle, in three modes") {
  BfpArrayBench bench;
  compare_with_model(bench, random_cycles() / 5);
}
