// SPDX-License-Identifier: Apache-2.0
/// What is read for the next command while one runs: hand-counted cycles, equal results, errors and resets.
#include <array>

#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = nibble::control_register;

namespace {

constexpr double period_ns = 2;
constexpr std::uint64_t step = 0x40000;  ///< between the operands of commands

Descriptor moved(Descriptor command, std::uint64_t by) {
  for (OperandDescriptor* operand : {&command.a, &command.w, &command.c})
    operand->address += by;
  command.scratch_address += by;
  return command;
}

Descriptor one_element(const SystolicConfig& config, bool ready) {
  Descriptor command = gemm_command(config, 1, 1, 1);
  command.tiling = {1, 1, 1, LoopOrder::mnk};
  command.weights_ready = ready;
  return command;
}

/// Weights take 500 cycles, everything else 100.
sc_core::sc_time slow_weights(const tlm::tlm_generic_payload& payload) {
  const Stream stream = TransferTag::find(payload)->stream;
  return sc_core::sc_time(period_ns * (stream == Stream::weight ? 500 : 100), sc_core::SC_NS);
}

std::uint64_t stall(const CommandCounters& counters, Stream stream) {
  return counters.stall_by_stream[static_cast<unsigned>(stream)];
}

/// Functional GEMMs of several tiles, their operands in places of their own.
std::vector<GemmCase> several_gemms(const SystolicConfig& config, Random& random) {
  std::vector<GemmCase> cases;
  const std::array<std::array<std::uint32_t, 3>, 5> shapes{
      {{20, 128, 64}, {7, 256, 40}, {1, 64, 32}, {33, 192, 96}, {5, 65, 33}}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    Descriptor command = gemm_command(config, shapes[i][0], shapes[i][1], shapes[i][2]);
    command.tiling = {16, 64, 64, i % 2 == 0 ? LoopOrder::nmk : LoopOrder::mnk};
    command.tag = static_cast<std::uint32_t>(i);
    command.interrupt = i + 1 == shapes.size();
    command.weights_ready = i != 2;
    cases.push_back(functional(moved(command, i * step), random));
  }
  return cases;
}

void post_all(MachineBench& bench, const std::vector<GemmCase>& cases) {
  for (const GemmCase& entry : cases)
    bench.post(entry.command);
  bench.ring();
}

}  // namespace

TEST_CASE("the next command finds its descriptor and its first weights on chip, counted by hand") {
  struct Case {
    bool prefetch, ready;
    std::uint64_t command, activation, weight;  ///< waits of the second command
  };
  Machines machines;
  const Case cases[] = {
      // The first: 100 for the descriptor, 500 for the weights, 132 in the array, 100 for the result, 100 for the
      // status
      // word. The second's descriptor comes meanwhile, and its weights from cycle 200 to 700; A is asked for behind the
      // status word.
      {true, true, 0, 100, 0},
      {true, false, 0, 0, 500},
      {false, true, 100, 0, 500},
  };
  for (const Fidelity fidelity : {Fidelity::transaction, Fidelity::cycle}) {
    for (const Case& expected : cases) {
      SystolicConfig config = mant_config();
      config.fidelity = fidelity;
      config.prefetch_next = expected.prefetch;
      machines
          .add(config,
               [expected](MachineBench& bench) {
                 CAPTURE(expected.prefetch, expected.ready);
                 bench.open_queue();
                 Descriptor first = one_element(bench.systolic(), true);
                 first.interrupt = false;
                 bench.post(first);
                 bench.post(moved(one_element(bench.systolic(), expected.ready), step));
                 bench.ring();
                 CHECK(bench.wait_interrupt() == 1);
                 const CommandCounters &one = bench.commands.at(0), &two = bench.commands.at(1);
                 CHECK(one.cycles == 100 + 500 + 132 + 100 + 100);
                 CHECK(one.prefetched_bytes == 0);
                 CHECK(stall(two, Stream::command) == expected.command);
                 CHECK(stall(two, Stream::activation) == expected.activation);
                 CHECK(stall(two, Stream::weight) == expected.weight);
                 CHECK(two.cycles == expected.command + expected.activation + expected.weight + 132 + 100 + 100);
                 CHECK(bench.begins[1] == bench.begins[0] + one.cycles);
                 // A weight and its group's 3 bytes, and the descriptor.
                 const std::uint64_t weights = expected.prefetch && expected.ready ? 1 + 3 : 0;
                 CHECK(two.prefetched_bytes == (expected.prefetch ? descriptor_bytes : 0) + weights);
                 CHECK(two.read_bytes == one.read_bytes);
               })
          .latency = slow_weights;
    }
  }
  machines.run();
}

