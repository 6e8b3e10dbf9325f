// SPDX-License-Identifier: Apache-2.0
#include "accelerators/equal_stretches.h"

#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <vector>

#include "dataflow/gemm_shape.h"

using namespace nibble;

namespace {

constexpr std::uint64_t half = EqualStretches::half_cycles;

/// A machine of one process: every job takes as many cycles as `duration` says, and counts itself.
struct Walk {
  Descriptor command;
  CommandCounters counters;
  bool abort = false;
  std::uint64_t walked = 0;

  explicit Walk(std::uint32_t units, std::uint64_t stream = 0) {
    command.timing_only = true;
    command.m = 3;
    command.k = 8;
    command.n = 4;
    command.count = units;
    command.stream_bytes = stream;
    command.tiling = {1, 8, 4, LoopOrder::mnk};
  }

  void run(const std::function<std::uint64_t(std::uint64_t unit)>& duration, bool on = true) {
    GemmProgress progress(command, counters, abort);
    progress.elements_total = std::uint64_t{command.m} * command.n * command.count;
    TileSchedule schedule(shape_of(command), command.tiling);
    EqualStretches stretches(on);
    while (const auto job = schedule.next()) {
      stretches.enter(*job, progress, schedule);
      const std::uint64_t cycles = duration(job->instance);
      progress.end += cycles;
      counters.spend(Cause::compute, cycles);
      counters.read_bytes[0] += 10;
      counters.macs_by_mode[2] += job->m * job->k * job->n;
      ++counters.jobs;
      ++walked;
      progress.elements_done += job->m * job->n;
      const std::uint64_t share = progress.stream_share();
      counters.write_bytes[static_cast<unsigned>(Stream::output)] += share - progress.stream_written;
      progress.stream_written = share;
    }
  }
};

}  // namespace

TEST_CASE("a measured stretch stands for those behind it, every counter exactly") {
  for (const std::uint64_t unit_cycles : {half / 100, half / 2, 2 * half}) {
    Walk walk(2000, 12345677);
    walk.run([&](std::uint64_t) { return unit_cycles / 3; });
    CHECK(walk.walked < 6000);
    CHECK(walk.counters.jobs == 6000);
    CHECK(walk.counters.read_bytes[0] == 60000);
    CHECK(walk.counters.macs_by_mode[2] == 6000 * 32);
    CHECK(walk.counters.cycles == 6000 * (unit_cycles / 3));
    CHECK(walk.counters.compute_cycles == walk.counters.cycles);
    CHECK(walk.counters.repeated_cycles == (6000 - walk.walked) * (unit_cycles / 3));
    CHECK(walk.counters.repeated_read_bytes == (6000 - walk.walked) * 10);
    CHECK(walk.counters.repeat_difference == 0);
    CHECK(walk.counters.write_bytes[static_cast<unsigned>(Stream::output)] == 12345677);
  }
}

TEST_CASE("the first unit may take longer, and is in no stretch") {
  Walk walk(1000);
  walk.run([](std::uint64_t unit) { return unit == 0 ? half : half / 16; });
  CHECK(walk.counters.repeated_cycles > 0);
  CHECK(walk.counters.cycles == 3 * half + 999 * 3 * (half / 16));
}

TEST_CASE("halves that differ are measured again, twice as long") {
  // The time of a unit settles slowly: the halves agree after several doublings only.
  Walk walk(100000);
  const auto duration = [](std::uint64_t unit) { return half / 8 + half / (100 * (unit + 1) * (unit + 1)); };
  walk.run(duration);
  std::uint64_t exact = 0;
  for (std::uint64_t unit = 0; unit < 100000; ++unit)
    exact += 3 * duration(unit);
  CHECK(walk.counters.repeated_cycles > 0);
  CHECK(walk.walked > 100 * 3);
  CHECK(walk.counters.repeat_difference <= EqualStretches::tolerance);
  CHECK(walk.counters.jobs == 300000);
  CHECK(static_cast<double>(walk.counters.cycles) == Approx(static_cast<double>(exact)).epsilon(1e-3));
}

