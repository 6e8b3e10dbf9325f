// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"

#include <catch2/catch.hpp>

#include "core/registry.h"

using namespace nibble;

TEST_CASE("join puts the separator between words only") {
  CHECK(join({}).empty());
  CHECK(join({"a"}) == "a");
  CHECK(join({"a", "b", "c"}) == "a, b, c");
  CHECK(join({"a", "b"}, "|") == "a|b");
}

TEST_CASE("nearest spelling counts a swap of neighbours once") {
  CHECK(nearest_spelling("mnat", {"fp16-array", "mant", "man"}) == "mant");
  CHECK(nearest_spelling("max_outstandng", {"burst_bytes", "clock_mhz", "max_outstanding"}) == "max_outstanding");
  // distances of "abcd": "abdc" is one swap, "abxy" two substitutions
  CHECK(nearest_spelling("abcd", {"abxy", "abdc"}) == "abdc");
}

TEST_CASE("nearest spelling stays silent beyond its limit") {
  CHECK(nearest_spelling("mant", {"harmonia", "pacq"}).empty());
  CHECK(nearest_spelling("abcd", {"axyd"}) == "axyd");                  // distance 2: the least limit
  CHECK(nearest_spelling("abcd", {"axyz"}).empty());                    // distance 3
  CHECK(nearest_spelling("abcdefghijkl", {"abcdefgh"}) == "abcdefgh");  // 4 of 12 letters
  CHECK(nearest_spelling("abcdefghijkl", {"abcdefg"}).empty());         // 5 of 12
  CHECK(nearest_spelling("ab", {"xy"}).empty());                        // distance 2, but nothing in common
  CHECK(nearest_spelling("", {"a", "abc"}).empty());
  CHECK(nearest_spelling("a", {}).empty());
}

TEST_CASE("of equally near names the first is proposed") {
  CHECK(nearest_spelling("int5", {"int4", "int8"}) == "int4");
  CHECK(nearest_spelling("int5", {"int8", "int4"}) == "int8");
}

TEST_CASE("a very long word costs no time") {
  CHECK(nearest_spelling(std::string(1U << 20U, 'x'), {"clock_mhz", "burst_bytes"}).empty());
}

TEST_CASE("unknown names list what is known") {
  CHECK(unknown_name("accelerator", "mnat", {"amove", "mant"}) ==
        "unknown accelerator 'mnat'; did you mean 'mant'? known: amove, mant");
  CHECK(unknown_name("format", "zzzzzz", {"int4"}) == "unknown format 'zzzzzz'; known: int4");
  CHECK(unknown_name("format", "x", {}) == "unknown format 'x'; known: none");
}

TEST_CASE("a registry refuses doubles and explains what is missing") {
  Registry<int (*)()> registry("dataflow");
  registry.add("rows", "row by row", [] { return 1; });
  CHECK_THROWS_AS(registry.add("rows", "again", [] { return 2; }), InternalError);
  CHECK(registry.at("rows").make() == 1);
  CHECK(registry.at("rows").summary == "row by row");
  CHECK(registry.contains("rows"));
  CHECK_FALSE(registry.contains("columns"));
  CHECK_THROWS_WITH(registry.at("rwos"), "unknown dataflow 'rwos'; did you mean 'rows'? known: rows");
  CHECK_THROWS_AS(registry.at("rwos"), InputError);
}
