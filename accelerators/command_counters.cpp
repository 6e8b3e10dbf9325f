// SPDX-License-Identifier: Apache-2.0
#include "accelerators/command_counters.h"

#include <algorithm>
#include <iterator>

namespace nibble {
namespace {

template <class Counts>
void repeat_all(Counts& now, const Counts& before, std::uint64_t times) {
  for (std::size_t i = 0; i < now.size(); ++i)
    now[i] += times * (now[i] - before[i]);
}

}  // namespace

void CommandCounters::book(Cause cause, std::uint64_t spent, Stream stream) {
  cycles += spent;
  switch (cause) {
    case Cause::compute:
      compute_cycles += spent;
      return;
    case Cause::weight_load:
      weight_load_cycles += spent;
      [[fallthrough]];
    case Cause::fill_drain:
      fill_drain_cycles += spent;
      return;
    case Cause::memory:
      memory_stall_cycles += spent;
      stall_by_stream[static_cast<unsigned>(stream)] += spent;
      return;
    case Cause::output:
      output_stall_cycles += spent;
      output_stall_by_stream[static_cast<unsigned>(stream)] += spent;
      return;
    case Cause::quantizer:
      exposed_quantizer_cycles += spent;
  }
}

void CommandCounters::spend(Cause cause, std::uint64_t spent, Stream stream) {
  if (spent == 0) return;
  if (observer_ != nullptr) {
    observer_->spent(cause, edge_, spent);
    edge_ += spent;
  }
  if (beside_ == nullptr) {
    book(cause, spent, stream);
    return;
  }
  TimeBeside& time = *beside_;
  const std::uint64_t first = time.position;
  time.position += spent;
  if (!time.older) {
    // The begin of a stall that is told at its end may lie before the older command's end.
    const std::uint64_t hidden = std::min(spent, time.hidden_to - std::min(time.hidden_to, first));
    hidden_cycles += hidden;
    book(cause, spent - hidden, stream);
  } else if (!time.open.empty() && time.open.back().cause == cause && time.open.back().stream == stream) {
    time.open.back().cycles += spent;
  } else {
    time.open.push_back({spent, cause, stream});
  }
}

void CommandCounters::begin_beside(TimeBeside& time, std::uint64_t begin) {
  beside_ = &time;
  time.older = true;
  time.begin = begin;
}

void CommandCounters::still_beside(std::uint64_t now) {
  constexpr std::size_t many = 1024;
  if (beside_ != nullptr && beside_->older && beside_->open.size() > many) hide_to(now - beside_->begin);
}

void CommandCounters::come_first(std::uint64_t now, bool ended) {
  TimeBeside& time = *beside_;
  time.older = false;
  time.hidden_to = ahead_cycles = now - time.begin;
  hide_to(time.hidden_to);
  for (const auto& spent : time.open)
    book(spent.cause, spent.cycles, spent.stream);
  time.open.clear();
  if (ended) time.position = std::max(time.position, time.hidden_to);
}

/// What lies before `position` leaves the open parts.
void CommandCounters::hide_to(std::uint64_t position) {
  auto& open = beside_->open;
  std::uint64_t at = beside_->position;
  for (const auto& spent : open)
    at -= spent.cycles;
  std::size_t hidden = 0;
  for (; hidden < open.size() && at < position; ++hidden) {
    auto& spent = open[hidden];
    const std::uint64_t part = std::min(spent.cycles, position - at);
    hidden_cycles += part;
    at += part;
    spent.cycles -= part;
    if (spent.cycles > 0) break;
  }
  open.erase(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(hidden));
}

void CommandCounters::repeat_cycles_since(const CommandCounters& before, std::uint64_t more, std::uint64_t compute) {
  const std::uint64_t total = cycles, others = cycles - before.cycles - (compute_cycles - before.compute_cycles);
  const std::uint64_t wanted = more - std::min(more, compute);
  const auto grow = [&](std::uint64_t& sum, std::uint64_t from) {
    const std::uint64_t measured = sum - from;
    const std::uint64_t added = others == 0 ? 0 : measured / others * wanted + measured % others * wanted / others;
    sum += added;
    return added;
  };
  compute_cycles += compute;
  cycles += compute + grow(fill_drain_cycles, before.fill_drain_cycles) +
            grow(exposed_quantizer_cycles, before.exposed_quantizer_cycles);
  grow(weight_load_cycles, before.weight_load_cycles);
  for (std::size_t i = 0; i < stream_count; ++i) {
    const std::uint64_t memory = grow(stall_by_stream[i], before.stall_by_stream[i]);
    const std::uint64_t output = grow(output_stall_by_stream[i], before.output_stall_by_stream[i]);
    memory_stall_cycles += memory;
    output_stall_cycles += output;
    cycles += memory + output;
  }
  repeated_cycles += cycles - total;
}

void CommandCounters::repeat_since(const CommandCounters& before, std::uint64_t times) {
  constexpr std::uint64_t CommandCounters::*sums[] = {
      &CommandCounters::pe_cycles,
      &CommandCounters::passes,
      &CommandCounters::jobs,
      &CommandCounters::group_results,
      &CommandCounters::quantized_elements,
      &CommandCounters::vector_operations,
      &CommandCounters::weight_buffer_read,
      &CommandCounters::weight_buffer_write,
      &CommandCounters::activation_buffer_read,
      &CommandCounters::activation_buffer_write,
      &CommandCounters::output_buffer_read,
      &CommandCounters::output_buffer_write,
      &CommandCounters::overflows,
      &CommandCounters::saturated_groups,
  };
  constexpr std::size_t cycle_sums = 8;
  // A new counter is to be repeated, too.
  static_assert(sizeof(CommandCounters) == 2 * sizeof(std::uintptr_t) + sizeof(SimtWork) +
                                               sizeof(std::uint64_t) * (3 + cycle_sums + std::size(sums) +
                                                                        std::size_t{4} * stream_count + most_modes + 5),
                "begin, bytes read ahead and the observer's edge, sums, arrays; status and four of the repetition "
                "itself; multiprocessors "
                "simulate every slice");
  repeat_cycles_since(before, times * (cycles - before.cycles), times * (compute_cycles - before.compute_cycles));
  for (const auto sum : sums)
    this->*sum += times * (this->*sum - before.*sum);
  repeat_all(macs_by_mode, before.macs_by_mode, times);
  repeat_all(read_bytes, before.read_bytes, times);
  repeat_all(write_bytes, before.write_bytes, times);
}

}  // namespace nibble
