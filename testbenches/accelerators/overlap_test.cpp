// SPDX-License-Identifier: Apache-2.0
/// Commands on the array and on the vector unit side by side: hand-counted cycles, order kept where it matters, buffers
/// shared, errors and resets.
#include <array>
#include <functional>
#include <numeric>

#include "accelerators/command_order.h"
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = nibble::control_register;

namespace {

constexpr std::uint64_t step = 0x40000;  ///< between the operands of commands

/// 2 ns are a cycle: every transaction takes 100.
sc_core::sc_time slow(const tlm::tlm_generic_payload&) {
  return {200, sc_core::SC_NS};
}

std::uint64_t sum_of_causes(const CommandCounters& c) {
  return c.compute_cycles + c.fill_drain_cycles + c.memory_stall_cycles + c.output_stall_cycles +
         c.exposed_quantizer_cycles;
}

Descriptor one_element(const SystolicConfig& config) {
  Descriptor command = gemm_command(config, 1, 1, 1);
  command.tiling = {1, 1, 1, LoopOrder::mnk};
  command.interrupt = false;
  return command;
}

/// 6400 elements: 100 cycles of 64 lanes per operation.
Descriptor elementwise(VectorFunction function) {
  Descriptor command;
  command.opcode = Opcode::vector;
  command.timing_only = true;
  command.interrupt = false;
  command.function = static_cast<std::uint32_t>(function);
  command.elements = 6400;
  command.input_bytes[0] = command.output_bytes = 12800;
  command.a.address = 0x100000;
  command.c.address = 0x120000;
  command.c.format = Format::parse("fp16");
  return command;
}

/// Two commands in one queue, the second's `independent`, and what is to come of them.
struct Pair {
  std::vector<std::string> overrides;
  Descriptor first, second;
  std::uint8_t independent;
  std::function<void(const CommandCounters& first, const CommandCounters& second)> check;
};

void check_pairs(const std::vector<Pair>& pairs) {
  Machines machines;
  for (const Pair& entry : pairs) {
    machines
        .add(mant_config(entry.overrides),
             [&entry](MachineBench& bench) {
               bench.open_queue();
               Descriptor second = entry.second;
               second.independent = entry.independent;
               second.interrupt = true;
               bench.post(entry.first);
               bench.post(second);
               bench.ring();
               CHECK(bench.wait_interrupt() == 1);
               CHECK(bench.begins[1] == bench.begins[0] + bench.commands[0].cycles);
             })
        .latency = slow;
  }
  machines.run();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    CAPTURE(i);
    for (const CommandCounters& counters : machines[i].commands) {
      CHECK(sum_of_causes(counters) == counters.cycles);
      CHECK(std::accumulate(counters.stall_by_stream.begin(), counters.stall_by_stream.end(), std::uint64_t{0}) ==
            counters.memory_stall_cycles);
      CHECK(std::accumulate(counters.output_stall_by_stream.begin(), counters.output_stall_by_stream.end(),
                            std::uint64_t{0}) == counters.output_stall_cycles);
    }
    pairs[i].check(machines[i].commands.at(0), machines[i].commands.at(1));
  }
}

/// A GEMM, and relu of what it wrote.
struct Chain {
  GemmCase gemm;
  Descriptor relu;
  std::vector<float> expected;
};

Chain chain(const SystolicConfig& config, std::uint64_t at, std::uint32_t m, std::uint32_t k, std::uint32_t n,
            Random& random) {
  Descriptor command = gemm_command(config, m, k, n);
  command.tiling = {16, 64, 64, LoopOrder::mnk};
  for (OperandDescriptor* operand : {&command.a, &command.w, &command.c})
    operand->address += at;
  command.interrupt = false;
  Chain out;
  out.gemm = functional(command, random);
  Descriptor& d = out.relu;
  d.opcode = Opcode::vector;
  d.function = static_cast<std::uint32_t>(VectorFunction::relu);
  d.m = m;
  d.k = d.n = n;
  d.tokens = m;
  d.elements = std::uint64_t{m} * n;
  d.input_bytes[0] = d.output_bytes = 4 * d.elements;
  d.a = d.c = command.c;
  d.c.address += 0x10000;
  d.interrupt = false;
  for (const float value : out.gemm.expected)
    out.expected.push_back(std::max(value, 0.0F));
  return out;
}