TEST_CASE("a slot is filled for the next command only when the running one is done with it") {
  Machines machines;
  machines
      .add(mant_config(),
           [](MachineBench& bench) {
             bench.open_queue();
             // Three jobs of 64 rows each. The first command: operands of jobs 1 and 2 at 600, job 1 streams from 664
             // to 728, job 2 to 792; job 3's weights, asked for at 728, come at 1228: it streams from 1292 to 1356. The
             // next command's weight tiles are asked for at 792 and 1356, when slots are free, and come at 1292 and
             // 1856. It begins at 1356 + 98 + 100 + 100 = 1654; A comes at 1754, job 1 streams from 1818 to 1882, job
             // 2's weights load into the array from 1856 to 1920: 38 cycles later than the array could. Job 3's are
             // asked for at 1882, come at 2382 and are in the array at 2446, 462 cycles after the end of job 2.
             Descriptor first = gemm_command(bench.systolic(), 64, 192, 32);
             first.tiling = {64, 64, 32, LoopOrder::mnk};
             first.interrupt = false;
             Descriptor second = moved(first, step);
             second.weights_ready = second.interrupt = true;
             bench.post(first);
             bench.post(second);
             bench.ring();
             CHECK(bench.wait_interrupt() == 1);
             const CommandCounters& two = bench.commands.at(1);
             CHECK(two.prefetched_bytes == descriptor_bytes + 2 * 32 * (64 / 2 + 3));
             CHECK(stall(two, Stream::command) == 0);
             CHECK(bench.begins[1] - bench.begins[0] == 1654);
             CHECK(stall(bench.commands.at(0), Stream::weight) == 500 + 500);
             CHECK(stall(two, Stream::activation) == 100);
             CHECK(stall(two, Stream::weight) == 38 + 462);
           })
      .latency = slow_weights;
  machines.run();
}

TEST_CASE("results, bytes and work do not depend on prefetch; begin and cycles leave no gap") {
  Random random(41);
  std::vector<GemmCase> cases = several_gemms(mant_config(), random);
  Machines machines;
  for (const bool prefetch : {true, false}) {
    for (const Fidelity fidelity : {Fidelity::transaction, Fidelity::cycle}) {
      SystolicConfig config = mant_config({"dma.transaction_bytes=256"});
      config.fidelity = fidelity;
      config.prefetch_next = prefetch;
      machines.add(config, [&cases](MachineBench& bench) {
        for (const GemmCase& entry : cases)
          entry.place(bench);
        bench.open_queue();
        post_all(bench, cases);
        CHECK(bench.wait_interrupt() == 1);
        for (const GemmCase& entry : cases)
          CHECK((entry.result(bench) == entry.expected));
      });
    }
  }
  machines.run();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const CommandCounters& with = machines[0].commands.at(i);
    for (std::size_t machine = 0; machine < machines.size(); ++machine) {
      const CommandCounters& other = machines[machine].commands.at(i);
      CHECK(other.read_bytes == with.read_bytes);
      CHECK(other.write_bytes == with.write_bytes);
      CHECK(other.macs_by_mode == with.macs_by_mode);
      CHECK(other.cycles == machines[machine < 2 ? 0 : 2].commands.at(i).cycles);
      if (i > 0)
        CHECK(machines[machine].begins[i] ==
              machines[machine].begins[i - 1] + machines[machine].commands[i - 1].cycles);
    }
    if (i > 0) CHECK(with.cycles < machines[2].commands.at(i).cycles);
  }
}

