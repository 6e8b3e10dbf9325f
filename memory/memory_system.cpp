// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_system.h"

#include "memory/flat_memory.h"

namespace nibble {

std::unique_ptr<MemorySystem> make_memory(const char* name, ConfigNode node, Statistics* statistics) {
  node.choice("kind", {"flat"});
  node.string("summary", "");
  const FlatConfig config = FlatConfig::from(node);
  node.reject_unknown();
  return std::make_unique<FlatMemory>(name, config, statistics);
}

}  // namespace nibble
