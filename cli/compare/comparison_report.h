// SPDX-License-Identifier: Apache-2.0
/// Comparisons for people and programs.
#pragma once

#include <string>
#include <vector>

#include "cli/compare/comparison.h"

namespace nibble {

/// Tables: every figure beside the published one, what open parameters make of it, what a large difference is made of,
/// machines side by side.
std::string comparison_text(const std::vector<ExperimentResult>& results);
/// Schema nibble.compare/1.
std::string comparison_json(const std::vector<ExperimentResult>& results, const std::string& command);
/// One line per figure and alternative, and per machine and workload.
std::string comparison_csv(const std::vector<ExperimentResult>& results);

/// A page with every figure, its range and what its difference is made of.
std::string comparison_page(const std::vector<ExperimentResult>& results, const std::string& command);
/// A page with the machines of a contest as points.
std::string contest_page(const ExperimentResult& result, const std::string& command);

/// Whether a figure is a share of something: printed in percent.
bool is_share(Metric metric);
/// "1.96x", "29.6 %": a figure in the manner of its metric.
std::string figure_text(Metric metric, double value);
/// "+3.1 %"
std::string percent_text(double fraction);

}  // namespace nibble
