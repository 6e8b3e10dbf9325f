// SPDX-License-Identifier: Apache-2.0
/// The arithmetic of the 4 x 4 arrays that are compared with RTL (output_stationary_bench.h) and measured
/// (rtl_speed.cpp): what the cycle model needs of it, and the operands that exercise it.
#pragma once

#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "core/random.h"
#include "pe/amove_pe.h"
#include "pe/bfp_pe.h"
#include "pe/fp16_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "pe/pe_timing.h"
#include "testbenches/rtl/rtl_float.h"

namespace nibble {

inline constexpr unsigned array_rows = 4, array_columns = 4;

/// What most of them have in common: a step takes a cycle; passes of any length on any part of the array.
struct PlainPasses {
  static constexpr bool partial = true;
  static unsigned edge_delay() { return 0; }
  void restart(Random&) {}
  unsigned interval() const { return 1; }
  void plan(Random& random) { extreme = random.below(8) == 0; }
  bool may_end() const { return true; }
  bool extreme = false;
};

/// PEs that add up whole integers.
template <unsigned bits>
struct IntegerArithmetic : PlainPasses {
  using Left = std::int8_t;
  using Top = std::int8_t;
  using Sum = std::int32_t;
  static const PeTiming& timing() { return bits == 8 ? int8_pe_timing() : int4_pe_timing(); }
  static void step(Sum& sum, Left x, Top w) {
    sum = static_cast<Sum>(bits == 8 ? int8_step(sum, x, w) : int4_step(sum, x, w));
  }
  static std::uint32_t result(Sum sum) { return static_cast<std::uint32_t>(sum) & (~0U >> (bits == 8 ? 0 : 9)); }

  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) {
    for (std::int8_t& x : left)
      x = value(random);
    for (std::int8_t& w : top)
      w = value(random);
  }

 private:
  std::int8_t value(Random& random) const {
    const int most = 1 << (bits - 1);
    return static_cast<std::int8_t>(extreme ? -most : static_cast<int>(random.below(2U * most)) - most);
  }
};

struct Fp16Arithmetic : PlainPasses {
  using Left = std::uint16_t;
  using Top = std::uint16_t;
  using Sum = float;
  static const PeTiming& timing() { return fp16_pe_timing(); }
  static void step(Sum& sum, Left x, Top w) { sum = fp16_step(sum, fp16_value(x), fp16_value(w)); }
  static std::uint32_t result(Sum sum) { return rtl_float(sum); }

  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) {
    for (std::uint16_t& x : left)
      x = random_fp16(random);
    for (std::uint16_t& w : top)
      w = random_fp16(random);
  }
};

inline constexpr unsigned bfp_lanes = 8;  // of the 32 of Harmonia's PE: sixteen PEs compile in a minute

/// Products of a step.
inline unsigned products_of(BfpMode mode) {
  return mode == BfpMode::m8m8 ? bfp_lanes / 2 : bfp_lanes;
}

struct BfpLeft {
  std::uint32_t mode = 0, exponent = 1, signs = 0;
  bool group_last = false, weight_last = false;
  std::array<std::int16_t, bfp_lanes> mantissas{};
};
struct BfpTop {
  std::uint32_t exponent = 1;
  std::uint16_t scale = 0;
  std::array<std::int16_t, bfp_lanes> mantissas{};
};

/// Groups of one or several steps; a pass ends with a group, in m8w4 with a weight group.
struct BfpArithmetic : PlainPasses {
  using Left = BfpLeft;
  using Top = BfpTop;
  struct Sum {
    std::int32_t group = 0;
    float inner = 0, accumulator = 0;
  };
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

inline constexpr int exponent_of_products = -8;

/// An operand, and in the last one of a cluster its scale.
struct AmoveOperand {
  std::int8_t value = 0;
  bool last = false;
  float scale = 0;
};
/// A scale as it is stored.
struct ScaleCodes {
  std::uint32_t base = 0, residual = 0, code = 0;
  std::uint32_t pins() const { return base << 9 | residual << 2 | code; }
  float value() const {
    return amove_scale(e4m3_value(static_cast<std::uint8_t>(base)), e4m3_value(static_cast<std::uint8_t>(residual)),
                       static_cast<std::uint8_t>(code));
  }
};

struct AmoveArithmetic : PlainPasses {
  using Left = AmoveOperand;
  using Top = AmoveOperand;
  struct Sum {
    std::int32_t cluster = 0;
    float accumulator = 0;
  };
  static constexpr bool partial = false;
  static const PeTiming& timing() { return amove_pe_timing(); }
  /// The GIPU, and one cycle for the turn of the lower row.
  static unsigned edge_delay() { return timing().foot_latency + 1; }
  static void step(Sum& sum, const Left& x, const Top& w) {
    sum.cluster = amove_step(sum.cluster, x.value, w.value, 16);
    if (!x.last) return;
    sum.accumulator = amove_foot(sum.accumulator, sum.cluster, x.scale, w.scale, exponent_of_products, false);
    sum.cluster = 0;
  }
  static std::uint32_t result(const Sum& sum) {
    const std::uint32_t bits = fp16_bits(sum.accumulator);
    return std::isnan(sum.accumulator) ? 0x7E00U : bits;
  }

  void plan(Random& random) {
    cluster = random.below(2) == 0 ? 4 : 4 + static_cast<unsigned>(random.below(13));
    index = cluster;
    PlainPasses::plan(random);
  }
  /// Whether the next step completes a cluster.
  bool may_end() const { return (index == cluster ? 0 : index) + 1 == cluster; }
  void draw(Random& random, bool, std::vector<Left>& left, std::vector<Top>& top) {
    if (index == cluster) {
      index = 0;
      for (ScaleCodes* scale = scales; scale != scales + array_rows + array_columns; ++scale) {
        *scale = {static_cast<std::uint32_t>(random.below(127)), static_cast<std::uint32_t>(random.below(127)),
                  static_cast<std::uint32_t>(random.below(4))};
      }
    }
    ++index;
    for (unsigned i = 0; i < array_rows; ++i)
      left[i] = {value(random), index == cluster, scales[i].value()};
    for (unsigned i = 0; i < array_columns; ++i)
      top[i] = {value(random), index == cluster, scales[array_rows + i].value()};
  }

  unsigned cluster = 4, index = 4;  ///< index: of the step drawn last, from 1 on
  ScaleCodes scales[array_rows + array_columns];

 private:
  std::int8_t value(Random& random) const {
    return static_cast<std::int8_t>(extreme ? -8 : static_cast<int>(random.below(16)) - 8);
  }
};

}  // namespace nibble
