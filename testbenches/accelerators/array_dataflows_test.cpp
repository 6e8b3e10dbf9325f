// SPDX-License-Identifier: Apache-2.0
/// The three dataflows register by register: their cycles against the closed forms, exactly; their results against
/// plain sums and against the PEs of pe/.
#include <catch2/catch.hpp>
#include <vector>

#include "core/random.h"
#include "dataflow/array_timeline.h"
#include "testbenches/accelerators/array_runs.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// Integer lanes: what an exact PE of any width would add up. Fused PEs take digits of the second operand in base 16.
using Lanes = std::vector<std::int64_t>;

std::int64_t dot(const Lanes& a, const Lanes& b) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

struct StationaryLanes {
  using Stationary = Lanes;
  using Streamed = Lanes;
  using Sum = std::int64_t;
  static Sum enter(std::uint64_t, std::uint64_t) { return 0; }
  Sum step(Sum above, const Lanes& x, const Lanes& w, std::uint64_t) const { return above + dot(x, w); }
};

struct OutputLanes {
  using Left = Lanes;
  using Top = Lanes;
  using Sum = std::int64_t;
  void step(Sum& sum, const Lanes& x, const Lanes& w) const { sum += dot(x, w); }
};

/// Operands of one task, and the results that the array gave.
struct Matrices {
  Matrices(const ArrayTask& task, Random& random) : m(task.m), k(task.k), n(task.n), a(m * k), w(n * k), c(m * n) {
    for (auto& value : a)
      value = static_cast<std::int64_t>(random.below(512)) - 256;
    for (auto& value : w)
      value = static_cast<std::int64_t>(random.below(512)) - 256;
  }
  std::uint64_t m, k, n;
  std::vector<std::int64_t> a, w, c;
  std::int64_t expected(std::uint64_t row, std::uint64_t column) const {
    std::int64_t sum = 0;
    for (std::uint64_t i = 0; i < k; ++i)
      sum += a[row * k + i] * w[column * k + i];
    return sum;
  }
};

/// `lanes` elements of one row of a matrix from k, zero beyond `end`.
Lanes lanes_of(const std::vector<std::int64_t>& values, std::uint64_t columns, std::uint64_t row, std::uint64_t k,
               std::uint64_t end, std::uint64_t lanes) {
  Lanes out(lanes, 0);
  for (std::uint64_t i = 0; i < lanes && k + i < end; ++i)
    out[i] = values[row * columns + k + i];
  return out;
}

/// Digit `index` of `count` in base 16 of every element: the sum of digits times 16^index is the element.
Lanes digits(Lanes values, std::uint64_t index, std::uint64_t count) {
  for (auto& value : values) {
    for (std::uint64_t i = 0; i < index; ++i)
      value = (value - ((value % 16 + 16) % 16)) / 16;
    if (index + 1 < count) value = (value % 16 + 16) % 16;
    for (std::uint64_t i = 0; i < index; ++i)
      value *= 16;
  }
  return values;
}

/// First element of step `step` of an output-stationary pass, and the end of its group.
std::pair<std::uint64_t, std::uint64_t> step_range(std::uint64_t step, std::uint64_t k, std::uint64_t group,
                                                   std::uint64_t lanes) {
  const std::uint64_t extent = group == 0 ? k : std::min(group, k), per_group = ceil_div(extent, lanes);
  const std::uint64_t begin = step / per_group * extent;
  return {begin + step % per_group * lanes, std::min(k, begin + extent)};
}

