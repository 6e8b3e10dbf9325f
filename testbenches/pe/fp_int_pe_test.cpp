// SPDX-License-Identifier: Apache-2.0
#include "pe/fp_int_pe.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/packed_words.h"
#include "formats/rounding.h"
#include "testbenches/pe/coded_tensors.h"
#include "testbenches/pe/exact_rounding.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;

float random_fp16(Random& random) {
  return fp16_value(static_cast<std::uint16_t>(random.below(2) << 15 | random.below(0x7C00)));
}

/// One output by PE steps.
float by_steps(const QuantizedTensor& a, const QuantizedTensor& w, std::size_t m, std::size_t n, bool product_fp16) {
  const unsigned bits = w.format.bits;
  const std::size_t columns = a.columns(), extent = w.format.group_extent(columns);
  float out = 0;
  for (std::size_t group = 0; group < columns; group += extent) {
    float accumulator = 0, activation_sum = 0;
    const std::size_t end = std::min(group + extent, columns);
    for (std::size_t k = group; k < end; k += 4) {
      const auto count = static_cast<unsigned>(std::min<std::size_t>(4, end - k));
      std::uint8_t u[4] = {};
      for (unsigned i = 0; i < count; ++i)
        u[i] = static_cast<std::uint8_t>(w.codes[n * columns + k + i] + (1 << (bits - 1)));
      accumulator = fp_int_dp4(accumulator, &a.values[m * columns + k], u, count, product_fp16);
      activation_sum = fp_int_activation_sum(activation_sum, &a.values[m * columns + k], count);
    }
    out = fp_int_group_foot(out, w.scales[w.group_index(n, group / extent)], accumulator, activation_sum, bits);
  }
  return out;
}

QuantizedTensor fp16_tensor(std::size_t rows, std::size_t columns, Random& random, bool all_values) {
  QuantizedTensor tensor;
  tensor.format = Format::parse("fp16");
  tensor.name = "activations";
  tensor.shape = {rows, columns};
  for (std::size_t i = 0; i < rows * columns; ++i) {
    tensor.values.push_back(all_values ? random_fp16(random) : round_fp16(static_cast<float>(random.normal())));
  }
  return tensor;
}

QuantizedTensor integer_weights(const std::string& format, std::size_t rows, std::size_t columns, Random& random) {
  QuantizedTensor tensor;
  tensor.format = Format::parse(format);
  tensor.name = "weights";
  tensor.shape = {rows, columns};
  const std::uint64_t largest = (1U << (tensor.format.bits - 1)) - 1;
  for (std::size_t i = 0; i < rows * columns; ++i) {
    tensor.codes.push_back(
        static_cast<std::int16_t>(static_cast<int>(random.below(2 * largest + 1)) - static_cast<int>(largest)));
  }
  for (std::size_t i = 0; i < tensor.groups(); ++i)
    tensor.scales.push_back(test::random_scale(random));
  return tensor;
}

TEST_CASE("a lane's product is exact for every FP16 activation and every weight") {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) == 0x7C00) continue;
    const float a = fp16_value(static_cast<std::uint16_t>(code));
    for (std::uint8_t u = 0; u < 16; ++u) {
      if (fp_int_product(a, u) != static_cast<double>(a) * (1024 + u)) FAIL(code << " * " << int{u});
    }
  }
  REQUIRE(fp_int_lane(2047, 15) == 2047U * 1039U);
  REQUIRE(fp_int_lane(2047, 15) < 1U << 22);
}

TEST_CASE("every FP16 activation with every weight, from the packed word to the foot") {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7C00) == 0x7C00) continue;
    const float a = fp16_value(static_cast<std::uint16_t>(code));
    const float sum = fp_int_activation_sum(0.0F, &a, 1);
    for (const unsigned bits : {4U, 2U}) {
      const int zero = 1 << (bits - 1);
      std::uint16_t word = 0;  // the weights -8 .. -5 and, for INT2, all of them twice
      for (unsigned lane = 0; lane < fp_int_lanes(bits); ++lane)
        word = static_cast<std::uint16_t>(word | (lane & (2U * static_cast<unsigned>(zero) - 1)) << (lane * bits));
      for (int base = 0; base < 2 * zero; base += static_cast<int>(fp_int_lanes(bits))) {
        float accumulators[8] = {};
        fp_int_dp4_n_packed(accumulators, &a, &word, 1, bits, false);
        for (unsigned lane = 0; lane < fp_int_lanes(bits); ++lane) {
          const int q = fp_int_lane_weight(word, lane, bits) - zero;
          // 22 bits of product, 22 of offset: nothing is rounded, so a * q itself remains.
          const float out = fp_int_group_foot(0.0F, 1.0F, accumulators[lane], sum, bits);
          const float twin = fp_int_dp4_k_packed(0.0F, &a, word, lane, 1, bits, false);
          if (out != a * static_cast<float>(q) || float_bits(twin) != float_bits(accumulators[lane]))
            FAIL(code << " * " << q << " of " << bits << " bits");
        }
        word = static_cast<std::uint16_t>(word + 0x4444 * (bits == 4 ? 1 : 0));  // the next four weights
      }
    }
  }
}

