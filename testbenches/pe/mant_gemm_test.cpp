// SPDX-License-Identifier: Apache-2.0
#include "pe/mant_gemm.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "core/error.h"
#include "formats/rounding.h"
#include "pe/group_gemm.h"
#include "pe/mant_pe.h"
#include "testbenches/pe/coded_tensors.h"

namespace nibble {
namespace {

using test::random_coded;

/// One output by PE steps: what the array does, element by element.
float by_steps(const QuantizedTensor& a, const QuantizedTensor& w, std::size_t m, std::size_t n) {
  const std::size_t extent = a.format.group_k, columns = a.columns();
  float accumulator = 0;
  for (std::size_t k = 0, g = 0; k < columns; k += extent, ++g) {
    const std::size_t weight_group = w.group_index(n, w.format.grouping == Grouping::channel ? 0 : g);
    const std::size_t end = std::min(k + extent, columns);
    std::int32_t sum = 0;
    for (std::size_t pass = k; pass < end; pass += mant_pass_elements) {
      MantSums sums;
      for (std::size_t i = pass; i < std::min<std::size_t>(pass + mant_pass_elements, end); ++i) {
        const auto x = static_cast<std::int8_t>(a.codes[m * columns + i]);
        const std::int16_t code = w.codes[n * columns + i];
        if (w.types.empty()) {
          sum = mant_step_w8(sum, x, static_cast<std::int8_t>(code));
        } else {
          sums = mant_step(sums, x, static_cast<std::uint8_t>(code), w.types[weight_group] == mant_int4_type);
        }
      }
      if (!w.types.empty()) sum += mant_group_sum(sums, w.types[weight_group]);
    }
    accumulator = mant_foot(accumulator, sum, a.scales[a.group_index(m, g)], w.scales[weight_group]);
  }
  return accumulator;
}

std::size_t differences(const std::vector<float>& a, const std::vector<float>& b) {
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    count += float_bits(a[i]) != float_bits(b[i]);
  return count;
}

struct Shape {
  std::size_t m, k, n, group;
};

TEST_CASE("a GEMM equals the PE steps for every pair of formats, with tails in every direction") {
  Random random(21);
  const Shape shapes[] = {{1, 1, 1, 64},      {3, 64, 16, 64},  {5, 200, 17, 64},  {4, 129, 33, 128},
                          {2, 600, 70, 256},  {9, 31, 5, 32},   {7, 23, 80, 7},    {6, 90, 64, 1},
                          {13, 1100, 65, 64}, {2, 511, 3, 255}, {8, 768, 128, 64}, {4, 1025, 20, 64}};
  for (const Shape& s : shapes) {
    const std::string group = "-g" + std::to_string(s.group);
    for (const std::string& weight_format : {"mant4" + group, "int8" + group, std::string("int8-channel")}) {
      CAPTURE(s.m, s.k, s.n, weight_format);
      const QuantizedTensor a = random_coded("int8" + group, s.m, s.k, random);
      const QuantizedTensor w = random_coded(weight_format, s.n, s.k, random);
      std::vector<float> expected, accumulators = {42.0F};
      for (std::size_t m = 0; m < s.m; ++m) {
        for (std::size_t n = 0; n < s.n; ++n)
          expected.push_back(by_steps(a, w, m, n));
      }
      mant_gemm(a, w, accumulators);
      REQUIRE(differences(accumulators, expected) == 0);
    }
  }
}

TEST_CASE("every kernel of this machine gives the same bits, narrow and wide") {
  std::vector<GroupKernel> kernels;
#if defined(__x86_64__)
  kernels.push_back(group_kernel_sse2);
  if (__builtin_cpu_supports("avx2")) kernels.push_back(group_kernel_avx2);
#endif
  kernels.push_back(chosen_group_kernel());
  Random random(22);
  for (const Shape& s : {Shape{11, 320, 50, 64}, Shape{3, 77, 16, 10}, Shape{2, 45, 35, 9}, Shape{6, 1030, 21, 256}}) {
    const QuantizedTensor a = random_coded("int8-g" + std::to_string(s.group), s.m, s.k, random);
    const QuantizedTensor w = random_coded("int8-g" + std::to_string(s.group), s.n, s.k, random);
    GroupOperand x, y;
    x.codes = a.codes.data();
    x.scales = a.scales.data();
    x.scales_per_row = y.scales_per_row = a.groups_per_row();
    y.codes = w.codes.data();
    y.scales = w.scales.data();
    for (const bool wide : {false, true}) {
      const GemmRange whole{0, s.m, 0, s.k, 0, s.n};
      std::vector<float> expected(s.m * s.n, 0.25F);
      group_gemm(x, y, {s.k, s.group, wide, 0}, whole, expected.data(), s.n, group_kernel_portable);
      for (const GroupKernel kernel : kernels) {
        std::vector<float> got(s.m * s.n, 0.25F);
        group_gemm(x, y, {s.k, s.group, wide, 0}, whole, got.data(), s.n, kernel);
        REQUIRE(differences(got, expected) == 0);
      }
    }
  }
}

TEST_CASE("tiles in ascending k give the bits of the whole") {
  Random random(23);
  const QuantizedTensor a = random_coded("int8-g64", 10, 333, random);
  const QuantizedTensor w = random_coded("mant4-g64", 40, 333, random);
  std::vector<float> whole, tiled(10 * 40, 0.0F);
  mant_gemm(a, w, whole);
  for (std::size_t k = 0; k < 333; k += 128) {
    for (std::size_t m = 0; m < 10; m += 3) {
      for (std::size_t n = 0; n < 40; n += 32) {
        const GemmRange range{m, std::min<std::size_t>(3, 10 - m), k, std::min<std::size_t>(128, 333 - k),
                              n, std::min<std::size_t>(32, 40 - n)};
        gemm_tile(mant_unit(), a, w, range, tiled.data() + m * 40 + n, 40);
      }
    }
  }
  REQUIRE(differences(whole, tiled) == 0);
  REQUIRE_THROWS_AS(gemm_tile(mant_unit(), a, w, {0, 10, 32, 64, 0, 40}, tiled.data(), 40), InternalError);
  REQUIRE_THROWS_AS(gemm_tile(mant_unit(), a, w, {0, 10, 0, 100, 0, 40}, tiled.data(), 40), InternalError);
  REQUIRE_THROWS_AS(gemm_tile(mant_unit(), a, w, {1, 10, 0, 64, 0, 40}, tiled.data(), 40), InternalError);
}

TEST_CASE("pairs that the PE does not compute are refused with the list of those it does") {
  Random random(24);
  std::vector<float> accumulators;
  const QuantizedTensor x = random_coded("int8-g64", 2, 128, random);
  const QuantizedTensor w = random_coded("mant4-g64", 2, 128, random);
  const auto refused = [&](const QuantizedTensor& a, const QuantizedTensor& b) {
    REQUIRE_THROWS_AS(mant_gemm(a, b, accumulators), InputError);
    REQUIRE_THROWS_WITH(mant_gemm(a, b, accumulators),
                        Catch::Contains("int8-g<k> with mant4-g<k>") && Catch::Contains(a.format.name()));
  };
  for (const char* format : {"int8-g32", "int8-channel", "int8-tensor", "int4-g64"}) {
    refused(random_coded(format, 2, 128, random), w);
  }
  refused(w, x);
  refused(w, w);
  for (const char* format : {"mant4-g32", "int8-g32", "int8-tensor", "int4-g64", "int4-channel", "int8-g64x2"}) {
    refused(x, random_coded(format, 2, 128, random));
  }
  refused(random_coded("int8-g257", 2, 600, random), random_coded("mant4-g257", 2, 600, random));
  REQUIRE_THROWS_WITH(mant_gemm(x, random_coded("mant4-g64", 2, 64, random), accumulators),
                      Catch::Contains("128") && Catch::Contains("random mant4-g64"));
}

TEST_CASE("outputs beyond FP16 become infinity, are counted, and are never NaN") {
  QuantizedTensor a, w;
  a.format = Format::parse("int8-g64");
  w.format = Format::parse("mant4-g64");
  a.name = "a";
  w.name = "w";
  a.shape = {1, 64};
  w.shape = {4, 64};
  a.codes.assign(64, 127);
  a.scales = {65504.0F};
  w.codes.assign(256, 7);
  std::fill(w.codes.begin() + 64, w.codes.begin() + 128, std::int16_t{15});
  w.scales = {65504.0F, 65504.0F, 0.0F, 0x1p-24F};
  w.types = {120, 120, 120, mant_int4_type};
  std::vector<float> accumulators;
  mant_gemm(a, w, accumulators);
  REQUIRE(accumulators[0] == mant_foot(0, 64 * 127 * 968, 65504.0F, 65504.0F));
  const Fp16Output output = fp16_output(accumulators);
  REQUIRE(output.bits[0] == 0x7C00);
  REQUIRE(output.bits[1] == 0xFC00);
  REQUIRE(output.bits[2] == 0);
  REQUIRE(output.bits[3] == fp16_bits(static_cast<float>(64 * 127 * 7) * 65504.0F * 0x1p-24F));
  REQUIRE(output.overflows == 2);
  REQUIRE(fp16_output({65519.996F, 65520.0F, -65520.0F}).overflows == 2);
}

TEST_CASE("a quantized GEMM of encoded tensors is near the product of the decoded ones") {
  Random random(25);
  const Tensor a = test::random_tensor("a", 6, 300, random), w = test::random_tensor("w", 20, 300, random);
  const QuantizedTensor qa = encode(a, Format::parse("int8-g64")), qw = encode(w, Format::parse("mant4-g64"));
  const Tensor da = decode(qa), dw = decode(qw);
  std::vector<float> accumulators;
  mant_gemm(qa, qw, accumulators);
  for (std::size_t m = 0; m < 6; ++m) {
    for (std::size_t n = 0; n < 20; ++n) {
      double expected = 0;
      for (std::size_t k = 0; k < 300; ++k)
        expected += double{da.values[m * 300 + k]} * dw.values[n * 300 + k];
      REQUIRE(accumulators[m * 20 + n] == Approx(expected).epsilon(1e-5).margin(1e-4));
    }
  }
}

}  // namespace
}  // namespace nibble
