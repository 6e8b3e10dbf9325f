// SPDX-License-Identifier: Apache-2.0
// How SIMT machines choose kernels: what the standard kernels of each are, bounds from below, the least expected time.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <tuple>

#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;

namespace {

const MemoryRate hbm2{589.2, 54};

Descriptor linear_command(const SimtConfig& config, std::uint32_t m, std::uint32_t k, std::uint32_t n) {
  return gemm_command(config, m, k, n, {config.formats.activation.name(), config.formats.weight.name(), "fp16"});
}

}  // namespace

TEST_CASE("standard kernels: one arrangement of warps for a tile, whole blocks of operands, held by a multiprocessor") {
  for (const char* machine : {"simt-fp16", "simt-dequant", "pacq", "amove-tensor-core", "int8-tensor-core"}) {
    CAPTURE(machine);
    const SimtConfig config = simt_config(machine, {});
    const Descriptor command = linear_command(config, 64, 4096, 4096);
    std::set<std::tuple<unsigned, unsigned, unsigned>> tiles;
    unsigned held = 0;
    for (const GemmKernelConfig& kernel : config.modes.front().kernels) {
      CHECK(tiles.emplace(kernel.tile_m, kernel.tile_n, kernel.tile_k).second);
      CHECK(kernel.tile_m % config.activation_block_rows == 0);
      CHECK(kernel.tile_n % config.weight_block_rows == 0);
      const KernelTiming* timing = config.find_timing(kernel, command);  // with scales, some no longer fit
      held += timing != nullptr ? 1 : 0;
      CHECK((timing == nullptr || timing->resident() >= 1));
    }
    CHECK(held >= 15);
  }
}

TEST_CASE("what a slice occupies in closed form is a bound of what the pipeline takes") {
  const SimtConfig config = simt_config("pacq", {});
  const Descriptor command = linear_command(config, 64, 4096, 4096);
  for (const GemmKernelConfig& kernel : config.modes.front().kernels) {
    if (kernel.tile_k > 64) continue;
    CAPTURE(tile_name(kernel));
    const KernelTiming& timing = config.timing_of(kernel, command);
    for (const unsigned running : {1U, timing.resident()})
      CHECK(timing.slice(running) >= 0.999 * timing.busy());
  }
}

TEST_CASE("a command's kernel has the least expected time within a percent; what is not measured cannot be faster") {
  const SimtConfig config = simt_config("pacq", {});
  for (const std::uint32_t m : {16U, 64U, 256U}) {
    const Descriptor command = linear_command(config, m, 4096, 11008);
    const std::vector<KernelEstimate> all = estimates(config, command, hbm2);
    double least = std::numeric_limits<double>::infinity();
    for (const KernelEstimate& e : all) {
      if (e.cycles == 0) continue;
      CHECK(e.cycles >= e.at_least);
      CHECK(e.compute >= 0.999 * e.busy);
      least = std::min(least, e.cycles);
    }
    for (const KernelEstimate& e : all)
      CHECK((e.cycles != 0 || e.at_least >= least));
    const Tiling chosen = config.choose_tiling(command, hbm2);
    const auto found = std::find_if(all.begin(), all.end(), [&](const KernelEstimate& e) {
      return e.kernel->tile_m == chosen.m && e.kernel->tile_n == chosen.n && e.kernel->tile_k == chosen.k;
    });
    REQUIRE(found != all.end());
    CHECK(found->cycles <= 1.01 * least);
  }
}

TEST_CASE("a listed kernel takes the place of the standard ones") {
  const std::string own = "[{tile_m: 64, tile_n: 128, tile_k: 64, warps_m: 2, warps_n: 2}]";
  const SimtConfig config = simt_config("pacq", {"tensor_core.linear.kernels=" + own});
  REQUIRE(config.modes.front().kernels.size() == 1);
  CHECK(config.modes.back().kernels.size() > 1);  // attention
  const Tiling chosen = config.choose_tiling(linear_command(config, 16, 4096, 4096), hbm2);
  CHECK((chosen.m == 64 && chosen.n == 128 && chosen.k == 64));
  CHECK(simt_config("pacq", {"tensor_core.linear.kernels=standard"}).modes.front().kernels.size() > 1);
  CHECK_THROWS_WITH(simt_config("pacq", {"tensor_core.linear.kernels=fast"}), Catch::Contains("standard"));
}
