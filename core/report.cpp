// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"

#include <sys/resource.h>

#include <algorithm>

#include "core/json.h"
#include "core/table.h"

namespace nibble {
void ReportFigures::add(const ReportFigures& other) {
  for_each_count(*this, other, [](const char*, std::uint64_t& own, const std::uint64_t& more) { own += more; });
  time_s += other.time_s;
  if (activity.size() < other.activity.size()) activity.resize(other.activity.size());
  for (std::size_t i = 0; i < other.activity.size(); ++i)
    activity[i] += other.activity[i];
  for_each_cause(dram, other.dram, [](const char*, std::optional<double>& sum, const std::optional<double>& part) {
    sum = sum && part ? std::optional<double>(*sum + *part) : std::nullopt;
  });
}

EnergyFigures energy_of(const Report& report, const PriceList& prices, const ReportFigures& figures) {
  EnergyFigures energy;
  const auto sum_of = [&](const ActivityKind& kind) -> KnownSum& {
    switch (kind.activity) {
      case Activity::idle:
        return energy.idle;
      case Activity::gated:
        return energy.gated;
      case Activity::leakage:
        return energy.leakage;
      case Activity::active:
        break;
    }
    if (kind.group == "quantizer") return energy.quantizer;
    if (kind.group == "vector") return energy.vector;
    if (kind.group == "sram") return energy.sram;
    return kind.group == "control" ? energy.control : energy.pe;
  };
  for (std::size_t i = 0; i < report.activities.size(); ++i) {
    const std::uint64_t count = i < figures.activity.size() ? figures.activity[i] : 0;
    const std::optional<double> price = prices.energy.at(i).pj;
    // Nothing was counted: nothing was spent, whatever the price.
    energy.lines.push_back(count == 0 ? std::optional<double>(0.0)
                           : price    ? std::optional<double>(*price * static_cast<double>(count))
                                      : std::nullopt);
    if (count == 0) continue;
    const ActivityKind& kind = report.activities[i];
    sum_of(kind).add(kind.path(), energy.lines.back());
    energy.total.add(kind.path(), energy.lines.back());
  }
  const auto add_dram = [&](const std::string& name, std::optional<double> part) {
    energy.dram.add(name, part);
    energy.total.add(name, part);
  };
  for_each_cause(figures.dram, figures.dram,
                 [&](const std::string& name, const auto& part, const auto&) { add_dram("dram." + name, part); });
  for (const std::string& name : report.dram_left_out)
    add_dram("dram." + name, std::nullopt);
  return energy;
}

namespace {

template <class Select>
ReportFigures sum(const Report& report, Select select) {
  ReportFigures total;
  for (const auto& entry : report.operators) {
    if (select(entry)) total.add(entry.figures);
  }
  total.time_s = static_cast<double>(total.cycles) / (report.clock_mhz * 1e6);
  return total;
}

}  // namespace

ReportFigures Report::totals() const {
  return sum(*this, [](const OperatorFigures&) { return true; });
}

ReportFigures Report::phase(const std::string& name) const {
  return sum(*this, [&](const OperatorFigures& entry) { return entry.phase == name; });
}

std::vector<std::string> Report::phases() const {
  std::vector<std::string> names;
  for (const auto& entry : operators) {
    if (std::find(names.begin(), names.end(), entry.phase) == names.end()) names.push_back(entry.phase);
  }
  return names;
}

std::optional<double> utilization(const Report& report, const ReportFigures& figures) {
  if (figures.cycles == 0 || report.peak_macs_per_cycle == 0) return std::nullopt;
  return static_cast<double>(figures.macs) / (static_cast<double>(figures.cycles) * report.peak_macs_per_cycle);
}

std::optional<double> utilization_at_work(const Report& report, const ReportFigures& figures) {
  ReportFigures at_work = figures;
  at_work.cycles += figures.hidden_cycles;
  return utilization(report, at_work);
}

std::string binding_line(const Report& report, const std::string& label, const ReportFigures& figures) {
  if (figures.cycles == 0) return label + ": no cycles";
  const double cycles = static_cast<double>(figures.cycles);
  const double compute_bound = static_cast<double>(figures.ideal_cycles);
  const double memory_bound =
      report.peak_bytes_per_cycle > 0 ? static_cast<double>(figures.compulsory_bytes) / report.peak_bytes_per_cycle : 0;
  const bool compute = compute_bound >= memory_bound;
  const double bound = compute ? compute_bound : memory_bound;
  const double intensity = figures.compulsory_bytes > 0
                               ? static_cast<double>(figures.macs) / static_cast<double>(figures.compulsory_bytes)
                               : 0;
  const double ridge = report.peak_bytes_per_cycle > 0 ? report.peak_macs_per_cycle / report.peak_bytes_per_cycle : 0;
  const std::pair<std::uint64_t, const char*> causes[] = {
      {figures.compute_cycles, "the array and the vector unit are busy"},
      {figures.weight_load_cycles, "weight loads into the array (few rows of activations per set of weights)"},
      {figures.fill_drain_cycles - figures.weight_load_cycles, "fill and drain"},
      {figures.memory_stall_cycles, "waiting for memory"},
      {figures.output_stall_cycles, "waiting for output"},
      {figures.exposed_quantizer_cycles, "the exposed quantizer"}};
  const auto largest = *std::max_element(std::begin(causes), std::end(causes),
                                         [](const auto& a, const auto& b) { return a.first < b.first; });
  return label + ": " + fixed(intensity, 1) + " MAC/byte against a ridge of " + fixed(ridge, 1) + ", so " +
         (compute ? "compute" : "memory") + " bounds it at " + with_separators(static_cast<std::uint64_t>(bound)) +
         " cycles; it took " + fixed(bound > 0 ? cycles / bound : 0, 2) + "x that; " +
         fixed(100 * static_cast<double>(largest.first) / cycles, 1) + " % of the time: " + largest.second;
}

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

const char* const nibble_version = NIBBLE_VERSION;

}  // namespace nibble
