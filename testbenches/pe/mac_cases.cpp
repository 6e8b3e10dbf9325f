// SPDX-License-Identifier: Apache-2.0
#include "testbenches/pe/mac_cases.h"

#include <algorithm>

#include "formats/adaptive_types.h"
#include "formats/bitmod_types.h"
#include "formats/rounding.h"
#include "pe/amove_pe.h"
#include "pe/anda_pe.h"
#include "pe/ant_pe.h"
#include "pe/bfp_pe.h"
#include "pe/bitfusion_pe.h"
#include "pe/bitmod_pe.h"
#include "pe/fp16_pe.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/fp_int_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "pe/mant_pe.h"
#include "pe/olive_pe.h"
#include "pe/tender_pe.h"
#include "testbenches/pe/exact_rounding.h"

namespace nibble::test {

namespace {

bool directed(Random& random) {
  return random.below(8) == 0;
}

/// -largest - 1 .. largest; extremes and zero now and then.
int integer(Random& random, int largest) {
  if (directed(random)) {
    const int extremes[] = {-largest - 1, -largest, -1, 0, 1, largest};
    return extremes[random.below(6)];
  }
  return static_cast<int>(random.below(2 * static_cast<std::uint64_t>(largest) + 2)) - largest - 1;
}

/// |value| <= largest.
int symmetric(Random& random, int largest) {
  return std::max(integer(random, largest), -largest);
}

/// Any finite FP16 value; zeros, subnormals, 65504 now and then.
float fp16_number(Random& random) {
  const std::uint16_t extremes[] = {0, 1, 0x3FF, 0x400, 0x7BFF, 0x3C00};
  const std::uint64_t sign = random.below(2) << 15;
  const std::uint64_t code = directed(random) ? extremes[random.below(6)] : random.below(0x7C00);
  return fp16_value(static_cast<std::uint16_t>(sign | code));
}

float scale(Random& random) {
  return std::fabs(fp16_number(random));
}

/// An accumulator that neither swallows the addend nor vanishes beside it, as a rule.
float accumulator_near(Random& random, float addend) {
  if (directed(random)) return random.below(2) == 0 ? 0.0F : -addend;
  if (!(std::fabs(addend) < 0x1p100F)) return 1.0F;
  const int exponent = addend == 0 ? 0 : std::ilogb(addend);
  return std::ldexp(static_cast<float>(random.normal()), exponent + static_cast<int>(random.below(50)) - 25);
}

bool differs(float a, float b) {
  const bool zeros = a == 0 && b == 0;  // the references have no sign of zero; steps are compared elsewhere
  return !zeros && float_bits(a) != float_bits(b);
}

float add(float accumulator, const Exact& addend) {
  return nearest_f32(Exact::of(accumulator) + Exact::of(nearest_f32(addend)));
}

/// acc + f32(f32(sum) * f32(sx * sw)) with one more power of two in the scale.
bool integer_foot_differs(Random& random, std::int64_t sum, unsigned groups) {
  const float sx = scale(random), sw = scale(random);
  const Exact t = Exact::of(nearest_f32(Exact::of(sx) * Exact::of(sw) * Exact{1, 1 - static_cast<int>(groups)}));
  const Exact product = Exact::of(nearest_f32({sum, 0})) * t;
  const float accumulator = accumulator_near(random, nearest_f32(product));
  const float got =
      groups == 1 ? integer_foot(accumulator, sum, sx, sw) : tender_foot(accumulator, sum, sx, groups, sw);
  return differs(got, add(accumulator, product));
}

template <class Case>
std::uint64_t count(Random& random, std::uint64_t cases, Case differs_in) {
  std::uint64_t mismatches = 0;
  for (std::uint64_t i = 0; i < cases; ++i)
    mismatches += differs_in(random);
  return mismatches;
}

bool mant_case(Random& random) {
  static const std::uint8_t types[] = {0, 5, 10, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 0xFF};
  const int x = integer(random, 127);
  if (random.below(4) == 0) {  // W8A8
    const int w = integer(random, 127), sum = symmetric(random, 1 << 20);
    return mant_step_w8(sum, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w)) != sum + x * w;
  }
  const std::uint8_t type = directed(random) ? static_cast<std::uint8_t>(random.below(128)) : types[random.below(17)];
  const bool int4 = type == mant_int4_type;
  const auto code = static_cast<std::uint8_t>(random.below(16));
  MantSums sums;
  sums.mac = symmetric(random, 50000);
  sums.sac = int4 ? 0 : symmetric(random, 900000);
  const int index = code & 7, sign = code > 7 ? -1 : 1, a = int4 ? 1 : type;
  const int grid = sign * (a * index + (int4 ? 0 : 1 << index));
  const std::int64_t before = std::int64_t{a} * sums.mac + sums.sac;
  sums = mant_step(sums, static_cast<std::int8_t>(x), code, int4);
  const std::int32_t G = mant_group_sum(sums, type);
  if (G != before + x * grid) return true;
  const float sx = scale(random), sw = scale(random);
  const Exact product = Exact{G, 0} * Exact::of(nearest_f32(Exact::of(sx) * Exact::of(sw)));
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(mant_foot(accumulator, G, sx, sw), add(accumulator, product));
}

bool bfp_case(Random& random) {
  const BfpMode modes[] = {BfpMode::m8w4, BfpMode::m8m4, BfpMode::m8m8};
  const BfpMode mode = modes[random.below(3)];
  const int largest = mode == BfpMode::m8w4 ? 7 : mode == BfpMode::m8m4 ? 15 : 255;
  const auto products = static_cast<unsigned>(1 + random.below(bfp_products(mode)));
  std::int16_t a[32], b[32];
  std::int32_t sum = symmetric(random, 1 << 20), expected = sum;
  for (unsigned i = 0; i < products; ++i) {
    a[i] = static_cast<std::int16_t>(symmetric(random, 255));
    b[i] = static_cast<std::int16_t>(symmetric(random, largest));
    expected += a[i] * b[i];
  }
  sum = bfp_step(sum, a, b, products, mode);
  if (sum != expected) return true;
  const int e1 = 1 + static_cast<int>(random.below(30)), e2 = 1 + static_cast<int>(random.below(30));
  if (mode != BfpMode::m8w4) {
    const Exact value{sum, e1 + e2 - (mode == BfpMode::m8m8 ? 44 : 40)};
    const float accumulator = accumulator_near(random, nearest_f32(value));
    return differs(bfp_foot(accumulator, sum, e1, e2, mode), add(accumulator, value));
  }
  const Exact value{sum, e1 - 22};
  const float start = accumulator_near(random, nearest_f32(value));
  const float inner = bfp_inner(start, sum, e1);
  if (differs(inner, add(start, value))) return true;
  const float sw = scale(random);
  const Exact product = Exact::of(inner) * Exact::of(sw);
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(bfp_weight_foot(accumulator, inner, sw), add(accumulator, product));
}

/// A DP-4 from words, the activation sum and the foot.
bool fp_int_case_of(Random& random, bool k_packed) {
  const unsigned bits = random.below(2) == 0 ? 4 : 2, lanes = fp_int_lanes(bits);
  const auto number = static_cast<unsigned>(1 + random.below(4));
  float x[4];
  std::uint16_t words[4];
  for (unsigned i = 0; i < 4; ++i) {
    x[i] = fp16_number(random);
    words[i] = static_cast<std::uint16_t>(random.below(0x10000));
  }
  const auto lane = static_cast<unsigned>(random.below(lanes));
  const unsigned first = lane / 4 * 4;  // of a k-packed word
  Exact products, activations;
  for (unsigned i = 0; i < number; ++i) {
    const unsigned shift = (k_packed ? first + i : lane) * bits;
    const int u = (k_packed ? words[0] : words[i]) >> shift & ((1 << bits) - 1);
    products = products + Exact::of(x[i]) * Exact{1024 + u, 0};
    activations = activations + Exact::of(x[i]);
  }
  float accumulators[8];
  std::fill_n(accumulators, 8, accumulator_near(random, nearest_f32(products)));
  const float start = accumulators[0];
  if (k_packed) {
    accumulators[lane] = fp_int_dp4_k_packed(start, x, words[0], first, number, bits, false);
  } else {
    fp_int_dp4_n_packed(accumulators, x, words, number, bits, false);
  }
  if (differs(accumulators[lane], add(start, products))) return true;
  const float sum = fp_int_activation_sum(start, x, number);
  if (differs(sum, add(start, activations))) return true;
  const int offset = 1024 + (1 << (bits - 1));
  const float s = scale(random), out = static_cast<float>(random.normal());
  const float corrected =
      nearest_f32(Exact::of(accumulators[lane]) + Exact::of(-nearest_f32(Exact{offset, 0} * Exact::of(sum))));
  const float expected = add(out, Exact::of(s) * Exact::of(corrected));
  return differs(fp_int_group_foot(out, s, accumulators[lane], sum, bits), expected);
}
bool fp_int_case(Random& random) {
  return fp_int_case_of(random, false);
}
bool fp_int_k_case(Random& random) {
  return fp_int_case_of(random, true);
}

bool amove_case(Random& random) {
  const std::size_t cluster = random.below(2) == 0 ? 4 : 16;
  const int x = integer(random, 7), w = integer(random, 7),
            start = symmetric(random, static_cast<int>(cluster - 1) * 56);
  const std::int32_t sum = amove_step(start, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w), cluster);
  if (sum != start + x * w) return true;
  const float S = e4m3_value(static_cast<std::uint8_t>(random.below(0x7F)));
  const float R = e4m3_value(static_cast<std::uint8_t>(random.below(0x7F)));
  const auto code = static_cast<int>(random.below(4));
  const float sa = amove_scale(S, R, static_cast<std::uint8_t>(code));
  if (differs(sa, nearest_fp16(Exact::of(S) + Exact::of(R) * Exact{-code, 0}))) return true;
  const float sw = scale(random);
  const int exponent = static_cast<int>(random.below(50)) - 35;
  const Exact scales = Exact::of(sa) * Exact::of(sw) * Exact{1, exponent};
  const float t32 = nearest_f32(scales), t16 = nearest_fp16(scales);
  const float v32 = nearest_f32(Exact::of(t32) * Exact{sum, 0});
  const float accumulator = accumulator_near(random, v32);
  if (differs(amove_foot(accumulator, sum, sa, sw, exponent, true),
              nearest_f32(Exact::of(accumulator) + Exact::of(v32))))
    return true;
  if (!std::isfinite(t16)) return false;  // infinities have a test of their own
  const float v16 = nearest_fp16(Exact::of(t16) * Exact{sum, 0});
  if (!std::isfinite(v16)) return false;
  const float half = fp16_number(random);
  return differs(amove_foot(half, sum, sa, sw, exponent, false), nearest_fp16(Exact::of(half) + Exact::of(v16)));
}

