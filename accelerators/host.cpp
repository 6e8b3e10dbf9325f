// SPDX-License-Identifier: Apache-2.0
#include "accelerators/host.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "transport/messages.h"

namespace nibble {
namespace reg = control_register;

Host::Host(sc_core::sc_module_name name, std::uint64_t queue_address, std::uint32_t queue_entries)
    : sc_module(name), queue_address_(queue_address), queue_entries_(queue_entries) {
  SC_HAS_PROCESS(Host);
  SC_THREAD(drive);
}

void Host::debug(tlm::tlm_command command, std::uint64_t address, std::uint8_t* data, std::uint64_t bytes) {
  constexpr std::uint64_t piece = std::uint64_t{1} << 30;
  for (std::uint64_t done = 0; done < bytes;) {
    tlm::tlm_generic_payload payload;
    const auto length = static_cast<unsigned>(std::min(piece, bytes - done));
    payload.set_command(command);
    payload.set_address(address + done);
    payload.set_data_ptr(data + done);
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    if (memory->transport_dbg(payload) != length) {
      throw InputError(
          "memory: address " + std::to_string(address + done) + " and " + std::to_string(length) +
          " bytes from there do not lie in it; choose a larger memory (--set memory.rows=..., memory.channels=...)");
    }
    done += length;
  }
}

void Host::write_memory(std::uint64_t address, const std::vector<std::uint8_t>& bytes) {
  debug(tlm::TLM_WRITE_COMMAND, address, const_cast<std::uint8_t*>(bytes.data()), bytes.size());
}

std::vector<std::uint8_t> Host::read_memory(std::uint64_t address, std::uint64_t bytes) {
  std::vector<std::uint8_t> out(bytes);
  debug(tlm::TLM_READ_COMMAND, address, out.data(), bytes);
  return out;
}

void Host::access(tlm::tlm_command command, std::uint64_t offset, std::uint8_t* word) {
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(offset);
  payload.set_data_ptr(word);
  payload.set_data_length(4);
  payload.set_streaming_width(4);
  sc_core::sc_time ahead = keeper_.get_local_time();
  control->b_transport(payload, ahead);
  keeper_.set(ahead);
  if (keeper_.need_sync()) keeper_.sync();
  if (payload.is_response_error()) {
    throw InternalError("host: register " + std::string(payload.is_read() ? "read" : "write") +
                        " refused: " + payload.get_response_string());
  }
}

std::uint32_t Host::read_register(std::uint64_t offset) {
  std::uint8_t word[4] = {};
  access(tlm::TLM_READ_COMMAND, offset, word);
  return static_cast<std::uint32_t>(word[0]) | static_cast<std::uint32_t>(word[1]) << 8 |
         static_cast<std::uint32_t>(word[2]) << 16 | static_cast<std::uint32_t>(word[3]) << 24;
}

void Host::write_register(std::uint64_t offset, std::uint32_t value) {
  std::uint8_t word[4];
  for (unsigned i = 0; i < 4; ++i)
    word[i] = static_cast<std::uint8_t>(value >> (8 * i));
  access(tlm::TLM_WRITE_COMMAND, offset, word);
}

/// The kernel comes to where the host is, then the line goes high, if it is not.
void Host::wait_for_irq() {
  catch_up();
  while (!irq.read())
    sc_core::wait(irq.value_changed_event());
  keeper_.reset();
}

void Host::catch_up() {
  if (keeper_.get_local_time() != sc_core::SC_ZERO_TIME) keeper_.sync();
}

void Host::drive() {
  keeper_.reset();
  if (read_register(reg::id) != reg::id_value) throw InternalError("host: no nibble machine behind the control socket");
  write_register(reg::queue_base_low, static_cast<std::uint32_t>(queue_address_));
  write_register(reg::queue_base_high, static_cast<std::uint32_t>(queue_address_ >> 32));
  write_register(reg::queue_entries, queue_entries_);
  write_register(reg::interrupt_enable, 3);
  std::uint64_t posted = 0;
  std::optional<Descriptor> next = source_ ? source_() : std::nullopt;
  while (next || completed_ < posted) {
    bool rang = false;
    for (; next && posted - completed_ < queue_entries_; next = source_()) {
      const auto bytes = next->pack();
      write_memory(queue_address_ + posted % queue_entries_ * descriptor_bytes, {bytes.begin(), bytes.end()});
      ++posted;
      rang = true;
    }
    if (rang) {
      tell(message::host, sc_core::SC_MEDIUM, this, [&] { return std::to_string(posted) + " commands posted so far"; });
      write_register(reg::doorbell, static_cast<std::uint32_t>(posted));
    }
    wait_for_irq();
    const std::uint32_t causes = read_register(reg::interrupt_status);
    write_register(reg::interrupt_status, causes);
    // What completes from here on raises the line again, even before the host has seen it low.
    completed_ += static_cast<std::uint32_t>(read_register(reg::completed) - static_cast<std::uint32_t>(completed_));
    tell(message::host, sc_core::SC_MEDIUM, this, [&] {
      return "interrupt " + std::to_string(causes) + ", " + std::to_string(completed_) + " commands completed";
    });
    if ((causes & 2u) != 0) {
      const auto word = read_memory(
          queue_address_ + (completed_ - 1) % queue_entries_ * descriptor_bytes + Descriptor::status_offset, 4);
      status_ = static_cast<CommandStatus>(
          static_cast<std::uint32_t>(word[0]) | static_cast<std::uint32_t>(word[1]) << 8 |
          static_cast<std::uint32_t>(word[2]) << 16 | static_cast<std::uint32_t>(word[3]) << 24);
      tell(message::host, sc_core::SC_LOW, this,
           [&] { return std::string("a command failed: ") + to_string(status_); });
      break;
    }
  }
  catch_up();
  if (at_end_) at_end_();
  if (stop_at_end_) sc_core::sc_stop();
}

}  // namespace nibble
