// SPDX-License-Identifier: Apache-2.0
#include "dataflow/reference_conventions.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "dataflow/array_passes.h"
#include "testbenches/support/paths.h"

using namespace nibble;

namespace {

struct Measured {
  std::string simulator, gemm, dataflow, mode;
  ReferenceGemm shape;
  std::uint64_t cycles = 0, stalls = 0;
};

/// Rows of one simulator. The file names commits and repositories.
std::vector<Measured> measured(const std::string& simulator) {
  std::ifstream file(source_path("testbenches/dataflow/systolic_reference.csv"));
  REQUIRE(file);
  std::vector<Measured> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(simulator + ",", 0) != 0) continue;
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');)
      cells.push_back(cell);
    REQUIRE(cells.size() == 12);
    Measured row;
    row.simulator = cells[0];
    row.gemm = cells[2];
    row.dataflow = cells[6];
    row.shape = {std::stoull(cells[3]), std::stoull(cells[4]), std::stoull(cells[5]), std::stoull(cells[7]),
                 std::stoull(cells[8])};
    row.mode = cells[9];
    row.cycles = std::stoull(cells[10]);
    row.stalls = std::stoull(cells[11]);
    rows.push_back(row);
  }
  return rows;
}

/// A plain array without foot.
ArrayGeometry plain(const ReferenceGemm& g, Dataflow dataflow) {
  ArrayGeometry array;
  array.dataflow = dataflow;
  array.rows = g.rows;
  array.columns = g.columns;
  return array;
}

/// nibble's cycles without memory.
ArrayCycles cycles_of(const ReferenceGemm& g, Dataflow dataflow) {
  const ArrayGeometry array = plain(g, dataflow);
  return isolated_cycles(ArrayPasses(g.m, g.k, g.n, array, 0), array);
}
std::uint64_t weight_stationary(const ReferenceGemm& g) {
  return cycles_of(g, Dataflow::weight_stationary).total();
}

/// nibble's passes under SCALE-Sim's convention: each alone and of the whole array, results of output-stationary folds
/// taken where they are finished.
std::uint64_t by_folds(const ReferenceGemm& g, Dataflow dataflow) {
  const ArrayGeometry array = plain(g, dataflow);
  const std::uint64_t folds = ArrayPasses(g.m, g.k, g.n, array, 0).count();
  ReferenceGemm fold = g;
  if (dataflow != Dataflow::weight_stationary) fold.m = dataflow == Dataflow::output_stationary ? g.rows : g.columns;
  if (dataflow != Dataflow::output_stationary) fold.k = g.rows;
  if (dataflow != Dataflow::input_stationary) fold.n = g.columns;
  const std::uint64_t drain = dataflow == Dataflow::output_stationary ? array.chain_length() : 0;
  return folds * (cycles_of(fold, dataflow).total() - drain);
}

/// What SCALE-Sim counts for the array: its report prints the index of the last cycle, stalls included; its formula the
/// number of cycles.
std::uint64_t without_memory(const Measured& row) {
  return row.mode == "formula" ? row.cycles : row.cycles + 1 - row.stalls;
}

Dataflow dataflow_of(const Measured& row) {
  return row.dataflow == "os"   ? Dataflow::output_stationary
         : row.dataflow == "ws" ? Dataflow::weight_stationary
                                : Dataflow::input_stationary;
}

}  // namespace

TEST_CASE("SCALE-Sim's closed forms give its measured cycles") {
  std::size_t output = 0, weight = 0, input = 0;
  for (const Measured& row : measured("SCALE-Sim")) {
    CAPTURE(row.gemm, row.dataflow, row.shape.rows, row.shape.columns);
    const std::uint64_t cycles = without_memory(row);
    if (row.dataflow == "os") {
      CHECK(scale_sim_output_stationary(row.shape) == cycles);
      ++output;
    } else if (row.dataflow == "ws") {
      CHECK(scale_sim_weight_stationary(row.shape) == cycles);
      ++weight;
    } else {
      CHECK(scale_sim_input_stationary(row.shape) == cycles);
      ++input;
    }
  }
  CHECK(output == 51);
  CHECK(weight == 51);
  CHECK(input == 51);
}