/// The products of all, each relu beside the product behind it.
std::vector<Descriptor> interleaved(const std::vector<Chain>& chains) {
  std::vector<Descriptor> commands;
  for (std::size_t i = 0; i < chains.size(); ++i) {
    commands.push_back(chains[i].gemm.command);
    commands.back().independent = i > 0 ? 1 : 0;  // of the relu before it
    if (i > 0) std::swap(commands[commands.size() - 1], commands[commands.size() - 2]);
    if (i > 0) {
      // product i - 1, product i, relu i - 1
      commands[commands.size() - 2].independent = 15;
      commands.back().independent = 1;
    }
    commands.push_back(chains[i].relu);
  }
  return commands;
}

void check_results(MachineBench& bench, const std::vector<Chain>& chains) {
  for (const Chain& entry : chains) {
    const OperandLayout c = entry.relu.c.layout(0);
    CHECK((unpack_results(c, entry.relu.c.format, bench.get(c.base, c.bytes())) == entry.expected));
  }
}

}  // namespace

TEST_CASE("a GEMM and a vector command side by side, counted by hand") {
  using Counters = const CommandCounters&;
  const Descriptor gemm = one_element(mant_config()), relu = elementwise(VectorFunction::relu),
                   gelu = elementwise(VectorFunction::gelu);
  const auto serial = [](Counters first, Counters second) {
    CHECK(first.cycles == 532);
    CHECK(second.hidden_cycles == 0);
    CHECK(second.cycles == 100 + 1000 + 16 + 100 + 100);
  };
  // The GEMM: 100 for the descriptor, 100 for operands, 132 in the array, 100 for the result, 100 for the status word.
  // The vector command's descriptor comes from 100 to 200; there it begins.
  check_pairs({
      // Operands to 300, lanes to 400, 16 of latency, results to 516. Its status goes out behind the GEMM's, at 532.
      {{},
       gemm,
       relu,
       1,
       [](Counters first, Counters second) {
         CHECK(first.cycles == 532);
         CHECK(first.hidden_cycles == 0);
         CHECK(second.hidden_cycles == 316);
         CHECK(second.ahead_cycles == 332);
         CHECK(second.cycles == 100);
         CHECK(second.output_stall_cycles == 100);
       }},
      // Lanes from 300 to 1300, latency to 1316, results to 1416, status to 1516.
      {{},
       gemm,
       gelu,
       1,
       [](Counters first, Counters second) {
         CHECK(first.cycles == 532);
         CHECK(second.hidden_cycles == 332);
         CHECK(second.cycles == 1516 - 532);
         CHECK(second.compute_cycles == 1300 - 532);
         CHECK(second.fill_drain_cycles == 16);
         CHECK(second.output_stall_cycles == 200);
       }},
      // One that depends on it, and a machine whose units take turns.
      {{}, gemm, gelu, 0, serial},
      {{"vector_unit.overlap=false"}, gemm, gelu, 1, serial},
      {{"dma.prefetch_next=false"},
       gemm,
       gelu,
       1,
       [](Counters, Counters second) { CHECK(second.cycles == 100 + 100 + 1000 + 16 + 100 + 100); }},
      // The vector command to 1416; the GEMM from 200 to 532, its status behind the other's.
      {{},
       gelu,
       gemm,
       1,
       [](Counters first, Counters second) {
         CHECK(first.cycles == 1416);
         CHECK(second.hidden_cycles == 332);
         CHECK(second.cycles == 100);
       }},
      // Two of one unit never meet: the second begins when the first has ended, at 432, beside its status word.
      {{},
       gemm,
       gemm,
       15,
       [](Counters first, Counters second) {
         CHECK(first.cycles == 532);
         CHECK(second.hidden_cycles == 100);
         CHECK(second.cycles == 332);
       }},
  });
}

TEST_CASE("what the buffers do not hold together runs one after the other") {
  const SystolicConfig config = mant_config();
  std::vector<Pair> pairs;
  for (const auto& [m, n, fits] :
       {std::array<std::uint32_t, 3>{100, 32, 1}, {120, 32, 0}, {32, 800, 1}, {32, 1000, 0}}) {
    // Two tiles of m x 1024 INT8 with their scales, or m x n sums of 4 bytes. The vector command takes two halves of
    // 12800 bytes of operands and as much of results; the buffers have 262144 and 131072.
    Descriptor gemm = gemm_command(config, m, n == 32 ? 1024 : 64, n);
    gemm.tiling = {m, 1024, n, LoopOrder::mnk};
    gemm.interrupt = false;
    pairs.push_back(
        {{}, gemm, elementwise(VectorFunction::gelu), 1, [beside = fits == 1](const auto&, const auto& second) {
           // Behind the last result there is room, beside the status word of 100 cycles.
           CHECK((second.hidden_cycles > 100) == beside);
           CHECK(second.cycles + second.hidden_cycles >= 100 + 1000 + 16 + 100 + 100);
         }});
  }
  check_pairs(pairs);
}

