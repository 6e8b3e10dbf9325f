// SPDX-License-Identifier: Apache-2.0
/// A program outside of nibble: wires a machine to a memory and a host, runs one product, prints its cycles.
#include <cstdio>
#include <memory>
#include <systemc>

#include "accelerators/accelerator.h"
#include "accelerators/host.h"
#include "accelerators/platform.h"
#include "core/config_node.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "transport/links.h"

namespace {

nibble::OperandDescriptor operand(const char* format, std::uint64_t address, std::uint32_t rows,
                                  std::uint32_t columns) {
  nibble::OperandDescriptor out;
  out.format = nibble::Format::parse(format);
  out.address = address;
  out.rows = rows;
  out.columns = columns;
  out.block_rows = rows;
  return out;
}

}  // namespace

int sc_main(int, char**) {
  const auto config =
      nibble::PlatformConfig::from(nibble::ConfigNode::load(nibble::find_config("accelerators", "mant")));
  nibble::Accelerator machine("machine", *config.machine);
  const auto memory = nibble::make_memory("memory", config.memory, nullptr);
  nibble::Router router("router", nibble::RouterConfig::single_target(2, memory->capacity_bytes()));
  nibble::Host host("host", 0, 4);
  sc_core::sc_signal<bool> irq("irq");
  nibble::Links links;
  links.bind("machine.memory", machine.memory, router.target(0));
  links.bind("host.memory", host.memory, router.target(1));
  links.bind("router.memory", router.initiator(0), memory->target);
  links.bind("host.control", host.control, machine.control);
  machine.irq.bind(irq);
  host.irq.bind(irq);

  nibble::Descriptor command;
  command.opcode = nibble::Opcode::gemm;
  command.timing_only = true;
  command.m = 64;
  command.k = 64;
  command.n = 32;
  command.a = operand("int8-g64", 0x10000, 64, 64);
  command.w = operand("mant4-g64", 0x20000, 32, 64);
  command.c = operand("fp16", 0x30000, 64, 32);
  command.tiling = {64, 64, 32, nibble::LoopOrder::mnk};
  bool posted = false;
  host.run([&]() -> std::optional<nibble::Descriptor> {
    if (posted) return std::nullopt;
    posted = true;
    return command;
  });
  std::uint64_t computed = 0;
  machine.observe([&](std::uint32_t, std::uint64_t, const nibble::CommandCounters& counters) {
    computed = counters.compute_cycles;
  });
  sc_core::sc_start();
  links.finish(true);
  std::printf("%s, %llu compute cycles\n", nibble::to_string(host.status()), static_cast<unsigned long long>(computed));
  return host.status() == nibble::CommandStatus::done && computed == 64 ? 0 : 1;
}
