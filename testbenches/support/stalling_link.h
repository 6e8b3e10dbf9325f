// SPDX-License-Identifier: Apache-2.0
/// StallingLink: a legal but slow link. Every phase is passed on separately, each after a random stall, so that both
/// partners meet the longest exchange of the base protocol (four phases, every call answered TLM_ACCEPTED).
#pragma once

#include <tlm_utils/peq_with_cb_and_phase.h>
#include <systemc>
#include <tlm>

#include "core/random.h"

namespace nibble::test {

class StallingLink : public sc_core::sc_module, public tlm::tlm_fw_transport_if<>, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_target_socket<> in{"in"};
  tlm::tlm_initiator_socket<> out{"out"};

  /// Stalls of 0 .. `longest` nanoseconds. `annotate`: a part of the stall is annotated on the call instead of waited
  /// for.
  StallingLink(sc_core::sc_module_name name, std::uint64_t seed, unsigned longest, bool annotate = false)
      : sc_module(name), random_(seed), longest_(longest), annotate_(annotate), queue_(this, &StallingLink::pass_on) {
    in.bind(*this);
    out.bind(*this);
  }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    return later(payload, phase, delay);
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    return later(payload, phase, delay);
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
    delay += stall();
    out->b_transport(payload, delay);
    delay += stall();
  }
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override { return out->transport_dbg(payload); }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}

 private:
  sc_core::sc_time stall() {
    return sc_core::sc_time(static_cast<double>(random_.below(longest_ + 1)), sc_core::SC_NS);
  }
  tlm::tlm_sync_enum later(tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
                           const sc_core::sc_time& delay) {
    if (phase == tlm::BEGIN_REQ) payload.acquire();
    queue_.notify(payload, phase, delay + stall());
    return tlm::TLM_ACCEPTED;
  }
  void pass_on(tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase) {
    tlm::tlm_phase next = phase;
    sc_core::sc_time delay = annotate_ ? stall() : sc_core::SC_ZERO_TIME;
    const bool forward = phase == tlm::BEGIN_REQ || phase == tlm::END_RESP;
    const auto status =
        forward ? out->nb_transport_fw(payload, next, delay) : in->nb_transport_bw(payload, next, delay);
    if (phase == tlm::END_RESP) {
      payload.release();
      return;
    }
    if (status == tlm::TLM_UPDATED) queue_.notify(payload, next, delay + stall());
    if (status == tlm::TLM_COMPLETED) {
      queue_.notify(payload, phase == tlm::BEGIN_REQ ? tlm::BEGIN_RESP : tlm::END_RESP, delay + stall());
    }
  }

  Random random_;
  unsigned longest_;
  bool annotate_;
  tlm_utils::peq_with_cb_and_phase<StallingLink> queue_;
};

}  // namespace nibble::test
