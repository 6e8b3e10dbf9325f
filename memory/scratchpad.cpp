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
  config.read_ports = static_cast<unsigned>(node.integer("read_ports", 0, 16, config.read_ports));
  config.write_ports = static_cast<unsigned>(node.integer("write_ports", 0, 16, config.write_ports));
  config.shared_ports = static_cast<unsigned>(node.integer("shared_ports", 0, 16, config.shared_ports));
  if (config.ports(false) == 0) node.fail("read_ports", "leaves no port for reads (read_ports + shared_ports is 0)");
  if (config.ports(true) == 0) node.fail("write_ports", "leaves no port for writes (write_ports + shared_ports is 0)");
  if (config.capacity_bytes % (std::uint64_t{config.banks} * config.width_bytes) != 0) {
    node.fail("capacity_kib", "must be a multiple of banks x width_bits");
  }
  return config;
}

SramEnergy scratchpad_energy(const CostBook& book, const ScratchpadConfig& config, std::uint64_t reads,
                             std::uint64_t writes, double seconds) {
  auto energy = sram_energy(book, {config.capacity_bytes, config.banks, config.width_bytes}, reads, writes, seconds);
  if (config.read_ports + config.write_ports + config.shared_ports > 2) {
    energy.left_out = "ports beyond one read and one write port";
  }
  return energy;
}

Scratchpad::Scratchpad(const ScratchpadConfig& config) : config_(config) {
  if (config.banks == 0 || config.width_bytes == 0 || config.ports(false) == 0 || config.ports(true) == 0) {
    throw InternalError("scratchpad: banks, width and ports must be positive");
  }
}

/// The groups of lanes of one pattern, and how their words fall on the banks.
class Scratchpad::Walk {
 public:
  Walk(const ScratchpadConfig& config, const ScratchpadPattern& pattern) : config_(config), pattern_(pattern) {}

  std::uint64_t lanes() const { return std::max(1U, pattern_.lanes); }
  std::uint64_t groups() const { return pattern_.bytes == 0 ? 0 : ceil_div(pattern_.count, lanes()); }

  /// Makes `group` the current one: the distinct words that it touches.
  void enter(std::uint64_t group) {
    words_.clear();
    const std::uint64_t first = group * lanes(), end = std::min(pattern_.count, first + lanes());
    for (std::uint64_t i = first; i < end; ++i) {
      const std::uint64_t address = pattern_.address + i * pattern_.stride;
      const std::uint64_t last = (address + pattern_.bytes - 1) / config_.width_bytes;
      for (std::uint64_t word = address / config_.width_bytes; word <= last; ++word)
        words_.push_back(word);
    }
    std::sort(words_.begin(), words_.end());
    words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
    per_bank_.assign(config_.banks, 0);
    left_ = words_.size();
    for (const std::uint64_t word : words_)
      ++per_bank_[word % config_.banks];
  }
  std::uint64_t accesses() const { return words_.size(); }
  /// With the banks to itself.
  Use alone() const {
    Use use;
    use.cycles = ceil_div(*std::max_element(per_bank_.begin(), per_bank_.end()), config_.ports(pattern_.write));
    use.accesses = words_.size();
    use.conflicts = use.cycles - 1;
    return use;
  }
  /// One cycle: takes what the ports still offer. `own` and `shared` are the free ports of each bank.
  void take(std::vector<unsigned>& own, std::vector<unsigned>& shared) {
    for (unsigned bank = 0; bank < config_.banks && left_ > 0; ++bank) {
      const unsigned from_own = std::min(per_bank_[bank], own[bank]);
      const unsigned from_shared = std::min(per_bank_[bank] - from_own, shared[bank]);
      own[bank] -= from_own;
      shared[bank] -= from_shared;
      per_bank_[bank] -= from_own + from_shared;
      left_ -= from_own + from_shared;
    }
  }
  bool served() const { return left_ == 0; }
  bool write() const { return pattern_.write; }

