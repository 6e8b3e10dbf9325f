// SPDX-License-Identifier: Apache-2.0
#include "transport/transaction_probe.h"

#include <utility>

namespace nibble {

const char* to_string(tlm::tlm_command command) {
  switch (command) {
    case tlm::TLM_READ_COMMAND:
      return "read";
    case tlm::TLM_WRITE_COMMAND:
      return "write";
    default:
      return "ignore";
  }
}

const char* to_string(tlm::tlm_response_status status) {
  switch (status) {
    case tlm::TLM_OK_RESPONSE:
      return "ok";
    case tlm::TLM_INCOMPLETE_RESPONSE:
      return "incomplete";
    case tlm::TLM_ADDRESS_ERROR_RESPONSE:
      return "address_error";
    case tlm::TLM_COMMAND_ERROR_RESPONSE:
      return "command_error";
    case tlm::TLM_BURST_ERROR_RESPONSE:
      return "burst_error";
    case tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE:
      return "byte_enable_error";
    default:
      return "generic_error";
  }
}

TransactionProbe::TransactionProbe(sc_core::sc_module_name name, Ended ended)
    : Probe(name, [this](const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
                         const sc_core::sc_time& at) { see(payload, phase, at); }),
      ended_(std::move(ended)) {}

void TransactionProbe::see(const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
                           const sc_core::sc_time& at) {
  if (phase == tlm::BEGIN_REQ) {
    Open& open = open_[&payload];
    open = {};
    TransactionRecord& record = open.record;
    record.number = begun_++;
    record.command = payload.get_command();
    record.address = payload.get_address();
    record.bytes = payload.get_data_length();
    if (const TransferTag* tag = TransferTag::find(payload)) record.stream = tag->stream;
    record.begin_request = at;
    ++requests_;
    return;
  }
  const auto found = open_.find(&payload);
  if (found == open_.end() || phase > tlm::END_RESP) return;
  Open& open = found->second;
  TransactionRecord& record = open.record;
  if (open.phase == tlm::BEGIN_REQ) {
    record.end_request = at;
    --requests_;
  }
  if (phase != tlm::END_REQ && open.phase != tlm::BEGIN_RESP) {
    record.begin_response = at;
    record.status = payload.get_response_status();
    ++responses_;
  }
  open.phase = phase;
  if (phase != tlm::END_RESP) return;
  record.end_response = at;
  --responses_;
  const TransactionRecord done = record;
  open_.erase(found);
  ended_(done);
}

}  // namespace nibble
