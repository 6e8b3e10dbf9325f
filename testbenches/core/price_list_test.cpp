// SPDX-License-Identifier: Apache-2.0
#include "core/price_list.h"

#include <catch2/catch.hpp>

#include "core/json.h"
#include "core/report.h"

using namespace nibble;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

namespace {

/// Two activities with a price, one without, a memory; an area in two instances, one unknown.
Report small_report() {
  Report report;
  report.accelerator = "m";
  report.model = "w";
  report.clock_mhz = 500;
  report.scenario = {{"prefill", 1}};
  report.activities = {{"pe", "mac.w4a8", "pe", Activity::active, "MAC"},
                       {"pe", "idle", "pe", Activity::idle, "PE cycle"},
                       {"pe", "leakage", "pe", Activity::leakage, "PE cycle"},
                       {"weight_buffer", "read", "sram", Activity::active, "byte"}};
  PriceList prices;
  prices.technology = "book";
  prices.node_nm = 28;
  prices.energy = {{0.5, "a"}, {std::nullopt, "nobody knows"}, {0.25, "b"}, {2.0, "c"}};
  prices.area = {{"pe", "pe", 2, 10.0, "d"}, {"control", "control", 1, std::nullopt, "nobody measured"}};
  report.prices = {prices};
  OperatorFigures entry;
  entry.name = "q";
  entry.kind = "linear";
  entry.phase = "prefill";
  entry.figures.cycles = 10;
  entry.figures.activity = {8, 12, 20, 3};
  entry.figures.dram.read = 100;
  entry.figures.dram.background = 7;
  report.operators = {entry, entry};
  return report;
}

/// The tables with single blanks.
std::string squeezed(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || out.empty() || out.back() != ' ') out += c;
  }
  return out;
}

}  // namespace

TEST_CASE("a sum is of what is known, and names the rest") {
  KnownSum sum;
  CHECK(sum.value() == 0.0);
  sum.add("a", std::nullopt);
  CHECK_FALSE(sum.value().has_value());
  sum.add("b", 3);
  CHECK(sum.value() == 3.0);
  CHECK(sum.unknown() == std::vector<std::string>{"a"});
}

TEST_CASE("energy is counts times prices, by component and by activity") {
  const Report report = small_report();
  const EnergyFigures energy = energy_of(report, report.prices[0], report.operators[0].figures);
  CHECK(energy.pe.value() == 4.0);
  CHECK(energy.sram.value() == 6.0);
  CHECK(energy.leakage.value() == 5.0);
  CHECK(energy.dram.value() == 107.0);
  CHECK_FALSE(energy.idle.value().has_value());
  CHECK(energy.gated.value() == 0.0);
  CHECK(energy.quantizer.value() == 0.0);
  CHECK(energy.total.known() == 4 + 6 + 5 + 107);
  CHECK(energy.total.unknown() == std::vector<std::string>{"pe.idle"});
  CHECK(energy.lines == std::vector<std::optional<double>>{4.0, std::nullopt, 5.0, 6.0});
  // The parts of the run are the run.
  CHECK(energy_of(report, report.prices[0], report.totals()).total.known() == 2 * energy.total.known());
}

TEST_CASE("what did not happen costs nothing, whatever nobody knows") {
  Report report = small_report();
  report.operators[0].figures.activity[1] = 0;
  const EnergyFigures energy = energy_of(report, report.prices[0], report.operators[0].figures);
  CHECK(energy.idle.value() == 0.0);
  CHECK(energy.total.unknown().empty());
  report.operators[0].figures.dram.background = std::nullopt;
  const EnergyFigures without = energy_of(report, report.prices[0], report.operators[0].figures);
  CHECK(without.dram.value() == 100.0);
  CHECK(without.total.unknown() == std::vector<std::string>{"dram.background"});
  report.dram_left_out = {"pump supply"};
  CHECK(energy_of(report, report.prices[0], report.operators[1].figures).dram.unknown() ==
        std::vector<std::string>{"dram.pump supply"});
  // A run with one such operator does not know it either.
  CHECK_FALSE(report.totals().dram.background.has_value());
}

TEST_CASE("areas are instances times area, at least the sum of the known") {
  const Report report = small_report();
  CHECK(area_sum(report.prices[0], "pe").value() == 20.0);
  CHECK_FALSE(area_sum(report.prices[0], "control").value().has_value());
  CHECK(area_sum(report.prices[0]).known() == 20.0);
  CHECK(area_sum(report.prices[0]).unknown() == std::vector<std::string>{"control"});
}

TEST_CASE("tables and documents print unknown, never zero") {
  Report report = small_report();
  const std::string text = squeezed(report_text(report));
  CHECK_THAT(text, Contains("cost book book (28 nm)"));
  CHECK_THAT(text, Contains("pe.idle idle 24 PE cycle unknown unknown"));
  CHECK_THAT(text, Contains(">= 244 pJ"));
  CHECK_THAT(text, Contains("control 1 unknown unknown"));
  CHECK_THAT(text, Contains(">= 20.0 um2"));
  CHECK_THAT(text, Contains("unknown, and in no sum (why: --json, prices): pe.idle, area of control\n"));
  const JsonValue json = parse_json(report_json(report), "report");
  const JsonValue& totals = *json.find("totals");
  CHECK(totals.find("energy_pj")->find("idle")->kind == JsonValue::Kind::null);
  CHECK(totals.find("energy_pj")->find("total")->number == 244);
  CHECK(totals.find("energy_pj")->find("unknown")->items.size() == 1);
  CHECK(totals.find("activity")->find("pe.idle")->integer == 24);
  CHECK(totals.find("area_um2")->find("control")->kind == JsonValue::Kind::null);
  CHECK_THAT(operators_csv(report), Contains(",4,0,0,6,107,5,unknown,0,122,"));
}

TEST_CASE("cost books stand side by side") {
  Report report = small_report();
  report.prices.push_back(report.prices[0]);
  report.prices[1].technology = "other";
  report.prices[1].node_nm = 45;
  report.prices[1].energy[1].pj = 1.0;
  const std::string text = squeezed(report_text(report));
  CHECK_THAT(text, Contains("cost book book (28 nm), cost book other (45 nm)"));
  CHECK_THAT(text, Contains("energy, book") && Contains("energy, other"));
  CHECK_THAT(text, Contains("idle 24 PE cycle unknown unknown 1 24.0 pJ"));
  const JsonValue json = parse_json(report_json(report), "report");
  REQUIRE(json.find("prices")->items.size() == 2);
  CHECK(json.find("technology")->string == "book");
  CHECK(json.find("prices")->items[1].find("energy_pj")->find("idle")->number == 24);
  CHECK(json.find("prices")->items[1].find("node_nm")->number == 45);
}
