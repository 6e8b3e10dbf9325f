// SPDX-License-Identifier: Apache-2.0
#include "core/table.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"

using namespace nibble;

TEST_CASE("columns are aligned and no line ends in a blank") {
  Table table;
  table.column("name", Table::Align::left).column("cycles").column("note", Table::Align::left);
  table.rule().row({"linear", "12", ""}).row({"a", "3456", "late"}).rule().row({"total", "3468", ""});
  CHECK(table.text() ==
        "name    cycles  note\n"
        "--------------------\n"
        "linear      12\n"
        "a         3456  late\n"
        "--------------------\n"
        "total     3468\n");
}

TEST_CASE("a multi-byte character takes one column and a line break takes none of its own") {
  Table table;
  table.column("u", Table::Align::left).column("v");
  table.row({"\xc2\xb5s", "1"}).row({"abc", "2"}).row({"a\nb", "3"});
  CHECK(table.text() == "u    v\n\xc2\xb5s   1\nabc  2\na b  3\n");
}

TEST_CASE("csv quotes what needs it and has no rules") {
  Table table;
  table.column("a,b").column("c");
  table.row({"say \"x\"", "1"}).rule().row({"two\nlines", ""});
  CHECK(table.csv() == "\"a,b\",c\n\"say \"\"x\"\"\",1\n\"two\nlines\",\n");
}

TEST_CASE("html marks headings, alignment and foot, and escapes what a cell holds") {
  Table table;
  table.column("a<b", Table::Align::left).column("c");
  table.row({"<i>", "1"}).row({"x&\"'", "2"}).rule().row({"total", "3"});
  CHECK(table.html("a > b") ==
        "<div class=\"scroll\"><table>\n<caption>a &gt; b</caption>\n<thead><tr><th scope=\"col\" "
        "class=\"left\">a&lt;b</th><th scope=\"col\">c</th></tr></thead>\n<tbody>\n"
        "<tr><th scope=\"row\" class=\"left\">&lt;i&gt;</th><td>1</td></tr>\n"
        "<tr><th scope=\"row\" class=\"left\">x&amp;&quot;&#39;</th><td>2</td></tr>\n"
        "</tbody><tfoot>\n<tr><th scope=\"row\" class=\"left\">total</th><td>3</td></tr>\n</tfoot></table></div>\n");
  CHECK(html_escape("a\x01"
                    "b\xff\xc2\xb5\n") ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\xc2\xb5\n");
}

TEST_CASE("a row of another length is an internal error") {
  Table table;
  table.column("a").column("b");
  CHECK_THROWS_AS(table.row({"1"}), InternalError);
  CHECK_THROWS_AS(table.row({"1", "2", "3"}), InternalError);
  table.row({"1", "2"});
  CHECK_THROWS_AS(table.column("c"), InternalError);
  CHECK_THROWS_AS(Table().row({}), InternalError);
}

TEST_CASE("thousands are separated") {
  CHECK(with_separators(0) == "0");
  CHECK(with_separators(999) == "999");
  CHECK(with_separators(1000) == "1,000");
  CHECK(with_separators(1234567) == "1,234,567");
  CHECK(with_separators(std::numeric_limits<std::uint64_t>::max()) == "18,446,744,073,709,551,615");
}

TEST_CASE("fixed decimals") {
  CHECK(fixed(std::nullopt, 2) == "-");
  CHECK(fixed(std::nan(""), 2) == "-");
  CHECK(fixed(1.005, 2) == "1.00");  // the binary64 is below the tie
  CHECK(fixed(0.125, 2) == "0.12");  // a tie goes to even
  CHECK(fixed(-0.001, 2) == "0.00");
  CHECK(fixed(-1.5, 0) == "-2");
  CHECK(fixed(12, 3) == "12.000");
  CHECK(fixed(-std::numeric_limits<double>::infinity(), 1) == "-inf");
  CHECK(fixed(std::numeric_limits<double>::max(), 1).size() == 311);
}

TEST_CASE("three digits with a prefix") {
  CHECK(with_prefix(3.54e9, "B") == "3.54 GB");
  CHECK(with_prefix(12.1e9, "pJ") == "12.1 mJ");
  CHECK(with_prefix(0.0132, "s") == "13.2 ms");
  CHECK(with_prefix(1, "s") == "1.00 s");
  CHECK(with_prefix(999.4, "s") == "999 s");
  CHECK(with_prefix(999.6, "s") == "1.00 ks");  // carries
  CHECK(with_prefix(999.6e-12, "s") == "1.00 ns");
  CHECK(with_prefix(-2.5e-5, "J") == "-25.0 uJ");
  CHECK(with_prefix(64e9, "B/s") == "64.0 GB/s");
  CHECK(with_prefix(0.34, "pJ/MAC") == "340 fJ/MAC");
  CHECK(with_prefix(1.5e6, "GB") == "1.50 PB");
  CHECK(with_prefix(2e9, "cycles") == "2.00 Gcycles");
  CHECK(with_prefix(1500, "") == "1.50 k");
}

TEST_CASE("values outside of the prefixes stay legible") {
  CHECK(with_prefix(0, "pJ") == "0 pJ");
  CHECK(with_prefix(0, "") == "0");
  CHECK(with_prefix(std::nan(""), "s") == "-");
  CHECK(with_prefix(0.5, "B") == "0.500 B");
  CHECK(with_prefix(0.25, "cycles") == "0.250 cycles");
  CHECK(with_prefix(384, "um2") == "384 um2");
  CHECK(with_prefix(4096, "um2") == "4096 um2");
  CHECK(with_prefix(785929, "um2") == "0.786 mm2");
  CHECK(with_prefix(1e-30, "s") == "1.00e-30 s");
  CHECK(with_prefix(1e25, "s") == "1.00e+25 s");
}
