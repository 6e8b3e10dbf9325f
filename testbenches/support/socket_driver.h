// SPDX-License-Identifier: Apache-2.0
/// SocketDriver: a test is a lambda that runs inside an SC_THREAD and drives one target socket with blocking accesses.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <cstdint>
#include <functional>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

namespace nibble::test {

using Bytes = std::vector<std::uint8_t>;

class SocketDriver : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<SocketDriver> initiator{"initiator"};

  /// Runs `body` and then stops the simulation; REQUIRE(sc_get_status() == SC_STOPPED) proves that it came to its end.
  SocketDriver(sc_core::sc_module_name name, std::function<void(SocketDriver&)> body)
      : sc_module(name), body_(std::move(body)) {
    SC_THREAD(run);
  }

  using sc_core::sc_module::wait;

  struct Reply {
    tlm::tlm_response_status status;
    Bytes data;
    sc_core::sc_time took;
  };
  Reply read(std::uint64_t address, unsigned length) { return blocking(tlm::TLM_READ_COMMAND, address, Bytes(length)); }
  Reply write(std::uint64_t address, Bytes data) { return blocking(tlm::TLM_WRITE_COMMAND, address, std::move(data)); }

  /// Debug access: the bytes that were transferred.
  Bytes debug_read(std::uint64_t address, unsigned length) {
    Bytes data(length);
    data.resize(debug(tlm::TLM_READ_COMMAND, address, data));
    return data;
  }
  unsigned debug_write(std::uint64_t address, Bytes data) { return debug(tlm::TLM_WRITE_COMMAND, address, data); }

  static void set(tlm::tlm_generic_payload& payload, tlm::tlm_command command, std::uint64_t address, Bytes& data) {
    payload.set_command(command);
    payload.set_address(address);
    static std::uint8_t no_byte = 0;  // a pointer is there even when nothing is to be moved
    payload.set_data_ptr(data.empty() ? &no_byte : data.data());
    payload.set_data_length(static_cast<unsigned>(data.size()));
    payload.set_streaming_width(static_cast<unsigned>(data.size()));
    payload.set_byte_enable_ptr(nullptr);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }

 private:
  SC_HAS_PROCESS(SocketDriver);
  Reply blocking(tlm::tlm_command command, std::uint64_t address, Bytes data) {
    tlm::tlm_generic_payload payload;
    set(payload, command, address, data);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const sc_core::sc_time start = sc_core::sc_time_stamp();
    initiator->b_transport(payload, delay);
    wait(delay);
    return {payload.get_response_status(), std::move(data), sc_core::sc_time_stamp() - start};
  }
  unsigned debug(tlm::tlm_command command, std::uint64_t address, Bytes& data) {
    tlm::tlm_generic_payload payload;
    set(payload, command, address, data);
    return initiator->transport_dbg(payload);
  }
  void run() {
    body_(*this);
    sc_core::sc_stop();
  }

  std::function<void(SocketDriver&)> body_;
};

}  // namespace nibble::test
