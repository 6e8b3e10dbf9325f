// SPDX-License-Identifier: Apache-2.0
/// MachineBench: one machine with a memory of the test's choice behind it and a test's lambda in front of
/// it. Every link carries a ProtocolMonitor. Several benches fit into one elaboration.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <string>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/descriptor.h"
#include "accelerators/simt/simt_config.h"
#include "accelerators/systolic_config.h"
#include "core/config_node.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/protocol_monitor.h"

namespace nibble::test {

/// A systolic machine as configured, with `overrides` ("array.rows=8", ...).
inline ConfigNode machine_node(const std::string& name, const std::vector<std::string>& overrides) {
  ConfigNode node = ConfigNode::load("accelerators", source_path("configs/accelerators/" + name + ".yaml"));
  for (const auto& assignment : overrides)
    node.apply_override(assignment);
  return node;
}
inline SystolicConfig machine_config(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return SystolicConfig::from(machine_node(name, overrides));
}
inline SimtConfig simt_config(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return SimtConfig::from(machine_node(name, overrides));
}
inline SystolicConfig mant_config(const std::vector<std::string>& overrides = {}) {
  return machine_config("mant", overrides);
}

class MachineBench : public sc_core::sc_module {
 public:
  /// What a command left behind.
  struct Outcome {
    CommandStatus status = CommandStatus::pending;  ///< the descriptor's status word
    std::uint32_t causes = 0;                       ///< interrupt status when the interrupt came
    CommandCounters counters;                       ///< of the last command that ended
  };

  tlm_utils::simple_initiator_socket<MachineBench> control{"control"};
  sc_core::sc_signal<bool> irq{"irq"};
  Accelerator machine;
  ProtocolMonitor control_monitor{"control_monitor"}, memory_monitor{"memory_monitor"};
  std::vector<CommandCounters> commands;  ///< all that ended, in order
  std::vector<std::uint32_t> tags;
  std::vector<std::uint64_t> begins;  ///< their first cycles
  bool finished = false;

  /// `memory` is bound to the machine, `contents` reached by debug transport for operands and descriptors.
  MachineBench(sc_core::sc_module_name name, const MachineConfig& config, tlm::tlm_target_socket<>& memory,
               tlm::tlm_fw_transport_if<>& contents, std::function<void(MachineBench&)> body)
      : sc_module(name), machine("machine", config), contents_(contents), body_(std::move(body)) {
    control.bind(control_monitor.in);
    control_monitor.out.bind(machine.control);
    machine.memory.bind(memory_monitor.in);
    memory_monitor.out.bind(memory);
    machine.irq.bind(irq);
    machine.observe([this](std::uint32_t tag, std::uint64_t begin, const CommandCounters& counters) {
      begins.push_back(begin);
      tags.push_back(tag);
      commands.push_back(counters);
    });
    SC_THREAD(run);
  }

  /// The configuration of a systolic machine.
  const SystolicConfig& systolic() const { return dynamic_cast<const SystolicConfig&>(machine.config()); }

  // The control socket, from within the body.
  struct Reply {
    tlm::tlm_response_status status;
    std::uint32_t value;
    sc_core::sc_time took;
  };
  Reply access(tlm::tlm_command command, std::uint64_t offset, std::uint32_t value = 0, unsigned length = 4) {
    std::array<std::uint8_t, 8> bytes{};
    for (unsigned i = 0; i < 4; ++i)
      bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(offset);
    payload.set_data_ptr(bytes.data());
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    payload.set_byte_enable_ptr(nullptr);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    control->b_transport(payload, delay);
    wait(delay);
    return {payload.get_response_status(), word_of(bytes.data()), delay};
  }
  std::uint32_t read(std::uint64_t offset) {
    const Reply reply = access(tlm::TLM_READ_COMMAND, offset);
    CHECK(reply.status == tlm::TLM_OK_RESPONSE);
    return reply.value;
  }
  void write(std::uint64_t offset, std::uint32_t value) {
    CHECK(access(tlm::TLM_WRITE_COMMAND, offset, value).status == tlm::TLM_OK_RESPONSE);
  }

