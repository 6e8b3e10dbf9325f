// SPDX-License-Identifier: Apache-2.0
/// `nibble quantize`: encode and decode one tensor, tell how far the decoded values lie from the original ones.
#pragma once

#include <optional>
#include <ostream>
#include <string>

namespace nibble {

/// The command line. An empty string: not given.
struct QuantizeOptions {
  std::string input;            ///< .npy
  std::string format;           ///< "mant4-g64", ...
  std::string select;           ///< the family's default when empty
  std::optional<int> exponent;  ///< amove, online
  std::string calibration;      ///< .npy for mant4's output-mse
  std::string output;           ///< .npy: decoded values, float32
  std::string codes;            ///< .npy: int8, uint8 or int32
  std::string metadata;         ///< .json: what is stored per group
  bool json = false;            ///< one JSON document instead of a table
};

/// Prints to `out` after every output file is in place; throws InputError and leaves no file behind otherwise.
void run_quantize(const QuantizeOptions& options, std::ostream& out);

}  // namespace nibble
