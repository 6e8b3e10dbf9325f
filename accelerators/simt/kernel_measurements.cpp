// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/kernel_measurements.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "core/error.h"

namespace nibble {
namespace {

static_assert(std::is_trivially_copyable_v<SmCounters> && sizeof(SmCounters) % sizeof(std::uint64_t) == 0);

template <typename Number>
std::uint64_t word_of(Number number) {
  static_assert(sizeof number <= sizeof(std::uint64_t));
  std::uint64_t word = 0;
  std::memcpy(&word, &number, sizeof number);
  return word;
}

template <typename... Numbers>
void append(std::vector<std::uint64_t>& key, const Numbers&... numbers) {
  (key.push_back(word_of(numbers)), ...);
}

/// Bindings name every member: a new one does not compile until it is part of the key.
std::vector<std::uint64_t> key_of(const KernelRun& run) {
  std::vector<std::uint64_t> key;
  {
    const auto& [blocks, lanes, arithmetic_latency, tensor_latency, collectors, bank_registers, shared_bytes,
                 shared_latency, memory_queue, registers_kib, shared_kib, warps, thread_blocks] = run.multiprocessor;
    append(key, blocks, lanes, arithmetic_latency, tensor_latency, collectors, bank_registers, shared_bytes,
           shared_latency, memory_queue, registers_kib, shared_kib, warps, thread_blocks);
  }
  {
    const auto& [mma_m, mma_n, mma_k, thread_groups, w_sharers, group_m, group_n, step_m, step_n, step_k, order,
                 dp_units, dp_width, adder_trees, a_bits, w_bits, c_bits, packing, scale_extent, scaled_sums,
                 decodes_scales, a_buffer, w_buffer, c_buffer] = run.tensor_core;
    append(key, mma_m, mma_n, mma_k, thread_groups, w_sharers, group_m, group_n, step_m, step_n, step_k, order[0],
           order[1], order[2], dp_units, dp_width, adder_trees, a_bits, w_bits, c_bits, packing, scale_extent,
           scaled_sums, decodes_scales, a_buffer, w_buffer, c_buffer);
  }
  {
    const auto& [tile_m, tile_n, tile_k, warps_m, warps_n, a_bits, w_bits, result_bits, a_scale_group, scale_group,
                 unpack, unpack_instructions, integer_instructions, result_operations, order] = run.kernel;
    append(key, tile_m, tile_n, tile_k, warps_m, warps_n, a_bits, w_bits, result_bits, a_scale_group, scale_group,
           unpack, unpack_instructions, integer_instructions, result_operations, order);
  }
  append(key, run.slices, run.thread_blocks, run.resident, run.latency);
  return key;
}

template <typename Value>
Value take(const std::string& text, std::size_t& at) {
  if (text.size() - at < sizeof(Value)) throw InternalError("measurements of kernels: cut off");
  Value value;
  std::memcpy(&value, text.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

template <typename Value>
void put(std::string& text, const Value& value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

KernelMeasurements& KernelMeasurements::of_this_process() {
  static KernelMeasurements all;
  return all;
}

const SmCounters& KernelMeasurements::of(const KernelRun& run, const std::function<SmCounters()>& simulate) {
  Key key = key_of(run);
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  const SmCounters counters = simulate();
  put(new_, key.size());
  for (const std::uint64_t word : key)
    put(new_, word);
  put(new_, counters);
  return known_.emplace(std::move(key), counters).first->second;
}

std::string KernelMeasurements::take_new() {
  return std::exchange(new_, {});
}

void KernelMeasurements::learn(const std::string& told) {
  for (std::size_t at = 0; at < told.size();) {
    Key key(take<std::size_t>(told, at));
    for (std::uint64_t& word : key)
      word = take<std::uint64_t>(told, at);
    known_.emplace(std::move(key), take<SmCounters>(told, at));
  }
}

}  // namespace nibble
