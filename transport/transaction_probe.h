// SPDX-License-Identifier: Apache-2.0
/// TransactionProbe: a probe that puts the phases of a transaction together again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "transport/probe.h"
#include "transport/transfer_tag.h"

namespace nibble {

/// What one transaction did on a link. Phases that the base protocol leaves out have the time of the next one.
struct TransactionRecord {
  std::uint64_t number = 0;  ///< of the link, in order of the requests
  tlm::tlm_command command = tlm::TLM_IGNORE_COMMAND;
  std::uint64_t address = 0;
  unsigned bytes = 0;
  Stream stream = Stream::host;
  sc_core::sc_time begin_request, end_request, begin_response, end_response;
  tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
};
const char* to_string(tlm::tlm_command command);         ///< "read", "write", "ignore"
const char* to_string(tlm::tlm_response_status status);  ///< "ok", "address_error", ...

class TransactionProbe : public Probe {
 public:
  /// `ended` is called at each END_RESP, `changed` behind each phase with the transactions under way.
  using Ended = std::function<void(const TransactionRecord&)>;
  TransactionProbe(sc_core::sc_module_name name, Ended ended);

  std::size_t under_way() const { return open_.size(); }
  std::size_t waiting_requests() const { return requests_; }
  std::size_t waiting_responses() const { return responses_; }

 private:
  void see(const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase, const sc_core::sc_time& at);

  struct Open {
    TransactionRecord record;
    unsigned phase = tlm::BEGIN_REQ;
  };
  Ended ended_;
  std::unordered_map<const tlm::tlm_generic_payload*, Open> open_;
  std::uint64_t begun_ = 0;
  std::size_t requests_ = 0, responses_ = 0;  ///< between BEGIN and END
};

}  // namespace nibble
