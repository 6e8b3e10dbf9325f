// SPDX-License-Identifier: Apache-2.0
/// What a second of one core simulates of a PE: steps of the PE function, and cycles of a 4 x 4 array by the cycle
/// model. The benches print the figure of the RTL (docs/rtl.md, "Speed").
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "accelerators/output_stationary_array_cycle.h"
#include "core/random.h"
#include "formats/rounding.h"
#include "pe/amove_pe.h"
#include "pe/bfp_pe.h"
#include "pe/fp16_pe.h"
#include "pe/int8_pe.h"
#include "pe/mant_pe.h"
#include "testbenches/accelerators/mant_array_cycle.h"

using namespace nibble;

namespace {

constexpr std::size_t operands = 4096;

struct Operands {
  std::vector<std::int8_t> x, w;
  std::vector<std::uint8_t> codes;
  std::vector<std::uint16_t> words;
  std::vector<float> a, b;
  std::vector<std::int16_t> wide, narrow;
};

Operands random_operands() {
  Random random(1);
  Operands all;
  for (std::size_t i = 0; i < operands + 64; ++i) {
    const std::uint64_t bits = random.next();
    all.x.push_back(static_cast<std::int8_t>(bits));
    all.w.push_back(static_cast<std::int8_t>((bits >> 8 & 15) - 8));
    all.codes.push_back(static_cast<std::uint8_t>(bits >> 16 & 15));
    all.words.push_back(static_cast<std::uint16_t>(bits >> 20));
    all.a.push_back(round_fp16(static_cast<float>(random.normal())));
    all.b.push_back(round_fp16(static_cast<float>(random.normal())));
    all.wide.push_back(static_cast<std::int16_t>((bits >> 36 & 511) - 255));
    all.narrow.push_back(static_cast<std::int16_t>((bits >> 48 & 15) - 7));
  }
  return all;
}

/// Calls `step(i)` for i below `operands`, over and over, for a third of a second; prints millions per second.
template <class Step>
void measure(const char* name, Step step) {
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t count = 0;
  double seconds = 0;
  while (seconds < 0.3) {
    for (std::size_t i = 0; i < operands; ++i)
      step(i);
    count += operands;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  std::printf("%-40s %8.2f million per second\n", name, static_cast<double>(count) / seconds / 1e6);
}

struct Int8Arithmetic {
  using Left = std::int8_t;
  using Top = std::int8_t;
  using Sum = std::int64_t;
  static void step(Sum& sum, Left x, Top w) { sum = int8_step(sum, x, w); }
};

void measure_arrays(const Operands& all) {
  ArrayGeometry geometry;
  geometry.rows = geometry.columns = 4;
  OutputStationaryArrayCycle<Int8Arithmetic> array(geometry);
  OutputStationaryArrayCycle<Int8Arithmetic>::Step step;
  std::vector<OutputStationaryArrayCycle<Int8Arithmetic>::Result> results;
  step.valid = true;
  step.left.resize(4);
  step.top.resize(4);
  measure("int8, 4 x 4, cycle model, cycles", [&](std::size_t i) {
    step.first = i % 64 == 0;
    step.last = i % 64 == 63;
    std::copy_n(all.x.begin() + static_cast<std::ptrdiff_t>(i), 4, step.left.begin());
    std::copy_n(all.w.begin() + static_cast<std::ptrdiff_t>(i), 4, step.top.begin());
    results.clear();
    array.step(step, results);
  });

  test::SystolicArrayCycle mant(geometry);
  test::SystolicArrayCycle::ActivationRow row;
  test::SystolicArrayCycle::WeightRow weight;
  std::vector<test::SystolicArrayCycle::Result> sums;
  row.x.resize(4);
  weight.codes.resize(4);
  weight.int4.resize(4);
  measure("mant, 4 x 4, cycle model, cycles", [&](std::size_t i) {
    const std::size_t at = i % 64;
    weight.valid = at < 4;  // a pass of 56 rows after its weights
    weight.row = weight.valid ? 3 - at : 0;
    row.valid = at >= 8;
    row.first = at == 8;
    std::copy_n(all.x.begin() + static_cast<std::ptrdiff_t>(i), 4, row.x.begin());
    std::copy_n(all.codes.begin() + static_cast<std::ptrdiff_t>(i), 4, weight.codes.begin());
    sums.clear();
    mant.step(row, weight, sums);
  });
}

}  // namespace

int main() {
  const Operands all = random_operands();
  volatile float sink = 0;
  MantSums sums;
  measure("mant_step",
          [&](std::size_t i) { sums = mant_step(i % 64 == 0 ? MantSums() : sums, all.x[i], all.codes[i], false); });
  std::int64_t integer = 0;
  measure("int8_step", [&](std::size_t i) { integer = int8_step(i == 0 ? 0 : integer, all.x[i], all.w[i]); });
  std::int32_t cluster = 0;
  measure("amove_step", [&](std::size_t i) {
    cluster = amove_step(i % 16 == 0 ? 0 : cluster, static_cast<std::int8_t>(all.w[i]), all.w[i], 16);
  });
  float sum = 0;
  measure("fp16_step", [&](std::size_t i) { sum = fp16_step(i == 0 ? 0.0F : sum, all.a[i], all.b[i]); });
  std::int32_t group = 0;
  measure("bfp_step, 32 products", [&](std::size_t i) {
    group = bfp_step(i % 4 == 0 ? 0 : group, &all.wide[i], &all.narrow[i], 32, BfpMode::m8m4);
  });
  sink = sink + sum + static_cast<float>(group + sums.mac + cluster + integer);
  measure_arrays(all);
  return 0;
}
