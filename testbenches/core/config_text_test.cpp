// SPDX-License-Identifier: Apache-2.0
/// What ConfigNode makes of text: syntax, limits, overrides, and the resolved document.
#include <catch2/catch.hpp>
#include <limits>

#include "core/config_node.h"
#include "core/error.h"
#include "core/random.h"
#include "testbenches/support/error_text.h"

using namespace nibble;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using test::error_of;

namespace {

ConfigNode parse(const std::string& text) {
  return ConfigNode::parse(text, "f.yaml");
}

std::string parse_error(const std::string& text) {
  return error_of([&] { parse(text); });
}

std::string set_error(const std::string& text, const std::string& assignment) {
  return error_of([&] { parse(text).apply_override(assignment); });
}

/// `text` with one override, ready to read.
ConfigNode with(const std::string& text, const std::string& assignment) {
  auto node = parse(text);
  node.apply_override(assignment);
  return node;
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i)
    out += text;
  return out;
}

}  // namespace

TEST_CASE("the root must be a mapping") {
  CHECK(parse_error("") == "f.yaml:1:1: is empty, expected a mapping");
  CHECK(parse_error("# only a comment\n") == "f.yaml:1:1: is empty, expected a mapping");
  CHECK_THAT(parse_error("---\n"), Contains(": is empty, expected a mapping"));
  CHECK_THAT(parse_error("~"), Contains(": is empty, expected a mapping"));
  CHECK(parse_error("\n- a\n- b") == "f.yaml:2:1: is a list, expected a mapping (key: value)");
  CHECK(parse_error("text") == "f.yaml:1:1: is a single value, expected a mapping (key: value)");
  CHECK_NOTHROW(parse("{}"));
  CHECK_NOTHROW(parse("--- {a: 1}\n...\n"));
}

