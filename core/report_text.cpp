// SPDX-License-Identifier: Apache-2.0
/// Forms of a report for people: text tables and a self-contained page.
#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "core/json.h"
#include "core/report.h"
#include "core/table.h"

namespace nibble {
namespace {

constexpr std::array<const char*, 3> operator_kinds = {"linear", "attention", "vector"};

ReportFigures figures_of(const Report& report, const std::string& phase, const std::string& kind) {
  Report part;
  part.clock_mhz = report.clock_mhz;
  for (const auto& entry : report.operators) {
    if (entry.phase == phase && entry.kind == kind) part.operators.push_back(entry);
  }
  return part.totals();
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-" : fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1);
}

/// A language model has phases; a single product has a name and nothing to divide.
bool has_phases(const Report& report) {
  return std::any_of(report.scenario.begin(), report.scenario.end(),
                     [](const auto& entry) { return entry.first == "prefill"; });
}

/// Calls `row` for every phase and kind that has operators, then for the whole run ("total"), when that is more than
/// one line.
void for_each_line(const Report& report,
                   const std::function<void(const std::string& label, const ReportFigures&)>& row) {
  if (!has_phases(report)) {
    row("gemm", report.totals());
    return;
  }
  for (const auto& phase : report.phases()) {
    for (const char* kind : operator_kinds) {
      const ReportFigures figures = figures_of(report, phase, kind);
      if (figures.cycles > 0) row(phase + " " + kind, figures);
    }
  }
  row("total", report.totals());
}

Table time_table(const Report& report) {
  Table table;
  table.column("operators", Table::Align::left);
  for (const char* heading : {"cycles", "time", "share %", "compute %", "fill/drain %", "memory %", "output %",
                              "quantizer %", "hidden", "utilization %"}) {
    table.column(heading);
  }
  const ReportFigures totals = report.totals();
  for_each_line(report, [&](const std::string& label, const ReportFigures& f) {
    if (label == "total") table.rule();
    const auto used = label == "total" ? utilization(report, f) : utilization_at_work(report, f);
    table.row({label, with_separators(f.cycles), with_prefix(f.time_s, "s"), percent(f.cycles, totals.cycles),
               percent(f.compute_cycles, f.cycles), percent(f.fill_drain_cycles, f.cycles),
               percent(f.memory_stall_cycles, f.cycles), percent(f.output_stall_cycles, f.cycles),
               percent(f.exposed_quantizer_cycles, f.cycles),
               f.hidden_cycles == 0 ? std::string("-") : with_separators(f.hidden_cycles),
               fixed(used ? std::optional<double>(100 * *used) : std::nullopt, 1)});
  });
  return table;
}

using Line = std::function<void(const std::string& label, const ReportFigures&)>;

/// Memory and output stalls together, by the stream that was waited for.
Table stall_table(const Report& report, const std::function<void(const Report&, const Line&)>& for_each) {
  Table table;
  table.column("stalls, % of the cycles", Table::Align::left);
  for (const char* heading :
       {"weights", "activations", "KV", "metadata", "outputs", "partial sums", "vector", "commands", "all"}) {
    table.column(heading);
  }
  for_each(report, [&](const std::string& label, const ReportFigures& f) {
    if (label == "total") table.rule();
    std::vector<std::string> row = {label};
    for (const auto& [name, stream] : all_streams) {
      const std::uint64_t cycles = f.memory_stalls.*stream + f.output_stalls.*stream;
      row.push_back(cycles == 0 ? "-" : percent(cycles, f.cycles));
    }
    row.push_back(percent(f.memory_stall_cycles + f.output_stall_cycles, f.cycles));
    table.row(std::move(row));
  });
  return table;
}

/// One line per operator of a phase, all layers together, then the whole run.
void for_each_operator_line(const Report& report, const Line& row) {
  std::vector<std::pair<std::string, Report>> lines;
  for (const auto& entry : report.operators) {
    const std::string label = entry.phase + " " + entry.name;
    auto place = std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.first == label; });
    if (place == lines.end()) {
      place = lines.emplace(lines.end(), label, Report{});
      place->second.clock_mhz = report.clock_mhz;
    }
    place->second.operators.push_back(entry);
  }
  for (const auto& [label, part] : lines)
    row(label, part.totals());
  row("total", report.totals());
}

