// SPDX-License-Identifier: Apache-2.0
#include "core/statistics.h"

#include <catch2/catch.hpp>
#include <limits>
#include <memory>

#include "core/error.h"

using namespace nibble;

namespace {

std::vector<Statistics::Value> all(const Statistics& group) {
  std::vector<Statistics::Value> out;
  group.for_each([&out](const Statistics::Value& value) { out.push_back(value); });
  return out;
}

}  // namespace

TEST_CASE("values come in order of registration, children after") {
  std::uint64_t hits = 3, total = 4, reads = 9;
  Statistics memory("memory");
  Statistics channel("channel0", &memory);
  memory.counter("row_hits", "count", "accesses to an open row", hits);
  channel.counter("reads", "count", "read commands", reads);
  memory.counter("accesses", "count", "all accesses", total);
  memory.derived("hit_rate", "ratio", "share of open rows", "row_hits / accesses",
                 [&] { return Statistics::ratio(static_cast<double>(hits), static_cast<double>(total)); });
  const auto values = all(memory);
  REQUIRE(values.size() == 4);
  CHECK(values[0].path == "memory.row_hits");
  CHECK(values[0].value == 3.0);
  CHECK(values[0].integral);
  CHECK(values[0].unit == "count");
  CHECK(values[0].meaning == "accesses to an open row");
  CHECK(values[1].path == "memory.accesses");
  CHECK(values[2].path == "memory.hit_rate");
  CHECK(values[2].value == 0.75);
  CHECK(values[2].formula == "row_hits / accesses");
  CHECK_FALSE(values[2].integral);
  CHECK(values[3].path == "memory.channel0.reads");
  CHECK(channel.path() == "memory.channel0");
}

TEST_CASE("values are read when visited and never stale") {
  std::uint64_t count = 1;
  Statistics group("g");
  group.counter("n", "count", "", count);
  group.derived("twice", "count", "", "2 n", [&] { return 2.0 * static_cast<double>(count); });
  count = 21;
  CHECK(all(group)[0].value == 21.0);
  CHECK(all(group)[1].value == 42.0);
}

TEST_CASE("a ratio without denominator is not available, never zero") {
  std::uint64_t none = 0;
  Statistics group("g");
  group.derived("r", "ratio", "", "a / b", [&] { return Statistics::ratio(1, static_cast<double>(none)); });
  group.derived("i", "ratio", "", "", [] { return std::optional<double>(std::numeric_limits<double>::infinity()); });
  CHECK_FALSE(all(group)[0].value.has_value());
  CHECK_FALSE(all(group)[1].value.has_value());
  none = 4;
  CHECK(all(group)[0].value == 0.25);
}

TEST_CASE("reset reaches every counter below") {
  std::uint64_t a = 1, b = 2, c = 3, outside = 4;
  Statistics top("top"), other("other");
  Statistics middle("middle", &top);
  Statistics low("low", &middle);
  top.counter("a", "count", "", a);
  middle.counter("b", "count", "", b);
  low.counter("c", "count", "", c);
  other.counter("o", "count", "", outside);
  middle.reset();
  CHECK((a == 1 && b == 0 && c == 0 && outside == 4));
  top.reset();
  CHECK(a == 0);
}

TEST_CASE("a child that ends leaves its parent") {
  std::uint64_t n = 1;
  Statistics top("top");
  {
    Statistics child("child", &top);
    child.counter("n", "count", "", n);
    CHECK(all(top).size() == 1);
  }
  CHECK(all(top).empty());
  top.reset();
  CHECK(n == 1);
  CHECK_NOTHROW(Statistics("child", &top));
}

TEST_CASE("a name used twice is an internal error") {
  std::uint64_t n = 0;
  Statistics top("top");
  Statistics child("child", &top);
  top.counter("n", "count", "", n);
  CHECK_THROWS_AS(top.counter("n", "count", "", n), InternalError);
  CHECK_THROWS_AS(top.derived("n", "count", "", "", [] { return std::optional<double>(1); }), InternalError);
  CHECK_THROWS_AS(Statistics("child", &top), InternalError);
  CHECK_THROWS_AS(top.counter("child", "count", "", n), InternalError);
  CHECK_THROWS_AS(Statistics("n", &top), InternalError);
  CHECK(all(top).size() == 1);
}

TEST_CASE("an unnamed root adds nothing to the paths") {
  std::uint64_t n = 0;
  Statistics root("");
  Statistics child("child", &root);
  root.counter("n", "count", "", n);
  child.counter("n", "count", "", n);
  CHECK(all(root)[0].path == "n");
  CHECK(all(root)[1].path == "child.n");
}
