// SPDX-License-Identifier: Apache-2.0
#include "memory/timed_target.h"

#include <algorithm>

#include "core/units.h"
#include "transport/messages.h"
#include "transport/transfer_tag.h"

namespace nibble {

TimedTarget::TimedTarget(sc_core::sc_module_name name, std::uint64_t capacity_bytes, unsigned queue_depth,
                         Statistics* statistics)
    : MemorySystem(name), FourPhaseTarget(target, queue_depth), store_(capacity_bytes), group_(basename(), statistics) {
  target.bind(*this);
  SC_METHOD(on_wake);
  sensitive << wake_event();
  dont_initialize();
  group_.counter("reads", "count", "read transactions", reads_);
  group_.counter("writes", "count", "write transactions", writes_);
  group_.counter("read_bytes", "byte", "bytes asked for by read transactions", read_bytes_);
  group_.counter("write_bytes", "byte", "bytes carried by write transactions", write_bytes_);
  group_.counter("refused", "count", "transactions answered with an error", refused_);
  group_.counter("held_back", "count", "requests whose END_REQ was withheld because the queue was full", held_back());
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

void TimedTarget::enter(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  advance(now);
  const auto status = check_access(payload, capacity_bytes());
  if (status != tlm::TLM_OK_RESPONSE || payload.get_command() == tlm::TLM_IGNORE_COMMAND) {
    refused_ += status != tlm::TLM_OK_RESPONSE;
    payload.set_response_status(status);
    tell_transaction(message::memory, this, payload);
    respond(payload, now);
    return;
  }
  access(payload);
  tell_transaction(message::memory, this, payload);
  admit(payload, now);
}

void TimedTarget::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const auto status = check_access(payload, capacity_bytes());
  if (status != tlm::TLM_OK_RESPONSE || payload.get_command() == tlm::TLM_IGNORE_COMMAND) {
    refused_ += status != tlm::TLM_OK_RESPONSE;
    payload.set_response_status(status);
    tell_transaction(message::memory, this, payload);
    return;
  }
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  access(payload);
  tell_transaction(message::memory, this, payload);
  advance(now);
  const std::uint64_t arrival = now + delay.value();
  delay = sc_core::sc_time::from_value(serve(payload, arrival) - now);
  schedule(now);
}

bool TimedTarget::get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
  const std::uint64_t address = payload.get_address();
  if (address >= capacity_bytes()) {
    dmi.set_start_address(capacity_bytes());
    dmi.set_end_address(~sc_dt::uint64{0});
    dmi.allow_none();
    return false;
  }
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
  if (address >= capacity_bytes() || payload.get_data_ptr() == nullptr) return 0;
  const auto length =
      static_cast<unsigned>(std::min<std::uint64_t>(payload.get_data_length(), capacity_bytes() - address));
  if (payload.is_read()) store_.read(address, payload.get_data_ptr(), length);
  if (payload.is_write()) store_.write(address, payload.get_data_ptr(), length);
  return length;
}

}  // namespace nibble
