// SPDX-License-Identifier: Apache-2.0
/// The operands of `nibble gemm`: options checked against the PE, tensors read and encoded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "formats/quantizer.h"
#include "pe/gemm.h"

namespace nibble {

/// Everything about the product that does not depend on a machine's time.
struct GemmJob {
  std::uint64_t m = 0, k = 0, n = 0;
  Format activation_format, weight_format;
  std::optional<QuantizedTensor> activations, weights;
  GemmOptions options;
  bool functional() const { return activations.has_value(); }
  /// Groups of both operands whose scale does not hold them; empty without tensors in amove.
  std::optional<std::uint64_t> saturated_groups() const;
};

/// What a PE multiplies unless --activation-format and --weight-format say otherwise.
struct FormatPair {
  std::string activation, weight;
};

/// Throws InputError on options that contradict each other.
void check_gemm_options(const GemmCommandOptions& options);
/// Reads and encodes. Throws InputError on options that the PE or the formats do not use, and on bad tensors.
GemmJob prepare_gemm(const GemmCommandOptions& options, const PeUnit& pe, const FormatPair& defaults,
                     const GemmOptions& pe_options);

}  // namespace nibble
