// SPDX-License-Identifier: Apache-2.0
/// output_stationary_array.sv, 4 x 4, with the PEs int8, int4, fp16 and bfp against the cycle model of the arrays.
#include "array_arithmetics.h"
#include "output_stationary_bench.h"
#include "rtl_bfp_array.h"
#include "rtl_fp16_array.h"
#include "rtl_int4_array.h"
#include "rtl_int8_array.h"

using namespace nibble;

namespace {

class BfpArrayBench : public SkeletonBench<BfpArithmetic> {
 public:
  static constexpr unsigned left_bits = 9 * bfp_lanes + 9, top_bits = 5 * bfp_lanes + 21;
  Pin<array_rows * left_bits> left{"left"};
  Pin<array_columns * top_bits> top{"top"};
  Pin<array_columns * 32> result{"result"};

  BfpArrayBench() : SkeletonBench<BfpArithmetic>("bfp_array", 34) {
    bind_common(dut);
    dut.left(left);
    dut.top(top);
    dut.result(result);
  }

 private:
  void drive(const Step& step, unsigned) override {
    drive_common(step);
    const std::vector<BfpLeft>& x = step.left;
    const std::vector<BfpTop>& w = step.top;
    PinWords<array_rows * left_bits> rows_pin;
    PinWords<array_columns * top_bits> columns_pin;
    for (unsigned r = 0; r < x.size(); ++r) {
      unsigned at = r * left_bits;
      const bool fused = x[r].mode == 2;
      for (unsigned lane = 0; lane < bfp_lanes; ++lane)
        rows_pin.append(at, static_cast<std::uint32_t>(std::abs(x[r].mantissas[fused ? lane / 2 : lane])), 8);
      for (unsigned lane = 0; lane < bfp_lanes; ++lane)
        rows_pin.append(at, x[r].mantissas[fused ? lane / 2 : lane] < 0 ? 1 : 0, 1);
      rows_pin.append(at, x[r].exponent, 5);
      rows_pin.append(at, x[r].weight_last ? 1 : 0, 1);
      rows_pin.append(at, x[r].group_last ? 1 : 0, 1);
      rows_pin.append(at, x[r].mode, 2);
    }
    const bool fused = !x.empty() && x.front().mode == 2;
    for (unsigned c = 0; c < w.size(); ++c) {
      unsigned at = c * top_bits;
      for (unsigned lane = 0; lane < bfp_lanes; ++lane) {
        const int b = std::abs(w[c].mantissas[fused ? lane / 2 : lane]);
        columns_pin.append(at, static_cast<std::uint32_t>(fused && lane % 2 == 1 ? b >> 4 : b & 15), 4);
      }
      for (unsigned lane = 0; lane < bfp_lanes; ++lane)
        columns_pin.append(at, w[c].mantissas[fused ? lane / 2 : lane] < 0 ? 1 : 0, 1);
      columns_pin.append(at, w[c].scale, 16);
      columns_pin.append(at, w[c].exponent, 5);
    }
    left.write(rows_pin.pin());
    top.write(columns_pin.pin());
  }
  std::uint32_t shown(unsigned column) override { return pin_field(result.read(), 32 * column, 32); }

  rtl_bfp_array dut{"dut"};
};

}  // namespace

TEST_CASE("int8_array: 4 x 4 PEs equal the cycle model, cycle for cycle") {
  PlainArrayBench<IntegerArithmetic<8>, rtl_int8_array, 8, 8, 32> bench("int8_array", 31);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("int4_array: 4 x 4 PEs equal the cycle model, cycle for cycle") {
  PlainArrayBench<IntegerArithmetic<4>, rtl_int4_array, 4, 4, 23> bench("int4_array", 32);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("fp16_array: 4 x 4 PEs equal the cycle model, cycle for cycle") {
  PlainArrayBench<Fp16Arithmetic, rtl_fp16_array, 16, 16, 32> bench("fp16_array", 33);
  compare_with_model(bench, random_cycles());
}

TEST_CASE("bfp_array: 4 x 4 PEs of 8 lanes equal the cycle model, cycle for cycle, in three modes") {
  BfpArrayBench bench;
  compare_with_model(bench, random_cycles());
}