TEST_CASE("what does not settle is simulated whole") {
  Walk walk(500);
  walk.run([](std::uint64_t unit) { return half / 8 + unit * half / 100; });
  CHECK(walk.walked == 1500);
  CHECK(walk.counters.repeated_cycles == 0);
}

TEST_CASE("short commands, commands with data and machines that are not asked to repeat are simulated whole") {
  const auto quick = [](std::uint64_t) { return half / 3000; };
  Walk brief(1000);
  brief.run(quick);
  CHECK((brief.walked == 3000 && brief.counters.repeated_cycles == 0));
  Walk data(2000);
  data.command.timing_only = false;
  data.run([](std::uint64_t) { return half; });
  CHECK((data.walked == 6000 && data.counters.repeated_cycles == 0));
  Walk alone(2000);
  alone.run([](std::uint64_t) { return half; }, false);
  CHECK((alone.walked == 6000 && alone.counters.repeated_cycles == 0));
}

namespace {

/// The first stretch of a command whose units have `work` to do and take `duration`.
std::optional<EqualStretches::Stretch> first_stretch(const std::function<std::uint64_t(std::uint64_t unit)>& work,
                                                     const std::function<std::uint64_t(std::uint64_t unit)>& duration) {
  EqualStretches stretches(true);
  CommandCounters counters;
  EqualStretches::Place place;
  for (std::uint64_t unit = 0; unit < 1000; ++unit) {
    if (auto stretch = stretches.enter(unit, place, counters)) return stretch;
    place.end += duration(unit);
    place.work += work(unit);
    counters.spend(Cause::compute, duration(unit));
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("time of units that grow goes with their work, or with them") {
  // One thousandth more per unit: neither half is like the other in both.
  const auto growing = [](std::uint64_t unit) { return half / 10 + unit * half / 10000; };
  const auto by_work = first_stretch(growing, growing);
  REQUIRE(by_work);
  CHECK(by_work->by_work);
  CHECK(by_work->units == 20);  // the first warms up
  CHECK(by_work->work == by_work->cycles);
  const auto by_units = first_stretch(growing, [](std::uint64_t) { return half / 10 + 1; });
  REQUIRE(by_units);
  CHECK_FALSE(by_units->by_work);
  CHECK(by_units->cycles == by_units->units * (half / 10 + 1));
  CHECK(by_units->before.cycles == half / 10 + 1);
  // In between, or the other way: what is behind cannot be known.
  CHECK_FALSE(first_stretch(growing, [](std::uint64_t unit) { return half / 10 + unit * half / 20000; }));
  CHECK_FALSE(first_stretch(growing, [](std::uint64_t unit) { return half / 5 - unit * half / 10000; }));
}

TEST_CASE("cycles of a stretch stand for more of them, those of compute as told, the others in proportion") {
  CommandCounters counters;
  counters.spend(Cause::compute, 7);
  const CommandCounters before = counters;
  counters.spend(Cause::compute, 600);
  counters.spend(Cause::weight_load, 30);
  counters.memory_stall(Stream::weight, 40);
  counters.memory_stall(Stream::activation, 10);
  counters.output_stall(Stream::output, 20);
  counters.repeat_cycles_since(before, 1500, 1300);  // 100 cycles that are not of compute stand for 200
  CHECK(counters.cycles == 7 + 700 + 1500);
  CHECK(counters.compute_cycles == 7 + 600 + 1300);
  CHECK(counters.fill_drain_cycles == 90);
  CHECK(counters.weight_load_cycles == 90);
  CHECK(counters.memory_stall_cycles == 150);
  CHECK(counters.stall_by_stream[static_cast<unsigned>(Stream::weight)] == 120);
  CHECK(counters.output_stall_cycles == 60);
  CHECK(counters.repeated_cycles == 1500);
}
