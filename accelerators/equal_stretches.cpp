// SPDX-License-Identifier: Apache-2.0
#include "accelerators/equal_stretches.h"

#include <algorithm>
#include <cmath>

namespace nibble {

std::optional<EqualStretches::Stretch> EqualStretches::enter(std::uint64_t unit, const Place& place,
                                                             CommandCounters& counters) {
  if (ended_ || unit == unit_) return std::nullopt;
  unit_ = unit;
  if (!measuring_) {
    measuring_ = true;
    begin_ = place;
    before_ = counters;
    return std::nullopt;
  }
  ++units_;
  if (!halves_agree(place, counters)) return std::nullopt;
  ended_ = true;
  return Stretch{units_,   place.work - begin_.work,         place.end - begin_.end,
                 by_work_, place.elements - begin_.elements, before_};
}

std::optional<EqualStretches::Stretch> EqualStretches::enter(const TileJob& job, GemmProgress& progress,
                                                             TileSchedule& schedule) {
  if (ended_ || !progress.command.timing_only) return std::nullopt;
  CommandCounters& counters = progress.counters;
  const std::uint64_t unit = schedule.unit_of(job);
  const std::uint64_t work = schedule.equal_units() ? 0 : counters.compute_cycles;
  const auto stretch = enter(unit, {progress.end, work, progress.elements_done}, counters);
  if (!stretch || !schedule.equal_units()) return stretch;
  const std::uint64_t times = schedule.units_ahead() / stretch->units;
  const std::uint64_t reads = counters.total_read_bytes(), writes = counters.total_write_bytes();
  std::uint64_t& written = counters.write_bytes[static_cast<unsigned>(progress.result_stream())];
  const std::uint64_t written_before = written;
  counters.repeat_since(stretch->before, times);
  schedule.skip_units(times * stretch->units);
  progress.elements_done += times * stretch->elements;
  if (progress.command.stream_bytes != 0) {
    const std::uint64_t before = progress.stream_written;
    progress.stream_written = progress.stream_share();
    written = written_before + progress.stream_written - before;
  }
  counters.repeated_read_bytes = counters.total_read_bytes() - reads;
  counters.repeated_write_bytes = counters.total_write_bytes() - writes;
  return std::nullopt;
}

bool EqualStretches::halves_agree(const Place& place, CommandCounters& counters) {
  if (half_units_ == 0) {
    if (place.end - begin_.end < half_cycles) return false;
  } else {
    if (units_ < 2 * half_units_) return false;
    const auto of = [](std::uint64_t end, std::uint64_t begin) { return static_cast<double>(end - begin); };
    const double first = of(half_.end, begin_.end);
    const double second = of(place.end, half_.end), growth = of(place.work, half_.work) / of(half_.work, begin_.work);
    const double by_units = std::abs(second - first) / first, by_work = std::abs(second / growth - first) / first;
    by_work_ = by_work < by_units;
    const double difference = by_work_ ? by_work : by_units;
    if (difference <= tolerance) {
      counters.repeat_difference = std::max(counters.repeat_difference, difference);
      return true;
    }
  }
  half_units_ = units_;
  half_ = place;
  return false;
}

void EqualStretches::again() {
  ended_ = measuring_ = false;
  units_ = half_units_ = 0;
}

void EqualStretches::interrupt(std::uint64_t unit) {
  unit_ = unit;
  measuring_ = false;
  units_ = half_units_ = 0;
}

}  // namespace nibble
