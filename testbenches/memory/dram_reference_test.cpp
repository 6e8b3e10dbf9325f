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
#include "testbenches/support/paths.h"

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

/// Rows of one simulator by "device-mapping pattern", for example "ddr4-a seq_read"; none: all that share the queues of
/// 32 entries.
std::map<std::string, Reference> references(const std::string& simulator = "", const std::string& scheduler = "") {
  std::map<std::string, Reference> all;
  std::istringstream lines(read_file(source_path("testbenches/memory/dram_reference.csv")));
  for (std::string line; std::getline(lines, line);) {
    if (line.front() == '#' || line.rfind("simulator,", 0) == 0) continue;
    std::vector<std::string> cells;
    std::istringstream fields(line + ",");
    for (std::string cell; std::getline(fields, cell, ',');)
      cells.push_back(cell);
    REQUIRE(cells.size() == 10);
    const bool of_banks = cells[3] == "FrFcfs-bankwise8";
    if (simulator.empty() ? of_banks : simulator != cells[0] || scheduler != cells[3]) continue;
    Reference& r = all[cells[1] + "-" + (cells[2] == "A" ? "a" : "b") + " " + cells[4]];
    r.cycles.add(cells[5]);
    r.latency.add(cells[6]);
    r.hit_rate.add(cells[7]);
    r.activates.add(cells[8]);
    r.energy_nj.add(cells[9]);
  }
  REQUIRE(all.size() >= (simulator.empty() ? 35 : 10));
  return all;
}

double hit_rate(const DramCounters& n) {
  return std::max(0.0, 1 - static_cast<double>(n.activates) / static_cast<double>(n.reads + n.writes));
}

