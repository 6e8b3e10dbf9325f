// SPDX-License-Identifier: Apache-2.0
/// A Verilated RTL PE in the loop of a TLM machine: the int8-array computes H = A x V^T and writes it as INT8 to a
/// DRAM, its interrupt starts a unit around the SystemVerilog PE, which computes Y = H x W^T from the same DRAM, pin by
/// pin. Y has to be the PE function's product to the bit.
#include <tlm_utils/simple_initiator_socket.h>
#include <cstdio>
#include <cstring>
#include <systemc>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/host.h"
#include "accelerators/platform.h"
#include "accelerators/tile_buffers.h"
#include "formats/rounding.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "pe/pe_library.h"
#include "rtl_pe.h"
#include "transport/links.h"
#include "workloads/synthetic.h"

using namespace nibble;

constexpr std::uint32_t m = 6, k = 96, hidden = 64, n = 8;

OperandDescriptor operand(const char* format, std::uint64_t address, std::uint32_t rows, std::uint32_t columns) {
  OperandDescriptor out;
  out.format = Format::parse(format);
  out.address = address;
  out.rows = rows;
  out.columns = columns;
  return out;
}
const OperandDescriptor a = operand("int8-channel", 0x10000, m, k), v = operand("int8-channel", 0x20000, hidden, k),
                        h = operand("int8-channel", 0x30000, m, hidden),
                        w = operand("int8-channel", 0x40000, n, hidden), y = operand("fp32", 0x50000, m, n);

QuantizedTensor unpack(const OperandDescriptor& what, const std::vector<std::uint8_t>& bytes) {
  return unpack_tile(what.layout(0), what.format, {0, what.rows, 0, what.columns}, bytes);
}

/// Waits for the machine's interrupt, fetches H and W over its memory socket, and writes Y.
struct RtlUnit : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<RtlUnit> memory{"memory"};
  sc_core::sc_in<bool> irq{"irq"};
  RtlPe pe{"pe"};
  bool failed = false;

  explicit RtlUnit(sc_core::sc_module_name name) : sc_module(name) {
    SC_HAS_PROCESS(RtlUnit);
    SC_THREAD(run);
  }
  void transfer(tlm::tlm_command command, std::uint64_t address, void* data, std::size_t bytes) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(static_cast<unsigned>(bytes));
    payload.set_streaming_width(static_cast<unsigned>(bytes));
    memory->b_transport(payload, delay);
    wait(delay);
    failed = failed || !payload.is_response_ok();
  }
  QuantizedTensor fetch(const OperandDescriptor& what) {
    std::vector<std::uint8_t> bytes(what.bytes());
    transfer(tlm::TLM_READ_COMMAND, what.address, bytes.data(), bytes.size());
    return unpack(what, bytes);
  }
  void run() {
    pe.reset();
    wait(irq.posedge_event());
    const QuantizedTensor x = fetch(h), weights = fetch(w);
    std::vector<std::uint32_t> results;
    for (std::uint32_t row = 0; row < m; ++row) {
      for (std::uint32_t column = 0; column < n; ++column)
        results.push_back(pe.dot(&x.codes[row * hidden], fp16_bits(x.scales[row]), &weights.codes[column * hidden],
                                 fp16_bits(weights.scales[column]), hidden));
    }
    transfer(tlm::TLM_WRITE_COMMAND, y.address, results.data(), results.size() * sizeof results[0]);
    sc_core::sc_stop();
  }
};

QuantizedTensor random_matrix(const OperandDescriptor& shape, std::uint64_t seed) {
  SyntheticTensor request;
  request.rows = shape.rows, request.columns = shape.columns, request.seed = seed;
  return encode(make_synthetic(request), shape.format);
}

int sc_main(int, char**) {
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load("accelerators", "int8-array"));
  Accelerator machine("machine", *config.machine);
  Host host("host", 0, 16);
  RtlUnit rtl("rtl");
  const auto memory = make_memory("memory", config.memory, nullptr);
  Router router("router", RouterConfig::single_target(3, memory->capacity_bytes()));
  sc_core::sc_signal<bool> irq("irq");
  machine.irq.bind(irq), host.irq.bind(irq), rtl.irq.bind(irq);
  Links links;  // the environment variable NIBBLE_PROBES puts probes on them
  links.bind("host.control", host.control, machine.control);
  links.bind("machine.memory", machine.memory, router.target(0));
  links.bind("host.memory", host.memory, router.target(1));
  links.bind("rtl.memory", rtl.memory, router.target(2));
  links.bind("router.memory", router.initiator(0), memory->target);

  Descriptor command;
  command.opcode = Opcode::gemm;
  command.m = m, command.k = k, command.n = hidden;
  command.tiling = {m, k, hidden, LoopOrder::mnk};
  command.a = a, command.w = v, command.c = h;
  bool posted = false;
  host.stop_at_end(false);
  host.run([&]() -> std::optional<Descriptor> {
    if (std::exchange(posted, true)) return std::nullopt;
    host.write_memory(a.address, pack_operand(a.layout(0), random_matrix(a, 1)));
    host.write_memory(v.address, pack_operand(v.layout(0), random_matrix(v, 2)));
    host.write_memory(w.address, pack_operand(w.layout(0), random_matrix(w, 3)));
    return command;
  });
  sc_core::sc_start();
  links.finish(true);

  std::vector<float> expected;
  gemm(find_pe("int8"), unpack(h, host.read_memory(h.address, h.bytes())), random_matrix(w, 3), expected);
  const std::vector<float> result = unpack_results(y.layout(0), y.format, host.read_memory(y.address, y.bytes()));
  const bool equal = result.size() == expected.size() &&
                     std::memcmp(result.data(), expected.data(), expected.size() * sizeof(float)) == 0;
  std::printf("the machine: %s; %u x %u products by the RTL PE behind it: %s\n", to_string(host.status()), m, n,
              equal ? "the PE's to the bit" : "WRONG");
  return equal && !rtl.failed && host.status() == CommandStatus::done ? 0 : 1;
}