TEST_CASE("words hold 4 or 8 weights, the first in the low bits") {
  REQUIRE(fp_int_lanes(4) == 4);
  REQUIRE(fp_int_lanes(2) == 8);
  for (unsigned lane = 0; lane < 4; ++lane)
    REQUIRE(fp_int_lane_weight(0xD3A1, lane, 4) == (0xD3A1 >> (4 * lane) & 15));
  REQUIRE(fp_int_lane_weight(0x8001, 0, 2) == 1);
  REQUIRE(fp_int_lane_weight(0x8001, 7, 2) == 2);
}

TEST_CASE("DP-4, activation sum and group foot round once per operation, over the whole range of FP16") {
  Random random(41);
  for (int trial = 0; trial < 30000; ++trial) {
    const auto count = static_cast<unsigned>(1 + random.below(4));
    float a[4];
    std::uint8_t u[4];
    Exact products, sum;
    for (unsigned i = 0; i < count; ++i) {
      a[i] = random_fp16(random);
      u[i] = static_cast<std::uint8_t>(random.below(16));
      products = products + Exact::of(a[i]) * Exact{1024 + u[i], 0};
      sum = sum + Exact::of(a[i]);
    }
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(40)) - 10);
    const float expected = nearest_f32(Exact::of(start) + Exact::of(nearest_f32(products)));
    REQUIRE(float_bits(fp_int_dp4(start, a, u, count, false)) == float_bits(expected));
    const float expected_sum = nearest_f32(Exact::of(start) + Exact::of(nearest_f32(sum)));
    REQUIRE(float_bits(fp_int_activation_sum(start, a, count)) == float_bits(expected_sum));
    const float s = test::random_scale(random), acc = start * 3.7F;
    const float offset = nearest_f32(Exact{1032, 0} * Exact::of(a[0]));
    const float difference = nearest_f32(Exact::of(acc) + Exact::of(-offset));
    const float scaled = nearest_f32(Exact::of(s) * Exact::of(difference));
    REQUIRE(fp_int_group_foot(start, s, acc, a[0], 4) == nearest_f32(Exact::of(start) + Exact::of(scaled)));
  }
}

TEST_CASE("a GEMM equals the PE steps for every group shape, with tails") {
  Random random(42);
  struct Shape {
    std::size_t m, k, n;
    const char* format;
  };
  for (const Shape& s :
       {Shape{1, 1, 1, "int4-channel"}, Shape{3, 130, 18, "int4-g32x4"}, Shape{5, 66, 33, "int2-g32x4"},
        Shape{4, 200, 16, "int4-g128"}, Shape{2, 47, 7, "int2-channel"}, Shape{2, 50, 21, "int4-g4x3"}}) {
    for (const bool all_values : {false, true}) {
      for (const bool product_fp16 : {false, true}) {
        const QuantizedTensor a = fp16_tensor(s.m, s.k, random, all_values);
        const QuantizedTensor w = integer_weights(s.format, s.n, s.k, random);
        GemmOptions options;
        options.product_fp16 = product_fp16;
        std::vector<float> accumulators;
        gemm(fp_int_unit(), a, w, accumulators, options);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < s.m * s.n; ++i) {
          wrong += float_bits(accumulators[i]) != float_bits(by_steps(a, w, i / s.n, i % s.n, product_fp16));
        }
        CAPTURE(s.m, s.k, s.n, s.format, product_fp16);
        REQUIRE(wrong == 0);
      }
    }
  }
}

/// One GEMM from packed words, as the tensor core runs it: per scale group and four k, one word column at a time.
std::vector<float> by_words(const QuantizedTensor& a, const QuantizedTensor& w, PackAxis axis) {
  const PackedWords packed = pack_words(w, axis);
  const unsigned bits = packed.bits, lanes = packed.lanes();
  const std::size_t columns = a.columns(), extent = w.format.group_extent(columns),
                    width = axis == PackAxis::n ? lanes : 1;
  std::vector<float> out(a.rows() * w.rows(), 0.0F);
  for (std::size_t m = 0; m < a.rows(); ++m) {
    for (std::size_t group = 0; group < columns; group += extent) {
      for (std::size_t n = 0; n < w.rows(); n += width) {
        std::vector<float> accumulators(width, 0.0F);
        float activation_sum = 0;
        const std::size_t end = std::min(group + extent, columns);
        for (std::size_t k = group; k < end; k += 4) {
          const auto count = static_cast<unsigned>(std::min<std::size_t>(4, end - k));
          const float* x = &a.values[m * columns + k];
          activation_sum = fp_int_activation_sum(activation_sum, x, count);
          if (axis == PackAxis::n) {
            std::uint16_t words[4] = {};
            for (unsigned i = 0; i < count; ++i)
              words[i] = packed.word(n, k + i);
            fp_int_dp4_n_packed(accumulators.data(), x, words, count, bits, false);
          } else {
            accumulators[0] =
                fp_int_dp4_k_packed(accumulators[0], x, packed.word(n, k), packed.lane(n, k), count, bits, false);
          }
        }
        for (std::size_t i = n; i < std::min(n + width, w.rows()); ++i) {
          float& target = out[m * w.rows() + i];
          target = fp_int_group_foot(target, w.scales[w.group_index(i, group / extent)], accumulators[i - n],
                                     activation_sum, bits);
        }
      }
    }
  }
  return out;
}

