// SPDX-License-Identifier: Apache-2.0
/// The option --trace of test benches that run the SystemC kernel: where their waveforms go.
#pragma once

#include <string>

namespace nibble::test {

/// The file named with --trace, empty without it.
std::string& trace_file();

}  // namespace nibble::test
