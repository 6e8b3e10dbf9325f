// SPDX-License-Identifier: Apache-2.0
#include "core/json.h"
#include "core/report.h"
#include "core/report_tables.h"
#include "core/table.h"

namespace nibble {

std::string report_text(const Report& report) {
  std::string text = report_title(report) + "\n";
  text += "clock " + fixed(report.clock_mhz, 0) + " MHz, peak " + fixed(report.peak_macs_per_cycle, 0) +
          " MAC/cycle and " + fixed(report.peak_bytes_per_cycle, 1) + " byte/cycle, memory " + report.memory;
  for (const PriceList& prices : report.prices)
    text += ", cost book " + prices.technology + " (" + to_text(prices.node_nm) + " nm)";
  text += "\n\n" + time_table(report).text() + "\n" + stall_table(report).text() + "\n" + traffic_table(report).text() +
          "\n";
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

}  // namespace nibble
