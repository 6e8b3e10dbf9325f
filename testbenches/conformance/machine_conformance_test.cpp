// SPDX-License-Identifier: Apache-2.0
/// The sockets of machines: `control` under a random initiator, `memory` before a random target that delays, shuffles
/// and refuses.
#include <sys/wait.h>
#include <unistd.h>

#include "accelerators/host.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machine_bench.h"
#include "testbenches/conformance/random_pair.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = nibble::control_register;

namespace {

constexpr std::uint64_t memory_bytes = 1 << 22;

/// Posts commands until the memory socket has had so many transactions. A refused access ends its command with
/// bus_error; the machine is reset and goes on.
void drive(MachineBench& bench, const Descriptor& command, std::uint64_t transactions) {
  std::uint64_t done = 0, failed = 0;
  while (bench.memory_monitor.requests() < transactions) {
    bench.open_queue();
    while (bench.memory_monitor.requests() < transactions) {
      bench.post(command);
      bench.ring();
      const std::uint32_t causes = bench.wait_interrupt();
      if (causes == 1) {
        ++done;
        continue;
      }
      ++failed;
      const CommandStatus status = bench.status_word(bench.posted() - 1);
      // The status word itself may have been refused.
      CAPTURE(to_string(status));
      CHECK((status == CommandStatus::bus_error || status == CommandStatus::pending || status == CommandStatus::done));
      CHECK(bench.read(reg::status) == 2);
      break;
    }
    bench.write(reg::control, 1);
    while (bench.read(reg::status) != 0)
      sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
  }
  log_pair(bench.memory_monitor.requests(), failed, bench.memory_monitor.violation_count());
  CHECK(done > 0);
  CHECK(failed > 0);
}

/// Timing only, in the tiles that the machine chooses.
Descriptor tiled(const MachineBench& bench, Descriptor command) {
  command.timing_only = true;
  MemoryRate rate;
  rate.bytes_per_cycle = 64;
  rate.latency_cycles = 100;
  command.tiling = bench.machine.config().choose_tiling(command, rate);
  return command;
}

/// FP16 x FP16, 128 x 256 x 128, for a machine of tensor cores.
Descriptor simt_gemm() {
  Descriptor command;
  command.opcode = Opcode::gemm;
  command.m = command.n = 128;
  command.k = 256;
  std::uint64_t next = operands_begin;
  command.a = placed("fp16", 128, 256, 128, 1, next);
  command.w = placed("fp16", 128, 256, 128, 1, next);
  command.c = placed("fp16", 128, 128, 128, 1, next);
  return command;
}

/// Cycles, then bytes read and written, of each of two commands on `machines` machines with a DRAM each, side by side.
std::vector<std::uint64_t> figures(unsigned machines, const MachineConfig& config,
                                   const std::vector<Descriptor>& commands) {
  const std::string file = source_path("configs/memories/ddr4-3200.yaml");
  std::vector<std::unique_ptr<MemorySystem>> memories;
  std::vector<std::unique_ptr<MachineBench>> benches;
  for (unsigned i = 0; i < machines; ++i) {
    const std::string number = std::to_string(i);
    memories.push_back(make_memory(("memory" + number).c_str(), ConfigNode::load(file), nullptr));
    benches.push_back(std::make_unique<MachineBench>(("bench" + number).c_str(), config, memories[i]->target,
                                                     dynamic_cast<tlm::tlm_fw_transport_if<>&>(*memories[i]),
                                                     [&](MachineBench& b) {
                                                       b.open_queue();
                                                       for (const Descriptor& command : commands)
                                                         b.perform(tiled(b, command));
                                                     }));
  }
  sc_core::sc_start();
  std::vector<std::uint64_t> out;
  for (const auto& bench : benches) {
    for (const CommandCounters& c : bench->commands) {
      out.push_back(c.cycles);
      out.push_back(c.total_read_bytes());
      out.push_back(c.total_write_bytes());
    }
  }
  return out;
}

/// The same in a process of its own.
std::vector<std::uint64_t> figures_of_a_process(const MachineConfig& config, const std::vector<Descriptor>& commands) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  std::vector<std::uint64_t> out(6);
  const std::size_t bytes = out.size() * sizeof(std::uint64_t);
  if (child == 0) {
    const auto found = figures(1, config, commands);
    const bool whole = found.size() == out.size() && write(ends[1], found.data(), bytes) == static_cast<ssize_t>(bytes);
    _exit(whole ? 0 : 1);
  }
  close(ends[1]);
  CHECK(read(ends[0], out.data(), bytes) == static_cast<ssize_t>(bytes));
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  close(ends[0]);
  return out;
}

void check_two_instances(const MachineConfig& config, const std::vector<Descriptor>& commands) {
  const auto alone = figures_of_a_process(config, commands), again = figures_of_a_process(config, commands);
  CHECK(alone == again);
  CHECK(alone[0] > 0);
  const auto both = figures(2, config, commands);
  REQUIRE(both.size() == 2 * alone.size());
  CHECK(std::vector<std::uint64_t>(both.begin(), both.begin() + 6) == alone);
  CHECK(std::vector<std::uint64_t>(both.begin() + 6, both.end()) == alone);
}

}  // namespace

TEST_CASE("two instances in one process have the figures of two processes") {
  const SystolicConfig config = mant_config();
  check_two_instances(config, {gemm_command(config, 64, 512, 128), gemm_command(config, 9, 512, 128)});
}

