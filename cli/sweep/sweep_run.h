// SPDX-License-Identifier: Apache-2.0
/// Runs the points of a sweep that have no result yet, and says what came of all of them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/sweep/journal.h"
#include "cli/sweep/point_run.h"
#include "cli/sweep/sweep_file.h"

namespace nibble {

enum class PointStatus { pending, done, failed, excluded };
/// "pending", "done", "failed", "excluded"
const char* to_string(PointStatus status);

struct SweepRow {
  PlannedPoint point;
  PreparedPoint prepared;
  PointStatus status = PointStatus::pending;
  PointResult result;                             ///< of a point that is done or has failed
  std::vector<std::string> violated;              ///< constraints that it does not meet, or that have no value for it
  std::vector<std::optional<double>> objectives;  ///< one per objective
  std::string front;                              ///< which points it is compared with; see SweepRun::judge()
  bool on_front = false;                          ///< of those
};

struct SweepRunOptions {
  unsigned jobs = 1;
  double time_limit_s = 0;            ///< of a point; 0: none
  std::size_t shard = 0, shards = 1;  ///< points with index % shards == shard
  std::filesystem::path journal;      ///< appended to; empty: nothing is kept
};

struct SweepProgress {
  std::size_t finished = 0, failed = 0, of = 0;  ///< of the points of this shard
  std::size_t simulated = 0;                     ///< by this process
};

class SweepRun {
 public:
  /// `known`: results of earlier runs; those of points that this sweep does not have are passed over. Throws InputError
  /// for expressions that name what no point has.
  SweepRun(SweepFile sweep, PointResults known);
  /// Simulates what is pending. A failure that another try may not repeat (crash, time limit, internal) is tried again.
  void run(const SweepRunOptions& options, const std::function<void(const SweepProgress&)>& progress);
  /// Takes what is known, simulates nothing.
  void collect();

  const SweepFile& sweep() const { return sweep_; }
  const std::vector<SweepRow>& rows() const { return rows_; }
  std::size_t number(const SweepRow& row) const { return static_cast<std::size_t>(&row - rows_.data()); }
  std::size_t count(PointStatus status) const;
  /// Violations, objectives and fronts of all rows. Only like is compared with like: points of one workload, and when
  /// an objective is a sum of energies or areas, points whose sums leave out the same parts.
  void judge();
  /// The value of a name for a row: a figure, a setting, a key of the configuration.
  std::optional<double> value(const SweepRow& row, const std::string& name) const;
  /// "model: llama-2-7b, prefill: 2048": the workload of a row, as far as the points differ in it.
  std::string workload(const SweepRow& row) const;
  /// What the objectives of a row leave out because nobody knows it.
  std::vector<std::string> left_out_of_objectives(const SweepRow& row) const;
  /// What a reader must know.
  std::vector<std::string> notes() const;

 private:
  std::vector<std::string> used_names() const;
  void check_names() const;
  /// Prepares the row and settles it without a run where that can be; whether it must be simulated.
  bool settle(SweepRow& row);

  SweepFile sweep_;
  PointResults known_;
  std::vector<SweepRow> rows_;
  PointPreparer preparer_;
};

}  // namespace nibble
