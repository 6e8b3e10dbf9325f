// SPDX-License-Identifier: Apache-2.0
/// Choice of tile sizes and loop order under the real buffer capacities, and the closed-form figures of a schedule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataflow/gemm_shape.h"
#include "dataflow/operand_layout.h"
#include "dataflow/tile_schedule.h"

namespace nibble {

/// What a search needs to know. The layouts give bytes per tile (their base does not matter).
struct ScheduleProblem {
  GemmShape shape;
  ArrayGeometry array;
  BufferCapacity buffers;
  MemoryRate memory;
  OperandLayout activation, weight, output;
  unsigned partial_bytes = 4;  ///< per spilled partial sum
  double traffic_price = 0.1;  ///< cycles charged per cycle's worth of memory traffic, beside the cycles themselves
};

/// Closed-form figures of one schedule on one problem.
struct ScheduleCost {
  std::uint64_t compute_cycles = 0;      ///< activation rows streamed, all passes
  std::uint64_t weight_load_cycles = 0;  ///< passes shorter than a weight load wait for it
  std::uint64_t fill_drain_cycles = 0;   ///< first weight load, skew in and out, foot
  double memory_cycles = 0;              ///< traffic / bytes_per_cycle
  double cycles = 0;                     ///< estimate: overlap of the above, first load and last store exposed
  Traffic traffic;
  std::uint64_t jobs = 0;
};

struct ScheduleChoice {
  Tiling tiling;
  ScheduleCost cost;
  ScheduleCost fastest;  ///< the schedule with the fewest cycles regardless of traffic
  Tiling fastest_tiling;
  std::uint64_t candidates = 0;  ///< legal schedules compared
};

/// Bounds that no schedule can beat.
struct ScheduleBounds {
  std::uint64_t compute_cycles = 0;    ///< macs / (PEs / fused), rounded up
  std::uint64_t compulsory_bytes = 0;  ///< every operand once
  double memory_cycles = 0;            ///< compulsory / bytes_per_cycle
};

ScheduleCost evaluate(const ScheduleProblem& problem, const Tiling& tiling);
ScheduleBounds bounds(const ScheduleProblem& problem);
/// Throws InputError when not even the smallest tile fits, naming the buffer and what it would need.
ScheduleChoice search_schedule(const ScheduleProblem& problem);
/// The choice in words: loop nest, tile sizes, buffer use, traffic by tensor against compulsory, what it was compared
/// with.
std::string explain(const ScheduleProblem& problem, const ScheduleChoice& choice);

}  // namespace nibble
