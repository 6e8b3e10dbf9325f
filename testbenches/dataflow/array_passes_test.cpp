// SPDX-License-Identifier: Apache-2.0
#include "dataflow/array_passes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "core/error.h"

using namespace nibble;

namespace {

ArrayGeometry array_of(std::uint64_t rows, std::uint64_t columns, std::uint64_t foot) {
  ArrayGeometry array;
  array.rows = rows;
  array.columns = columns;
  array.foot_latency = foot;
  return array;
}

}  // namespace

TEST_CASE("one multiply-accumulate on 64 x 32 takes a load, a step, the way down and the foot") {
  const ArrayGeometry array = array_of(64, 32, 4);
  const ArrayCycles cycles = isolated_cycles(ArrayPasses(1, 1, 1, array, 64), array);
  CHECK(cycles.compute == 1);
  CHECK(cycles.weight_load == 0);
  CHECK(cycles.fill_drain == 64 + 63 + 0 + 4);
  CHECK(cycles.total() == 132);
}

TEST_CASE("short passes wait for weights, long passes hide them") {
  const ArrayGeometry array = array_of(64, 32, 4);
  // 2 groups x 2 column blocks = 4 passes; the last column block has 8 columns.
  const ArrayCycles decode = isolated_cycles(ArrayPasses(1, 128, 40, array, 64), array);
  CHECK(decode.compute == 4);
  CHECK(decode.weight_load == 3 * 63);
  CHECK(decode.total() == 64 + 3 * 64 + 1 + 63 + 7 + 4);
  const ArrayCycles prefill = isolated_cycles(ArrayPasses(100, 128, 40, array, 64), array);
  CHECK(prefill.weight_load == 0);
  CHECK(prefill.total() == 64 + 3 * 100 + 100 + 63 + 7 + 4);
}

TEST_CASE("passes never cross a group and cover every weight once") {
  for (const std::uint64_t group : {0, 3, 4, 8, 12}) {
    for (const std::uint64_t k : {1, 3, 8, 13, 24}) {
      for (const std::uint64_t n : {1, 5, 6, 11}) {
        for (const std::uint64_t fused : {1, 2}) {
          ArrayGeometry array = array_of(4, 5, 1);
          array.rows_fused = fused;
          array.k_per_row = 2;
          const ArrayPasses passes(7, k, n, array, group);
          std::vector<int> seen(k * n, 0);
          for (std::uint64_t i = 0; i < passes.count(); ++i) {
            const ArrayPass pass = passes.at(i);
            CHECK(pass.k >= 1);
            CHECK(pass.k <= array.pass_k());
            CHECK(pass.n <= 5);
            if (group != 0) CHECK(pass.k0 / group == (pass.k0 + pass.k - 1) / group);
            for (std::uint64_t a = 0; a < pass.k; ++a) {
              for (std::uint64_t b = 0; b < pass.n; ++b)
                ++seen.at((pass.k0 + a) * n + pass.n0 + b);
            }
          }
          CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(k * n));
          CHECK(passes.at(passes.count() - 1).n == passes.last_columns());
          CHECK(passes.per_column_block() == passes_along_k(k, array, group));
          CHECK(passes.count() == passes.column_blocks() * passes.per_column_block());
        }
      }
    }
  }
}

TEST_CASE("input stationary: activations and weights change places") {
  ArrayGeometry array = array_of(64, 32, 4);
  const ArrayPasses weights(1, 128, 40, array, 64);
  array.dataflow = Dataflow::input_stationary;
  const ArrayPasses inputs(40, 128, 1, array, 64);
  CHECK(inputs.count() == weights.count());
  CHECK(inputs.last_columns() == weights.last_columns());
  CHECK(inputs.stream_cycles() == 1);
  CHECK(isolated_cycles(inputs, array).total() == 64 + 3 * 64 + 1 + 63 + 7 + 4);
  const ArrayPass last = inputs.at(3);
  CHECK(last.m0 == 32);
  CHECK(last.m == 8);
  CHECK(last.k0 == 64);
  CHECK(last.k == 64);
  CHECK(last.n0 == 0);
  CHECK(last.n == 1);
}

