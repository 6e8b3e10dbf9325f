// SPDX-License-Identifier: Apache-2.0
/// FourPhaseTarget: the AT side that every target of this folder shares - admission, back-pressure, responses,
/// wake-ups.
#pragma once

#include <cstdint>
#include <limits>
#include <systemc>
#include <tlm>

#include "memory/ring.h"

namespace nibble {

/// A module derives from it, binds its socket to itself, and says what a transaction needs; all times are sc_time
/// values (multiples of the kernel's resolution).
///
/// At most `queue_depth` transactions are inside at a time. An admitted BEGIN_REQ returns TLM_UPDATED with END_REQ at
/// once; the next one is left without END_REQ until it is admitted. Responses leave one at a time, in order of their
/// time; an initiator may end them at once (TLM_COMPLETED) or later. A payload is held from BEGIN_REQ to END_RESP.
class FourPhaseTarget : public tlm::tlm_fw_transport_if<> {
 public:
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;

 protected:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  using Responses = TimeHeap<tlm::tlm_generic_payload*>;

  FourPhaseTarget(tlm::tlm_target_socket<>& socket, unsigned queue_depth)
      : socket_(socket), queue_depth_(queue_depth) {}

  /// A transaction is admitted now; its response has to be put into responses(), at once or later.
  virtual void enter(tlm::tlm_generic_payload& payload, std::uint64_t now) = 0;
  /// Brings the target up to `now`.
  virtual void advance(std::uint64_t now) = 0;
  /// When advance() has to be called next at the latest; `never` when nothing is to come.
  virtual std::uint64_t next_event() const = 0;
  /// Whether a transaction may enter, room in the queue apart.
  virtual bool accepts() const { return true; }

  /// To be called by a method process that is sensitive to wake_event(): a non-module can have none.
  void step();
  sc_core::sc_event& wake_event() { return wake_; }
  /// To be called when what the four virtual functions say has changed outside of them.
  void schedule(std::uint64_t now);

  /// Finished transactions and the times at which their responses begin, not before now.
  Responses& responses() { return ready_; }
  unsigned queue_depth() const { return queue_depth_; }
  bool admits() const { return occupied_ < queue_depth_ && accepts(); }
  /// Neither a transaction inside nor one that waits.
  bool empty() const { return occupied_ == 0 && waiting_ == nullptr; }
  bool holds_request_back() const { return waiting_ != nullptr; }
  /// Requests whose END_REQ was withheld because they were not admitted at once.
  std::uint64_t& held_back() { return held_back_; }

  /// What the standard has for an access that a memory of `capacity` bytes cannot serve: beyond the capacity, byte
  /// enables, a streaming width below the length, length 0, no data pointer. TLM_OK_RESPONSE for all others.
  static tlm::tlm_response_status check_access(const tlm::tlm_generic_payload& payload, std::uint64_t capacity);

 private:
  void admit(tlm::tlm_generic_payload& payload, std::uint64_t now);
  void admit_waiting(std::uint64_t now);
  void send_responses(std::uint64_t now);
  void end_response(tlm::tlm_generic_payload& payload);

  tlm::tlm_target_socket<>& socket_;
  const unsigned queue_depth_;
  sc_core::sc_event wake_{"wake"};
  unsigned occupied_ = 0;
  bool stepping_ = false;                           ///< inside step(), which looks at the clock when all is done
  tlm::tlm_generic_payload* waiting_ = nullptr;     ///< request without END_REQ
  std::uint64_t waiting_from_ = 0;                  ///< when it arrived (annotated delay included)
  tlm::tlm_generic_payload* responding_ = nullptr;  ///< response without END_RESP
  std::uint64_t response_free_ = 0;                 ///< not before this time may the next response begin
  std::uint64_t held_back_ = 0;
  Responses ready_;
};

}  // namespace nibble
