// SPDX-License-Identifier: Apache-2.0
#include "memory/timed_target.h"

#include <algorithm>

#include "core/units.h"
#include "transport/transfer_tag.h"

namespace nibble {

TimedTarget::TimedTarget(sc_core::sc_module_name name, std::uint64_t capacity_bytes, unsigned queue_depth,
                         Statistics* statistics)
    : MemorySystem(name), store_(capacity_bytes), queue_depth_(queue_depth), group_(basename(), statistics) {
  target.bind(*this);
  SC_METHOD(step);
  sensitive << wake_;
  dont_initialize();
  group_.counter("reads", "count", "read transactions", reads_);
  group_.counter("writes", "count", "write transactions", writes_);
  group_.counter("read_bytes", "byte", "bytes asked for by read transactions", read_bytes_);
  group_.counter("write_bytes", "byte", "bytes carried by write transactions", write_bytes_);
  group_.counter("refused", "count", "transactions answered with an error", refused_);
  group_.counter("held_back", "count", "requests whose END_REQ was withheld because the queue was full", held_back_);
}

tlm::tlm_response_status TimedTarget::check(const tlm::tlm_generic_payload& payload) const {
  const unsigned length = payload.get_data_length();
  if (!store_.contains(payload.get_address(), length)) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  if (payload.get_byte_enable_ptr() != nullptr) return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  if (length == 0 || payload.get_streaming_width() < length) return tlm::TLM_BURST_ERROR_RESPONSE;
  return tlm::TLM_OK_RESPONSE;
}

/// Moves the data of a checked transaction and counts it.
void TimedTarget::access(tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  const TransferTag* tag = TransferTag::find(payload);
  const bool with_data = tag == nullptr || !tag->timing_only;
  if (payload.is_read()) {
    ++reads_;
    read_bytes_ += length;
    if (with_data) store_.read(payload.get_address(), payload.get_data_ptr(), length);
  } else {
    ++writes_;
    write_bytes_ += length;
    if (with_data) store_.write(payload.get_address(), payload.get_data_ptr(), length);
  }
  if (store_.page(payload.get_address()) != nullptr) payload.set_dmi_allowed(true);
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

void TimedTarget::enter(tlm::tlm_generic_payload& payload) {
  ++occupied_;
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  const auto status = check(payload);
  if (status != tlm::TLM_OK_RESPONSE || payload.get_command() == tlm::TLM_IGNORE_COMMAND) {
    refused_ += status != tlm::TLM_OK_RESPONSE;
    payload.set_response_status(status);
    respond(payload, now);
    return;
  }
  access(payload);
  admit(payload, now);
}

tlm::tlm_sync_enum TimedTarget::nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                                sc_core::sc_time& delay) {
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  if (phase == tlm::BEGIN_REQ && waiting_ == nullptr) {
    payload.acquire();
    if (delay == sc_core::SC_ZERO_TIME && occupied_ < queue_depth_) {
      advance(now);
      enter(payload);
      schedule(now);
      phase = tlm::END_REQ;
      return tlm::TLM_UPDATED;
    }
    waiting_ = &payload;
    waiting_from_ = now + delay.value();
    held_back_ += occupied_ >= queue_depth_;
    schedule(now);
    return tlm::TLM_ACCEPTED;
  }
  if (phase == tlm::END_RESP && responding_ == &payload) {
    response_free_ = now + delay.value();
    end_response(payload);
    schedule(now);
    return tlm::TLM_COMPLETED;
  }
  SC_REPORT_ERROR("nibble/protocol",
                  (std::string(name()) + ": unexpected phase on the forward path, or a second request " +
                   "before the END_REQ of the first")
                      .c_str());
  return tlm::TLM_ACCEPTED;
}

void TimedTarget::step() {
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  stepping_ = true;
  advance(now);
  send_responses(now);
  admit_waiting(now);
  send_responses(now);
  stepping_ = false;
  schedule(now);
}

void TimedTarget::send_responses(std::uint64_t now) {
  while (responding_ == nullptr && response_free_ <= now && !ready_.empty() && ready_.top().time <= now) {
    responding_ = ready_.top().item;
    ready_.pop();
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const auto status = target->nb_transport_bw(*responding_, phase, delay);
    if (status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::END_RESP)) {
      response_free_ = now + delay.value();
      end_response(*responding_);
    }
  }
}

void TimedTarget::end_response(tlm::tlm_generic_payload& payload) {
  responding_ = nullptr;
  --occupied_;
  payload.release();
}

void TimedTarget::admit_waiting(std::uint64_t now) {
  if (waiting_ == nullptr || waiting_from_ > now || occupied_ >= queue_depth_) return;
  tlm::tlm_generic_payload& payload = *waiting_;
  waiting_ = nullptr;
  enter(payload);
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  target->nb_transport_bw(payload, phase, delay);
}

void TimedTarget::schedule(std::uint64_t now) {
  if (stepping_) return;
  std::uint64_t next = next_finish();
  if (responding_ == nullptr && !ready_.empty()) next = std::min(next, std::max(ready_.top().time, response_free_));
  if (waiting_ != nullptr && occupied_ < queue_depth_) next = std::min(next, waiting_from_);
  if (next == never) return;
  if (next <= now) {
    wake_.notify(sc_core::SC_ZERO_TIME);
  } else {
    wake_.notify(sc_core::sc_time::from_value(next - now));
  }
}

void TimedTarget::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const auto status = check(payload);
  if (status != tlm::TLM_OK_RESPONSE || payload.get_command() == tlm::TLM_IGNORE_COMMAND) {
    refused_ += status != tlm::TLM_OK_RESPONSE;
    payload.set_response_status(status);
    return;
  }
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  access(payload);
  advance(now);
  const std::uint64_t arrival = now + delay.value();
  delay = sc_core::sc_time::from_value(serve(payload, arrival) - now);
  schedule(now);
}

bool TimedTarget::get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
  const std::uint64_t address = payload.get_address();
  if (address >= capacity_bytes()) return false;
  const std::uint64_t start = round_down(address, SparseStore::page_bytes);
  dmi.set_start_address(start);
  dmi.set_end_address(std::min(start + SparseStore::page_bytes, capacity_bytes()) - 1);
  std::uint8_t* page = store_.page(address);
  if (page == nullptr) return false;
  dmi.set_dmi_ptr(page);
  dmi.allow_read_write();
  dmi.set_read_latency(direct_latency());
  dmi.set_write_latency(direct_latency());
  return true;
}

unsigned TimedTarget::transport_dbg(tlm::tlm_generic_payload& payload) {
  const std::uint64_t address = payload.get_address();
  if (address >= capacity_bytes()) return 0;
  const auto length =
      static_cast<unsigned>(std::min<std::uint64_t>(payload.get_data_length(), capacity_bytes() - address));
  if (payload.is_read()) store_.read(address, payload.get_data_ptr(), length);
  if (payload.is_write()) store_.write(address, payload.get_data_ptr(), length);
  return length;
}

}  // namespace nibble
