// SPDX-License-Identifier: Apache-2.0
/// Accelerator time in whole clock cycles. Events of other clock domains are seen at the next edge.
#pragma once

#include <cstdint>
#include <systemc>

namespace nibble {

class MachineClock {
 public:
  explicit MachineClock(double clock_mhz) : period_(1e6 / clock_mhz, sc_core::SC_PS) {}

  const sc_core::sc_time& period() const { return period_; }
  /// The first edge at or after the present moment, in cycles since time zero.
  std::uint64_t now() const {
    const auto ticks = sc_core::sc_time_stamp().value();
    return (ticks + period_.value() - 1) / period_.value();
  }
  sc_core::sc_time at(std::uint64_t cycle) const { return cycle * period_; }
  /// From the present moment to edge `cycle`; zero when it has passed.
  sc_core::sc_time until(std::uint64_t cycle) const {
    const sc_core::sc_time target = at(cycle);
    return target > sc_core::sc_time_stamp() ? target - sc_core::sc_time_stamp() : sc_core::SC_ZERO_TIME;
  }
  /// Blocks the calling process until edge `cycle`.
  void wait_until(std::uint64_t cycle) const {
    const sc_core::sc_time delay = until(cycle);
    if (delay != sc_core::SC_ZERO_TIME) sc_core::wait(delay);
  }

 private:
  sc_core::sc_time period_;
};

}  // namespace nibble