Table traffic_table(const Report& report) {
  Table table;
  table.column("traffic", Table::Align::left);
  for (const char* heading : {"weights", "activations", "KV", "outputs", "partial sums", "vector", "asked",
                              "on the bus", "compulsory", "x compulsory"}) {
    table.column(heading);
  }
  for_each_line(report, [&](const std::string& label, const ReportFigures& f) {
    if (label == "total") table.rule();
    const auto bytes = [](std::uint64_t count) {
      return count == 0 ? std::string("-") : with_prefix(static_cast<double>(count), "B");
    };
    const std::uint64_t asked = f.traffic.total();
    const auto ratio = f.compulsory_bytes > 0
                           ? std::optional<double>(static_cast<double>(asked) / static_cast<double>(f.compulsory_bytes))
                           : std::nullopt;
    table.row({label, bytes(f.traffic.weight), bytes(f.traffic.activation), bytes(f.traffic.kv),
               bytes(f.traffic.output), bytes(f.traffic.partial_sum), bytes(f.traffic.vector), bytes(asked),
               bytes(f.dram_read_bytes + f.dram_write_bytes), bytes(f.compulsory_bytes), fixed(ratio, 2)});
  });
  return table;
}

/// ">= 3 J": parts of it are not known.
std::string sum_cell(const KnownSum& sum) {
  const auto picojoules = sum.value();
  if (!picojoules) return "unknown";
  return (sum.unknown().empty() ? "" : ">= ") + with_prefix(*picojoules * 1e-12, "J");
}

Table energy_table(const Report& report, const PriceList& prices) {
  Table table;
  const bool several = report.prices.size() > 1;
  table.column("energy" + (several ? ", " + prices.technology : ""), Table::Align::left);
  for (const char* heading : {"PE", "quantizer", "vector unit", "SRAM", "DRAM", "idle", "leakage", "total"})
    table.column(heading);
  for_each_line(report, [&](const std::string& label, const ReportFigures& f) {
    if (label == "total") table.rule();
    const EnergyFigures energy = energy_of(report, prices, f);
    std::vector<std::string> row = {label};
    for (const KnownSum* sum : {&energy.pe, &energy.quantizer, &energy.vector, &energy.sram, &energy.dram, &energy.idle,
                                &energy.leakage, &energy.total}) {
      row.push_back(sum_cell(*sum));
    }
    table.row(std::move(row));
  });
  return table;
}

std::string title(const Report& report) {
  std::string text = report.accelerator + " running " + report.model;
  if (!has_phases(report)) return text;
  for (const auto& [name, value] : report.scenario)
    text += ", " + name + " " + std::to_string(value);
  return text;
}

std::string kv_cache_line(const KvCacheFigures& cache) {
  const double bits = cache.bits_per_value();
  return "KV cache, " + with_separators(cache.tokens) +
         " tokens: " + with_prefix(static_cast<double>(cache.bytes), "B") + ", " + fixed(bits, 2) +
         " bits per value, " + fixed(16 / bits, 2) + "x below FP16";
}

std::string logits_line(const LogitFigures& logits) {
  return "logits, seed " + std::to_string(logits.seed) + ": " + std::to_string(logits.rows) + " rows of " +
         std::to_string(logits.columns) + ", error " + fixed(100 * logits.relative_error, 2) +
         " % of the network without quantization, cosine " + fixed(logits.cosine, 5) + ", largest entry the same in " +
         std::to_string(logits.same_top) + " of " + std::to_string(logits.rows);
}

std::vector<std::string> binding_lines(const Report& report) {
  if (!has_phases(report)) return {binding_line(report, "gemm", report.totals())};
  std::vector<std::string> lines;
  for (const auto& phase : report.phases())
    lines.push_back(binding_line(report, phase, report.phase(phase)));
  return lines;
}

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

