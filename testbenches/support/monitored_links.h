// SPDX-License-Identifier: Apache-2.0
/// MonitoredLinks: how the sockets of a test are bound, each through a protocol monitor of its own. The main function
/// of SystemC tests fails those that bind otherwise (link_check.h).
#pragma once

#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "testbenches/support/protocol_monitor.h"

namespace nibble::test {

class MonitoredLinks {
 public:
  /// A simulation that came to its own end leaves nothing open.
  ~MonitoredLinks() {
    if (sc_core::sc_get_status() != sc_core::SC_PAUSED || sc_core::sc_pending_activity()) return;
    for (const auto& monitor : monitors_)
      monitor->check_end();
  }
  ProtocolMonitor& bind(tlm::tlm_initiator_socket<>& initiator, tlm::tlm_target_socket<>& target) {
    monitors_.push_back(std::make_unique<ProtocolMonitor>(sc_core::sc_gen_unique_name("monitored")));
    initiator.bind(monitors_.back()->in);
    monitors_.back()->out.bind(target);
    return *monitors_.back();
  }

 private:
  std::vector<std::unique_ptr<ProtocolMonitor>> monitors_;
};

}  // namespace nibble::test
