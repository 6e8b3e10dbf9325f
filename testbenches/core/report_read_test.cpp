// SPDX-License-Identifier: Apache-2.0
/// report.json there and back.
#include <catch2/catch.hpp>

#include <limits>

#include "core/error.h"
#include "core/report.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

/// Every member has a value of its own.
Report full_report() {
  Report report;
  report.command = "nibble run";
  report.accelerator = "m";
  report.model = "w";
  report.memory = "hbm2";
  report.clock_mhz = 333.25;
  report.peak_macs_per_cycle = 2048;
  report.peak_bytes_per_cycle = 0.1;
  report.footprint_bytes = 1;
  report.capacity_bytes = std::uint64_t{1} << 40;
  report.scenario = {{"prefill", 3}, {"decode", 0}};
  report.attributes = {{"activation_format", "int8"}, {"fidelity", "cycle"}};
  report.counts = {{"saturated_groups", 5}};
  report.configuration = "name: m\ntechnology: a  # file:1\n";
  report.logits = LogitFigures{3, 10, 100, 0.125, 0.75, 9};
  report.notes = {"one", "two"};
  report.dram_left_out = {"pump supply"};
  report.sources = {{"DRAM", "a data sheet"}};
  report.statistics = {{"a.b", 3.0, "count", "whole", "", true},
                       {"a.c", 0.25, "ratio", "a part", "x / y", false},
                       {"a.d", std::nullopt, "ratio", "none", "x / 0", false},
                       {"a.e", -2.0, "pJ", "below", "", false}};
  report.wall_s = 0.5;
  report.peak_rss_bytes = 4096;
  report.activities = {{"pe", "mac.w4a8", "pe", Activity::active, "MAC"},
                       {"pe", "gated", "pe", Activity::gated, "PE cycle"}};
  PriceList prices;
  prices.technology = "a";
  prices.node_nm = 28;
  prices.energy = {{0.1, "s"}, {std::nullopt, "t"}};
  prices.area = {{"pe", "pe", 2, 0.3, "u"}, {"dma", "control", 1, std::nullopt, "v"}};
  PriceList other = prices;
  other.technology = "b";
  other.energy[0].pj = 0.4;
  report.prices = {prices, other};
  OperatorFigures entry;
  entry.name = "q";
  entry.kind = "linear";
  entry.phase = "prefill";
  entry.layer = -1;
  entry.m = 1;
  entry.k = 2;
  entry.n = 3;
  entry.count = 4;
  entry.steps = 5;
  entry.schedule = "1x2x3 mnk";
  entry.begin_cycle = 6;
  std::uint64_t next = 100;
  for_each_count(entry.figures, entry.figures,
                 [&](const char*, std::uint64_t& value, std::uint64_t) { value = next++; });
  entry.figures.time_s = 1.0 / 3;
  entry.figures.activity = {7, 0};
  entry.figures.dram.write = 0.7;
  report.operators = {entry, entry};
  report.operators[1].phase = "decode";
  report.operators[1].figures.activity = {0, 9};
  report.operators[1].figures.dram.background = std::nullopt;
  return report;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  REQUIRE(text.find(what) != std::string::npos);
  return text.replace(text.find(what), what.size(), by);
}

std::string why(const std::string& text) {
  try {
    read_report(text, "report.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a report that is read and written again is the same text") {
  const Report report = full_report();
  const std::string text = report_json(report);
  const Report again = read_report(text, "report.json");
  CHECK(report_json(again) == text);
  CHECK(operators_csv(again) == operators_csv(report));
  CHECK(report_text(again) == report_text(report));
  CHECK(report_html(again) == report_html(report));
  CHECK(again.statistics[3].value == -2.0);
  CHECK(again.operators[0].figures.activity == std::vector<std::uint64_t>{7, 0});
  REQUIRE(again.prices.size() == 2);
  CHECK(again.prices[1].energy[0].pj == 0.4);
  CHECK(again.prices[0].area[0].group == "pe");
  CHECK_FALSE(again.prices[0].area[1].um2);
}

TEST_CASE("a memory without bound stays one in a report that is read again") {
  Report report = full_report();
  report.peak_bytes_per_cycle = std::numeric_limits<double>::infinity();
  CHECK(read_report(report_json(report), "r").peak_bytes_per_cycle == report.peak_bytes_per_cycle);
}

TEST_CASE("what is no report, or another version's, is refused with its place") {
  const std::string text = report_json(full_report());
  CHECK_THAT(why("{}"), Contains("report.json: schema: is missing"));
  CHECK_THAT(why("[]"), Contains("must be an object"));
  CHECK_THAT(why("{"), Contains("report.json: not valid JSON"));
  CHECK_THAT(why(replaced(text, "nibble.report/1", "nibble.report/9")), Contains("expected nibble.report/1"));
  CHECK_THAT(why(replaced(text, "\"steps\": 5", "\"steps\": 0")), Contains("operators.0.steps: must be 1 or more"));
  CHECK_THAT(why(replaced(text, "\"begin_cycle\": 6", "\"begin_cycle\": -6")),
             Contains("operators.0.begin_cycle: must be a count"));
  CHECK_THAT(why(replaced(text, "\"clock_mhz\": 333.25", "\"clock_mhz\": 0")), Contains("clock_mhz: must be above 0"));
  CHECK_THAT(why(replaced(text, "\"clock_mhz\": 333.25", "\"clock_mhz\": null")), Contains("must be a number"));
  CHECK_THAT(why(replaced(text, "\"name\": \"pe.gated\"", "\"name\": \"pe\"")),
             Contains("energy.1.name: must be component.activity"));
  CHECK_THAT(why(replaced(text, "\"name\": \"pe.gated\"", "\"name\": \"pe.mac.w4a8\"")),
             Contains("names an activity twice"));
  CHECK_THAT(why(replaced(text, "\"activity\": \"gated\"", "\"activity\": \"gatde\"")),
             Contains("must be active, idle, gated or leakage"));
  CHECK_THAT(why(replaced(text, "\"um2_each\": 0.3", "\"um2_each\": \"0.3\"")),
             Contains("area.0.um2_each: must be a number"));
  CHECK_THAT(why(replaced(text, "\"accelerator\": \"m\"", "\"accelerator\": 1")),
             Contains("accelerator: must be text"));
  std::string other = text;
  const std::size_t operators = other.find("\"operators\": [");
  other.replace(other.find("\"pe.mac.w4a8\": 7", operators), 13, "\"pe.mac.w4a4\"");
  CHECK_THAT(why(other), Contains("operators.0.activity.pe.mac.w4a4: is no activity of this report's price lists"));
}
