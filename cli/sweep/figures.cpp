// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/figures.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace nibble {
namespace {

using Value = std::optional<double>;

double whole(std::uint64_t count) {
  return static_cast<double>(count);
}
EnergyFigures energy_in(const Report& report, const ReportFigures& figures) {
  return energy_of(report, report.prices.front(), figures);
}
Value energy(const Report& report) {
  return energy_in(report, report.totals()).total.known();
}
bool has_phase(const Report& report, const char* name) {
  const auto phases = report.phases();
  return std::find(phases.begin(), phases.end(), name) != phases.end();
}
Value phase_time(const Report& report, const char* name) {
  return has_phase(report, name) ? Value(report.phase(name).time_s) : std::nullopt;
}
Value phase_energy(const Report& report, const char* name) {
  return has_phase(report, name) ? Value(energy_in(report, report.phase(name)).total.known()) : std::nullopt;
}
Value ratio(const Value& over, const Value& under) {
  return over && under && *under > 0 ? Value(*over / *under) : std::nullopt;
}
Value scenario(const Report& report, const char* name) {
  for (const auto& [key, value] : report.scenario) {
    if (key == name) return whole(value);
  }
  return std::nullopt;
}
/// Of all sequences.
Value tokens_per_s(const Report& report, const char* phase) {
  const Value tokens = scenario(report, phase), batch = scenario(report, "batch");
  return tokens && batch ? ratio(*tokens * *batch, phase_time(report, phase)) : std::nullopt;
}
Value area(const Report& report, const char* group) {
  return area_sum(report.prices.front(), group).value();
}

/// A count of all operators together.
template <std::uint64_t ReportFigures::*Member>
Value total(const Report& report) {
  return whole(report.totals().*Member);
}
/// A part of the energy.
template <KnownSum EnergyFigures::*Member>
Value part(const Report& report) {
  return (energy_in(report, report.totals()).*Member).value();
}

std::vector<FigureKind> make_kinds() {
  using R = const Report&;
  using F = ReportFigures;
  using E = EnergyFigures;
  return {
      {"cycles", "cycle", "of the accelerator's clock", true, total<&F::cycles>},
      {"time_s", "s", "cycles at the clock", false, [](R r) { return Value(r.totals().time_s); }},
      {"energy_pj", "pJ", "what is known of all components and the memory", false, energy},
      {"area_um2", "um2", "what is known of all components", false,
       [](R r) { return Value(area_sum(r.prices.front()).known()); }},
      {"edp_js", "J s", "energy_pj x time_s", false, [](R r) { return Value(*energy(r) * 1e-12 * r.totals().time_s); }},
      {"power_w", "W", "energy over time", false, [](R r) { return ratio(*energy(r) * 1e-12, r.totals().time_s); }},
      {"utilization", "", "macs / (cycles x peak)", false, [](R r) { return utilization(r, r.totals()); }},
      {"macs", "MAC", "that the operators need", true, total<&F::macs>},
      {"compute_cycles", "cycle", "in which the array or the vector unit works", true, total<&F::compute_cycles>},
      {"fill_drain_cycles", "cycle", "of filling and draining", true, total<&F::fill_drain_cycles>},
      {"memory_stall_cycles", "cycle", "of waiting for operands", true, total<&F::memory_stall_cycles>},
      {"output_stall_cycles", "cycle", "of waiting for results to leave", true, total<&F::output_stall_cycles>},
      {"exposed_quantizer_cycles", "cycle", "of waiting for the quantizer", true, total<&F::exposed_quantizer_cycles>},
      {"traffic_bytes", "B", "asked of the memory", true, [](R r) { return Value(whole(r.totals().traffic.total())); }},
      {"compulsory_bytes", "B", "every operand moved once", true, total<&F::compulsory_bytes>},
      {"dram_read_bytes", "B", "on the data bus", true, total<&F::dram_read_bytes>},
      {"dram_write_bytes", "B", "on the data bus", true, total<&F::dram_write_bytes>},
      {"dram_bytes", "B", "read and written", true,
       [](R r) { return Value(whole(r.totals().dram_read_bytes + r.totals().dram_write_bytes)); }},
      {"sram_read_bytes", "B", "of the buffers", true, total<&F::sram_read_bytes>},
      {"sram_write_bytes", "B", "of the buffers", true, total<&F::sram_write_bytes>},
      {"footprint_bytes", "B", "of all operands in memory", true, [](R r) { return Value(whole(r.footprint_bytes)); }},
      {"energy_pe_pj", "pJ", "of the PEs' work", false, part<&E::pe>},
      {"energy_quantizer_pj", "pJ", "of the quantizer's work", false, part<&E::quantizer>},
      {"energy_vector_pj", "pJ", "of the vector unit's work", false, part<&E::vector>},
      {"energy_sram_pj", "pJ", "of buffer accesses", false, part<&E::sram>},
      {"energy_dram_pj", "pJ", "of the memory", false, part<&E::dram>},
      {"energy_static_pj", "pJ", "of leakage", false, part<&E::leakage>},
      {"area_pe_um2", "um2", "of the PEs", false, [](R r) { return area(r, "pe"); }},
      {"area_sram_um2", "um2", "of the buffers", false, [](R r) { return area(r, "sram"); }},
      {"peak_macs_per_cycle", "MAC/cycle", "of the machine's own formats", false,
       [](R r) { return Value(r.peak_macs_per_cycle); }},
      {"peak_bytes_per_cycle", "B/cycle", "of the memory", false,
       [](R r) { return std::isfinite(r.peak_bytes_per_cycle) ? Value(r.peak_bytes_per_cycle) : std::nullopt; }},
      {"macs_per_s", "MAC/s", "achieved", false, [](R r) { return ratio(whole(r.totals().macs), r.totals().time_s); }},
      {"macs_per_j", "MAC/J", "achieved", false, [](R r) { return ratio(whole(r.totals().macs), *energy(r) * 1e-12); }},
      {"prefill_time_s", "s", "of the prefill", false, [](R r) { return phase_time(r, "prefill"); }},
      {"decode_time_s", "s", "of all decode steps", false, [](R r) { return phase_time(r, "decode"); }},
      {"prefill_energy_pj", "pJ", "of the prefill", false, [](R r) { return phase_energy(r, "prefill"); }},
      {"decode_energy_pj", "pJ", "of all decode steps", false, [](R r) { return phase_energy(r, "decode"); }},
      {"prefill_tokens_per_s", "token/s", "of all sequences", false, [](R r) { return tokens_per_s(r, "prefill"); }},
      {"decode_tokens_per_s", "token/s", "of all sequences", false, [](R r) { return tokens_per_s(r, "decode"); }},
      {"kv_cache_bytes", "B", "at the end", true,
       [](R r) { return r.kv_cache ? Value(whole(r.kv_cache->bytes)) : std::nullopt; }},
  };
}

}  // namespace

