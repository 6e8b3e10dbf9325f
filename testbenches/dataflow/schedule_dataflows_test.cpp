// SPDX-License-Identifier: Apache-2.0
/// Schedules of all three dataflows: closed forms against the walk, output orders, and what must hold on any machine.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "core/table.h"
#include "core/units.h"
#include "dataflow/schedule_model.h"
#include "testbenches/dataflow/schedule_support.h"
#include "testbenches/support/paths.h"

using namespace nibble;

namespace {

constexpr Dataflow dataflows[] = {Dataflow::weight_stationary, Dataflow::output_stationary, Dataflow::input_stationary};

ArrayGeometry random_array(Dataflow dataflow, std::uint64_t most, Random& random) {
  ArrayGeometry array;
  array.dataflow = dataflow;
  array.rows = 1 + random.below(most);
  array.columns = 1 + random.below(most);
  if (random.below(3) == 0) array.k_per_row = 1 + random.below(8);
  if (random.below(4) == 0) array.rows_fused = 1 + random.below(std::min<std::uint64_t>(2, array.rows));
  if (random.below(4) == 0) array.columns_fused = 1 + random.below(std::min<std::uint64_t>(2, array.columns));
  if (random.below(3) == 0) array.initiation_interval = 1 + random.below(3);
  if (random.below(2) == 0) array.pe_latency = 1 + random.below(5);
  array.foot_latency = random.below(5);
  if (random.below(4) == 0) array.longest_pass = 1 + random.below(12);
  if (dataflow != Dataflow::output_stationary) return array;
  array.result_registers = random.below(3) != 0;
  if (random.below(3) == 0) array.group_interval = random.below(7);
  do
    array.result_ports = 1 + random.below(array.rows);
  while (array.rows % array.result_ports != 0);
  return array;
}

GemmShape random_shape(std::uint64_t most, Random& random) {
  GemmShape shape;
  shape.m = 1 + random.below(most);
  shape.k = 1 + random.below(most);
  shape.n = 1 + random.below(most);
  shape.count = 1 + random.below(3);
  shape.causal = static_cast<CausalMask>(random.below(3));
  shape.past = random.below(most);
  shape.rows_per_token = 1 + random.below(3);
  if (shape.causal != CausalMask::none && random.below(2) == 0) {
    // At least the last row's last token is seen.
    const std::uint64_t tokens = shape.causal == CausalMask::scores ? shape.n : shape.k;
    const std::uint64_t last = shape.past + (shape.m - 1) / shape.rows_per_token + 1;
    shape.window = (last > tokens ? last - tokens : 0) + 1 + random.below(most);
  }
  return shape;
}

ScheduleProblem random_problem(Dataflow dataflow, std::uint64_t most_pes, std::uint64_t most, Random& random) {
  ScheduleProblem problem = small_problem(random_shape(most, random));
  problem.array = random_array(dataflow, most_pes, random);
  const std::uint64_t group = 1 + random.below(6);
  const unsigned metadata = random.below(3) == 0 ? 0 : 2;
  const GemmShape& shape = problem.shape;
  problem.activation = operand(shape.m, shape.k, group, 8, metadata, 1 + random.below(5));
  problem.weight = operand(shape.n, shape.k, group * (1 + random.below(2)), 4, metadata, 1 + random.below(5));
  problem.output = operand(shape.m, shape.n, 1 + random.below(4), 16, 0, 1 + random.below(5));
  problem.memory.bytes_per_cycle = 0.5 * static_cast<double>(1 + random.below(40));
  return problem;
}

/// A legal tiling; nullopt when chance finds none.
std::optional<Tiling> random_tiling(const ScheduleProblem& problem, Random& random) {
  const ScheduleModel model(problem);
  for (int attempt = 0; attempt < 40; ++attempt) {
    const GemmShape& shape = problem.shape;
    Tiling tiling;
    tiling.m = 1 + random.below(shape.m);
    tiling.n = std::min(shape.n, round_up(1 + random.below(shape.n), model.n_step()));
    tiling.k = random.below(3) == 0 ? shape.k : std::min(shape.k, round_up(1 + random.below(shape.k), model.k_step()));
    tiling.order = all_loop_orders[random.below(6)];
    if (model.fits(tiling.m, tiling.k, tiling.n) && model.allows(tiling.order, tiling.k)) return tiling;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("closed forms equal the walk for every dataflow, array, mask and tiling") {
  Random random(41);
  int compared = 0, cut_reductions = 0;
  for (int i = 0; i < 6000; ++i) {
    const Dataflow dataflow = dataflows[i % 3];
    const ScheduleProblem problem = random_problem(dataflow, 9, 34, random);
    const auto tiling = random_tiling(problem, random);
    if (!tiling) continue;
    const ScheduleCost closed = evaluate(problem, *tiling), walk = walked(problem, *tiling);
    const GemmShape& shape = problem.shape;
    const ArrayGeometry& array = problem.array;
    CAPTURE(i, to_string(dataflow), shape.m, shape.k, shape.n, shape.count, shape.past, shape.rows_per_token,
            static_cast<int>(shape.causal), shape.window, tiling->m, tiling->k, tiling->n, to_string(tiling->order));
    CAPTURE(array.rows, array.columns, array.k_per_row, array.rows_fused, array.columns_fused,
            array.initiation_interval, array.pe_latency, array.result_ports, array.result_registers,
            array.group_interval, array.longest_pass);
    REQUIRE(closed.traffic.activation == walk.traffic.activation);
    REQUIRE(closed.traffic.weight == walk.traffic.weight);
    REQUIRE(closed.traffic.output == walk.traffic.output);
    REQUIRE(closed.traffic.partial_write == walk.traffic.partial_write);
    REQUIRE(closed.traffic.partial_read == walk.traffic.partial_read);
    REQUIRE(closed.jobs == walk.jobs);
    REQUIRE(closed.compute_cycles == walk.compute_cycles);
    REQUIRE(closed.fill_drain_cycles == walk.fill_drain_cycles);
    REQUIRE(closed.weight_load_cycles == walk.weight_load_cycles);
    if (dataflow == Dataflow::output_stationary) {
      REQUIRE(closed.traffic.partial_write == 0);
      if (tiling->k < shape.k) ++cut_reductions;
    }
    ++compared;
  }
  CHECK(compared > 5000);
  CHECK(cut_reductions > 100);
}

namespace {

/// A machine of realistic proportions.
ScheduleProblem machine_problem(Dataflow dataflow, Random& random) {
  const std::uint64_t sides[] = {1, 4, 8, 16, 32, 64, 128, 256};
  const std::uint64_t extents[] = {1, 4, 16, 37, 64, 100, 128, 256, 300, 512, 1000, 2048, 4096};
  const double rates[] = {2, 16, 64, 128, 256, 512};
  GemmShape shape;
  shape.m = extents[random.below(13)];
  shape.k = extents[random.below(13)];
  shape.n = extents[random.below(13)];
  shape.causal = static_cast<CausalMask>(random.below(3));
  const std::uint64_t tokens = shape.causal == CausalMask::context ? shape.k : shape.n;
  shape.rows_per_token = 1 + random.below(4);
  shape.past = tokens - std::min(tokens, ceil_div(shape.m, shape.rows_per_token));
  const std::uint64_t last = shape.past + (shape.m - 1) / shape.rows_per_token + 1;
  if (shape.causal != CausalMask::none && random.below(3) == 0)
    shape.window = (last > tokens ? last - tokens : 0) + 1 + random.below(tokens);
  ScheduleProblem problem = w4a8_problem(shape.m, shape.k, shape.n);
  problem.shape = shape;
  problem.array = random_array(dataflow, 1, random);
  problem.array.rows = sides[random.below(8)];
  problem.array.columns = sides[random.below(8)];
  problem.array.rows_fused = problem.array.columns_fused = 1;
  problem.array.result_ports = 1 + random.below(2) * (problem.array.rows - 1);
  problem.memory.bytes_per_cycle = rates[random.below(6)];
  const std::uint64_t buffer = std::uint64_t{32 * 1024} << random.below(5);
  problem.buffers = {buffer, 2 * buffer, buffer, 4};
  return problem;
}

}  // namespace

TEST_CASE("what must hold on any machine: 600 random configurations of all dataflows") {
  Random random(43);
  int searched = 0, full = 0;
  for (int i = 0; i < 640; ++i) {
    ScheduleProblem problem = machine_problem(dataflows[i % 3], random);
    ScheduleChoice choice;
    try {
      choice = search_schedule(problem);
    } catch (const InputError&) {
      continue;  // not even the smallest tile fits
    }
    ++searched;
    const GemmShape& shape = problem.shape;
    const ArrayGeometry& array = problem.array;
    CAPTURE(i, to_string(array.dataflow), array.rows, array.columns, shape.m, shape.k, shape.n,
            static_cast<int>(shape.causal), problem.memory.bytes_per_cycle);
    const ScheduleBounds bound = bounds(problem);
    const ScheduleCost& cost = choice.cost;
    const double peak = static_cast<double>(array.macs_per_step()) / static_cast<double>(array.initiation_interval);
    CHECK(cost.cycles >= static_cast<double>(shape.macs()) / peak);
    CHECK(cost.cycles >= static_cast<double>(bound.compute_cycles));
    CHECK(cost.cycles >= static_cast<double>(cost.traffic.total()) / problem.memory.bytes_per_cycle);
    CHECK(cost.traffic.activation >= bound.compulsory.activation);
    CHECK(cost.traffic.weight >= bound.compulsory.weight);
    CHECK(cost.traffic.output >= bound.compulsory.output);
    CHECK(cost.traffic.total() >= bound.compulsory_bytes);
    // Infinite bandwidth and free fill: what the passes stream, and what the array's structure makes them wait.
    problem.memory.bytes_per_cycle = 1e18;
    problem.memory.latency_cycles = 0;
    const ScheduleCost ideal = evaluate(problem, choice.tiling), walk = walked(problem, choice.tiling);
    CHECK(ideal.cycles - static_cast<double>(ideal.fill_drain_cycles) ==
          Approx(static_cast<double>(walk.compute_cycles + walk.weight_load_cycles)).epsilon(1e-9));
    if (shape.causal != CausalMask::none) continue;
    // A GEMM of whole passes, long enough to hide loads and drain, runs at the peak exactly.
    ScheduleProblem whole = w4a8_problem(1, 1, 1);
    whole.array = array;
    whole.array.longest_pass = whole.array.group_interval = 0;
    whole.array.result_registers = true;
    const bool outputs = array.dataflow == Dataflow::output_stationary;
    const std::uint64_t pass_k = outputs ? array.k_per_row : whole.array.pass_k();
    const std::uint64_t hides = std::max(whole.array.pass_turnaround(), outputs ? array.chain_length() : 0);
    GemmShape gemm;
    gemm.m = array.pass_m() == 0 ? hides : array.pass_m() * (1 + random.below(3));
    gemm.n = array.pass_n() == 0 ? hides : array.pass_n() * (1 + random.below(3));
    gemm.k = outputs ? round_up(hides, pass_k) * pass_k : pass_k * (1 + random.below(3));
    whole.shape = gemm;
    whole.activation = operand(gemm.m, gemm.k, gemm.k, 8, 0, 1);
    whole.weight = operand(gemm.n, gemm.k, gemm.k, 8, 0, 1);
    whole.output = operand(gemm.m, gemm.n, gemm.n, 16, 0, 1);
    whole.buffers = {1u << 30, 1u << 30, 1u << 30, 4};
    whole.memory = {1e18, 0};
    const ScheduleCost at_peak = evaluate(whole, {gemm.m, gemm.k, gemm.n, LoopOrder::mnk});
    CHECK(at_peak.compute_cycles == bounds(whole).compute_cycles);
    CHECK(at_peak.compute_cycles == gemm.macs() / whole.array.macs_per_step() * array.initiation_interval);
    CHECK(at_peak.weight_load_cycles == 0);
    ++full;
  }
  CHECK(searched >= 500);
  CHECK(full >= 150);
}

TEST_CASE("larger buffers never make a GEMM move more") {
  // The least traffic of all tilings: exactly. A search that only wants to move little: within what its grid misses.
  Random random(44);
  int compared = 0, worse = 0, chosen_worse = 0;
  for (int i = 0; i < 540; ++i) {
    ScheduleProblem problem = machine_problem(dataflows[i % 3], random);
    ScheduleProblem larger = problem;
    larger.buffers.weight_bytes *= 1 + random.below(4);
    larger.buffers.activation_bytes *= 1 + random.below(4);
    larger.buffers.output_bytes *= 1 + random.below(4);
    try {
      search_schedule(problem);
    } catch (const InputError&) {
      continue;
    }
    ++compared;
    CAPTURE(i);
    const auto traffic = [](ScheduleProblem p, double price) {
      p.traffic_price = price;
      return static_cast<double>(search_schedule(p).cost.traffic.total());
    };
    const double least = traffic(problem, 1e9), least_larger = traffic(larger, 1e9);
    CHECK(least_larger <= 1.02 * least);
    if (least_larger > least) ++worse;
    // The schedule chosen by default trades traffic for cycles, within its near-tie rule.
    const double chosen = traffic(problem, problem.traffic_price),
                 chosen_larger = traffic(larger, larger.traffic_price);
    CHECK(chosen_larger <= 1.35 * chosen);
    if (chosen_larger > chosen) ++chosen_worse;
  }
  CHECK(compared >= 500);
  CHECK(worse <= compared / 100);
  CHECK(chosen_worse <= compared / 25);
}

TEST_CASE("the least traffic over all tilings falls with every buffer") {
  Random random(45);
  for (int i = 0; i < 60; ++i) {
    ScheduleProblem problem = random_problem(dataflows[i % 3], 5, 18, random);
    std::uint64_t before = ~std::uint64_t{0};
    for (const std::uint64_t bytes : {64, 100, 200, 300, 1000}) {
      problem.buffers = {bytes, bytes, 2 * bytes, 4};
      const ScheduleModel model(problem);
      const GemmShape& shape = problem.shape;
      std::uint64_t least = ~std::uint64_t{0};
      for (std::uint64_t m = 1; m <= shape.m; ++m) {
        for (std::uint64_t k = 0; k < shape.k;) {
          k = std::min(shape.k, k + model.k_step());
          for (std::uint64_t n = 0; n < shape.n;) {
            n = std::min(shape.n, n + model.n_step());
            if (!model.fits(m, k, n)) continue;
            for (const LoopOrder order : all_loop_orders) {
              if (model.allows(order, k)) least = std::min(least, evaluate(problem, {m, k, n, order}).traffic.total());
            }
          }
        }
      }
      CHECK(least <= before);
      before = least;
    }
  }
}

namespace {

/// Harmonia's array with plain operands: 16 x 16 PEs of 32 lanes, half of 1 MiB per operand.
ScheduleProblem harmonia_problem(std::uint64_t m, std::uint64_t k, std::uint64_t n) {
  ScheduleProblem problem = w4a8_problem(m, k, n);
  problem.array = {};
  problem.array.dataflow = Dataflow::output_stationary;
  problem.array.rows = problem.array.columns = 16;
  problem.array.k_per_row = 32;
  problem.array.pe_latency = 5;
  problem.activation = operand(m, k, 32, 9, 1, 16);
  problem.weight = operand(n, k, 128, 4, 2, 16);
  problem.output = operand(m, n, 16, 16, 0, 16);
  problem.buffers = {1 << 20, 1 << 20, 256 * 1024, 2};
  problem.memory = {512, 50};
  problem.order = OrderPolicy::less_traffic;
  return problem;
}

}  // namespace

TEST_CASE(
    "output orders: row-first keeps rows of activations, column-first keeps weights, the one that moves less runs") {
  // EMA of row-first: M K a + ceil(M / Tm) K N b + M N c; of column-first: K N b + ceil(N / Tn) M K a + M N c.
  for (const auto& [m, n] : {std::pair<std::uint64_t, std::uint64_t>{2048, 512}, {96, 4096}, {2048, 4096}}) {
    CAPTURE(m, n);
    const ScheduleProblem problem = harmonia_problem(m, 4096, n);
    const ScheduleChoice choice = search_schedule(problem);
    REQUIRE(choice.row_first);
    REQUIRE(choice.column_first);
    const std::uint64_t a = problem.activation.bytes(), b = problem.weight.bytes(), c = problem.output.bytes();
    const Tiling& rows = choice.row_first->tiling;
    const Tiling& columns = choice.column_first->tiling;
    if (rows.k == 4096 && rows.n < n) CHECK(choice.row_first->cost.traffic.total() == a + ceil_div(m, rows.m) * b + c);
    if (columns.k == 4096 && columns.m < m)
      CHECK(choice.column_first->cost.traffic.total() == b + ceil_div(n, columns.n) * a + c);
    CHECK(choice.cost.traffic.total() ==
          std::min(choice.row_first->cost.traffic.total(), choice.column_first->cost.traffic.total()));
    const std::string text = explain(problem, choice);
    for (const auto& order : {*choice.row_first, *choice.column_first})
      CHECK_THAT(text, Catch::Contains(": " + with_separators(order.cost.traffic.total()) + " bytes, "));
    CHECK_THAT(text, Catch::Contains("output order: "));
    // A fixed order gives the same schedule, and nothing else is compared.
    for (const OrderPolicy policy : {OrderPolicy::row_first, OrderPolicy::column_first}) {
      ScheduleProblem fixed = problem;
      fixed.order = policy;
      const ScheduleChoice only = search_schedule(fixed);
      const auto& same = policy == OrderPolicy::row_first ? choice.row_first : choice.column_first;
      CHECK(only.cost.traffic.total() == same->cost.traffic.total());
      CHECK(only.row_first.has_value() == (policy == OrderPolicy::row_first));
      CHECK(only.column_first.has_value() == (policy == OrderPolicy::column_first));
      CHECK_THAT(explain(fixed, only), Catch::Contains("as configured"));
    }
  }
  CHECK(!row_first(search_schedule(harmonia_problem(2048, 4096, 512)).tiling.order));
  CHECK(row_first(search_schedule(harmonia_problem(96, 4096, 4096)).tiling.order));
}

TEST_CASE("docs/dataflow.md explains a choice between output orders with the figures of this code") {
  std::ifstream file(source_path("docs/dataflow.md"));
  REQUIRE(file);
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const ScheduleProblem problem = harmonia_problem(2048, 4096, 512);
  CHECK_THAT(page, Catch::Contains(explain(problem, search_schedule(problem))));
}

TEST_CASE("explain names what each dataflow streams and waits for") {
  ScheduleProblem problem = harmonia_problem(40, 128, 64);
  CHECK_THAT(explain(problem, search_schedule(problem)),
             Catch::Contains("4 cycles along k on the 16 x 16 array, output stationary") &&
                 Catch::Contains("waiting for results to drain"));
  problem = w4a8_problem(40, 128, 64);
  CHECK_THAT(explain(problem, search_schedule(problem)), !Catch::Contains("output order"));
  problem.array.dataflow = Dataflow::input_stationary;
  CHECK_THAT(explain(problem, search_schedule(problem)),
             Catch::Contains("weight rows on the 64 x 32 array, input stationary") &&
                 Catch::Contains("waiting for activations"));
}

TEST_CASE("tilings that an output-stationary array cannot keep are refused") {
  const ScheduleProblem problem = harmonia_problem(64, 1024, 64);
  CHECK_NOTHROW(evaluate(problem, {64, 1024, 64, LoopOrder::knm}));
  CHECK_NOTHROW(evaluate(problem, {16, 512, 16, LoopOrder::nmk}));
  CHECK_THROWS_WITH(evaluate(problem, {17, 512, 16, LoopOrder::mnk}), Catch::Contains("keeps the sums of 16 x 16"));
  CHECK_THROWS_WITH(evaluate(problem, {16, 512, 32, LoopOrder::mnk}), Catch::Contains("keeps the sums of 16 x 16"));
  CHECK_THROWS_WITH(evaluate(problem, {16, 512, 16, LoopOrder::mkn}), Catch::Contains("the order mnk"));
}

TEST_CASE("a reduction beyond the buffers is cut, one pass of outputs at a time") {
  ScheduleProblem problem = harmonia_problem(64, 1 << 17, 64);
  const ScheduleChoice choice = search_schedule(problem);
  CHECK(choice.tiling.k < problem.shape.k);
  CHECK(choice.tiling.m <= 16);
  CHECK(choice.tiling.n <= 16);
  CHECK(choice.cost.traffic.partial_write == 0);
  // Groups of the output wider than the array cannot be cut, and no whole reduction fits.
  problem.output.group = 64;
  CHECK_THROWS_WITH(search_schedule(problem), Catch::Contains("weight buffer"));
}

TEST_CASE("the search comes near the best of all tilings for output and input stationary arrays") {
  Random random(46);
  double sum = 0;
  int problems = 0;
  for (int i = 0; i < 120; ++i) {
    ScheduleProblem problem =
        random_problem(i % 2 == 0 ? Dataflow::output_stationary : Dataflow::input_stationary, 6, 30, random);
    const std::uint64_t bytes = 100 + random.below(900);
    problem.buffers = {bytes, bytes, 2 * bytes, 4};
    const ScheduleModel model(problem);
    const GemmShape& shape = problem.shape;
    double best = -1;
    for (std::uint64_t m = 1; m <= shape.m; ++m) {
      for (std::uint64_t k = 0; k < shape.k;) {
        k = std::min(shape.k, k + model.k_step());
        for (std::uint64_t n = 0; n < shape.n;) {
          n = std::min(shape.n, n + model.n_step());
          if (!model.fits(m, k, n)) continue;
          for (const LoopOrder order : all_loop_orders) {
            if (!model.allows(order, k)) continue;
            const ScheduleCost cost = evaluate(problem, {m, k, n, order});
            const double objective = cost.cycles + problem.traffic_price * cost.memory_cycles +
                                     problem.job_price * static_cast<double>(cost.jobs);
            if (best < 0 || objective < best) best = objective;
          }
        }
      }
    }
    if (best < 0) continue;
    const ScheduleCost found = search_schedule(problem).cost;
    const double objective = found.cycles + problem.traffic_price * found.memory_cycles +
                             problem.job_price * static_cast<double>(found.jobs);
    CAPTURE(i, shape.m, shape.k, shape.n, bytes);
    CHECK(objective <= 1.15 * best);
    sum += objective / best;
    ++problems;
  }
  CHECK(problems > 90);
  CHECK(sum / problems <= 1.01);
}
