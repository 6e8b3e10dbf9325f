// SPDX-License-Identifier: Apache-2.0
// Steps and register file accesses of one m16n16k16, counted by hand for Volta, PacQ and k-packed weights.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "dataflow/tensor_core_steps.h"
#include "testbenches/support/error_text.h"

using namespace nibble;

namespace {

TensorCoreGeometry pacq(unsigned weight_bits, unsigned adder_trees = 2) {
  TensorCoreGeometry g;
  g.packing = WeightPacking::along_n;
  g.w_bits = weight_bits;
  g.adder_trees = adder_trees;
  g.order = {StepAxis::k, StepAxis::n, StepAxis::m};
  g.step_n = 8;
  g.step_m = weight_bits == 4 ? 2 : 4;
  g.a_buffer_bits = g.step_m * 4 * 16;
  g.c_buffer_bits = 4 * 8 * 32;  // an octet's 8 x 8 outputs stay
  return g;
}

TensorCoreGeometry k_packed(unsigned weight_bits) {
  TensorCoreGeometry g;
  g.packing = WeightPacking::along_k;
  g.w_bits = weight_bits;
  g.order = {StepAxis::n, StepAxis::m, StepAxis::k};
  return g;
}

}  // namespace

TEST_CASE("Volta's m16n16k16 takes 16 steps of 2 cycles", "[tensor_core]") {
  const TensorCoreSteps steps{TensorCoreGeometry{}};
  CHECK(steps.steps().size() == 16);
  CHECK(steps.cycles_per_step() == 2);
  CHECK(steps.cycles() == 32);
  CHECK(steps.geometry().macs() == 4096);  // 128 per cycle on two tensor cores
  // Within a set: rows 0-1 and 2-3 against columns 0-3, then against columns 4-7.
  CHECK(steps.steps()[0].n == 0);
  CHECK(steps.steps()[1].m == 1);
  CHECK(steps.steps()[1].n == 0);
  CHECK(steps.steps()[2].m == 0);
  CHECK(steps.steps()[2].n == 1);
  CHECK(steps.steps()[4].k == 1);
}

TEST_CASE("register accesses of an FP16 m16n16k16 by hand", "[tensor_core]") {
  const OperandAccesses accesses = TensorCoreSteps{TensorCoreGeometry{}}.accesses();
  // A: every step has another patch of 2 x 4 halves = 4 registers: 16 steps x 8 thread groups.
  CHECK(accesses.a_reads == 16 * 8 * 4);
  // W: an octet reads each patch of 4 x 4 halves = 8 registers once: 2 a set, 4 sets, 4 octets.
  CHECK(accesses.w_reads == 2 * 4 * 4 * 8);
  // C: every step has another patch of 2 x 4 FP32 = 8 registers, read and written.
  CHECK(accesses.c_reads == 16 * 8 * 8);
  CHECK(accesses.c_writes == 16 * 8 * 8);
  CHECK(accesses.total() == 512 + 256 + 1024 + 1024);
}

TEST_CASE("larger operand buffers keep both row patches and all accumulators", "[tensor_core]") {
  TensorCoreGeometry g;
  g.a_buffer_bits = 256;
  g.c_buffer_bits = 1024;
  const OperandAccesses accesses = TensorCoreSteps{g}.accesses();
  CHECK(accesses.a_reads == 16 * 8 * 4 / 2);  // columns 4-7 find the rows of columns 0-3
  CHECK(accesses.c_reads == 16 * 16);         // each accumulator once
  CHECK(accesses.c_writes == accesses.c_reads);
}

