// SPDX-License-Identifier: Apache-2.0
#include "memory/scratchpad.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/units.h"

namespace nibble {

ScratchpadConfig ScratchpadConfig::from(ConfigNode node) {
  ScratchpadConfig config;
  config.capacity_bytes = static_cast<std::uint64_t>(node.integer("capacity_kib", 1, 1 << 22)) * kib;
  config.banks = static_cast<unsigned>(node.integer("banks", 1, 4096, config.banks));
  const std::int64_t bits = node.integer("width_bits", 8, 65536, 8 * static_cast<std::int64_t>(config.width_bytes));
  if (bits % 8 != 0) node.fail("width_bits", "must be a multiple of 8");
  config.width_bytes = static_cast<unsigned>(bits / 8);
  config.read_ports = static_cast<unsigned>(node.integer("read_ports", 1, 16, config.read_ports));
  config.write_ports = static_cast<unsigned>(node.integer("write_ports", 1, 16, config.write_ports));
  if (config.capacity_bytes % (std::uint64_t{config.banks} * config.width_bytes) != 0) {
    node.fail("capacity_kib", "must be a multiple of banks x width_bits");
  }
  return config;
}

Scratchpad::Scratchpad(const ScratchpadConfig& config) : config_(config) {
  if (config.banks == 0 || config.width_bytes == 0 || config.read_ports == 0 || config.write_ports == 0) {
    throw InternalError("scratchpad: banks, width and ports must be positive");
  }
}

/// The words that one group of lanes touches, and how they fall on the banks.
struct Scratchpad::Load {
  std::vector<std::uint64_t> words;
  std::vector<unsigned> per_bank;

  Use of_group(const ScratchpadConfig& config, const ScratchpadPattern& pattern, std::uint64_t first,
               std::uint64_t lanes) {
    words.clear();
    for (std::uint64_t i = first; i < first + lanes; ++i) {
      const std::uint64_t address = pattern.address + i * pattern.stride;
      const std::uint64_t last = (address + pattern.bytes - 1) / config.width_bytes;
      for (std::uint64_t word = address / config.width_bytes; word <= last; ++word)
        words.push_back(word);
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    per_bank.assign(config.banks, 0);
    unsigned most = 0;
    for (const std::uint64_t word : words)
      most = std::max(most, ++per_bank[word % config.banks]);
    Use use;
    use.cycles = ceil_div(most, pattern.write ? config.write_ports : config.read_ports);
    use.accesses = words.size();
    use.conflicts = use.cycles - 1;
    return use;
  }
};

Scratchpad::Use Scratchpad::examine(const ScratchpadPattern& pattern) const {
  Use total;
  if (pattern.count == 0 || pattern.bytes == 0) return total;
  const std::uint64_t lanes = std::max(1U, pattern.lanes);
  const std::uint64_t groups = pattern.count / lanes, rest = pattern.count % lanes;
  // The groups fall on the banks in the same way again after a whole number of rounds over all banks.
  const std::uint64_t round = std::uint64_t{config_.banks} * config_.width_bytes;
  const std::uint64_t step = lanes * pattern.stride % round;
  const std::uint64_t period = step == 0 ? 1 : round / std::gcd(step, round);
  Load load;
  const auto add = [&](const Use& use, std::uint64_t times) {
    total.cycles += use.cycles * times;
    total.accesses += use.accesses * times;
    total.conflicts += use.conflicts * times;
  };
  for (std::uint64_t g = 0; g < std::min(groups, period); ++g) {
    add(load.of_group(config_, pattern, g * lanes, lanes), (groups - g - 1) / period + 1);
  }
  if (rest != 0) add(load.of_group(config_, pattern, groups * lanes, rest), 1);
  return total;
}

Scratchpad::Use Scratchpad::access(const ScratchpadPattern& pattern) {
  const Use use = examine(pattern);
  (pattern.write ? writes_ : reads_) += use.accesses;
  conflicts_ += use.conflicts;
  return use;
}

double Scratchpad::energy_pj(const SramCost& cost) const {
  return static_cast<double>(reads_) * cost.read_pj + static_cast<double>(writes_) * cost.write_pj;
}

void Scratchpad::register_statistics(Statistics& group, const std::string& name) {
  group.counter(name + "_reads", "count", "bank reads of " + name, reads_);
  group.counter(name + "_writes", "count", "bank writes of " + name, writes_);
  group.counter(name + "_conflict_cycles", "cycle", "cycles lost to bank conflicts in " + name, conflicts_);
}

}  // namespace nibble
