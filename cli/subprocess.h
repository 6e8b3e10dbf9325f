// SPDX-License-Identifier: Apache-2.0
/// Other programs: run one, take what it says.
#pragma once

#include <string>
#include <vector>

namespace nibble {

struct ProgramResult {
  int status = 0;        ///< exit status; 128 + the signal that ended it
  std::string out, err;  ///< what it wrote
};

/// Runs `words[0]`, found on PATH, to its end, with nothing on standard input. Throws InputError when it cannot be
/// started: "sbatch: cannot be started: No such file or directory".
ProgramResult run_program(const std::vector<std::string>& words);

/// A word as a shell reads it back.
std::string shell_quoted(const std::string& word);

/// The file of the running program.
std::string this_program();

}  // namespace nibble