TEST_CASE("syntax errors carry line and column from 1") {
  CHECK_THAT(parse_error("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("f.yaml:3:2: not valid YAML: "));
  CHECK(parse_error("a: 'open\n") == "f.yaml:1:4: the quote that begins here is never closed, expected '");
  CHECK(parse_error("a: &x !!str  'open\n") == "f.yaml:1:4: the quote that begins here is never closed, expected '");
  CHECK_THAT(parse_error("a: 'open"), StartsWith("f.yaml:1:"));
  CHECK(parse_error("\"\xc2\xb5\": 'it''s'\nb: \"x\\\"\n") ==
        "f.yaml:2:4: the quote that begins here is never closed, expected \"");
  CHECK_NOTHROW(parse("a: 'it''s'\nb: \"x\\\"\"\nc: it's\nd: |\n  'text\n\"e\": '\n\n  f'\n"));
  CHECK_THAT(parse_error("a: [1, 2"), Contains(": not valid YAML: "));
  CHECK_THAT(parse_error("{a: 1"), Contains(": not valid YAML: "));
  CHECK_THAT(parse_error("a: b: c"), StartsWith("f.yaml:1:5: not valid YAML: "));
  CHECK_THAT(parse_error("a: *nowhere"), StartsWith("f.yaml:1:4: not valid YAML: "));
  CHECK_THAT(parse_error("{\"a\": \"\\x\"}"), StartsWith("f.yaml:1:"));
  CHECK_THAT(parse_error("a: 1\n}"), StartsWith("f.yaml:2:1: "));
  CHECK_THAT(parse_error("a: 1\n b: 2"), StartsWith("f.yaml:2:3: "));
}

TEST_CASE("one key, one value, one document") {
  CHECK(parse_error("a: 1\nb: 2\na: 3") == "f.yaml:3:1: the key 'a' stands twice in this mapping, expected it once");
  CHECK(parse_error("x: {a: 1, 'a': 2}") == "f.yaml:1:11: the key 'a' stands twice in this mapping, expected it once");
  CHECK_NOTHROW(parse("a: {a: 1}\nb: {a: 1}"));
  CHECK_THAT(parse_error("a: 1\n---\nb: 2"), EndsWith("a second document begins here, expected one document"));
  CHECK_THAT(parse_error("? [a, b]\n: 1"), EndsWith("a key must be a single word or text, not a mapping or list"));
  CHECK_THAT(parse_error("? {a: b}\n: 1"), EndsWith("a key must be a single word or text, not a mapping or list"));
  CHECK_THAT(parse_error("~: 1"), EndsWith("a key is empty or null, expected a name"));
  CHECK_THAT(parse_error("a: &x [1]\n*x : 2"), EndsWith("a key must be a single word or text, not a mapping or list"));
  CHECK_THAT(parse_error("a: &x {b: 1}\nc:\n  <<: *x"), Contains("merge keys ('<<') are not supported"));
  CHECK_THAT(parse_error("a: !!int 5"), Contains("the tag 'tag:yaml.org,2002:int' is not supported"));
  CHECK_THAT(parse_error("a: !mine {b: 1}"), Contains("the tag '!mine' is not supported"));
  CHECK(parse("a: !!str 5").string("a") == "5");
}

TEST_CASE("anchors and aliases give copies") {
  auto node = parse("a: &x {n: 1, list: [&y 2]}\nb: *x\nc: *y\n&k key: 3\nd: *k");
  node.apply_override("b.n=5");
  CHECK(node.child("a").integer("n", 0, 9) == 1);
  CHECK(node.child("b").integer("n", 0, 9) == 5);
  CHECK(node.integer("c", 0, 9) == 2);
  CHECK(node.string("d") == "key");
}

TEST_CASE("bombs end in one message") {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + repeat(", " + before, 9) + "]\n";
  }
  CHECK_THAT(parse_error(laughs), Contains("more than 250000 values"));
  CHECK_THAT(parse_error("a: &a [*a]"), EndsWith("an alias inside of its own anchor"));
  CHECK_THAT(parse_error("a: " + repeat("[", 100000)), Contains("nested deeper than 64 levels"));
  CHECK_THAT(parse_error("a: " + repeat("{a: ", 100000)), Contains("nested deeper than 64 levels"));
  CHECK_THAT(parse_error(repeat("- ", 100000)), Contains("nested deeper than 64 levels"));
  std::string chain = "a0: &a0 [1]\n";
  for (int i = 1; i < 100; ++i) {
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  }
  CHECK_THAT(parse_error(chain), Contains("nested deeper than 64 levels"));
  std::string keys;
  for (int i = 0; i < 10001; ++i)
    keys += "k" + std::to_string(i) + ": 1\n";
  CHECK(parse_error(keys) == "f.yaml:10001:1: more than 10000 keys in one mapping");
  CHECK_NOTHROW(parse(keys.substr(0, keys.size() - 10)));
  CHECK_NOTHROW(parse("a: " + repeat("[", 63) + repeat("]", 63)));
  CHECK_THAT(parse_error("a: " + repeat("[", 64) + repeat("]", 64)), Contains("nested deeper than 64 levels"));
  CHECK_THAT(parse_error("a: " + std::string((4U << 20U) + 1, 'x')), Contains("larger than 4 MiB"));
}

TEST_CASE("text is UTF-8 without control characters") {
  CHECK(parse_error(std::string("a: 1\nb: \0", 9)) == "f.yaml:2:4: a control character (code 0), expected text");
  CHECK(parse_error("a: 1\x04\nb: 2") == "f.yaml:1:5: a control character (code 4), expected text");
  CHECK(parse_error("a: \xff") == "f.yaml:1:4: not UTF-8 text");
  CHECK_THAT(parse_error(std::string("\xff\xfe"
                                     "a\0:\0",
                                     6)),
             EndsWith("not UTF-8 text"));
  CHECK(parse("\xef\xbb\xbf"
              "a: \xc2\xb5m\r\n"
              "b: 2\r\n")
            .string("a") == "\xc2\xb5m");
}

TEST_CASE("JSON is read as it is") {
  auto node = ConfigNode::parse(
      "{\n\t\"a\": [1, 2.5e-3],\n\t\"b\":{\"c\":true,\"d\":\"x\\/y\\u00b5\"},\n\t\"e\": \"7\"}\n", "c.json");
  CHECK(node.numbers("a", 0, 9) == std::vector<double>{1, 0.0025});
  auto b = node.child("b");
  CHECK(b.boolean("c"));
  CHECK(b.string("d") == "x/y\xc2\xb5");
  CHECK(error_of([&] { node.integer("e", 0, 9); }) ==
        "c.json:4:7: e: must be an integer between 0 and 9, not the text '7'");
  CHECK_THAT(error_of([] { ConfigNode::parse("{\"a\": 1, \"a\": 2}", "c.json"); }), StartsWith("c.json:1:10: "));
}

TEST_CASE("files are loaded as they are named") {
  CHECK_THROWS_WITH(ConfigNode::load("none/such.yaml"), "none/such.yaml: cannot be read: No such file or directory");
  CHECK_THROWS_WITH(ConfigNode::load("/"), "/: cannot be read: Is a directory");
}

TEST_CASE("an override replaces, adds and descends") {
  const std::string text = "memory: {channels: 2, list: [1, 2, 3]}\nname: x";
  CHECK(with(text, "memory.channels=4").child("memory").integer("channels", 0, 9) == 4);
  CHECK(with(text, "memory.channels = 4 ").child("memory").integer("channels", 0, 9) == 4);
  CHECK(with(text, "memory.banks=4").child("memory").integer("banks", 0, 9) == 4);
  CHECK(with(text, "a.b.c=0x10").child("a").child("b").integer("c", 0, 99) == 16);
  CHECK(with(text, "memory.list.1=9").child("memory").numbers("list", 0, 9) == std::vector<double>{1, 9, 3});
  CHECK(with(text, "memory.list=[5]").child("memory").numbers("list", 0, 9) == std::vector<double>{5});
  CHECK(with(text, "memory={channels: 8}").child("memory").integer("channels", 0, 9) == 8);
}

TEST_CASE("an override speaks YAML") {
  CHECK(with("a: 1", "a=\"x = y\"").string("a") == "x = y");
  CHECK(with("a: 1", "a=x=y").string("a") == "x=y");
  CHECK(with("a: 1", "a=\"\"").string("a").empty());
  CHECK(with("a:", "a.b=1").child("a").integer("b", 0, 9) == 1);  // no value yet: becomes a mapping
  CHECK_THAT(set_error("a: 1", "a=[1"), StartsWith("--set a: not valid YAML: "));
  CHECK_THAT(set_error("a: 1", "a={b: 1, b: 2}"), StartsWith("--set a: the key 'b' stands twice"));
  CHECK_THAT(set_error("a: 1", "a=" + repeat("[", 1000)), StartsWith("--set a: nested deeper than"));
  CHECK_THAT(set_error("a: 1", "a=\xff"), StartsWith("--set a: not UTF-8 text"));
}

TEST_CASE("the longest key that fits is meant when keys hold dots") {
  const std::string text = "entries:\n  pe.mac: {value: 1}\n  pe.mac.idle: {value: 2}\n";
  auto node = with(text, "entries.pe.mac.value=5");
  node.apply_override("entries.pe.mac.idle.value=6");
  auto entries = node.named_children("entries");
  CHECK(entries[0].second.integer("value", 0, 9) == 5);
  CHECK(entries[1].second.integer("value", 0, 9) == 6);
  CHECK(entries.size() == 2);
}

TEST_CASE("messages about an override name it") {
  CHECK(error_of([] { with("a: {b: 1}", "a.b=0").child("a").integer("b", 1, 256); }) ==
        "--set a.b: must be between 1 and 256, not 0");
  CHECK(error_of([] { with("a: {b: 1}", "a={b: 0}").child("a").integer("b", 1, 256); }) ==
        "--set a: a.b: must be between 1 and 256, not 0");
  CHECK(error_of([] {
          auto node = with("a: {b: 1}", "a.bb=0");
          node.child("a").integer("b", 1, 256);
          node.reject_unknown();
        }) == "--set a.bb: is not a known key; did you mean 'b'? known: b");
  CHECK(error_of([] { with("a: {b: 1}", "c.d=0").child("c").integer("e", 1, 256); }) ==
        "--set c.d: c.e: is required and missing, expected an integer between 1 and 256");
  CHECK(error_of([] { with("a: {b: 1}", "a.c=0").child("a").integer("b", 2, 256); }) ==
        "f.yaml:1:8: a.b: must be between 2 and 256, not 1");
  CHECK(error_of([] { with("a: {b: 1}", "a.c=0").integer("a", 2, 256); }) ==
        "f.yaml:1:1: a: is a mapping, expected an integer between 2 and 256");
}

TEST_CASE("a malformed override says what was expected") {
  const std::string text = "a: 5\nlist: [1, 2]\nnone: []";
  CHECK(set_error(text, "a") == "--set a: has no '=', expected path.to.key=value");
  CHECK(set_error(text, "=4") == "--set =4: names no key, expected path.to.key=value");
  CHECK(set_error(text, " =4") == "--set  =4: names no key, expected path.to.key=value");
  CHECK(set_error(text, "a= ") == "--set a= : has no value, expected path.to.key=value (\"\" is empty text)");
  CHECK(set_error(text, "a=# x") == "--set a: has no value, expected path.to.key=value");
  CHECK(set_error(text, "b..c=1") == "--set b..c: the path has an empty part, expected path.to.key=value");
  CHECK(set_error(text, ".c=1") == "--set .c: the path has an empty part, expected path.to.key=value");
  CHECK(set_error(text, "b.=1") == "--set b.: the path has an empty part, expected path.to.key=value");
  CHECK(set_error(text, "a.b.c=1") == "--set a.b.c: 'a' is the value '5', not a mapping; set 'a' itself");
  CHECK(set_error(text, "list.2=1") == "--set list.2: 'list' is a list of 2, expected an index from 0 to 1, not '2'");
  CHECK(set_error(text, "list.x=1") == "--set list.x: 'list' is a list of 2, expected an index from 0 to 1, not 'x'");
  CHECK(set_error(text, "list.-1=1") ==
        "--set list.-1: 'list' is a list of 2, expected an index from 0 to 1, not '-1'");
  CHECK(set_error(text, "none.0=1") ==
        "--set none.0: 'none' is a list of 0, expected an index of a longer list, not '0'");
  CHECK(set_error(text, "list.0.x=1") ==
        "--set list.0.x: 'list.0' is the value '1', not a mapping; set 'list.0' itself");
  CHECK_THAT(set_error(text, repeat("a.", 100000) + "a=1"), EndsWith("the path has more than 64 parts"));
}

TEST_CASE("an override that comes too late is a defect of the caller") {
  auto node = parse("a: {b: 1, c: 2}\nd: 1");
  auto a = node.child("a");
  a.integer("b", 0, 9);
  CHECK_THROWS_AS(node.apply_override("a.b=2"), InternalError);
  CHECK_THROWS_AS(node.apply_override("a={b: 1}"), InternalError);
  node.child_or_empty("e");
  CHECK_THROWS_AS(node.apply_override("e.f=1"), InternalError);
  CHECK_NOTHROW(node.apply_override("a.c=7"));
  CHECK(a.integer("c", 0, 9) == 7);
  a.apply_override("x=3");  // relative to the mapping, named from the root
  CHECK(error_of([&] { a.integer("x", 0, 2); }) == "--set a.x: must be between 0 and 2, not 3");
}

namespace {

/// Reads a small configuration with every kind of key.
void read_all(ConfigNode& node) {
  node.string("name", "a #b: 'c'");
  node.string("word", "mant4-g64");
  node.string("number_like", "0x10");
  node.string("boolean_like", "True");
  node.string("empty", "");
  node.string("lines", "one\ntwo\t\x01 \xc2\xb5");
  node.integer("count", std::numeric_limits<std::int64_t>::min(), 9, std::numeric_limits<std::int64_t>::min());
  node.number("third", 0, 1, 1.0 / 3);
  node.number("tiny", 0, 1, 5e-324);
  node.boolean("flag", true);
  node.strings("words", {"a, b", "]", "~", "-"});
  node.numbers("figures", 0, 10);
  node.child_or_empty("defaults").integer("depth", 0, 9, 4);
  node.child("hollow");
  auto nested = node.child("nested");
  nested.child_or_empty("inner").integer("x", 0, 9, 1);
  for (auto& item : nested.children("list"))
    item.integer("n", 0, 9, 7);
  node.children("none");
  for (auto& [key, child] : node.named_children("with names"))
    child.integer("n", 0, 9);
  node.reject_unknown();
}

}  // namespace

TEST_CASE("the resolved document loads to the same values") {
  auto node = parse(
      "figures: [0.1, 2, 1e-9]\nhollow: {}\nnone: []\nnested:\n  list:\n    - {n: 1}\n    - {}\n"
      "\"with names\": {\"a: b\": {n: 1}, c.d: {n: 2}}\nsources: {figures: 'a paper,\n\n  page #3'}\n");
  read_all(node);
  const std::string text = node.resolved_yaml();
  INFO(text);
  auto again = ConfigNode::parse(text, "resolved.yaml");
  read_all(again);
  const auto before = node.resolved(), after = again.resolved();
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i].path == after[i].path);
    CHECK(before[i].value == after[i].value);
    CHECK_THAT(after[i].origin, StartsWith("resolved.yaml:"));
  }
  CHECK(again.string("lines") == "one\ntwo\t\x01 \xc2\xb5");
  CHECK(again.strings("words") == std::vector<std::string>{"a, b", "]", "~", "-"});
}