  // Memory contents: no time passes.
  void put(std::uint64_t address, std::vector<std::uint8_t> bytes) {
    REQUIRE(debug(tlm::TLM_WRITE_COMMAND, address, bytes) == bytes.size());
  }
  std::vector<std::uint8_t> get(std::uint64_t address, std::size_t length) {
    std::vector<std::uint8_t> bytes(length);
    REQUIRE(debug(tlm::TLM_READ_COMMAND, address, bytes) == length);
    return bytes;
  }

  // The queue.
  void open_queue(std::uint64_t base = 0, std::uint32_t entries = 16, std::uint32_t interrupts = 3) {
    queue_base_ = base;
    queue_entries_ = entries;
    posted_ = 0;
    write(control_register::queue_base_low, static_cast<std::uint32_t>(base));
    write(control_register::queue_base_high, static_cast<std::uint32_t>(base >> 32));
    write(control_register::queue_entries, entries);
    write(control_register::interrupt_enable, interrupts);
  }
  std::uint64_t slot(std::uint32_t index) const { return queue_base_ + index % queue_entries_ * descriptor_bytes; }
  /// Places the next descriptor; ring() tells the machine.
  void post(const Descriptor& command) {
    const auto bytes = command.pack();
    put(slot(posted_++), {bytes.begin(), bytes.end()});
  }
  void post_bytes(const std::array<std::uint8_t, descriptor_bytes>& bytes) {
    put(slot(posted_++), {bytes.begin(), bytes.end()});
  }
  void ring() { write(control_register::doorbell, posted_); }
  std::uint32_t posted() const { return posted_; }
  /// Blocks until the interrupt; acknowledges it and gives its causes.
  std::uint32_t wait_interrupt() {
    while (!irq.read())
      wait(irq.value_changed_event());
    const std::uint32_t causes = read(control_register::interrupt_status);
    write(control_register::interrupt_status, causes);
    while (irq.read())
      wait(irq.value_changed_event());
    return causes;
  }
  /// A descriptor of any bytes in a fresh queue, and a reset behind it. The interrupt's causes, or nullopt when it has
  /// not come after `patience`; a command that has ended has a status.
  std::optional<std::uint32_t> attempt(const std::array<std::uint8_t, descriptor_bytes>& bytes,
                                       const sc_core::sc_time& patience) {
    open_queue();
    post_bytes(bytes);
    ring();
    sc_core::wait(patience, irq.value_changed_event());
    std::optional<std::uint32_t> causes;
    if (irq.read()) {
      causes = wait_interrupt();
      CHECK(status_word(0) != CommandStatus::pending);
    }
    write(control_register::control, 1);
    while (read(control_register::status) != 0)
      sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    return causes;
  }
  CommandStatus status_word(std::uint32_t index) {
    return static_cast<CommandStatus>(word_of(get(slot(index) + Descriptor::status_offset, 4).data()));
  }
  /// Posts one command and waits for its end.
  Outcome perform(const Descriptor& command) {
    post(command);
    ring();
    Outcome outcome;
    outcome.causes = wait_interrupt();
    outcome.status = status_word(posted_ - 1);
    if (!commands.empty()) outcome.counters = commands.back();
    return outcome;
  }

  /// No rule of the base protocol was broken on either socket, and nothing is in flight.
  void check_protocol() const {
    CHECK(control_monitor.violations() == std::vector<std::string>{});
    CHECK(memory_monitor.violations() == std::vector<std::string>{});
    CHECK(memory_monitor.in_flight() == 0);
    CHECK(memory_monitor.requests() == memory_monitor.responses());
  }

 private:
  SC_HAS_PROCESS(MachineBench);
  static std::uint32_t word_of(const std::uint8_t* bytes) {
    std::uint32_t word = 0;
    for (unsigned i = 0; i < 4; ++i)
      word |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
    return word;
  }
  unsigned debug(tlm::tlm_command command, std::uint64_t address, std::vector<std::uint8_t>& bytes) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(bytes.data());
    payload.set_data_length(static_cast<unsigned>(bytes.size()));
    payload.set_streaming_width(static_cast<unsigned>(bytes.size()));
    return contents_.transport_dbg(payload);
  }
  void run() {
    body_(*this);
    finished = true;
  }

  tlm::tlm_fw_transport_if<>& contents_;
  std::function<void(MachineBench&)> body_;
  std::uint64_t queue_base_ = 0;
  std::uint32_t queue_entries_ = 1, posted_ = 0;
};

}  // namespace nibble::test
