// SPDX-License-Identifier: Apache-2.0
#include "accelerators/equal_stretches.h"

#include <cmath>

namespace nibble {

void EqualStretches::enter(const TileJob& job, GemmProgress& progress, TileSchedule& schedule) {
  if (ended_ || !progress.command.timing_only) return;
  const std::uint64_t unit = schedule.unit_of(job);
  if (unit == unit_) return;
  unit_ = unit;
  boundary(progress, schedule);
}

void EqualStretches::interrupt(const TileJob& job, const TileSchedule& schedule) {
  unit_ = schedule.unit_of(job);
  measuring_ = false;
  units_ = half_units_ = 0;
}

void EqualStretches::boundary(GemmProgress& progress, TileSchedule& schedule) {
  if (!measuring_) {
    measuring_ = true;
    begin_ = {progress.counters, progress.end, progress.elements_done};
    return;
  }
  ++units_;
  if (half_units_ == 0) {
    if (progress.end - begin_.end < half_cycles) return;
  } else {
    if (units_ < 2 * half_units_) return;
    const auto first = static_cast<double>(half_end_ - begin_.end);
    const double difference = std::abs(static_cast<double>(progress.end - half_end_) - first) / first;
    if (difference <= tolerance) {
      ended_ = true;
      const std::uint64_t times = schedule.units_ahead() / units_;
      if (times == 0) return;
      schedule.skip_units(times * units_);
      repeat(times, difference, progress);
      return;
    }
  }
  half_units_ = units_;
  half_end_ = progress.end;
}

void EqualStretches::repeat(std::uint64_t times, double difference, GemmProgress& progress) const {
  CommandCounters& counters = progress.counters;
  const std::uint64_t reads = counters.total_read_bytes(), writes = counters.total_write_bytes();
  const std::uint64_t written = counters.write_bytes[static_cast<unsigned>(progress.result_stream())];
  counters.repeat_since(begin_.counters, times);
  const std::uint64_t cycles = times * (progress.end - begin_.end);
  counters.repeated_cycles += cycles;
  counters.repeat_difference = difference;
  progress.elements_done += times * (progress.elements_done - begin_.elements);
  if (progress.command.stream_bytes != 0) {
    const std::uint64_t before = progress.stream_written;
    progress.stream_written = progress.stream_share();
    counters.write_bytes[static_cast<unsigned>(progress.result_stream())] = written + progress.stream_written - before;
  }
  counters.repeated_read_bytes = counters.total_read_bytes() - reads;
  counters.repeated_write_bytes = counters.total_write_bytes() - writes;
}

}  // namespace nibble
