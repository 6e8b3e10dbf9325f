// SPDX-License-Identifier: Apache-2.0
#include "accelerators/machine_config.h"

#include <algorithm>

#include "accelerators/descriptor.h"
#include "accelerators/simt/simt_config.h"
#include "accelerators/systolic_config.h"
#include "core/error.h"

namespace nibble {
namespace {

Format format_at(ConfigNode& node, const std::string& key) {
  const std::string name = node.string(key);
  try {
    return Format::parse(name);
  } catch (const InputError& error) {
    node.fail(key, error.what());
  }
}

void check_pair(const ConfigNode& node, const char* key, const Format& activations, const Format& weights,
                const PairCheck& check) {
  try {
    check(activations, weights);
  } catch (const InputError& error) {
    node.fail(key, error.what());
  }
}

KvCacheConfig kv_cache_from(ConfigNode node, const FormatsConfig& formats, const PairCheck& check) {
  KvCacheConfig cache;
  if (node.string("policy", "plain") == "amove-requantized")
    node.fail("policy", "amove-requantized is called open-fp16 now: the open group of values lies in FP16");
  const std::string policy = node.choice("policy", {"plain", "mant", "harmonia", "open-fp16"}, "plain");
  if (policy == "mant") cache.policy = KvPolicy::mant;
  if (policy == "open-fp16") cache.policy = KvPolicy::open_fp16;
  if (policy == "harmonia") {
    cache.policy = KvPolicy::harmonia;
    cache.demoted = format_at(node, "demoted");
    cache.block_tokens = count_at(node, "block_tokens", 1, 65536);
    cache.initial_tokens = count_at(node, "initial_tokens", 1, 65536);
    cache.local_tokens = count_at(node, "local_tokens", 1, 65536);
    if (cache.block_tokens % std::max<std::size_t>(formats.value.group_k, 1) != 0 ||
        cache.initial_tokens % cache.block_tokens != 0)
      node.fail("block_tokens", "must be whole groups of values, and initial_tokens whole blocks");
    check_pair(node, "demoted", formats.query, cache.demoted, check);
    check_pair(node, "demoted", formats.probability, cache.demoted, check);
  }
  const bool by_groups = formats.value.grouping == Grouping::group;
  if (by_groups == (cache.policy == KvPolicy::plain))
    node.fail("policy", by_groups ? "values in groups of tokens need mant, harmonia or open-fp16"
                                  : "values without groups of tokens need plain");
  if (cache.policy == KvPolicy::mant) check_pair(node, "policy", formats.probability, window_format(), check);
  node.reject_unknown();
  return cache;
}

IdleConfig idle_from(ConfigNode node) {
  const auto policy = [&](const char* key) {
    const std::string name = node.choice(key, {"clocked", "gated", "as_active"}, "clocked");
    return name == "gated" ? IdlePolicy::gated : name == "as_active" ? IdlePolicy::as_active : IdlePolicy::clocked;
  };
  IdleConfig idle;
  idle.pe = policy("pe");
  idle.foot = policy("foot");
  idle.quantizer = policy("quantizer");
  idle.vector_unit = policy("vector_unit");
  node.reject_unknown();
  return idle;
}

}  // namespace

std::uint64_t count_at(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max) {
  return static_cast<std::uint64_t>(node.integer(key, min, max));
}

std::uint64_t count_at(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max,
                       std::uint64_t fallback) {
  return static_cast<std::uint64_t>(node.integer(key, min, max, static_cast<std::int64_t>(fallback)));
}

std::array<double, vector_function_count> vector_operations_from(ConfigNode node) {
  std::array<double, vector_function_count> operations{};
  for (unsigned i = 1; i < vector_function_count; ++i)
    operations[i] = node.number(to_string(static_cast<VectorFunction>(i)), 0, 1000);
  node.reject_unknown();
  return operations;
}

std::unique_ptr<MachineConfig> MachineConfig::from(ConfigNode node) {
  if (node.choice("kind", {"systolic", "simt"}) == "simt") return std::make_unique<SimtConfig>(SimtConfig::from(node));
  return std::make_unique<SystolicConfig>(SystolicConfig::from(node));
}

void MachineConfig::read_name(ConfigNode& node) {
  name = node.string("name");
  clock_mhz = node.number("clock_mhz", 1, 10000);
}

void MachineConfig::read_formats(ConfigNode node, const PairCheck& check) {
  formats.weight = format_at(node, "weight");
  formats.activation = format_at(node, "activation");
  formats.query = format_at(node, "query");
  formats.key = format_at(node, "key");
  formats.value = format_at(node, "value");
  formats.probability = format_at(node, "probability");
  check_pair(node, "weight", formats.activation, formats.weight, check);
  check_pair(node, "key", formats.query, formats.key, check);
  check_pair(node, "value", formats.probability, formats.value, check);
  node.reject_unknown();
}

void MachineConfig::read_common(ConfigNode& node, const PairCheck& check, std::uint64_t activation_blocks,
                                std::uint64_t weight_blocks) {
  ConfigNode layout = node.child_or_empty("layout");
  activation_block_rows = count_at(layout, "activation_block_rows", 1, 65536, activation_blocks);
  weight_block_rows = count_at(layout, "weight_block_rows", 1, 65536, weight_blocks);
  output_block_columns = count_at(layout, "output_block_columns", 1, 65536, column_blocking);
  layout.reject_unknown();
  kv_cache = kv_cache_from(node.child_or_empty("kv_cache"), formats, check);
  idle = idle_from(node.child_or_empty("idle"));
  ConfigNode transfers = node.child("dma");
  dma = DmaConfig::from(transfers);
  prefetch_next = transfers.boolean("prefetch_next", true);
  fidelity = node.choice("fidelity", {"transaction", "cycle"}, "transaction") == "cycle" ? Fidelity::cycle
                                                                                         : Fidelity::transaction;
}

std::uint64_t sum_extent(const Format& activations, const Format& weights) {
  std::uint64_t extent = 0;
  for (const Format* format : {&activations, &weights}) {
    if (format->grouping != Grouping::group) continue;
    const std::uint64_t own = format->cluster != 0 ? format->cluster : format->group_k;
    extent = extent == 0 ? own : std::min(extent, own);
  }
  return extent;
}

bool MachineConfig::quantizes() const {
  for (const Format* format :
       {&formats.activation, &formats.query, &formats.key, &formats.value, &formats.probability}) {
    if (format->grouping != Grouping::none) return true;
  }
  return false;
}

bool MachineConfig::encodes(const Format& format) const {
  if (format.grouping == Grouping::tensor || format.group_n != 1 || format.row_bits() + format.tensor_bits() != 0)
    return false;
  for (const Format* own : {&formats.activation, &formats.query, &formats.key, &formats.value, &formats.probability}) {
    if (own->grouping != Grouping::none && own->family == format.family && own->bits == format.bits) return true;
  }
  return false;
}

}  // namespace nibble