TEST_CASE("words packed along n and along k give the bits of the GEMM, for every group shape and tails") {
  Random random(44);
  for (const char* format : {"int4-g32x4", "int4-g16x8", "int2-g32x4", "int2-g4x1", "int4-channel", "int2-channel"}) {
    for (const auto& [m, k, n] : {std::array<std::size_t, 3>{1, 1, 1}, {3, 50, 18}, {2, 67, 9}}) {
      const QuantizedTensor a = fp16_tensor(m, k, random, false), w = integer_weights(format, n, k, random);
      std::vector<float> accumulators, twin;
      gemm(fp_int_unit(), a, w, accumulators);
      gemm(fp_int_k_unit(), a, w, twin);
      CAPTURE(format, m, k, n);
      REQUIRE(twin == accumulators);
      REQUIRE(by_words(a, w, PackAxis::n) == accumulators);
      REQUIRE(by_words(a, w, PackAxis::k) == accumulators);
    }
  }
  REQUIRE(fp_int_k_unit().timing().modes.size() == 2);
  REQUIRE(fp_int_k_unit().timing().mode("int2-k").lanes == 4);
}

TEST_CASE("subtracting the offset leaves the product of the decoded operands") {
  Random random(43);
  const QuantizedTensor a = fp16_tensor(4, 64, random, false), w = integer_weights("int4-g32x4", 8, 64, random);
  const Tensor decoded = decode(w);
  std::vector<float> accumulators;
  gemm(fp_int_unit(), a, w, accumulators);
  for (std::size_t m = 0; m < 4; ++m) {
    for (std::size_t n = 0; n < 8; ++n) {
      double expected = 0, scale = 0;
      for (std::size_t k = 0; k < 64; ++k) {
        expected += double{a.values[m * 64 + k]} * decoded.values[n * 64 + k];
        scale = std::max(scale, double{w.scales[w.group_index(n, k / 32)]});
      }
      // acc is near 1032 * sum(a): its rounding errors stay.
      REQUIRE(accumulators[m * 8 + n] == Approx(expected).margin(scale * 0.1));
    }
  }
}

TEST_CASE("FP16 products can be invalid: the result is one quiet NaN, counted as an overflow") {
  QuantizedTensor a, w;
  a.format = Format::parse("fp16");
  w.format = Format::parse("int4-channel");
  a.shape = w.shape = {1, 2};
  a.values = {65504.0F, -65504.0F};
  w.codes = {7, 7};
  w.scales = {1.0F};
  GemmOptions options;
  options.product_fp16 = true;
  std::vector<float> accumulators;
  gemm(fp_int_unit(), a, w, accumulators, options);
  REQUIRE(float_bits(accumulators[0]) == 0x7FC00000U);
  REQUIRE(fp16_output(accumulators).overflows == 1);
  gemm(fp_int_unit(), a, w, accumulators);
  REQUIRE(accumulators[0] == 0.0F);
}

TEST_CASE("timing follows the adder-tree duplication; other pairs are refused") {
  REQUIRE(fp_int_pe_timing().mode("int4").initiation_interval == 2);
  REQUIRE(fp_int_pe_timing().mode("int4").lanes == 16);
  REQUIRE(fp_int_pe_timing().mode("int2").initiation_interval == 4);
  REQUIRE(fp_int_pe_timing(4).mode("int4").initiation_interval == 1);
  REQUIRE(fp_int_pe_timing(1).mode("int4-k").lanes == 4);
  REQUIRE_THROWS_AS(fp_int_pe_timing(0), InputError);
  REQUIRE(fp_int_pe_timing(8).mode("int4").initiation_interval == 1);
  REQUIRE(fp_int_pe_timing(8).mode("int2").initiation_interval == 1);
  REQUIRE_THROWS_AS(fp_int_pe_timing(3), InputError);
  REQUIRE_THROWS_AS(fp_int_pe_timing(16), InputError);
  const auto supports = [](const char* a, const char* w) {
    return fp_int_unit().supports(Format::parse(a), Format::parse(w));
  };
  REQUIRE(supports("fp16", "int4-g32x4"));
  for (const auto& [a, w] : {std::pair{"fp16", "int4-g30x4"},
                             {"fp16", "int3-g32"},
                             {"fp16", "int4-tensor"},
                             {"bf16", "int4-g32"},
                             {"int8-g32", "int4-g32"},
                             {"fp16", "fp16"}}) {
    CAPTURE(a, w);
    REQUIRE_FALSE(supports(a, w));
  }
}

}  // namespace
}  // namespace nibble
