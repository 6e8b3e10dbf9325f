// SPDX-License-Identifier: Apache-2.0
#include "core/json.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/error.h"
#include "core/random.h"

using namespace nibble;
using Kind = JsonValue::Kind;

TEST_CASE("text of a double is the shortest that reads back") {
  CHECK(to_text(0.1) == "0.1");
  CHECK(to_text(64) == "64");
  CHECK(to_text(-0.0) == "-0");
  CHECK(to_text(1.0 / 3) == "0.3333333333333333");
  CHECK(to_text(5e-324) == "5e-324");
  CHECK(to_text(std::numeric_limits<double>::infinity()) == "null");
  CHECK(to_text(std::nan("")) == "null");
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::ldexp(random.uniform() - 0.5, static_cast<int>(random.below(2000)) - 1000);
    REQUIRE(std::strtod(to_text(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("a document keeps the order of the calls") {
  JsonWriter json;
  json.begin_object().field("b", 1).field("a", "x").key("list").begin_array();
  json.value(std::uint64_t{18446744073709551615U}).value(std::int64_t{-5}).value(true).null().value(2.5);
  json.begin_object().end_object().begin_array().end_array().end_array();
  json.field("none", std::optional<double>()).field("some", std::optional<double>(0.5)).field("s", std::string("t"));
  json.end_object();
  CHECK(json.str() ==
        "{\n  \"b\": 1,\n  \"a\": \"x\",\n  \"list\": [\n    18446744073709551615,\n    -5,\n    true,\n    null,\n    "
        "2.5,\n"
        "    {},\n    []\n  ],\n  \"none\": null,\n  \"some\": 0.5,\n  \"s\": \"t\"\n}\n");
}

TEST_CASE("the compact layout has no white space") {
  JsonWriter json(JsonWriter::Layout::compact);
  json.begin_object().field("a", 1).key("b").begin_array().value("x y").null().begin_object().end_object().end_array();
  json.end_object();
  CHECK(json.str() == "{\"a\":1,\"b\":[\"x y\",null,{}]}\n");
}

TEST_CASE("not finite becomes null") {
  JsonWriter json;
  json.begin_array().value(std::nan("")).value(-std::numeric_limits<double>::infinity()).end_array();
  CHECK(json.str() == "[\n  null,\n  null\n]\n");
}

TEST_CASE("strings are escaped and always valid UTF-8") {
  const auto text = [](std::string_view in) {
    JsonWriter json;
    json.value(in);
    return json.str();
  };
  CHECK(text("a\"b\\c\n\t\r") == "\"a\\\"b\\\\c\\n\\t\\u000d\"\n");
  CHECK(text(std::string_view("\0\x1f\x7f", 3)) == "\"\\u0000\\u001f\\u007f\"\n");
  CHECK(text("\xc2\xb5m") == "\"\xc2\xb5m\"\n");
  CHECK(text("\xf0\x9f\x98\x80") == "\"\xf0\x9f\x98\x80\"\n");
  CHECK(text("\xff") == "\"\\ufffd\"\n");
  CHECK(text("\xc2") == "\"\\ufffd\"\n");                        // cut short
  CHECK(text("\xc0\xaf") == "\"\\ufffd\\ufffd\"\n");             // overlong
  CHECK(text("\xed\xa0\x80") == "\"\\ufffd\\ufffd\\ufffd\"\n");  // surrogate
  CHECK(text("\xf4\x90\x80\x80").size() == 4 * 6 + 3);           // beyond U+10FFFF
}

TEST_CASE("misuse of the writer is an internal error") {
  CHECK_THROWS_AS(JsonWriter().str(), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_object().str(), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_object().value(1), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_object().key("a").key("b"), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_object().key("a").end_object(), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_object().end_array(), InternalError);
  CHECK_THROWS_AS(JsonWriter().begin_array().key("a"), InternalError);
  CHECK_THROWS_AS(JsonWriter().end_array(), InternalError);
  CHECK_THROWS_AS(JsonWriter().value(1).value(2), InternalError);
}

TEST_CASE("what is written is read back") {
  JsonWriter json;
  json.begin_object().field("text", "\xc2\xb5 \"q\" \x01").field("list", 0);
  json.key("numbers").begin_array().value(0.1).value(-7).value(1e300).value(5e-324).end_array();
  json.field("flag", false).key("nothing").null().end_object();
  const JsonValue value = parse_json(json.str(), "here");
  REQUIRE(value.kind == Kind::object);
  REQUIRE(value.members.size() == 5);
  CHECK(value.members[1].first == "list");
  CHECK(value.find("text")->string == "\xc2\xb5 \"q\" \x01");
  CHECK(value.find("numbers")->items[0].number == 0.1);
  CHECK(value.find("numbers")->items[1].integer == -7);
  CHECK(value.find("numbers")->items[1].number == -7.0);
  CHECK(value.find("numbers")->items[2].number == 1e300);
  CHECK(value.find("numbers")->items[3].number == 5e-324);
  CHECK((value.find("flag")->kind == Kind::boolean && !value.find("flag")->boolean));
  CHECK(value.find("nothing")->kind == Kind::null);
  CHECK(value.find("absent") == nullptr);
}

TEST_CASE("numbers are exact to the last bit") {
  Random random(11);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::ldexp(random.uniform() + 0.5, static_cast<int>(random.below(2040)) - 1020);
    const JsonValue read = parse_json(to_text(value), "here");
    REQUIRE(read.number == value);
  }
  CHECK(parse_json("9223372036854775807", "x").integer == INT64_MAX);
  CHECK(parse_json("-9223372036854775808", "x").integer == INT64_MIN);
  CHECK(parse_json("9223372036854775808", "x").kind == Kind::number);
  CHECK(parse_json("9223372036854775808", "x").number == 9223372036854775808.0);
  CHECK(parse_json("123456789012345678901234567890", "x").number == 123456789012345678901234567890.0);
  CHECK(parse_json("1e-999", "x").number == 0);
  CHECK(std::signbit(parse_json("-1e-999", "x").number));
  CHECK(parse_json("0.30000000000000004", "x").number == 0.30000000000000004);
}

TEST_CASE("malformed documents name the origin") {
  for (const char* text : {"",
                           "{",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "nul",
                           "1 2",
                           "{} x",
                           "\"\xff\"",
                           "\"a",
                           "[1",
                           "01",
                           "+1",
                           "\"\x01\"",
                           "NaN",
                           "1e999",
                           "-1e999",
                           "{\"a\":1,\"a\":2}",
                           "\"\\ud800\"",
                           "// c\n1"}) {
    INFO(text);
    REQUIRE_THROWS_AS(parse_json(text, "head.json"), InputError);
    CHECK_THROWS_WITH(parse_json(text, "head.json"), Catch::Matchers::StartsWith("head.json: not valid JSON: "));
  }
  CHECK_THROWS_WITH(parse_json("{\"a\":1,\"b\":{},\"a\":2}", "f"),
                    Catch::Matchers::Contains("the key \"a\" stands twice in one object"));
  CHECK_THROWS_WITH(parse_json("[1, x]", "f"), Catch::Matchers::Contains(" at byte 4"));
  CHECK_NOTHROW(parse_json("{\"a\":{\"a\":1},\"b\":{\"a\":2}}", "f"));
}

TEST_CASE("text of a file fits into a message of one line") {
  CHECK(printable("weight \xC3\xA4 \xE2\x82\xAC") == "weight \xC3\xA4 \xE2\x82\xAC");
  CHECK(printable(std::string_view("a\nb\0c\x1B\x7F", 7)) == "a?b?c??");
  CHECK(printable("\xC3(\xFF\xED\xA0\x80") == "?(????");
  CHECK(printable("12345", 5) == "12345");
  CHECK(printable("123456", 5) == "12345...");
  CHECK(printable("1234\xC3\xA4", 5) == "1234...");
  CHECK_THROWS_WITH(parse_json("{\"a\\n\":1,\"a\\n\":1}", "f"), Catch::Matchers::Contains("the key \"a?\" stands"));
}

TEST_CASE("the number of values is bounded where the caller bounds it") {
  CHECK_NOTHROW(parse_json("[1,[2],{\"a\":null}]", "f", 6));
  CHECK_THROWS_WITH(parse_json("[1,[2],{\"a\":null}]", "f", 5), Catch::Matchers::Contains("too many values"));
  CHECK_THROWS_AS(parse_json("1", "f", 0), InputError);
}

TEST_CASE("deep nesting ends in an error, not in the stack") {
  CHECK_THROWS_AS(parse_json(std::string(100000, '['), "deep"), InputError);
  std::string objects;
  for (int i = 0; i < 50000; ++i)
    objects += "{\"a\":";
  CHECK_THROWS_AS(parse_json(objects, "deep"), InputError);
  CHECK_NOTHROW(parse_json(std::string(32, '[') + std::string(32, ']'), "deep"));
}
