// SPDX-License-Identifier: Apache-2.0
#include "accelerators/equal_stretches.h"

#include <cmath>

namespace nibble {

EqualStretches::Repeat EqualStretches::enter(std::uint64_t unit, std::uint64_t ahead, std::uint64_t end,
                                             std::uint64_t elements, CommandCounters& counters) {
  if (ended_ || unit == unit_) return {};
  unit_ = unit;
  if (!measuring_) {
    measuring_ = true;
    begin_ = {counters, end, elements};
    return {};
  }
  ++units_;
  if (!halves_agree(end, counters)) return {};
  ended_ = true;
  const std::uint64_t times = ahead / units_;
  if (times == 0) return {};
  counters.repeated_cycles += times * (end - begin_.end);
  return {times, times * units_, times * (elements - begin_.elements), begin_.counters};
}

void EqualStretches::enter(const TileJob& job, GemmProgress& progress, TileSchedule& schedule) {
  if (ended_ || !progress.command.timing_only) return;
  CommandCounters& counters = progress.counters;
  const Repeat repeat =
      enter(schedule.unit_of(job), schedule.units_ahead(), progress.end, progress.elements_done, counters);
  if (repeat.times == 0) return;
  const std::uint64_t reads = counters.total_read_bytes(), writes = counters.total_write_bytes();
  std::uint64_t& written = counters.write_bytes[static_cast<unsigned>(progress.result_stream())];
  const std::uint64_t written_before = written;
  counters.repeat_since(repeat.before, repeat.times);
  schedule.skip_units(repeat.units);
  progress.elements_done += repeat.elements;
  if (progress.command.stream_bytes != 0) {
    const std::uint64_t before = progress.stream_written;
    progress.stream_written = progress.stream_share();
    written = written_before + progress.stream_written - before;
  }
  counters.repeated_read_bytes = counters.total_read_bytes() - reads;
  counters.repeated_write_bytes = counters.total_write_bytes() - writes;
}

bool EqualStretches::halves_agree(std::uint64_t end, CommandCounters& counters) {
  if (half_units_ == 0) {
    if (end - begin_.end < half_cycles) return false;
  } else {
    if (units_ < 2 * half_units_) return false;
    const auto first = static_cast<double>(half_end_ - begin_.end);
    const double difference = std::abs(static_cast<double>(end - half_end_) - first) / first;
    if (difference <= tolerance) {
      counters.repeat_difference = difference;
      return true;
    }
  }
  half_units_ = units_;
  half_end_ = end;
  return false;
}

void EqualStretches::interrupt(std::uint64_t unit) {
  unit_ = unit;
  measuring_ = false;
  units_ = half_units_ = 0;
}

}  // namespace nibble
