// SPDX-License-Identifier: Apache-2.0
/// docs/tutorials/embed-nibble.md: a machine in a platform of one's own.
// excerpt: includes
#include <cstdio>

#include "accelerators/accelerator.h"
#include "accelerators/host.h"
#include "accelerators/platform.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "transport/links.h"

using namespace nibble;
// end excerpt

// excerpt: command
OperandDescriptor operand(const char* format, std::uint64_t address, std::uint32_t rows, std::uint32_t columns) {
  OperandDescriptor out;
  out.format = Format::parse(format);
  out.address = address;
  out.rows = out.block_rows = rows;
  out.columns = columns;
  return out;
}

Descriptor product() {
  Descriptor command;
  command.opcode = Opcode::gemm;
  command.timing_only = true;
  command.m = 64, command.k = 64, command.n = 32;
  command.tiling = {64, 64, 32, LoopOrder::mnk};
  command.a = operand("int8-g64", 0x10000, 64, 64);
  command.w = operand("mant4-g64", 0x20000, 32, 64);
  command.c = operand("fp16", 0x30000, 64, 32);
  return command;
}
// end excerpt

// excerpt: platform
int sc_main(int, char**) {
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load("accelerators", "mant"));
  Accelerator machine("machine", *config.machine);
  const auto memory = make_memory("memory", config.memory, nullptr);
  Router router("router", RouterConfig::single_target(2, memory->capacity_bytes()));
  Host host("host", 0, 16);  // descriptor ring at address 0, 16 slots
  sc_core::sc_signal<bool> irq("irq");
  Links links({ProbeRequest::parse("protocol"), ProbeRequest::parse("latency,link=machine.memory,file=latency.csv")});
  links.bind("host.control", host.control, machine.control);
  links.bind("host.memory", host.memory, router.target(0));
  links.bind("machine.memory", machine.memory, router.target(1));
  links.bind("router.memory", router.initiator(0), memory->target);
  machine.irq.bind(irq), host.irq.bind(irq);
  // end excerpt
  // excerpt: run
  bool posted = false;
  host.run([&]() -> std::optional<Descriptor> {
    if (std::exchange(posted, true)) return std::nullopt;
    return product();
  });
  machine.observe([](std::uint32_t, std::uint64_t, const CommandCounters& counters) {
    std::printf("%llu cycles, %llu of them computing\n", static_cast<unsigned long long>(counters.cycles),
                static_cast<unsigned long long>(counters.compute_cycles));
  });
  sc_core::sc_start();
  links.finish(true);  // writes latency.csv; throws when a rule of the base protocol was broken
  return host.status() == CommandStatus::done ? 0 : 1;
}
// end excerpt