TraceOutcome run_pattern(const std::string& name, const std::vector<std::string>& overrides = {}) {
  const auto space = name.find(' ');
  const DramDevice device = load_device("reference-" + name.substr(0, space), overrides);
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

namespace {

/// Largest relative distance of the cycles of `patterns`, under a policy, from those of the simulator that has it.
double distance(const std::map<std::string, Reference>& of, const std::string& mapping, const std::string& pattern,
                const std::vector<std::string>& policy) {
  double worst = 0;
  unsigned compared = 0;
  for (const auto& [name, r] : of) {
    if (name.find(mapping + " " + pattern) == std::string::npos) continue;
    const auto cycles = static_cast<double>(run_pattern(name, policy).cycles);
    const double here = std::abs(cycles / r.cycles.low - 1);
    UNSCOPED_INFO(name << ": " << cycles << " against " << r.cycles.low);
    worst = std::max(worst, here);
    ++compared;
  }
  CHECK(compared >= 2);
  return worst;
}

}  // namespace

// The policy is a choice, not a fit: with the policy that a simulator has, its figures follow.
TEST_CASE("with the drain of DRAMsim3, which is the default, mixes take its time") {
  CHECK(distance(references("DRAMsim3", "FR-FCFS-perbank"), "", "mix_seq", {}) < 0.035);
}

TEST_CASE("the caps against starvation decide no other figure") {
  for (const auto& [name, r] : references()) {
    if (name.find("mix_seq") == std::string::npos && name.find("gemm_tiled") == std::string::npos) continue;
    CAPTURE(name);
    const TraceOutcome ours = run_pattern(name);
    CHECK(run_pattern(name, {"controller.row_hit_cap=1000000"}).cycles == ours.cycles);
    CHECK(run_pattern(name, {"controller.streak_cap=256"}).cycles == ours.cycles);
    CHECK(run_pattern(name, {"controller.streak_cap=1000000"}).cycles == ours.cycles);
  }
}

TEST_CASE("with the watermarks of Ramulator, mixes take its time where both keep rows open") {
  const std::vector<std::string> policy{"controller.write_high=26", "controller.write_low=6"};
  CHECK(distance(references("ramulator2", "FRFCFS"), "-a", "mix_seq", policy) < 0.035);
}

TEST_CASE("with a queue of eight for each bank, traffic takes the time of DRAMSys with such queues") {
  const auto dramsys = references("DRAMSys", "FrFcfs-bankwise8");
  const std::vector<std::string> policy{"controller.queue=per_bank"};
  CHECK(distance(dramsys, "", "seq_", policy) < 0.04);
  CHECK(distance(dramsys, "", "bank_conflict", policy) < 0.01);
  CHECK(distance(dramsys, "", "spaced_read", policy) < 0.01);
  CHECK(distance(dramsys, "", "random_read", policy) < 0.07);
  CHECK(distance(dramsys, "", "gemm_tiled", policy) < 0.08);
  CHECK(distance(dramsys, "", "mix_seq", policy) < 0.09);
}

namespace {

/// Cycles that no controller can go below: data, activates by tFAW and tRRD, refresh.
double least_cycles(const DramDevice& device, const std::vector<TraceRequest>& trace, const TraceOutcome& ours) {
  const DramTiming& t = device.timing;
  const double busy = static_cast<double>(trace.size()) * static_cast<double>(device.geometry.burst_cycles());
  const double activates =
      static_cast<double>(ours.counters.activates) * static_cast<double>(std::max(t.faw, 4 * t.rrd_s)) / 4;
  const double refresh_free = 1 - static_cast<double>(t.rfc) / static_cast<double>(t.refi);
  return std::max(busy, activates) / refresh_free;
}

}  // namespace

TEST_CASE("other traces keep the bounds, and seeds, lengths and spacing change nothing but noise") {
  for (const char* name : {"ddr4-a", "ddr4-b", "lpddr4-a", "lpddr4-b", "hbm2-a", "hbm2-b"}) {
    const DramDevice device = load_device(std::string("reference-") + name);
    const auto run = [&](const std::string& pattern) {
      const auto trace = standard_trace(pattern, shape_of(device));
      const TraceOutcome ours = run_trace(device, trace);
      CAPTURE(name, pattern, ours.cycles);
      CHECK(ours.counters.reads + ours.counters.writes == trace.size());
      CHECK(static_cast<double>(ours.cycles) >= 0.985 * least_cycles(device, trace, ours));
      return ours;
    };
    // Random accesses are bound by the same rule whatever the seed.
    std::vector<double> random, mixed;
    for (const char* seed : {"1", "2", "3", "4"}) {
      random.push_back(static_cast<double>(run(std::string("random_read,seed=") + seed).cycles));
      mixed.push_back(static_cast<double>(run(std::string("mix_random,seed=") + seed).cycles));
    }
    CAPTURE(name, random, mixed);
    CHECK(*std::max_element(random.begin(), random.end()) < 1.01 * *std::min_element(random.begin(), random.end()));
    CHECK(*std::max_element(mixed.begin(), mixed.end()) < 1.03 * *std::min_element(mixed.begin(), mixed.end()));
    CHECK(mixed.front() >= 0.99 * random.front());  // writes and turnarounds cost more
    CHECK(mixed.front() < 1.6 * random.front());
    // Ten times as many requests take ten times as long.
    for (const char* pattern : {"seq_read", "gemm_tiled", "mix_seq", "mix_random", "strided_read,stride=192"}) {
      const auto few = static_cast<double>(run(std::string(pattern) + ",requests=8000").cycles);
      const auto many = static_cast<double>(run(std::string(pattern) + ",requests=80000").cycles);
      CAPTURE(pattern, few, many);
      CHECK(many == Approx(10 * few).epsilon(0.08));
    }
    // A stride of a whole row of all banks is a bank conflict; one burst is a stream.
    const std::string rows = std::to_string(device.geometry.row_bytes * device.geometry.banks());
    CHECK(run("strided_read,requests=1500,stride=" + rows).cycles == run("bank_conflict,requests=1500").cycles);
    const std::string burst = std::to_string(device.geometry.burst_bytes());
    CHECK(run("strided_read,stride=" + burst).cycles == run("seq_read").cycles);
    // With room between them, requests take the time of their arrival.
    const TraceOutcome spaced = run("random_read,interval=150,requests=1000");
    CHECK(spaced.cycles < 150 * 1000 + 2 * device.timing.rfc);
  }
}
