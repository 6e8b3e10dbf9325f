// SPDX-License-Identifier: Apache-2.0
/// Cache: set associative, sectored, with miss registers, between initiators and a memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <systemc>
#include <tlm>

#include "core/cost_book.h"
#include "core/statistics.h"
#include "memory/cache_config.h"
#include "memory/cache_pipeline.h"
#include "memory/dma_engine.h"
#include "memory/four_phase_target.h"
#include "memory/sram_energy.h"

namespace nibble {

/// A transaction of any length is cut into segments, one per line, and looked up in order, all of it before the next
/// transaction (docs/on-chip-memory.md has the timing by hand).
///
/// AT: up to `queue_depth` transactions inside; END_REQ is withheld beyond, and while a look-up is stalled because miss
/// registers, their targets, the ways of a set or the write buffer are used up. Hits pass misses: responses leave in
/// order of their time. Accesses to one line take effect in order of admission. LT: the same look-up at once, fills
/// through blocking calls; waits (wait()) until no AT transaction of the cache is on its way to the memory. Debug: sees
/// dirty data, without time or change of state. DMI: refused, or accesses would pass the cache by.
///
/// Refused with a TLM error response: byte enables, a streaming width below the length, length 0, addresses beyond
/// memory_bytes. An error of the memory on a fill or a forwarded write goes to every transaction that needs it, and the
/// line stays out; of a write-back nobody can be told: it is counted (write_errors).
///
/// A TransferTag with timing_only takes time, place and dirty bits but no data; whoever asks for the data later gets
/// what the memory has.
class Cache : public sc_core::sc_module, public FourPhaseTarget {
 public:
  tlm::tlm_target_socket<> target{"target"};
  tlm::tlm_initiator_socket<> memory{"memory"};

  /// Throws InternalError for an impossible configuration (CacheConfig::from refuses it as the user's error).
  Cache(sc_core::sc_module_name name, const CacheConfig& config, Statistics* statistics = nullptr);
  ~Cache() override;

  /// Starts maintenance of the lines that meet [start, end] (inclusive): behind everything admitted, before everything
  /// else. Several are done in order.
  void maintain(CacheMaintenance what, std::uint64_t start = 0, std::uint64_t end = ~std::uint64_t{0});
  /// Notified when a maintenance operation is complete, its write-backs answered.
  const sc_core::sc_event& maintained() const { return maintained_; }
  /// Nothing inside: no transaction, no fill, no write, no maintenance.
  bool idle() const { return empty() && pipeline_.drained(); }

  const CacheCounters& counters() const { return pipeline_.counters; }
  const CacheConfig& config() const { return config_; }
  /// Energy and leakage of the data array, `banks` macros of `bytes_per_cycle` width, for a powered time of `seconds`.
  SramEnergy energy(const CostBook& book, double seconds) const;

  // tlm_fw_transport_if
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) override;
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override;

 private:
  SC_HAS_PROCESS(Cache);
  void on_wake();
  bool accepts() const override { return pipeline_.accepts() && blocking_users_ == 0; }
  void enter(tlm::tlm_generic_payload& payload, std::uint64_t now) override;
  /// A blocking call sends its fills and writes itself.
  void advance(std::uint64_t now) override {
    if (!serving_) pipeline_.advance(now);
  }
  std::uint64_t next_event() const override { return serving_ ? never : pipeline_.next_departure(); }
  tlm::tlm_response_status check(const tlm::tlm_generic_payload& payload) const;
  void register_statistics(Statistics* parent);
  void register_derived(Statistics& group);

  const CacheConfig config_;
  DmaEngine below_;
  CachePipeline pipeline_;
  sc_core::sc_event maintained_{"maintained"}, drained_{"drained"};
  unsigned blocking_users_ = 0;  ///< inside b_transport
  bool serving_ = false;         ///< one of them is at work
  std::uint64_t maintenance_told_ = 0;
  std::unique_ptr<Statistics> statistics_;
};

}  // namespace nibble
