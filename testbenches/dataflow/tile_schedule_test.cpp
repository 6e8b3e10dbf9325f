// SPDX-License-Identifier: Apache-2.0
#include "dataflow/tile_schedule.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "core/error.h"

using namespace nibble;

namespace {

GemmShape shape_of(std::uint64_t m, std::uint64_t k, std::uint64_t n, std::uint64_t count = 1) {
  GemmShape shape;
  shape.m = m;
  shape.k = k;
  shape.n = n;
  shape.count = count;
  return shape;
}

std::vector<TileJob> jobs_of(const GemmShape& shape, const Tiling& tiling) {
  TileSchedule schedule(shape, tiling);
  std::vector<TileJob> jobs;
  while (const auto job = schedule.next())
    jobs.push_back(*job);
  return jobs;
}

/// "m0,k0,n0" of every job, a letter for each flag: A, W loads; f, l first and last k; r refill, s spill; . the end.
std::string written(const std::vector<TileJob>& jobs) {
  std::string text;
  for (const TileJob& job : jobs) {
    text += std::to_string(job.m0) + "," + std::to_string(job.k0) + "," + std::to_string(job.n0);
    if (job.load_activation) text += 'A';
    if (job.load_weight) text += 'W';
    if (job.first_k) text += 'f';
    if (job.last_k) text += 'l';
    if (job.refill) text += 'r';
    if (job.spill) text += 's';
    text += job.last ? "." : " ";
  }
  return text;
}

/// Every needed (row, k, column) exactly once; every flag consistent with its neighbours.
void check_walk(const GemmShape& shape, const Tiling& tiling) {
  CAPTURE(shape.m, shape.k, shape.n, shape.past, shape.rows_per_token, static_cast<int>(shape.causal), tiling.m,
          tiling.k, tiling.n, to_string(tiling.order));
  std::vector<int> seen(shape.m * shape.k * shape.n, 0);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> reached;  // output tile -> k done
  std::map<std::pair<std::uint64_t, std::uint64_t>, bool> in_memory;         // output tile -> partial sums spilled
  std::uint64_t ended = 0, volume = 0, finished = 0;
  bool good = true;
  for (const TileJob& job : jobs_of(shape, tiling)) {
    good = good && ended == 0 && job.m > 0 && job.k > 0 && job.n > 0;
    for (std::uint64_t m = job.m0; m < job.m0 + job.m; ++m) {
      for (std::uint64_t k = job.k0; k < job.k0 + job.k; ++k) {
        for (std::uint64_t n = job.n0; n < job.n0 + job.n; ++n)
          ++seen.at((m * shape.k + k) * shape.n + n);
      }
    }
    volume += job.m * job.k * job.n;
    const auto tile = std::make_pair(job.m0, job.n0);
    good = good && reached[tile] == job.k0 && job.first_k == (job.k0 == 0);
    reached[tile] = job.k0 + job.k;
    good = good && job.last_k == (reached[tile] == shape.reduction_needed(job.m0, job.m));
    good = good && job.refill == in_memory[tile];
    in_memory[tile] = job.spill;
    good = good && !(job.last_k && job.spill) && !(job.first_k && job.refill);
    finished += job.last_k ? 1 : 0;
    ended += job.last ? 1 : 0;
  }
  good = good && ended == 1 && finished == reached.size();
  for (const auto& tile : in_memory)
    good = good && !tile.second;
  if (shape.causal == CausalMask::none) good = good && volume == shape.macs();
  for (std::uint64_t m = 0; m < shape.m; ++m) {
    const std::uint64_t tile_m0 = m / tiling.m * tiling.m;
    const std::uint64_t tile_rows = std::min(tiling.m, shape.m - tile_m0);
    for (std::uint64_t k = 0; k < shape.k; ++k) {
      for (std::uint64_t n = 0; n < shape.n; ++n) {
        const int times = seen[(m * shape.k + k) * shape.n + n];
        const bool needed = k < shape.reduction_needed(m, 1) && n < shape.columns_needed(m, 1);
        const bool allowed =
            k < shape.reduction_needed(tile_m0, tile_rows) && n < shape.columns_needed(tile_m0, tile_rows);
        good = good && times == (allowed ? 1 : 0) && (!needed || times == 1);
      }
    }
  }
  if (!good) FAIL("the walk does not do the work once, or a flag is wrong");
}

}  // namespace

