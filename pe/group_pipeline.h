// SPDX-License-Identifier: Apache-2.0
/// Time of the units that take finished groups of results and code them: the real-time quantizer and the FP16-to-BFP
/// converter. Fully pipelined; only the number of groups per cycle limits them.
#pragma once

#include <cstdint>
#include <string>

namespace nibble {

struct GroupPipelineTiming {
  std::string name;               ///< "rtq"
  unsigned latency = 1;           ///< cycles from a group's last element at the input to its codes, at least 1
  unsigned groups_per_cycle = 1;  ///< at least 1
  std::string energy_key;         ///< cost book entry, pJ per element
  std::string area_key;           ///< cost book entry, um2 of the unit
};

/// Counts the cycles of one unit. Cycles are those of the accelerator's clock; "in cycle c" means registered at its
/// end.
class GroupPipeline {
 public:
  /// Throws InputError unless latency and groups per cycle are at least 1.
  explicit GroupPipeline(GroupPipelineTiming timing);

  /// The last elements of `groups` groups reach the input in `cycle` (not before the cycle of an earlier call,
  /// InternalError). Returns the cycle in which the last of these groups leaves: cycle + latency where nothing waits.
  std::uint64_t accept(std::uint64_t cycle, std::uint64_t groups = 1);

  const GroupPipelineTiming& timing() const { return timing_; }
  std::uint64_t groups() const { return groups_; }
  /// The cycle in which the last group leaves; 0 before the first.
  std::uint64_t finish() const { return finish_; }
  /// Cycles in which at least one group entered.
  std::uint64_t busy_cycles() const { return busy_; }
  /// The most cycles that a group waited for its turn.
  std::uint64_t longest_wait() const { return longest_wait_; }
  /// Cycles between the end of the unit's producer and the last group: what nothing hides.
  std::uint64_t exposed(std::uint64_t producer_end) const {
    return finish_ > producer_end ? finish_ - producer_end : 0;
  }

 private:
  GroupPipelineTiming timing_;
  std::uint64_t last_arrival_ = 0;
  std::uint64_t turn_ = 0;   ///< the next cycle with a free turn
  std::uint64_t taken_ = 0;  ///< turns taken in that cycle
  std::uint64_t groups_ = 0, finish_ = 0, busy_ = 0, longest_wait_ = 0;
};

/// The exposed cycles behind a producer that completes `groups` groups in every `interval`-th cycle, `bursts` times,
/// and ends with the last of them: what GroupPipeline counts, in closed form. interval >= 1.
std::uint64_t exposed_tail(const GroupPipelineTiming& timing, std::uint64_t bursts, std::uint64_t groups,
                           std::uint64_t interval);

}  // namespace nibble
