// SPDX-License-Identifier: Apache-2.0
/// Two machines behind one DRAM. Beside them each runs the same product behind a DRAM of its own: what sharing costs
/// stands in the report.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/host.h"
#include "accelerators/platform.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "transport/links.h"

using namespace nibble;

constexpr std::uint64_t room = std::uint64_t{1} << 28;  // bytes of the memory for each machine

/// A machine, the host that drives it, and what its commands took.
struct Node {
  PlatformConfig config;
  Accelerator machine;
  Host host;
  sc_core::sc_signal<bool> irq;
  Descriptor command;
  CommandCounters ended;
  bool posted = false;

  Node(Links& links, const std::string& group, const std::string& name, unsigned index)
      : config(PlatformConfig::from(ConfigNode::load("accelerators", name))),
        machine((group + "_" + name).c_str(), *config.machine),
        host((group + "_" + name + "_host").c_str(), index * room, 16),
        irq((group + "_" + name + "_irq").c_str()) {
    links.bind(std::string(host.name()) + ".control", host.control, machine.control);
    machine.irq.bind(irq);
    host.irq.bind(irq);
    host.stop_at_end(false);
    machine.observe([this](std::uint32_t, std::uint64_t, const CommandCounters& counters) { ended = counters; });
    command = product(index * room + 0x10000);
    host.run([this]() -> std::optional<Descriptor> {
      if (posted) return std::nullopt;
      posted = true;
      return command;
    });
  }

  OperandDescriptor operand(const Format& format, std::uint32_t rows, std::uint32_t columns,
                            std::uint64_t& next) const {
    OperandDescriptor out;
    out.format = format;
    out.address = next;
    out.rows = rows;
    out.columns = columns;
    out.block_rows = std::min(rows, 64u);
    next += out.bytes() + 4096 - out.bytes() % 4096;
    return out;
  }
  /// A decode step's product, which memory binds: C[16, 4096] = A[16, 4096] x W[4096, 4096]^T.
  Descriptor product(std::uint64_t next) const {
    const MachineConfig& own = *config.machine;
    Descriptor d;
    d.opcode = Opcode::gemm;
    d.timing_only = true;
    d.m = 16;
    d.k = d.n = 4096;
    d.a = operand(own.formats.activation, d.m, d.k, next);
    d.w = operand(own.formats.weight, d.n, d.k, next);
    d.c = operand(Format::parse("fp16"), d.m, d.n, next);
    MemoryRate rate;
    rate.bytes_per_cycle = 64;
    rate.latency_cycles = 50;
    d.tiling = own.choose_tiling(d, rate);
    return d;
  }
};

/// A DRAM, a router before it, and the machines that share it.
struct Group {
  std::unique_ptr<MemorySystem> memory;
  Router router;
  std::vector<std::unique_ptr<Node>> nodes;

  Group(Links& links, const std::string& name, const std::vector<std::string>& machines)
      : memory(make_memory((name + "_memory").c_str(), ConfigNode::load("memories", "ddr4-3200"), nullptr)),
        router((name + "_router").c_str(),
               RouterConfig::single_target(2 * static_cast<unsigned>(machines.size()), memory->capacity_bytes())) {
    links.bind(name + ".memory", router.initiator(0), memory->target);
    for (unsigned i = 0; i < machines.size(); ++i) {
      nodes.push_back(std::make_unique<Node>(links, name, machines[i], i));
      Node& node = *nodes[i];
      links.bind(std::string(node.machine.name()) + ".memory", node.machine.memory, router.target(2 * i));
      links.bind(std::string(node.host.name()) + ".memory", node.host.memory, router.target(2 * i + 1));
    }
  }
};

int sc_main(int, char**) {
  Links links;  // the environment variable NIBBLE_PROBES puts probes on them
  Group first(links, "first", {"mant"}), second(links, "second", {"int8-array"});
  Group both(links, "both", {"mant", "int8-array"});
  sc_core::sc_start();
  links.finish(true);

  std::printf("%-11s %13s %13s %9s %12s %14s %15s\n", "machine", "cycles alone", "cycles shared", "slowdown",
              "bytes read", "latency alone", "latency shared");
  const auto latency = [](const Router::Served& served) {
    return served.latency.to_seconds() * 1e9 / static_cast<double>(served.responses);
  };
  bool contended = true;
  for (unsigned i = 0; i < 2; ++i) {
    const Group& own = i == 0 ? first : second;
    const Node &alone = *own.nodes[0], &shared = *both.nodes[i];
    if (alone.host.status() != CommandStatus::done || shared.host.status() != CommandStatus::done) return 1;
    const double slowdown = static_cast<double>(shared.ended.cycles) / static_cast<double>(alone.ended.cycles);
    const double before = latency(own.router.served(0)), now = latency(both.router.served(2 * i));
    std::printf("%-11s %13llu %13llu %8.2fx %12llu %11.1f ns %12.1f ns\n", shared.config.machine->name.c_str(),
                static_cast<unsigned long long>(alone.ended.cycles),
                static_cast<unsigned long long>(shared.ended.cycles), slowdown,
                static_cast<unsigned long long>(both.router.served(2 * i).read_bytes), before, now);
    contended = contended && slowdown > 1.05 && now > before;
  }
  return contended ? 0 : 1;
}
