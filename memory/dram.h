// SPDX-License-Identifier: Apache-2.0
/// Dram: a DRAM controller with its devices behind one TLM target socket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory/dram_channel.h"
#include "memory/dram_device.h"
#include "memory/timed_target.h"

namespace nibble {

/// A transaction is cut into one run of bursts per channel; it is answered when the last data beat of the slowest
/// channel has passed. The channels run ahead of nothing: a channel is brought up to date when something arrives or may
/// be complete, so the kernel sees about one event per transaction, however long.
class Dram final : public TimedTarget {
 public:
  Dram(sc_core::sc_module_name name, const DramDevice& device, Statistics* statistics);

  double peak_bandwidth() const override;
  double idle_latency() const override;
  std::uint64_t burst_bytes() const override { return device_.geometry.burst_bytes(); }
  double clock_ns() const override { return device_.tck_ns; }
  MemoryEnergy energy() const override;
  std::uint64_t bus_read_bytes() const override { return counters().reads * burst_bytes(); }
  std::uint64_t bus_write_bytes() const override { return counters().writes * burst_bytes(); }
  std::string source() const override { return device_.source; }
  void reset_statistics() override;
  unsigned channel_count() const override { return static_cast<unsigned>(channels_.size()); }

  const DramDevice& device() const { return device_; }
  /// All channels, up to now.
  DramCounters counters() const;
  DramCounters counters(unsigned channel) const;
  /// Memory cycles since the start, or the last reset_statistics().
  double elapsed_cycles() const;
  /// Commands and energy of one rank. The energies of all ranks sum to energy().
  struct RankReport {
    unsigned channel, rank;
    RankCounters counters;
    MemoryEnergy energy;
  };
  std::vector<RankReport> ranks() const;
  /// Appends every command of a channel from now on; see DramChannel::log_commands().
  void log_commands(unsigned channel, std::vector<DramCommand>* log) { channels_.at(channel)->log_commands(log); }

 private:
  struct Transaction {
    tlm::tlm_generic_payload* payload = nullptr;  ///< nullptr: blocking
    std::uint64_t channels = 0;                   ///< that have not finished their part
    Cycle finish = 0;
    std::uint32_t position = 0;  ///< in several_, while more than one channel is left
  };

  void admit(tlm::tlm_generic_payload& payload, std::uint64_t now) override;
  std::uint64_t serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) override;
  void advance(std::uint64_t now) override;
  std::uint64_t next_event() const override;
  sc_core::sc_time direct_latency() const override;

  std::uint32_t start(tlm::tlm_generic_payload* payload, const tlm::tlm_generic_payload& access, std::uint64_t at);
  void collect(unsigned channel);
  void synchronize();
  void enlist(std::uint32_t id);
  void finish_part(std::uint32_t id, unsigned channel, Cycle at);
  void tell_begin(unsigned channel, Cycle at);
  void tell_end(unsigned channel, Cycle at);
  void find_bounds() const;
  void wait_for(unsigned channel, int transactions);
  void register_statistics();
  Cycle cycle_after(std::uint64_t time) const { return static_cast<Cycle>((time + tck_ - 1) / tck_); }
  std::uint64_t time_of(Cycle cycle) const { return static_cast<std::uint64_t>(cycle) * tck_; }

  const DramDevice device_;
  const AddressMap map_;
  const std::uint64_t tck_;  ///< in units of the kernel's resolution
  std::vector<std::unique_ptr<DramChannel>> channels_;
  std::vector<Transaction> transactions_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> several_;           ///< open transactions with more than one channel left
  std::vector<unsigned> last_here_;              ///< by channel: open transactions that wait for this channel alone
  std::uint64_t awaited_ = 0;                    ///< channels for which last_here_ is not 0
  mutable std::vector<Cycle> bounds_;            ///< by channel: its finish_bound()
  mutable Cycle earliest_ = DramChannel::never;  ///< of bounds_
  mutable std::uint64_t changed_ = 0;            ///< channels whose bound is to be asked again
  std::vector<std::unique_ptr<Statistics>> channel_statistics_;
  std::uint64_t statistics_from_ = 0;
  /// What the observer was told last, by channel; empty without an observer.
  struct Told {
    std::uint64_t open = 0;  ///< parts of transactions that are not finished
    Cycle begin = 0, end = 0;
    ChannelWork done;
  };
  std::vector<Told> told_;
};

}  // namespace nibble
