// SPDX-License-Identifier: Apache-2.0
/// The part of SystolicConfig that chooses schedules.
#include <algorithm>

#include "accelerators/descriptor.h"
#include "accelerators/systolic_config.h"
#include "dataflow/schedule_search.h"

namespace nibble {

namespace {

/// Of a buffer: what a command that may run beside a vector command leaves to it.
std::uint64_t beside_vector_bytes(const SystolicConfig& config, const Descriptor& command, std::uint64_t bytes) {
  if (command.independent == 0) return 0;
  return static_cast<std::uint64_t>(config.vector_unit.buffer_share * static_cast<double>(bytes));
}

}  // namespace

ScheduleProblem schedule_problem(const SystolicConfig& config, const MemoryRate& memory, const Descriptor& command) {
  ScheduleProblem problem;
  problem.shape = shape_of(command);
  problem.array = config.array_for(command.a.format, command.w.format);
  problem.buffers = config.buffers;
  if (command.a.on_chip || command.c.on_chip) problem.buffers.activation_bytes -= config.score_bytes();
  problem.buffers.activation_bytes -= beside_vector_bytes(config, command, config.buffers.activation_bytes);
  problem.buffers.output_bytes -= beside_vector_bytes(config, command, config.buffers.output_bytes);
  problem.sum_extent = sum_extent(command.a.format, command.w.format);
  problem.may_spill = !config.scales_at_the_end(command.a.format, command.w.format);
  for (std::size_t i = 0; i <= continuation_count; ++i) {
    if (segment_extent(command, i) == 0) continue;
    problem.buffers.accumulator_bytes =
        std::max(problem.buffers.accumulator_bytes,
                 config.accumulator_bytes(command.a.format, weight_segment(command, i).format));
  }
  problem.memory = memory;
  problem.activation = command.a.layout(0);
  problem.weight = command.w.layout(0);
  problem.output = command.c.layout(0);
  if (command.stream_bytes > 0) {
    // The search sees a stream output as rows of its own format.
    problem.output.rows = command.m;
    problem.output.columns = command.n;
  }
  problem.traffic_price = config.traffic_price;
  problem.order = config.output_order;
  return problem;
}

std::optional<Tiling> SystolicConfig::only_tiling(const Descriptor& command) const {
  const ArrayGeometry array = array_for(command.a.format, command.w.format);
  if (segment_extent(command, 1) == 0 || array.dataflow != Dataflow::output_stationary) return std::nullopt;
  Tiling tiling;
  tiling.m = std::min<std::uint64_t>(command.m, array.pass_m());
  tiling.n = std::min<std::uint64_t>(command.n, array.pass_n());
  tiling.order = LoopOrder::mnk;
  const std::uint64_t group = command.a.layout(0).group;
  tiling.k = group;
  const auto fits = [&](std::uint64_t k) {
    bool room = command.a.layout(0).tile_bytes(tiling.m, 0, std::min(k, reduction_of(command))) <=
                (buffers.activation_bytes - beside_vector_bytes(*this, command, buffers.activation_bytes)) / 2;
    for (std::size_t i = 0; i <= continuation_count; ++i) {
      if (segment_extent(command, i) == 0) continue;
      const OperandLayout layout = weight_segment(command, i).layout(0);
      room = room && layout.tile_bytes(tiling.n, 0, std::min(k, layout.columns)) <= buffers.weight_bytes / 2;
    }
    return room;
  };
  while (tiling.k < reduction_of(command) && fits(2 * tiling.k))
    tiling.k *= 2;
  return tiling;
}

Tiling SystolicConfig::choose_tiling(const Descriptor& command, const MemoryRate& memory) const {
  return search_schedule(schedule_problem(*this, memory, command)).tiling;
}

double SystolicConfig::estimate_cycles(const Descriptor& command, const MemoryRate& memory) const {
  return evaluate(schedule_problem(*this, memory, command), command.tiling).cycles;
}

std::string SystolicConfig::explain_tiling(const Descriptor& command, const MemoryRate& memory) const {
  const ScheduleProblem problem = schedule_problem(*this, memory, command);
  return explain(problem, search_schedule(problem));
}

}  // namespace nibble
