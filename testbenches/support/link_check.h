// SPDX-License-Identifier: Apache-2.0
/// LinkCheck: when a simulation starts, every initiator socket of the elaborated design must have a protocol monitor
/// between itself and its target. Probes beside it are looked through.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "transport/base_protocol_monitor.h"

namespace nibble::test {

class LinkCheck : public sc_core::sc_module {
 public:
  explicit LinkCheck(sc_core::sc_module_name name) : sc_module(name) {}

  /// Names of the bound initiator sockets without a monitor behind them, in hierarchical order; from the end of
  /// elaboration on.
  static std::vector<std::string> unmonitored() {
    std::vector<std::string> names;
    collect(sc_core::sc_get_top_level_objects(), names);
    return names;
  }

 private:
  using Initiator = tlm::tlm_base_initiator_socket_b<32, tlm::tlm_fw_transport_if<>, tlm::tlm_bw_transport_if<>>;

  void start_of_simulation() override {
    for (const std::string& name : unmonitored())
      FAIL_CHECK("no protocol monitor behind the socket " << name << " (monitored_links.h)");
  }
  static bool monitored(sc_core::sc_interface* target) {
    while (auto* probe = dynamic_cast<Probe*>(target)) {
      if (dynamic_cast<BaseProtocolMonitor*>(probe) != nullptr) return true;
      target = probe->out.get_base_port().get_interface();
    }
    return target == nullptr;  // not bound
  }
  static void collect(const std::vector<sc_core::sc_object*>& objects, std::vector<std::string>& names) {
    for (sc_core::sc_object* object : objects) {
      collect(object->get_child_objects(), names);
      auto* socket = dynamic_cast<Initiator*>(object);
      if (socket == nullptr || dynamic_cast<Probe*>(object->get_parent_object()) != nullptr) continue;
      if (!monitored(socket->get_base_port().get_interface())) names.emplace_back(object->name());
    }
  }
};

}  // namespace nibble::test
