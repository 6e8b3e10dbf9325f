// SPDX-License-Identifier: Apache-2.0
/// TimedTarget: what every timed memory shares beside the phases - data, LT, DMI, debug, storage.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "memory/four_phase_target.h"
#include "memory/memory_system.h"
#include "memory/sparse_store.h"

namespace nibble {

/// A memory derives from it and says when a transaction is finished.
///
/// AT: see FourPhaseTarget. Data moves when the transaction is admitted, so that the order of admission is the order of
/// effect, whatever the order of the responses. LT: same storage, same time: the annotated delay grows by the
/// transaction's time behind everything admitted before. DMI: only for pages that exist, so that memory never written
/// stays without storage. Debug: no time, no side effects.
///
/// Refused with a TLM error response, no time spent on the bus: what check_access() names.
class TimedTarget : public MemorySystem, public FourPhaseTarget {
 public:
  std::uint64_t capacity_bytes() const override { return store_.capacity_bytes(); }

  // tlm_fw_transport_if
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) override;
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override;

 protected:
  TimedTarget(sc_core::sc_module_name name, std::uint64_t capacity_bytes, unsigned queue_depth, Statistics* statistics);

  /// A checked transaction enters the memory now. The memory calls respond() for it, here or later in advance().
  virtual void admit(tlm::tlm_generic_payload& payload, std::uint64_t now) = 0;
  /// A checked transaction that enters at `arrival` (not before now) and whose end is wanted at once.
  virtual std::uint64_t serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) = 0;
  /// Time of one access by DMI.
  virtual sc_core::sc_time direct_latency() const = 0;

  /// The response of an admitted transaction begins at `time` (not before now).
  void respond(tlm::tlm_generic_payload& payload, std::uint64_t time) { responses().push(time, &payload); }
  Statistics& group() { return group_; }

 private:
  SC_HAS_PROCESS(TimedTarget);
  void on_wake() { step(); }
  void access(tlm::tlm_generic_payload& payload);
  void enter(tlm::tlm_generic_payload& payload, std::uint64_t now) override;

  SparseStore store_;
  Statistics group_;
  std::uint64_t reads_ = 0, writes_ = 0, read_bytes_ = 0, write_bytes_ = 0, refused_ = 0;
};

}  // namespace nibble
