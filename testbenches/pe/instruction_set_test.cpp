// SPDX-License-Identifier: Apache-2.0
#include "pe/instruction_set.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/error.h"
#include "pe/group_kernel.h"
#include "pe/pe_library.h"
#include "testbenches/pe/operands.h"

// Every test case is a process of its own: the environment is read once.
namespace nibble {
namespace {

TEST_CASE("the fastest instruction set is the default") {
  unsetenv("NIBBLE_INSTRUCTION_SET");
  REQUIRE(available_instruction_sets().front() == InstructionSet::portable);
  REQUIRE(instruction_set() == available_instruction_sets().back());
}

TEST_CASE("the environment forces an instruction set") {
  setenv("NIBBLE_INSTRUCTION_SET", "portable", 1);
  REQUIRE(instruction_set() == InstructionSet::portable);
  REQUIRE(chosen_group_kernel() == &group_kernel_portable);
  setenv("NIBBLE_INSTRUCTION_SET", "nonsense", 1);
  REQUIRE(instruction_set() == InstructionSet::portable);
}

TEST_CASE("an environment that names no instruction set is one clear error, at every use") {
  setenv("NIBBLE_INSTRUCTION_SET", "avx3", 1);
  for (int i = 0; i < 2; ++i) {
    REQUIRE_THROWS_WITH(instruction_set(),
                        Catch::Contains("NIBBLE_INSTRUCTION_SET: 'avx3'") && Catch::Contains("portable"));
  }
}

TEST_CASE("every instruction set gives every PE the same bits") {
  Random random(95);
  struct Pair {
    const char *pe, *a, *w;
  };
  for (const Pair& pair : {Pair{"mant", "int8-g64", "mant4-g64"},
                           {"mant", "int8-g256", "mant4-g256"},
                           {"mant", "int8-g7", "int8-channel"},
                           {"bfp", "bfp8-g32", "int4-g128"},
                           {"bfp", "bfp8-g32", "bfp8-g32"},
                           {"int4", "int4-g33", "int4-g33"},
                           {"bitfusion", "int8-channel", "int8-tensor"},
                           {"ant", "ant4-channel", "ant4-channel"},
                           {"olive", "olive4-channel", "olive4-channel"},
                           {"fp_int_aligned", "fp16", "int8-g192"},
                           {"amove", "amove4-g32c4", "amove4-g32c4"},
                           {"anda", "anda11-g64", "int4-g128"},
                           {"bitmod", "fp16", "bitmod4-g128"},
                           {"fp_int", "fp16", "int4-g32x4"},
                           {"fp16", "fp16", "fp16"},
                           {"int8", "int8-channel", "int8-channel"},
                           {"tender", "tender8-d8", "int8-channel"}}) {
    const QuantizedTensor a = test::random_operand(pair.a, 7, 515, random, false);
    const QuantizedTensor w = test::random_operand(pair.w, 37, 515, random, false);
    std::vector<std::vector<float>> results;
    for (const InstructionSet set : available_instruction_sets()) {
      use_instruction_set(set);
      results.emplace_back();
      gemm(find_pe(pair.pe), a, w, results.back());
    }
    CAPTURE(pair.pe, pair.a, pair.w);
    for (std::size_t i = 1; i < results.size(); ++i) {
      REQUIRE(std::equal(results[0].begin(), results[0].end(), results[i].begin(), results[i].end(),
                         [](float x, float y) { return float_bits(x) == float_bits(y); }));
    }
  }
}

}  // namespace
}  // namespace nibble
