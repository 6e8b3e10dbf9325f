// SPDX-License-Identifier: Apache-2.0
#include "pe/group_pipeline.h"

#include <algorithm>

#include "core/error.h"

namespace nibble {
namespace {

const GroupPipelineTiming& checked(const GroupPipelineTiming& timing) {
  if (timing.latency == 0 || timing.groups_per_cycle == 0) {
    throw InputError(timing.name + ": latency and groups per cycle must be at least 1");
  }
  return timing;
}

}  // namespace

GroupPipeline::GroupPipeline(GroupPipelineTiming timing) : timing_(std::move(timing)) {
  checked(timing_);
}

std::uint64_t GroupPipeline::accept(std::uint64_t cycle, std::uint64_t groups) {
  if (cycle < last_arrival_) throw InternalError(timing_.name + ": groups that arrive before earlier ones");
  last_arrival_ = cycle;
  if (groups == 0) return finish_;
  if (turn_ <= cycle) {
    turn_ = cycle + 1;
    taken_ = 0;
  }
  const std::uint64_t per_cycle = timing_.groups_per_cycle, end = taken_ + groups;
  const std::uint64_t last_turn = turn_ + (end - 1) / per_cycle;
  busy_ += last_turn - turn_ + (taken_ == 0 ? 1 : 0);
  turn_ += end / per_cycle;
  taken_ = end % per_cycle;
  groups_ += groups;
  longest_wait_ = std::max(longest_wait_, last_turn - cycle - 1);
  finish_ = last_turn + timing_.latency - 1;
  return finish_;
}

std::uint64_t exposed_tail(const GroupPipelineTiming& timing, std::uint64_t bursts, std::uint64_t groups,
                           std::uint64_t interval) {
  checked(timing);
  if (interval == 0) throw InternalError(timing.name + ": bursts of groups need an interval");
  if (bursts == 0 || groups == 0) return 0;
  const std::uint64_t per_cycle = timing.groups_per_cycle;
  const std::uint64_t behind = timing.latency - 1;
  // A burst that is gone before the next one leaves only itself; otherwise the unit never idles.
  if (groups <= interval * per_cycle) return (groups + per_cycle - 1) / per_cycle + behind;
  return (bursts * groups + per_cycle - 1) / per_cycle + behind - (bursts - 1) * interval;
}

}  // namespace nibble