std::vector<ArrayTrace> traced(const ArrayGeometry& array, const std::vector<ArrayTask>& tasks, std::uint64_t group,
                               std::vector<Matrices>& data, OutputOrder order) {
  if (array.dataflow == Dataflow::output_stationary) {
    // Fused: rows and columns of a logical PE take digits of the activation and of the weight.
    return run_outputs<OutputLanes>(
        array, tasks, group,
        [&](std::size_t t, const ArrayPass& pass, std::uint64_t step, std::uint64_t r) {
          const auto [k, end] = step_range(step, data[t].k, group, array.k_per_row);
          return digits(lanes_of(data[t].a, data[t].k, pass.m0 + r / array.rows_fused, k, end, array.k_per_row),
                        r % array.rows_fused, array.rows_fused);
        },
        [&](std::size_t t, const ArrayPass& pass, std::uint64_t step, std::uint64_t c) {
          const auto [k, end] = step_range(step, data[t].k, group, array.k_per_row);
          return digits(lanes_of(data[t].w, data[t].k, pass.n0 + c / array.columns_fused, k, end, array.k_per_row),
                        c % array.columns_fused, array.columns_fused);
        },
        [&](std::size_t t, const ArrayPass& pass, std::uint64_t r, std::uint64_t c, std::int64_t sum) {
          data[t].c[(pass.m0 + r / array.rows_fused) * data[t].n + pass.n0 + c / array.columns_fused] += sum;
        },
        order);
  }
  const bool inputs = array.dataflow == Dataflow::input_stationary;
  return run_stationary<StationaryLanes>(
      array, tasks, group,
      [&](std::size_t t, const ArrayPass& pass, std::uint64_t r, std::uint64_t c) {
        // Fused rows take digits of the stationary operand, fused columns as well, beyond those.
        const std::uint64_t k = pass.k0 + r / array.rows_fused * array.k_per_row, at = c / array.columns_fused;
        if (at >= (inputs ? pass.m : pass.n)) return Lanes(array.k_per_row, 0);
        const Lanes held = inputs ? lanes_of(data[t].a, data[t].k, pass.m0 + at, k, pass.k0 + pass.k, array.k_per_row)
                                  : lanes_of(data[t].w, data[t].k, pass.n0 + at, k, pass.k0 + pass.k, array.k_per_row);
        return digits(held, r % array.rows_fused + c % array.columns_fused * array.rows_fused,
                      array.rows_fused * array.columns_fused);
      },
      [&](std::size_t t, const ArrayPass& pass, std::uint64_t index, std::uint64_t r) {
        const std::uint64_t k = pass.k0 + r / array.rows_fused * array.k_per_row;
        return inputs ? lanes_of(data[t].w, data[t].k, index, k, pass.k0 + pass.k, array.k_per_row)
                      : lanes_of(data[t].a, data[t].k, index, k, pass.k0 + pass.k, array.k_per_row);
      },
      [&](std::size_t t, const ArrayPass& pass, std::uint64_t index, std::uint64_t column, std::int64_t sum) {
        const std::uint64_t at = column / array.columns_fused;
        const std::uint64_t row = inputs ? pass.m0 + at : index, out = inputs ? index : pass.n0 + at;
        data[t].c[row * data[t].n + out] += sum;
      });
}

/// Runs the tasks on the registers, checks sums and, against the closed forms, every start, end and result.
void check_tasks(const ArrayGeometry& array, const std::vector<ArrayTask>& tasks, std::uint64_t group, Random& random,
                 OutputOrder order = OutputOrder::row_first) {
  check_array(array);
  std::vector<Matrices> data;
  for (const ArrayTask& task : tasks)
    data.emplace_back(task, random);
  const std::vector<ArrayTrace> traces = traced(array, tasks, group, data, order);
  CAPTURE(to_string(array.dataflow), array.rows, array.columns, array.k_per_row, array.rows_fused, array.columns_fused,
          array.initiation_interval, array.pe_latency, array.result_ports, array.result_registers, array.group_interval,
          group, to_string(order));
  ArrayTimeline timeline(0);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const ArrayTask& task = tasks[t];
    CAPTURE(t, task.m, task.k, task.n, task.ready, task.completes);
    const ArrayPasses passes(task.m, task.k, task.n, array, group, order);
    const ArrayInterval interval = timeline.place(array, passes, task.ready, task.completes);
    REQUIRE(traces[t].start == interval.start);
    REQUIRE(traces[t].end == interval.end);
    REQUIRE(traces[t].result == interval.result);
    if (tasks.size() == 1) CHECK(interval.result == task.ready + isolated_cycles(passes, array).total());
  }
  // A reduction in several tasks ends in the results of the last.
  std::vector<std::int64_t> before;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const bool continues = !before.empty();
    if (!continues) before.assign(data[t].m * data[t].n, 0);
    bool equal = true;
    for (std::uint64_t r = 0; r < data[t].m; ++r) {
      for (std::uint64_t c = 0; c < data[t].n; ++c) {
        auto& sum = before[r * data[t].n + c];
        sum += data[t].expected(r, c);
        if (tasks[t].completes && data[t].c[r * data[t].n + c] != sum) equal = false;
      }
    }
    REQUIRE(equal);
    if (tasks[t].completes) before.clear();
  }
}

