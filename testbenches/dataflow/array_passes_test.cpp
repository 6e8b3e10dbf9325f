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

TEST_CASE("only groups with metadata bound a pass") {
  OperandLayout activation, weight;
  activation.group = 64;
  weight.group = 128;
  CHECK(pass_group(activation, weight) == 0);
  weight.metadata_bytes = 2;
  CHECK(pass_group(activation, weight) == 128);
  activation.metadata_bytes = 1;
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
}
