// SPDX-License-Identifier: Apache-2.0
// The timeline of one 128 x 128 x 64 thread block on one multiprocessor, drawn by hand in docs/simt.md.
#include <catch2/catch.hpp>
#include <vector>

#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/sm_pipeline.h"

using namespace nibble;

namespace {

constexpr std::uint64_t latency = 400;

class TimedMemory : public GlobalMemoryPort {
 public:
  void serve(SmPipeline& pipeline) { pipeline_ = &pipeline; }
  void load(std::uint64_t cycle, const GlobalAccess& access, std::uint64_t ticket) override {
    loads.at(access.slice).push_back(cycle);
    pipeline_->complete(ticket, cycle + latency);
  }
  void store(std::uint64_t cycle, const GlobalAccess&) override { stores.push_back(cycle); }
  std::vector<std::vector<std::uint64_t>> loads{2};
  std::vector<std::uint64_t> stores;

 private:
  SmPipeline* pipeline_ = nullptr;
};

/// Cycles in which an operation was issued by any block.
std::vector<std::vector<std::uint64_t>> issues(SmPipeline& sm, std::uint64_t& end) {
  std::vector<std::vector<std::uint64_t>> out(warp_operation_count);
  auto before = sm.counters().instructions;
  while (!sm.finished()) {
    const std::uint64_t cycle = sm.now();
    sm.run(cycle + 1);
    const auto& now = sm.counters().instructions;
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i].insert(out[i].end(), now[i] - before[i], cycle);
    before = now;
  }
  end = sm.now();
  return out;
}

}  // namespace

TEST_CASE("the timeline of a 128 x 128 x 64 thread block", "[sm]") {
  const TensorCoreGeometry geometry = [] {
    TensorCoreGeometry g;
    g.mma_k = 4;
    return g;
  }();
  const TensorCoreSteps steps{geometry};
  GemmKernelConfig config;
  config.warps_n = 2;
  const GemmKernel kernel = make_gemm_kernel(config, steps, 64);
  TimedMemory memory;
  SmPipeline sm(SmConfig{}, memory);
  memory.serve(sm);
  sm.launch(0, kernel.program, kernel.warps);
  std::uint64_t end = 0;
  const auto at = issues(sm, end);
  const auto of = [&at](WarpOperation operation) { return at[static_cast<std::size_t>(operation)]; };

  // 16 KiB in 32 loads of 512 bytes, 4 cycles each on the path, the first behind its operands (1) and its passes (4).
  REQUIRE(memory.loads[0].size() == 32);
  CHECK(memory.loads[0].front() == 1 + 4);
  CHECK(memory.loads[0].back() == 1 + 32 * 4);
  const std::uint64_t all_data = memory.loads[0].back() + latency;
  CHECK(all_data == 529);
  // The warp served last stores 8 x 512 bytes, 4 cycles each, and comes to the barrier.
  const auto barriers = of(WarpOperation::barrier);
  REQUIRE(barriers.size() == 8);
  CHECK(barriers[3] == 556);
  CHECK(barriers[3] <= all_data + 8 * 4);
  // Four fragments of 512 bytes of each of four warps, shared memory's latency of 19: not before its own four, not
  // behind everybody's sixteen; two cycles of operands and issue.
  const auto multiplications = of(WarpOperation::hmma);
  CHECK(multiplications.size() == 64 * 16 * 4);
  CHECK(multiplications.front() == 622);
  CHECK(multiplications.front() >= barriers[3] + 1 + 4 * 4 + 19);
  CHECK(multiplications.front() <= barriers[3] + 1 + 16 * 4 + 19 + 2);
  CHECK(sm.counters().first_multiplication == 623);
  // The second slice is asked for when a warp enters the first, and arrives while that is multiplied.
  REQUIRE(memory.loads[1].size() == 32);
  CHECK(memory.loads[1].front() == 607);
  CHECK(memory.loads[1].back() == 823);
  const std::uint64_t first_slice = 8 * 16 * 4 * 2;  // cycles of a block: k-steps, m16n16k4 of a warp, steps, cycles
  CHECK(memory.loads[1].back() + latency < multiplications.front() + first_slice);
  // Its barrier is passed when the slowest warp has stored; nobody multiplies more than the last k-step until then.
  CHECK(barriers[7] == 1727);
  CHECK(multiplications.back() == 2897);
  // Tensor cores: both slices, and 11 % more until the last of four warps has ended.
  CHECK(sm.counters().block_cycles[static_cast<std::size_t>(SmCause::tensor)] == 4 * 2 * first_slice);
  CHECK(multiplications.back() + 2 - sm.counters().first_multiplication < 2 * first_slice * 112 / 100);
  // 32 KiB of results, 4 cycles for 512 bytes.
  REQUIRE(memory.stores.size() == 64);
  CHECK(memory.stores.front() == 3033);
  CHECK(memory.stores.back() == memory.stores.front() + 63 * 4);
  CHECK(end == memory.stores.back());

  // From below: data, one warp's stores and fragments, both slices, the path's stores of results.
  const std::uint64_t bound = all_data + 4 * 4 + 19 + 2 * first_slice + 64 * 4;
  CHECK(bound == 2868);
  CHECK(end >= bound);
  CHECK(end < bound * 115 / 100);
}