TEST_CASE("nibble's passes, counted as SCALE-Sim counts, give its measured cycles in all three dataflows") {
  const std::vector<Measured> rows = measured("SCALE-Sim");
  CHECK(rows.size() == 153);
  for (const Measured& row : rows) {
    CAPTURE(row.gemm, row.dataflow, row.shape.rows, row.shape.columns);
    CHECK(by_folds(row.shape, dataflow_of(row)) == without_memory(row));
    // With overlap, and only what a pass uses of the array: never more, the drain of the last outputs apart.
    const std::uint64_t drain = row.dataflow == "os" ? row.shape.rows : 0;
    CHECK(cycles_of(row.shape, dataflow_of(row)).total() <= without_memory(row) + drain);
  }
}

TEST_CASE("nibble's output-stationary passes, each alone, differ from STONNE's by its constant and the drain") {
  for (const Measured& row : measured("STONNE")) {
    CAPTURE(row.gemm, row.shape.rows);
    const ArrayGeometry array = plain(row.shape, Dataflow::output_stationary);
    const ArrayPasses passes(row.shape.m, row.shape.k, row.shape.n, array, 0);
    std::uint64_t cycles = 0;
    for (std::uint64_t i = 0; i < passes.count(); ++i) {
      const ArrayPass pass = passes.at(i);
      const ArrayPasses alone(pass.m, pass.k, pass.n, array, 0);
      cycles += isolated_cycles(alone, array).total() - array.chain_length() + (pass.m == 1 || pass.n == 1 ? 4 : 5);
    }
    CHECK(cycles == row.cycles);
  }
}

TEST_CASE("what nibble's passes stream is Timeloop's ideal time, which knows no fill, drain or latency") {
  const std::vector<Measured> rows = measured("Timeloop");
  CHECK(rows.size() == 28);
  std::size_t array = 0;
  for (const Measured& row : rows) {
    CAPTURE(row.gemm, row.dataflow, row.shape.rows);
    const bool outputs = row.dataflow == "os";
    CHECK(timeloop(row.shape, outputs, 64) == row.cycles);
    const std::uint64_t streamed = cycles_of(row.shape, dataflow_of(row)).compute;
    CHECK(timeloop(row.shape, outputs, 1 << 30) == streamed);  // memory never binds
    if (streamed == row.cycles) ++array;
  }
  CHECK(array == 19);
}

TEST_CASE("what nibble's output-stationary passes stream is half of MAESTRO's time") {
  const std::vector<Measured> rows = measured("MAESTRO");
  CHECK(rows.size() == 18);
  for (const Measured& row : rows) {
    CAPTURE(row.gemm, row.shape.rows);
    CHECK(maestro(row.shape) == row.cycles);
    CHECK(2 * cycles_of(row.shape, Dataflow::output_stationary).compute + 1 == row.cycles);
  }
}

TEST_CASE("STONNE's closed form gives its measured cycles") {
  const std::vector<Measured> rows = measured("STONNE");
  CHECK(rows.size() == 19);
  for (const Measured& row : rows) {
    CAPTURE(row.gemm, row.shape.rows);
    CHECK(stonne_output_stationary(row.shape) == row.cycles);
  }
}

TEST_CASE("array passes agree with ONNXim's weight-stationary core, which counts memory in addition") {
  const std::vector<Measured> rows = measured("ONNXim");
  CHECK(rows.size() == 44);
  for (const Measured& row : rows) {
    CAPTURE(row.gemm, row.shape.rows, row.cycles);
    const std::uint64_t ours = weight_stationary(row.shape);
    CHECK(ours <= row.cycles);
    CHECK(row.cycles - ours <= 600 + ours / 50);
  }
}

TEST_CASE("nibble's convention against SCALE-Sim's: one fold is equal, many differ by the overlap") {
  // One fold: m + 2 rows + columns - 2 in both.
  const ReferenceGemm one{16, 8, 8, 8, 8};
  CHECK(weight_stationary(one) == 16 + 2 * 8 + 8 - 2);
  CHECK(scale_sim_weight_stationary(one) == 16 + 2 * 8 + 8 - 2);
  // Four folds: loads and skew of one fold hide behind the next.
  const ReferenceGemm four{16, 16, 16, 8, 8};
  CHECK(weight_stationary(four) == 4 * 16 + 2 * 8 + 8 - 2);
  CHECK(scale_sim_weight_stationary(four) == 4 * (16 + 2 * 8 + 8 - 2));
  // Output stationary, four folds of k = 16: skew and drain hide, the last drain of 8 does not, which SCALE-Sim leaves
  // out.
  CHECK(cycles_of(four, Dataflow::output_stationary).total() == 4 * 16 + 8 + 8 - 2 + 8);
  CHECK(scale_sim_output_stationary(four) == 4 * (16 + 8 + 8 - 2));
}
