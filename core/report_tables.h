// SPDX-License-Identifier: Apache-2.0
/// The tables of a report, which its text and its page share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/report.h"
#include "core/table.h"

namespace nibble {

using ReportLine = std::function<void(const std::string& label, const ReportFigures&)>;

/// A language model has phases; a single product has a name and nothing to divide.
bool has_phases(const Report& report);
/// The roofline line of every phase.
std::vector<std::string> binding_lines(const Report& report);
std::string kv_cache_line(const KvCacheFigures& cache);
std::string logits_line(const LogitFigures& logits);

/// Calls `row` for every phase and kind that has operators, then for the whole run ("total"), when that is more than
/// one line.
void for_each_kind_line(const Report& report, const ReportLine& row);
/// One line per operator of a phase, all layers together, then the whole run.
void for_each_operator_line(const Report& report, const ReportLine& row);

using ReportLines = void (*)(const Report& report, const ReportLine& row);
Table time_table(const Report& report, ReportLines lines = for_each_kind_line);
/// Memory and output stalls together, by the stream that was waited for.
Table stall_table(const Report& report, ReportLines lines = for_each_kind_line);
/// Operators that multiply: what the roofline is drawn from.
Table roofline_table(const Report& report);
Table traffic_table(const Report& report, ReportLines lines = for_each_kind_line);
Table energy_table(const Report& report, const PriceList& prices);
/// Energy of `figures` by activity, the price lists side by side.
Table activity_table(const Report& report, const ReportFigures& figures);
/// Area by component and instance, the price lists side by side; at least one.
Table area_table(const std::vector<PriceList>& prices);
/// ">= 3 J": parts of it are not known.
std::string energy_cell(const KnownSum& sum);
std::string area_cell(const KnownSum& sum);

}  // namespace nibble
