// SPDX-License-Identifier: Apache-2.0
/// FlatMemory: a bandwidth, a latency and an energy per bit - the memory of most published accelerator simulators.
#pragma once

#include <optional>
#include <string>

#include "memory/timed_target.h"

namespace nibble {

struct FlatConfig {
  double bandwidth_gbps = 0;  ///< 1e9 bytes per second, reads and writes share it; may be infinite
  double latency_ns = 0;      ///< added to every transaction, overlapped with others
  std::uint64_t capacity_bytes = 0;
  std::uint64_t burst_bytes = 1;                                           ///< transactions move whole bursts
  unsigned queue_depth = 64;                                               ///< transactions admitted at a time
  std::optional<double> read_pj_per_bit, write_pj_per_bit, background_mw;  ///< empty: unknown
  std::string source;

  /// Keys bandwidth_gbps (a number or `infinite`), channels (times that bandwidth, 1 by default), latency_ns,
  /// capacity_mib, burst_bytes, queue_depth, read_pj_per_bit, write_pj_per_bit, background_mw (each a number or
  /// `unknown`), source.
  static FlatConfig from(ConfigNode node);
};

/// Transactions pass the bus one after another in order of arrival, without a gap while any is waiting.
class FlatMemory final : public TimedTarget {
 public:
  FlatMemory(sc_core::sc_module_name name, const FlatConfig& config, Statistics* statistics);

  double peak_bandwidth() const override { return config_.bandwidth_gbps * 1e9; }
  double idle_latency() const override;
  std::uint64_t burst_bytes() const override { return config_.burst_bytes; }
  MemoryEnergy energy() const override;
  std::uint64_t bus_read_bytes() const override { return bus_read_bytes_; }
  std::uint64_t bus_write_bytes() const override { return bus_write_bytes_; }
  std::string source() const override { return config_.source; }
  void reset_statistics() override;

 private:
  void admit(tlm::tlm_generic_payload& payload, std::uint64_t now) override;
  std::uint64_t serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) override;
  void advance(std::uint64_t) override {}
  std::uint64_t next_event() const override { return never; }
  sc_core::sc_time direct_latency() const override;

  const FlatConfig config_;
  const double ticks_per_byte_;  ///< a tick is the kernel's time resolution
  const std::uint64_t latency_ticks_;
  std::uint64_t busy_from_ = 0, busy_bytes_ = 0;  ///< since busy_from_ the bus moved busy_bytes_ without a gap
  std::uint64_t busy_until_ = 0;
  std::uint64_t bus_read_bytes_ = 0, bus_write_bytes_ = 0, busy_ticks_ = 0;
  sc_core::sc_time statistics_from_;
};

}  // namespace nibble
