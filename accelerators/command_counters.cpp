// SPDX-License-Identifier: Apache-2.0
#include "accelerators/command_counters.h"

#include <iterator>

namespace nibble {

void CommandCounters::repeat_since(const CommandCounters& before, std::uint64_t times) {
  constexpr std::uint64_t CommandCounters::*sums[] = {
      &CommandCounters::compute_cycles,
      &CommandCounters::fill_drain_cycles,
      &CommandCounters::memory_stall_cycles,
      &CommandCounters::output_stall_cycles,
      &CommandCounters::exposed_quantizer_cycles,
      &CommandCounters::weight_load_cycles,
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
  // A new counter is to be repeated, too.
  static_assert(sizeof(CommandCounters) ==
                    sizeof(std::uint64_t) * (2 + std::size(sums) + std::size_t{4} * stream_count + most_modes + 5) +
                        sizeof(SimtWork),
                "cycles, bytes read ahead, sums, arrays; status and four of the repetition itself; multiprocessors "
                "simulate every slice");
  for (const auto sum : sums)
    this->*sum += times * (this->*sum - before.*sum);
  const auto repeat_all = [times](auto& now, const auto& then) {
    for (std::size_t i = 0; i < now.size(); ++i)
      now[i] += times * (now[i] - then[i]);
  };
  repeat_all(stall_by_stream, before.stall_by_stream);
  repeat_all(output_stall_by_stream, before.output_stall_by_stream);
  repeat_all(macs_by_mode, before.macs_by_mode);
  repeat_all(read_bytes, before.read_bytes);
  repeat_all(write_bytes, before.write_bytes);
}

}  // namespace nibble
