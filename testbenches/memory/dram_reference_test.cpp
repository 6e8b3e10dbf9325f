// SPDX-License-Identifier: Apache-2.0
/// The DRAM against the figures of other simulators (dram_reference.csv) on the same traces and timing parameters.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "core/file.h"
#include "core/table.h"
#include "testbenches/memory/dram_devices.h"
#include "testbenches/memory/dram_trace.h"

using namespace nibble;
using namespace nibble::test;

namespace {

struct Range {
  double low = 1e300, high = -1e300;
  std::vector<double> values;
  void add(const std::string& text) {
    if (text.empty()) return;
    values.push_back(std::stod(text));
    low = std::min(low, values.back());
    high = std::max(high, values.back());
  }
  bool contains(double value, double below, double above) const {
    return value >= low - below && value <= high + above;
  }
  /// Relative distance to the range, 0 inside.
  double outside(double value) const {
    return value < low ? (low - value) / low : value > high ? (value - high) / high : 0;
  }
};

struct Reference {
  Range cycles, latency, hit_rate, activates, energy_nj;
};

/// By "device-mapping pattern", for example "ddr4-a seq_read".
std::map<std::string, Reference> references() {
  std::map<std::string, Reference> all;
  std::istringstream lines(read_file(std::string(NIBBLE_SOURCE_DIR) + "/testbenches/memory/dram_reference.csv"));
  for (std::string line; std::getline(lines, line);) {
    if (line.front() == '#' || line.rfind("simulator,", 0) == 0) continue;
    std::vector<std::string> cells;
    std::istringstream fields(line + ",");
    for (std::string cell; std::getline(fields, cell, ',');)
      cells.push_back(cell);
    REQUIRE(cells.size() == 10);
    Reference& r = all[cells[1] + "-" + (cells[2] == "A" ? "a" : "b") + " " + cells[4]];
    r.cycles.add(cells[5]);
    r.latency.add(cells[6]);
    r.hit_rate.add(cells[7]);
    r.activates.add(cells[8]);
    r.energy_nj.add(cells[9]);
  }
  REQUIRE(all.size() >= 35);
  return all;
}

double hit_rate(const DramCounters& n) {
  return std::max(0.0, 1 - static_cast<double>(n.activates) / static_cast<double>(n.reads + n.writes));
}

/// One line of the table in docs/memory.md.
std::string table_line(const std::string& name, const TraceOutcome& ours, const Reference& r) {
  const auto percent = [](double share) { return fixed(100 * share, 1); };
  return "| " + name + " | " + std::to_string(ours.cycles) + " | " + fixed(r.cycles.low, 0) + " - " +
         fixed(r.cycles.high, 0) + " | " + percent(hit_rate(ours.counters)) + " | " + percent(r.hit_rate.low) + " - " +
         percent(r.hit_rate.high) + " | " + std::to_string(ours.counters.activates) + " | " +
         fixed(r.activates.low, 0) + " - " + fixed(r.activates.high, 0) + " |";
}

TraceOutcome run_pattern(const std::string& name) {
  const auto space = name.find(' ');
  const DramDevice device = load_device("reference-" + name.substr(0, space));
  return run_trace(device, standard_trace(name.substr(space + 1), shape_of(device)));
}

}  // namespace

TEST_CASE("cycles lie where the other simulators lie") {
  for (const auto& [name, r] : references()) {
    const TraceOutcome ours = run_pattern(name);
    const auto cycles = static_cast<double>(ours.cycles);
    CAPTURE(name, ours.cycles, r.cycles.low, r.cycles.high);
    const std::string pattern = name.substr(name.find(' ') + 1);
    const bool mapping_b = name[name.find(' ') - 1] == 'b';
    const bool strict =
        pattern == "bank_conflict" || pattern == "spaced_read" || (mapping_b && pattern.rfind("seq_", 0) == 0);
    const bool agreed = r.cycles.high <= 1.03 * r.cycles.low;
    CHECK(r.cycles.outside(cycles) <= (strict ? 0.01 : 0.02));
    if (agreed) {
      for (const double reference : r.cycles.values)
        CHECK(cycles == Approx(reference).epsilon(0.03));
    }
  }
}

TEST_CASE("row hits and activates lie where the other simulators lie") {
  for (const auto& [name, r] : references()) {
    const TraceOutcome ours = run_pattern(name);
    const auto activates = static_cast<double>(ours.counters.activates);
    CAPTURE(name, activates, r.activates.low, r.activates.high, hit_rate(ours.counters));
    CHECK(r.hit_rate.contains(hit_rate(ours.counters), 0.02, 0.02));
    CHECK(r.activates.outside(activates) <= 0.03);
  }
}

TEST_CASE("the unloaded latency is within 3 cycles of another simulator") {
  for (const auto& [name, r] : references()) {
    if (name.find("spaced_read") == std::string::npos) continue;
    const TraceOutcome ours = run_pattern(name);
    CAPTURE(name, ours.mean_read_latency, r.latency.low, r.latency.high);
    CHECK(r.latency.contains(ours.mean_read_latency, 3, 3));
  }
}

TEST_CASE("the energy of DDR4 streams is within 5 % of other simulators") {
  unsigned compared = 0;
  for (const auto& [name, r] : references()) {
    if (name.rfind("ddr4", 0) != 0 || name.find(" seq_") == std::string::npos) continue;
    const DramDevice device = load_device("reference-" + name.substr(0, name.find(' ')));
    const TraceOutcome ours = run_pattern(name);
    const MemoryEnergy energy = dram_energy(device, ours.counters, static_cast<double>(ours.cycles));
    CAPTURE(name, energy.total_pj() / 1000, r.energy_nj.low, r.energy_nj.high);
    for (const double reference : r.energy_nj.values)
      CHECK(energy.total_pj() / 1000 == Approx(reference).epsilon(0.05));
    compared += static_cast<unsigned>(r.energy_nj.values.size());
  }
  CHECK(compared >= 8);
}

TEST_CASE("closed forms hold: one bank is bound by tRC, random reads by tFAW, streams by refresh") {
  for (const char* name : {"ddr4-a", "lpddr4-b", "hbm2-b"}) {
    const DramDevice device = load_device(std::string("reference-") + name);
    const DramTiming& t = device.timing;
    const double refresh_free = 1 - static_cast<double>(t.rfc) / static_cast<double>(t.refi);
    CAPTURE(name);
    const double conflict = 20000.0 * static_cast<double>(t.rc) / refresh_free;
    CHECK(static_cast<double>(run_pattern(std::string(name) + " bank_conflict").cycles) ==
          Approx(conflict).epsilon(0.02));
    const double window = 20000.0 * static_cast<double>(std::max(t.faw, 4 * t.rrd_s)) / 4 / refresh_free;
    CHECK(static_cast<double>(run_pattern(std::string(name) + " random_read").cycles) >= window * 0.99);
    const double stream = 20000.0 * static_cast<double>(device.geometry.burst_cycles()) / refresh_free;
    const auto cycles = static_cast<double>(run_pattern(std::string(name) + " seq_read").cycles);
    CHECK(cycles >= stream * 0.99);
    if (std::string(name).back() == 'b') CHECK(cycles == Approx(stream).epsilon(0.02));
  }
}

TEST_CASE("the validation table of docs/memory.md is what the model gives") {
  const std::string page = read_file(std::string(NIBBLE_SOURCE_DIR) + "/docs/memory.md");
  for (const auto& [name, r] : references()) {
    const std::string line = table_line(name, run_pattern(name), r);
    CAPTURE(line);
    CHECK(page.find(line) != std::string::npos);
  }
}
