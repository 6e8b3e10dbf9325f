// SPDX-License-Identifier: Apache-2.0
/// The array register by register: hand-counted small arrays, then whole tiles against the closed forms.
#include "testbenches/accelerators/mant_array_cycle.h"

#include <catch2/catch.hpp>
#include <vector>

#include "core/random.h"
#include "dataflow/array_passes.h"
#include "dataflow/array_timeline.h"

using namespace nibble;
using namespace nibble::test;

namespace {

ArrayGeometry geometry(std::uint64_t rows, std::uint64_t columns, std::uint64_t rows_fused = 1) {
  ArrayGeometry array;
  array.rows = rows;
  array.columns = columns;
  array.rows_fused = rows_fused;
  array.foot_latency = 4;
  return array;
}

/// What enters in one cycle; `w` is empty when no weights do.
struct Inputs {
  std::vector<std::int8_t> x;
  bool first = false;
  std::vector<std::uint8_t> w;
  std::uint64_t row = 0;
};

/// INT4 codes: sign << 3 | magnitude.
std::uint8_t code(int weight) {
  return static_cast<std::uint8_t>(weight < 0 ? 8 - weight : weight);
}

class Bench {
 public:
  explicit Bench(const ArrayGeometry& array, bool wide = false, bool int4 = true)
      : geometry_(array), wide_(wide), int4_(int4), array(array) {}

  /// One cycle; the results that leave in it.
  std::vector<SystolicArrayCycle::Result> step(const Inputs& in) {
    SystolicArrayCycle::ActivationRow activation;
    activation.valid = !in.x.empty();
    activation.first = in.first;
    activation.wide = wide_;
    activation.x = in.x;
    if (activation.valid) activation.tag = next_tag_++;
    SystolicArrayCycle::WeightRow weight;
    weight.valid = !in.w.empty();
    weight.row = in.row;
    weight.codes = in.w;
    weight.int4.assign(geometry_.columns, int4_ ? 1 : 0);
    std::vector<SystolicArrayCycle::Result> results;
    array.step(activation, weight, results);
    return results;
  }

 private:
  ArrayGeometry geometry_;
  bool wide_, int4_;
  std::uint64_t next_tag_ = 0;

 public:
  SystolicArrayCycle array;
};

/// (row of the activations, column, P1) of every result of a cycle.
using Seen = std::vector<std::array<std::int64_t, 3>>;
Seen seen(const std::vector<SystolicArrayCycle::Result>& results) {
  Seen out;
  for (const auto& result : results)
    out.push_back({static_cast<std::int64_t>(result.tag), static_cast<std::int64_t>(result.column), result.sums.mac});
  return out;
}

}  // namespace

TEST_CASE("a 2 x 2 array, two rows of activations, counted by hand") {
  // W = column 0: (1, -2), column 1: (3, 4); A = (3, 5), (7, -6).
  Bench bench(geometry(2, 2));
  // Cycles 0 and 1: weights, bottom row first. Cycles 2 and 3: activations; row 1 of the array is reached a cycle after
  // row 0, column 1 a cycle after column 0. First result: cycle 2 + 1 row.
  CHECK(seen(bench.step({{}, false, {code(-2), code(4)}, 1})).empty());
  CHECK(seen(bench.step({{}, false, {code(1), code(3)}, 0})).empty());
  CHECK(seen(bench.step({{3, 5}, true, {}, 0})).empty());
  CHECK(seen(bench.step({{7, -6}, false, {}, 0})) == Seen{{0, 0, 3 * 1 - 5 * 2}});
  CHECK(seen(bench.step({})) == Seen{{1, 0, 7 * 1 + 6 * 2}, {0, 1, 3 * 3 + 5 * 4}});
  CHECK(seen(bench.step({})) == Seen{{1, 1, 7 * 3 - 6 * 4}});
  for (int i = 0; i < 4; ++i)
    CHECK(bench.step({}).empty());
  CHECK(bench.array.pe_operations() == 2 * 2 * 2);
}

TEST_CASE("weights of the next pass enter behind the swap and change nothing of the pass that streams") {
  // Two passes of two rows on a 2 x 2 array; the second load begins in the cycle of the first swap.
  Bench bench(geometry(2, 2));
  bench.step({{}, false, {code(2), code(3)}, 1});
  bench.step({{}, false, {code(1), code(-1)}, 0});
  CHECK(seen(bench.step({{10, 20}, true, {code(7), code(-7)}, 1})).empty());
  CHECK(seen(bench.step({{30, 40}, false, {code(5), code(-5)}, 0})) == Seen{{0, 0, 10 + 40}});
  CHECK(seen(bench.step({{1, 2}, true, {}, 0})) == Seen{{1, 0, 30 + 80}, {0, 1, -10 + 60}});
  CHECK(seen(bench.step({{3, 4}, false, {}, 0})) == Seen{{2, 0, 5 + 14}, {1, 1, -30 + 120}});
  CHECK(seen(bench.step({})) == Seen{{3, 0, 15 + 28}, {2, 1, -5 - 14}});
  CHECK(seen(bench.step({})) == Seen{{3, 1, -15 - 28}});
  CHECK(bench.step({}).empty());
}

