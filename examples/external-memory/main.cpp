// SPDX-License-Identifier: Apache-2.0
/// A memory that is not nibble's behind a machine's memory socket. Without DRAMSys: a model of another kind, which
/// takes bursts of 64 bytes, answers in order after a fixed time and knows no rows. With it (WITH_DRAMSYS): DRAMSys,
/// configured by the JSON file that the program is given.
#include <tlm_utils/peq_with_get.h>
#include <tlm_utils/simple_target_socket.h>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <systemc>
#include <vector>
#ifdef WITH_DRAMSYS
#include <DRAMSys/config/DRAMSysConfiguration.h>
#include <DRAMSys/simulation/DRAMSys.h>
#endif

#include "accelerators/accelerator.h"
#include "accelerators/host.h"
#include "accelerators/platform.h"
#include "memory/router.h"
#include "transport/links.h"

using namespace nibble;

constexpr std::uint64_t capacity = std::uint64_t{1} << 24;
constexpr unsigned burst_bytes = 64;  // what a DRAM takes in one transaction

/// Answers each request `latency` later, in order; takes a new one every `interval`. Early completion, no phases.
struct FixedLatencyMemory : sc_core::sc_module {
  tlm_utils::simple_target_socket<FixedLatencyMemory> socket{"socket"};
  std::vector<unsigned char> bytes = std::vector<unsigned char>(capacity);
  const sc_core::sc_time latency{60, sc_core::SC_NS}, interval{4, sc_core::SC_NS};
  sc_core::sc_time free;
  std::uint64_t requests = 0;

  explicit FixedLatencyMemory(sc_core::sc_module_name name) : sc_module(name) {
    socket.register_nb_transport_fw(this, &FixedLatencyMemory::forward);
    socket.register_b_transport(this, &FixedLatencyMemory::blocking);
    socket.register_transport_dbg(this, &FixedLatencyMemory::access);
  }
  unsigned access(tlm::tlm_generic_payload& p) {
    const std::uint64_t length = p.get_data_length();
    if (p.get_address() > capacity || length > capacity - p.get_address()) return 0;
    if (p.is_read()) std::memcpy(p.get_data_ptr(), &bytes[p.get_address()], length);
    if (p.is_write()) std::memcpy(&bytes[p.get_address()], p.get_data_ptr(), length);
    return p.get_data_length();
  }
  void blocking(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) {
    ++requests;
    const bool fits = p.get_data_length() <= burst_bytes;
    const bool there = fits && access(p) == p.get_data_length();
    p.set_response_status(there  ? tlm::TLM_OK_RESPONSE
                          : fits ? tlm::TLM_ADDRESS_ERROR_RESPONSE
                                 : tlm::TLM_BURST_ERROR_RESPONSE);
    const sc_core::sc_time now = sc_core::sc_time_stamp(), begin = std::max(now + delay, free);
    free = begin + interval;
    delay = begin + latency - now;
  }
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& p, tlm::tlm_phase&, sc_core::sc_time& delay) {
    blocking(p, delay);
    return tlm::TLM_COMPLETED;
  }
};

OperandDescriptor operand(const char* format, std::uint64_t address, std::uint32_t rows, std::uint32_t columns) {
  OperandDescriptor out;
  out.format = Format::parse(format);
  out.address = address;
  out.rows = out.block_rows = rows;
  out.columns = columns;
  return out;
}

int sc_main(int argc, char** argv) {
  ConfigNode node = ConfigNode::load("accelerators", "mant");
  node.apply_override("dma.transaction_bytes=" + std::to_string(burst_bytes));  // never more than a burst at a time
  const PlatformConfig config = PlatformConfig::from(node);
  Accelerator machine("machine", *config.machine);
  Host host("host", 0, 16);
  Router router("router", RouterConfig::single_target(2, capacity));
  sc_core::sc_signal<bool> irq("irq");
  Links links;  // the environment variable NIBBLE_PROBES puts probes on them
  links.bind("host.control", host.control, machine.control);
  machine.irq.bind(irq);
  host.irq.bind(irq);
  links.bind("machine.memory", machine.memory, router.target(0));
  links.bind("host.memory", host.memory, router.target(1));
#ifdef WITH_DRAMSYS
  if (argc != 2) return std::fprintf(stderr, "usage: dramsys_memory CONFIGURATION.json\n"), 2;
  DRAMSys::DRAMSys memory("memory", DRAMSys::Config::from_path(argv[1]));
  links.bind("router.memory", router.initiator(0), memory.tSocket);
#else
  (void)argc, (void)argv;
  FixedLatencyMemory memory("memory");
  links.bind("router.memory", router.initiator(0), memory.socket);
#endif

  Descriptor command;
  command.opcode = Opcode::gemm;
  command.timing_only = true;
  command.m = 64, command.k = 1024, command.n = 256;
  command.tiling = {64, 512, 64, LoopOrder::mnk};
  command.a = operand("int8-g64", 0x10000, 64, 1024);
  command.w = operand("mant4-g64", 0x80000, 256, 1024);
  command.w.block_rows = 64;
  command.c = operand("fp16", 0x200000, 64, 256);
  unsigned posted = 0;
  host.run([&]() { return posted++ == 0 ? std::optional<Descriptor>(command) : std::nullopt; });
  CommandCounters counters;
  machine.observe([&](std::uint32_t, std::uint64_t, const CommandCounters& c) { counters = c; });
  sc_core::sc_start();
  links.finish(true);
  const Router::Served& served = router.served(0);
  std::printf("%s: %llu cycles, %llu transactions of up to %u bytes, mean latency %.1f ns, %llu errors\n",
              to_string(host.status()), static_cast<unsigned long long>(counters.cycles),
              static_cast<unsigned long long>(served.transactions), burst_bytes,
              served.latency.to_seconds() * 1e9 / static_cast<double>(served.responses),
              static_cast<unsigned long long>(served.error_responses));
  return host.status() == CommandStatus::done && counters.cycles > 0 && served.error_responses == 0 ? 0 : 1;
}
