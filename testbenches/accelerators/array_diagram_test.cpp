// SPDX-License-Identifier: Apache-2.0
/// Space-time diagrams of two passes on a 3 x 3 array, drawn by the register-level arrays: docs/dataflow.md shows them.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "accelerators/output_stationary_array_cycle.h"
#include "accelerators/stationary_array_cycle.h"
#include "testbenches/support/paths.h"

using namespace nibble;

namespace {

constexpr std::uint64_t side = 3, vectors = 6;

/// One line per place, one column per cycle.
class Diagram {
 public:
  void mark(const std::string& place, std::uint64_t cycle, std::uint64_t what) {
    std::size_t line = 0;
    while (line < places_.size() && places_[line] != place)
      ++line;
    if (line == places_.size()) {
      places_.push_back(place);
      lines_.emplace_back();
    }
    lines_[line].resize(std::max<std::size_t>(lines_[line].size(), cycle + 1), ".");
    lines_[line][cycle] = std::to_string(what);
    cycles_ = std::max(cycles_, cycle + 1);
  }
  void add(const std::string& place) { places_.push_back(place), lines_.emplace_back(); }

  std::string text() const {
    std::string out = row("cycle", numbers());
    for (std::size_t i = 0; i < places_.size(); ++i) {
      std::vector<std::string> cells = lines_[i];
      cells.resize(cycles_, ".");
      out += row(places_[i], cells);
    }
    return out;
  }

 private:
  static std::string row(std::string text, const std::vector<std::string>& cells) {
    text.resize(14, ' ');
    for (const std::string& cell : cells)
      text += std::string(3 - cell.size(), ' ') + cell;
    return text + "\n";
  }
  std::vector<std::string> numbers() const {
    std::vector<std::string> cells;
    for (std::uint64_t i = 0; i < cycles_; ++i)
      cells.push_back(std::to_string(i));
    return cells;
  }
  std::vector<std::string> places_;
  std::vector<std::vector<std::string>> lines_;
  std::uint64_t cycles_ = 0;
};

std::string pe_name(std::uint64_t row, std::uint64_t column) {
  return "PE " + std::to_string(row) + "," + std::to_string(column);
}

/// The lines in their order, before anything is marked.
void add_lines(Diagram& diagram, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs)
    diagram.add(input);
  for (std::uint64_t i = 0; i < side * side; ++i)
    diagram.add(pe_name(i / side, i % side));
  for (std::uint64_t c = 0; c < side; ++c)
    diagram.add("column " + std::to_string(c) + " out");
}

/// Draws each step of a PE as the number of the vector it works on.
struct StationaryPen {
  struct Stationary {
    std::uint64_t column = 0;
  };
  using Streamed = std::uint64_t;
  using Sum = std::uint64_t;
  Diagram* diagram = nullptr;
  const std::uint64_t* cycle = nullptr;
  static Sum enter(std::uint64_t, std::uint64_t) { return 0; }
  Sum step(Sum, Streamed vector, const Stationary& held, std::uint64_t row) const {
    diagram->mark(pe_name(row, held.column), *cycle, vector);
    return vector;
  }
};

struct OutputPen {
  struct Operand {
    std::uint64_t place = 0, step = 0;
  };
  using Left = Operand;
  using Top = Operand;
  using Sum = std::uint64_t;
  Diagram* diagram = nullptr;
  const std::uint64_t* cycle = nullptr;
  void step(Sum& sum, const Operand& left, const Operand& top) const {
    REQUIRE(left.step == top.step);
    diagram->mark(pe_name(left.place, top.place), *cycle, left.step);
    sum = left.step;
  }
};

ArrayGeometry three_by_three(Dataflow dataflow) {
  ArrayGeometry array;
  array.dataflow = dataflow;
  array.rows = array.columns = side;
  return array;
}

std::string stationary_diagram(Dataflow dataflow) {
  using Array = StationaryArrayCycle<StationaryPen>;
  Diagram diagram;
  add_lines(diagram, {"load row", "vector in"});
  std::uint64_t cycle = 0, rows_loaded = 0, sent = 0, left = vectors * side;
  Array array(three_by_three(dataflow), {&diagram, &cycle});
  for (; left > 0; ++cycle) {
    Array::StreamRow stream;
    if (sent < vectors && array.accepts(sent % side == 0)) {
      stream = {true, sent % side == 0, sent + 1, std::vector<std::uint64_t>(side, sent + 1)};
      diagram.mark("vector in", cycle, ++sent);
    }
    Array::LoadRow load;
    if (rows_loaded < 2 * side && array.accepts_load(stream.first)) {
      load = {true, side - 1 - rows_loaded++ % side, {{0}, {1}, {2}}};
      diagram.mark("load row", cycle, load.row);
    }
    std::vector<Array::Result> results;
    array.step(stream, load, results);
    for (const auto& result : results) {
      diagram.mark("column " + std::to_string(result.column) + " out", cycle, result.tag);
      --left;
    }
  }
  return diagram.text();
}

std::string output_diagram() {
  using Array = OutputStationaryArrayCycle<OutputPen>;
  Diagram diagram;
  add_lines(diagram, {"step in"});
  std::uint64_t cycle = 0, sent = 0, left = 2 * side * side;
  Array array(three_by_three(Dataflow::output_stationary), {&diagram, &cycle});
  for (; left > 0; ++cycle) {
    Array::Step step;
    const bool first = sent % side == 0, last = sent % side == side - 1;
    if (sent < vectors && array.accepts(first, last)) {
      step.valid = true;
      step.first = first;
      step.last = last;
      step.tag = sent / side;
      diagram.mark("step in", cycle, ++sent);
      for (std::uint64_t i = 0; i < side; ++i) {
        step.left.push_back({i, sent});
        step.top.push_back({i, sent});
      }
    }
    std::vector<Array::Result> results;
    array.step(step, results);
    for (const auto& result : results) {
      diagram.mark("column " + std::to_string(result.column) + " out", cycle, result.row);
      --left;
    }
  }
  return diagram.text();
}

void check_page(const std::string& diagram) {
  std::ifstream file(source_path("docs/dataflow.md"));
  REQUIRE(file);
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK_THAT(page, Catch::Contains(diagram));
}

}  // namespace

TEST_CASE("docs/dataflow.md draws what the weight- and input-stationary registers do") {
  check_page(stationary_diagram(Dataflow::weight_stationary));
  check_page(stationary_diagram(Dataflow::input_stationary));
}

TEST_CASE("docs/dataflow.md draws what the output-stationary registers do") {
  check_page(output_diagram());
}