TEST_CASE("a load that pauses and a pass that waits keep what they hold") {
  Bench bench(geometry(2, 2));
  bench.step({{}, false, {code(2), code(3)}, 1});
  bench.step({});
  bench.step({});
  bench.step({{}, false, {code(1), code(-1)}, 0});
  for (int i = 0; i < 5; ++i)
    CHECK(bench.step({}).empty());
  bench.step({{10, 20}, true, {}, 0});
  CHECK(seen(bench.step({})) == Seen{{0, 0, 50}});
  CHECK(seen(bench.step({{30, 40}, false, {}, 0})) == Seen{{0, 1, 50}});  // the same weights, not swapped
  CHECK(seen(bench.step({})) == Seen{{1, 0, 110}});
  CHECK(seen(bench.step({})) == Seen{{1, 1, 90}});
}

TEST_CASE("a 3 x 2 array, one row of activations, counted by hand") {
  // W = column 0: (1, 2, 3), column 1: (-4, 5, -6); A = (7, 8, 9).
  Bench bench(geometry(3, 2));
  bench.step({{}, false, {code(3), code(-6)}, 2});
  bench.step({{}, false, {code(2), code(5)}, 1});
  bench.step({{}, false, {code(1), code(-4)}, 0});
  CHECK(bench.step({{7, 8, 9}, true, {}, 0}).empty());         // cycle 3: row 0
  CHECK(bench.step({}).empty());                               // cycle 4: row 1
  CHECK(seen(bench.step({})) == Seen{{0, 0, 7 + 16 + 27}});    // cycle 5: row 2 of column 0
  CHECK(seen(bench.step({})) == Seen{{0, 1, -28 + 40 - 54}});  // cycle 6: row 2 of column 1
  CHECK(bench.step({}).empty());
  CHECK(bench.array.pe_operations() == 6);
}

TEST_CASE("both lanes accumulate where the group is no INT4 group") {
  // x (a i + 2^i): P1 = sum of x i, P2 = sum of x 2^i, with the sign of the code.
  Bench bench(geometry(2, 1), false, false);
  bench.step({{}, false, {static_cast<std::uint8_t>(8 | 3)}, 1});
  bench.step({{}, false, {7}, 0});
  CHECK(bench.step({{-128, 127}, true, {}, 0}).empty());
  const auto results = bench.step({});
  REQUIRE(results.size() == 1);
  CHECK(results[0].sums.mac == -128 * 7 - 127 * 3);
  CHECK(results[0].sums.sac == -128 * 128 - 127 * 8);
}

TEST_CASE("two fused PEs multiply by an INT8 weight") {
  // The upper PE holds the signed high nibble, the lower the unsigned low one; both see the same activation.
  for (int weight = -128; weight < 128; ++weight) {
    Bench bench(geometry(2, 1), true);
    const auto bits = static_cast<std::uint8_t>(weight);
    bench.step({{}, false, {static_cast<std::uint8_t>(bits & 15)}, 1});
    bench.step({{}, false, {static_cast<std::uint8_t>(bits >> 4)}, 0});
    bench.step({{-77, -77}, true, {}, 0});
    REQUIRE(seen(bench.step({})) == Seen{{0, 0, -77 * weight}});
  }
}

