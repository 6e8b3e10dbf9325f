// SPDX-License-Identifier: Apache-2.0
/// A host that runs real guest software: a RISC-V processor executes guest.c, which drives a machine through its
/// registers, doorbell and interrupt. Usage: riscv_host IMAGE [QUANTUM_NS [TIMES]]
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <systemc>

#include "accelerators/accelerator.h"
#include "accelerators/platform.h"
#include "cpu.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "transport/links.h"

using namespace nibble;

/// A flat image (.bin), or its words in hexadecimal, one per line (.words).
std::vector<unsigned char> load_image(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (file.size() > 4 && file.substr(file.size() - 4) == ".bin")
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::vector<unsigned char> bytes;
  for (unsigned long word = 0; in >> std::hex >> word;) {
    for (unsigned i = 0; i < 4; ++i)
      bytes.push_back(static_cast<unsigned char>(word >> (8 * i)));
  }
  return bytes;
}

int sc_main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: riscv_host IMAGE [QUANTUM_NS [TIMES]]\n"), 2;
  const double quantum = argc > 2 ? std::atof(argv[2]) : 0;
  tlm::tlm_global_quantum::instance().set(sc_core::sc_time(quantum, sc_core::SC_NS));

  // The guest sees the machine's registers at 0x10000000 and DRAM from 0x80000000; the machine sees the same DRAM
  // there.
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load("accelerators", "mant"));
  Accelerator machine("machine", *config.machine);
  const auto memory = make_memory("memory", config.memory, nullptr);
  RouterConfig map;
  map.initiators = map.targets = 2;
  map.windows = {{0x10000000, 0x1000, 0, true}, {0x80000000, 0x10000000, 1, true}};
  Router router("router", map);
  const unsigned times = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 1;
  Cpu cpu("cpu", sc_core::sc_time(1, sc_core::SC_NS), times);
  sc_core::sc_signal<bool> irq("irq");
  Links links;  // the environment variable NIBBLE_PROBES puts probes on them
  links.bind("cpu.bus", cpu.bus, router.target(0));
  links.bind("machine.memory", machine.memory, router.target(1));
  links.bind("router.control", router.initiator(0), machine.control);
  links.bind("router.memory", router.initiator(1), memory->target);
  machine.irq.bind(irq);
  cpu.irq.bind(irq);

  const std::vector<unsigned char> image = load_image(argv[1]);
  if (image.empty() || image.size() > cpu.local().size()) return std::fprintf(stderr, "no image in %s\n", argv[1]), 2;
  std::copy(image.begin(), image.end(), cpu.local().begin());
  std::uint64_t machine_cycles = 0;
  machine.observe([&](std::uint32_t, std::uint64_t, const CommandCounters& c) { machine_cycles = c.cycles; });
  sc_core::sc_start(sc_core::sc_time(10.0 * times, sc_core::SC_MS));
  links.finish(true);
  std::printf("guest: a0 = %u after %llu instructions, %s; machine: %llu cycles\n", cpu.core.reg(10),
              static_cast<unsigned long long>(cpu.core.retired()), sc_core::sc_time_stamp().to_string().c_str(),
              static_cast<unsigned long long>(machine_cycles));
  return cpu.stopped() && cpu.core.reg(10) == 0 && cpu.core.csr(Rv32im::mcause) == 0x8000000B ? 0 : 1;
}
