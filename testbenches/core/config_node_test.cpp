// SPDX-License-Identifier: Apache-2.0
#include "core/config_node.h"

#include <catch2/catch.hpp>
#include <limits>

#include "core/error.h"
#include "testbenches/support/error_text.h"

using namespace nibble;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using test::error_of;

namespace {

ConfigNode parse(const std::string& text) {
  return ConfigNode::parse(text, "f.yaml");
}

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("integers are decimal or hexadecimal and nothing else") {
  const auto read = [](const std::string& text) { return parse("a: " + text).integer("a", lowest, highest); };
  CHECK(read("64") == 64);
  CHECK(read("-3") == -3);
  CHECK(read("+3") == 3);
  CHECK(read("0") == 0);
  CHECK(read("-0") == 0);
  CHECK(read("0x1F") == 31);
  CHECK(read("-0Xff") == -255);
  CHECK(read("9223372036854775807") == highest);
  CHECK(read("-9223372036854775808") == lowest);
  CHECK(read("0x7fffffffffffffff") == highest);
  for (const char* text : {"1.5", "abc", "1e3", "1_000", "0x", "0xg", "010", "0b1", "1 2", "+", "--1", "5k", "true",
                           "0x-1", "'64'", "\"64\"", "1.0", ".inf", "-+1"}) {
    INFO(text);
    CHECK_THAT(error_of([&] { read(text); }), StartsWith("f.yaml:1:4: a: must be an integer, not "));
  }
  for (const char* text :
       {"9223372036854775808", "-9223372036854775809", "99999999999999999999999", "0xffffffffffffffff"}) {
    CHECK(error_of([&] { read(text); }) == std::string("f.yaml:1:4: a: must be an integer of 64 bits, not ") + text);
  }
}

TEST_CASE("a range is inclusive and named in the message") {
  const auto read = [](const std::string& text) {
    return parse("dma:\n  depth: " + text).child("dma").integer("depth", 1, 256);
  };
  CHECK(read("1") == 1);
  CHECK(read("256") == 256);
  CHECK(error_of([&] { read("0"); }) == "f.yaml:2:10: dma.depth: must be between 1 and 256, not 0");
  CHECK(error_of([&] { read("257"); }) == "f.yaml:2:10: dma.depth: must be between 1 and 256, not 257");
  CHECK(error_of([&] { read("1.5"); }) == "f.yaml:2:10: dma.depth: must be an integer between 1 and 256, not '1.5'");
  CHECK(error_of([&] { read("'7'"); }) ==
        "f.yaml:2:10: dma.depth: must be an integer between 1 and 256, not the text '7'");
  CHECK(error_of([&] { read(""); }) == "f.yaml:2:3: dma.depth: has no value, expected an integer between 1 and 256");
  CHECK(error_of([&] { read("[1]"); }) == "f.yaml:2:3: dma.depth: is a list, expected an integer between 1 and 256");
  CHECK(error_of([&] { read("{a: 1}"); }) ==
        "f.yaml:2:3: dma.depth: is a mapping, expected an integer between 1 and 256");
  CHECK(error_of([] { parse("a: 0").integer("a", 1, highest); }) == "f.yaml:1:4: a: must be at least 1, not 0");
  CHECK(error_of([] { parse("a: 9").integer("a", lowest, 8); }) == "f.yaml:1:4: a: must be at most 8, not 9");
}

TEST_CASE("numbers are finite, whole words and in range") {
  const double most = std::numeric_limits<double>::max();
  const auto read = [most](const std::string& text) { return parse("a: " + text).number("a", -most, most); };
  CHECK(read("0.1") == 0.1);
  CHECK(read("-1e-3") == -0.001);
  CHECK(read("+2") == 2);
  CHECK(read(".5") == 0.5);
  CHECK(read("5.") == 5);
  CHECK(read("1E5") == 100000);
  CHECK(read("0.30000000000000004") == 0.30000000000000004);
  for (const char* text : {"nan", ".nan", "inf", "-inf", ".inf", "1e", "1.5x", "0x10", "1,5", "e5", ".", "infinity",
                           "'1'", "1..2", "+-1", "-nan", ".e1"}) {
    INFO(text);
    CHECK_THAT(error_of([&] { read(text); }), StartsWith("f.yaml:1:4: a: must be a number, not "));
  }
  CHECK(error_of([&] { read("1e400"); }) == "f.yaml:1:4: a: must be a binary64 number, not 1e400");
  CHECK(error_of([] { parse("a: 0").number("a", 0.5, 4); }) == "f.yaml:1:4: a: must be between 0.5 and 4, not 0");
  CHECK(error_of([&] { parse("a: -1").number("a", 0, most); }) == "f.yaml:1:4: a: must be at least 0, not -1");
  CHECK(error_of([] { parse("a: x").number("a", 0.5, 4); }) ==
        "f.yaml:1:4: a: must be a number between 0.5 and 4, not 'x'");
}

TEST_CASE("booleans are true or false") {
  CHECK(parse("a: true").boolean("a"));
  CHECK_FALSE(parse("a: false").boolean("a"));
  for (const char* text : {"yes", "no", "True", "on", "1", "0", "'true'"}) {
    CHECK_THAT(error_of([&] { parse(std::string("a: ") + text).boolean("a"); }),
               StartsWith("f.yaml:1:4: a: must be true or false, not "));
  }
  CHECK(error_of([] { parse("a: yes").boolean("a", true); }) == "f.yaml:1:4: a: must be true or false, not 'yes'");
}

TEST_CASE("text and choices") {
  CHECK(parse("a: mant").string("a") == "mant");
  CHECK(parse("a: 64").string("a") == "64");
  CHECK(parse("a: ''").string("a").empty());
  CHECK(parse("a: 'null'").string("a") == "null");
  CHECK(error_of([] { parse("a:").string("a"); }) == "f.yaml:1:1: a: has no value, expected text");
  CHECK(error_of([] { parse("a: ~").string("a", "d"); }) == "f.yaml:1:1: a: has no value, expected text");
  CHECK(parse("a: ws").choice("a", {"os", "ws"}) == "ws");
  CHECK(error_of([] {
          parse("flow: weigth").choice("flow", {"output", "weight"});
        }) == "f.yaml:1:7: flow: must be one of output, weight, not 'weigth'; did you mean 'weight'?");
  CHECK(error_of([] {
          parse("{}").choice("flow", {"output", "weight"});
        }) == "f.yaml:1:1: flow: is required and missing, expected one of output, weight");
  CHECK_THAT(error_of([] { parse("a: " + std::string(500, 'x')).choice("a", {"b"}); }), Contains("xxx...'"));
}

TEST_CASE("lists of scalars") {
  auto node = parse("words: [a, 'b c', 3]\nfigures:\n  - 1\n  - 2.5\nempty: []\none: a\nmixed: [1, [2]]\nbad: [1, x]");
  CHECK(node.strings("words") == std::vector<std::string>{"a", "b c", "3"});
  CHECK(node.numbers("figures", 0, 10) == std::vector<double>{1, 2.5});
  CHECK(node.strings("empty", {"x"}).empty());
  CHECK(node.strings("absent", {"x", "y"}) == std::vector<std::string>{"x", "y"});
  CHECK(error_of([&] { node.strings("one"); }) ==
        "f.yaml:6:1: one: is a single value, expected a list of words ([a, b])");
  CHECK(error_of([&] { node.strings("none"); }) ==
        "f.yaml:1:1: none: is required and missing, expected a list of words ([a, b])");
  CHECK(error_of([&] { node.strings("mixed"); }) == "f.yaml:7:12: mixed.1: is a list, expected text");
  CHECK(error_of([&] { node.numbers("bad", 0, 10); }) ==
        "f.yaml:8:10: bad.1: must be a number between 0 and 10, not 'x'");
  CHECK(error_of([&] { node.numbers("figures", 0, 2); }) == "f.yaml:4:5: figures.1: must be between 0 and 2, not 2.5");
}

TEST_CASE("a default stands in for an absent key only") {
  auto node = parse("present: 5");
  CHECK(node.integer("present", 0, 9, 1) == 5);
  CHECK(node.integer("a", 0, 9, 1) == 1);
  CHECK(node.number("b", 0, 9, 0.5) == 0.5);
  CHECK(node.string("c", "x") == "x");
  CHECK(node.boolean("d", true));
  CHECK(node.choice("e", {"x", "y"}, "y") == "y");
  CHECK_FALSE(node.has("a"));
  CHECK(node.has("present"));
  CHECK_THROWS_AS(node.integer("f", 1, 9, 0), InternalError);
  CHECK_THROWS_AS(node.number("f", 1, 9, std::numeric_limits<double>::quiet_NaN()), InternalError);
  CHECK_THROWS_AS(node.choice("f", {"x"}, "z"), InternalError);
}

TEST_CASE("a missing key names what stands in its place") {
  auto node = parse("clock_mz: 500");
  CHECK(error_of([&] { node.number("clock_mhz", 1, 5000); }) ==
        "f.yaml:1:1: clock_mhz: is required and missing, expected a number between 1 and 5000; did you mean it where "
        "'clock_mz' stands?");
  CHECK(error_of([] { parse("a:\n  b: 1").child("a").child("c"); }) ==
        "f.yaml:1:1: a.c: is required and missing, expected a mapping");
}

TEST_CASE("an unknown key lists the known ones and the nearest") {
  auto node = parse("dma:\n  burst_bytes: 64\n  max_outstandng: 8");
  auto dma = node.child("dma");
  dma.integer("max_outstanding", 1, 256, 8);
  dma.integer("burst_bytes", 1, 256, 64);
  dma.number("clock_mhz", 1, 5000, 500);
  const std::string message =
      "f.yaml:3:3: dma.max_outstandng: is not a known key; did you mean 'max_outstanding'? known: burst_bytes, "
      "clock_mhz, "
      "max_outstanding";
  CHECK(error_of([&] { dma.reject_unknown(); }) == message);
  CHECK(error_of([&] { node.reject_unknown(); }) == message);  // reaches what was opened below
  dma.ignore("max_outstandng");
  CHECK_NOTHROW(node.reject_unknown());
  CHECK(error_of([] { parse("x: 1").reject_unknown(); }) == "f.yaml:1:1: x: is not a known key; known: none");
  auto unopened = parse("a: 1\nb: {c: 1}");
  unopened.integer("a", 0, 9);
  CHECK_THAT(error_of([&] { unopened.reject_unknown(); }), StartsWith("f.yaml:2:1: b: is not a known key"));
}

TEST_CASE("handles share what was read") {
  auto node = parse("a: {x: 1, y: 2}");
  auto first = node.child("a"), second = node.child("a");
  first.integer("x", 0, 9);
  const ConfigNode copy = second;
  second.integer("y", 0, 9);
  CHECK_NOTHROW(copy.reject_unknown());
  CHECK(copy.path() == "a");
  CHECK(copy.file() == "f.yaml");
  CHECK(node.path().empty());
}

TEST_CASE("children: mappings, lists of mappings and named mappings") {
  auto node =
      parse("list:\n  - {n: 1}\n  - {n: 2}\nnamed:\n  zeta: {n: 3}\n  alpha: {n: 4}\nbad: [1]\nscalar: 5\nnone: []");
  const auto list = node.children("list");
  REQUIRE(list.size() == 2);
  CHECK(ConfigNode(list[1]).integer("n", 0, 9) == 2);
  CHECK(list[1].path() == "list.1");
  const auto again = node.children("list");
  CHECK(ConfigNode(again[0]).integer("n", 0, 9) == 1);
  const auto named = node.named_children("named");
  REQUIRE(named.size() == 2);
  CHECK(named[0].first == "zeta");
  CHECK(ConfigNode(named[1].second).integer("n", 0, 9) == 4);
}

TEST_CASE("children of the wrong kind or absent") {
  auto node = parse("list:\n  - 1\nscalar: 5\nnone: []\nnamed: {a: 1}\nblank:");
  CHECK(error_of([&] { node.children("list"); }) == "f.yaml:2:5: list.0: is a single value, expected a mapping");
  CHECK(error_of([&] { node.children("scalar"); }) ==
        "f.yaml:3:1: scalar: is a single value, expected a list of mappings");
  CHECK(error_of([&] { node.child("scalar"); }) == "f.yaml:3:1: scalar: is a single value, expected a mapping");
  CHECK(error_of([&] { node.child_or_empty("blank"); }) == "f.yaml:6:1: blank: has no value, expected a mapping");
  CHECK(error_of([&] { node.named_children("named"); }) ==
        "f.yaml:5:9: named.a: is a single value, expected a mapping");
  CHECK(error_of([&] { node.child("absent"); }) == "f.yaml:1:1: absent: is required and missing, expected a mapping");
  CHECK(node.children("none").empty());
  CHECK(node.children("absent_list").empty());
  CHECK(node.named_children("absent_names").empty());
  auto empty = node.child_or_empty("absent_mapping");
  CHECK(empty.integer("depth", 1, 9, 4) == 4);
  CHECK(error_of([&] { empty.integer("width", 1, 9); }) ==
        "f.yaml:1:1: absent_mapping.width: is required and missing, expected an integer between 1 and 9");
  auto same = node.child_or_empty("absent_mapping");
  same.ignore("x");
  CHECK(node.resolved().size() == 1);
  CHECK_THROWS_AS(node.string("absent_mapping", "text"), InternalError);
}

TEST_CASE("a name or a mapping may stand at a key") {
  const auto node = parse("a: hbm2\nb: {c: 1}\nc: []");
  CHECK_FALSE(node.is_mapping("a"));
  CHECK(node.is_mapping("b"));
  CHECK_FALSE(node.is_mapping("c"));
  CHECK_FALSE(node.is_mapping("d"));
}

TEST_CASE("a message is one line of moderate length") {
  auto node = parse("a: \"x\\ny\"\n\"k\\nl\": " + std::string(500, '9'));
  CHECK(error_of([&] { node.integer("a", 0, 9); }) ==
        "f.yaml:1:4: a: must be an integer between 0 and 9, not the text 'x y'");
  CHECK(error_of([&] { node.integer("k\nl", 0, 9); }) ==
        "f.yaml:2:9: k l: must be between 0 and 9, not " + std::string(57, '9') + "...");
}

TEST_CASE("keys keep the order of the file") {
  CHECK(parse("b: 1\na: 2\nsources: {a: x}\nc: {}").keys() == std::vector<std::string>{"b", "a", "c"});
}

TEST_CASE("fail points at the value") {
  auto node = parse("layers:\n  count: 3\n  list: [1]");
  const auto layers = node.child("layers");
  CHECK(error_of([&] { layers.fail("count", "must be even"); }) == "f.yaml:2:10: layers.count: must be even");
  CHECK(error_of([&] { layers.fail("list", "is too short"); }) == "f.yaml:3:3: layers.list: is too short");
  CHECK(error_of([&] { layers.fail("absent", "is needed here"); }) == "f.yaml:1:1: layers.absent: is needed here");
  CHECK(error_of([&] { layers.fail("", "does not fit"); }) == "f.yaml:1:1: layers: does not fit");
}

TEST_CASE("sources document values and must name them") {
  auto node = parse("clock_mhz: 500\nrows: 64\nsources:\n  clock_mhz: paper, section 3\n");
  node.number("clock_mhz", 1, 5000);
  node.integer("rows", 1, 99);
  CHECK(node.source("clock_mhz") == "paper, section 3");
  CHECK(node.source("rows").empty());
  CHECK(node.source("absent").empty());
  CHECK_NOTHROW(node.reject_unknown());
  CHECK(node.resolved()[0].source == "paper, section 3");

  auto wrong = parse("clock_mhz: 500\nsources:\n  clok_mhz: paper\n");
  wrong.number("clock_mhz", 1, 5000);
  CHECK(error_of([&] { wrong.reject_unknown(); }) ==
        "f.yaml:3:3: sources.clok_mhz: names no key of this mapping; did you mean 'clock_mhz'? keys: clock_mhz");
  auto list = parse("a: {sources: [x]}");
  list.child("a");
  CHECK(error_of([&] { list.reject_unknown(); }) ==
        "f.yaml:1:5: a.sources: must be a mapping from keys of this mapping to text");
  auto nested = parse("a: 1\nsources: {a: [x]}");
  nested.integer("a", 0, 9);
  CHECK(error_of([&] { nested.reject_unknown(); }) ==
        "f.yaml:2:11: sources.a: must be text that says where the value comes from");
  CHECK(list.source("x").empty());
  CHECK(parse("a: 1\nsources: [x]").source("a").empty());
}

TEST_CASE("foreign files may hold more, and null is absent there") {
  auto node = ConfigNode::parse(
      R"({"hidden_size": 64, "rope_scaling": null, "text": {"x": null, "n": 2}, "sources": 3})", "config.json");
  node.allow_other_keys();
  CHECK(node.integer("hidden_size", 1, 99) == 64);
  CHECK_FALSE(node.has("rope_scaling"));
  CHECK(node.integer("rope_scaling", 0, 9, 7) == 7);
  CHECK(node.integer("sources", 0, 9) == 3);
  auto text = node.child("text");
  CHECK_FALSE(text.has("x"));
  CHECK(text.integer("n", 0, 9, 1) == 2);
  CHECK_NOTHROW(node.reject_unknown());
  CHECK_NOTHROW(text.reject_unknown());
  CHECK_THAT(error_of([&] { text.integer("x", 0, 9); }), Contains("text.x: is required and missing"));
  CHECK(node.keys().size() == 4);

  auto strict = parse("a: {b: null}\nc: {d: 1}");
  auto a = strict.child("a");
  CHECK(a.has("b"));
  CHECK(error_of([&] { a.integer("b", 0, 9, 7); }) ==
        "f.yaml:1:5: a.b: has no value, expected an integer between 0 and 9");
  a.allow_other_keys();
  strict.child("c");
  CHECK_THAT(error_of([&] { strict.reject_unknown(); }), StartsWith("f.yaml:2:5: c.d: is not a known key"));
}

TEST_CASE("resolved records name value, origin and source in reading order") {
  auto node = ConfigNode::parse("b: 0x10\na: {x: 'q r'}\nsources: {b: data sheet}", "dir/f.yaml");
  node.apply_override("a.y=[1, 2.50]");
  node.integer("b", 0, 99);
  auto a = node.child("a");
  a.string("x");
  a.numbers("y", 0, 9);
  a.number("z", 0, 9, 0.1);
  node.boolean("t", false);
  node.strings("u", {"w", "1"});
  node.integer("b", 0, 99);  // read twice, recorded once
  const auto all = node.resolved();
  REQUIRE(all.size() == 6);
  const auto is = [&](std::size_t i, const char* path, const char* value, const char* origin, const char* source) {
    CHECK(all[i].path == path);
    CHECK(all[i].value == value);
    CHECK(all[i].origin == origin);
    CHECK(all[i].source == source);
  };
  is(0, "b", "16", "dir/f.yaml:1", "data sheet");
  is(1, "a.x", "\"q r\"", "dir/f.yaml:2", "");
  is(2, "a.y", "[1, 2.5]", "--set", "");
  is(3, "a.z", "0.1", "default", "");
  is(4, "t", "false", "default", "");
  is(5, "u", "[w, \"1\"]", "default", "");
}
