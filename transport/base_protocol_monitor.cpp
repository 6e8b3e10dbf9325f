// SPDX-License-Identifier: Apache-2.0
#include "transport/base_protocol_monitor.h"

#include <algorithm>

#include "transport/transfer_tag.h"

namespace nibble {
namespace {

constexpr std::size_t kept_violations = 20;
/// [D] decided by nibble: enough to notice a buffer that is written too early, without reading megabytes twice.
constexpr unsigned compared_bytes = 64;
const char* const initiator_side = "initiator";
const char* const target_side = "target";

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
std::uint64_t hash(const std::uint8_t* bytes, unsigned length, std::uint64_t value) {
  for (unsigned i = 0; i < std::min(length, compared_bytes); ++i)
    value = (value ^ bytes[i]) * 0x100000001B3ULL;
  return value;
}

bool is_base(const tlm::tlm_phase& phase) {
  const unsigned id = phase;
  return id >= tlm::BEGIN_REQ && id <= tlm::END_RESP;
}

}  // namespace

BaseProtocolMonitor::BaseProtocolMonitor(sc_core::sc_module_name name)
    : Probe(name, [](const Payload&, const Phase&, const Time&) {}) {}

void BaseProtocolMonitor::expect(bool holds, const char* side, const char* rule, std::uint64_t address) {
  if (holds) return;
  if (std::find(tolerated_.begin(), tolerated_.end(), rule) != tolerated_.end()) {
    ++tolerated_count_;
    return;
  }
  if (++violation_count_ > kept_violations) return;
  violations_.push_back(std::string(side) + ": " + rule + " (" + name() + ", address " + std::to_string(address) +
                        ", at " + sc_core::sc_time_stamp().to_string() + ")");
}

BaseProtocolMonitor::Attributes BaseProtocolMonitor::attributes_of(const Payload& p, bool with_contents) {
  Attributes attributes{
      p.get_command(),         p.get_address(),         p.get_data_ptr(),           p.get_data_length(),
      p.get_streaming_width(), p.get_byte_enable_ptr(), p.get_byte_enable_length(), 0};
  if (!with_contents) return attributes;
  std::uint64_t contents = 0xCBF29CE484222325ULL;
  if (p.get_byte_enable_ptr() != nullptr)
    contents = hash(p.get_byte_enable_ptr(), p.get_byte_enable_length(), contents);
  const TransferTag* tag = TransferTag::find(p);
  const bool written = p.is_write() && p.get_data_ptr() != nullptr && (tag == nullptr || !tag->timing_only);
  if (written) contents = hash(p.get_data_ptr(), p.get_data_length(), contents);
  attributes.contents = contents;
  return attributes;
}

/// What an initiator has to set before any call.
void BaseProtocolMonitor::check_call(const Payload& p) {
  const auto rule = [&](bool holds, const char* text) { expect(holds, initiator_side, text, p.get_address()); };
  rule(p.get_response_status() == tlm::TLM_INCOMPLETE_RESPONSE, "response status preset");
  rule(!p.is_dmi_allowed(), "DMI hint preset");
  rule(p.get_data_ptr() != nullptr, "no data pointer");
  rule(p.get_data_length() != 0, "no data length");
  rule(p.get_streaming_width() != 0, "no streaming width");
  rule(p.get_byte_enable_ptr() == nullptr || p.get_byte_enable_length() != 0, "byte enables of no length");
}

/// Who changed them, a link does not show. With the response the bytes are the initiator's again: END_RESP looks at
/// none.
void BaseProtocolMonitor::compare(const Attributes& before, const Payload& p, bool with_contents) {
  const Attributes now = attributes_of(p, with_contents);
  const auto rule = [&](bool holds, const char* text) { expect(holds, "either side", text, p.get_address()); };
  rule(now.command == before.command, "command changed in flight");
  rule(now.address == before.address || address_may_change_, "address changed in flight");
  rule(now.data == before.data, "data pointer changed in flight");
  rule(now.length == before.length, "data length changed in flight");
  rule(now.streaming_width == before.streaming_width, "streaming width changed in flight");
  rule(now.byte_enables == before.byte_enables && now.byte_enable_length == before.byte_enable_length,
       "byte enables changed in flight");
  rule(!with_contents || contents_may_change_ || now.contents == before.contents || now.data != before.data ||
           now.length != before.length,
       "bytes of a write, or byte enables, changed in flight");
}

BaseProtocolMonitor::Flight* BaseProtocolMonitor::find(const Payload& payload) {
  const auto found =
      std::find_if(flights_.begin(), flights_.end(), [&](const Flight& f) { return f.payload == &payload; });
  return found == flights_.end() ? nullptr : &*found;
}

void BaseProtocolMonitor::land(const Payload& payload) {
  *find(payload) = flights_.back();
  flights_.pop_back();
  ++responses_;
}

void BaseProtocolMonitor::channel_time(Channel& channel, const Time& at, const char* side, std::uint64_t address) {
  expect(at >= channel.last, side, "time runs backwards on the channel", address);
  channel.last = std::max(channel.last, at);
}

/// A phase of a transaction in flight; nullptr when there is none.
BaseProtocolMonitor::Flight* BaseProtocolMonitor::advance(const Payload& p, const Time& at, unsigned phase,
                                                          const char* side) {
  Flight* flight = find(p);
  expect(flight != nullptr, side, "phase of a payload that is not in flight", p.get_address());
  if (flight == nullptr) return nullptr;
  // END_REQ may be left out, nothing else.
  const bool next = phase == flight->phase + 1 || (flight->phase == tlm::BEGIN_REQ && phase == tlm::BEGIN_RESP);
  expect(next, side, "phases out of order", p.get_address());
  expect(at >= flight->at, side, "time runs backwards in the transaction", p.get_address());
  compare(flight->attributes, p, phase != tlm::END_RESP);
  flight->phase = phase;
  flight->at = at;
  if (request_.open == &p) request_.open = nullptr;
  return flight;
}

void BaseProtocolMonitor::begin_request(const Payload& p, const Time& at) {
  const auto rule = [&](bool holds, const char* text) { expect(holds, initiator_side, text, p.get_address()); };
  check_call(p);
  rule(p.has_mm() && p.get_ref_count() >= 1, "non-blocking transport without memory manager or reference");
  rule(request_.open == nullptr, "request exclusion: BEGIN_REQ before the END_REQ of the request before");
  rule(find(p) == nullptr, "reuse of a payload before its END_RESP");
  rule(std::find(blocking_.begin(), blocking_.end(), &p) == blocking_.end(), "payload is inside b_transport");
  channel_time(request_, at, initiator_side, p.get_address());
  ++requests_;
  request_.open = &p;
  const Flight flight{&p, attributes_of(p, true), tlm::BEGIN_REQ, at, tlm::TLM_INCOMPLETE_RESPONSE};
  if (Flight* before = find(p)) {
    *before = flight;
  } else {
    flights_.push_back(flight);
  }
  most_in_flight_ = std::max(most_in_flight_, flights_.size());
}

void BaseProtocolMonitor::end_request(const Payload& p, const Time& at) {
  if (advance(p, at, tlm::END_REQ, target_side) != nullptr) channel_time(request_, at, target_side, p.get_address());
}

void BaseProtocolMonitor::begin_response(const Payload& p, const Time& at) {
  Flight* flight = advance(p, at, tlm::BEGIN_RESP, target_side);
  expect(response_.open == nullptr || response_.open == &p, target_side,
         "response exclusion: BEGIN_RESP before the END_RESP of the response before", p.get_address());
  expect(p.get_response_status() != tlm::TLM_INCOMPLETE_RESPONSE, target_side, "response without a status",
         p.get_address());
  channel_time(response_, at, target_side, p.get_address());
  response_.open = &p;
  if (flight != nullptr) flight->status = p.get_response_status();
}

void BaseProtocolMonitor::end_response(const Payload& p, const Time& at) {
  const Flight* flight = advance(p, at, tlm::END_RESP, initiator_side);
  if (response_.open == &p) response_.open = nullptr;
  if (flight == nullptr) return;
  expect(p.get_response_status() == flight->status || flight->status == tlm::TLM_INCOMPLETE_RESPONSE, target_side,
         "response status changed after BEGIN_RESP", p.get_address());
  channel_time(response_, at, initiator_side, p.get_address());
  land(p);
}

/// TLM_COMPLETED in the call of BEGIN_REQ stands for all other phases.
void BaseProtocolMonitor::complete_early(const Payload& p, const Time& at) {
  const Flight* flight = find(p);
  if (request_.open == &p) request_.open = nullptr;
  if (flight == nullptr) return;
  expect(p.get_response_status() != tlm::TLM_INCOMPLETE_RESPONSE, target_side, "completed without a status",
         p.get_address());
  expect(at >= flight->at, target_side, "time runs backwards in the transaction", p.get_address());
  compare(flight->attributes, p, true);
  land(p);
}

/// With TLM_ACCEPTED the callee leaves the arguments alone.
void BaseProtocolMonitor::check_accepted(tlm::tlm_sync_enum status, const Phase& sent, const Phase& phase,
                                         const Time& before, const Time& delay, const char* side,
                                         std::uint64_t address) {
  if (status != tlm::TLM_ACCEPTED) return;
  expect(phase == sent, side, "TLM_ACCEPTED with another phase", address);
  expect(delay == before, side, "TLM_ACCEPTED with another delay", address);
}

tlm::tlm_sync_enum BaseProtocolMonitor::nb_transport_fw(Payload& payload, Phase& phase, Time& delay) {
  const Phase sent = phase;
  const Time before = delay, now = sc_core::sc_time_stamp();
  const std::uint64_t address = payload.get_address();
  expect(backward_depth_ == 0, initiator_side, "forward call from within a backward call", address);
  if (!is_base(sent)) return out->nb_transport_fw(payload, phase, delay);
  expect(sent == tlm::BEGIN_REQ || sent == tlm::END_RESP, initiator_side, "phase on the wrong path", address);
  if (sent == tlm::BEGIN_REQ) begin_request(payload, now + delay);
  if (sent == tlm::END_RESP) end_response(payload, now + delay);
  ++forward_depth_;
  const auto status = out->nb_transport_fw(payload, phase, delay);
  --forward_depth_;
  expect(sc_core::sc_time_stamp() == now, target_side, "nb_transport waits", address);
  check_accepted(status, sent, phase, before, delay, target_side, address);
  if (status == tlm::TLM_UPDATED) {
    const bool legal = sent == tlm::BEGIN_REQ && (phase == tlm::END_REQ || phase == tlm::BEGIN_RESP);
    expect(legal, target_side, "TLM_UPDATED to a phase that cannot follow", address);
    if (phase == tlm::END_REQ) end_request(payload, now + delay);
    if (phase == tlm::BEGIN_RESP) begin_response(payload, now + delay);
  }
  if (status == tlm::TLM_COMPLETED && sent == tlm::BEGIN_REQ) complete_early(payload, now + delay);
  return status;
}

tlm::tlm_sync_enum BaseProtocolMonitor::nb_transport_bw(Payload& payload, Phase& phase, Time& delay) {
  const Phase sent = phase;
  const Time before = delay, now = sc_core::sc_time_stamp();
  const std::uint64_t address = payload.get_address();
  expect(forward_depth_ == 0, target_side, "backward call from within a forward call", address);
  if (!is_base(sent)) return in->nb_transport_bw(payload, phase, delay);
  expect(sent == tlm::END_REQ || sent == tlm::BEGIN_RESP, target_side, "phase on the wrong path", address);
  if (sent == tlm::END_REQ) end_request(payload, now + delay);
  if (sent == tlm::BEGIN_RESP) begin_response(payload, now + delay);
  // The initiator may release the payload within the call that ends it.
  const bool managed = payload.has_mm();
  if (managed) payload.acquire();
  ++backward_depth_;
  const auto status = in->nb_transport_bw(payload, phase, delay);
  --backward_depth_;
  expect(sc_core::sc_time_stamp() == now, initiator_side, "nb_transport waits", address);
  check_accepted(status, sent, phase, before, delay, initiator_side, address);
  if (status != tlm::TLM_ACCEPTED) {
    const bool legal = sent == tlm::BEGIN_RESP && (status == tlm::TLM_COMPLETED || phase == tlm::END_RESP);
    expect(legal, initiator_side, "reply that cannot follow the phase", address);
    if (legal && find(payload) != nullptr) end_response(payload, now + delay);
  }
  if (managed) payload.release();
  return status;
}

void BaseProtocolMonitor::b_transport(Payload& payload, Time& delay) {
  const Time before = sc_core::sc_time_stamp() + delay;
  const Attributes attributes = attributes_of(payload, true);
  check_call(payload);
  expect(find(payload) == nullptr && std::find(blocking_.begin(), blocking_.end(), &payload) == blocking_.end(),
         initiator_side, "b_transport of a payload that is in flight", payload.get_address());
  blocking_.push_back(&payload);
  ++requests_;
  out->b_transport(payload, delay);
  ++responses_;
  blocking_.erase(std::find(blocking_.begin(), blocking_.end(), &payload));
  compare(attributes, payload, true);
  expect(payload.get_response_status() != tlm::TLM_INCOMPLETE_RESPONSE, target_side, "completed without a status",
         payload.get_address());
  expect(sc_core::sc_time_stamp() + delay >= before, target_side, "time runs backwards in the transaction",
         payload.get_address());
}

unsigned BaseProtocolMonitor::transport_dbg(Payload& payload) {
  const Time now = sc_core::sc_time_stamp();
  const std::uint64_t address = payload.get_address();
  const unsigned length = payload.get_data_length();
  const unsigned done = out->transport_dbg(payload);
  expect(sc_core::sc_time_stamp() == now, target_side, "debug transport waits", address);
  expect(done <= length, target_side, "debug transport of more bytes than asked for", address);
  expect((payload.get_address() == address || address_may_change_) && payload.get_data_length() == length, target_side,
         "debug transport changed attributes", address);
  return done;
}

bool BaseProtocolMonitor::get_direct_mem_ptr(Payload& payload, tlm::tlm_dmi& dmi) {
  const std::uint64_t address = payload.get_address();
  const bool granted = out->get_direct_mem_ptr(payload, dmi);
  expect(dmi.get_start_address() <= address && address <= dmi.get_end_address(), target_side,
         "DMI region without the address asked for", address);
  expect(!granted || (dmi.get_dmi_ptr() != nullptr && !dmi.is_none_allowed()), target_side,
         "DMI granted without pointer or access", address);
  return granted;
}

void BaseProtocolMonitor::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  expect(start <= end, target_side, "DMI invalidation of no region", start);
  in->invalidate_direct_mem_ptr(start, end);
}

void BaseProtocolMonitor::check_end() {
  for (const Flight& flight : flights_)
    expect(false, flight.phase == tlm::BEGIN_RESP ? initiator_side : target_side, "transaction open at the end",
           flight.attributes.address);
  for (const Payload* payload : blocking_)
    expect(false, target_side, "b_transport open at the end", payload->get_address());
}

}  // namespace nibble