bool fp16_case(Random& random) {
  const float a = fp16_number(random), w = fp16_number(random);
  const Exact product = Exact::of(a) * Exact::of(w);
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(fp16_step(accumulator, a, w), add(accumulator, product));
}

bool fp16_dequant_case(Random& random) {
  const int q = symmetric(random, 127);
  const float s = scale(random), a = fp16_number(random);
  const float w = nearest_fp16(Exact::of(nearest_f32(Exact{q, 0} * Exact::of(s))));
  if (!std::isfinite(w)) return std::isfinite(fp16_dequantized(static_cast<std::int16_t>(q), s));
  if (differs(fp16_dequantized(static_cast<std::int16_t>(q), s), w)) return true;
  const Exact product = Exact::of(a) * Exact::of(w);
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(fp16_step(accumulator, a, w), add(accumulator, product));
}

bool int8_case(Random& random) {
  const int x = integer(random, 127), w = integer(random, 127);
  const std::int64_t start = std::int64_t{symmetric(random, 1 << 30)} * (directed(random) ? 1024 : 1);
  const std::int64_t sum = int8_step(start, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w));
  if (sum != start + x * w) return true;
  const float sx = scale(random), sw = scale(random);
  const Exact product = Exact::of(nearest_f32({sum, 0})) * Exact::of(nearest_f32(Exact::of(sx) * Exact::of(sw)));
  return differs(int8_foot(sum, sx, sw), nearest_f32(product));
}