namespace {

/// Streams the passes of one tile through the array as early as ArrayTimeline allows, checks every sum and its cycle,
/// and returns the edge at which the last result is in the accumulators.
std::uint64_t run_tile(const ArrayGeometry& array, std::uint64_t m, std::uint64_t k, std::uint64_t n,
                       std::uint64_t group, Random& random) {
  const bool wide = array.rows_fused == 2;
  std::vector<std::int8_t> x(m * k);
  std::vector<int> w(n * k);
  for (auto& value : x)
    value = static_cast<std::int8_t>(random.next());
  for (auto& value : w)
    value = wide ? static_cast<int>(random.below(256)) - 128 : static_cast<int>(random.below(15)) - 7;
  const ArrayPasses passes(m, k, n, array, group);
  const std::uint64_t load = array.preload_cycles();
  const ArrayInterval interval = ArrayTimeline(0).place(array, passes, 0);
  std::vector<std::uint64_t> starts;
  for (std::uint64_t i = 0; i < passes.count(); ++i)
    starts.push_back(load + i * std::max(m, load));
  REQUIRE(interval.start == starts.front());
  REQUIRE(interval.end == starts.back() + m);
  REQUIRE(interval.next_start == starts.back() + std::max(m, load));

  Bench bench(array, wide);
  std::vector<std::int32_t> sums(m * n, 0), expected(m * n, 0);
  std::uint64_t last_edge = 0, results_seen = 0;
  for (std::uint64_t cycle = 0; cycle <= interval.result; ++cycle) {
    Inputs in;
    for (std::uint64_t i = 0; i < passes.count(); ++i) {
      const ArrayPass pass = passes.at(i);
      // Weights of pass i enter in the `load` cycles from the start of pass i - 1 on.
      const std::uint64_t load_start = i == 0 ? 0 : starts[i - 1];
      if (cycle >= load_start && cycle < load_start + load) {
        in.row = array.rows - 1 - (cycle - load_start);
        in.w.assign(array.columns, 0);
        const std::uint64_t at = in.row / array.rows_fused;
        for (std::uint64_t c = 0; c < pass.n && at < pass.k; ++c) {
          const int weight = w[(pass.n0 + c) * k + pass.k0 + at];
          in.w[c] = !wide             ? code(weight)
                    : in.row % 2 == 0 ? static_cast<std::uint8_t>(static_cast<std::uint8_t>(weight) >> 4)
                                      : static_cast<std::uint8_t>(weight & 15);
        }
      }
      if (cycle >= starts[i] && cycle < starts[i] + m) {
        const std::uint64_t row = cycle - starts[i];
        in.first = row == 0;
        in.x.assign(array.rows, 0);
        for (std::uint64_t r = 0; r < pass.k * array.rows_fused; ++r)
          in.x[r] = x[row * k + pass.k0 + r / array.rows_fused];
      }
    }
    for (const auto& result : bench.step(in)) {
      const std::uint64_t i = result.tag / m, row = result.tag % m;
      const ArrayPass pass = passes.at(i);
      REQUIRE(cycle == starts[i] + row + (array.rows - 1) + result.column);
      if (result.column >= pass.n) continue;
      sums[row * n + pass.n0 + result.column] += result.sums.mac;
      last_edge = cycle + 1 + array.foot_latency;
      ++results_seen;
    }
  }
  for (std::uint64_t r = 0; r < m; ++r) {
    for (std::uint64_t c = 0; c < n; ++c) {
      for (std::uint64_t i = 0; i < k; ++i)
        expected[r * n + c] += x[r * k + i] * w[c * k + i];
    }
  }
  CHECK(sums == expected);
  CHECK(results_seen == m * n * passes.per_column_block());
  CHECK(last_edge == interval.result);
  CHECK(last_edge == isolated_cycles(passes, array).total());
  return last_edge;
}

}  // namespace

TEST_CASE("hand-counted tiles on an 8 x 4 array") {
  Random random(8);
  const ArrayGeometry array = geometry(8, 4);
  // load 8 + 1 row + 7 rows down + 0 columns across + foot 4
  CHECK(run_tile(array, 1, 1, 1, 64, random) == 8 + 1 + 7 + 0 + 4);
  // one full tile: 8 rows through all rows and columns
  CHECK(run_tile(array, 8, 8, 4, 64, random) == 8 + 8 + 7 + 3 + 4);
  // one column more: a second pass whose load hides behind the first, in which one column is used
  CHECK(run_tile(array, 8, 8, 5, 64, random) == 8 + 8 + 8 + 7 + 0 + 4);
  // one reduction element more: a second pass with one row in use, all columns
  CHECK(run_tile(array, 8, 9, 4, 64, random) == 8 + 8 + 8 + 7 + 3 + 4);
  // a single row of activations: the second pass waits for the rest of its load
  CHECK(run_tile(array, 1, 9, 4, 64, random) == 8 + 8 + 1 + 7 + 3 + 4);
  // groups of 3: passes do not cross them, so 8 elements take three passes
  CHECK(run_tile(array, 8, 8, 4, 3, random) == 8 + 3 * 8 + 7 + 3 + 4);
  // INT8 weights fill two rows each: 8 elements take two passes
  CHECK(run_tile(geometry(8, 4, 2), 8, 8, 4, 64, random) == 8 + 8 + 8 + 7 + 3 + 4);
}

TEST_CASE("hand-counted tiles on the 64 x 32 array of M-ANT") {
  Random random(9);
  const ArrayGeometry array = geometry(64, 32);
  CHECK(run_tile(array, 1, 1, 1, 64, random) == 132);  // 64 + 1 + 63 + 0 + 4
  CHECK(run_tile(array, 64, 64, 32, 64, random) == 64 + 64 + 63 + 31 + 4);
  CHECK(run_tile(array, 64, 64, 33, 64, random) == 64 + 2 * 64 + 63 + 0 + 4);
  CHECK(run_tile(array, 1, 65, 32, 64, random) == 64 + 64 + 1 + 63 + 31 + 4);
}

TEST_CASE("random tiles on random arrays leave at the predicted cycles with the right sums") {
  Random random(10);
  for (int i = 0; i < 60; ++i) {
    const bool wide = random.below(3) == 0;
    const std::uint64_t rows = wide ? 2 * (1 + random.below(6)) : 1 + random.below(12);
    const ArrayGeometry array = geometry(rows, 1 + random.below(9), wide ? 2 : 1);
    const std::uint64_t group = 1 + random.below(20);
    const std::uint64_t m = 1 + random.below(20), k = 1 + random.below(40), n = 1 + random.below(20);
    CAPTURE(array.rows, array.columns, array.rows_fused, m, k, n, group);
    run_tile(array, m, k, n, group, random);
  }
}
