// SPDX-License-Identifier: Apache-2.0
/// Machine-readable forms of a report: JSON, CSV.
#include <cmath>

#include "core/json.h"
#include "core/report.h"
#include "core/table.h"

namespace nibble {
namespace {

void write_names(JsonWriter& json, const char* key, const std::vector<std::string>& names) {
  json.key(key).begin_array();
  for (const auto& name : names)
    json.value(name);
  json.end_array();
}

void write_energy(JsonWriter& json, const Report& report, const PriceList& prices, const ReportFigures& figures) {
  const EnergyFigures energy = energy_of(report, prices, figures);
  json.key("energy_pj").begin_object();
  json.field("pe", energy.pe.value()).field("quantizer", energy.quantizer.value());
  json.field("vector", energy.vector.value()).field("sram", energy.sram.value()).field("dram", energy.dram.value());
  json.field("static", energy.leakage.value()).field("idle", energy.idle.value()).field("gated", energy.gated.value());
  json.field("control", energy.control.value());
  json.key("dram_by_cause").begin_object();
  for_each_cause(figures.dram, figures.dram,
                 [&](const char* name, const auto& part, const auto&) { json.field(name, part); });
  json.end_object();
  json.field("total", energy.total.known());
  write_names(json, "unknown", energy.total.unknown());
  json.end_object();
}

/// Counts by name; what did not happen is left out.
void write_activity(JsonWriter& json, const Report& report, const ReportFigures& figures) {
  json.key("activity").begin_object();
  for (std::size_t i = 0; i < figures.activity.size(); ++i) {
    if (figures.activity[i] != 0) json.field(report.activities.at(i).path(), figures.activity[i]);
  }
  json.end_object();
}

/// "group.name" stands in an object "group"; the bytes by tensor end with their total.
void write_counts(JsonWriter& json, const ReportFigures& figures) {
  std::string open;
  const auto close = [&] {
    if (open == "traffic_bytes") json.field("total", figures.traffic.total());
    if (!open.empty()) json.end_object();
  };
  for_each_count(figures, figures, [&](const std::string& name, std::uint64_t value, std::uint64_t) {
    const std::size_t dot = name.find('.');
    const std::string group = dot == std::string::npos ? "" : name.substr(0, dot);
    if (group != open) {
      close();
      if (!group.empty()) json.key(group).begin_object();
      open = group;
    }
    json.field(group.empty() ? name : name.substr(dot + 1), value);
  });
  close();
}

/// `used`: the utilization.
void write_figures(JsonWriter& json, const Report& report, const ReportFigures& figures, std::optional<double> used) {
  json.field("time_s", figures.time_s).field("utilization", used);
  write_counts(json, figures);
  write_activity(json, report, figures);
  if (!report.prices.empty()) write_energy(json, report, report.prices.front(), figures);
}

void write_area_sums(JsonWriter& json, const PriceList& prices) {
  json.key("area_um2").begin_object();
  for (const char* group : {"pe", "foot", "sram", "quantizer", "vector", "control"})
    json.field(group, area_sum(prices, group).value());
  const KnownSum total = area_sum(prices);
  json.field("total", total.known());
  write_names(json, "unknown", total.unknown());
  json.end_object();
}

void write_area(JsonWriter& json, const PriceList& prices) {
  json.key("area").begin_array();
  for (const AreaItem& item : prices.area) {
    json.begin_object().field("component", item.component).field("group", item.group);
    json.field("instances", item.instances)
        .field("um2_each", item.um2)
        .field("um2", item.total())
        .field("source", item.source)
        .end_object();
  }
  json.end_array();
}

/// What each cost book makes of the run: every line with count, price and source.
void write_prices(JsonWriter& json, const Report& report, const PriceList& prices) {
  const ReportFigures totals = report.totals();
  const EnergyFigures energy = energy_of(report, prices, totals);
  json.begin_object().field("technology", prices.technology).field("node_nm", prices.node_nm);
  write_energy(json, report, prices, totals);
  json.key("phases").begin_array();
  for (const auto& name : report.phases()) {
    json.begin_object().field("name", name);
    write_energy(json, report, prices, report.phase(name));
    json.end_object();
  }
  json.end_array();
  json.key("energy").begin_array();
  for (std::size_t i = 0; i < report.activities.size(); ++i) {
    const ActivityKind& kind = report.activities[i];
    json.begin_object().field("name", kind.path()).field("group", kind.group);
    json.field("activity", to_string(kind.activity));
    json.field("count", i < totals.activity.size() ? totals.activity[i] : 0).field("unit", kind.unit);
    json.field("pj_each", prices.energy[i].pj).field("pj", energy.lines[i]).field("source", prices.energy[i].source);
    json.end_object();
  }
  json.end_array();
  write_area_sums(json, prices);
  write_area(json, prices);
  json.end_object();
}

void write_kv_cache(JsonWriter& json, const std::optional<KvCacheFigures>& cache) {
  json.key("kv_cache");
  if (!cache) {
    json.null();
    return;
  }
  json.begin_object().field("tokens", cache->tokens).field("values", cache->values).field("bytes", cache->bytes);
  json.field("bits_per_value", cache->bits_per_value()).end_object();
}

void write_logits(JsonWriter& json, const std::optional<LogitFigures>& logits) {
  json.key("logits");
  if (!logits) {
    json.null();
    return;
  }
  json.begin_object().field("seed", logits->seed).field("rows", logits->rows).field("columns", logits->columns);
  json.field("relative_error", logits->relative_error).field("cosine", logits->cosine);
  json.field("same_top", logits->same_top).end_object();
}

}  // namespace

std::string report_json(const Report& report) {
  JsonWriter json;
  json.begin_object();
  json.field("schema", "nibble.report/1").field("version", nibble_version).field("command", report.command);
  json.field("accelerator", report.accelerator).field("model", report.model);
  json.key("scenario").begin_object();
  for (const auto& [name, value] : report.scenario)
    json.field(name, value);
  json.end_object();
  for (const auto& [name, value] : report.attributes)
    json.field(name, value);
  json.field("overflows", report.totals().overflows);
  for (const auto& [name, value] : report.counts)
    json.field(name, value);
  json.field("technology", report.prices.empty() ? "" : report.prices.front().technology);
  json.field("memory", report.memory).field("clock_mhz", report.clock_mhz);
  json.field("peak_macs_per_cycle", report.peak_macs_per_cycle)
      .field("peak_bytes_per_cycle", std::isfinite(report.peak_bytes_per_cycle)
                                         ? std::optional<double>(report.peak_bytes_per_cycle)
                                         : std::nullopt);
  json.field("footprint_bytes", report.footprint_bytes).field("capacity_bytes", report.capacity_bytes);

  json.key("totals").begin_object();
  const ReportFigures totals = report.totals();
  write_figures(json, report, totals, utilization(report, totals));
  if (!report.prices.empty()) write_area_sums(json, report.prices.front());
  json.end_object();

  json.key("phases").begin_array();
  for (const auto& name : report.phases()) {
    json.begin_object().field("name", name);
    const ReportFigures figures = report.phase(name);
    write_figures(json, report, figures, utilization(report, figures));
    json.field("binding", binding_line(report, name, figures)).end_object();
  }
  json.end_array();

  json.key("operators").begin_array();
  for (const auto& entry : report.operators) {
    json.begin_object();
    json.field("name", entry.name).field("kind", entry.kind).field("phase", entry.phase).field("layer", entry.layer);
    json.field("m", entry.m)
        .field("k", entry.k)
        .field("n", entry.n)
        .field("count", entry.count)
        .field("steps", entry.steps);
    json.field("schedule", entry.schedule).field("begin_cycle", entry.begin_cycle);
    write_names(json, "hidden_under", entry.hidden_under);
    write_figures(json, report, entry.figures, utilization_at_work(report, entry.figures));
    json.end_object();
  }
  json.end_array();

  write_names(json, "dram_left_out", report.dram_left_out);
  json.key("prices").begin_array();
  for (const PriceList& prices : report.prices)
    write_prices(json, report, prices);
  json.end_array();

  json.key("statistics").begin_array();
  for (const auto& statistic : report.statistics) {
    json.begin_object().field("name", statistic.path).key("value");
    if (statistic.integral && statistic.value) {
      json.value(static_cast<std::uint64_t>(*statistic.value));
    } else {
      json.value(statistic.value);
    }
    json.field("unit", statistic.unit).field("meaning", statistic.meaning);
    if (!statistic.formula.empty()) json.field("formula", statistic.formula);
    json.end_object();
  }
  json.end_array();
  write_kv_cache(json, report.kv_cache);
  write_logits(json, report.logits);
  write_names(json, "notes", report.notes);
  json.key("sources").begin_object();
  if (!report.prices.empty()) {
    for (std::size_t i = 0; i < report.activities.size(); ++i)
      json.field(report.activities[i].path(), report.prices.front().energy[i].source);
  }
  for (const auto& [component, source] : report.sources)
    json.field(component, source);
  json.end_object();
  json.field("configuration", report.configuration);
  json.key("host").begin_object();
  json.field("wall_s", report.wall_s).field("peak_rss_bytes", report.peak_rss_bytes);
  json.field("simulated_cycles_per_s", report.wall_s > 0 ? static_cast<double>(totals.cycles) / report.wall_s : 0.0);
  json.end_object();
  json.end_object();
  return json.str();
}

std::string area_json(const std::string& accelerator, const std::vector<PriceList>& prices) {
  JsonWriter json;
  json.begin_object().field("accelerator", accelerator).key("prices").begin_array();
  for (const PriceList& list : prices) {
    json.begin_object().field("technology", list.technology).field("node_nm", list.node_nm);
    write_area_sums(json, list);
    write_area(json, list);
    json.end_object();
  }
  json.end_array().end_object();
  return json.str();
}

std::string operators_csv(const Report& report) {
  Table table;
  for (const char* heading : {"name",
                              "kind",
                              "phase",
                              "layer",
                              "m",
                              "k",
                              "n",
                              "count",
                              "steps",
                              "schedule",
                              "cycles",
                              "compute_cycles",
                              "fill_drain_cycles",
                              "memory_stall_cycles",
                              "output_stall_cycles",
                              "exposed_quantizer_cycles",
                              "weight_load_cycles",
                              "macs",
                              "traffic_bytes",
                              "compulsory_bytes",
                              "dram_read_bytes",
                              "dram_write_bytes",
                              "energy_pe_pj",
                              "energy_quantizer_pj",
                              "energy_vector_pj",
                              "energy_sram_pj",
                              "energy_dram_pj",
                              "energy_static_pj",
                              "energy_idle_pj",
                              "energy_gated_pj",
                              "energy_total_pj",
                              "prefetched_bytes",
                              "hidden_cycles"}) {
    table.column(heading);
  }
  for (const auto& [name, stream] : all_streams)
    table.column(std::string("stall_") + name + "_cycles");
  const auto cell = [](const std::optional<double>& value) { return value ? to_text(*value) : std::string("unknown"); };
  for (const auto& entry : report.operators) {
    const ReportFigures& f = entry.figures;
    std::vector<std::string> row = {entry.name, entry.kind, entry.phase, std::to_string(entry.layer)};
    for (const auto value : {entry.m, entry.k, entry.n, entry.count, entry.steps})
      row.push_back(std::to_string(value));
    row.push_back(entry.schedule);
    for (const auto value : {f.cycles, f.compute_cycles, f.fill_drain_cycles, f.memory_stall_cycles,
                             f.output_stall_cycles, f.exposed_quantizer_cycles, f.weight_load_cycles, f.macs,
                             f.traffic.total(), f.compulsory_bytes, f.dram_read_bytes, f.dram_write_bytes}) {
      row.push_back(std::to_string(value));
    }
    const EnergyFigures energy = energy_of(report, report.prices.empty() ? PriceList{} : report.prices.front(), f);
    for (const KnownSum* sum : {&energy.pe, &energy.quantizer, &energy.vector, &energy.sram, &energy.dram,
                                &energy.leakage, &energy.idle, &energy.gated}) {
      row.push_back(cell(sum->value()));
    }
    row.push_back(to_text(energy.total.known()));
    row.push_back(std::to_string(f.prefetched_bytes));
    row.push_back(std::to_string(f.hidden_cycles));
    for (const auto& [name, stream] : all_streams)
      row.push_back(std::to_string(f.memory_stalls.*stream + f.output_stalls.*stream));
    table.row(std::move(row));
  }
  return table.csv();
}

}  // namespace nibble
