// SPDX-License-Identifier: Apache-2.0
/// output_stationary_array.sv, 4 x 4, with the bit-serial PEs of Anda and BitMoD against the cycle model: a step takes
/// as many cycles as a mantissa has planes, or a weight has terms.
#include <algorithm>
#include <cstdlib>

#include "array_arithmetics.h"
#include "output_stationary_bench.h"
#include "pe/anda_pe.h"
#include "pe/bitmod_pe.h"
#include "rtl_anda_array.h"
#include "rtl_bitmod_array.h"

using namespace nibble;

namespace {

constexpr unsigned anda_array_lanes = 16;  // of the 64 of Anda's PE

struct AndaLeft {
  std::array<std::int16_t, anda_array_lanes> mantissas{};
  int exponent = 1;
  unsigned bits = anda_shortest;
  std::uint32_t signs() const {
    std::uint32_t all = 0;
    for (unsigned i = 0; i < anda_array_lanes; ++i)
      all |= std::uint32_t{mantissas[i] < 0} << i;
    return all;
  }
  /// The highest plane is 0.
  std::uint32_t plane(unsigned index) const {
    std::uint32_t all = 0;
    for (unsigned i = 0; i < anda_array_lanes; ++i)
      all |= (static_cast<std::uint32_t>(std::abs(mantissas[i])) >> (bits - 1 - index) & 1U) << i;
    return all;
  }
};
struct AndaTop {
  std::array<std::int8_t, anda_array_lanes> weights{};
  std::uint16_t scale = 0;
};

/// A step is a group.
struct AndaArithmetic : PlainPasses {
  using Left = AndaLeft;
  using Top = AndaTop;
  using Sum = float;
  static const PeTiming& timing() { return anda_pe_timing(); }
  static unsigned edge_delay() { return timing().foot_latency; }
  static void step(Sum& accumulator, const Left& a, const Top& w) {
    std::int32_t sum = 0;
    for (unsigned i = 0; i < a.bits; ++i)
      sum = anda_plane(sum, a.plane(i), a.signs(), w.weights.data(), anda_array_lanes);
    accumulator = anda_foot(accumulator, sum, a.exponent, a.bits, fp16_value(w.scale));
  }
  static std::uint32_t result(Sum accumulator) { return rtl_float(accumulator); }

  void restart(Random& random) {
    bits_ = anda_shortest + static_cast<unsigned>(random.below(anda_longest - anda_shortest + 1));
  }
  unsigned interval() const { return bits_; }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) const {
    const int most = (1 << bits_) - 1;
    for (Left& a : left) {
      a.bits = bits_;
      a.exponent = 1 + static_cast<int>(random.below(30));
      for (std::int16_t& x : a.mantissas)
        x = static_cast<std::int16_t>(extreme ? -most : static_cast<int>(random.below(2U * most + 1)) - most);
    }
    for (Top& w : top) {
      w.scale = random_fp16(random);
      for (std::int8_t& weight : w.weights)
        weight = static_cast<std::int8_t>(extreme ? -8 : static_cast<int>(random.below(16)) - 8);
    }
  }

 private:
  unsigned bits_ = anda_shortest;
};

struct BitmodLeft {
  std::array<std::uint16_t, bitmod_lanes> activations{};
  bool group_last = false;
};
struct BitmodTop {
  std::array<int, bitmod_lanes> weights{};
  bool floating = false;
  unsigned cycles = 1;
  float scale = 0;
  BitmodTerm term(unsigned lane, unsigned index) const {
    return floating ? bitmod_float_term(weights[lane], index) : bitmod_digit(weights[lane], index);
  }
  unsigned significance(unsigned index) const { return floating ? 0 : 2 * index; }
};

/// A step is four weights; a group takes eight cycles at least, as the controller of the machine sees to.
struct BitmodArithmetic : PlainPasses {
  using Left = BitmodLeft;
  using Top = BitmodTop;
  struct Sum {
    float group = 0, accumulator = 0;
  };
  static const PeTiming& timing() { return bitmod_pe_timing(); }
  static unsigned edge_delay() { return timing().foot_latency; }
  static void step(Sum& sum, const Left& a, const Top& w) {
    float values[bitmod_lanes];
    std::transform(a.activations.begin(), a.activations.end(), values, fp16_value);
    for (unsigned index = 0; index < w.cycles; ++index) {
      BitmodTerm terms[bitmod_lanes];
      for (unsigned i = 0; i < bitmod_lanes; ++i)
        terms[i] = w.term(i, index);
      sum.group = bitmod_step(sum.group, values, terms, bitmod_lanes, w.significance(index));
    }
    if (!a.group_last) return;
    sum.accumulator = bitmod_foot(sum.accumulator, sum.group, w.scale);
    sum.group = 0;
  }
  static std::uint32_t result(const Sum& sum) { return rtl_float(sum.accumulator); }