TEST_CASE("an error response to any read is told by the command it belongs to, in order") {
  Random random(42);
  const std::vector<GemmCase> cases = several_gemms(mant_config(), random);
  Machines machines;
  std::array<unsigned, 5> failures{};
  for (std::uint64_t fatal = 0; fatal < 130; ++fatal) {
    ScriptedMemory& memory = machines.add(mant_config(), [&cases, &failures](MachineBench& bench) {
      for (const GemmCase& entry : cases)
        entry.place(bench);
      bench.open_queue();
      post_all(bench, cases);
      const bool refused = bench.wait_interrupt() == 2;
      const std::uint32_t completed = bench.read(reg::completed);
      REQUIRE(bench.commands.size() == completed);
      CHECK(bench.read(reg::status) == (refused ? 2 : 0));
      for (std::uint32_t i = 0; i < completed; ++i) {
        const bool last = refused && i + 1 == completed;
        CHECK(bench.commands[i].status == (last ? CommandStatus::bus_error : CommandStatus::done));
        if (!last) CHECK((cases[i].result(bench) == cases[i].expected));
      }
      if (!refused) return;
      ++failures.at(completed - 1);
      // Nothing of what was read ahead is left behind.
      bench.write(reg::control, 1);
      bench.open_queue(0x8000);
      Descriptor again = cases[1].command;
      again.interrupt = true;
      CHECK(bench.perform(again).status == CommandStatus::done);
      CHECK((cases[1].result(bench) == cases[1].expected));
    });
    memory.script = [&memory, fatal](const tlm::tlm_generic_payload&) {
      return memory.reads + memory.writes == fatal ? tlm::TLM_GENERIC_ERROR_RESPONSE : tlm::TLM_OK_RESPONSE;
    };
  }
  machines.run();
  for (const unsigned count : failures)
    CHECK(count > 1);
}

TEST_CASE("a reset at any moment drops what was read ahead, the next command is correct") {
  Random random(43);
  const std::vector<GemmCase> cases = several_gemms(mant_config(), random);
  Machines machines;
  std::vector<std::uint64_t> cycles;
  for (double delay_ns = 0; delay_ns < 3000; delay_ns += 37.3) {
    machines
        .add(mant_config(),
             [delay_ns, &cases, &cycles](MachineBench& bench) {
               CAPTURE(delay_ns);
               for (const GemmCase& entry : cases)
                 entry.place(bench);
               bench.open_queue();
               post_all(bench, cases);
               sc_core::wait(sc_core::sc_time(delay_ns, sc_core::SC_NS));
               bench.write(reg::control, 1);
               const std::size_t before = bench.commands.size();
               bench.open_queue(0x8000);
               Descriptor again = cases[3].command;
               again.interrupt = true;
               CHECK(bench.perform(again).status == CommandStatus::done);
               CHECK((cases[3].result(bench) == cases[3].expected));
               CHECK(bench.commands.size() == before + 1);
               cycles.push_back(bench.commands.back().cycles);
             })
        .latency = slow_weights;
  }
  machines.run();
  CHECK(cycles == std::vector<std::uint64_t>(cycles.size(), cycles.front()));
}

TEST_CASE("a doorbell taken back, or a ring that moves, drops the descriptor that was fetched ahead") {
  drive([](MachineBench& bench) {
    Descriptor lengthy = gemm_command(bench.systolic(), 64, 1024, 64);
    lengthy.count = 10;
    lengthy.tiling = {64, 1024, 64, LoopOrder::mnk};
    Descriptor next = one_element(bench.systolic(), true);
    for (const bool move : {false, true}) {
      bench.open_queue();
      lengthy.tag = 1;
      bench.post(lengthy);
      next.tag = 2;
      bench.post(next);
      bench.ring();
      sc_core::wait(sc_core::sc_time(3, sc_core::SC_US));
      const std::uint32_t ahead = bench.read(reg::completed) + 1;
      if (move) {
        next.tag = 3;
        const auto bytes = next.pack();
        bench.put(0x9000 + descriptor_bytes, {bytes.begin(), bytes.end()});
        bench.write(reg::queue_base_low, 0x9000);
      } else {
        bench.write(reg::doorbell, ahead);
      }
      CHECK(bench.wait_interrupt() == 1);
      CHECK(bench.tags.back() == 1);
      if (!move) bench.write(reg::doorbell, ahead + 1);
      CHECK(bench.wait_interrupt() == 1);
      CHECK(bench.tags.back() == (move ? 3 : 2));
      CHECK(bench.commands.back().status == CommandStatus::done);
      bench.write(reg::control, 1);
    }
    CHECK(bench.commands.size() == 4);
  });
}
