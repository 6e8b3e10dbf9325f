// SPDX-License-Identifier: Apache-2.0
/// amove_tile.sv: clusters of 4 and 16, scales from codes, accumulation in binary16 and binary32, stalls, resets.
#include "amove_tile_bench.h"
#include "rtl_amove_tile.h"
#include "rtl_amove_tile_fp32.h"

using namespace nibble;

TEST_CASE("amove_tile: random clusters, scales, exponents, stalls and resets, accumulated in binary16") {
  for (const char* mode : {"c4", "c16"}) {
    REQUIRE(amove_pe_timing().mode(mode).latency == 1);
    REQUIRE(amove_pe_timing().mode(mode).initiation_interval == 1);
  }
  REQUIRE(amove_pe_timing().foot_latency == 4);
  AmoveTileBench<rtl_amove_tile, 16> bench("amove_tile", 6);
  bench.run(random_cycles());
  CHECK(bench.results() > random_cycles() / 50);
  bench.finish(2 * random_cycles());
}

TEST_CASE("amove_tile: the same, accumulated in binary32") {
  AmoveTileBench<rtl_amove_tile_fp32, 32> bench("amove_tile_fp32", 7);
  bench.run(random_cycles());
  CHECK(bench.results() > random_cycles() / 50);
  bench.finish(2 * random_cycles());
}
