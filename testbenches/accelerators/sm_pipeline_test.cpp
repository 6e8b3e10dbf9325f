// SPDX-License-Identifier: Apache-2.0
// One streaming multiprocessor: cycles counted by hand for a few instructions, conservation, tensor core utilisation.
#include <catch2/catch.hpp>
#include <numeric>

#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/sm_pipeline.h"
#include "core/error.h"

using namespace nibble;

namespace {

/// Answers every load `latency` cycles after it left.
class FixedLatencyMemory : public GlobalMemoryPort {
 public:
  explicit FixedLatencyMemory(std::uint64_t latency) : latency_(latency) {}
  void serve(SmPipeline& pipeline) { pipeline_ = &pipeline; }
  void load(std::uint64_t cycle, const GlobalAccess& access, std::uint64_t ticket) override {
    loaded.push_back(access);
    pipeline_->complete(ticket, cycle + latency_);
  }
  void store(std::uint64_t, const GlobalAccess& access) override { stored.push_back(access); }
  static std::uint64_t bytes(const std::vector<GlobalAccess>& accesses) {
    return std::accumulate(accesses.begin(), accesses.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const GlobalAccess& access) { return sum + access.bytes; });
  }
  std::vector<GlobalAccess> loaded, stored;

 private:
  std::uint64_t latency_;
  SmPipeline* pipeline_ = nullptr;
};

struct Bench {
  explicit Bench(const SmConfig& config = {}, std::uint64_t latency = 100) : memory(latency), sm(config, memory) {
    memory.serve(sm);
  }
  FixedLatencyMemory memory;
  SmPipeline sm;
  std::uint64_t run(const WarpProgram& program, unsigned warps = 1) {
    sm.launch(0, program, warps);
    sm.drain();
    return sm.counters().cycles;
  }
  std::uint64_t of(SmCause cause) const { return sm.counters().block_cycles[static_cast<std::size_t>(cause)]; }
};

WarpInstruction instruction(WarpOperation operation, std::int16_t waits_for = no_entry,
                            std::int16_t produces = no_entry, std::uint16_t reads = 32) {
  WarpInstruction out;
  out.operation = operation;
  out.waits_for[0] = waits_for;
  out.produces = produces;
  out.register_reads[0] = reads;
  return out;
}

WarpProgram program_of(std::vector<WarpInstruction> code) {
  WarpProgram program;
  program.prologue = std::move(code);
  program.entries = 4;
  return program;
}

std::uint64_t every_cause(const SmCounters& counters) {
  return std::accumulate(counters.block_cycles.begin(), counters.block_cycles.end(), std::uint64_t{0});
}

GemmKernelConfig volta_kernel() {
  GemmKernelConfig config;
  config.warps_m = config.warps_n = 2;
  return config;
}

TensorCoreGeometry volta() {
  TensorCoreGeometry geometry;
  geometry.mma_k = 4;
  return geometry;
}

}  // namespace

TEST_CASE("a chain of dependent instructions issues one latency apart", "[sm]") {
  // Operands are read in one cycle, 32 lanes take two passes of 16, the result is valid 4 cycles after the first pass:
  // issue at 0, entry valid at 1 + 2 - 1 + 4 = 6; the second issues at 6, the third at 12, and the warp ends at 13.
  Bench bench;
  const auto one = instruction(WarpOperation::integer, 0, 0);
  CHECK(bench.run(program_of({one, one, one})) == 13);
  CHECK(bench.of(SmCause::accumulators) == 10);
  CHECK(bench.of(SmCause::issue) == 3);
  CHECK(bench.of(SmCause::idle) == 39);  // three other blocks
}

TEST_CASE("independent instructions of one warp issue at the rate of their lanes", "[sm]") {
  Bench bench;
  CHECK(bench.run(program_of(std::vector<WarpInstruction>(10, instruction(WarpOperation::integer)))) == 19);
}

TEST_CASE("tensor core steps follow each other without a gap", "[sm]") {
  Bench bench;
  WarpInstruction step = instruction(WarpOperation::hmma);
  step.unit_cycles = 2;
  // Issued at 0, 2, 4, ...: step i multiplies in cycles 2i + 1 and 2i + 2.
  CHECK(bench.run(program_of(std::vector<WarpInstruction>(16, step))) == 31);
  CHECK(bench.of(SmCause::tensor) == 30);
}

TEST_CASE("register banks that cannot deliver an instruction's operands in time slow its unit", "[sm]") {
  Bench bench;
  WarpInstruction step = instruction(WarpOperation::hmma, no_entry, no_entry, 256);  // 4 cycles of one bank
  step.unit_cycles = 2;
  CHECK(bench.run(program_of(std::vector<WarpInstruction>(16, step))) > 16 * 4 - 8);
}

