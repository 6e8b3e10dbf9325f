// SPDX-License-Identifier: Apache-2.0
/// Whole commands on the 64 x 32 array, every cycle of every cause counted by hand, at both fidelities.
///
/// Memory answers at once, or after a stated latency, so that what is left is the machine's own time. Times below count
/// from the first cycle of the command; its descriptor is fetched before, which is waiting for memory.
#include <memory>
#include <string>
#include <vector>

#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machine_bench.h"
#include "testbenches/accelerators/scripted_memory.h"

using namespace nibble;
using namespace nibble::test;

namespace {

struct Expected {
  std::uint64_t compute = 0, fill_drain = 0, memory_stall = 0, output_stall = 0, quantizer = 0, weight_load = 0;
};

/// Runs each command alone at both fidelities; one period is 2 ns.
class HandCount {
 public:
  void add(const std::string& title, const SystolicConfig& config, const Descriptor& command, const Expected& expected,
           std::uint64_t latency_cycles = 0) {
    for (const Fidelity fidelity : {Fidelity::transaction, Fidelity::cycle}) {
      SystolicConfig machine = config;
      machine.fidelity = fidelity;
      const std::string name = sc_core::sc_gen_unique_name("machine");
      memories_.push_back(std::make_unique<ScriptedMemory>(
          (name + "_memory").c_str(), 1 << 24,
          sc_core::sc_time(2.0 * static_cast<double>(latency_cycles), sc_core::SC_NS)));
      benches_.push_back(std::make_unique<MachineBench>(name.c_str(), machine, memories_.back()->target,
                                                        *memories_.back(), [command](MachineBench& bench) {
                                                          bench.open_queue();
                                                          CHECK(bench.perform(command).status == CommandStatus::done);
                                                        }));
      titles_.push_back(title + (fidelity == Fidelity::cycle ? ", cycle" : ", transaction"));
      expected_.push_back(expected);
    }
  }

  void run() {
    sc_core::sc_start();
    for (std::size_t i = 0; i < benches_.size(); ++i) {
      CAPTURE(titles_[i]);
      REQUIRE(benches_[i]->finished);
      benches_[i]->check_protocol();
      const CommandCounters& c = benches_[i]->commands.at(0);
      const Expected& e = expected_[i];
      CHECK(c.compute_cycles == e.compute);
      CHECK(c.fill_drain_cycles == e.fill_drain);
      CHECK(c.memory_stall_cycles == e.memory_stall);
      CHECK(c.output_stall_cycles == e.output_stall);
      CHECK(c.exposed_quantizer_cycles == e.quantizer);
      CHECK(c.weight_load_cycles == e.weight_load);
      CHECK(c.cycles == e.compute + e.fill_drain + e.memory_stall + e.output_stall + e.quantizer);
    }
  }

 private:
  std::vector<std::unique_ptr<ScriptedMemory>> memories_;
  std::vector<std::unique_ptr<MachineBench>> benches_;
  std::vector<std::string> titles_;
  std::vector<Expected> expected_;
};

Descriptor one_tile(const SystolicConfig& config, std::uint32_t m, std::uint32_t k, std::uint32_t n,
                    const GemmFormats& formats = {}) {
  Descriptor command = gemm_command(config, m, k, n, formats);
  command.tiling = {m, k, n, LoopOrder::mnk};
  return command;
}

Descriptor tiled(Descriptor command, const Tiling& tiling) {
  command.tiling = tiling;
  return command;
}

}  // namespace

TEST_CASE("single tiles with an ideal memory") {
  const SystolicConfig mant = mant_config();
  HandCount count;
  // load 64, one row, 63 rows down, no column across, foot 4: 132 cycles.
  count.add("1 x 1 x 1", mant, one_tile(mant, 1, 1, 1), {1, 64 + 63 + 0 + 4});
  // One full set of weights, as many rows: load 64, 64 rows, 63 down, 31 across, foot 4.
  count.add("64 x 64 x 32", mant, one_tile(mant, 64, 64, 32), {64, 64 + 63 + 31 + 4});
  // One column more: a second pass of 64 rows whose load hides; its only column is the first.
  count.add("64 x 64 x 33", mant, one_tile(mant, 64, 64, 33), {2 * 64, 64 + 63 + 0 + 4});
  // One reduction element more: again a second pass, 32 columns wide.
  count.add("64 x 65 x 32", mant, one_tile(mant, 64, 65, 32), {2 * 64, 64 + 63 + 31 + 4});
  // One row more.
  count.add("65 x 64 x 32", mant, one_tile(mant, 65, 64, 32), {65, 64 + 63 + 31 + 4});
  // Decode: four passes of one row, three of which wait 63 cycles for the next weights.
  count.add("1 x 128 x 64", mant, one_tile(mant, 1, 128, 64), {4, 64 + 3 * 63 + 63 + 31 + 4, 0, 0, 0, 3 * 63});
  // INT8 weights take two PEs: 32 reduction elements per pass.
  count.add("W8A8 64 x 64 x 32", mant, one_tile(mant, 64, 64, 32, {"int8-g64", "int8-g64", "fp16"}),
            {2 * 64, 64 + 63 + 31 + 4});
  // A quantized result passes the quantizer: 12 stages and one encoder cycle.
  count.add("quantized 64 x 64 x 32", mant, one_tile(mant, 64, 64, 32, {"int8-g64", "mant4-g64", "int8-g64"}),
            {64, 64 + 63 + 31 + 4, 0, 0, 13});
  count.run();
}

