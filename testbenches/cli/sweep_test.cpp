// SPDX-License-Identifier: Apache-2.0
/// Expressions, fronts, sweep files and journals.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "cli/sweep/expression.h"
#include "cli/sweep/journal.h"
#include "cli/sweep/pareto.h"
#include "cli/sweep/sweep_file.h"
#include "core/error.h"
#include "core/file.h"

using namespace nibble;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::optional<double> evaluate(const std::string& text, const std::map<std::string, double>& values = {}) {
  return Expression::parse(text).value([&](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional<double>(found->second);
  });
}

template <class Action>
std::string why(Action action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

SweepFile sweep(const std::string& text) {
  return SweepFile::from(ConfigNode::parse("name: s\n" + text, "s.yaml"));
}
const std::string gemm = "settings: {accelerator: mant, m: 1, k: 2, n: 3}\n";

std::string refused(const std::string& text) {
  return why([&] { sweep(text).points(); });
}

}  // namespace

TEST_CASE("expressions follow the rules of arithmetic") {
  CHECK(evaluate("1 + 2 * 3") == 7.0);
  CHECK(evaluate("(1 + 2) * 3") == 9.0);
  CHECK(evaluate("8 / 4 / 2") == 1.0);
  CHECK(evaluate("8 - 4 - 2") == 2.0);
  CHECK(evaluate("-2 * -(3 - 5)") == -4.0);
  CHECK(evaluate("2*-3") == -6.0);
  CHECK(evaluate(" 3e2/.5 ") == 600.0);
  CHECK(evaluate("array.rows * a_1", {{"array.rows", 4}, {"a_1", 0.5}}) == 2.0);
  CHECK_FALSE(evaluate("a + 1"));
  CHECK_FALSE(evaluate("1 / 0"));
  CHECK_FALSE(evaluate("0 / 0"));
}

TEST_CASE("what is no expression is refused with its place") {
  CHECK_THAT(why([] { Expression::parse(""); }), Contains("expected a number or a name at its end"));
  CHECK_THAT(why([] { Expression::parse("1 +"); }), Contains("at its end"));
  CHECK_THAT(why([] { Expression::parse("a b"); }), Contains("expected an operator at 'b'"));
  CHECK_THAT(why([] { Expression::parse("(a"); }), Contains("expected ')'"));
  CHECK_THAT(why([] { Expression::parse("1k"); }), Contains("expected a number at '1k'"));
  CHECK_THAT(why([] { Expression::parse("a ^ 2"); }), Contains("expected an operator at '^ 2'"));
  CHECK_THAT(why([] { Expression::parse(std::string(1000, '(')); }), Contains("nested too deeply"));
}

TEST_CASE("constraints compare, and say when they cannot") {
  const auto holds = [](const std::string& text) {
    return Constraint::parse(text).holds(
        [](const std::string& name) { return name == "a" ? std::optional<double>(2) : std::nullopt; });
  };
  CHECK(holds("a <= 2") == true);
  CHECK(holds("a < 2") == false);
  CHECK(holds("a*2 >= 4") == true);
  CHECK(holds("3 > a") == true);
  CHECK(holds("a == 2") == true);
  CHECK_FALSE(holds("b <= 2"));
  CHECK_THAT(why([] { Constraint::parse("a"); }), Contains("compares nothing"));
  CHECK_THAT(why([] { Constraint::parse("a = 2"); }), Contains("equality is spelt =="));
  CHECK_THAT(why([] { Constraint::parse("a <= 2 <= 3"); }), Contains("expected an operator"));
}