TEST_CASE("loads answer through the scoreboard", "[sm]") {
  Bench bench;
  WarpInstruction load = instruction(WarpOperation::load_global, no_entry, 1);
  load.bytes = 512;
  // Read operands: 1 cycle; 4 passes of the memory path: it leaves at 5; data at 105; the user issues then.
  CHECK(bench.run(program_of({load, instruction(WarpOperation::integer, 1)})) == 106);
  CHECK(bench.of(SmCause::global_memory) == 104);
  WarpInstruction shared = instruction(WarpOperation::load_shared, no_entry, 1);
  shared.bytes = 512;
  Bench other;
  CHECK(other.run(program_of({shared, instruction(WarpOperation::integer, 1)})) == 5 + 19 + 1);
  CHECK(other.of(SmCause::shared_memory) == 23);
}

TEST_CASE("a run can stop and go on while data are on the way", "[sm]") {
  class Silent : public GlobalMemoryPort {
   public:
    void load(std::uint64_t, const GlobalAccess&, std::uint64_t given) override { ticket = given; }
    void store(std::uint64_t, const GlobalAccess&) override {}
    std::uint64_t ticket = SmPipeline::never;
  } memory;
  SmPipeline sm(SmConfig{}, memory);
  WarpInstruction load = instruction(WarpOperation::load_global, no_entry, 1);
  load.bytes = 128;
  const WarpProgram program = program_of({load, instruction(WarpOperation::integer, 1)});
  sm.launch(7, program, 1);
  sm.run(SmPipeline::never);
  CHECK_FALSE(sm.finished());
  const std::uint64_t stuck = sm.now();
  sm.run(1000);
  CHECK(sm.now() == 1000);
  sm.complete(memory.ticket, 1200);
  sm.run(SmPipeline::never);
  CHECK(sm.finished());
  CHECK(sm.now() == 1201);
  CHECK(stuck < 10);
  CHECK(sm.take_finished() == std::vector<std::uint64_t>{7});
  CHECK(sm.take_finished().empty());
}

TEST_CASE("a barrier holds every warp of its thread block and no other", "[sm]") {
  Bench bench;
  WarpInstruction load = instruction(WarpOperation::load_global, no_entry, 1);
  load.bytes = 512;
  WarpProgram waits = program_of({load, instruction(WarpOperation::integer, 1), instruction(WarpOperation::barrier),
                                  instruction(WarpOperation::integer)});
  bench.sm.launch(0, waits, 8);
  const WarpProgram quick = program_of({instruction(WarpOperation::barrier), instruction(WarpOperation::integer)});
  bench.sm.launch(1, quick, 2);
  CHECK(bench.sm.drain() == std::vector<std::uint64_t>{1, 0});
  CHECK(bench.sm.counters().instructions[static_cast<std::size_t>(WarpOperation::barrier)] == 10);
}

TEST_CASE("every cycle of every block has one cause, every byte and instruction is counted", "[sm]") {
  const TensorCoreSteps steps{volta()};
  GemmKernelConfig config = volta_kernel();
  config.tile_m = config.tile_n = 64;
  const GemmKernel kernel = make_gemm_kernel(config, steps, 256);
  const unsigned thread_blocks = GENERATE(1U, 3U);
  Bench bench(SmConfig{}, 400);
  for (unsigned i = 0; i < thread_blocks; ++i)
    bench.sm.launch(i, kernel.program, kernel.warps);
  bench.sm.drain();
  const SmCounters& counters = bench.sm.counters();
  CHECK(every_cause(counters) == counters.cycles * 4);
  CHECK(counters.global_read_bytes == thread_blocks * 256 * (64 + 64) * 2);
  CHECK(FixedLatencyMemory::bytes(bench.memory.loaded) == counters.global_read_bytes);
  CHECK(counters.global_written_bytes == thread_blocks * 64 * 64 * 2);
  const std::uint64_t issued =
      std::accumulate(counters.instructions.begin(), counters.instructions.end(), std::uint64_t{0});
  CHECK(issued == thread_blocks * kernel.warps * kernel.program.length());
  CHECK(counters.thread_blocks == thread_blocks);
  for (const GlobalAccess& access : bench.memory.loaded)
    CHECK(access.slice < 256 / 32);
}

