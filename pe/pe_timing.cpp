// SPDX-License-Identifier: Apache-2.0
#include "pe/pe_timing.h"

#include "core/error.h"

namespace nibble {

const PeMode& PeTiming::mode(const std::string& mode_name) const {
  std::vector<std::string> known;
  for (const PeMode& candidate : modes) {
    if (candidate.name == mode_name) return candidate;
    known.push_back(candidate.name);
  }
  throw InputError(unknown_name("mode of PE " + name, mode_name, known));
}

}  // namespace nibble
