// SPDX-License-Identifier: Apache-2.0
/// A program outside of nibble: a host and a loosely timed memory of its own around a machine; one product with data.
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <algorithm>

#include "accelerators/systolic_accelerator.h"
#include "accelerators/tile_buffers.h"
#include "transport/links.h"
using namespace nibble;

struct Memory : sc_core::sc_module {
  tlm_utils::simple_target_socket<Memory> socket{"socket"};
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(1 << 20);
  explicit Memory(sc_core::sc_module_name n) : sc_module(n) { socket.register_b_transport(this, &Memory::access); }
  void access(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) {
    auto *mine = &bytes[p.get_address()], *its = p.get_data_ptr();
    std::copy_n(p.is_read() ? mine : its, p.get_data_length(), p.is_read() ? its : mine);
    p.set_response_status(tlm::TLM_OK_RESPONSE);
    delay += sc_core::sc_time(30, sc_core::SC_NS);
  }
};

struct Host : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Host> control{"control"};
  sc_core::sc_in<bool> irq{"irq"};
  SC_HAS_PROCESS(Host);
  explicit Host(sc_core::sc_module_name name) : sc_module(name) { SC_THREAD(run); }
  void run() {
    for (auto offset :
         {control_register::queue_entries, control_register::interrupt_enable, control_register::doorbell}) {
      tlm::tlm_generic_payload p;
      sc_core::sc_time delay;
      unsigned char one[] = {1, 0, 0, 0};
      p.set_write(), p.set_address(offset), p.set_data_ptr(one), p.set_data_length(4), p.set_streaming_width(4);
      control->b_transport(p, delay);
    }
    wait(irq.posedge_event());
  }
};

int sc_main(int, char**) {
  constexpr std::uint32_t m = 5, k = 128, n = 40;
  SystolicAccelerator machine("machine", SystolicConfig::from(ConfigNode::load(CONFIGURATION)));
  Memory memory("memory");
  Host host("host");
  sc_core::sc_signal<bool> irq("irq");
  Links links;
  links.bind("control", host.control, machine.control), links.bind("memory", machine.memory, memory.socket);
  machine.irq.bind(irq), host.irq.bind(irq);
  const auto a = encode({"a", {m, k}, std::vector<float>(m * k, 0.5f)}, Format::parse("int8-g64"));
  const auto w = encode({"w", {n, k}, std::vector<float>(n * k, -2.0f)}, Format::parse("mant4-g64"));
  Descriptor d;
  d.opcode = Opcode::gemm, d.m = m, d.k = k, d.n = n, d.tiling = {m, k, n, LoopOrder::mnk};
  d.a = {0x1000, 0, m, k, m, a.format}, d.w = {0x8000, 0, n, k, n, w.format};
  d.c = {0x10000, 0, m, n, m, Format::parse("fp16")};
  const auto put = [&](const auto& from, auto to) { std::copy(from.begin(), from.end(), &memory.bytes[to]); };
  put(d.pack(), 0), put(pack_operand(d.a.layout(0), a), d.a.address), put(pack_operand(d.w.layout(0), w), d.w.address);
  sc_core::sc_start();
  const std::uint8_t* c = &memory.bytes[d.c.address];  // 128 x 0.5 x -2 each, the scales being rounded
  const auto result = unpack_results(d.c.layout(0), d.c.format, {c, c + m * n * 2});
  return irq && std::all_of(result.begin(), result.end(), [](float x) { return x > -128.5 && x < -127.5; }) ? 0 : 1;
}
