// SPDX-License-Identifier: Apache-2.0
/// Cpu: Rv32im with a memory of its own, a bus socket (LT, temporally decoupled) and an interrupt.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/tlm_quantumkeeper.h>
#include <cstring>
#include <systemc>
#include <vector>

#include "rv32im.h"

/// Addresses below `local_bytes` are the processor's own memory, one cycle each; all others go to `bus`. One
/// instruction takes one cycle. It runs ahead of the kernel by at most the global quantum.
class Cpu : public sc_core::sc_module, private Rv32Bus {
 public:
  tlm_utils::simple_initiator_socket<Cpu> bus{"bus"};
  sc_core::sc_in<bool> irq{"irq"};
  static constexpr std::uint32_t local_bytes = 1 << 16;

  /// Runs the program `times` times, from its reset each.
  Cpu(sc_core::sc_module_name name, const sc_core::sc_time& cycle, unsigned times = 1)
      : sc_module(name), core(*this), local_(local_bytes), cycle_(cycle), times_(times) {
    SC_HAS_PROCESS(Cpu);
    SC_THREAD(run);
  }
  std::vector<unsigned char>& local() { return local_; }
  /// The program has ended, with this in a0.
  bool stopped() const { return stopped_; }
  Rv32im core;

 private:
  void run() {
    keeper_.reset();
    const std::vector<unsigned char> image = local_;
    for (unsigned i = 0; i < times_; ++i) {
      local_ = image;
      core.reset(0);
      run_program();
    }
    keeper_.sync();
    stopped_ = true;
    sc_core::sc_stop();
  }
  void run_program() {
    for (;;) {
      core.interrupt(irq.read());
      const Rv32im::Step step = core.step();
      if (step == Rv32im::Step::waiting) {
        keeper_.sync();
        if (!irq.read()) wait(irq.posedge_event());
        keeper_.reset();
        continue;
      }
      keeper_.inc(cycle_);
      if (step == Rv32im::Step::stopped) return;
      if (keeper_.need_sync()) keeper_.sync();
    }
  }
  bool transfer(tlm::tlm_command command, std::uint32_t address, unsigned bytes, std::uint32_t& value) {
    unsigned char data[4] = {};
    for (unsigned i = 0; i < bytes; ++i)
      data[i] = static_cast<unsigned char>(value >> (8 * i));
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(data);
    payload.set_data_length(bytes);
    payload.set_streaming_width(bytes);
    sc_core::sc_time ahead = keeper_.get_local_time();
    bus->b_transport(payload, ahead);
    keeper_.set(ahead);
    value = 0;
    for (unsigned i = 0; i < bytes; ++i)
      value |= static_cast<std::uint32_t>(data[i]) << (8 * i);
    return payload.is_response_ok();
  }
  bool fetch(std::uint32_t address, std::uint32_t& instruction) override {
    if (address > local_bytes - 4) return false;
    std::memcpy(&instruction, &local_[address], 4);  // little-endian hosts
    return true;
  }
  bool load(std::uint32_t address, unsigned bytes, std::uint32_t& value) override {
    value = 0;
    if (address >= local_bytes) return transfer(tlm::TLM_READ_COMMAND, address, bytes, value);
    std::memcpy(&value, &local_[address], bytes);
    return true;
  }
  bool store(std::uint32_t address, unsigned bytes, std::uint32_t value) override {
    if (address >= local_bytes) return transfer(tlm::TLM_WRITE_COMMAND, address, bytes, value);
    std::memcpy(&local_[address], &value, bytes);
    return true;
  }

  std::vector<unsigned char> local_;
  const sc_core::sc_time cycle_;
  const unsigned times_;
  tlm_utils::tlm_quantumkeeper keeper_;
  bool stopped_ = false;
};
