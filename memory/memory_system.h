// SPDX-License-Identifier: Apache-2.0
/// A memory with time behind one TLM target socket: what an accelerator, or anybody else's initiator, binds to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "core/config_node.h"
#include "core/statistics.h"
#include "memory/memory_energy.h"

namespace nibble {

/// What a channel of a memory did; commands of rows are 0 where there are none.
struct ChannelWork {
  std::uint64_t read_bytes = 0, write_bytes = 0;  ///< on the data bus
  std::uint64_t activates = 0, precharges = 0, refreshes = 0;
};

/// Is told when a channel has had transactions to work on, in the order of time of each channel.
class ChannelObserver {
 public:
  virtual ~ChannelObserver() = default;
  /// From `begin` to `end`, in the kernel's time resolution, at least one transaction was there; `work`: what was done
  /// since the last call.
  virtual void channel_worked(unsigned channel, std::uint64_t begin, std::uint64_t end, const ChannelWork& work) = 0;
};

/// Implemented by every timed memory (DRAM, flat bandwidth). One instance owns its storage, its time and its
/// statistics.
class MemorySystem : public sc_core::sc_module {
 public:
  tlm::tlm_target_socket<> target{"target"};

  virtual std::uint64_t capacity_bytes() const = 0;
  /// All channels, bytes per second.
  virtual double peak_bandwidth() const = 0;
  /// Unloaded read latency of one burst to a closed row, seconds.
  virtual double idle_latency() const = 0;
  /// Bytes of one burst; a transaction moves whole bursts.
  virtual std::uint64_t burst_bytes() const = 0;
  /// Period of the clock in which the memory's figures are counted, nanoseconds; 1 where it has none.
  virtual double clock_ns() const { return 1.0; }
  /// Energy from simulation start, or the last reset_statistics(), to now.
  virtual MemoryEnergy energy() const = 0;
  /// Bytes moved on the data bus (whole bursts), reads and writes.
  virtual std::uint64_t bus_read_bytes() const = 0;
  virtual std::uint64_t bus_write_bytes() const = 0;
  /// Source of the parameters, one line.
  virtual std::string source() const = 0;
  virtual void reset_statistics() = 0;
  /// Channels that a ChannelObserver is told of.
  virtual unsigned channel_count() const { return 1; }
  /// To be called before the simulation starts; nullptr: nobody is told.
  void observe(ChannelObserver* observer) { observer_ = observer; }

 protected:
  explicit MemorySystem(sc_core::sc_module_name name) : sc_module(name) {}
  ChannelObserver* observer() const { return observer_; }

 private:
  ChannelObserver* observer_ = nullptr;
};

/// Builds the memory that a configuration describes (configs/memories/*.yaml, key `kind`: dram | flat). Reads every key
/// and rejects unknown ones.
std::unique_ptr<MemorySystem> make_memory(const char* name, ConfigNode node, Statistics* statistics);

}  // namespace nibble