bool int4_case(Random& random) {
  const int x = integer(random, 7), w = integer(random, 7), start = symmetric(random, 1 << 20);
  const std::int32_t sum = int4_step(start, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w));
  return sum != start + x * w || integer_foot_differs(random, sum, 1);
}

bool bitfusion_case(Random& random) {
  const auto a_bits = static_cast<unsigned>(2 + random.below(7)), w_bits = static_cast<unsigned>(2 + random.below(7));
  const int x = integer(random, (1 << (a_bits - 1)) - 1), w = integer(random, (1 << (w_bits - 1)) - 1);
  const int start = symmetric(random, 1 << 28);
  const std::int32_t sum =
      bitfusion_step(start, static_cast<std::int8_t>(x), static_cast<std::int8_t>(w), a_bits, w_bits);
  return sum != start + x * w || integer_foot_differs(random, sum, 1);
}

/// Steps of ANT and OliVe on operands of known values, INT8 among them.
bool exponent_integer_case(Random& random, ExponentInteger a, int a_value, ExponentInteger b, int b_value, bool olive) {
  const int start = symmetric(random, 1 << 29), x = integer(random, 127), w = integer(random, 127);
  const auto x8 = static_cast<std::int8_t>(x), w8 = static_cast<std::int8_t>(w);
  const std::int32_t sum = olive ? olive_step(start, a, b) : ant_step(start, a, b);
  if (value_of(a) != a_value || value_of(b) != b_value || sum != start + a_value * b_value) return true;
  if (ant_step_a8(start, x8, b) != start + x * b_value || ant_step_w8a8(start, x8, w8) != start + x * w) return true;
  return integer_foot_differs(random, sum, 1);
}

