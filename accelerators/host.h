// SPDX-License-Identifier: Apache-2.0
/// The host's side of the interface: posts descriptors, rings the doorbell, waits for interrupts. `nibble run` drives
/// every machine through it, so the platform that users bind is the one that is always exercised. Loosely timed: it
/// runs ahead of the kernel by at most the global quantum of TLM (0: not at all).
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/tlm_quantumkeeper.h>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "accelerators/descriptor.h"

namespace nibble {

class Host : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Host> control{"control"};
  tlm_utils::simple_initiator_socket<Host> memory{"memory"};
  sc_core::sc_in<bool> irq{"irq"};

  /// Next command to post; nullopt: no more. Called from the kernel.
  using Source = std::function<std::optional<Descriptor>()>;

  /// The descriptor ring lies at `queue_address`, `queue_entries` of them.
  Host(sc_core::sc_module_name name, std::uint64_t queue_address, std::uint32_t queue_entries);
  void run(Source source) { source_ = std::move(source); }

  /// Operands through debug transport: no time passes. Throws InputError when the memory does not take or give all
  /// bytes.
  void write_memory(std::uint64_t address, const std::vector<std::uint8_t>& bytes);
  std::vector<std::uint8_t> read_memory(std::uint64_t address, std::uint64_t bytes);

  /// Called when every posted command has been completed, before the simulation stops.
  void at_end(std::function<void()> action) { at_end_ = std::move(action); }
  /// Whether the simulation stops when the last command has been completed (it does unless told otherwise).
  void stop_at_end(bool on) { stop_at_end_ = on; }
  /// Status of the first command that failed; done when none did.
  CommandStatus status() const { return status_; }
  std::uint64_t completed() const { return completed_; }

 private:
  void drive();
  void access(tlm::tlm_command command, std::uint64_t offset, std::uint8_t* word);
  void wait_for_irq();
  void catch_up();
  std::uint32_t read_register(std::uint64_t offset);
  void write_register(std::uint64_t offset, std::uint32_t value);
  void debug(tlm::tlm_command command, std::uint64_t address, std::uint8_t* data, std::uint64_t bytes);

  const std::uint64_t queue_address_;
  const std::uint32_t queue_entries_;
  Source source_;
  std::function<void()> at_end_;
  CommandStatus status_ = CommandStatus::done;
  std::uint64_t completed_ = 0;
  bool stop_at_end_ = true;
  tlm_utils::tlm_quantumkeeper keeper_;  ///< the host runs ahead of the kernel by at most the global quantum
};

}  // namespace nibble
