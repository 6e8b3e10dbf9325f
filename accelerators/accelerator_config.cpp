// SPDX-License-Identifier: Apache-2.0
#include "accelerators/accelerator_config.h"

#include "core/error.h"
#include "core/units.h"
#include "pe/mant_pe.h"

namespace nibble {
namespace {

std::uint64_t count(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max) {
  return static_cast<std::uint64_t>(node.integer(key, min, max));
}

Format format_at(ConfigNode& node, const std::string& key) {
  const std::string name = node.string(key);
  try {
    return Format::parse(name);
  } catch (const InputError& error) {
    node.fail(key, error.what());
  }
}

void check_format(const ConfigNode& node, const std::string& key, const Format& format, FormatFamily family,
                  unsigned bits) {
  if (format.family != family || format.bits != bits || format.grouping != Grouping::group || format.group_n != 1) {
    node.fail(key,
              "'" + format.name() + "' does not run on PE mant; supported: activations int8-g<k>, weights mant4-g<k>");
  }
}

FormatsConfig formats_from(ConfigNode node) {
  FormatsConfig formats;
  formats.weight = format_at(node, "weight");
  formats.activation = format_at(node, "activation");
  formats.query = format_at(node, "query");
  formats.key = format_at(node, "key");
  formats.value = format_at(node, "value");
  formats.probability = format_at(node, "probability");
  for (const auto& [key, format] :
       {std::pair<const char*, Format*>{"weight", &formats.weight}, {"key", &formats.key}, {"value", &formats.value}}) {
    check_format(node, key, *format, FormatFamily::mant4, 4);
    if (format->group_k != formats.activation.group_k)
      node.fail(
          key, "groups must have the extent of the activations' groups, " + std::to_string(formats.activation.group_k));
  }
  for (const auto& [key, format] : {std::pair<const char*, Format*>{"activation", &formats.activation},
                                    {"query", &formats.query},
                                    {"probability", &formats.probability}}) {
    check_format(node, key, *format, FormatFamily::integer, 8);
    if (format->group_k != formats.activation.group_k)
      node.fail(
          key, "groups must have the extent of the activations' groups, " + std::to_string(formats.activation.group_k));
  }
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

ArrayGeometry array_from(ConfigNode node, std::string& pe) {
  node.choice("dataflow", {"weight_stationary"});
  pe = node.choice("pe", {"mant"});
  ArrayGeometry array;
  array.rows = count(node, "rows", 1, 1024);
  array.columns = count(node, "columns", 1, 1024);
  array.foot_latency = mant_pe_timing().foot_latency;
  if (array.rows % 2 != 0) node.fail("rows", "must be even: INT8 weights occupy two vertically adjacent PEs");
  node.reject_unknown();
  return array;
}

}  // namespace

SystolicConfig SystolicConfig::from(ConfigNode node) {
  SystolicConfig config;
  node.choice("kind", {"systolic"});
  config.name = node.string("name");
  config.clock_mhz = node.number("clock_mhz", 1, 10000);
  config.array = array_from(node.child("array"), config.pe);
  config.buffers = buffers_from(node.child("buffers"), config.sram_access_bits);
  config.formats = formats_from(node.child("formats"));
  config.quantized_group = config.formats.activation.group_k;
  ConfigNode layout = node.child("layout");
  config.activation_block_rows = count(layout, "activation_block_rows", 1, 65536);
  config.weight_block_rows = count(layout, "weight_block_rows", 1, 65536);
  layout.reject_unknown();
  config.vector_unit = vector_unit_from(node.child("vector_unit"));
  ConfigNode quantizer = node.child("quantizer");
  config.quantizer.pipeline_cycles = count(quantizer, "pipeline_cycles", 0, 4096);
  config.quantizer.groups_per_cycle = count(quantizer, "groups_per_cycle", 1, 4096);
  quantizer.reject_unknown();
  config.dma = DmaConfig::from(node.child("dma"));
  config.fidelity = node.choice("fidelity", {"transaction", "cycle"}, "transaction") == "cycle" ? Fidelity::cycle
                                                                                                : Fidelity::transaction;
  ConfigNode schedule = node.child_or_empty("schedule");
  config.traffic_price = schedule.number("traffic_price", 0, 1000, 0.1);
  schedule.reject_unknown();
  return config;
}

ArrayGeometry SystolicConfig::wide_weight_array() const {
  ArrayGeometry wide = array;
  wide.rows_fused = 2;
  return wide;
}

std::uint64_t SystolicConfig::accumulator_bytes(std::uint64_t group, bool wide) const {
  const bool several_passes = group > (wide ? wide_weight_array() : array).pass_k();
  return buffers.accumulator_bytes + (several_passes ? sizeof(std::int32_t) : 0);
}

}  // namespace nibble
