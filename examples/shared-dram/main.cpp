// SPDX-License-Identifier: Apache-2.0
/// Two machines behind one DRAM: each runs a product alone, then both at once. What sharing costs stands in the report.
#include <algorithm>
#include <array>
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

using namespace nibble;

constexpr std::uint64_t room = std::uint64_t{1} << 28;  // bytes of the memory for each machine

/// A machine, the host that drives it, and what its commands took.
struct Node {
  PlatformConfig config;
  Accelerator machine;
  Host host;
  sc_core::sc_signal<bool> irq;
  Descriptor command;
  std::vector<CommandCounters> ended;

  Node(const std::string& name, unsigned index)
      : config(PlatformConfig::from(ConfigNode::load("accelerators", name))),
        machine((name + "_machine").c_str(), *config.machine),
        host((name + "_host").c_str(), index * room, 16),
        irq((name + "_irq").c_str()) {
    host.control.bind(machine.control);
    machine.irq.bind(irq);
    host.irq.bind(irq);
    host.stop_at_end(false);
    machine.observe(
        [this](std::uint32_t, std::uint64_t, const CommandCounters& counters) { ended.push_back(counters); });
    command = product(index * room + 0x10000);
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

int sc_main(int, char**) {
  Node mant("mant", 0), int8("int8-array", 1);
  const std::array<Node*, 2> nodes{&mant, &int8};
  Statistics statistics("platform");
  const auto memory = make_memory("memory", ConfigNode::load("memories", "ddr4-3200"), &statistics);
  Router router("router", RouterConfig::single_target(4, memory->capacity_bytes()), &statistics);
  router.initiator(0).bind(memory->target);
  for (unsigned i = 0; i < 2; ++i) {
    nodes[i]->machine.memory.bind(router.target(i));
    nodes[i]->host.memory.bind(router.target(2 + i));
  }

  // Each posts its command twice: alone (the other waits for the signal), then together.
  sc_core::sc_event go;
  std::array<unsigned, 2> posted{};
  for (unsigned i = 0; i < 2; ++i) {
    nodes[i]->host.run([&, i]() -> std::optional<Descriptor> {
      // A source is asked when it may post; a command is complete when its observer was called.
      if (posted[i] == 2) return std::nullopt;
      if (posted[i] == 1) {  // alone is over: the other's turn, then both
        while (nodes[i]->ended.empty())
          sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
        go.notify(sc_core::SC_ZERO_TIME);
        while (nodes[0]->ended.empty() || nodes[1]->ended.empty())
          sc_core::wait(go);
      } else if (i == 1) {
        while (nodes[0]->ended.empty())
          sc_core::wait(go);
      }
      ++posted[i];
      return nodes[i]->command;
    });
  }
  sc_core::sc_start();

  std::printf("%-11s %13s %13s %9s %12s %15s %13s\n", "machine", "cycles alone", "cycles shared", "slowdown",
              "bytes read", "waited, router", "mean latency");
  bool contended = true;
  for (unsigned i = 0; i < 2; ++i) {
    const Node& node = *nodes[i];
    if (node.ended.size() != 2 || node.host.status() != CommandStatus::done) return 1;
    const double alone = static_cast<double>(node.ended[0].cycles), shared = static_cast<double>(node.ended[1].cycles);
    const Router::Served& served = router.served(i);
    std::printf("%-11s %13.0f %13.0f %8.2fx %12llu %12.1f us %10.1f ns\n", node.config.machine->name.c_str(), alone,
                shared, shared / alone, static_cast<unsigned long long>(served.read_bytes),
                served.waited.to_seconds() * 1e6,
                served.latency.to_seconds() * 1e9 / static_cast<double>(served.responses));
    contended = contended && shared > 1.2 * alone;
  }
  return contended ? 0 : 1;
}
