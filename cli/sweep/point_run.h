// SPDX-License-Identifier: Apache-2.0
/// One point of a sweep: its configuration, its key, its simulation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/sweep/sweep_file.h"
#include "core/report.h"

namespace nibble {

/// What is known of a point before it is simulated.
struct PreparedPoint {
  std::uint64_t key = 0;                  ///< of everything that its result depends on
  std::string failure;                    ///< why its configuration cannot be; empty: it can
  std::map<std::string, double> known;    ///< numeric settings and keys of the resolved configuration; area_um2
  std::vector<std::string> unknown_area;  ///< components whose area is in no sum
};

/// Prepares points one by one. Reads configurations, makes no SystemC object.
class PointPreparer {
 public:
  /// `names`: those of `known` that are wanted.
  PointPreparer(const SweepFile& sweep, std::vector<std::string> names);
  PreparedPoint prepare(const PlannedPoint& point);

 private:
  void take_known(const std::string& name, const std::string& value, PreparedPoint& out) const;
  std::uint64_t digest(const std::string& kind, const std::string& name);
  const SweepFile& sweep_;
  std::vector<std::string> names_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> digests_;
  std::uint64_t program_;
};

/// Simulates; once in a process. Throws what simulate_model() and simulate_gemm() throw.
Report simulate_point(const Settings& settings);

/// Throws InputError FILE:LINE:COL for the first value that no machine of the sweep takes at its key, whatever the
/// other keys are: unknown keys, wrong types, values outside of their range, unknown names. Builds memories: call it in
/// a child (cli/isolated_run.h).
void check_values(const SweepFile& sweep);

/// Every name that an expression of the sweep may use; figure names aside. Needs no child.
std::vector<std::string> configuration_names(const SweepFile& sweep);

/// "01234567 89abcdef" without the blank.
std::string key_text(std::uint64_t key);

}  // namespace nibble