TEST_CASE("output stationary: k streams, results leave through the columns") {
  ArrayGeometry array = array_of(32, 32, 4);
  array.dataflow = Dataflow::output_stationary;
  // One 32 x 32 tile: k + 62 cycles of skew, 32 cycles of drain, 4 of the foot.
  const ArrayCycles one = isolated_cycles(ArrayPasses(32, 100, 32, array, 0), array);
  CHECK(one.compute == 100);
  CHECK(one.weight_load == 0);
  CHECK(one.total() == 100 + 62 + 32 + 4);
  // 2 x 2 passes, the last of 8 rows and 3 columns: the drain hides behind 100 cycles, not behind 10.
  CHECK(isolated_cycles(ArrayPasses(40, 100, 35, array, 0), array).total() == 4 * 100 + 7 + 2 + 32 + 4);
  // Passes end in cycles 10, 42, 74, 84; the third (8 rows, 32 columns) has the last result, the fourth is narrow.
  CHECK(isolated_cycles(ArrayPasses(40, 10, 35, array, 0), array).weight_load == 2 * 22);
  CHECK(isolated_cycles(ArrayPasses(40, 10, 35, array, 0), array).total() == 74 + 7 + 31 + 32 + 4);
  // Four chains of 8 PEs per column: passes end in 10, 20, 30, 40; the first has the last result.
  array.result_ports = 4;
  CHECK(isolated_cycles(ArrayPasses(40, 10, 35, array, 0), array).weight_load == 0);
  CHECK(isolated_cycles(ArrayPasses(40, 10, 35, array, 0), array).total() == 10 + 31 + 31 + 8 + 4);
  // Without registers of their own, results block the next pass: ends in 10, 27, 44, 61.
  array.result_registers = false;
  CHECK(isolated_cycles(ArrayPasses(40, 10, 35, array, 0), array).weight_load == 3 * 7);
  CHECK(isolated_cycles(ArrayPasses(40, 10, 35, array, 0), array).total() == 44 + 7 + 31 + 8 + 4);
  // 32 lanes: 100 elements in groups of 40 take 2 + 2 + 1 steps, of two cycles each.
  array.k_per_row = 32;
  array.initiation_interval = 2;
  CHECK(ArrayPasses(1, 100, 1, array, 40).stream_cycles() == 10);
  array.group_interval = 5;
  CHECK(ArrayPasses(1, 100, 1, array, 40).stream_cycles() == 15);
}

TEST_CASE("passes of an output-stationary tile run row-first or column-first and cover every output once") {
  ArrayGeometry array = array_of(4, 6, 1);
  array.dataflow = Dataflow::output_stationary;
  array.rows_fused = 2;
  array.columns_fused = 3;
  for (const OutputOrder order : {OutputOrder::row_first, OutputOrder::column_first}) {
    const ArrayPasses passes(5, 9, 3, array, 4, order);
    REQUIRE(passes.count() == 3 * 2);
    CHECK(passes.last_rows_used() == 2);
    CHECK(passes.last_columns_used() == 3);
    std::vector<int> seen(5 * 3, 0);
    for (std::uint64_t i = 0; i < 6; ++i) {
      const ArrayPass pass = passes.at(i);
      CHECK(pass.k0 == 0);
      CHECK(pass.k == 9);
      CHECK(pass.m0 == (order == OutputOrder::row_first ? i / 2 : i % 3) * 2);
      CHECK(pass.n0 == (order == OutputOrder::row_first ? i % 2 : i / 3) * 2);
      for (std::uint64_t a = 0; a < pass.m; ++a) {
        for (std::uint64_t b = 0; b < pass.n; ++b)
          ++seen.at((pass.m0 + a) * 3 + pass.n0 + b);
      }
    }
    CHECK(std::count(seen.begin(), seen.end(), 1) == 15);
  }
}

TEST_CASE("a pipelined PE delays the swap of weights down the array") {
  ArrayGeometry array = array_of(8, 4, 0);
  array.pe_latency = 3;
  CHECK(array.pass_turnaround() == 8 + 7 * 2);
  // load, a short pass that waits for the next weights, a pass, 8 rows of 3 cycles.
  CHECK(isolated_cycles(ArrayPasses(2, 16, 1, array, 0), array).total() == 8 + 22 + 2 + 8 * 3 - 1);
}

TEST_CASE("only groups with metadata bound a pass") {
  OperandLayout activation, weight;
  activation.group = 64;
  weight.group = 128;
  CHECK(pass_group(activation, weight) == 0);
  weight.metadata_bits = 16;
  CHECK(pass_group(activation, weight) == 128);
  activation.metadata_bits = 5;
  CHECK(pass_group(activation, weight) == 64);
  activation.group = 48;
  CHECK(pass_group(activation, weight) == 16);
}

TEST_CASE("impossible arrays are refused") {
  CHECK_THROWS_AS(check_array(array_of(0, 4, 0)), InputError);
  ArrayGeometry array = array_of(1, 4, 0);
  CHECK_NOTHROW(check_array(array));
  array.rows_fused = 2;
  CHECK_THROWS_WITH(check_array(array), Catch::Contains("2 fused PEs"));
  array.rows_fused = 0;
  CHECK_THROWS_AS(check_array(array), InputError);
  for (std::uint64_t ArrayGeometry::*count :
       {&ArrayGeometry::columns_fused, &ArrayGeometry::initiation_interval, &ArrayGeometry::pe_latency,
        &ArrayGeometry::result_ports, &ArrayGeometry::k_per_row}) {
    array = array_of(2, 4, 0);
    CHECK_NOTHROW(check_array(array));
    array.*count = 0;
    CHECK_THROWS_AS(check_array(array), InputError);
  }
  array = array_of(2, 4, 0);
  array.columns_fused = 5;
  CHECK_THROWS_WITH(check_array(array), Catch::Contains("5 fused PEs"));
  array = array_of(6, 4, 0);
  array.result_ports = 4;
  CHECK_THROWS_WITH(check_array(array), Catch::Contains("must divide the rows"));
}

TEST_CASE("dataflows have names") {
  for (const char* name : {"weight_stationary", "output_stationary", "input_stationary"}) {
    CHECK(to_string(dataflow_from(name)) == std::string(name));
  }
  CHECK_THROWS_WITH(dataflow_from("row_stationary"), Catch::Contains("output_stationary"));
}
