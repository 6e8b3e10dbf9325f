// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"

#include <sys/resource.h>

#include <algorithm>

#include "core/json.h"
#include "core/table.h"

namespace nibble {
namespace {

void add_known(std::optional<double>& sum, const std::optional<double>& value) {
  // A sum with one unknown part is unknown.
  sum = sum && value ? std::optional<double>(*sum + *value) : std::nullopt;
}

}  // namespace

double EnergyFigures::total() const {
  double sum = 0;
  for (const auto& part : {pe, quantizer, vector, sram, dram, static_power})
    sum += part.value_or(0);
  return sum;
}

std::vector<std::string> EnergyFigures::unknown() const {
  std::vector<std::string> names;
  const std::pair<const char*, const std::optional<double>*> parts[] = {{"pe", &pe},         {"quantizer", &quantizer},
                                                                        {"vector", &vector}, {"sram", &sram},
                                                                        {"dram", &dram},     {"static", &static_power}};
  for (const auto& [name, value] : parts) {
    if (!*value) names.emplace_back(name);
  }
  return names;
}

void EnergyFigures::add(const EnergyFigures& other) {
  add_known(pe, other.pe);
  add_known(quantizer, other.quantizer);
  add_known(vector, other.vector);
  add_known(sram, other.sram);
  add_known(dram, other.dram);
  add_known(static_power, other.static_power);
}

void TrafficFigures::add(const TrafficFigures& other) {
  weight += other.weight;
  activation += other.activation;
  output += other.output;
  partial_sum += other.partial_sum;
  vector += other.vector;
  command += other.command;
}

void ReportFigures::add(const ReportFigures& other) {
  cycles += other.cycles;
  compute_cycles += other.compute_cycles;
  fill_drain_cycles += other.fill_drain_cycles;
  memory_stall_cycles += other.memory_stall_cycles;
  output_stall_cycles += other.output_stall_cycles;
  exposed_quantizer_cycles += other.exposed_quantizer_cycles;
  weight_load_cycles += other.weight_load_cycles;
  weight_stall_cycles += other.weight_stall_cycles;
  activation_stall_cycles += other.activation_stall_cycles;
  other_stall_cycles += other.other_stall_cycles;
  time_s += other.time_s;
  macs += other.macs;
  pe_macs += other.pe_macs;
  ideal_cycles += other.ideal_cycles;
  traffic.add(other.traffic);
  compulsory_bytes += other.compulsory_bytes;
  dram_read_bytes += other.dram_read_bytes;
  dram_write_bytes += other.dram_write_bytes;
  sram_read_bytes += other.sram_read_bytes;
  sram_write_bytes += other.sram_write_bytes;
  overflows += other.overflows;
  energy.add(other.energy);
}

double AreaFigures::total() const {
  double sum = 0;
  for (const auto& part : {pe_um2, sram_um2, quantizer_um2, vector_um2})
    sum += part.value_or(0);
  return sum;
}

std::vector<std::string> AreaFigures::unknown() const {
  std::vector<std::string> names;
  const std::pair<const char*, const std::optional<double>*> parts[] = {
      {"pe", &pe_um2}, {"sram", &sram_um2}, {"quantizer", &quantizer_um2}, {"vector", &vector_um2}};
  for (const auto& [name, value] : parts) {
    if (!*value) names.emplace_back(name);
  }
  return names;
}

namespace {

/// The neutral element of ReportFigures::add: known zero energies.
ReportFigures zero_figures() {
  ReportFigures zero;
  zero.energy.pe = zero.energy.quantizer = zero.energy.vector = zero.energy.sram = zero.energy.dram =
      zero.energy.static_power = 0.0;
  return zero;
}

template <class Select>
ReportFigures sum(const Report& report, Select select) {
  ReportFigures total = zero_figures();
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
