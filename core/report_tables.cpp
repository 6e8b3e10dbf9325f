// SPDX-License-Identifier: Apache-2.0
#include "core/report_tables.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

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

}  // namespace

bool has_phases(const Report& report) {
  return std::any_of(report.scenario.begin(), report.scenario.end(),
                     [](const auto& entry) { return entry.first == "prefill"; });
}

void for_each_kind_line(const Report& report, const ReportLine& row) {
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

Table time_table(const Report& report, ReportLines lines) {
  Table table;
  table.column("operators", Table::Align::left);
  for (const char* heading : {"cycles", "time", "share %", "compute %", "fill/drain %", "memory %", "output %",
                              "quantizer %", "hidden", "utilization %"}) {
    table.column(heading);
  }
  const ReportFigures totals = report.totals();
  lines(report, [&](const std::string& label, const ReportFigures& f) {
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

Table stall_table(const Report& report, ReportLines lines) {
  Table table;
  table.column("stalls, % of the cycles", Table::Align::left);
  for (const char* heading :
       {"weights", "activations", "KV", "metadata", "outputs", "partial sums", "vector", "commands", "all"}) {
    table.column(heading);
  }
  lines(report, [&](const std::string& label, const ReportFigures& f) {
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

void for_each_operator_line(const Report& report, const ReportLine& row) {
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

Table roofline_table(const Report& report) {
  Table table;
  table.column("operators, all layers together", Table::Align::left);
  for (const char* heading : {"MAC", "compulsory", "MAC/byte", "time at work", "attained", "bound here", "of it %"})
    table.column(heading);
  const double hertz = report.clock_mhz * 1e6;
  const double peak = report.peak_macs_per_cycle * hertz, band = report.peak_bytes_per_cycle * hertz;
  for_each_operator_line(report, [&](const std::string& label, const ReportFigures& f) {
    if (label == "total" || f.macs == 0 || f.compulsory_bytes == 0 || f.cycles + f.hidden_cycles == 0) return;
    const auto macs = static_cast<double>(f.macs), bytes = static_cast<double>(f.compulsory_bytes);
    const double seconds = static_cast<double>(f.cycles + f.hidden_cycles) / hertz;
    const double bound = band > 0 ? std::min(peak, band * macs / bytes) : peak;
    table.row({label, with_separators(f.macs), with_prefix(bytes, "B"), fixed(macs / bytes, 1),
               with_prefix(seconds, "s"), with_prefix(macs / seconds, "MAC/s"), with_prefix(bound, "MAC/s"),
               fixed(bound > 0 ? std::optional<double>(100 * macs / seconds / bound) : std::nullopt, 1)});
  });
  return table;
}

Table traffic_table(const Report& report, ReportLines lines) {
  Table table;
  table.column("traffic", Table::Align::left);
  for (const char* heading : {"weights", "activations", "KV", "outputs", "partial sums", "vector", "asked",
                              "on the bus", "compulsory", "x compulsory"}) {
    table.column(heading);
  }
  lines(report, [&](const std::string& label, const ReportFigures& f) {
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

std::string energy_cell(const KnownSum& sum) {
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
  for_each_kind_line(report, [&](const std::string& label, const ReportFigures& f) {
    if (label == "total") table.rule();
    const EnergyFigures energy = energy_of(report, prices, f);
    std::vector<std::string> row = {label};
    for (const KnownSum* sum : {&energy.pe, &energy.quantizer, &energy.vector, &energy.sram, &energy.dram, &energy.idle,
                                &energy.leakage, &energy.total}) {
      row.push_back(energy_cell(*sum));
    }
    table.row(std::move(row));
  });
  return table;
}

std::string report_title(const Report& report) {
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

}  // namespace nibble
