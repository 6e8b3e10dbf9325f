// SPDX-License-Identifier: Apache-2.0
#include "pe/group_pipeline.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>

#include "core/error.h"
#include "core/random.h"

namespace nibble {
namespace {

/// The same unit, one cycle at a time: a queue in front, `groups_per_cycle` leave it, each is done latency - 1 later.
struct Clocked {
  GroupPipelineTiming timing;
  std::uint64_t cycle = 0, finish = 0, busy = 0;
  std::deque<std::uint64_t> waiting;

  void step() {
    ++cycle;
    const std::uint64_t turns = std::min<std::uint64_t>(timing.groups_per_cycle, waiting.size());
    busy += turns > 0 ? 1 : 0;
    for (std::uint64_t i = 0; i < turns; ++i) {
      waiting.pop_front();
      finish = cycle + timing.latency - 1;
    }
  }
  void arrive(std::uint64_t at, std::uint64_t groups) {
    while (cycle < at)
      step();
    waiting.insert(waiting.end(), groups, at);
  }
  void drain() {
    while (!waiting.empty())
      step();
  }
};

TEST_CASE("the counter agrees with a unit that is stepped cycle by cycle") {
  Random random(71);
  for (int trial = 0; trial < 400; ++trial) {
    const GroupPipelineTiming timing{"unit", 1 + static_cast<unsigned>(random.below(14)),
                                     1 + static_cast<unsigned>(random.below(16)), "", ""};
    GroupPipeline pipeline(timing);
    Clocked clocked{timing, 0, 0, 0, {}};
    std::uint64_t cycle = 0, groups = 0;
    for (int burst = 0; burst < 60; ++burst) {
      cycle += random.below(6);
      const std::uint64_t count = random.below(3) == 0 ? random.below(60) : random.below(4);
      clocked.arrive(cycle, count);
      pipeline.accept(cycle, count);
      groups += count;
    }
    clocked.drain();
    REQUIRE(pipeline.groups() == groups);
    REQUIRE(pipeline.finish() == clocked.finish);
    REQUIRE(pipeline.busy_cycles() == clocked.busy);
  }
}

TEST_CASE("a group leaves after the latency, or waits for its turn") {
  GroupPipeline pipeline({"unit", 13, 1, "", ""});
  CHECK(pipeline.accept(100) == 113);
  CHECK(pipeline.longest_wait() == 0);
  CHECK(pipeline.accept(100, 3) == 116);
  CHECK(pipeline.longest_wait() == 3);
  CHECK(pipeline.accept(200) == 213);
  CHECK(pipeline.exposed(200) == 13);
  CHECK(pipeline.exposed(500) == 0);
  CHECK(pipeline.accept(300, 0) == 213);
  CHECK(pipeline.busy_cycles() == 5);
}

TEST_CASE("the closed form of the exposed tail agrees with the counter") {
  for (unsigned latency : {1U, 3U, 13U}) {
    for (unsigned per_cycle : {1U, 2U, 16U}) {
      const GroupPipelineTiming timing{"unit", latency, per_cycle, "", ""};
      for (std::uint64_t bursts = 0; bursts < 7; ++bursts) {
        for (std::uint64_t groups : {0U, 1U, 2U, 5U, 16U, 17U, 33U, 128U}) {
          for (std::uint64_t interval : {1U, 2U, 5U, 64U}) {
            GroupPipeline pipeline(timing);
            for (std::uint64_t b = 0; b < bursts; ++b)
              pipeline.accept(1000 + b * interval, groups);
            const std::uint64_t end = 1000 + (bursts == 0 ? 0 : bursts - 1) * interval;
            CAPTURE(latency, per_cycle, bursts, groups, interval);
            REQUIRE(exposed_tail(timing, bursts, groups, interval) == pipeline.exposed(end));
          }
        }
      }
    }
  }
}

TEST_CASE("what a group pipeline refuses") {
  CHECK_THROWS_AS(GroupPipeline({"unit", 0, 1, "", ""}), InputError);
  CHECK_THROWS_WITH(GroupPipeline({"unit", 1, 0, "", ""}), "unit: latency and groups per cycle must be at least 1");
  CHECK_THROWS_AS(exposed_tail({"unit", 1, 1, "", ""}, 1, 1, 0), InternalError);
  GroupPipeline pipeline({"unit", 1, 1, "", ""});
  pipeline.accept(5);
  CHECK_THROWS_AS(pipeline.accept(4), InternalError);
}

}  // namespace
}  // namespace nibble
