// SPDX-License-Identifier: Apache-2.0
/// What a finished sweep looks like: tables for people, results.csv, pareto.csv, sweep.json.
#pragma once

#include <string>
#include <vector>

#include "cli/sweep/sweep_run.h"

namespace nibble {

/// "2000 points: 1990 done, 8 failed, 2 excluded by constraints before they were simulated".
std::string counts_line(const SweepRun& run);
/// Indices in figure_kinds() of what at least one point has, and of objectives.
std::vector<std::size_t> figure_columns(const SweepRun& run);
/// Indices of the objectives that are no figure of their own.
std::vector<std::size_t> composed_objectives(const SweepRun& run);

/// Counts, the front of every workload, failures by message, notes.
std::string sweep_text(const SweepRun& run);
/// One line per point, in their order; `front_only`: those on a front.
std::string sweep_csv(const SweepRun& run, bool front_only);
/// Schema nibble.sweep/1.
std::string sweep_json(const SweepRun& run);
/// The points with what is known before a run, without simulating.
std::string points_text(const SweepRun& run);

}  // namespace nibble
