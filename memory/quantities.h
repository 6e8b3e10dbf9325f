// SPDX-License-Identifier: Apache-2.0
/// Reading of quantities that a data sheet may leave open.
#pragma once

#include <optional>
#include <string>

#include "core/config_node.h"

namespace nibble {

/// A number in [min, max], or the word `unknown`; the key is required, so that ignorance is stated and never a default.
inline std::optional<double> number_or_unknown(ConfigNode& node, const std::string& key, double min, double max) {
  if (node.string(key) == "unknown") return std::nullopt;
  return node.number(key, min, max);
}

}  // namespace nibble
