// SPDX-License-Identifier: Apache-2.0
/// ScratchpadMemory: a scratchpad in an address map: banks and ports behind a TLM target socket.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memory/scratchpad.h"
#include "memory/timed_target.h"

namespace nibble {

struct ScratchpadMemoryConfig {
  ScratchpadConfig array;
  double clock_mhz = 1000;
  unsigned latency_cycles = 1;  ///< from the start of an access to its data
  unsigned queue_depth = 16;    ///< transactions admitted at a time
  std::string source;
  /// Keys: those of ScratchpadConfig::from, clock_mhz, latency_cycles, queue_depth, source. Rejects unknown keys.
  static ScratchpadMemoryConfig from(ConfigNode node);
};

/// A transaction touches its words in order of address; each takes the port of its bank that is free first (one for its
/// direction before a shared one) for one cycle. The response begins latency_cycles after the start of the last word.
/// Transactions meet at the banks in order of arrival.
class ScratchpadMemory final : public TimedTarget {
 public:
  /// Throws InternalError for an impossible configuration.
  ScratchpadMemory(sc_core::sc_module_name name, const ScratchpadMemoryConfig& config,
                   Statistics* statistics = nullptr);

  double peak_bandwidth() const override;
  double idle_latency() const override;
  std::uint64_t burst_bytes() const override { return config_.array.width_bytes; }
  double clock_ns() const override { return 1e3 / config_.clock_mhz; }
  /// Not known without a cost book.
  MemoryEnergy energy() const override { return {}; }
  /// Of the accesses since the last reset, with leakage for the simulated time since then.
  SramEnergy energy(const CostBook& book) const;
  std::uint64_t bus_read_bytes() const override { return reads_ * config_.array.width_bytes; }
  std::uint64_t bus_write_bytes() const override { return writes_ * config_.array.width_bytes; }
  std::string source() const override { return config_.source; }
  void reset_statistics() override;

  std::uint64_t reads() const { return reads_; }  ///< of one bank
  std::uint64_t writes() const { return writes_; }
  std::uint64_t wait_cycles() const { return wait_cycles_; }

 private:
  void admit(tlm::tlm_generic_payload& payload, std::uint64_t now) override;
  std::uint64_t serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) override;
  void advance(std::uint64_t) override {}
  std::uint64_t next_event() const override { return never; }
  sc_core::sc_time direct_latency() const override;

  const ScratchpadMemoryConfig config_;
  const std::uint64_t period_;  ///< ticks of the kernel
  const unsigned ports_;        ///< of a bank: reads, then writes, then shared
  std::vector<std::uint64_t> port_free_;
  std::uint64_t reads_ = 0, writes_ = 0, wait_cycles_ = 0;
  sc_core::sc_time statistics_from_;
};

}  // namespace nibble
