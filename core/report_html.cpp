// SPDX-License-Identifier: Apache-2.0
/// The page of a run.
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/html_page.h"
#include "core/report.h"
#include "core/report_tables.h"

namespace nibble {

namespace {

/// Texts that many operators share, by number.
class Strings {
 public:
  std::uint64_t number(const std::string& text) {
    const auto [place, is_new] = numbers_.try_emplace(text, texts_.size());
    if (is_new) texts_.push_back(text);
    return place->second;
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::map<std::string, std::uint64_t> numbers_;
  std::vector<std::string> texts_;
};

/// The columns of an operator on the page, in order; those of text hold numbers of Strings.
template <class Visit>
void for_each_column(const OperatorFigures& entry, Strings& strings, const Visit& visit) {
  const ReportFigures& f = entry.figures;
  visit("name", strings.number(entry.name));
  visit("kind", strings.number(entry.kind));
  visit("phase", strings.number(entry.phase));
  visit("schedule", strings.number(entry.schedule));
  visit("layer", entry.layer);
  visit("m", entry.m);
  visit("k", entry.k);
  visit("n", entry.n);
  visit("count", entry.count);
  visit("steps", entry.steps);
  visit("cycles", f.cycles);
  visit("hidden_cycles", f.hidden_cycles);
  visit("compute_cycles", f.compute_cycles);
  visit("fill_drain_cycles", f.fill_drain_cycles);
  visit("memory_stall_cycles", f.memory_stall_cycles);
  visit("output_stall_cycles", f.output_stall_cycles);
  visit("exposed_quantizer_cycles", f.exposed_quantizer_cycles);
  visit("macs", f.macs);
  visit("ideal_cycles", f.ideal_cycles);
  visit("compulsory_bytes", f.compulsory_bytes);
  visit("dram_bytes", f.dram_read_bytes + f.dram_write_bytes);
  for (const auto& [name, stream] : all_streams)
    visit(std::string("traffic.") + name, f.traffic.*stream);
}

void write_operators(JsonWriter& data, const Report& report) {
  Strings strings;
  data.key("columns").begin_array();
  for_each_column({}, strings, [&](const std::string& name, auto) { data.value(name); });
  data.end_array().key("operators").begin_array();
  for (const OperatorFigures& entry : report.operators) {
    data.begin_array();
    for_each_column(entry, strings, [&](const std::string&, auto value) { data.value(value); });
    data.end_array();
  }
  data.end_array().key("strings").begin_array();
  for (const std::string& text : strings.texts())
    data.value(text);
  data.end_array();
}

/// Of every cost book, what each component spent on what.
void write_energy(JsonWriter& data, const Report& report, const ReportFigures& totals) {
  data.key("energy").begin_array();
  for (const PriceList& prices : report.prices) {
    const EnergyFigures energy = energy_of(report, prices, totals);
    data.begin_object().field("technology", prices.technology).field("node_nm", prices.node_nm);
    data.key("parts").begin_array();
    const auto part = [&](const std::string& component, const std::string& name, const char* activity,
                          const std::optional<double>& pj) {
      data.begin_array().value(component).value(name).value(activity).value(pj).end_array();
    };
    for (std::size_t i = 0; i < energy.lines.size(); ++i) {
      const ActivityKind& kind = report.activities[i];
      if (!energy.lines[i] || *energy.lines[i] != 0)
        part(kind.component, kind.name, to_string(kind.activity), energy.lines[i]);
    }
    for_each_cause(totals.dram, totals.dram, [&](const std::string& name, const auto& pj, const auto&) {
      if (!pj || *pj != 0) part("DRAM", name, name == "background" ? "background" : "active", pj);
    });
    for (const std::string& name : report.dram_left_out)
      part("DRAM", name, "active", std::nullopt);
    data.end_array().end_object();
  }
  data.end_array();
}

void write_area(JsonWriter& data, const Report& report) {
  data.key("area").begin_array();
  for (const PriceList& prices : report.prices) {
    data.begin_object().field("technology", prices.technology).field("node_nm", prices.node_nm);
    data.key("parts").begin_array();
    for (const AreaItem& item : prices.area)
      data.begin_array().value(item.component).value(item.instances).value(item.total()).end_array();
    data.end_array().end_object();
  }
  data.end_array();
}

JsonWriter run_data(const Report& report, const ReportFigures& totals) {
  JsonWriter data(JsonWriter::Layout::compact);
  data.begin_object().field("phased", has_phases(report)).field("clock_mhz", report.clock_mhz);
  data.field("peak_macs_per_cycle", report.peak_macs_per_cycle);
  // null: infinite, or no memory at all.
  const bool bounded = std::isfinite(report.peak_bytes_per_cycle) && report.peak_bytes_per_cycle > 0;
  data.field("peak_bytes_per_cycle", bounded ? std::optional<double>(report.peak_bytes_per_cycle) : std::nullopt);
  write_operators(data, report);
  write_energy(data, report, totals);
  write_area(data, report);
  data.end_object();
  return data;
}

std::uint64_t scenario_value(const Report& report, const std::string& name) {
  for (const auto& [key, value] : report.scenario) {
    if (key == name) return value;
  }
  return 0;
}

/// "12.3 tokens/s" of a phase of a language model, all sequences together.
PageTile phase_tile(const Report& report, const std::string& phase) {
  const ReportFigures figures = report.phase(phase);
  const std::uint64_t tokens = scenario_value(report, phase) * scenario_value(report, "batch");
  std::string detail = with_separators(figures.cycles) + " cycles";
  if (tokens > 0 && figures.time_s > 0)
    detail += ", " + with_prefix(static_cast<double>(tokens) / figures.time_s, "tokens/s");
  return {phase, with_prefix(figures.time_s, "s"), detail};
}

std::vector<PageTile> summary(const Report& report, const ReportFigures& totals) {
  std::vector<PageTile> tiles;
  tiles.push_back({"time", with_prefix(totals.time_s, "s"),
                   with_separators(totals.cycles) + " cycles at " + fixed(report.clock_mhz, 0) + " MHz"});
  if (has_phases(report) && report.phases().size() > 1) {
    for (const std::string& phase : report.phases())
      tiles.push_back(phase_tile(report, phase));
  }
  const auto used = utilization(report, totals);
  tiles.push_back({"utilization", used ? fixed(100 * *used, 1) + " %" : "unknown",
                   with_prefix(static_cast<double>(totals.macs), "MAC")});
  const std::uint64_t asked = totals.traffic.total();
  tiles.push_back(
      {"asked of the memory", with_prefix(static_cast<double>(asked), "B"),
       totals.compulsory_bytes == 0
           ? std::string()
           : fixed(static_cast<double>(asked) / static_cast<double>(totals.compulsory_bytes), 2) + " x compulsory"});
  if (!report.prices.empty()) {
    const PriceList& prices = report.prices.front();
    const KnownSum energy = energy_of(report, prices, totals).total, area = area_sum(prices);
    tiles.push_back({"energy, " + prices.technology, energy_cell(energy),
                     energy.unknown().empty() ? "" : std::to_string(energy.unknown().size()) + " parts unknown"});
    tiles.push_back({"area, " + prices.technology, area_cell(area),
                     area.unknown().empty() ? "" : join(area.unknown()) + " unknown"});
  }
  if (report.kv_cache) {
    tiles.push_back({"KV cache", with_prefix(static_cast<double>(report.kv_cache->bytes), "B"),
                     fixed(report.kv_cache->bits_per_value(), 2) + " bits per value"});
  }
  return tiles;
}

void time_sections(HtmlPage& page, const Report& report) {
  page.section("time-by-cause", "Time by cause");
  page.chart("time",
             "Time of the operators by what it was spent on. A click on a bar leads from kinds to operators, and "
             "from an operator to its layers.");
  page.table(time_table(report), "Time by kind of operator and phase; the causes in % of the line's cycles");
  page.begin_fold("Operators, all layers together");
  page.table(time_table(report, for_each_operator_line), "Time by operator");
  page.table(stall_table(report, for_each_operator_line), "Memory and output stalls by the stream that was waited for");
  page.end_fold();
  page.begin_fold("All " + with_separators(report.operators.size()) + " operators, layer by layer");
  page.place("operators");
  page.end_fold();
  page.section("roofline-model", "Roofline");
  page.chart(
      "roofline",
      "Attained rate of the operators over their intensity, against the roof of array and memory; larger marks took "
      "more of the time. Operators without multiply-accumulates are not on it.");
  for (const std::string& line : binding_lines(report))
    page.paragraph(line);
  page.begin_fold("The points of the roofline");
  page.table(roofline_table(report), "Attained rate against the bound of array and memory");
  page.end_fold();
}

void memory_sections(HtmlPage& page, const Report& report) {
  page.section("traffic-by-tensor", "Traffic");
  page.chart("traffic",
             "Bytes asked of the memory by tensor; the diamond is what is compulsory: every operand read once, every "
             "result written once.");
  page.table(traffic_table(report), "Traffic by tensor");
  if (!report.kv_cache && !report.logits) return;
  if (report.kv_cache) {
    page.section("kv-cache", "KV cache");
    page.paragraph(kv_cache_line(*report.kv_cache));
  }
  if (report.logits) {
    page.section("logits", "Logits");
    page.paragraph(logits_line(*report.logits));
  }
}

void cost_sections(HtmlPage& page, const Report& report, const ReportFigures& totals) {
  if (report.prices.empty()) return;
  page.section("energy-by-component", "Energy");
  page.chart(
      "energy",
      "Energy by component and activity. A sum with \">=\" has parts whose price nobody knows; \"unknown\" has no "
      "known part.");
  for (const PriceList& prices : report.prices)
    page.table(energy_table(report, prices), "Energy by kind of operator and phase, " + prices.technology);
  page.begin_fold("Energy by activity");
  page.table(activity_table(report, totals), "Counts, prices and energy");
  page.end_fold();
  page.section("area-by-component", "Area");
  page.chart("area", "Area by component. A component without a bar is not zero: its area is unknown.");
  page.table(area_table(report.prices), "Area by component and instance");
}

PageFrame frame_of(const Report& report, const ReportFigures& totals) {
  PageFrame frame;
  frame.title = report_title(report);
  std::string lead = "clock " + fixed(report.clock_mhz, 0) + " MHz, peak " + fixed(report.peak_macs_per_cycle, 0) +
                     " MAC/cycle and " + fixed(report.peak_bytes_per_cycle, 1) + " byte/cycle, memory " + report.memory;
  for (const PriceList& prices : report.prices)
    lead += ", cost book " + prices.technology + " (" + to_text(prices.node_nm) + " nm)";
  frame.lead = {lead};
  frame.command = report.command;
  frame.notes = report.notes;
  frame.texts = {{"Sources of the numbers", sources_text(report, totals)},
                 {"Configuration of the accelerator", report.configuration}};
  return frame;
}

Table statistics_table(const Report& report) {
  Table table;
  table.column("statistic", Table::Align::left).column("value").column("unit", Table::Align::left);
  table.column("meaning", Table::Align::left);
  for (const Statistics::Value& one : report.statistics) {
    // Whether a whole number was counted is not in report.json; the page of a report that was read is the same.
    const bool whole = one.value && *one.value >= 0 && *one.value < 0x1p53 && std::floor(*one.value) == *one.value;
    const std::string value = whole ? with_separators(static_cast<std::uint64_t>(*one.value)) : fixed(one.value, 4);
    table.row({one.path, value, one.unit, one.meaning + (one.formula.empty() ? "" : " = " + one.formula)});
  }
  return table;
}

}  // namespace

std::string report_html(const Report& report) {
  const ReportFigures totals = report.totals();
  HtmlPage page(frame_of(report, totals));
  page.tiles(summary(report, totals));
  time_sections(page, report);
  memory_sections(page, report);
  cost_sections(page, report, totals);
  if (!report.statistics.empty()) {
    page.section("statistics", "Statistics");
    page.begin_fold("Counters of the modules");
    page.table(statistics_table(report), "Of what was simulated");
    page.end_fold();
  }
  return page.finish(run_data(report, totals), page_assets::run_js);
}

}  // namespace nibble
