// SPDX-License-Identifier: Apache-2.0
/// output_stationary_array.sv, 4 x 4, with the PEs of FIGNA, of ANT and OliVe, and of Tender against the cycle model.
#include "array_arithmetics.h"
#include "output_stationary_bench.h"
#include "pe/ant_pe.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/tender_pe.h"
#include "rtl_adaptive_array.h"
#include "rtl_aligned_array.h"
#include "rtl_tender_array.h"

using namespace nibble;

namespace {

/// Aligned activations of 14 bits and sign, weights of 8 bits.
struct AlignedArithmetic : PlainPasses {
  using Left = std::int16_t;
  using Top = std::int8_t;
  using Sum = std::int32_t;
  static const PeTiming& timing() { return fp_int_aligned_pe_timing(); }
  static void step(Sum& sum, Left x, Top w) { sum = aligned_step(sum, x, w); }
  static std::uint32_t result(Sum sum) { return pin_bits(sum, 29); }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) const {
    const int most = (1 << 14) - 1;
    for (Left& x : left)
      x = static_cast<Left>(extreme ? -most : static_cast<int>(random.below(2U * most + 1)) - most);
    for (Top& w : top)
      w = static_cast<Top>(extreme ? -128 : static_cast<int>(random.below(256)) - 128);
  }
};

/// Behind the decoders of ANT and OliVe: exponent and integer. Products of the largest of both outgrow no pass of this
/// length.
struct AdaptiveArithmetic : PlainPasses {
  using Left = std::uint8_t;
  using Top = std::uint8_t;
  using Sum = std::int32_t;
  static const PeTiming& timing() { return ant_pe_timing(); }
  static ExponentInteger operand(std::uint8_t bits) {
    return {static_cast<std::int8_t>(sign_extended(bits, 5)), static_cast<std::uint8_t>(bits >> 5)};
  }
  static void step(Sum& sum, Left x, Top w) { sum = ant_step(sum, operand(x), operand(w)); }
  static std::uint32_t result(Sum sum) { return pin_bits(sum, 32); }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) const {
    for (std::vector<std::uint8_t>* operands : {&left, &top}) {
      for (std::uint8_t& bits : *operands) {
        const int integer = extreme ? -8 : static_cast<int>(random.below(24)) - 8;
        const auto exponent = static_cast<std::uint32_t>(extreme ? 6 : random.below(7));
        bits = static_cast<std::uint8_t>(pin_bits(integer, 5) | exponent << 5);
      }
    }
  }
};

/// Nibbles of both signs; the high bit of what comes from the left asks for a shift.
struct TenderArithmetic : PlainPasses {
  using Left = std::uint8_t;
  using Top = std::int8_t;
  using Sum = std::int64_t;
  static const PeTiming& timing() { return tender_pe_timing(); }
  static void step(Sum& sum, Left x, Top w) {
    sum = (x & 32U) != 0 ? tender_rescale(sum) : tender_step(sum, static_cast<std::int8_t>(sign_extended(x, 5)), w);
  }
  static std::uint32_t result(Sum sum) { return pin_bits(sum, 32); }
  void plan(Random& random) {
    PlainPasses::plan(random);
    shifts_ = 0;
  }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) {
    const bool shift = shifts_ < 7 && random.below(6) == 0;
    if (shift) ++shifts_;
    const auto nibble = [&] { return extreme ? -8 : static_cast<int>(random.below(24)) - 8; };
    for (Left& x : left)
      x = static_cast<Left>(pin_bits(nibble(), 5) | (shift ? 32U : 0U));
    for (Top& w : top)
      w = static_cast<Top>(nibble());
  }

 private:
  unsigned shifts_ = 0;
};

}  // namespace

TEST_CASE("aligned_array: 4 x 4 PEs of FIGNA equal the cycle model, cycle for cycle") {
  PlainArrayBench<AlignedArithmetic, rtl_aligned_array, 15, 8, 29> bench("aligned_array", 35);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("adaptive_array: 4 x 4 PEs of ANT and OliVe equal the cycle model, cycle for cycle") {
  PlainArrayBench<AdaptiveArithmetic, rtl_adaptive_array, 8, 8, 32> bench("adaptive_array", 36);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("tender_array: 4 x 4 PEs of Tender equal the cycle model, cycle for cycle, shifts between groups included") {
  PlainArrayBench<TenderArithmetic, rtl_tender_array, 6, 5, 32> bench("tender_array", 37);
  compare_with_model(bench, random_cycles());
}