TEST_CASE("results of commands side by side are those of one after the other, in less time") {
  Random random(61);
  const SystolicConfig config = mant_config();
  std::vector<Chain> chains;
  for (const auto& [m, k, n] :
       {std::array<std::uint32_t, 3>{48, 256, 128}, {64, 192, 192}, {33, 128, 64}, {50, 320, 128}})
    chains.push_back(chain(config, chains.size() * step, m, k, n, random));
  std::vector<Descriptor> commands = interleaved(chains);
  commands.back().interrupt = true;
  Machines machines;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    for (const std::string overlap : {"true", "false"}) {
      machines.add(mant_config({"fidelity=" + fidelity, "vector_unit.overlap=" + overlap}), [&](MachineBench& bench) {
        for (const Chain& entry : chains)
          entry.gemm.place(bench);
        bench.open_queue();
        for (const Descriptor& command : commands)
          bench.post(command);
        bench.ring();
        CHECK(bench.wait_interrupt() == 1);
        check_results(bench, chains);
      });
    }
  }
  machines.run();
  const auto total = [&](std::size_t machine) {
    std::uint64_t cycles = 0;
    for (const CommandCounters& counters : machines[machine].commands) {
      CHECK(sum_of_causes(counters) == counters.cycles);
      cycles += counters.cycles;
    }
    return cycles;
  };
  for (const std::size_t machine : {std::size_t{0}, std::size_t{2}}) {
    CHECK(total(machine) < total(machine + 1));
    for (std::size_t i = 0; i < commands.size(); ++i) {
      CHECK(machines[machine].commands[i].read_bytes == machines[machine + 1].commands[i].read_bytes);
      CHECK(machines[machine].commands[i].macs_by_mode == machines[machine + 1].commands[i].macs_by_mode);
    }
  }
}

TEST_CASE("an error of one of two commands is told in order, and nothing behind it completes") {
  Random random(62);
  const SystolicConfig config = mant_config();
  std::vector<Chain> chains;
  for (std::uint64_t i = 0; i < 3; ++i)
    chains.push_back(chain(config, i * step, 20, 128, 64, random));
  const std::vector<Descriptor> commands = interleaved(chains);
  Machines machines;
  std::array<unsigned, 6> failures{};
  for (std::uint64_t fatal = 0; fatal < 60; ++fatal) {
    ScriptedMemory& memory = machines.add(config, [&](MachineBench& bench) {
      for (const Chain& entry : chains)
        entry.gemm.place(bench);
      bench.open_queue();
      for (Descriptor command : commands) {
        command.interrupt = bench.posted() + 1 == commands.size();
        bench.post(command);
      }
      bench.ring();
      const bool refused = bench.wait_interrupt() == 2;
      const std::uint32_t completed = bench.read(reg::completed);
      REQUIRE(bench.commands.size() == completed);
      CHECK(bench.read(reg::status) == (refused ? 2 : 0));
      for (std::uint32_t i = 0; i < completed; ++i) {
        const bool last = refused && i + 1 == completed;
        CHECK(bench.commands[i].status == (last ? CommandStatus::bus_error : CommandStatus::done));
      }
      if (!refused) {
        check_results(bench, chains);
        return;
      }
      ++failures.at(completed - 1);
      sc_core::wait(sc_core::sc_time(5, sc_core::SC_US));
      CHECK(bench.commands.size() == completed);
      bench.write(reg::control, 1);
      bench.open_queue(0x8000);
      Descriptor again = chains[1].gemm.command;
      again.interrupt = true;
      CHECK(bench.perform(again).status == CommandStatus::done);
    });
    memory.latency = slow;
    memory.script = [&memory, fatal](const tlm::tlm_generic_payload&) {
      return memory.reads + memory.writes == fatal ? tlm::TLM_GENERIC_ERROR_RESPONSE : tlm::TLM_OK_RESPONSE;
    };
  }
  machines.run();
  for (const unsigned count : failures)
    CHECK(count > 1);
}

