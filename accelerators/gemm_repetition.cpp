// SPDX-License-Identifier: Apache-2.0
/// The part of GemmEngine that leaves out units of a command which differ a little in their work (equal_stretches.h):
/// it walks their jobs without time and counts them one by one.
#include <cmath>

#include "accelerators/gemm_engine.h"

namespace nibble {
namespace {

std::uint64_t scaled(std::uint64_t value, std::uint64_t by, std::uint64_t of) {
  return value / of * by + value % of * by / of;
}

}  // namespace

/// Units ahead whose work differs from that of the stretch by little.
std::uint64_t GemmEngine::units_alike(const GemmProgress& progress, const EqualStretches::Stretch& stretch) const {
  JobWalk walk = loader_.walk();
  const std::uint64_t first = walk.schedule().first_ahead(), ahead = walk.schedule().units_ahead();
  const double mean = static_cast<double>(stretch.work) / static_cast<double>(stretch.units);
  std::uint64_t alike = 0, work = 0;
  for (auto job = walk.next(); job && alike < ahead; job = walk.next()) {
    const std::uint64_t unit = walk.schedule().unit_of(job->job);
    if (unit < first) continue;
    if (unit > first + alike) {
      if (std::abs(static_cast<double>(work) - mean) > EqualStretches::alike * mean) break;
      alike = unit - first;
      work = 0;
    }
    work += passes_of(progress, *job).compute_cycles();
  }
  return alike;
}

void GemmEngine::leave_out(GemmProgress& progress, const EqualStretches::Stretch& stretch) {
  const std::uint64_t units = units_alike(progress, stretch) / stretch.units * stretch.units;
  if (units == 0) return;
  CommandCounters& counters = progress.counters;
  const std::uint64_t reads = counters.total_read_bytes(), writes = counters.total_write_bytes();
  std::uint64_t work = 0;
  loader_.leave_out(units, [&](const LoadedJob& job) {
    const ArrayPasses passes = passes_of(progress, job);
    work += passes.compute_cycles();
    count_job(progress, job, passes);
    const auto store = store_of(progress, job.job);
    if (!store) return;
    for (const MemoryRun& run : store->runs)
      counters.write_bytes[static_cast<unsigned>(store->stream)] += run.bytes();
  });
  const std::uint64_t more =
      stretch.by_work ? scaled(stretch.cycles, work, stretch.work) : units / stretch.units * stretch.cycles;
  counters.repeat_cycles_since(stretch.before, more, work);
  counters.repeated_read_bytes += counters.total_read_bytes() - reads;
  counters.repeated_write_bytes += counters.total_write_bytes() - writes;
}

}  // namespace nibble