TEST_CASE("hand-written walk: k innermost never spills") {
  CHECK(written(jobs_of(shape_of(2, 4, 2), {1, 2, 2, LoopOrder::mnk})) == "0,0,0AWf 0,2,0AWl 1,0,0AWf 1,2,0AWl.");
  CHECK(written(jobs_of(shape_of(2, 4, 2), {1, 4, 1, LoopOrder::nmk})) == "0,0,0AWfl 1,0,0Afl 0,0,1AWfl 1,0,1Afl.");
}

TEST_CASE("hand-written walk: the activation tile stays, partial sums travel") {
  CHECK(written(jobs_of(shape_of(2, 4, 2), {2, 2, 1, LoopOrder::mkn})) == "0,0,0AWfs 0,0,1Wfs 0,2,0AWlr 0,2,1Wlr.");
}

TEST_CASE("hand-written walk: an output tile that stays is not spilled although k is outermost") {
  CHECK(written(jobs_of(shape_of(2, 6, 2), {2, 2, 2, LoopOrder::kmn})) == "0,0,0AWf 0,2,0AW 0,4,0AWl.");
  CHECK(written(jobs_of(shape_of(2, 6, 2), {2, 2, 2, LoopOrder::knm})) == "0,0,0AWf 0,2,0AW 0,4,0AWl.");
}

TEST_CASE("hand-written walk: instances share nothing") {
  const auto jobs = jobs_of(shape_of(1, 1, 2, 2), {1, 1, 1, LoopOrder::nmk});
  CHECK(written(jobs) == "0,0,0AWfl 0,0,1Wfl 0,0,0AWfl 0,0,1Wfl.");
  CHECK(jobs[1].instance == 0);
  CHECK(jobs[2].instance == 1);
}

TEST_CASE("hand-written walk: causal scores and context of four tokens") {
  GemmShape scores = shape_of(4, 1, 4);
  scores.causal = CausalMask::scores;
  const auto rows = jobs_of(scores, {2, 1, 2, LoopOrder::mnk});
  CHECK(written(rows) == "0,0,0AWfl 2,0,0Afl 2,0,2Wfl.");
  // Rows 0..1 of a tile of 3 columns need 2: the tile is clipped, hence not the one that rows 2..3 load.
  const auto clipped = jobs_of(scores, {2, 1, 3, LoopOrder::nmk});
  CHECK(written(clipped) == "0,0,0AWfl 2,0,0AWfl 2,0,3Wfl.");
  CHECK(clipped[0].n == 2);
  CHECK(clipped[1].n == 3);
  GemmShape context = shape_of(4, 4, 1);
  context.causal = CausalMask::context;
  CHECK(written(jobs_of(context, {2, 2, 1, LoopOrder::mnk})) == "0,0,0AWfl 2,0,0Af 2,2,0AWl.");
  CHECK(written(jobs_of(context, {2, 2, 1, LoopOrder::knm})) == "0,0,0AWfl 2,0,0Af 2,2,0AWl.");
  context.past = 1;
  CHECK(written(jobs_of(context, {2, 2, 1, LoopOrder::knm})) == "0,0,0AWfs 2,0,0Afs 0,2,0AWlr 2,2,0AWlr.");
}

TEST_CASE("every tiling and order does the work exactly once") {
  for (const LoopOrder order : all_loop_orders) {
    for (const std::uint64_t m : {1, 2, 3, 5}) {
      for (const std::uint64_t k : {1, 2, 4, 9}) {
        for (const std::uint64_t n : {1, 3, 4, 7})
          check_walk(shape_of(5, 7, 6), {m, k, n, order});
      }
    }
  }
}

