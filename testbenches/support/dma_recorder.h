// SPDX-License-Identifier: Apache-2.0
/// DmaRecorder: a DMA listener that writes down what completed when.
#pragma once

#include <cstdint>
#include <functional>
#include <systemc>
#include <vector>

#include "memory/dma_engine.h"

namespace nibble::test {

class DmaRecorder : public DmaListener {
 public:
  struct Entry {
    std::uint64_t token;
    tlm::tlm_response_status status;
    sc_core::sc_time at;
  };
  std::vector<Entry> entries;
  std::function<void(std::uint64_t token)> then;  ///< may submit further transfers

  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override {
    entries.push_back({token, status, sc_core::sc_time_stamp()});
    if (then) then(token);
  }
};

}  // namespace nibble::test
