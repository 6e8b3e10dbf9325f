// SPDX-License-Identifier: Apache-2.0
/// Machine-readable forms of a report: JSON, CSV, trace events.
#include "core/json.h"
#include "core/report.h"
#include "core/table.h"

namespace nibble {
namespace {

void write_energy(JsonWriter& json, const EnergyFigures& energy) {
  json.key("energy_pj").begin_object();
  json.field("pe", energy.pe).field("quantizer", energy.quantizer).field("vector", energy.vector);
  json.field("sram", energy.sram).field("dram", energy.dram).field("static", energy.static_power);
  json.field("total", energy.total());
  json.key("unknown").begin_array();
  for (const auto& name : energy.unknown())
    json.value(name);
  json.end_array().end_object();
}

void write_figures(JsonWriter& json, const Report& report, const ReportFigures& figures) {
  json.field("cycles", figures.cycles).field("time_s", figures.time_s);
  json.field("compute_cycles", figures.compute_cycles).field("fill_drain_cycles", figures.fill_drain_cycles);
  json.field("memory_stall_cycles", figures.memory_stall_cycles)
      .field("output_stall_cycles", figures.output_stall_cycles);
  json.field("exposed_quantizer_cycles", figures.exposed_quantizer_cycles)
      .field("weight_load_cycles", figures.weight_load_cycles);
  json.key("stall_cycles_by_stream").begin_object();
  json.field("weight", figures.weight_stall_cycles).field("activation", figures.activation_stall_cycles);
  json.field("other", figures.other_stall_cycles).end_object();
  json.field("macs", figures.macs).field("pe_macs", figures.pe_macs).field("utilization", utilization(report, figures));
  json.field("ideal_cycles", figures.ideal_cycles);
  json.field("dram_read_bytes", figures.dram_read_bytes).field("dram_write_bytes", figures.dram_write_bytes);
  json.field("sram_read_bytes", figures.sram_read_bytes).field("sram_write_bytes", figures.sram_write_bytes);
  json.key("traffic_bytes").begin_object();
  json.field("weight", figures.traffic.weight).field("activation", figures.traffic.activation);
  json.field("output", figures.traffic.output)
      .field("partial_sum", figures.traffic.partial_sum)
      .field("vector", figures.traffic.vector);
  json.field("command", figures.traffic.command).field("total", figures.traffic.total()).end_object();
  json.field("compulsory_bytes", figures.compulsory_bytes).field("overflows", figures.overflows);
  write_energy(json, figures.energy);
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
  json.field("technology", report.technology).field("memory", report.memory).field("clock_mhz", report.clock_mhz);
  json.field("peak_macs_per_cycle", report.peak_macs_per_cycle)
      .field("peak_bytes_per_cycle", report.peak_bytes_per_cycle);
  json.field("footprint_bytes", report.footprint_bytes).field("capacity_bytes", report.capacity_bytes);

  json.key("totals").begin_object();
  const ReportFigures totals = report.totals();
  write_figures(json, report, totals);
  json.key("area_um2").begin_object();
  json.field("pe", report.area.pe_um2)
      .field("sram", report.area.sram_um2)
      .field("quantizer", report.area.quantizer_um2);
  json.field("vector", report.area.vector_um2).field("total", report.area.total());
  json.key("unknown").begin_array();
  for (const auto& name : report.area.unknown())
    json.value(name);
  json.end_array().end_object().end_object();

  json.key("phases").begin_array();
  for (const auto& name : report.phases()) {
    json.begin_object().field("name", name);
    const ReportFigures figures = report.phase(name);
    write_figures(json, report, figures);
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
    write_figures(json, report, entry.figures);
    json.end_object();
  }
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
  json.key("notes").begin_array();
  for (const auto& note : report.notes)
    json.value(note);
  json.end_array();
  json.key("sources").begin_object();
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
                              "energy_total_pj"}) {
    table.column(heading);
  }
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
    for (const auto& value :
         {f.energy.pe, f.energy.quantizer, f.energy.vector, f.energy.sram, f.energy.dram, f.energy.static_power}) {
      row.push_back(cell(value));
    }
    row.push_back(to_text(f.energy.total()));
    table.row(std::move(row));
  }
  return table.csv();
}

std::string report_trace(const Report& report) {
  const double microseconds = 1.0 / report.clock_mhz;
  JsonWriter json;
  json.begin_object().field("displayTimeUnit", "ns");
  json.key("traceEvents").begin_array();
  const auto name_row = [&](int row, const char* name) {
    json.begin_object().field("name", "thread_name").field("ph", "M").field("pid", 1).field("tid", row);
    json.key("args").begin_object().field("name", name).end_object().end_object();
  };
  name_row(1, "operators");
  name_row(2, "time by cause");
  const auto slice = [&](int row, const std::string& name, double begin_cycle, std::uint64_t cycles,
                         const OperatorFigures& entry) {
    if (cycles == 0) return;
    json.begin_object().field("name", name).field("cat", entry.kind).field("ph", "X").field("pid", 1).field("tid", row);
    json.field("ts", begin_cycle * microseconds).field("dur", static_cast<double>(cycles) * microseconds);
    json.key("args").begin_object().field("phase", entry.phase).field("layer", entry.layer).field("cycles", cycles);
    json.field("steps", entry.steps).end_object().end_object();
  };
  for (const auto& entry : report.operators) {
    const ReportFigures& f = entry.figures;
    auto at = static_cast<double>(entry.begin_cycle);
    slice(1, entry.name, at, f.cycles / entry.steps, entry);
    // The causes are sums over the operator; they are drawn one after the other in its slice. Of several decode steps
    // the first is drawn, with the mean duration of all.
    for (const auto& [name, cycles] : {std::pair<const char*, std::uint64_t>{"memory", f.memory_stall_cycles},
                                       {"compute", f.compute_cycles},
                                       {"fill and drain", f.fill_drain_cycles},
                                       {"quantizer", f.exposed_quantizer_cycles},
                                       {"output", f.output_stall_cycles}}) {
      const std::uint64_t mean = cycles / entry.steps;
      slice(2, name, at, mean, entry);
      at += static_cast<double>(mean);
    }
  }
  json.end_array().end_object();
  return json.str();
}

}  // namespace nibble
