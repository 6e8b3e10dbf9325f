// SPDX-License-Identifier: Apache-2.0
/// Memories that answer legally and inconveniently: at once, or in any order. Their storage is 1 MiB; addresses beyond
/// it, and those that a test forbids, get an error response.
#pragma once

#include <cstdint>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

#include "core/random.h"
#include "memory/sparse_store.h"
#include "transport/transfer_tag.h"

namespace nibble::test {

class OddTarget : public sc_core::sc_module, public tlm::tlm_fw_transport_if<> {
 public:
  tlm::tlm_target_socket<> target{"target"};
  explicit OddTarget(sc_core::sc_module_name name) : sc_module(name), store(1 << 20) { target.bind(*this); }

  void b_transport(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) override {
    access(p);
    delay += sc_core::sc_time(7, sc_core::SC_NS);
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
  unsigned transport_dbg(tlm::tlm_generic_payload& p) override {
    if (!store.contains(p.get_address(), p.get_data_length())) return 0;
    if (p.is_read()) store.read(p.get_address(), p.get_data_ptr(), p.get_data_length());
    if (p.is_write()) store.write(p.get_address(), p.get_data_ptr(), p.get_data_length());
    return p.get_data_length();
  }
  SparseStore store;
  std::uint64_t forbidden_from = 0, forbidden_bytes = 0;

 protected:
  void access(tlm::tlm_generic_payload& p) {
    if (!store.contains(p.get_address(), p.get_data_length())) {
      p.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    if (p.get_address() < forbidden_from + forbidden_bytes && forbidden_from < p.get_address() + p.get_data_length()) {
      p.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
      return;
    }
    const nibble::TransferTag* tag = nibble::TransferTag::find(p);
    if (tag == nullptr || !tag->timing_only) {
      if (p.is_read()) store.read(p.get_address(), p.get_data_ptr(), p.get_data_length());
      if (p.is_write()) store.write(p.get_address(), p.get_data_ptr(), p.get_data_length());
    }
    p.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

/// Answers every request in the call (TLM_COMPLETED) with an annotated delay of 7 ns.
class EarlyTarget : public OddTarget {
 public:
  using OddTarget::OddTarget;
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& p, tlm::tlm_phase&, sc_core::sc_time& delay) override {
    b_transport(p, delay);
    return tlm::TLM_COMPLETED;
  }
};

/// Takes every request at once and answers one at a time, in random order, after random times; data move only then.
class ShufflingTarget : public OddTarget {
 public:
  explicit ShufflingTarget(sc_core::sc_module_name name) : OddTarget(name), random_(8) {
    SC_HAS_PROCESS(ShufflingTarget);
    SC_METHOD(answer);
    sensitive << wake_;
    dont_initialize();
  }
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& p, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    const sc_core::sc_time at = sc_core::sc_time_stamp() + delay;
    if (phase == tlm::END_RESP) {
      busy_ = false;
      free_from_ = at;
      p.release();
      look();
      return tlm::TLM_COMPLETED;
    }
    p.acquire();
    waiting_.push_back({&p, at});
    look();
    phase = tlm::END_REQ;
    return tlm::TLM_UPDATED;
  }

 private:
  struct Waiting {
    tlm::tlm_generic_payload* payload;
    sc_core::sc_time from;
  };
  void look() {
    if (!busy_ && !waiting_.empty()) wake_.notify(sc_core::sc_time(1, sc_core::SC_NS));
  }
  void answer() {
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (waiting_[i].from <= now) ready.push_back(i);
    }
    if (busy_) return;
    if (ready.empty() || free_from_ > now) return look();
    std::swap(waiting_[ready[random_.below(ready.size())]], waiting_.back());
    tlm::tlm_generic_payload& p = *waiting_.back().payload;
    waiting_.pop_back();
    access(p);
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    busy_ = true;
    if (target->nb_transport_bw(p, phase, delay) == tlm::TLM_ACCEPTED) return;
    busy_ = false;
    free_from_ = now + delay + sc_core::sc_time(static_cast<double>(random_.below(20)), sc_core::SC_NS);
    p.release();
    look();
  }

  sc_core::sc_event wake_;
  std::vector<Waiting> waiting_;
  sc_core::sc_time free_from_;
  nibble::Random random_;
  bool busy_ = false;
};

}  // namespace nibble::test