TEST_CASE("PacQ's n-packed words meet each activation once", "[tensor_core]") {
  const unsigned bits = GENERATE(4U, 2U);
  const TensorCoreSteps steps{pacq(bits)};
  CHECK(steps.cycles() == 16);  // half of Volta's: two adder trees per DP-4
  CHECK(steps.steps().size() == (bits == 4 ? 8 : 4));
  const OperandAccesses accesses = steps.accesses();
  CHECK(accesses.a_reads == 8 * 4 * 16 * 16 / 32);    // 8 thread groups x 4 x 16 FP16, once
  CHECK(accesses.w_reads == 4 * 8 * 16 * bits / 32);  // 4 octets x 8 x 16 weights, once
  CHECK(accesses.c_reads == 16 * 16);                 // accumulators stay for the whole k
  CHECK(accesses.c_writes == 16 * 16);
  CHECK(steps.holds_accumulators());
  CHECK_FALSE(TensorCoreSteps{TensorCoreGeometry{}}.holds_accumulators());
}

TEST_CASE("adder trees set PacQ's rate up to the lanes of a word", "[tensor_core]") {
  CHECK(TensorCoreSteps{pacq(4, 1)}.cycles() == 32);
  CHECK(TensorCoreSteps{pacq(4, 4)}.cycles() == 8);
  CHECK(TensorCoreSteps{pacq(2, 8)}.cycles() == 4);
  CHECK_THROWS_AS(TensorCoreSteps{pacq(4, 8)}, InputError);
  TensorCoreGeometry unpacked;
  unpacked.adder_trees = 2;
  CHECK_THROWS_AS(TensorCoreSteps{unpacked}, InputError);
}

TEST_CASE("k-packed words load activations again for every block of columns", "[tensor_core]") {
  const TensorCoreSteps int4{k_packed(4)}, int2{k_packed(2)};
  CHECK(int4.cycles() == 32);  // one weight per multiplier and cycle
  // A: a patch per step, as the buffer holds one: twice each activation.
  CHECK(int4.accesses().a_reads == 2 * 8 * 4 * 16 / 2);
  // W: a word's four k are one patch of 4 x 4 weights = 2 registers; four stay for the second half of the rows.
  CHECK(int4.accesses().w_reads == 4 * 8 * 16 * 4 / 32);
  CHECK(int2.accesses().w_reads == 4 * 8 * 16 * 2 / 32);
  // C: k innermost, each accumulator comes and goes once.
  CHECK(int4.accesses().c_reads == 256);
  CHECK(int4.accesses().c_writes == 256);
}

TEST_CASE("a width that does not divide a sum leaves products idle", "[tensor_core]") {
  TensorCoreGeometry g = k_packed(4);
  g.step_k = 16;
  g.a_buffer_bits = 512;
  g.dp_width = 3;  // six multiplications for sixteen products
  const TensorCoreSteps steps{g};
  CHECK(steps.steps().size() == 4);
  CHECK(steps.cycles_per_step() == 2 * 4 * 6 / 4);
  g.dp_width = 4;
  CHECK(TensorCoreSteps{g}.cycles() == 32);
}

TEST_CASE("accesses by step add up", "[tensor_core]") {
  const TensorCoreGeometry geometry = GENERATE(TensorCoreGeometry{}, pacq(4), pacq(2), k_packed(4), k_packed(2));
  const TensorCoreSteps steps{geometry};
  std::uint64_t total = 0;
  for (const OperandAccesses& step : steps.accesses_by_step())
    total += step.total();
  CHECK(steps.accesses_by_step().size() == steps.steps().size());
  CHECK(total == steps.accesses().total());
  CHECK(steps.cycles() * 8 * geometry.dp_units * geometry.dp_width * geometry.adder_trees >= geometry.macs());
}

TEST_CASE("an Ampere-like tensor core multiplies 1024 pairs of INT4 per cycle", "[tensor_core]") {
  TensorCoreGeometry g;
  g.mma_m = 16, g.mma_n = 8, g.mma_k = 64;
  g.thread_groups = 16;
  g.group_m = 4, g.group_n = 2;
  g.step_m = 2, g.step_n = 2, g.step_k = 16;
  g.dp_width = 16;
  g.a_bits = g.w_bits = 4;
  const TensorCoreSteps steps{g};
  CHECK(g.macs() / steps.cycles() == 1024);
  CHECK(steps.cycles() == 8);
}