TEST_CASE("two SIMT instances in one process have the figures of two processes") {
  Descriptor narrow = simt_gemm();
  narrow.m = 9;
  check_two_instances(simt_config("simt-fp16"), {simt_gemm(), narrow});
}

TEST_CASE("a systolic machine before a random target") {
  RandomTarget memory("memory", 40, memory_bytes, 1);
  const SystolicConfig config = mant_config({"dma.transaction_bytes=256"});
  MachineBench bench("bench", config, memory.target, memory, [&](MachineBench& b) {
    drive(b, tiled(b, gemm_command(b.systolic(), 64, 512, 128)), wanted_transactions());
  });
  sc_core::sc_start();
  CHECK(bench.finished);
  bench.check_protocol();
}

TEST_CASE("a loosely timed systolic machine before a random target") {
  tlm::tlm_global_quantum::instance().set(sc_core::sc_time(500, sc_core::SC_NS));
  RandomTarget memory("memory", 48, memory_bytes, 1);
  const SystolicConfig config = mant_config({"dma.transaction_bytes=256", "dma.loosely_timed=true"});
  MachineBench bench("bench", config, memory.target, memory, [&](MachineBench& b) {
    drive(b, tiled(b, gemm_command(b.systolic(), 64, 512, 128)), wanted_transactions());
  });
  sc_core::sc_start();
  CHECK(bench.finished);
  bench.check_protocol();
}

TEST_CASE("a SIMT machine before a random target") {
  RandomTarget memory("memory", 41, memory_bytes, 1);
  const SimtConfig config = simt_config("simt-fp16");
  MachineBench bench("bench", config, memory.target, memory,
                     [&](MachineBench& b) { drive(b, tiled(b, simt_gemm()), wanted_transactions()); });
  sc_core::sc_start();
  CHECK(bench.finished);
  bench.check_protocol();
}

TEST_CASE("the control socket under a random initiator, over random memory") {
  RandomTarget memory("memory", 42, 1 << 16, 10);
  const SystolicConfig config = mant_config();
  Accelerator machine("machine", config);
  sc_core::sc_signal<bool> irq("irq");
  ProtocolMonitor far("far");
  machine.memory.bind(far.in);
  far.out.bind(memory.target);
  machine.irq.bind(irq);
  RandomInitiators initiators;
  RandomTraffic traffic;
  traffic.seed = 43;
  traffic.transactions = wanted_transactions();
  traffic.bytes = 0x40;
  traffic.words = [](tlm::tlm_command command, std::uint64_t address) {
    if (address % 4 != 0 || address > reg::control) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
    const bool write = command == tlm::TLM_WRITE_COMMAND;
    const bool read_only = address <= reg::array_shape || address == reg::completed || address == reg::status;
    if (write ? read_only : address == reg::control) return tlm::TLM_COMMAND_ERROR_RESPONSE;
    return tlm::TLM_OK_RESPONSE;
  };
  initiators.add(traffic, machine.control);
  sc_core::sc_start();
  initiators.check();
  CHECK(initiators[0].refused() > traffic.transactions / 100);
  far.check_end();
}

TEST_CASE("illegal transactions to the control socket") {
  RandomTarget memory("memory", 44, 1 << 16);
  Accelerator machine("machine", mant_config());
  sc_core::sc_signal<bool> irq("irq");
  machine.irq.bind(irq);
  MonitoredLinks monitored;
  monitored.bind(machine.memory, memory.target);
  RandomInitiators initiators;
  RandomTraffic traffic;
  traffic.seed = 45;
  traffic.transactions = wanted_transactions() / 10;
  traffic.bytes = 4;  // `id`
  traffic.illegal = true;
  traffic.words = [](tlm::tlm_command command, std::uint64_t address) {
    if (address != 0) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
    return command == tlm::TLM_WRITE_COMMAND ? tlm::TLM_COMMAND_ERROR_RESPONSE : tlm::TLM_OK_RESPONSE;
  };
  initiators.add(traffic, machine.control);
  sc_core::sc_start();
  initiators.check();
}

TEST_CASE("the host to a machine behind links that stall, a quantum ahead, over random memory") {
  tlm::tlm_global_quantum::instance().set(sc_core::sc_time(200, sc_core::SC_NS));
  Host host("host", 0, 4);
  Accelerator machine("machine", mant_config());
  RandomTarget memory("memory", 46, 1 << 16);
  Router router("router", RouterConfig::single_target(2, 1 << 16));
  StallingLink slow("slow", 47, 9, true);
  sc_core::sc_signal<bool> irq("irq");
  machine.irq.bind(irq), host.irq.bind(irq);
  MonitoredLinks monitored;
  const ProtocolMonitor& control = monitored.bind(host.control, slow.in);
  monitored.bind(slow.out, machine.control);
  monitored.bind(host.memory, router.target(0));
  monitored.bind(machine.memory, router.target(1));
  monitored.bind(router.initiator(0), memory.target);
  std::uint64_t posted = 0;
  host.run([&]() -> std::optional<Descriptor> {
    if (control.requests() >= wanted_transactions()) return std::nullopt;
    Descriptor nop;
    nop.interrupt = true;
    ++posted;
    return nop;
  });
  sc_core::sc_start();
  CHECK(host.status() == CommandStatus::done);
  CHECK(host.completed() == posted);
  CHECK(control.requests() >= wanted_transactions());
  log_pair(control.requests(), 0, control.violation_count());
}