TEST_CASE("several jobs with an ideal memory follow without a gap") {
  const SystolicConfig mant = mant_config();
  HandCount count;
  // Two jobs along m of 64 rows: one command's load, 128 rows, one drain.
  count.add("two row tiles", mant, tiled(gemm_command(mant, 128, 64, 32), {64, 64, 32, LoopOrder::mnk}),
            {128, 64 + 63 + 31 + 4});
  // Two jobs along k of 10 rows: the second waits 54 cycles for its weights.
  count.add("two reduction tiles", mant, tiled(gemm_command(mant, 10, 128, 32), {10, 64, 32, LoopOrder::mnk}),
            {20, 64 + 54 + 63 + 31 + 4, 0, 0, 0, 54});
  // Three instances of one row each.
  Descriptor heads = gemm_command(mant, 1, 64, 32, {}, 3);
  heads.tiling = {1, 64, 32, LoopOrder::mnk};
  count.add("three instances", mant, heads, {3, 64 + 2 * 63 + 63 + 31 + 4, 0, 0, 0, 2 * 63});
  count.run();
}

TEST_CASE("a latency of memory is waited for where nothing hides it") {
  const SystolicConfig mant = mant_config();
  HandCount count;
  // 100 cycles for the descriptor, 100 for the operands, 100 for the store, 100 for the status word behind it.
  count.add("1 x 1 x 1", mant, one_tile(mant, 1, 1, 1), {1, 131, 200, 100 + 100}, 100);
  // Two jobs, double buffered: both are loaded in the first 100 cycles, the first one's store hides behind the drain of
  // the second: it goes out at edge 64 + 64 + 63 + 31 + 4 of the job, and the second ends 64 later.
  count.add("two row tiles", mant, tiled(gemm_command(mant, 128, 64, 32), {64, 64, 32, LoopOrder::mnk}),
            {128, 64 + 63 + 31 + 4, 200, 100 + 100}, 100);
  // Three jobs of 64 rows: the third's operands are asked for when the first gives its slots back, 128 cycles after the
  // operands came; they arrive at 228. The second ends at 192, the third's weights then load from 228 to 292: 100
  // cycles from 192 to 292, none of them a load that would have been visible with the operands there.
  count.add("three row tiles and weights", mant, tiled(gemm_command(mant, 64, 192, 32), {64, 64, 32, LoopOrder::mnk}),
            {3 * 64, 64 + 63 + 31 + 4, 200 + 100, 100 + 100}, 100);
  count.run();
}

TEST_CASE("a full output buffer holds the next job back until a tile has left") {
  // A buffer of exactly one tile of 64 x 32 accumulators of 4 bytes, and stores that take 1000 cycles.
  SystolicConfig mant = mant_config({"buffers.output_kib=8"});
  HandCount count;
  // Times from the moment the operands are there, 2000 cycles after the fetch began. Job 1 streams 64..128; its results
  // end at 128 + 63 + 31 + 4 = 226, the store at 1226. Job 2 streams 128..192 and may then not leave before 1226:
  // output 1034. Its operands came with job 1's; job 3's are asked for at 128 and come at 1128, so its weights load
  // from 1128 on and are there at 1192, hidden in the wait; it starts at 1226 and ends at 1290, its results at 1388.
  // The store of job 2, whose results were done at 290, came at 1290: room for the end of job 3, which is the last and
  // needs none. 1388 + 1000 for the last store.
  count.add("three tiles", mant, tiled(gemm_command(mant, 192, 64, 32), {64, 64, 32, LoopOrder::mnk}),
            {192, 64 + 63 + 31 + 4, 2000, 1034 + 1000 + 1000}, 1000);
  count.run();
}
