// SPDX-License-Identifier: Apache-2.0
/// ProtocolMonitor: a probe that checks the rules of the TLM-2.0 base protocol on the link on which it stands.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "transport/probe.h"

namespace nibble::test {

/// Rules checked: one open request and one open response at a time; phases of a transaction in order, times not running
/// backwards; response status incomplete at BEGIN_REQ and set before BEGIN_RESP or completion; command, address, data
/// pointer, length, streaming width and byte enables unchanged in flight; no forward call from within a backward call
/// or the reverse.
class ProtocolMonitor : public Probe {
 public:
  explicit ProtocolMonitor(sc_core::sc_module_name name)
      : Probe(name, [this](const tlm::tlm_generic_payload& p, const tlm::tlm_phase& phase, const sc_core::sc_time& at) {
          see(p, phase, at);
        }) {}

  const std::vector<std::string>& violations() const { return violations_; }
  std::uint64_t requests() const { return requests_; }
  std::uint64_t responses() const { return responses_; }
  std::size_t in_flight() const { return open_.size(); }
  std::size_t most_in_flight() const { return most_in_flight_; }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    expect(backward_depth_ == 0, "forward call from within a backward call", payload);
    ++forward_depth_;
    const auto status = Probe::nb_transport_fw(payload, phase, delay);
    --forward_depth_;
    return status;
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    expect(forward_depth_ == 0, "backward call from within a forward call", payload);
    ++backward_depth_;
    const auto status = Probe::nb_transport_bw(payload, phase, delay);
    --backward_depth_;
    return status;
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
    const sc_core::sc_time before = sc_core::sc_time_stamp() + delay;
    out->b_transport(payload, delay);
    ++requests_;
    ++responses_;
    expect(payload.get_response_status() != tlm::TLM_INCOMPLETE_RESPONSE, "b_transport returned without a status",
           payload);
    expect(sc_core::sc_time_stamp() + delay >= before, "b_transport let time run backwards", payload);
  }

 private:
  struct Open {
    tlm::tlm_command command;
    std::uint64_t address;
    const std::uint8_t* data;
    unsigned length, streaming_width;
    const std::uint8_t* byte_enables;
    tlm::tlm_phase_enum phase;
    sc_core::sc_time at;
    bool operator==(const Open& b) const {
      return command == b.command && data == b.data && length == b.length && streaming_width == b.streaming_width &&
             byte_enables == b.byte_enables;
    }
  };
  static Open snapshot(const tlm::tlm_generic_payload& p, const tlm::tlm_phase& phase, const sc_core::sc_time& at) {
    return {p.get_command(),
            p.get_address(),
            p.get_data_ptr(),
            p.get_data_length(),
            p.get_streaming_width(),
            p.get_byte_enable_ptr(),
            static_cast<tlm::tlm_phase_enum>(static_cast<unsigned>(phase)),
            at};
  }
  void expect(bool holds, const std::string& rule, const tlm::tlm_generic_payload& payload) {
    if (!holds && violations_.size() < 20) {
      violations_.push_back(rule + " (address " + std::to_string(payload.get_address()) + " at " +
                            sc_core::sc_time_stamp().to_string() + ")");
    }
  }

  void see(const tlm::tlm_generic_payload& p, const tlm::tlm_phase& phase, const sc_core::sc_time& at) {
    const Open now = snapshot(p, phase, at);
    if (phase == tlm::BEGIN_REQ) {
      expect(request_ == nullptr, "request exclusion", p);
      expect(open_.count(&p) == 0, "BEGIN_REQ of a payload that is in flight", p);
      expect(p.get_response_status() == tlm::TLM_INCOMPLETE_RESPONSE, "response status preset at BEGIN_REQ", p);
      ++requests_;
      request_ = &p;
      open_[&p] = now;
      most_in_flight_ = std::max(most_in_flight_, open_.size());
      return;
    }
    const auto found = open_.find(&p);
    expect(found != open_.end(), "phase of a payload that is not in flight", p);
    if (found == open_.end()) return;
    Open& before = found->second;
    expect(now == before, "attributes changed in flight", p);
    expect(now.phase > before.phase, "phases out of order", p);
    expect(at >= before.at, "time runs backwards", p);
    before.phase = now.phase;
    before.at = at;
    if (request_ == &p) request_ = nullptr;
    if (phase == tlm::END_REQ) return;
    expect(p.get_response_status() != tlm::TLM_INCOMPLETE_RESPONSE, "response without a status", p);
    if (phase == tlm::BEGIN_RESP) {
      expect(response_ == nullptr, "response exclusion", p);
      response_ = &p;
      return;
    }
    if (response_ == &p) response_ = nullptr;
    ++responses_;
    open_.erase(found);
  }

  std::map<const tlm::tlm_generic_payload*, Open> open_;
  const tlm::tlm_generic_payload* request_ = nullptr;
  const tlm::tlm_generic_payload* response_ = nullptr;
  int forward_depth_ = 0, backward_depth_ = 0;
  std::uint64_t requests_ = 0, responses_ = 0;
  std::size_t most_in_flight_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace nibble::test
