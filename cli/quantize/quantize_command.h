// SPDX-License-Identifier: Apache-2.0
/// `nibble quantize`: encode and decode tensors, tell how far the decoded values lie from the original ones, rank
/// formats by it.
#pragma once

#include <optional>
#include <ostream>
#include <string>

namespace nibble {

/// The command line. An empty string: not given.
struct QuantizeOptions {
  std::string input;            ///< .npy, .safetensors, its index, or a directory with one; FILE:TENSOR, FILE:PATTERN
  std::string format;           ///< "mant4-g64", ...
  std::string compare;          ///< instead of format: "FORMAT[:SELECTION],..."
  std::string select;           ///< the family's default when empty
  std::optional<int> exponent;  ///< amove, online
  std::string calibration;      ///< a tensor for mant4's output-mse, as FILE or FILE:TENSOR
  std::string output;           ///< decoded values, float32: .npy of one tensor, .safetensors of one or more
  std::string codes;            ///< .npy of one tensor: int8, uint8 or int32
  std::string metadata;         ///< .json: what one tensor stores per group
  bool json = false;            ///< one JSON document instead of a table
};

/// Prints to `out` after every output file is in place; throws InputError and leaves no file behind otherwise.
void run_quantize(const QuantizeOptions& options, std::ostream& out);

}  // namespace nibble