TEST_CASE("the resolved document says where each value came from") {
  auto node = parse("clock_mhz: 500\nmemory:\n  channels: 2\nsources: {clock_mhz: table 2}\n");
  node.apply_override("memory.channels=4");
  node.number("clock_mhz", 1, 5000);
  auto memory = node.child("memory");
  memory.integer("channels", 1, 8);
  memory.choice("kind", {"hbm2", "ddr4"}, "hbm2");
  CHECK(node.resolved_yaml() ==
        "clock_mhz: 500  # f.yaml:1 - table 2\nmemory:\n  channels: 4  # --set\n  kind: hbm2  # default\n");
  CHECK(parse("{}").resolved_yaml() == "{}\n");
}

TEST_CASE("a note says nothing about a value that replaced it") {
  auto node = parse("clock_mhz: 500\nsources: {clock_mhz: table 2}\n");
  node.apply_override("clock_mhz=900");
  node.number("clock_mhz", 1, 5000);
  CHECK(node.source("clock_mhz").empty());
  CHECK(node.resolved_yaml() == "clock_mhz: 900  # --set\n");
}

TEST_CASE("damaged text gives an InputError or a value, never more") {
  const std::string good =
      "name: 'x'\nlist: [1, {a: &k 2}, *k]\nmap: {\"q\": ~, z: |\n  text\n  }\nt: >-\n  folded\n- a\n? k\n: v\n%YAML "
      "1.2\n";
  const std::string odd = "{}[]:,-?&*!|>'\"%@`#~ \n\t\\<=.0x";
  Random random(3);
  int errors = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = good.substr(0, random.below(good.size()) + 1);
    for (std::uint64_t i = random.below(6); i > 0; --i) {
      const std::size_t at = random.below(text.size());
      if (random.below(2) == 0) {
        text[at] = odd[random.below(odd.size())];
      } else {
        text.insert(at, 1, odd[random.below(odd.size())]);
      }
    }
    try {
      auto node = parse(text);
      for (const std::string& key : node.keys())
        node.has(key);
      node.reject_unknown();
    } catch (const InputError&) {
      ++errors;
    }
  }
  CHECK(errors > 1000);
}