ArrayGeometry random_array(Dataflow dataflow, Random& random) {
  ArrayGeometry array;
  array.dataflow = dataflow;
  array.rows = 1 + random.below(9);
  array.columns = 1 + random.below(9);
  if (random.below(3) == 0) array.k_per_row = 1 + random.below(4);
  if (random.below(4) == 0) array.rows_fused = 1 + random.below(std::min<std::uint64_t>(2, array.rows));
  if (random.below(4) == 0) array.columns_fused = 1 + random.below(std::min<std::uint64_t>(2, array.columns));
  if (random.below(3) == 0) array.initiation_interval = 1 + random.below(3);
  if (random.below(2) == 0) array.pe_latency = 1 + random.below(5);
  array.foot_latency = random.below(5);
  if (random.below(4) == 0) array.longest_pass = 1 + random.below(12);
  if (dataflow != Dataflow::output_stationary) return array;
  if (random.below(2) == 0) array.result_registers = false;
  if (random.below(3) == 0) array.group_interval = random.below(7);
  do
    array.result_ports = 1 + random.below(array.rows);
  while (array.rows % array.result_ports != 0);
  return array;
}

std::vector<ArrayTask> random_tasks(const ArrayGeometry& array, Random& random) {
  std::vector<ArrayTask> tasks;
  std::uint64_t ready = random.below(2) * random.below(50);
  const std::uint64_t count = 1 + random.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    ArrayTask task{1 + random.below(20), 1 + random.below(30), 1 + random.below(20), ready, true};
    ready += random.below(3) == 0 ? random.below(120) : 0;
    if (array.dataflow == Dataflow::output_stationary && random.below(3) == 0) {
      // A reduction in several jobs: one pass of outputs, results with the last.
      task.m = 1 + random.below(array.logical_rows());
      task.n = 1 + random.below(array.logical_columns());
      const std::uint64_t parts = 1 + random.below(3);
      for (std::uint64_t part = 0; part < parts; ++part) {
        task.completes = false;
        tasks.push_back(task);
        task.k = 1 + random.below(12);
        task.ready = ready;
        ready += random.below(3) == 0 ? random.below(40) : 0;
      }
      task.completes = true;
    }
    tasks.push_back(task);
  }
  return tasks;
}

}  // namespace

TEST_CASE("registers and closed forms agree to the cycle on random arrays, jobs and operand times") {
  Random random(31);
  for (int i = 0; i < 900; ++i) {
    const auto dataflow = static_cast<Dataflow>(i % 3);
    const ArrayGeometry array = random_array(dataflow, random);
    const OutputOrder order = random.below(2) == 0 ? OutputOrder::row_first : OutputOrder::column_first;
    check_tasks(array, random_tasks(array, random), random.below(3) == 0 ? 0 : 1 + random.below(12), random, order);
  }
}

TEST_CASE("arrays from 1 x 1 to 256 x 256") {
  Random random(32);
  for (const Dataflow dataflow :
       {Dataflow::weight_stationary, Dataflow::output_stationary, Dataflow::input_stationary}) {
    for (const auto& [rows, columns] :
         {std::pair<std::uint64_t, std::uint64_t>{1, 1}, {1, 256}, {256, 1}, {16, 16}, {64, 32}, {256, 256}}) {
      ArrayGeometry array;
      array.dataflow = dataflow;
      array.rows = rows;
      array.columns = columns;
      array.foot_latency = 4;
      check_tasks(array, {{3, 5, 2, 0, true}}, 0, random);
      if (rows * columns <= 2048) check_tasks(array, {{2, 2, 300, 0, true}, {1, 270, 3, 90, true}}, 64, random);
    }
  }
}

TEST_CASE("hand-counted: one tile on a 3 x 3 array in each dataflow") {
  Random random(33);
  ArrayGeometry array;
  array.rows = array.columns = 3;
  // Load 3, rows 3, two rows down, two columns across.
  check_tasks(array, {{3, 3, 3, 0, true}}, 0, random);
  CHECK(isolated_cycles(ArrayPasses(3, 3, 3, array, 0), array).total() == 3 + 3 + 2 + 2);
  array.dataflow = Dataflow::input_stationary;
  check_tasks(array, {{3, 3, 3, 0, true}}, 0, random);
  CHECK(isolated_cycles(ArrayPasses(3, 3, 3, array, 0), array).total() == 3 + 3 + 2 + 2);
  // Steps 3, two rows down, two columns across, three results through each column.
  array.dataflow = Dataflow::output_stationary;
  check_tasks(array, {{3, 3, 3, 0, true}}, 0, random);
  CHECK(isolated_cycles(ArrayPasses(3, 3, 3, array, 0), array).total() == 3 + 2 + 2 + 3);
}