bool ant_case(Random& random) {
  std::uint8_t type[2], code[2];
  int value[2];
  for (int i = 0; i < 2; ++i) {
    type[i] = static_cast<std::uint8_t>(random.below(3));
    code[i] = static_cast<std::uint8_t>(random.below(16));
    value[i] = (code[i] > 7 ? -1 : 1) * adaptive_magnitudes[type[i]][code[i] & 7];
  }
  return exponent_integer_case(random, ant_decode(type[0], code[0]), value[0], ant_decode(type[1], code[1]), value[1],
                               false);
}

bool olive_case(Random& random) {
  ExponentInteger element[2];
  int value[2];
  for (int i = 0; i < 2; ++i) {
    const auto type = static_cast<std::uint8_t>(random.below(2));
    const auto first = static_cast<std::uint8_t>(random.below(16));
    const auto second = static_cast<std::uint8_t>(random.below(3) == 0 ? 8 : random.below(16));
    const OlivePair pair = olive_decode(type, first, second);
    element[i] = pair.first;
    value[i] = olive_grid_value(type, first, second);
    if (value_of(pair.second) != olive_grid_value(type, second, first)) return true;
  }
  return exponent_integer_case(random, element[0], value[0], element[1], value[1], true);
}

bool tender_case(Random& random) {
  const int x = integer(random, 127), w = integer(random, 127);
  const std::int64_t start = std::int64_t{symmetric(random, 1 << 29)} * (directed(random) ? 32 : 1);
  const std::int64_t sum = tender_step(tender_rescale(start), static_cast<std::int8_t>(x), static_cast<std::int8_t>(w));
  return sum != 2 * start + x * w || integer_foot_differs(random, sum, static_cast<unsigned>(1 + random.below(8)));
}

bool fp_int_aligned_case(Random& random) {
  const float x = fp16_number(random);
  const auto bits = static_cast<unsigned>(4 + random.below(12));
  const int own = aligned_exponent(x), largest = std::min(30, own + static_cast<int>(random.below(16)));
  const int place = largest - 25 - (static_cast<int>(bits) - 11);
  const Exact magnitude = Exact::of(std::fabs(x));
  const int shift = magnitude.exponent - place;
  const cpp_int cut = shift >= 0 ? cpp_int(magnitude.mantissa << shift) : cpp_int(magnitude.mantissa >> -shift);
  const int expected = x < 0 ? -cut.convert_to<int>() : cut.convert_to<int>();
  const std::int16_t m = aligned_magnitude(x, largest, bits);
  if (m != expected) return true;
  const int w = integer(random, 127), start = symmetric(random, 1 << 27);
  const std::int32_t sum = aligned_step(start, m, static_cast<std::int8_t>(w));
  if (sum != start + m * w) return true;
  const Exact value{sum, place};
  const float inner_start = accumulator_near(random, nearest_f32(value));
  const float inner = aligned_inner(inner_start, sum, largest, bits);
  if (differs(inner, add(inner_start, value))) return true;
  const float sw = scale(random);
  const Exact product = Exact::of(inner) * Exact::of(sw);
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(aligned_foot(accumulator, inner, sw), add(accumulator, product));
}

