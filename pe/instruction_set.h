// SPDX-License-Identifier: Apache-2.0
/// Which instructions the hot loops use. Every choice gives the same bits; tests and users who compare force one.
#pragma once

#include <string>
#include <vector>

namespace nibble {

enum class InstructionSet { portable, sse2, avx2 };

std::string to_string(InstructionSet set);

/// What this processor runs, the slowest first.
std::vector<InstructionSet> available_instruction_sets();

/// The one in use: the fastest, unless the environment variable NIBBLE_INSTRUCTION_SET names another ("portable",
/// "sse2", "avx2") when it is first asked for, or use_instruction_set chose one. Throws InputError for a variable that
/// names none or one that this processor does not run.
InstructionSet instruction_set();

/// For the whole process, from now on. `set` is an available one (InternalError).
void use_instruction_set(InstructionSet set);

}  // namespace nibble
