// SPDX-License-Identifier: Apache-2.0
/// What a second of one core simulates of a PE: steps of the PE function, and cycles of a 4 x 4 array by the cycle
/// model. scripts/rtl_speed.py puts the RTL's figures beside them, which the benches print.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "accelerators/output_stationary_array_cycle.h"
#include "core/random.h"
#include "pe/mant_pe.h"
#include "testbenches/accelerators/mant_array_cycle.h"
#include "testbenches/rtl/array_arithmetics.h"

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

/// Steps of passes one after the other, drawn before the clock runs.
template <class Arithmetic>
std::vector<typename OutputStationaryArrayCycle<Arithmetic>::Step> drawn_steps() {
  Random random(2);
  Arithmetic arithmetic;
  std::vector<typename OutputStationaryArrayCycle<Arithmetic>::Step> steps(operands);
  std::size_t pass = 0;
  for (auto& step : steps) {
    step.valid = true;
    step.first = pass == 0;
    if (step.first) arithmetic.plan(random);
    step.last = ++pass >= 32 && arithmetic.may_end();
    step.left.resize(array_rows);
    step.top.resize(array_columns);
    arithmetic.draw(random, step.last, step.left, step.top);
    if (step.last) pass = 0;
  }
  return steps;
}

/// Cycles of the cycle model; its first pass begins anew with every round of steps.
template <class Arithmetic>
void measure_output_stationary(const std::string& name) {
  ArrayGeometry geometry;
  geometry.rows = array_rows;
  geometry.columns = array_columns;
  geometry.pe_latency = Arithmetic::timing().modes.front().latency;
  using Model = OutputStationaryArrayCycle<Arithmetic>;
  auto model = std::make_unique<Model>(geometry);
  const auto steps = drawn_steps<Arithmetic>();
  std::vector<typename Model::Result> results;
  measure((name + ", 4 x 4, cycle model, cycles").c_str(), [&](std::size_t i) {
    if (i == 0) model = std::make_unique<Model>(geometry);
    results.clear();
    model->step(steps[i], results);
  });
}

void measure_arrays(const Operands& all) {
  measure_output_stationary<IntegerArithmetic<8>>("int8");
  measure_output_stationary<IntegerArithmetic<4>>("int4");
  measure_output_stationary<Fp16Arithmetic>("fp16");
  measure_output_stationary<BfpArithmetic>("bfp");
  measure_output_stationary<AmoveArithmetic>("amove");

  ArrayGeometry geometry;
  geometry.rows = geometry.columns = 4;
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
  measure("bfp_step", [&](std::size_t i) {
    group = bfp_step(i % 4 == 0 ? 0 : group, &all.wide[i], &all.narrow[i], bfp_lanes, BfpMode::m8m4);
  });
  std::int32_t small = 0;
  measure("int4_step",
          [&](std::size_t i) { small = static_cast<std::int32_t>(int4_step(i == 0 ? 0 : small, all.w[i], all.w[i])); });
  sink = sink + sum + static_cast<float>(group + small + sums.mac + cluster + integer);
  measure_arrays(all);
  return 0;
}
