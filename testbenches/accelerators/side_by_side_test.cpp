// SPDX-License-Identifier: Apache-2.0
/// Two machines in one process know nothing of each other: each has the figures that it has alone in a process.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;

namespace {

static_assert(std::is_trivially_copyable_v<CommandCounters>);

/// Two GEMMs of which the second is functional.
struct Load {
  std::vector<std::string> overrides;
  std::uint32_t m, k, n;
};
const Load first = {{}, 100, 256, 320};
const Load second = {{"array.rows=16", "array.columns=16", "clock_mhz=333"}, 70, 192, 128};

void perform(MachineBench& bench, const Load& load) {
  Random random(50);
  Descriptor command = gemm_command(bench.systolic(), load.m, load.k, load.n);
  command.tiling = searched(bench.systolic(), command);
  const GemmCase gemm = functional(command, random);
  gemm.place(bench);
  bench.open_queue();
  CHECK(bench.perform(command).status == CommandStatus::done);
  CHECK(bench.perform(gemm.command).status == CommandStatus::done);
  CHECK((gemm.result(bench) == gemm.expected));
}

std::vector<CommandCounters> simulate(const std::vector<Load>& loads) {
  Machines machines;
  for (const auto& load : loads)
    machines.add(mant_config(load.overrides), [load](MachineBench& bench) { perform(bench, load); });
  machines.run();
  std::vector<CommandCounters> counters;
  for (std::size_t i = 0; i < machines.size(); ++i)
    counters.insert(counters.end(), machines[i].commands.begin(), machines[i].commands.end());
  return counters;
}

/// The figures of one load in a process of its own.
std::vector<CommandCounters> alone(const Load& load) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto counters = simulate({load});
    const std::size_t bytes = counters.size() * sizeof(CommandCounters);
    const bool written = write(ends[1], counters.data(), bytes) == static_cast<ssize_t>(bytes);
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::vector<CommandCounters> counters(2);
  const auto bytes = static_cast<ssize_t>(counters.size() * sizeof(CommandCounters));
  CHECK(read(ends[0], counters.data(), static_cast<std::size_t>(bytes)) == bytes);
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return counters;
}

void check_same(const CommandCounters& a, const CommandCounters& b) {
  CHECK(a.cycles == b.cycles);
  CHECK(a.compute_cycles == b.compute_cycles);
  CHECK(a.fill_drain_cycles == b.fill_drain_cycles);
  CHECK(a.memory_stall_cycles == b.memory_stall_cycles);
  CHECK(a.output_stall_cycles == b.output_stall_cycles);
  CHECK(a.read_bytes == b.read_bytes);
  CHECK(a.write_bytes == b.write_bytes);
  CHECK(a.macs_by_mode == b.macs_by_mode);
  CHECK(a.passes == b.passes);
}

}  // namespace

TEST_CASE("machines side by side have the figures that they have alone") {
  const auto first_alone = alone(first);
  const auto second_alone = alone(second);
  const auto together = simulate({first, second, first});
  REQUIRE(together.size() == 6);
  for (std::size_t i = 0; i < 2; ++i) {
    CAPTURE(i);
    CHECK(first_alone[i].cycles > 0);
    check_same(together[i], first_alone[i]);
    check_same(together[2 + i], second_alone[i]);
    check_same(together[4 + i], first_alone[i]);
  }
}