TEST_CASE("a front holds what nothing dominates") {
  const std::vector<std::vector<double>> rows = {{1, 5}, {2, 3}, {2, 4}, {4, 1}, {4, 1}, {5, 5}, {1, 6}};
  CHECK(pareto_front(rows) == std::vector<bool>{true, true, false, true, true, false, false});
  CHECK(pareto_front({{3.0}, {1.0}, {1.0}}) == std::vector<bool>{false, true, true});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("a front of three objectives is the one found by comparing all pairs") {
  std::vector<std::vector<double>> rows;
  std::uint32_t state = 1;
  for (int i = 0; i < 300; ++i) {
    rows.emplace_back();
    for (int j = 0; j < 3; ++j) {
      state = state * 1664525U + 1013904223U;  // Numerical Recipes, section 7.1
      rows.back().push_back(state >> 28U);
    }
  }
  const std::vector<bool> front = pareto_front(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bool beaten = false;
    for (const auto& other : rows) {
      beaten =
          beaten || (other != rows[i] && other[0] <= rows[i][0] && other[1] <= rows[i][1] && other[2] <= rows[i][2]);
    }
    CHECK(front[i] == !beaten);
  }
}

TEST_CASE("axes cross, zipped keys move together, listed points follow, doubles are left out") {
  const SweepFile file = sweep(gemm +
                               "axes:\n  array.rows: [16, 32]\n  clock_mhz: {from: 100, to: 350, step: 100}\n"
                               "zipped:\n  - {buffers.weight_kib: [1, 2], formats.weight: [\"int4-g64\", mant4-g64]}\n"
                               "points:\n  - {m: 7}\n  - {array.rows: 16, clock_mhz: 100, buffers.weight_kib: 1, "
                               "formats.weight: int4-g64}\n");
  CHECK(file.keys == std::vector<std::string>{"array.rows", "clock_mhz", "buffers.weight_kib", "formats.weight", "m"});
  const std::vector<PlannedPoint> points = file.points();
  REQUIRE(points.size() == 2 * 3 * 2 + 1);
  CHECK(points[0].values == std::vector<std::string>{"16", "100", "1", "int4-g64", "1"});
  CHECK(points[1].values == std::vector<std::string>{"16", "100", "2", "mant4-g64", "1"});
  CHECK(points[2].values == std::vector<std::string>{"16", "200", "1", "int4-g64", "1"});
  CHECK(points[11].values == std::vector<std::string>{"32", "300", "2", "mant4-g64", "1"});
  CHECK(points[12].values == std::vector<std::string>{"", "", "", "", "7"});
  CHECK(file.settings(points[12]) == Settings{{"accelerator", "mant"}, {"k", "2"}, {"n", "3"}, {"m", "7"}});
}

TEST_CASE("ranges are linear or geometric and reach their end") {
  const auto values = [](const std::string& range) {
    std::vector<std::string> out;
    for (const PlannedPoint& point : sweep(gemm + "axes: {a: " + range + "}\n").points())
      out.push_back(point.values[0]);
    return out;
  };
  CHECK(values("{from: 250000, to: 1000000, factor: 2}") == std::vector<std::string>{"250000", "500000", "1000000"});
  CHECK(values("{from: 0.1, to: 0.3, step: 0.1}") == std::vector<std::string>{"0.1", "0.2", "0.30000000000000004"});
  CHECK(values("{from: 3, to: 3, step: 1}") == std::vector<std::string>{"3"});
  CHECK_THAT(refused(gemm + "axes: {a: {from: 1, to: 2}}\n"), Contains("s.yaml:3:8: axes.a: must have either step or"));
  CHECK_THAT(refused(gemm + "axes: {a: {from: 1, to: 2, factor: 1}}\n"), Contains("factor: must be above 1"));
  CHECK_THAT(refused(gemm + "axes: {a: {from: 1, to: 2, step: 0}}\n"), Contains("step: must be above 0"));
  CHECK_THAT(refused(gemm + "axes: {a: {from: 2, to: 1, step: 1}}\n"), Contains("to: must not be below from"));
  CHECK_THAT(refused(gemm + "axes: {a: {from: 1, to: 2, steps: 1}}\n"), Contains("either step or factor"));
  CHECK_THAT(refused(gemm + "axes: {a: {from: 0, to: 9000000, step: 1}}\n"), Contains("more than 10000 values"));
}

TEST_CASE("a sweep that says nothing, or two things, is refused at its place") {
  CHECK_THAT(refused(gemm), Contains("no points"));
  CHECK_THAT(refused(gemm + "axes: {a: []}\n"), Contains("s.yaml:3:8: axes.a: is an empty list"));
  CHECK_THAT(refused(gemm + "axes: {a: 3}\n"), Contains("must be a list of values, or a range"));
  CHECK_THAT(refused(gemm + "axes: {a: [1, 2, 1]}\n"), Contains("s.yaml:3:18: axes.a: holds 1 twice"));
  CHECK_THAT(refused(gemm + "axes: {a: [1]}\nzipped: [{a: [2]}]\n"), Contains("zipped.0.a: is an axis already"));
  CHECK_THAT(refused(gemm + "zipped: [{a: [1, 2], b: [1]}]\n"), Contains("b: has 1 values, a has 2"));
  CHECK_THAT(refused(gemm + "axis: {a: [1]}\n"), Contains("did you mean 'axes'"));
  CHECK_THAT(refused(gemm + "axes: {a: [1]}\nobjectives: [time_s +]\n"),
             Contains("s.yaml:4:14: objectives: 'time_s +': expected"));
  CHECK_THAT(refused(gemm + "axes: {a: [1]}\nconstraints: [time_s]\n"), Contains("compares nothing"));
  CHECK_THAT(refused("axes: {a: [1]}\n"), Contains("no accelerator"));
  CHECK_THAT(refused("settings: {accelerator: mant, m: 1, k: 1}\naxes: {a: [1]}\n"), Contains("n is missing"));
  CHECK_THAT(refused(gemm + "axes: {model: [phi-2]}\n"), Contains("both a model and m"));
  CHECK_THAT(refused(gemm + "axes: {prefill: [1]}\n"), Contains("prefill belongs to a model"));
  CHECK_THAT(refused("settings: {accelerator: mant, array: {rows: 1}}\naxes: {a: [1]}\n"),
             Contains("keys of a section are spelt array.KEY"));
  std::string large = gemm + "axes:\n";
  for (const char key : {'a', 'b'})
    large += std::string("  ") + key + ": {from: 1, to: 1001, step: 1}\n";
  CHECK_THAT(refused(large), Contains("more than 1000000 points"));
}

TEST_CASE("a journal keeps whole lines and drops torn ones") {
  const fs::path folder = fs::temp_directory_path() / ("nibble_journal_" + std::to_string(::getpid()));
  fs::create_directories(folder / "shards");
  PointResult done;
  done.figures.values.resize(figure_kinds().size());
  done.figures.values[0] = 1000000;
  done.figures.values[1] = 0.1;
  done.figures.unknown = {"pe.idle"};
  const PointResult failed{"crash", "signal \"9\"\n", {}};
  const std::string first = journal_line(0xfedcba9876543210U, {{"a", "1"}}, done);
  const std::string second = journal_line(2, {{"a", "2"}}, failed);
  CHECK(first.find('\n') == first.size() - 1);
  CHECK_THAT(first, Contains("\"cycles\":1000000"));
  {
    JournalWriter writer(folder / "results.jsonl");
    writer.append(first);
    writer.append(second);
  }
  std::ofstream(folder / "results.jsonl", std::ios::app) << "not JSON\n" << first.substr(0, 40);
  std::size_t dropped = 0;
  PointResults results = read_journals(folder, &dropped);
  CHECK(dropped == 2);
  REQUIRE(results.size() == 2);
  CHECK(results.at(0xfedcba9876543210U).figures.values == done.figures.values);
  CHECK(results.at(0xfedcba9876543210U).figures.unknown == done.figures.unknown);
  CHECK(results.at(2).failure == "crash");
  CHECK(results.at(2).message == failed.message);
  {
    JournalWriter writer(folder / "results.jsonl");  // cuts the torn end off
    writer.append(journal_line(2, {{"a", "2"}}, done));
  }
  CHECK(read_file(folder / "results.jsonl") == first + second + "not JSON\n" + journal_line(2, {{"a", "2"}}, done));
  { JournalWriter(folder / "shards" / "0-of-2.jsonl").append(journal_line(3, {}, failed)); }
  results = read_journals(folder);
  CHECK(results.size() == 3);
  CHECK(results.at(2).failure.empty());
  fs::remove_all(folder);
}
