// SPDX-License-Identifier: Apache-2.0
/// Problems and a reference for the schedule tests: the figures of a schedule by walking it job by job.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataflow/array_passes.h"
#include "dataflow/array_timeline.h"
#include "dataflow/schedule_search.h"

namespace nibble {

inline OperandLayout operand(std::uint64_t rows, std::uint64_t columns, std::uint64_t group, unsigned bits,
                             unsigned metadata_bytes, std::uint64_t block_rows) {
  OperandLayout layout;
  layout.rows = rows;
  layout.columns = columns;
  layout.group = group;
  layout.bits = bits;
  layout.metadata_bits = 8 * metadata_bytes;
  layout.block_rows = block_rows;
  return layout;
}

/// A GEMM on a 64 x 32 array with 4-bit grouped weights, 8-bit grouped activations, 16-bit results: 128 + 256 + 128 KiB
/// and 128 bytes per cycle.
inline ScheduleProblem w4a8_problem(std::uint64_t m, std::uint64_t k, std::uint64_t n) {
  ScheduleProblem problem;
  problem.shape.m = m;
  problem.shape.k = k;
  problem.shape.n = n;
  problem.array.rows = 64;
  problem.array.columns = 32;
  problem.array.foot_latency = 4;
  problem.buffers.weight_bytes = 128 * 1024;
  problem.buffers.activation_bytes = 256 * 1024;
  problem.buffers.output_bytes = 128 * 1024;
  problem.memory.bytes_per_cycle = 128;
  problem.memory.latency_cycles = 50;
  problem.activation = operand(m, k, 64, 8, 2, 128);
  problem.weight = operand(n, k, 64, 4, 3, 256);
  problem.output = operand(m, n, 64, 16, 0, 128);
  return problem;
}

/// A small machine with room for anything: 4 x 4 array, groups of 4.
inline ScheduleProblem small_problem(const GemmShape& shape) {
  ScheduleProblem problem;
  problem.shape = shape;
  problem.array.rows = 4;
  problem.array.columns = 4;
  problem.array.foot_latency = 1;
  problem.buffers.weight_bytes = problem.buffers.activation_bytes = problem.buffers.output_bytes = 1 << 20;
  problem.memory.bytes_per_cycle = 4;
  problem.memory.latency_cycles = 10;
  problem.activation = operand(shape.m, shape.k, 4, 8, 1, 4);
  problem.weight = operand(shape.n, shape.k, 4, 4, 2, 4);
  problem.output = operand(shape.m, shape.n, 4, 16, 0, 4);
  return problem;
}

/// Traffic, jobs and array cycles by walking every job and placing it on the array's timeline, operands in time.
inline ScheduleCost walked(const ScheduleProblem& problem, const Tiling& tiling) {
  const std::uint64_t group = pass_group(problem.activation, problem.weight);
  ScheduleCost cost;
  ArrayTimeline array(0);
  TileSchedule schedule(problem.shape, tiling);
  while (const auto job = schedule.next()) {
    ++cost.jobs;
    if (job->load_activation) cost.traffic.activation += problem.activation.tile_bytes(job->m, job->k0, job->k);
    if (job->load_weight) cost.traffic.weight += problem.weight.tile_bytes(job->n, job->k0, job->k);
    if (job->last_k) cost.traffic.output += problem.output.tile_bytes(job->m, job->n0, job->n);
    if (job->spill) cost.traffic.partial_write += job->m * job->n * problem.partial_bytes;
    if (job->refill) cost.traffic.partial_read += job->m * job->n * problem.partial_bytes;
    const ArrayPasses passes(job->m, job->k, job->n, problem.array, group);
    cost.compute_cycles += array.place(problem.array, passes, 0, job->last_k).compute;
  }
  cost.fill_drain_cycles = problem.array.preload_cycles() + array.result() - array.end();
  cost.weight_load_cycles = array.result() - cost.compute_cycles - cost.fill_drain_cycles;
  return cost;
}

}  // namespace nibble
