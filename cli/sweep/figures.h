// SPDX-License-Identifier: Apache-2.0
/// The figures that a sweep keeps of a report: one number each, by name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/report.h"

namespace nibble {

/// Which sums a figure is made of; parts that nobody knows are in none of them.
enum class KnownParts { all, of_energy, of_area };

struct FigureKind {
  std::string name;     ///< "time_s"
  std::string unit;     ///< "s"
  std::string meaning;  ///< one line
  bool whole = false;   ///< a count
  std::optional<double> (*of)(const Report& report) = nullptr;
  KnownParts parts() const;
};
/// All of them, in the order of the columns.
const std::vector<FigureKind>& figure_kinds();
/// Index in figure_kinds(), or -1.
int figure_index(const std::string& name);

struct PointFigures {
  std::vector<std::optional<double>> values;  ///< one per kind; empty: does not apply, or nobody knows
  std::vector<std::string> unknown;           ///< parts of energy and area ("area of ...") that are in no sum
};
/// Of `figures.unknown`, what figures of these sums leave out.
std::vector<std::string> left_out(const PointFigures& figures, KnownParts parts);
PointFigures figures_of(const Report& report);

/// As members of an object that is open in `json`: "figures", without what has no value, and "unknown".
void write_figures(JsonWriter& json, const PointFigures& figures);
/// The way back. Throws InputError "ORIGIN: ...".
PointFigures read_figures(const JsonValue& object, const std::string& origin);

/// As in files: counts whole, others shortest; empty for no value.
std::string figure_text(std::size_t kind, const std::optional<double>& value);

}  // namespace nibble