/// A plane over random lanes, and the foot.
bool anda_case(Random& random) {
  const auto lanes = static_cast<unsigned>(1 + random.below(anda_lanes));
  const std::uint64_t plane = random.next(), signs = random.next();
  std::int8_t w[anda_lanes];
  const std::int32_t start = symmetric(random, 1 << 22);
  std::int32_t expected = 2 * start;
  for (unsigned i = 0; i < lanes; ++i) {
    w[i] = static_cast<std::int8_t>(integer(random, 7));
    if ((plane >> i & 1) != 0) expected += (signs >> i & 1) != 0 ? -w[i] : w[i];
  }
  const std::int32_t sum = anda_plane(start, plane, signs, w, lanes);
  if (sum != expected) return true;
  const auto bits = static_cast<unsigned>(4 + random.below(12));
  const int exponent = static_cast<int>(1 + random.below(30));
  const float group = nearest_fp16({sum, exponent - 14 - static_cast<int>(bits)}), sw = scale(random);
  if (!std::isfinite(group)) return false;  // what becomes of infinity: anda_pe_test
  const Exact product = Exact::of(group) * Exact::of(sw);
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(anda_foot(accumulator, sum, exponent, bits, sw), add(accumulator, product));
}

/// The terms of a weight add up to it; a step of up to four lanes against shifted and cut integers; the foot.
bool bitmod_case(Random& random) {
  const bool floating = random.below(2) == 0;
  const unsigned bits = floating ? static_cast<unsigned>(3 + random.below(2)) : 8;
  const auto lanes = static_cast<unsigned>(1 + random.below(bitmod_lanes));
  const auto cycle = static_cast<unsigned>(random.below(floating ? 2 : 4));
  float x[bitmod_lanes] = {};
  BitmodTerm terms[bitmod_lanes];
  int largest = 0;
  for (unsigned i = 0; i < lanes; ++i) {
    x[i] = fp16_number(random);
    const int value = floating ? bitmod_grid_value(bits, static_cast<std::uint8_t>(random.below(4)),
                                                   static_cast<unsigned>(random.below(1U << bits)))
                               : integer(random, 127);
    int sum = 0;
    for (unsigned j = 0; j < (floating ? 2U : 4U); ++j) {
      const BitmodTerm term = floating ? bitmod_float_term(value, j) : bitmod_digit(value, j);
      sum += term.sign * (1 << term.exponent) * (floating ? 1 : 1 << (2 * j));
      if (j == cycle) terms[i] = term;
    }
    if (sum != value) return true;
    largest = std::max(largest, aligned_exponent(x[i]) + terms[i].exponent);
  }
  cpp_int total = 0;
  for (unsigned i = 0; i < lanes; ++i) {  // |x| * 2^exponent over 2^(largest - 28), cut off
    const Exact magnitude = Exact::of(std::fabs(x[i]));
    const int shift = magnitude.exponent + terms[i].exponent - (largest - 28);
    const cpp_int cut = shift >= 0 ? cpp_int(magnitude.mantissa << shift) : cpp_int(magnitude.mantissa >> -shift);
    total += cut * terms[i].sign * (std::signbit(x[i]) ? -1 : 1);
  }
  const unsigned significance = floating ? 0 : 2 * cycle;
  const Exact addend{total, largest - 28 + static_cast<int>(significance)};
  const float start = accumulator_near(random, nearest_f32(addend));
  const float sum = bitmod_step(start, x, terms, lanes, significance);
  if (differs(sum, add(start, addend))) return true;
  const float s = static_cast<float>(random.below(256)) * scale(random);
  const Exact product = Exact::of(sum) * Exact::of(s);
  const float accumulator = accumulator_near(random, nearest_f32(product));
  return differs(bitmod_foot(accumulator, sum, s), add(accumulator, product));
}

template <bool (*differs_in)(Random&)>
std::uint64_t mismatches(Random& random, std::uint64_t cases) {
  return count(random, cases, differs_in);
}

}  // namespace

const std::vector<MacCases>& mac_cases() {
  static const std::vector<MacCases> all = {{"mant", mismatches<mant_case>},
                                            {"bfp", mismatches<bfp_case>},
                                            {"fp_int", mismatches<fp_int_case>},
                                            {"fp_int_k", mismatches<fp_int_k_case>},
                                            {"amove", mismatches<amove_case>},
                                            {"fp16", mismatches<fp16_case>},
                                            {"fp16_dequant", mismatches<fp16_dequant_case>},
                                            {"int8", mismatches<int8_case>},
                                            {"int4", mismatches<int4_case>},
                                            {"bitfusion", mismatches<bitfusion_case>},
                                            {"ant", mismatches<ant_case>},
                                            {"olive", mismatches<olive_case>},
                                            {"tender", mismatches<tender_case>},
                                            {"fp_int_aligned", mismatches<fp_int_aligned_case>},
                                            {"anda", mismatches<anda_case>},
                                            {"bitmod", mismatches<bitmod_case>}};
  return all;
}

}  // namespace nibble::test