const std::vector<FigureKind>& figure_kinds() {
  static const std::vector<FigureKind> kinds = make_kinds();
  return kinds;
}

KnownParts FigureKind::parts() const {
  if (name.rfind("area_", 0) == 0) return KnownParts::of_area;
  const bool energy = unit == "pJ" || unit == "J s" || unit == "W" || unit == "MAC/J";
  return energy ? KnownParts::of_energy : KnownParts::all;
}

std::vector<std::string> left_out(const PointFigures& figures, KnownParts parts) {
  std::vector<std::string> out;
  if (parts == KnownParts::all) return out;
  for (const std::string& part : figures.unknown) {
    if ((part.rfind("area of ", 0) == 0) == (parts == KnownParts::of_area)) out.push_back(part);
  }
  return out;
}

int figure_index(const std::string& name) {
  const auto& kinds = figure_kinds();
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const FigureKind& kind) { return kind.name == name; });
  return found == kinds.end() ? -1 : static_cast<int>(found - kinds.begin());
}

PointFigures figures_of(const Report& report) {
  if (report.prices.empty()) throw InternalError("sweep: a report without prices");
  PointFigures out;
  for (const FigureKind& kind : figure_kinds())
    out.values.push_back(kind.of(report));
  out.unknown = energy_in(report, report.totals()).total.unknown();
  const KnownSum area = area_sum(report.prices.front());
  for (const std::string& component : area.unknown())
    out.unknown.push_back("area of " + component);
  return out;
}

void write_figures(JsonWriter& json, const PointFigures& figures) {
  json.key("figures").begin_object();
  for (std::size_t i = 0; i < figures.values.size(); ++i) {
    const FigureKind& kind = figure_kinds()[i];
    if (!figures.values[i]) continue;
    json.key(kind.name);
    kind.whole ? json.value(static_cast<std::uint64_t>(*figures.values[i])) : json.value(*figures.values[i]);
  }
  json.end_object().key("unknown").begin_array();
  for (const std::string& part : figures.unknown)
    json.value(part);
  json.end_array();
}

PointFigures read_figures(const JsonValue& object, const std::string& origin) {
  const JsonValue* figures = object.find("figures");
  const JsonValue* unknown = object.find("unknown");
  if (figures == nullptr || unknown == nullptr) throw InputError(origin + ": no figures");
  PointFigures out;
  out.values.resize(figure_kinds().size());
  for (const auto& [name, value] : figures->members) {
    const int index = figure_index(name);
    if (index < 0 || (value.kind != JsonValue::Kind::integer && value.kind != JsonValue::Kind::number))
      throw InputError(origin + ": " + printable(name) + " is no figure of this version of nibble");
    out.values[static_cast<std::size_t>(index)] = value.number;
  }
  for (const JsonValue& part : unknown->items)
    out.unknown.push_back(part.string);
  return out;
}

std::string figure_text(std::size_t kind, const std::optional<double>& value) {
  if (!value) return "";
  return figure_kinds()[kind].whole ? std::to_string(static_cast<std::uint64_t>(*value)) : to_text(*value);
}

}  // namespace nibble
