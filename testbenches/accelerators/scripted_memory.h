// SPDX-License-Identifier: Apache-2.0
/// ScriptedMemory: a memory whose answers a test decides: a fixed latency, no bandwidth limit, and an error response
/// wherever the script wants one.
#pragma once

#include <tlm_utils/peq_with_get.h>
#include <functional>
#include <systemc>
#include <tlm>
#include <utility>

#include "memory/sparse_store.h"
#include "transport/transfer_tag.h"

namespace nibble::test {

class ScriptedMemory : public sc_core::sc_module, public tlm::tlm_fw_transport_if<> {
 public:
  tlm::tlm_target_socket<> target{"target"};
  /// Called for every transaction; anything but TLM_OK_RESPONSE is the answer instead of data.
  std::function<tlm::tlm_response_status(const tlm::tlm_generic_payload&)> script;
  /// Latency of a transaction; without it the one given to the constructor.
  std::function<sc_core::sc_time(const tlm::tlm_generic_payload&)> latency;
  /// Transactions so far.
  std::uint64_t reads = 0, writes = 0;

  ScriptedMemory(sc_core::sc_module_name name, std::uint64_t capacity,
                 const sc_core::sc_time& latency = sc_core::SC_ZERO_TIME)
      : sc_module(name), store_(capacity), latency_(latency) {
    target.bind(*this);
    SC_METHOD(respond);
    sensitive << responses_.get_event();
    dont_initialize();
  }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
    serve(payload);
    const sc_core::sc_time after = latency ? latency(payload) : latency_;
    if (after == sc_core::SC_ZERO_TIME) return tlm::TLM_COMPLETED;
    payload.acquire();
    responses_.notify(payload, delay + after);
    phase = tlm::END_REQ;
    return tlm::TLM_UPDATED;
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
    serve(payload);
    delay += latency_;
  }
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override {
    if (!store_.contains(payload.get_address(), payload.get_data_length())) return 0;
    move(payload);
    return payload.get_data_length();
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }

 private:
  SC_HAS_PROCESS(ScriptedMemory);
  void serve(tlm::tlm_generic_payload& payload) {
    const auto verdict = script ? script(payload) : tlm::TLM_OK_RESPONSE;
    ++(payload.is_read() ? reads : writes);
    payload.set_response_status(verdict);
    if (verdict != tlm::TLM_OK_RESPONSE) return;
    if (!store_.contains(payload.get_address(), payload.get_data_length())) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    const TransferTag* tag = TransferTag::find(payload);
    if (tag == nullptr || !tag->timing_only) move(payload);
  }
  void move(tlm::tlm_generic_payload& payload) {
    if (payload.is_read()) store_.read(payload.get_address(), payload.get_data_ptr(), payload.get_data_length());
    if (payload.is_write()) store_.write(payload.get_address(), payload.get_data_ptr(), payload.get_data_length());
  }

  /// The initiator under test ends every response at once.
  void respond() {
    while (tlm::tlm_generic_payload* payload = responses_.get_next_transaction()) {
      tlm::tlm_phase phase = tlm::BEGIN_RESP;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      if (target->nb_transport_bw(*payload, phase, delay) != tlm::TLM_COMPLETED)
        SC_REPORT_ERROR("scripted memory", "a response was not ended at once");
      payload->release();
    }
  }

  SparseStore store_;
  sc_core::sc_time latency_;
  tlm_utils::peq_with_get<tlm::tlm_generic_payload> responses_{"responses"};
};

}  // namespace nibble::test