  void restart(Random& random) {
    cycles_ = 1 + static_cast<unsigned>(random.below(4));
    floating_ = cycles_ == 2 && random.below(2) == 0;
    steps_ = 0;
  }
  unsigned interval() const { return cycles_; }
  bool may_end() const { return (steps_ + 1) * cycles_ >= 8; }
  void draw(Random& random, bool last, std::vector<Left>& left, std::vector<Top>& top) {
    const bool group_last = last || (may_end() && random.below(4) == 0);
    steps_ = group_last ? 0 : steps_ + 1;
    for (Left& a : left) {
      a.group_last = group_last;
      std::generate(a.activations.begin(), a.activations.end(), [&] { return random_fp16(random); });
    }
    for (Top& w : top) {
      w.floating = floating_;
      w.cycles = cycles_;
      // A binary16 times an integer of eight bits.
      w.scale = fp16_value(random_fp16(random)) * static_cast<float>(random.below(256));
      for (int& weight : w.weights) {
        const int sign = random.below(2) == 0 ? 1 : -1;
        weight = floating_ ? sign * (1 << random.below(5) | 1 << random.below(5))
                           : static_cast<int>(random.below(1U << 2 * cycles_)) - (1 << (2 * cycles_ - 1));
      }
    }
  }

 private:
  unsigned cycles_ = 1, steps_ = 0;  ///< steps_: of the group so far
  bool floating_ = false;
};

/// Operands of `left_bits` and `top_bits`, which change from cycle to cycle of a step.
template <class Arithmetic, class Rtl, unsigned left_bits, unsigned top_bits>
class SerialArrayBench : public SkeletonBench<Arithmetic> {
  using Base = SkeletonBench<Arithmetic>;

 public:
  Pin<array_rows * left_bits> left{"left"};
  Pin<array_columns * top_bits> top{"top"};
  Pin<array_columns * 32> result{"result"};

  SerialArrayBench(const char* name, std::uint64_t seed) : Base(name, seed) {
    this->bind_common(dut);
    dut.left(left);
    dut.top(top);
    dut.result(result);
  }

 private:
  using Rows = PinWords<array_rows * left_bits>;
  using Columns = PinWords<array_columns * top_bits>;

  void drive(const typename Base::Step& step, unsigned phase) override {
    const bool ends = phase + 1 == this->arithmetic_.interval();
    this->drive_common(step, ends);
    Rows rows;
    Columns columns;
    for (unsigned i = 0, at = 0; i < array_rows * left_bits / 8; ++i)
      rows.append(at, static_cast<std::uint32_t>(this->random.below(256)), 8);
    for (unsigned i = 0, at = 0; i < array_columns * top_bits / 8; ++i)
      columns.append(at, static_cast<std::uint32_t>(this->random.below(256)), 8);
    for (unsigned i = 0; i < step.left.size(); ++i)
      put(rows, i * left_bits, step.left[i], phase, ends);
    for (unsigned i = 0; i < step.top.size(); ++i)
      put(columns, i * top_bits, step.top[i], phase, ends);
    left.write(rows.pin());
    top.write(columns.pin());
  }
  std::uint32_t shown(unsigned column) override { return pin_field(result.read(), 32 * column, 32); }

  /// What belongs to a group is there in the last cycle of a step.
  static void put(Rows& pin, unsigned at, const AndaLeft& a, unsigned phase, bool ends) {
    pin.append(at, a.plane(phase), anda_array_lanes);
    pin.append(at, a.signs(), anda_array_lanes);
    if (ends) pin.set(at, 9, a.bits << 5 | static_cast<std::uint32_t>(a.exponent));
    pin.set(at + 9, 1, ends ? 1 : 0);
  }
  static void put(Columns& pin, unsigned at, const AndaTop& w, unsigned, bool ends) {
    for (const std::int8_t weight : w.weights)
      pin.append(at, pin_bits(weight, 4), 4);
    if (ends) pin.append(at, w.scale, 16);
  }
  static void put(Rows& pin, unsigned at, const BitmodLeft& a, unsigned, bool ends) {
    for (const std::uint16_t activation : a.activations)
      pin.append(at, activation, 16);
    pin.append(at, a.group_last && ends ? 1 : 0, 1);
  }
  static void put(Columns& pin, unsigned at, const BitmodTop& w, unsigned phase, bool ends) {
    std::uint32_t present = 0, negative = 0, exponents = 0;
    for (unsigned i = 0; i < bitmod_lanes; ++i) {
      const BitmodTerm term = w.term(i, phase);
      present |= std::uint32_t{term.sign != 0} << i;
      negative |= std::uint32_t{term.sign < 0} << i;
      exponents |= std::uint32_t{term.exponent} << (3 * i);
    }
    pin.append(at, present, 4);
    pin.append(at, negative, 4);
    pin.append(at, exponents, 12);
    pin.append(at, w.significance(phase), 3);
    if (ends) pin.append(at, float_bits(w.scale) >> 5, 27);
  }

  Rtl dut{"dut"};
};

}  // namespace

TEST_CASE("anda_array: 4 x 4 PEs of 16 lanes equal the cycle model, cycle for cycle, mantissas of every length") {
  SerialArrayBench<AndaArithmetic, rtl_anda_array, 42, 80> bench("anda_array", 38);
  compare_with_model(bench, random_cycles());
}

TEST_CASE(
    "bitmod_array: 4 x 4 PEs equal the cycle model, cycle for cycle, floating weights and integers of 2 to 8 bits") {
  SerialArrayBench<BitmodArithmetic, rtl_bitmod_array, 65, 50> bench("bitmod_array", 39);
  compare_with_model(bench, random_cycles());
}
