// SPDX-License-Identifier: Apache-2.0
#include "memory/four_phase_target.h"

#include <algorithm>
#include <string>
#include <utility>

namespace nibble {

tlm::tlm_response_status FourPhaseTarget::check_access(const tlm::tlm_generic_payload& payload,
                                                       std::uint64_t capacity) {
  const std::uint64_t length = payload.get_data_length(), address = payload.get_address();
  if (length > capacity || address > capacity - length) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  if (payload.get_byte_enable_ptr() != nullptr) return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  if (payload.get_data_ptr() == nullptr) return tlm::TLM_GENERIC_ERROR_RESPONSE;
  if (length == 0 || payload.get_streaming_width() < length) return tlm::TLM_BURST_ERROR_RESPONSE;
  return tlm::TLM_OK_RESPONSE;
}

void FourPhaseTarget::admit(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  ++occupied_;
  enter(payload, now);
}

tlm::tlm_sync_enum FourPhaseTarget::nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                                    sc_core::sc_time& delay) {
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  if (phase == tlm::BEGIN_REQ && waiting_ == nullptr) {
    payload.acquire();
    if (delay == sc_core::SC_ZERO_TIME && admits()) {
      admit(payload, now);
      schedule(now);
      phase = tlm::END_REQ;
      return tlm::TLM_UPDATED;
    }
    waiting_ = &payload;
    waiting_from_ = now + delay.value();
    held_back_ += !admits();
    schedule(now);
    return tlm::TLM_ACCEPTED;
  }
  if (phase == tlm::END_RESP && responding_ == &payload) {
    response_free_ = now + delay.value();
    end_response(payload);
    schedule(now);
    return tlm::TLM_COMPLETED;
  }
  SC_REPORT_ERROR("/nibble/protocol",
                  (std::string(socket_.get_parent_object()->name()) +
                   ": unexpected phase on the forward path, or a second request before the END_REQ of the first")
                      .c_str());
  return tlm::TLM_ACCEPTED;
}

void FourPhaseTarget::step() {
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  stepping_ = true;
  advance(now);
  send_responses(now);
  admit_waiting(now);
  send_responses(now);
  stepping_ = false;
  schedule(now);
}

void FourPhaseTarget::send_responses(std::uint64_t now) {
  while (responding_ == nullptr && response_free_ <= now && !ready_.empty() && ready_.top().time <= now) {
    responding_ = ready_.top().item;
    ready_.pop();
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const auto status = socket_->nb_transport_bw(*responding_, phase, delay);
    if (status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::END_RESP)) {
      response_free_ = now + delay.value();
      end_response(*responding_);
    }
  }
}

void FourPhaseTarget::end_response(tlm::tlm_generic_payload& payload) {
  responding_ = nullptr;
  --occupied_;
  payload.release();
}

void FourPhaseTarget::admit_waiting(std::uint64_t now) {
  if (waiting_ == nullptr || waiting_from_ > now || !admits()) return;
  tlm::tlm_generic_payload& payload = *std::exchange(waiting_, nullptr);
  admit(payload, now);
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  socket_->nb_transport_bw(payload, phase, delay);
}

void FourPhaseTarget::schedule(std::uint64_t now) {
  if (stepping_) return;
  std::uint64_t next = next_event();
  if (responding_ == nullptr && !ready_.empty()) next = std::min(next, std::max(ready_.top().time, response_free_));
  if (waiting_ != nullptr && admits()) next = std::min(next, waiting_from_);
  if (next == never) return;
  if (next <= now) {
    wake_.notify(sc_core::SC_ZERO_TIME);
  } else {
    wake_.notify(sc_core::sc_time::from_value(next - now));
  }
}

}  // namespace nibble
