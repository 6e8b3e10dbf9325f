// SPDX-License-Identifier: Apache-2.0
/// A command of a network for a machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "accelerators/descriptor.h"
#include "workloads/operator.h"

namespace nibble {

/// A command and what it is in the network.
struct LoweredCommand {
  Descriptor descriptor;
  std::string name;
  OperatorKind kind = OperatorKind::linear;
  Phase phase = Phase::prefill;
  int layer = -1;
  std::uint64_t macs = 0;              ///< needed
  std::uint64_t compulsory_bytes = 0;  ///< operands moved once
  std::uint64_t repeated_layers = 0;   ///< other layers that get its figures (model_commands.h)
  unsigned layers_before = 0;          ///< of them those that stand before this one, the others behind it
  bool compared_layer = false;         ///< and the layer before is equal to it, and counted
  bool warm_up = false;                ///< what it takes and moves is not counted
  std::uint64_t round = 0;             ///< of an attention in rounds, from 1 on: rounds may be equal; 0: of none
  std::uint64_t repeated_rounds = 0;   ///< rounds behind this one that get its figures (model_commands.h)
  bool measured_round = false;         ///< of a stretch of them; those of its second half stand for others
  /// Tensors of the network, by name; `weights`: the cache that W is, empty for constants.
  std::vector<std::string> reads, writes;
  std::string weights;
  std::string schedule;  ///< tile extents and loop order, empty for vector commands
};

/// The instances [first, first + count) of a command that has several of them: a command of its own, with its share of
/// work and bytes. C arranged as heads: whole sequences, each of whole blocks of rows.
LoweredCommand part_of(const LoweredCommand& whole, std::uint64_t first, std::uint64_t count);

}  // namespace nibble