TEST_CASE("instructions and register accesses of a 64 x 64 x 64 tile by hand", "[sm]") {
  const TensorCoreSteps steps{volta()};
  GemmKernelConfig config = volta_kernel();
  config.tile_m = config.tile_n = 64;
  const GemmKernel kernel = make_gemm_kernel(config, steps, 64);
  Bench bench;
  bench.run(kernel.program, kernel.warps);
  const auto instructions = [&](WarpOperation operation) {
    return bench.sm.counters().instructions[static_cast<std::size_t>(operation)];
  };
  // 64 m16n16k16 of 16 steps.
  CHECK(instructions(WarpOperation::hmma) == 64 * 16);
  // Two slices of (64 + 64) rows x 32 halves = 8 KiB in accesses of 512 bytes.
  CHECK(instructions(WarpOperation::load_global) == 2 * 16);
  CHECK(instructions(WarpOperation::store_shared) == 2 * 16);
  // Per warp and k4: 32 rows of A and of W, each for two octets: 2 x 32 x 4 x 2 bytes x 2 copies = 1 KiB.
  CHECK(instructions(WarpOperation::load_shared) == 4 * 16 * 2);
  CHECK(instructions(WarpOperation::integer) == 4 * 2 * 8);
  CHECK(instructions(WarpOperation::barrier) == 4 * 2);
  CHECK(instructions(WarpOperation::convert) == 64 * 64 / 64);
  CHECK(instructions(WarpOperation::store_global) == 64 * 64 * 2 / 512);
  // HMMA: per m16n16k16 512 registers of A, 256 of W, 1024 of C; addresses, stored words and results beside them.
  const std::uint64_t reads =
      64 * (512 + 256 + 1024) + 32 * 64 + 32 * (32 + 128) + 128 * 32 + 64 * 64 + 64 * 64 + 16 * (64 + 128);
  CHECK(bench.sm.counters().register_reads == reads);
  const std::uint64_t writes = 64 * 1024 + 32 * 128 + 128 * 128 + 64 * 32 + 64 * 32;
  CHECK(bench.sm.counters().register_writes == writes);
}

TEST_CASE("a large FP16 GEMM keeps the tensor cores 85 % to 100 % busy", "[sm]") {
  const TensorCoreSteps steps{volta()};
  const GemmKernel kernel = make_gemm_kernel(volta_kernel(), steps, 2048);
  const SmConfig config;
  const unsigned resident =
      SmPipeline::resident_thread_blocks(config, kernel.warps, kernel.registers_per_lane, kernel.shared_bytes);
  CHECK(resident == 2);
  Bench bench(config, 400);
  for (unsigned i = 0; i < resident; ++i)
    bench.sm.launch(i, kernel.program, kernel.warps);
  bench.sm.drain();
  const double needed = static_cast<double>(resident * kernel.mmas * steps.cycles()) / 4;
  const double utilisation = needed / static_cast<double>(bench.sm.counters().cycles);
  CHECK(utilisation > 0.85);
  CHECK(utilisation <= 1.0);
}

TEST_CASE("the same launch twice takes the same cycles", "[sm]") {
  const TensorCoreSteps steps{volta()};
  const GemmKernel kernel = make_gemm_kernel(volta_kernel(), steps, 256);
  Bench first, second;
  CHECK(first.run(kernel.program, kernel.warps) == second.run(kernel.program, kernel.warps));
}

TEST_CASE("kernels that a multiprocessor cannot hold are refused", "[sm]") {
  const TensorCoreSteps steps{volta()};
  GemmKernelConfig config = volta_kernel();
  config.warps_m = config.warps_n = 1;
  CHECK_THROWS_WITH(make_gemm_kernel(config, steps, 64), Catch::Contains("registers"));
  config = volta_kernel();
  config.tile_m = 100;
  CHECK_THROWS_WITH(make_gemm_kernel(config, steps, 64), Catch::Contains("tile_m = 100"));
  config = volta_kernel();
  config.order = KernelOrder::k_inner;
  CHECK_THROWS_WITH(make_gemm_kernel(config, steps, 64), Catch::Contains("c_buffer_bits"));
  CHECK_THROWS_WITH(make_gemm_kernel(volta_kernel(), steps, 0), Catch::Contains("k must"));
  SmConfig none;
  none.blocks = 0;
  FixedLatencyMemory memory(1);
  CHECK_THROWS_AS(SmPipeline(none, memory), InputError);
}

TEST_CASE("one matrix instruction of Amove: five stages by hand") {
  // Operands and metadata in registers; preload 1, dispatch, compute and write back 8, dequantize 4.
  SmConfig config;
  config.tensor_latency = 1 + 8 + 4;
  WarpInstruction multiply = instruction(WarpOperation::hmma, no_entry, 0, 128);
  multiply.unit_cycles = 8;
  Bench alone(config);
  // 128 registers of a bank that reads 64 per cycle: 2 cycles; the units are busy for 8; the accumulators follow.
  const WarpInstruction user = instruction(WarpOperation::integer, 0);
  const std::uint64_t amove = alone.run(program_of({multiply, user}));
  config.tensor_latency = 8;
  Bench integer(config);
  CHECK(amove - integer.run(program_of({multiply, user})) == 5);
  Bench without(config);
  const std::uint64_t user_alone = without.run(program_of({instruction(WarpOperation::integer)}));
  CHECK(amove == 2 + 8 + 13 + user_alone);
  // Independent instructions hide the latency: 8 cycles each.
  config.tensor_latency = 13;
  Bench many(config);
  WarpInstruction other = multiply;
  other.produces = 1;
  Bench two(config);
  CHECK(two.run(program_of({multiply, other})) - many.run(program_of({multiply})) == 8);
}