 private:
  const ScratchpadConfig& config_;
  const ScratchpadPattern& pattern_;
  std::vector<std::uint64_t> words_;
  std::vector<unsigned> per_bank_;  ///< words of the current group that were not served
  std::uint64_t left_ = 0;
};

Scratchpad::Use Scratchpad::examine(const ScratchpadPattern& pattern) const {
  Use total;
  Walk walk(config_, pattern);
  if (walk.groups() == 0) return total;
  const std::uint64_t groups = pattern.count / walk.lanes();
  // The groups fall on the banks in the same way again after a whole number of rounds over all banks.
  const std::uint64_t round = std::uint64_t{config_.banks} * config_.width_bytes;
  const std::uint64_t step = walk.lanes() * pattern.stride % round;
  const std::uint64_t period = step == 0 ? 1 : round / std::gcd(step, round);
  const auto add = [&](std::uint64_t group, std::uint64_t times) {
    walk.enter(group);
    const Use use = walk.alone();
    total.cycles += use.cycles * times;
    total.accesses += use.accesses * times;
    total.conflicts += use.conflicts * times;
  };
  for (std::uint64_t g = 0; g < std::min(groups, period); ++g)
    add(g, (groups - g - 1) / period + 1);
  if (walk.groups() != groups) add(groups, 1);
  return total;
}

std::vector<Scratchpad::Use> Scratchpad::examine_together(const std::vector<ScratchpadPattern>& patterns) const {
  std::vector<Walk> walks;
  std::vector<std::uint64_t> group(patterns.size(), 0);
  std::vector<Use> uses(patterns.size());
  std::size_t busy = 0;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    walks.emplace_back(config_, patterns[i]);
    if (walks[i].groups() == 0) continue;
    walks[i].enter(0);
    ++busy;
  }
  std::vector<unsigned> reads, writes, shared;
  for (std::uint64_t cycle = 0; busy > 0; ++cycle) {
    reads.assign(config_.banks, config_.read_ports);
    writes.assign(config_.banks, config_.write_ports);
    shared.assign(config_.banks, config_.shared_ports);
    for (std::size_t k = 0; k < patterns.size(); ++k) {
      const std::size_t i = (cycle + k) % patterns.size();
      if (group[i] == walks[i].groups()) continue;
      walks[i].take(walks[i].write() ? writes : reads, shared);
      if (!walks[i].served()) continue;
      uses[i].cycles = cycle + 1;
      uses[i].accesses += walks[i].accesses();
      if (++group[i] < walks[i].groups()) {
        walks[i].enter(group[i]);
      } else {
        uses[i].conflicts = uses[i].cycles - group[i];
        --busy;
      }
    }
  }
  return uses;
}

void Scratchpad::count(const ScratchpadPattern& pattern, const Use& use) {
  (pattern.write ? writes_ : reads_) += use.accesses;
  conflicts_ += use.conflicts;
}

Scratchpad::Use Scratchpad::access(const ScratchpadPattern& pattern) {
  const Use use = examine(pattern);
  count(pattern, use);
  return use;
}

std::vector<Scratchpad::Use> Scratchpad::access_together(const std::vector<ScratchpadPattern>& patterns) {
  auto uses = examine_together(patterns);
  for (std::size_t i = 0; i < patterns.size(); ++i)
    count(patterns[i], uses[i]);
  return uses;
}

double Scratchpad::energy_pj(const SramCost& cost) const {
  return static_cast<double>(reads_) * cost.read_pj + static_cast<double>(writes_) * cost.write_pj;
}

SramEnergy Scratchpad::energy(const CostBook& book, double seconds) const {
  return scratchpad_energy(book, config_, reads_, writes_, seconds);
}

void Scratchpad::register_statistics(Statistics& group, const std::string& name) {
  group.counter(name + "_reads", "count", "bank reads of " + name, reads_);
  group.counter(name + "_writes", "count", "bank writes of " + name, writes_);
  group.counter(name + "_conflict_cycles", "cycle", "cycles lost to bank conflicts in " + name, conflicts_);
}

}  // namespace nibble
