// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_system.h"

#include "memory/dram.h"
#include "memory/flat_memory.h"

namespace nibble {

std::unique_ptr<MemorySystem> make_memory(const char* name, ConfigNode node, Statistics* statistics) {
  const std::string kind = node.choice("kind", {"dram", "flat"});
  node.string("summary", "");
  if (kind == "flat") {
    const FlatConfig config = FlatConfig::from(node);
    node.reject_unknown();
    return std::make_unique<FlatMemory>(name, config, statistics);
  }
  const DramDevice device = DramDevice::from(node);
  node.reject_unknown();
  return std::make_unique<Dram>(name, device, statistics);
}

}  // namespace nibble
