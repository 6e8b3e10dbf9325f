// SPDX-License-Identifier: Apache-2.0
#include "accelerators/command_order.h"

#include <algorithm>

namespace nibble {

/// The last command of `unit` that must have come first: it wrote what is read or written, or read what is written.
std::uint64_t CommandOrder::depends_on(const LoweredCommand& command, std::size_t unit) {
  std::uint64_t last = 0;
  for (const std::string& name : command.reads)
    last = std::max(last, tensors_[name].written[unit]);
  for (const std::string& name : command.writes)
    last = std::max({last, tensors_[name].written[unit], tensors_[name].read[unit]});
  return last;
}

/// Commands between `earlier` and the one that is being placed.
std::uint8_t CommandOrder::behind(std::uint64_t earlier) const {
  return static_cast<std::uint8_t>(std::min<std::uint64_t>(number_ - earlier - 1, most_independent));
}

void CommandOrder::place(LoweredCommand& command) {
  Descriptor& d = command.descriptor;
  ++number_;
  const std::size_t own = d.opcode == Opcode::gemm ? 0 : 1;
  d.independent = overlap_ ? behind(depends_on(command, 1 - own)) : 0;
  if (d.opcode == Opcode::gemm) {
    // Weights are read before the unit's own last command has ended.
    const auto& written = tensors_[command.weights].written;
    d.weights_ready = command.weights.empty() ? most_independent : behind(std::max(written[0], written[1]));
  }
  for (const std::string& name : command.reads)
    tensors_[name].read[own] = number_;
  for (const std::string& name : command.writes)
    tensors_[name].written[own] = number_;
}

}  // namespace nibble