namespace {

/// A step of an output-stationary array with one product per PE.
OutputStationaryArrayCycle<OutputLanes>::Step one_step(std::uint64_t rows, std::uint64_t columns) {
  OutputStationaryArrayCycle<OutputLanes>::Step step;
  step.valid = step.first = step.last = true;
  step.left.assign(rows, Lanes(1, 1));
  step.top.assign(columns, Lanes(1, 1));
  return step;
}

}  // namespace

TEST_CASE("results that would overrun others are refused by the registers, one cycle later they pass") {
  for (const bool own : {true, false}) {
    for (const std::uint64_t ports : {1, 2, 4}) {
      for (std::uint64_t used = 1; used <= 4; ++used) {
        for (std::uint64_t distance = 1; distance <= 6; ++distance) {
          ArrayGeometry array;
          array.dataflow = Dataflow::output_stationary;
          array.rows = 4;
          array.columns = 2;
          array.pe_latency = 3;
          array.result_ports = ports;
          array.result_registers = own;
          OutputStationaryArrayCycle<OutputLanes> registers(array);
          std::vector<OutputStationaryArrayCycle<OutputLanes>::Result> results;
          const auto run = [&] {
            registers.step(one_step(used, 2), results);
            for (std::uint64_t i = 1; i < distance; ++i)
              registers.step({}, results);
            const bool accepted = registers.accepts(true, true);
            registers.step(one_step(4, 2), results);
            for (int i = 0; i < 30; ++i)
              registers.step({}, results);
            return accepted;
          };
          CAPTURE(own, ports, used, distance);
          if (distance < std::min(used, array.chain_length())) {
            CHECK_THROWS_AS(run(), InternalError);
          } else {
            CHECK(run());
            CHECK(results.size() == used * 2 + 8);
          }
        }
      }
    }
  }
}

TEST_CASE("a load that would overtake a swap is refused by the registers, one cycle later it passes") {
  for (const std::uint64_t latency : {1, 2, 4}) {
    for (std::uint64_t distance = 0; distance <= 10; ++distance) {
      ArrayGeometry array;
      array.rows = 3;
      array.columns = 2;
      array.pe_latency = latency;
      using Array = StationaryArrayCycle<StationaryLanes>;
      Array registers(array);
      std::vector<Array::Result> results;
      const auto load_row = [&](std::uint64_t row) { return Array::LoadRow{true, row, {Lanes(1, 1), Lanes(1, 1)}}; };
      const Array::StreamRow first{true, true, 0, {Lanes(1, 1), Lanes(1, 1), Lanes(1, 1)}};
      for (std::uint64_t row = 3; row-- > 0;) {
        CHECK(!registers.accepts(true));
        registers.step({}, load_row(row), results);
      }
      const auto run = [&] {
        CHECK(registers.accepts(true));
        bool accepted = distance > 0 || registers.accepts_load(true);
        registers.step(first, distance == 0 ? load_row(2) : Array::LoadRow{}, results);
        for (std::uint64_t i = 1; i < distance; ++i)
          registers.step({}, {}, results);
        if (distance > 0) {
          accepted = registers.accepts_load(false);
          registers.step({}, load_row(2), results);
        }
        registers.step({}, load_row(1), results);
        registers.step({}, load_row(0), results);
        for (int i = 0; i < 30; ++i)
          registers.step({}, {}, results);
        return accepted;
      };
      CAPTURE(latency, distance);
      if (distance < array.pass_turnaround() - array.rows) {
        CHECK_THROWS_AS(run(), InternalError);
      } else {
        CHECK(run());
        CHECK(results.size() == 2);
      }
    }
  }
}

TEST_CASE("a pass without its operands and a step within a step are refused") {
  ArrayGeometry array;
  array.rows = array.columns = 1;
  array.initiation_interval = 2;
  using Array = StationaryArrayCycle<StationaryLanes>;
  const Array::StreamRow row{true, true, 0, {Lanes(1, 1)}};
  std::vector<Array::Result> results;
  Array empty(array);
  CHECK_THROWS_AS(empty.step(row, {}, results), InternalError);
  Array loaded(array);
  loaded.step({}, {true, 0, {Lanes(1, 1)}}, results);
  loaded.step(row, {}, results);
  CHECK(!loaded.accepts(false));
  CHECK_THROWS_AS(loaded.step(row, {}, results), InternalError);
  array.dataflow = Dataflow::output_stationary;
  OutputStationaryArrayCycle<OutputLanes> outputs(array);
  std::vector<OutputStationaryArrayCycle<OutputLanes>::Result> sums;
  outputs.step(one_step(1, 1), sums);
  CHECK(!outputs.accepts(false, false));
  CHECK_THROWS_AS(outputs.step(one_step(1, 1), sums), InternalError);
}
