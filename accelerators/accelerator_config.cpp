// SPDX-License-Identifier: Apache-2.0
#include "accelerators/accelerator_config.h"

#include <algorithm>

#include "accelerators/descriptor.h"
#include "core/error.h"
#include "core/units.h"
#include "formats/packed_operand.h"
#include "pe/array_datapath.h"
#include "pe/pe_library.h"

namespace nibble {
namespace {

std::uint64_t count(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max) {
  return static_cast<std::uint64_t>(node.integer(key, min, max));
}
std::uint64_t count(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max,
                    std::uint64_t fallback) {
  return static_cast<std::uint64_t>(node.integer(key, min, max, static_cast<std::int64_t>(fallback)));
}

Format format_at(ConfigNode& node, const std::string& key) {
  const std::string name = node.string(key);
  try {
    return Format::parse(name);
  } catch (const InputError& error) {
    node.fail(key, error.what());
  }
}

/// The pairs that meet in the array: linear layers, scores, context.
FormatsConfig formats_from(ConfigNode node, const PeUnit& pe) {
  FormatsConfig formats;
  formats.weight = format_at(node, "weight");
  formats.activation = format_at(node, "activation");
  formats.query = format_at(node, "query");
  formats.key = format_at(node, "key");
  formats.value = format_at(node, "value");
  formats.probability = format_at(node, "probability");
  const auto check_pair = [&](const char* key, const Format& activations, const Format& weights) {
    try {
      check_formats(pe, activations, weights);
    } catch (const InputError& error) {
      node.fail(key, error.what());
    }
  };
  check_pair("weight", formats.activation, formats.weight);
  check_pair("key", formats.query, formats.key);
  check_pair("value", formats.probability, formats.value);
  node.reject_unknown();
  return formats;
}

VectorUnitConfig vector_unit_from(ConfigNode node) {
  VectorUnitConfig unit;
  unit.lanes = count(node, "lanes", 1, 65536);
  unit.latency_cycles = count(node, "latency_cycles", 0, 4096);
  ConfigNode table = node.child("operations_per_element");
  for (unsigned i = 1; i < vector_function_count; ++i) {
    unit.operations_per_element[i] = table.number(to_string(static_cast<VectorFunction>(i)), 0, 1000);
  }
  table.reject_unknown();
  node.reject_unknown();
  return unit;
}

BufferCapacity buffers_from(ConfigNode node, std::uint64_t& access_bits) {
  BufferCapacity buffers;
  buffers.weight_bytes = count(node, "weight_kib", 1, 1 << 20) * kib;
  buffers.activation_bytes = count(node, "activation_kib", 1, 1 << 20) * kib;
  buffers.output_bytes = count(node, "output_kib", 1, 1 << 20) * kib;
  access_bits = count(node, "access_bits", 8, 65536);
  buffers.accumulator_bytes = 4;
  node.reject_unknown();
  return buffers;
}

KvCacheConfig kv_cache_from(ConfigNode node, const FormatsConfig& formats, const PeUnit& pe) {
  KvCacheConfig cache;
  const std::string policy = node.choice("policy", {"plain", "mant", "harmonia", "amove-requantized"}, "plain");
  if (policy == "mant") cache.policy = KvPolicy::mant;
  if (policy == "amove-requantized") cache.policy = KvPolicy::amove_requantized;
  if (policy == "harmonia") {
    cache.policy = KvPolicy::harmonia;
    cache.demoted = format_at(node, "demoted");
    cache.block_tokens = count(node, "block_tokens", 1, 65536);
    cache.initial_tokens = count(node, "initial_tokens", 1, 65536);
    cache.local_tokens = count(node, "local_tokens", 1, 65536);
    if (cache.block_tokens % std::max<std::size_t>(formats.value.group_k, 1) != 0 ||
        cache.initial_tokens % cache.block_tokens != 0)
      node.fail("block_tokens", "must be whole groups of values, and initial_tokens whole blocks");
    if (!pe.supports(formats.query, cache.demoted) || !pe.supports(formats.probability, cache.demoted))
      node.fail("demoted", "is no operand of PE " + pe.name + "; supported: " + pe.supported);
  }
  const bool by_groups = formats.value.grouping == Grouping::group;
  if (by_groups == (cache.policy == KvPolicy::plain))
    node.fail("policy", by_groups ? "values in groups of tokens need mant, harmonia or amove-requantized"
                                  : "values without groups of tokens need plain");
  if (cache.policy == KvPolicy::mant && !pe.supports(formats.probability, window_format()))
    node.fail("policy", "PE " + pe.name + " does not multiply by the INT8 window of mant");
  node.reject_unknown();
  return cache;
}

bool quantizes(const FormatsConfig& formats) {
  for (const Format* format :
       {&formats.activation, &formats.query, &formats.key, &formats.value, &formats.probability}) {
    if (format->grouping != Grouping::none) return true;
  }
  return false;
}

QuantizerConfig quantizer_from(ConfigNode node) {
  QuantizerConfig quantizer;
  quantizer.present = true;
  quantizer.pipeline_cycles = count(node, "pipeline_cycles", 0, 4096);
  quantizer.elements_per_cycle = count(node, "elements_per_cycle", 1, 65536);
  quantizer.cost_key = node.string("cost_key", "quantizer");
  node.reject_unknown();
  return quantizer;
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

/// The PE and the geometry that does not depend on formats.
void read_array(ConfigNode node, SystolicConfig& config) {
  config.array.dataflow =
      dataflow_from(node.choice("dataflow", {"weight_stationary", "output_stationary", "input_stationary"}));
  // Of output-stationary arrays; read in any case, so that the dataflow alone may be overridden.
  config.array.result_ports = count(node, "result_ports", 1, 1024, 1);
  config.array.result_registers = node.boolean("result_registers", true);
  const bool by_traffic = node.choice("output_order", {"any", "less_traffic"}, "any") == "less_traffic";
  if (by_traffic && config.array.dataflow == Dataflow::output_stationary)
    config.output_order = OrderPolicy::less_traffic;
  config.array.free_fill = node.choice("fill", {"structural", "free"}, "structural") == "free";
  const std::string name = node.string("pe");
  try {
    config.pe = &find_pe(name);
  } catch (const InputError& error) {
    node.fail("pe", error.what());
  }
  const PeTiming& timing = config.pe->timing();
  for (const PeMode& mode : timing.modes) {
    if (mode.outputs != 1)
      node.fail("pe", "PE " + name + " computes several outputs at a time; a systolic array takes PEs of one output");
  }
  config.array.rows = count(node, "rows", 1, 1024);
  config.array.columns = count(node, "columns", 1, 1024);
  for (const PeMode& mode : timing.modes) {
    const std::uint64_t across = mode.pes_fused >= 4 ? 2 : 1, down = mode.pes_fused / across;
    const auto check_multiple = [&](const char* key, std::uint64_t extent, std::uint64_t fused) {
      if (extent % fused == 0) return;
      node.fail(key, "must be a multiple of " + std::to_string(fused) + ": in mode " + mode.name + " of PE " + name +
                         " so many neighbours work as one");
    };
    check_multiple("rows", config.array.rows, down);
    check_multiple("columns", config.array.columns, across);
  }
  if (config.pe->has_option("accumulate"))
    config.options.accumulate_fp32 = node.choice("accumulate", {"fp16", "fp32"}, "fp16") == "fp32";
  if (config.pe->has_option("aligned_bits"))
    config.options.aligned_bits = static_cast<unsigned>(node.integer("aligned_bits", 4, 15));
  node.reject_unknown();
}

/// The array is modelled register by register. Sums that enter it again must have left it, and the unit behind it.
bool stepped(const PeUnit& pe, Dataflow dataflow) {
  if (pe.datapath == nullptr) return false;
  const bool enters_again = pe.datapath().enter != nullptr && pe.timing().foot_latency > 0;
  return dataflow == Dataflow::output_stationary || !enters_again;
}

}  // namespace

SystolicConfig SystolicConfig::from(ConfigNode node) {
  SystolicConfig config;
  node.choice("kind", {"systolic"});
  config.name = node.string("name");
  config.clock_mhz = node.number("clock_mhz", 1, 10000);
  read_array(node.child("array"), config);
  config.buffers = buffers_from(node.child("buffers"), config.sram_access_bits);
  config.formats = formats_from(node.child("formats"), *config.pe);
  config.array = config.array_for(config.formats.activation, config.formats.weight);
  ConfigNode layout = node.child("layout");
  // Tiles are contiguous in memory when their rows are whole blocks. Sums that stay cut tiles to passes of the array;
  // else [D] as in configuration mant.
  const bool stay = config.array.dataflow == Dataflow::output_stationary;
  config.activation_block_rows = count(layout, "activation_block_rows", 1, 65536, stay ? config.array.rows : 128);
  config.weight_block_rows = count(layout, "weight_block_rows", 1, 65536, stay ? config.array.columns : 256);
  config.output_block_columns = count(layout, "output_block_columns", 1, 65536, column_blocking);
  layout.reject_unknown();
  config.vector_unit = vector_unit_from(node.child("vector_unit"));
  if (quantizes(config.formats)) config.quantizer = quantizer_from(node.child("quantizer"));
  config.kv_cache = kv_cache_from(node.child_or_empty("kv_cache"), config.formats, *config.pe);
  config.idle = idle_from(node.child_or_empty("idle"));
  ConfigNode attention = node.child_or_empty("attention");
  config.fused_attention = attention.boolean("fused", false);
  const double share = attention.number("buffer_share", 0.01, 0.99, 0.5);
  if (config.fused_attention) config.score_share = share;
  attention.reject_unknown();
  ConfigNode dma = node.child("dma");
  config.dma = DmaConfig::from(dma);
  config.prefetch_next = dma.boolean("prefetch_next", true);
  config.fidelity = node.choice("fidelity", {"transaction", "cycle"}, "transaction") == "cycle" ? Fidelity::cycle
                                                                                                : Fidelity::transaction;
  if (config.fidelity == Fidelity::cycle && !stepped(*config.pe, config.array.dataflow)) {
    node.fail("fidelity", "PE " + config.pe->name + " is not modelled register by register in a " +
                              to_string(config.array.dataflow) + " array; use transaction");
  }
  if (config.fidelity == Fidelity::cycle && config.array.free_fill)
    node.fail("fidelity", "no registers fill for free; use transaction, or array.fill=structural");
  ConfigNode schedule = node.child_or_empty("schedule");
  config.traffic_price = schedule.number("traffic_price", 0, 1000, 0.1);
  schedule.reject_unknown();
  return config;
}

ArrayGeometry SystolicConfig::array_for(const Format& activations, const Format& weights) const {
  const PeTiming& timing = pe->timing();
  const PeMode& mode = mode_of(*pe, activations, weights);
  ArrayGeometry geometry = array;
  geometry.k_per_row = mode.lanes;
  // Pairs of PEs are one above the other, fours are squares.
  geometry.columns_fused = mode.pes_fused >= 4 ? 2 : 1;
  geometry.rows_fused = mode.pes_fused / geometry.columns_fused;
  geometry.initiation_interval = mode.initiation_interval;
  geometry.pe_latency = mode.latency;
  geometry.group_interval = timing.group_interval;
  geometry.pass_overhead = pe->run_overhead == nullptr ? 0 : pe->run_overhead(activations, weights);
  geometry.foot_latency = timing.foot_latency;
  geometry.longest_pass = timing.longest_sum;
  return geometry;
}

std::uint64_t SystolicConfig::activation_port_bytes() const {
  const std::uint64_t elements = array_for(formats.activation, formats.weight).pass_k();
  return std::max<std::uint64_t>(1, elements * element_bits(formats.activation) / 8);
}

std::uint64_t SystolicConfig::accumulator_bytes(const Format& activations, const Format& weights) const {
  const std::uint64_t extent = sum_extent(activations, weights);
  const ArrayGeometry geometry = array_for(activations, weights);
  // Output stationary, what leaves the array is finished.
  const bool several_passes = geometry.dataflow != Dataflow::output_stationary && extent > geometry.pass_k();
  return buffers.accumulator_bytes + (several_passes ? sizeof(std::int32_t) : 0);
}

bool SystolicConfig::scales_at_the_end(const Format& activations, const Format& weights) const {
  constexpr std::size_t one = 4096, other = 8192;  // what a tile keeps together grows with the reduction
  return pe->tile_extent(activations, weights, one) != pe->tile_extent(activations, weights, other);
}

bool SystolicConfig::encodes(const Format& format) const {
  if (format.grouping == Grouping::tensor || format.group_n != 1 || format.row_bits() + format.tensor_bits() != 0)
    return false;
  for (const Format* own : {&formats.activation, &formats.query, &formats.key, &formats.value, &formats.probability}) {
    if (own->grouping != Grouping::none && own->family == format.family && own->bits == format.bits) return true;
  }
  return false;
}

double SystolicConfig::macs_per_cycle(const Format& activations, const Format& weights) const {
  const PeMode& mode = mode_of(*pe, activations, weights);
  return static_cast<double>(array.rows * array.columns * mode.lanes) / (mode.pes_fused * mode.initiation_interval);
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

}  // namespace nibble
