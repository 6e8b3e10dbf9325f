// SPDX-License-Identifier: Apache-2.0
/// TimedTarget: the protocol side that every timed memory shares - admission, back-pressure, responses, LT, DMI, debug,
/// storage.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "memory/memory_system.h"
#include "memory/ring.h"
#include "memory/sparse_store.h"

namespace nibble {

/// A memory derives from it and says when a transaction is finished; all times are sc_time values (multiples of the
/// kernel's resolution).
///
/// AT: at most `queue_depth` transactions are admitted at a time. An admitted BEGIN_REQ returns TLM_UPDATED with
/// END_REQ at once; the next one is left without END_REQ until a response has ended. Responses leave one at a time, in
/// order of their time; an initiator may end them at once (TLM_COMPLETED) or later. Data moves when the transaction is
/// admitted, so that the order of admission is the order of effect, whatever the order of the responses. LT: same
/// storage, same time: the annotated delay grows by the transaction's time behind everything admitted before. DMI: only
/// for pages that exist, so that memory never written stays without storage. Debug: no time, no side effects.
///
/// Refused with a TLM error response, no time spent on the bus: address beyond the capacity, byte enables, a streaming
/// width below the length, length 0.
class TimedTarget : public MemorySystem, public tlm::tlm_fw_transport_if<> {
 public:
  std::uint64_t capacity_bytes() const override { return store_.capacity_bytes(); }

  // tlm_fw_transport_if
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) override;
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override;

 protected:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

  TimedTarget(sc_core::sc_module_name name, std::uint64_t capacity_bytes, unsigned queue_depth, Statistics* statistics);

  /// A checked transaction enters the memory now. The memory calls respond() for it, here or later in advance().
  virtual void admit(tlm::tlm_generic_payload& payload, std::uint64_t now) = 0;
  /// A checked transaction that enters at `arrival` (not before now) and whose end is wanted at once.
  virtual std::uint64_t serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) = 0;
  /// Brings the memory up to `now`; called before every admission and response.
  virtual void advance(std::uint64_t now) = 0;
  /// A time before which advance() will not find another transaction finished; `never` when it has none.
  virtual std::uint64_t next_finish() const = 0;
  /// Time of one access by DMI.
  virtual sc_core::sc_time direct_latency() const = 0;

  /// The response of an admitted transaction begins at `time` (not before now).
  void respond(tlm::tlm_generic_payload& payload, std::uint64_t time) { ready_.push(time, &payload); }
  Statistics& group() { return group_; }
  unsigned queue_depth() const { return queue_depth_; }

 private:
  SC_HAS_PROCESS(TimedTarget);
  void step();
  tlm::tlm_response_status check(const tlm::tlm_generic_payload& payload) const;
  void access(tlm::tlm_generic_payload& payload);
  void enter(tlm::tlm_generic_payload& payload);
  void send_responses(std::uint64_t now);
  void end_response(tlm::tlm_generic_payload& payload);
  void admit_waiting(std::uint64_t now);
  void schedule(std::uint64_t now);

  SparseStore store_;
  const unsigned queue_depth_;
  sc_core::sc_event wake_{"wake"};
  unsigned occupied_ = 0;
  bool stepping_ = false;                           ///< inside step(), which looks at the clock when all is done
  tlm::tlm_generic_payload* waiting_ = nullptr;     ///< request without END_REQ
  std::uint64_t waiting_from_ = 0;                  ///< when it arrived (annotated delay included)
  tlm::tlm_generic_payload* responding_ = nullptr;  ///< response without END_RESP
  std::uint64_t response_free_ = 0;                 ///< not before this time may the next response begin
  TimeHeap<tlm::tlm_generic_payload*> ready_;

  Statistics group_;
  std::uint64_t reads_ = 0, writes_ = 0, read_bytes_ = 0, write_bytes_ = 0, refused_ = 0, held_back_ = 0;
};

}  // namespace nibble
