// SPDX-License-Identifier: Apache-2.0
/// Slices on tracks: what is merged, what stays exact, and the events that they become.
#include <catch2/catch.hpp>

#include "core/json.h"
#include "core/random.h"
#include "core/timeline.h"

using namespace nibble;

namespace {

std::vector<const JsonValue*> slices(const JsonValue& trace, std::int64_t process) {
  std::vector<const JsonValue*> found;
  for (const JsonValue& event : trace.find("traceEvents")->items) {
    if (event.find("ph")->string == "X" && event.find("pid")->integer == process) found.push_back(&event);
  }
  return found;
}

}  // namespace

TEST_CASE("touching slices of one label are one, others are told apart") {
  Timeline timeline;
  Timeline::Track& track = timeline.track("machine", "array", {"cycles"});
  const unsigned a = track.label("a"), b = track.label("b");
  CHECK(track.label("a") == a);
  track.add(0, 10, a, {10});
  track.add(10, 15, a, {5});
  track.add(15, 20, b, {5});
  track.add(22, 25, b, {3});
  track.add(25, 26, b, {1}, false);
  REQUIRE(track.slices().size() == 4);
  CHECK(track.slices()[0].end == 15);
  CHECK(track.slices()[0].parts == 1);
  CHECK(track.slices()[0].busy == 15);
  CHECK(track.slices()[2].begin == 22);
  CHECK(track.total(0) == 24);
  CHECK(track.resolution() == 0);
  CHECK(&timeline.track("machine", "array", {}) == &track);
  CHECK(timeline.find("machine", "none") == nullptr);
}

TEST_CASE("what overlaps begins where the slice before ends, and loses no amount") {
  Timeline timeline;
  Timeline::Track& track = timeline.track("m", "t", {"x"});
  track.label("a");
  track.add(7, 7, 0, {1});
  track.add(10, 20, 0, {2});
  track.add(15, 25, 0, {4}, false);
  track.add(12, 18, 0, {8});
  REQUIRE(track.slices().size() == 2);
  CHECK(track.slices()[0].amounts[0] == 3);
  CHECK(track.slices()[1].begin == 20);
  CHECK(track.slices()[1].end == 25);
  CHECK(track.total(0) == 15);
}

TEST_CASE("a track is bounded, its sums are exact, and long slices outlive short ones") {
  for (const std::size_t most : {std::size_t{2}, std::size_t{3}, std::size_t{64}}) {
    Timeline timeline(most);
    Timeline::Track& track = timeline.track("m", "t", {"x", "y"});
    track.label("short");
    track.label("long");
    Random random(most);
    Ticks at = 0, busy = 0;
    std::uint64_t x = 0;
    for (int i = 0; i < 20000; ++i) {
      const bool lasting = i % 5000 == 2500;
      const Ticks length = lasting ? 10'000'000 : 1 + random.below(50);
      at += random.below(30);
      track.add(at, at + length, lasting ? 1 : 0, {length, 1}, false);
      at += length;
      busy += length;
      x += length;
      REQUIRE(track.slices().size() <= most);
    }
    CHECK(track.total(0) == x);
    CHECK(track.total(1) == 20000);
    Ticks last = 0, sum = 0;
    std::uint64_t parts = 0, whole = 0;
    for (const Timeline::Slice& slice : track.slices()) {
      CHECK(slice.begin >= last);
      CHECK(slice.end > slice.begin);
      CHECK(slice.busy <= slice.end - slice.begin);
      last = slice.end;
      sum += slice.busy;
      parts += slice.parts;
      whole += slice.label == 1 ? 1 : 0;
    }
    CHECK(sum == busy);
    CHECK(parts == 20000);
    if (most == 64) CHECK(whole == 4);
  }
}

TEST_CASE("events stand in the reported time, and what was not simulated is shown") {
  Timeline timeline;
  Timeline::Track& array = timeline.track("machine", "array", {"cycles"});
  Timeline::Track& commands = timeline.track(Timeline::reported_group, "operators", {"cycles"});
  timeline.track("machine", "never used", {});
  array.label("compute");
  array.add(0, 1'000'000, 0, {500});
  array.add(2'000'000, 3'500'000, 0, {750});
  array.add(4'000'000, 5'000'000, 0, {500});
  commands.label("</script>");
  commands.add(0, 12'000'000, 0, {6000});
  timeline.skip(2'000'000, 5'000'000, "layers 2 to 3");
  timeline.skip(4'000'000, 0, "nothing");
  timeline.skip(4'000'000, 2'000'000, "more");
  const JsonValue trace = parse_json(timeline_trace(timeline, "a run"), "trace");
  CHECK(trace.find("otherData")->find("title")->string == "a run");
  const auto machine = slices(trace, 2), host = slices(trace, 1);
  REQUIRE(machine.size() == 3);
  CHECK(machine[0]->find("ts")->number == 0.0);
  CHECK(machine[0]->find("dur")->number == 1.0);
  CHECK(machine[0]->find("name")->string == "compute");
  CHECK(machine[0]->find("args")->find("cycles")->integer == 500);
  CHECK(machine[1]->find("ts")->number == 7.0);
  CHECK(machine[2]->find("ts")->number == 11.0);
  REQUIRE(host.size() == 3);
  CHECK(host[0]->find("name")->string == "layers 2 to 3");
  CHECK(host[0]->find("ts")->number == 2.0);
  CHECK(host[0]->find("dur")->number == 5.0);
  CHECK(host[1]->find("ts")->number == 9.0);
  CHECK(host[2]->find("dur")->number == 12.0);
}

TEST_CASE("a merged slice says of how many it is made, and how long they were") {
  Timeline timeline(2);
  Timeline::Track& track = timeline.track("m", "t", {"x"});
  for (const char* label : {"a", "b"})
    track.label(label);
  for (unsigned i = 0; i < 8; ++i)
    track.add(i * 2'000'000, i * 2'000'000 + 1'000'000, i % 2, {1});
  const JsonValue trace = parse_json(timeline_trace(timeline, ""), "trace");
  std::int64_t parts = 0;
  double busy = 0;
  for (const JsonValue* slice : slices(trace, 1)) {
    const JsonValue& args = *slice->find("args");
    parts += args.find("slices") ? args.find("slices")->integer : 1;
    busy += args.find("busy_us") ? args.find("busy_us")->number : slice->find("dur")->number;
  }
  CHECK(parts == 8);
  CHECK(busy == Approx(8.0));
}
