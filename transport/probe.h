// SPDX-License-Identifier: Apache-2.0
/// Probe: stands on a link, reports what passes and changes nothing. Recording is inserted by whoever wires the
/// platform, so no model contains trace calls.
#pragma once

#include <functional>
#include <systemc>
#include <tlm>
#include <utility>

namespace nibble {

/// The observer is called for every phase in either direction, on the call path and on the return path (TLM_UPDATED,
/// and TLM_COMPLETED as END_RESP), with the time at which the phase begins: now plus the annotated delay. b_transport
/// is seen as BEGIN_REQ at its start and END_RESP at its end. Debug accesses pass unseen. DMI is refused, or traffic
/// would vanish.
class Probe : public sc_core::sc_module, public tlm::tlm_fw_transport_if<>, public tlm::tlm_bw_transport_if<> {
 public:
  using Observer =
      std::function<void(const tlm::tlm_generic_payload&, const tlm::tlm_phase&, const sc_core::sc_time& at)>;

  tlm::tlm_target_socket<> in{"in"};
  tlm::tlm_initiator_socket<> out{"out"};

  Probe(sc_core::sc_module_name name, Observer see) : sc_module(name), see_(std::move(see)) {
    in.bind(*this);
    out.bind(*this);
  }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    note(payload, phase, delay);
    const bool ended = phase == tlm::END_RESP;
    const auto status = out->nb_transport_fw(payload, phase, delay);
    if (!ended) note_return(status, payload, phase, delay);
    return status;
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    note(payload, phase, delay);
    const bool managed = payload.has_mm();
    if (managed) payload.acquire();  // the initiator may give it back inside the call that ends it
    const auto status = in->nb_transport_bw(payload, phase, delay);
    note_return(status, payload, phase, delay);
    if (managed) payload.release();
    return status;
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
    note(payload, tlm::BEGIN_REQ, delay);
    out->b_transport(payload, delay);
    note(payload, tlm::END_RESP, delay);
  }
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override { return out->transport_dbg(payload); }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override {
    in->invalidate_direct_mem_ptr(start, end);
  }

 private:
  void note(const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase, const sc_core::sc_time& delay) {
    see_(payload, phase, sc_core::sc_time_stamp() + delay);
  }
  void note_return(tlm::tlm_sync_enum status, const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
                   const sc_core::sc_time& delay) {
    if (status == tlm::TLM_UPDATED) note(payload, phase, delay);
    if (status == tlm::TLM_COMPLETED) note(payload, tlm::END_RESP, delay);
  }

  Observer see_;
};

}  // namespace nibble
