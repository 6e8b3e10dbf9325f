// SPDX-License-Identifier: Apache-2.0
#include "pe/instruction_set.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "core/error.h"

namespace nibble {

namespace {

constexpr int undecided = -1;
std::atomic<int> chosen{undecided};

bool available(InstructionSet set) {
  const std::vector<InstructionSet> sets = available_instruction_sets();
  return std::find(sets.begin(), sets.end(), set) != sets.end();
}

InstructionSet initial() {
  const std::vector<InstructionSet> sets = available_instruction_sets();
  const char* wanted = std::getenv("NIBBLE_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return sets.back();
  std::vector<std::string> names;
  for (const InstructionSet set : sets) {
    if (to_string(set) == wanted) return set;
    names.push_back(to_string(set));
  }
  throw InputError("NIBBLE_INSTRUCTION_SET: '" + std::string(wanted) +
                   "' is not one that this processor runs: " + join(names));
}

}  // namespace

std::string to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::portable:
      return "portable";
    case InstructionSet::sse2:
      return "sse2";
    case InstructionSet::avx2:
      break;
  }
  return "avx2";
}

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets = {InstructionSet::portable};
#if defined(__x86_64__)
  sets.push_back(InstructionSet::sse2);
  if (__builtin_cpu_supports("avx2")) sets.push_back(InstructionSet::avx2);
#endif
  return sets;
}

InstructionSet instruction_set() {
  int current = chosen.load(std::memory_order_relaxed);
  if (current == undecided) {
    current = static_cast<int>(initial());
    chosen.store(current, std::memory_order_relaxed);
  }
  return static_cast<InstructionSet>(current);
}

void use_instruction_set(InstructionSet set) {
  if (!available(set)) throw InternalError("this processor does not run " + to_string(set));
  chosen.store(static_cast<int>(set), std::memory_order_relaxed);
}

}  // namespace nibble
