// SPDX-License-Identifier: Apache-2.0
/// Several simulations from one command. The SystemC kernel cannot be restarted, so each one runs in a forked child
/// that sends its result back through a pipe; a child that crashes is a failure of its run and of nothing else.
///
///   std::vector<RunOptions> runs = ...;
///   simulate_isolated(runs.size(), {jobs}, [&](std::size_t i) { return simulate_model(runs[i]).report; },
///                     [&](std::size_t i, IsolatedReport outcome) { ... });
///
/// Fork before any SystemC object exists in this process: call these before the first simulate_model() or Platform.
/// Configurations may be read in the parent. A child starts with what the parent knows at that moment, what other
/// children measured of kernels included (KernelMeasurements), must not write to standard output, and ends without
/// running destructors of statics; it dies with its parent.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "core/report.h"

namespace nibble {

struct IsolationOptions {
  unsigned jobs = 1;        ///< children at a time, 1 or more
  double time_limit_s = 0;  ///< of a child; one that takes longer is killed and has failed. 0: none
};

enum class FailureKind {
  none,
  input,     ///< InputError: the point asks for what cannot be
  internal,  ///< another exception: nibble is wrong
  crash,     ///< ended by a signal, or without a result
  time_limit
};
/// "input", "internal", "crash", "time_limit"; "" of none.
const char* to_string(FailureKind kind);

struct Outcome {
  FailureKind failure = FailureKind::none;
  std::string message;  ///< of a failure, one line
  std::string result;   ///< what the work returned
  bool ok() const { return failure == FailureKind::none; }
};

/// Runs work(index), each in a child, for every index that `next` gives until it gives none, and calls done(index,
/// outcome) here in order of completion. After a SIGINT all children are killed and Interrupted is thrown; so they are
/// when `next` or `done` throws. Throws InputError when the system gives no process or pipe.
void run_isolated(const std::function<std::optional<std::size_t>()>& next, const IsolationOptions& options,
                  const std::function<std::string(std::size_t)>& work,
                  const std::function<void(std::size_t, Outcome)>& done);
/// The same for 0 to count - 1.
void run_isolated(std::size_t count, const IsolationOptions& options,
                  const std::function<std::string(std::size_t)>& work,
                  const std::function<void(std::size_t, Outcome)>& done);

struct IsolatedReport {
  FailureKind failure = FailureKind::none;
  std::string message;           ///< of a failure, one line
  std::optional<Report> report;  ///< without failure; whole, `prices` included
};

/// The same for work that gives reports.
void simulate_isolated(std::size_t count, const IsolationOptions& options,
                       const std::function<Report(std::size_t)>& work,
                       const std::function<void(std::size_t, IsolatedReport)>& done);

/// As many as there are processors for this process, 1 or more.
unsigned available_processors();

}  // namespace nibble
