// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/rounding.h"
#include "pe/fp16_pe.h"
#include "pe/int8_pe.h"
#include "pe/pe_library.h"
#include "testbenches/pe/coded_tensors.h"
#include "testbenches/pe/exact_rounding.h"

namespace nibble {
namespace {

using test::Exact;
using test::nearest_f32;

QuantizedTensor random_fp16(std::size_t rows, std::size_t columns, Random& random) {
  QuantizedTensor tensor;
  tensor.format = Format::parse("fp16");
  tensor.name = "fp16 tensor";
  tensor.shape = {rows, columns};
  for (std::size_t i = 0; i < rows * columns; ++i) {
    tensor.values.push_back(fp16_value(static_cast<std::uint16_t>(random.below(2) << 15 | random.below(0x7C00))));
  }
  return tensor;
}

TEST_CASE("an FP16 step rounds the product and the sum once each") {
  Random random(61);
  for (int trial = 0; trial < 50000; ++trial) {
    const QuantizedTensor pair = random_fp16(1, 2, random);
    const Exact product = Exact::of(pair.values[0]) * Exact::of(pair.values[1]);
    const float v = nearest_f32(product);
    const float start = std::ldexp(static_cast<float>(random.normal()), static_cast<int>(random.below(50)) - 25);
    REQUIRE(fp16_step(start, pair.values[0], pair.values[1]) == nearest_f32(Exact::of(start) + Exact::of(v)));
  }
}

TEST_CASE("every FP16 activation with every INT4 and INT2 weight, dequantized") {
  for (const float scale : {1.0F, 0x1.994p-5F, 0x1p-24F, 9216.0F}) {
    for (int q = -8; q < 8; ++q) {
      const float w = fp16_dequantized(static_cast<std::int16_t>(q), scale);
      REQUIRE(w == test::nearest_fp16(Exact{q, 0} * Exact::of(scale)));
      if (!std::isfinite(w)) continue;
      for (std::uint32_t code = 0; code < 0x10000; ++code) {
        if ((code & 0x7C00) == 0x7C00) continue;
        const float a = fp16_value(static_cast<std::uint16_t>(code));
        // 22 bits: binary64 holds the product, the conversion rounds it once (it fits binary32 anyway).
        const auto product = static_cast<float>(static_cast<double>(a) * static_cast<double>(w));
        if (fp16_step(0.0F, a, w) != product) FAIL(code << " * " << q << " * " << scale);
      }
    }
  }
}

TEST_CASE("FP16 GEMMs accumulate in ascending k, also in tiles") {
  Random random(62);
  const QuantizedTensor a = random_fp16(5, 70, random), w = random_fp16(19, 70, random);
  std::vector<float> accumulators, tiled(5 * 19, 0.0F);
  gemm(fp16_unit(), a, w, accumulators);
  for (std::size_t i = 0; i < accumulators.size(); ++i) {
    float expected = 0;
    for (std::size_t k = 0; k < 70; ++k)
      expected = fp16_step(expected, a.values[i / 19 * 70 + k], w.values[i % 19 * 70 + k]);
    REQUIRE(float_bits(accumulators[i]) == float_bits(expected));
  }
  for (std::size_t k = 0; k < 70; k += 33) {
    for (std::size_t m = 0; m < 5; m += 3) {
      gemm_tile(fp16_unit(), a, w, {m, std::min<std::size_t>(3, 5 - m), k, std::min<std::size_t>(33, 70 - k), 0, 19},
                tiled.data() + m * 19, 19);
    }
  }
  REQUIRE(tiled == accumulators);
}

TEST_CASE("dequantized weights are rounded to FP16 before they are multiplied") {
  Random random(63);
  for (const char* format : {"int4-g32", "int8-channel", "int3-tensor", "int4-g8x4"}) {
    QuantizedTensor w = test::random_coded("int8-channel", 6, 50, random);
    w.format = Format::parse(format);
    const int largest = (1 << (w.format.bits - 1)) - 1;
    for (std::int16_t& code : w.codes)
      code = std::clamp<std::int16_t>(code, static_cast<std::int16_t>(-largest), static_cast<std::int16_t>(largest));
    w.scales.clear();
    for (std::size_t i = 0; i < w.groups(); ++i)
      w.scales.push_back(test::random_scale(random));
    const QuantizedTensor a = random_fp16(3, 50, random);
    const Tensor decoded = decode(w);
    std::vector<float> accumulators;
    gemm(fp16_dequant_unit(), a, w, accumulators);
    for (std::size_t i = 0; i < accumulators.size(); ++i) {
      float expected = 0;
      for (std::size_t k = 0; k < 50; ++k) {
        expected = fp16_step(expected, a.values[i / 6 * 50 + k],
                             test::nearest_fp16(Exact::of(decoded.values[i % 6 * 50 + k])));
      }
      REQUIRE(float_bits(accumulators[i]) == float_bits(expected));
    }
  }
  QuantizedTensor w = test::random_coded("int8-channel", 1, 4, random);
  w.codes = {0, 1, 2, 3};
  w.scales = {32752.0F};
  std::vector<float> accumulators;
  const QuantizedTensor a = random_fp16(1, 4, random);
  REQUIRE_THROWS_WITH(gemm(fp16_dequant_unit(), a, w, accumulators),
                      Catch::Contains("random int8-channel") && Catch::Contains("element 3"));
}

TEST_CASE("INT8: an exact sum over the whole reduction, scaled once") {
  Random random(64);
  for (const std::size_t columns : {1, 33, 500, 140000}) {
    QuantizedTensor a = test::random_coded("int8-channel", 3, columns, random);
    const QuantizedTensor w = test::random_coded("int8-channel", 4, columns, random);
    if (columns > 100000)
      std::fill(a.codes.begin(), a.codes.begin() + static_cast<std::ptrdiff_t>(columns), std::int16_t{-128});
    QuantizedTensor all_low = w;
    std::fill(all_low.codes.begin(), all_low.codes.end(), std::int16_t{-128});
    for (const QuantizedTensor& weights : {w, all_low}) {
      std::vector<float> accumulators;
      gemm(int8_unit(), a, weights, accumulators);
      for (std::size_t i = 0; i < 12; ++i) {
        std::int64_t sum = 0;
        for (std::size_t k = 0; k < columns; ++k) {
          sum = int8_step(sum, static_cast<std::int8_t>(a.codes[i / 4 * columns + k]),
                          static_cast<std::int8_t>(weights.codes[i % 4 * columns + k]));
        }
        const Exact scale = Exact::of(a.scales[i / 4]) * Exact::of(weights.scales[i % 4]);
        const float rounded = nearest_f32({sum, 0});
        const float expected = nearest_f32(Exact::of(rounded) * Exact::of(nearest_f32(scale)));
        REQUIRE(float_bits(accumulators[i]) == float_bits(expected == 0 ? 0.0F : expected));
      }
    }
  }
  const QuantizedTensor a = test::random_coded("int8-channel", 1, 64, random);
  float accumulator = 0;
  REQUIRE_THROWS_AS(gemm_tile(int8_unit(), a, a, {0, 1, 0, 32, 0, 1}, &accumulator, 1), InternalError);
}

TEST_CASE("the library knows every PE by its name") {
  REQUIRE(pe_library().names() == std::vector<std::string>{"amove", "anda", "ant", "bfp", "bitfusion", "bitmod", "fp16",
                                                           "fp16_dequant", "fp_int", "fp_int_aligned", "fp_int_k",
                                                           "int4", "int8", "mant", "olive", "tender"});
  for (const std::string& name : pe_library().names()) {
    const PeUnit& pe = find_pe(name);
    REQUIRE(pe.name == name);
    REQUIRE_FALSE(pe.timing().modes.empty());
    const std::string error =
        "the " + name + " PE does not multiply activations in mxfp4-g32 with weights in mxfp4-g32; supported: ";
    REQUIRE_THROWS_WITH(check_formats(pe, Format::parse("mxfp4-g32"), Format::parse("mxfp4-g32")),
                        Catch::Contains(error + pe.supported));
  }
  REQUIRE_THROWS_WITH(find_pe("mnat"), Catch::Contains("mant"));
}

TEST_CASE("a program adds a PE of its own to the library") {
  static PeUnit own = int8_unit();
  own.name = "own";
  add_pe(own);
  REQUIRE(&find_pe("own") == &own);
  REQUIRE_THROWS_WITH(find_pe("owm"), Catch::Contains("own"));
  REQUIRE_THROWS_WITH(add_pe(own), Catch::Contains("registered twice: own"));
  PeUnit without_function = int8_unit();
  without_function.name = "empty";
  without_function.tile = nullptr;
  REQUIRE_THROWS_AS(add_pe(without_function), InternalError);
  REQUIRE_FALSE(pe_library().contains("empty"));
}

}  // namespace
}  // namespace nibble
