// SPDX-License-Identifier: Apache-2.0
/// StallingLink: a legal but slow link. Every phase is passed on separately, each after a random stall, so that both
/// partners meet the longest exchange of the base protocol (four phases, every call answered TLM_ACCEPTED).
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <set>
#include <systemc>
#include <tlm>

#include "core/random.h"

namespace nibble::test {

class StallingLink : public sc_core::sc_module, public tlm::tlm_fw_transport_if<>, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_target_socket<> in{"in"};
  tlm::tlm_initiator_socket<> out{"out"};

  /// Stalls of 0 .. `longest` nanoseconds; the order of phases in a direction is kept. `annotate`: half of a stall is
  /// annotated on the call instead of waited for.
  StallingLink(sc_core::sc_module_name name, std::uint64_t seed, unsigned longest, bool annotate = false)
      : sc_module(name), random_(seed), longest_(longest), annotate_(annotate) {
    in.bind(*this);
    out.bind(*this);
    SC_METHOD(pass_forward);
    sensitive << lanes_[0].wake;
    dont_initialize();
    SC_METHOD(pass_backward);
    sensitive << lanes_[1].wake;
    dont_initialize();
  }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    if (phase == tlm::BEGIN_REQ) payload.acquire();
    if (phase == tlm::END_RESP) end_response(sc_core::sc_time_stamp() + delay);
    later(lanes_[0], payload, phase, delay);
    return tlm::TLM_ACCEPTED;
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    later(lanes_[1], payload, phase, delay);
    return tlm::TLM_ACCEPTED;
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
  SC_HAS_PROCESS(StallingLink);
  struct Item {
    tlm::tlm_generic_payload* payload;
    tlm::tlm_phase phase;
    sc_core::sc_time call, at;  ///< when it is passed on, and when the phase begins (annotated)
  };
  struct Lane {
    sc_core::sc_event wake;
    std::deque<Item> items;
    sc_core::sc_time last_call, last_at;
  };

  sc_core::sc_time stall() {
    return sc_core::sc_time(static_cast<double>(random_.below(longest_ + 1)), sc_core::SC_NS);
  }
  void later(Lane& lane, tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
             const sc_core::sc_time& delay) {
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    lane.last_at = std::max(now + delay + stall(), lane.last_at);
    lane.last_call = std::max(annotate_ ? now + (lane.last_at - now) / 2 : lane.last_at, lane.last_call);
    lane.items.push_back({&payload, phase, lane.last_call, lane.last_at});
    lane.wake.notify(lane.items.front().call - now);
  }
  bool due(Lane& lane) {
    if (lane.items.empty()) return false;
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    if (lane.items.front().call <= now) return true;
    lane.wake.notify(lane.items.front().call - now);
    return false;
  }
  /// The response channel on the initiator's side is free from `at` on.
  void end_response(const sc_core::sc_time& at) {
    responding_ = false;
    response_free_ = std::max(response_free_, at);
    if (!lanes_[1].items.empty()) lanes_[1].wake.notify(sc_core::SC_ZERO_TIME);
  }
  void pass_forward() {
    while (due(lanes_[0])) {
      Item item = lanes_[0].items.front();
      lanes_[0].items.pop_front();
      sc_core::sc_time delay = item.at - item.call;
      const tlm::tlm_phase phase = item.phase;
      if (phase == tlm::END_RESP && completed_.erase(item.payload) != 0) {
        item.payload->release();  // the target has ended it early
        continue;
      }
      const auto status = out->nb_transport_fw(*item.payload, item.phase, delay);
      if (phase == tlm::END_RESP) {
        item.payload->release();
      } else if (status == tlm::TLM_UPDATED) {
        later(lanes_[1], *item.payload, item.phase, delay);
      } else if (status == tlm::TLM_COMPLETED) {
        completed_.insert(item.payload);
        later(lanes_[1], *item.payload, tlm::BEGIN_RESP, delay);
      }
    }
  }
  void pass_backward() {
    while (due(lanes_[1])) {
      Item item = lanes_[1].items.front();
      const bool response = item.phase == tlm::BEGIN_RESP;
      if (response && responding_) return;  // targets that complete early do not wait for END_RESP
      lanes_[1].items.pop_front();
      const sc_core::sc_time now = sc_core::sc_time_stamp();
      const sc_core::sc_time at = std::max(now, item.at);
      sc_core::sc_time delay = (response ? std::max(at, response_free_) : at) - now;
      responding_ = responding_ || response;
      const auto status = in->nb_transport_bw(*item.payload, item.phase, delay);
      if (response && status != tlm::TLM_ACCEPTED) end_response(now + delay);
      if (status == tlm::TLM_UPDATED) later(lanes_[0], *item.payload, item.phase, delay);
      if (status == tlm::TLM_COMPLETED) later(lanes_[0], *item.payload, tlm::END_RESP, delay);
    }
  }

  Random random_;
  unsigned longest_;
  bool annotate_;
  std::array<Lane, 2> lanes_;  ///< forward, backward
  bool responding_ = false;    ///< the initiator owes an END_RESP
  sc_core::sc_time response_free_;
  std::set<tlm::tlm_generic_payload*> completed_{};  ///< by the target with TLM_COMPLETED: it expects no END_RESP
};

}  // namespace nibble::test
