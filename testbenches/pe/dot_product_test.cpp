// SPDX-License-Identifier: Apache-2.0
/// Whole dot products against rational arithmetic on the decoded operands: equal where every intermediate value fits
/// its register without rounding, within the bound of the roundings where it does not.
#include <catch2/catch.hpp>

#include "pe/pe_library.h"
#include "testbenches/pe/exact_rounding.h"
#include "testbenches/pe/operands.h"

namespace nibble {
namespace {

using test::Exact;
using test::TensorShape;

struct Pair {
  const char *pe, *a, *w;
  bool fp32 = false;
  /// Roundings per term of |a * w| that the result can be off, in units of the accumulator's half unit in the last
  /// place; 0: the bound below does not hold (offsets, cuts).
  double roundings = 0;
};

/// sum a * w over the decoded operands, and sum |a * w|.
struct Dot {
  Exact sum;
  double magnitude = 0;
};
Dot dot(const Tensor& a, const Tensor& w, std::size_t m, std::size_t n) {
  Dot result;
  for (std::size_t k = 0; k < a.columns(); ++k) {
    const float x = a.values[m * a.columns() + k], y = w.values[n * a.columns() + k];
    if (x == 0 || y == 0) continue;
    result.sum = result.sum + Exact::of(x) * Exact::of(y);
    result.magnitude += std::fabs(static_cast<double>(x) * static_cast<double>(y));
  }
  return result;
}

/// Rounded once to binary64.
double value_of(const Exact& exact) {
  return test::nearest(exact, 53, -1074, 1024);
}

const Pair pairs[] = {{"mant", "int8-g64", "mant4-g64", false, 4},
                      {"mant", "int8-g64", "int8-g64", false, 4},
                      {"bfp", "bfp8-g32", "int4-g128", false, 6},
                      {"bfp", "bfp8-g32", "bfp4-g32", false, 4},
                      {"bfp", "bfp8-g32", "bfp8-g32", false, 4},
                      {"amove", "amove4-g32c4", "amove4-g32c4", true, 4},
                      {"amove", "amove4-g128c16", "amove4-g128c16", true, 4},
                      {"fp16", "fp16", "fp16", false, 2},
                      {"fp16_dequant", "fp16", "int4-g128", false, 16384},  // FP16 weights: 2^-11 each
                      {"int8", "int8-channel", "int8-channel", false, 4},
                      {"int4", "int4-g32", "int4-g32", false, 4},
                      {"bitfusion", "int8-channel", "int2-channel", false, 4},
                      {"ant", "ant4-channel", "ant4-channel", false, 4},
                      {"olive", "olive4-channel", "olive4-channel", false, 4},
                      {"tender", "tender8-d8", "int8-channel", false, 4}};

TEST_CASE("dot products of encoded tensors are within the bound of their roundings of the exact ones") {
  Random random(101);
  for (const TensorShape shape : {TensorShape::gaussian, TensorShape::outlier_channels, TensorShape::massive_outliers,
                                  TensorShape::zero_groups, TensorShape::ties}) {
    const Tensor x = test::shaped_tensor(shape, 6, 331, random), y = test::shaped_tensor(shape, 7, 331, random);
    for (const Pair& pair : pairs) {
      EncodeOptions offline;
      offline.slot = TensorSlot::offline;
      const QuantizedTensor a = encode(x, Format::parse(pair.a)), w = encode(y, Format::parse(pair.w), offline);
      const Tensor decoded_a = decode(a), decoded_w = decode(w);
      GemmOptions options;
      options.accumulate_fp32 = pair.fp32;
      std::vector<float> accumulators;
      gemm(find_pe(pair.pe), a, w, accumulators, options);
      // Every addition into the accumulator rounds the sum so far; there are at most 331 of them.
      const double additions = std::string(pair.pe).rfind("fp16", 0) == 0 ? 331 : 331.0 / 4 + 1;
      for (std::size_t i = 0; i < accumulators.size(); ++i) {
        const Dot exact = dot(decoded_a, decoded_w, i / w.rows(), i % w.rows());
        const double bound = exact.magnitude * 0x1p-24 * (additions + pair.roundings);
        CAPTURE(pair.pe, pair.a, pair.w, static_cast<int>(shape), i);
        REQUIRE(std::fabs(static_cast<double>(accumulators[i]) - value_of(exact.sum)) <= bound);
      }
    }
  }
}

/// Integers and one scale that is a power of two: nothing is rounded anywhere, sums stay within 24 bits.
QuantizedTensor exact_operand(const char* format, std::size_t rows, std::size_t columns, Random& random) {
  QuantizedTensor tensor = test::random_operand(format, rows, columns, random);
  for (float& scale : tensor.scales)
    scale = 0.25F;
  for (std::int16_t& exponent : tensor.exponents)
    exponent = 16;
  for (float& base : tensor.base_scales)
    base = 64.0F;
  for (float& residual : tensor.residuals)
    residual = 16.0F;
  for (float& value : tensor.values)
    value = static_cast<float>(static_cast<int>(random.below(65)) - 32) / 4.0F;
  if (tensor.format.family == FormatFamily::tender) {
    for (std::int16_t& code : tensor.codes)
      code = static_cast<std::int16_t>(code / 16);  // the shifts between groups take seven bits
  }
  tensor.tensor_exponent = 0;
  return tensor;
}

TEST_CASE("dot products that need no rounding equal the rational ones") {
  Random random(102);
  for (const Pair& pair : pairs) {
    for (const std::size_t columns : {1, 5, 64, 100}) {
      const QuantizedTensor a = exact_operand(pair.a, 5, columns, random);
      const QuantizedTensor w = exact_operand(pair.w, 18, columns, random);
      const Tensor decoded_a = decode(a), decoded_w = decode(w);
      GemmOptions options;
      options.accumulate_fp32 = pair.fp32;
      std::vector<float> accumulators;
      gemm(find_pe(pair.pe), a, w, accumulators, options);
      for (std::size_t i = 0; i < accumulators.size(); ++i) {
        CAPTURE(pair.pe, pair.a, pair.w, columns, i);
        REQUIRE(static_cast<double>(accumulators[i]) ==
                value_of(dot(decoded_a, decoded_w, i / w.rows(), i % w.rows()).sum));
      }
    }
  }
}

TEST_CASE("offsets and alignments that need no rounding leave the rational dot product") {
  Random random(103);
  for (const Pair& pair : {Pair{"fp_int", "fp16", "int4-g32x4"},
                           {"fp_int", "fp16", "int2-channel"},
                           {"fp_int_k", "fp16", "int4-channel"},
                           {"bitmod", "fp16", "int8-channel"},
                           {"fp_int_aligned", "fp16", "int4-g32"},
                           {"fp_int_aligned", "fp16", "int8-channel"}}) {
    for (const std::size_t columns : {1, 5, 64, 100}) {
      const QuantizedTensor a = exact_operand(pair.a, 5, columns, random);
      const QuantizedTensor w = exact_operand(pair.w, 18, columns, random);
      const Tensor decoded_a = decode(a), decoded_w = decode(w);
      std::vector<float> accumulators;
      gemm(find_pe(pair.pe), a, w, accumulators);
      for (std::size_t i = 0; i < accumulators.size(); ++i) {
        CAPTURE(pair.pe, pair.w, columns, i);
        REQUIRE(static_cast<double>(accumulators[i]) ==
                value_of(dot(decoded_a, decoded_w, i / w.rows(), i % w.rows()).sum));
      }
    }
  }
}

TEST_CASE("the worked example of Amove, multiplied with itself") {
  const Tensor x{"Fig. 6c",
                 {1, 16},
                 {16.1F, 81, 1.1F, 17.1F, -27.8F, 280, 0.2F, -1.8F, 32.3F, 79, 2.3F, -16, 8, -3.9F, -3.6F, -7.2F}};
  const QuantizedTensor coded = encode(x, Format::parse("amove4-g16c4"));
  // Scales 16, 40, 16, 4; sums of squared integers 27, 50, 30, 10.
  const float exact = 256.0F * 27 + 1600.0F * 50 + 256.0F * 30 + 16.0F * 10;
  REQUIRE(value_of(dot(decode(coded), decode(coded), 0, 0).sum) == exact);
  std::vector<float> accumulators;
  GemmOptions fp32;
  fp32.accumulate_fp32 = true;
  gemm(find_pe("amove"), coded, coded, accumulators, fp32);
  REQUIRE(accumulators == std::vector<float>{exact});
  // In FP16 1600 * 50 = 80000 is beyond 65504.
  gemm(find_pe("amove"), coded, coded, accumulators);
  REQUIRE(fp16_output(accumulators).overflows == 1);
  // One power of two less on either side, and it stays within FP16.
  QuantizedTensor smaller = coded;
  smaller.tensor_exponent = -1;
  gemm(find_pe("amove"), smaller, smaller, accumulators);
  const float first = 64.0F * 27, second = first + 400.0F * 50;  // 1728, 21728
  REQUIRE(second == round_fp16(second));
  const float third = round_fp16(second + 64.0F * 30);  // 23648
  REQUIRE(accumulators == std::vector<float>{round_fp16(third + 4.0F * 10)});
}

}  // namespace
}  // namespace nibble