/// A stacked bar of time by cause, width proportional to the share of the run.
std::string cause_bar(const ReportFigures& f, std::uint64_t total_cycles) {
  const std::pair<const char*, std::uint64_t> causes[] = {{"compute", f.compute_cycles},
                                                          {"fill", f.fill_drain_cycles},
                                                          {"memory", f.memory_stall_cycles},
                                                          {"output", f.output_stall_cycles},
                                                          {"quantizer", f.exposed_quantizer_cycles}};
  std::string bar = "<div class=\"bar\">";
  for (const auto& [name, cycles] : causes) {
    if (cycles == 0 || total_cycles == 0) continue;
    const double width = 100.0 * static_cast<double>(cycles) / static_cast<double>(total_cycles);
    bar += "<span class=\"" + std::string(name) + "\" style=\"width:" + fixed(width, 3) + "%\" title=\"" + name + ": " +
           with_separators(cycles) + " cycles\"></span>";
  }
  return bar + "</div>";
}

}  // namespace

std::string report_text(const Report& report) {
  std::string text = title(report) + "\n";
  text += "clock " + fixed(report.clock_mhz, 0) + " MHz, peak " + fixed(report.peak_macs_per_cycle, 0) +
          " MAC/cycle and " + fixed(report.peak_bytes_per_cycle, 1) + " byte/cycle, memory " + report.memory;
  for (const PriceList& prices : report.prices)
    text += ", cost book " + prices.technology + " (" + to_text(prices.node_nm) + " nm)";
  text += "\n\n" + time_table(report).text() + "\n" + stall_table(report, for_each_line).text() + "\n" +
          traffic_table(report).text() + "\n";
  for (const PriceList& prices : report.prices)
    text += energy_table(report, prices).text() + "\n";
  for (const auto& line : binding_lines(report))
    text += "roofline, " + line + "\n";
  if (report.kv_cache) text += kv_cache_line(*report.kv_cache) + "\n";
  if (report.logits) text += logits_line(*report.logits) + "\n";
  const ReportFigures totals = report.totals();
  text += "\n" + activity_text(report, totals) + "\n" + area_text(report.prices) + "\n" + sources_text(report, totals);
  for (const auto& note : report.notes)
    text += "note: " + note + "\n";
  return text;
}

std::string report_html(const Report& report) {
  const std::uint64_t total = report.totals().cycles;
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>" +
      escape(title(report)) +
      "</title>\n<style>\n"
      ":root{color-scheme:light dark;--line:#8884}\n"
      "body{font:15px/1.5 system-ui,sans-serif;max-width:1240px;margin:2rem auto;padding:0 1rem}\n"
      "pre{overflow-x:auto;border:1px solid var(--line);padding:.8rem;font-size:13px;line-height:1.35}\n"
      ".bar{display:flex;height:1.1rem;background:var(--line)}.bar span{display:block;height:100%}\n"
      ".compute{background:#2e7d32}.fill{background:#f9a825}.memory{background:#c62828}.output{background:#6a1b9a}."
      "quantizer{background:#0277bd}\n"
      ".key span{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 1em;vertical-align:-.1em}\n"
      "table{border-collapse:collapse;width:100%}td{padding:.15rem .6rem .15rem "
      "0;vertical-align:middle}td:first-child{white-space:nowrap;width:14rem}\n"
      "</style></head><body>\n<h1>" +
      escape(title(report)) + "</h1>\n";
  for (const auto& line : binding_lines(report))
    page += "<p>" + escape(line) + "</p>\n";
  page +=
      "<h2>Time by cause</h2>\n<p class=\"key\"><span class=\"compute\"></span>compute<span class=\"fill\"></span>fill "
      "and drain"
      "<span class=\"memory\"></span>waiting for memory<span class=\"output\"></span>waiting for output<span "
      "class=\"quantizer\"></span>"
      "exposed quantizer</p>\n<table>\n";
  for_each_line(report, [&](const std::string& label, const ReportFigures& f) {
    page += "<tr><td>" + escape(label) + "</td><td>" + cause_bar(f, total) + "</td></tr>\n";
  });
  page += "</table>\n<h2>Figures</h2>\n<pre>" + escape(report_text(report)) +
          "</pre>\n<h2>Stalls by operator</h2>\n<pre>" + escape(stall_table(report, for_each_operator_line).text()) +
          "</pre>\n<h2>Configuration</h2>\n<pre>" + escape(report.configuration) + "</pre>\n</body></html>\n";
  return page;
}

}  // namespace nibble
