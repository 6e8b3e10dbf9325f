// SPDX-License-Identifier: Apache-2.0
/// BaseProtocolMonitor: a probe that checks both sides of a link against the rules of the TLM-2.0 base protocol (IEEE
/// 1666, clauses on the generic payload and the base protocol), as far as a link shows them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transport/probe.h"

namespace nibble {

/// Stands on a link and changes nothing; DMI and debug accesses pass too. What it finds is kept as text, "rule (link,
/// address, time)": the first 20 violations, and their number. docs/base-protocol.md lists the rules.
///
/// The text begins with the side of the link that broke the rule: `initiator` or `target`; of attributes that change in
/// flight a link does not show whose doing it was.
class BaseProtocolMonitor : public Probe {
 public:
  explicit BaseProtocolMonitor(sc_core::sc_module_name name);

  /// An interconnect behind this link may replace the address of a transaction; without one, it may not change.
  void address_may_change() { address_may_change_ = true; }
  /// Debug writes reach bytes that are on their way (a cache's write buffer): they are no longer compared.
  void contents_may_change() { contents_may_change_ = true; }
  /// This rule (its text in violations()) is broken on purpose: that is only counted.
  void tolerate(const std::string& rule) { tolerated_.push_back(rule); }
  std::uint64_t tolerated_count() const { return tolerated_count_; }
  /// To be called when all traffic is over: whatever is in flight breaks the rules.
  void check_end();

  const std::vector<std::string>& violations() const { return violations_; }
  std::uint64_t violation_count() const { return violation_count_; }
  std::uint64_t requests() const { return requests_; }    ///< BEGIN_REQ and blocking calls
  std::uint64_t responses() const { return responses_; }  ///< those that have ended
  std::size_t in_flight() const { return flights_.size(); }
  std::size_t most_in_flight() const { return most_in_flight_; }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override;

 private:
  using Payload = tlm::tlm_generic_payload;
  using Phase = tlm::tlm_phase;
  using Time = sc_core::sc_time;

  /// What nobody may change while a transaction lasts.
  struct Attributes {
    tlm::tlm_command command;
    std::uint64_t address;
    const std::uint8_t* data;
    unsigned length, streaming_width;
    const std::uint8_t* byte_enables;
    unsigned byte_enable_length;
    std::uint64_t contents;  ///< of byte enables and, for writes, data: of their first bytes
  };
  struct Flight {
    const Payload* payload;
    Attributes attributes;
    unsigned phase;  ///< the last one, as a tlm_phase_enum
    Time at;
    tlm::tlm_response_status status;  ///< from BEGIN_RESP on
  };
  /// The effective times of a channel (request or response), all transactions together.
  struct Channel {
    const Payload* open = nullptr;
    Time last;
  };

  void expect(bool holds, const char* side, const char* rule, std::uint64_t address);
  static Attributes attributes_of(const Payload& payload, bool with_contents);
  void check_call(const Payload& payload);
  void compare(const Attributes& before, const Payload& payload, bool with_contents);
  Flight* find(const Payload& payload);
  void land(const Payload& payload);
  void begin_request(const Payload& payload, const Time& at);
  void end_request(const Payload& payload, const Time& at);
  void begin_response(const Payload& payload, const Time& at);
  void end_response(const Payload& payload, const Time& at);
  void complete_early(const Payload& payload, const Time& at);
  Flight* advance(const Payload& payload, const Time& at, unsigned phase, const char* side);
  void channel_time(Channel& channel, const Time& at, const char* side, std::uint64_t address);
  void check_accepted(tlm::tlm_sync_enum status, const Phase& sent, const Phase& phase, const Time& before,
                      const Time& delay, const char* side, std::uint64_t address);

  std::vector<Flight> flights_;
  std::vector<const Payload*> blocking_;  ///< inside b_transport
  Channel request_, response_;
  int forward_depth_ = 0, backward_depth_ = 0;
  bool address_may_change_ = false, contents_may_change_ = false;
  std::uint64_t requests_ = 0, responses_ = 0, violation_count_ = 0, tolerated_count_ = 0;
  std::vector<std::string> tolerated_;
  std::size_t most_in_flight_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace nibble
