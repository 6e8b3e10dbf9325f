// SPDX-License-Identifier: Apache-2.0
/// Pages as text: what is in them whatever a name holds, and what is not. A browser looks at them in
/// testbenches/system/pages_test.py.
#include <catch2/catch.hpp>
#include <string>

#include "core/error.h"
#include "core/report.h"
#include "core/report_page.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

const std::string evil = "</script><script>alert(1)</script>&\"'<!--";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

/// The data, the chart library, the common script and the page's own; nothing that a browser would fetch.
void check_shell(const std::string& page) {
  CHECK(count(page, "<script") == 4);
  CHECK(count(page, "</script") == 4);
  CHECK(count(page, "<!--") == 0);
  CHECK(count(page, "<section") == count(page, "</section>"));
  CHECK(count(page, "<details") == count(page, "</details>"));
  CHECK(count(page, "<img") + count(page, "@import") + count(page, " src=") == 0);
  CHECK(count(page, "<link ") == count(page, "<link rel=\"icon\" href=\"data:,\">"));
  CHECK(count(page, "http://") == count(page, "http://www.w3.org/"));  // names of XML, not places
  CHECK(count(page, "https://") == 0);
  CHECK_THAT(page, Contains("default-src 'none'"));
  CHECK_THAT(page, Contains("Apache-2.0"));
}

PageFrame evil_frame() {
  PageFrame frame;
  frame.title = evil;
  frame.lead = {evil};
  frame.command = "nibble " + evil;
  frame.notes = {evil};
  frame.sources = {{evil, evil}};
  frame.texts = {{evil, evil}};
  return frame;
}

ComparedFigure figure(std::optional<double> ours, std::optional<double> published) {
  ComparedFigure one;
  one.group = "linear layers";
  one.label = "over " + evil;
  one.unit = "x";
  one.ours = ours;
  one.published = published;
  return one;
}

SweepPage sweep() {
  SweepPage page;
  page.frame = evil_frame();
  page.keys = {"array.rows", evil};
  page.figures = {{"time_s", "s", "of the run"}, {"area_um2", "um2", evil}};
  page.objectives = {{"time_s", true}, {"area_um2", true}};
  page.constraints = {"area_um2 <= 1e6"};
  page.points = {{0, {"16", evil}, {0.5, 1e5}, {}, "", true},
                 {1, {"32", "b"}, {0.25, std::nullopt}, {evil}, "", false}};
  page.failures = {{2, {"64", "c"}, evil}};
  return page;
}

}  // namespace

TEST_CASE("the difference of a figure and what its parts leave of it") {
  ComparedFigure one = figure(1.5, 2.0);
  CHECK(*one.relative_difference() == Approx(-0.25));
  CHECK_FALSE(one.unexplained());
  one.parts = {{"bandwidth", -0.2, ""}, {"fill", 0.05, ""}};
  CHECK(*one.unexplained() == Approx(-0.1));
  CHECK_FALSE(figure(std::nullopt, 2.0).relative_difference());
  CHECK_FALSE(figure(1.0, std::nullopt).relative_difference());
  CHECK_FALSE(figure(1.0, 0.0).relative_difference());
}

TEST_CASE("a comparison's page holds every figure, whatever the names are") {
  ComparisonPage page{evil_frame(), {}, {figure(1.5, 2.0), figure(std::nullopt, 3.0), figure(4.0, 4.0)}};
  page.figures[0].parts = {{evil, -0.2, evil}};
  page.figures[2].group = "all layers";
  const std::string html = comparison_html(page);
  check_shell(html);
  CHECK(html == comparison_html(page));
  CHECK_THAT(html, Contains(">-25.0 %<") && Contains(">-5.0 %<") && Contains(">unknown<") && Contains(">0.0 %<"));
  CHECK(count(html, "class=\"chart\"") == 3);  // two groups, one with parts
  CHECK_THAT(html, Contains("1 of 2"));        // within 15 %
  check_shell(comparison_html({}));
}

TEST_CASE("a sweep's page holds front, failures and constraints") {
  const std::string html = sweep_html(sweep());
  check_shell(html);
  CHECK(html == sweep_html(sweep()));
  CHECK_THAT(html, Contains("0.100 mm2") && Contains("area_um2 &lt;= 1e6") && Contains("Failures"));
  CHECK_THAT(html, Contains("[0.25,null]"));
  SweepPage empty;
  check_shell(sweep_html(empty));
  CHECK_THAT(sweep_html(empty), Contains("No objectives were given."));
}

TEST_CASE("a sweep's page refuses points that do not fit its columns") {
  SweepPage page = sweep();
  page.points[1].figures.pop_back();
  CHECK_THROWS_AS(sweep_html(page), InternalError);
  page = sweep();
  page.failures[0].settings.emplace_back("more");
  CHECK_THROWS_AS(sweep_html(page), InternalError);
  page = sweep();
  page.objectives.push_back({"energy", true});
  CHECK_THROWS_AS(sweep_html(page), InternalError);
}

TEST_CASE("a run's page holds what is unknown as unknown") {
  Report report;
  report.command = "nibble run " + evil;
  report.accelerator = evil;
  report.model = evil;
  report.scenario = {{"batch", 1}, {"prefill", 8}, {"decode", 0}, {"context", 0}};
  report.clock_mhz = 500;
  report.peak_macs_per_cycle = 4;
  report.activities = {{"pe", "mac", "pe", Activity::active, "MAC"}, {"foot", "sum", "pe", Activity::active, "sum"}};
  PriceList prices;
  prices.technology = evil;
  prices.energy = {{0.5, "a"}, {std::nullopt, evil}};
  prices.area = {{"pe", "pe", 2, 100.0, "b"}, {"foot", "foot", 1, std::nullopt, evil}};
  report.prices = {prices};
  OperatorFigures entry;
  entry.name = evil;
  entry.kind = "linear";
  entry.phase = "prefill";
  entry.figures.cycles = entry.figures.compute_cycles = 10;
  entry.figures.macs = 40;
  entry.figures.activity = {40, 7};
  report.operators = {entry};
  report.notes = {evil};
  report.configuration = evil;
  const std::string html = report_html(report);
  check_shell(html);
  CHECK(html == report_html(report));
  CHECK_THAT(html, Contains("&gt;= 20.0 pJ") && Contains("[\"foot\",\"sum\",\"active\",null]"));
  CHECK_THAT(html, Contains("[\"foot\",1,null]") && Contains("&gt;= 200 um2"));
  CHECK_THAT(html, Contains("\"peak_bytes_per_cycle\":null"));
}