TEST_CASE("a reset at any moment ends both commands, the next ones are correct") {
  Random random(63);
  const SystolicConfig config = mant_config();
  const std::vector<Chain> chains = {chain(config, 0, 48, 256, 128, random), chain(config, step, 33, 128, 64, random)};
  const std::vector<Descriptor> commands = interleaved(chains);
  Machines machines;
  std::vector<std::uint64_t> cycles;
  for (double delay_ns = 0; delay_ns < 4000; delay_ns += 97.3) {
    machines
        .add(config,
             [&, delay_ns](MachineBench& bench) {
               CAPTURE(delay_ns);
               for (const Chain& entry : chains)
                 entry.gemm.place(bench);
               for (const bool aborted : {true, false}) {
                 bench.open_queue(aborted ? 0 : 0x8000);
                 for (Descriptor command : commands) {
                   command.interrupt = bench.posted() + 1 == commands.size();
                   bench.post(command);
                 }
                 bench.ring();
                 if (!aborted) break;
                 sc_core::wait(sc_core::sc_time(delay_ns, sc_core::SC_NS));
                 bench.write(reg::control, 1);
                 bench.commands.clear();
               }
               CHECK(bench.wait_interrupt() == 1);
               check_results(bench, chains);
               REQUIRE(bench.commands.size() == commands.size());
               std::uint64_t sum = 0;
               for (const CommandCounters& counters : bench.commands)
                 sum += counters.cycles;
               cycles.push_back(sum);
             })
        .latency = slow;
  }
  machines.run();
  CHECK(cycles == std::vector<std::uint64_t>(cycles.size(), cycles.front()));
}

TEST_CASE("a command beside another one: what is hidden, and what is its own") {
  TimeBeside time;
  CommandCounters counters;
  counters.begin_beside(time, 1000);
  counters.spend(Cause::memory, 50, Stream::weight);  // to 1050
  counters.spend(Cause::compute, 100);                // to 1150
  SECTION("the older one completes within a cause, the rest is told before and after") {
    counters.spend(Cause::weight_load, 10);  // to 1160
    counters.come_first(1120, false);
    CHECK(counters.hidden_cycles == 120);
    CHECK(counters.compute_cycles == 30);
    CHECK(counters.weight_load_cycles == 10);
    CHECK(counters.fill_drain_cycles == 10);
    counters.output_stall(Stream::output, 7);
    CHECK(counters.cycles == 47);
  }
  SECTION("a stall that is told later began before") {
    counters.come_first(1200, false);
    CHECK(counters.hidden_cycles == 150);
    counters.memory_stall(Stream::activation, 80);  // 1150 to 1230
    CHECK(counters.hidden_cycles == 200);
    CHECK(counters.memory_stall_cycles == 30);
    CHECK(counters.stall_by_stream[static_cast<unsigned>(Stream::activation)] == 30);
  }
  SECTION("it has waited for the older one") {
    counters.come_first(1200, true);
    counters.output_stall(Stream::command, 5);
    CHECK(counters.hidden_cycles == 150);
    CHECK(counters.cycles == 5);
  }
  SECTION("much is told before the older one completes") {
    for (std::uint64_t now = 1150; now < 11150; now += 2) {
      counters.spend(Cause::compute, 1);
      counters.spend(Cause::fill_drain, 1);
      counters.still_beside(now);
    }
    CHECK(time.open.size() < 2000);
    counters.come_first(11101, false);
    CHECK(counters.hidden_cycles == 10101);
    CHECK(counters.cycles == 49);
  }
  CHECK(sum_of_causes(counters) == counters.cycles);
}

TEST_CASE("commands run ahead as far as tensors and units allow") {
  CommandOrder order(true);
  const auto place = [](CommandOrder& by, Opcode opcode, std::vector<std::string> reads,
                        std::vector<std::string> writes, const std::string& weights = "") {
    LoweredCommand command;
    command.descriptor.opcode = opcode;
    command.reads = std::move(reads);
    command.writes = std::move(writes);
    command.weights = weights;
    by.place(command);
    return std::make_pair(unsigned{command.descriptor.independent}, unsigned{command.descriptor.weights_ready});
  };
  using Free = std::pair<unsigned, unsigned>;
  CHECK(place(order, Opcode::vector, {"hidden"}, {"normed"}).first == 0);
  CHECK(place(order, Opcode::gemm, {"normed"}, {"q"}) == Free(0, 15));
  CHECK(place(order, Opcode::gemm, {"normed"}, {"keys"}) == Free(1, 15));
  CHECK(place(order, Opcode::vector, {"q"}, {"q"}).first == 1);  // beside the keys' product
  CHECK(place(order, Opcode::gemm, {"normed"}, {"v"}) == Free(3, 15));
  CHECK(place(order, Opcode::gemm, {"q", "keys"}, {"scores"}, "keys") == Free(1, 2));
  CHECK(place(order, Opcode::vector, {"hidden"}, {"normed"}).first == 1);  // not before "v" has read it
  CommandOrder serial(false);
  place(serial, Opcode::gemm, {"a"}, {"b"});
  CHECK(place(serial, Opcode::vector, {"c"}, {"d"}).first == 0);
}