TEST_CASE("causal tilings cover what is needed and skip what no row of a tile needs") {
  for (const CausalMask mask : {CausalMask::scores, CausalMask::context}) {
    for (const std::uint64_t past : {0, 1, 3, 20}) {
      for (const std::uint64_t rows_per_token : {1, 2, 3}) {
        for (const std::uint64_t tokens : {4, 7, 9}) {
          GemmShape shape = mask == CausalMask::scores ? shape_of(6, 3, tokens) : shape_of(6, tokens, 3);
          shape.causal = mask;
          shape.past = past;
          shape.rows_per_token = rows_per_token;
          for (const LoopOrder order : all_loop_orders) {
            for (const std::uint64_t m : {1, 2, 4, 6}) {
              for (const std::uint64_t k : {1, 2, 3, 9}) {
                for (const std::uint64_t n : {1, 2, 3, 9})
                  check_walk(shape, {m, k, n, order});
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("restart walks again") {
  TileSchedule schedule(shape_of(4, 4, 4), {2, 2, 2, LoopOrder::kmn});
  std::vector<TileJob> first, second;
  while (const auto job = schedule.next())
    first.push_back(*job);
  CHECK_FALSE(schedule.next());
  schedule.restart();
  while (const auto job = schedule.next())
    second.push_back(*job);
  CHECK(written(first) == written(second));
  CHECK(first.size() == 8);
}

TEST_CASE("tiles larger than the shape mean the whole shape") {
  TileSchedule schedule(shape_of(4, 5, 6), {~0ull, ~0ull, ~0ull, LoopOrder::mnk});
  CHECK(schedule.tiling().m == 4);
  CHECK(schedule.tiling().k == 5);
  CHECK(schedule.tiling().n == 6);
  CHECK(schedule.next()->last);
  CHECK_FALSE(schedule.next());
}

TEST_CASE("bad tilings and spellings are refused") {
  CHECK_THROWS_AS(TileSchedule(shape_of(4, 0, 4), {2, 2, 2, LoopOrder::kmn}), InputError);
  CHECK_THROWS_WITH(TileSchedule(shape_of(4, 4, 4), {2, 0, 2, LoopOrder::kmn}), Catch::Contains("k=0"));
  for (const LoopOrder order : all_loop_orders)
    CHECK(loop_order_from(to_string(order)) == order);
  CHECK_THROWS_WITH(loop_order_from("nkn"), Catch::Contains("'nkn'") && Catch::Contains("nmk"));
}

TEST_CASE(
    "under a window every position that a row sees is in exactly one tile, and tiles that no row sees are skipped") {
  for (const CausalMask mask : {CausalMask::scores, CausalMask::context}) {
    for (const LoopOrder order : all_loop_orders) {
      for (const std::uint64_t window : {1, 3, 5, 12, 40}) {
        for (const std::uint64_t past : {0, 6}) {
          for (const std::uint64_t rows_per_token : {1, 2}) {
            for (const std::uint64_t tile : {2, 3, 5}) {
              GemmShape shape;
              shape.m = 13;
              const std::uint64_t tokens = past + (shape.m - 1) / rows_per_token + 1;
              const bool scores = mask == CausalMask::scores;
              shape.n = scores ? tokens : 3;
              shape.k = scores ? 3 : tokens;
              shape.count = 2;
              shape.causal = mask;
              shape.past = past;
              shape.rows_per_token = rows_per_token;
              shape.window = window;
              TileSchedule schedule(shape, {tile, scores ? 2 : tile, scores ? tile : 2, order});
              std::vector<int> seen(2 * shape.m * tokens, 0), first(2 * shape.m * 3, 0), last(2 * shape.m * 3, 0);
              std::vector<TileJob> jobs;
              while (const auto job = schedule.next()) {
                jobs.push_back(*job);
                const std::uint64_t x0 = scores ? job->n0 : job->k0, x = scores ? job->n : job->k;
                bool useful = false;
                for (std::uint64_t r = job->m0; r < job->m0 + job->m; ++r) {
                  const std::uint64_t token = past + r / rows_per_token;
                  for (std::uint64_t p = x0; p < x0 + x; ++p) {
                    useful = useful || (p <= token && p + window > token);
                    if (scores ? job->k0 == 0 : job->n0 == 0) ++seen[(job->instance * shape.m + r) * tokens + p];
                  }
                  for (std::uint64_t c = job->n0; !scores && c < job->n0 + job->n; ++c) {
                    first[(job->instance * shape.m + r) * 3 + c] += job->first_k;
                    last[(job->instance * shape.m + r) * 3 + c] += job->last_k;
                  }
                }
                CHECK(useful);
              }
              CAPTURE(static_cast<int>(mask), to_string(order), window, past, rows_per_token, tile);
              bool once = true;
              for (std::uint64_t i = 0; i < 2 * shape.m; ++i) {
                const std::uint64_t token = past + i % shape.m / rows_per_token;
                for (std::uint64_t p = 0; p < tokens; ++p) {
                  const int times = seen[i * tokens + p];
                  once = once && times <= 1 && (times == 1 || !(p <= token && p + window > token));
                }
              }
              CHECK(once);
              if (!scores) {
                CHECK(std::count(first.begin(), first.end(), 1) == static_cast<std::ptrdiff_t>(first.size()));
                CHECK(std::count(last.begin(), last.end(), 1) == static_cast<std::ptrdiff_t>(last.size()));
              }
              // Backwards: the same jobs, and none before the first.
              for (std::size_t i = jobs.size(); i-- > 0;) {
                REQUIRE(schedule.step_back());
                CHECK(schedule.peek()->m0 == jobs[i].m0);
                CHECK(schedule.peek()->k0 == jobs[i].k0);
                CHECK(schedule.peek()->n0 == jobs[i].n0);
                CHECK(schedule.peek()->instance == jobs[i].instance);
              }
              CHECK(!schedule.step_back());
              CHECK(schedule.peek()->n0 == jobs.front().n0);
            }
          }
        }
      }
    }
  }
}

namespace {

/// What a job is, but for where: the unit's number taken out.
auto apart_from_place(const TileJob& job) {
  return std::make_tuple(job.m, job.k, job.n, job.k0, job.load_activation, job.load_weight, job.first_k, job.last_k,
                         job.refill, job.spill);
}

}  // namespace

TEST_CASE("units are instances, else tiles along the outermost axis that has several") {
  const auto units = [](const GemmShape& shape, const Tiling& tiling) { return TileSchedule(shape, tiling).units(); };
  CHECK(units(shape_of(100, 64, 64, 5), {10, 64, 64, LoopOrder::mnk}) == 5);
  CHECK(units(shape_of(101, 64, 64), {10, 64, 16, LoopOrder::mnk}) == 11);
  CHECK(units(shape_of(101, 64, 64), {10, 64, 16, LoopOrder::nmk}) == 4);
  CHECK(units(shape_of(10, 64, 64), {10, 32, 16, LoopOrder::mnk}) == 4);  // one tile along m
  CHECK(units(shape_of(10, 64, 64), {10, 32, 16, LoopOrder::kmn}) == 1);  // k outermost: partial sums
  CHECK(units(shape_of(10, 64, 64), {10, 64, 16, LoopOrder::kmn}) == 4);
  CHECK(units(shape_of(10, 64, 64), {10, 64, 64, LoopOrder::mnk}) == 1);
  GemmShape masked = shape_of(64, 32, 64);
  masked.causal = CausalMask::scores;
  CHECK(units(masked, {16, 32, 16, LoopOrder::mnk}) == 4);
  masked.count = 3;
  CHECK(units(masked, {16, 32, 16, LoopOrder::mnk}) == 3);
}

TEST_CASE("units behind the first differ in their places only, whatever is left out between them") {
  const std::tuple<GemmShape, Tiling> walks[] = {{shape_of(103, 96, 50), {10, 32, 20, LoopOrder::mnk}},
                                                 {shape_of(103, 96, 200), {50, 96, 20, LoopOrder::nmk}},
                                                 {shape_of(103, 96, 50), {10, 32, 20, LoopOrder::mkn}},
                                                 {shape_of(30, 96, 50, 12), {10, 32, 20, LoopOrder::kmn}},
                                                 {shape_of(10, 32, 20, 12), {10, 32, 20, LoopOrder::mnk}}};
  for (const auto& [shape, tiling] : walks) {
    const std::vector<TileJob> all = jobs_of(shape, tiling);
    TileSchedule schedule(shape, tiling);
    const std::uint64_t units = schedule.units();
    REQUIRE(units >= 10);
    std::map<std::uint64_t, std::vector<TileJob>> by_unit;
    for (const TileJob& job : all)
      by_unit[schedule.unit_of(job)].push_back(job);
    REQUIRE(by_unit.size() == units);
    // After some jobs as many units as possible are left out, in two steps.
    std::vector<std::uint64_t> walked;
    for (std::size_t i = 0; auto job = schedule.next(); ++i) {
      const std::uint64_t unit = schedule.unit_of(*job);
      if (walked.empty() || walked.back() != unit) walked.push_back(unit);
      if (i != 2 * by_unit[1].size()) continue;
      const std::uint64_t ahead = schedule.units_ahead();
      CHECK(ahead >= units - 6);
      schedule.skip_units(ahead - 3);
      CHECK(schedule.units_ahead() == 3);
      schedule.skip_units(2);
    }
    CHECK(walked.size() < 8);
    CHECK(walked.back() == units - 1);
    for (std::uint64_t unit = 2; unit + 1 < units; ++unit) {
      REQUIRE(by_unit[unit].size() == by_unit[1].size());
      for (std::size_t i = 0; i < by_unit[1].size(); ++i)
        CHECK(apart_from_place(by_unit[unit][i]) == apart_from_place(by_unit[1][i]));
    }
    schedule.restart();
    std::size_t again = 0;
    while (schedule.next())
      ++again;
    CHECK(again == all.size());
  }
}

TEST_CASE("units that a mask cuts have more work from one to the next, and may be left out all the same") {
  GemmShape scores = shape_of(64, 32, 100);
  scores.causal = CausalMask::scores;
  scores.past = 36;
  GemmShape context = shape_of(64, 100, 32);
  context.causal = CausalMask::context;
  context.past = 36;
  for (const GemmShape& shape : {scores, context}) {
    for (const LoopOrder order : {LoopOrder::mnk, LoopOrder::nmk, LoopOrder::mkn}) {
      const Tiling tiling{4, 10, 10, order};
      TileSchedule schedule(shape, tiling);
      CHECK_FALSE(schedule.equal_units());
      const std::vector<TileJob> all = jobs_of(shape, tiling);
      // Behind the first job of unit 1 one of the units is left out.
      std::vector<TileJob> walked;
      std::uint64_t first = 0;
      while (auto job = schedule.next()) {
        walked.push_back(*job);
        if (first != 0 || schedule.unit_of(*job) != 1 || schedule.units_ahead() < 1) continue;
        first = schedule.first_ahead();
        schedule.skip_units(1);
        CHECK(schedule.first_ahead() == first + 1);
      }
      if (first == 0) continue;
      std::size_t at = 0;
      for (const TileJob& job : all) {
        if (schedule.unit_of(job) == first) continue;
        REQUIRE(at < walked.size());
        CHECK(apart_from_place(walked[at]) == apart_from_place(job));
        CHECK((walked[at].m0 == job.m0 && walked[at].n0 == job.n0 && walked[at].k0 == job.k0));
        ++at;
      }
      CHECK(at == walked.size());
    }
  }
}