TEST_CASE("impossible tensor cores are refused with the rule", "[tensor_core]") {
  const auto message = [](const TensorCoreGeometry& g) { return test::error_of([&] { TensorCoreSteps{g}; }); };
  TensorCoreGeometry g;
  g.step_m = 3;
  CHECK_THAT(message(g), Catch::Contains("step_m = 3 does not divide group_m = 4"));
  g = {};
  g.thread_groups = 4;
  CHECK_THAT(message(g), Catch::Contains("4 thread groups of 4 x 8 outputs are not 16 x 16"));
  g = {};
  g.a_buffer_bits = 64;
  CHECK_THAT(message(g), Catch::Contains("does not fit a_buffer_bits = 64"));
  g = pacq(4);
  g.w_bits = 3;
  CHECK_THAT(message(g), Catch::Contains("do not fill words of 16"));
  g = {};
  g.order = {StepAxis::m, StepAxis::m, StepAxis::k};
  CHECK_THAT(message(g), Catch::Contains("once each"));
  g = {};
  g.step_k = 0;
  CHECK_THAT(message(g), Catch::Contains("step_k = 0"));
}

namespace {

/// One processing block as Amove has it: 16 thread groups of four units, m16n8k64 in one step.
TensorCoreGeometry amove(unsigned cluster, unsigned dp_width) {
  TensorCoreGeometry g;
  g.mma_n = g.group_n = g.step_n = 8;
  g.mma_k = g.step_k = 64;
  g.thread_groups = g.w_sharers = 16;
  g.group_m = g.step_m = 1;
  g.dp_width = dp_width;
  g.a_bits = g.w_bits = 4;
  g.scale_extent = cluster;
  g.decodes_scales = true;
  g.a_buffer_bits = g.c_buffer_bits = 256;
  g.w_buffer_bits = 2048;
  return g;
}

}  // namespace

TEST_CASE("Amove: 4- against 16-wide units, and dequantization that takes fewer sums than come") {
  // 16 x 8 x 64 products over 16 groups x 4 units x width.
  CHECK(TensorCoreSteps{amove(16, 16)}.cycles() == 8);
  CHECK(TensorCoreSteps{amove(16, 8)}.cycles() == 16);
  CHECK(TensorCoreSteps{amove(16, 4)}.cycles() == 32);
  // A thread group has 512 products: 128 sums of clusters of 4, 32 of clusters of 16.
  TensorCoreGeometry paced = amove(4, 16);
  paced.scaled_sums_per_cycle = 4;
  CHECK(TensorCoreSteps{paced}.cycles() == 32);
  paced.dp_width = 4;
  CHECK(TensorCoreSteps{paced}.cycles() == 32);  // one sum of a unit and cycle: matched
  paced = amove(16, 16);
  paced.scaled_sums_per_cycle = 4;
  CHECK(TensorCoreSteps{paced}.cycles() == 8);
}

TEST_CASE("Amove: registers of one m16n8k64 and scales that its decoders rebuild") {
  // As the fragments of the instruction hold them: 16 x 64 and 8 x 64 elements of 4 bits, 16 x 8 sums of 32.
  const TensorCoreSteps steps{amove(16, 16)};
  CHECK(steps.steps().size() == 1);
  CHECK(steps.accesses().a_reads == 128);
  CHECK(steps.accesses().w_reads == 64);
  CHECK(steps.accesses().c_reads == 128);
  CHECK(steps.accesses().c_writes == 128);
  // 16 rows and 8 columns of 64 / 16 and of 64 / 4 clusters.
  CHECK(steps.decoded_scales() == 24 * 4);
  CHECK(TensorCoreSteps{amove(4, 16)}.decoded_scales() == 24 * 16);
  TensorCoreGeometry shared = amove(4, 16);
  shared.w_sharers = 2;  // decoders of W for every two thread groups
  CHECK(TensorCoreSteps{shared}.decoded_scales() == (16 + 8 * 8) * 16);
  shared.decodes_scales = false;
  CHECK(TensorCoreSteps{shared}.decoded_scales() == 0);
}
