// SPDX-License-Identifier: Apache-2.0
#include "accelerators/systolic_config.h"

#include <algorithm>

#include "accelerators/descriptor.h"
#include "accelerators/gemm_engine.h"
#include "core/error.h"
#include "core/units.h"
#include "formats/packed_operand.h"
#include "pe/array_datapath.h"
#include "pe/pe_library.h"

namespace nibble {
namespace {

BufferCapacity buffers_from(ConfigNode node, std::uint64_t& access_bits) {
  BufferCapacity buffers;
  buffers.weight_bytes = count_at(node, "weight_kib", 1, 1 << 20) * kib;
  buffers.activation_bytes = count_at(node, "activation_kib", 1, 1 << 20) * kib;
  buffers.output_bytes = count_at(node, "output_kib", 1, 1 << 20) * kib;
  access_bits = count_at(node, "access_bits", 8, 65536);
  buffers.accumulator_bytes = 4;
  node.reject_unknown();
  return buffers;
}

QuantizerConfig quantizer_from(ConfigNode node) {
  QuantizerConfig quantizer;
  quantizer.present = true;
  quantizer.pipeline_cycles = count_at(node, "pipeline_cycles", 0, 4096);
  quantizer.elements_per_cycle = count_at(node, "elements_per_cycle", 1, 65536);
  quantizer.overlap = node.boolean("overlap", true);
  quantizer.cost_key = node.string("cost_key", "quantizer");
  node.reject_unknown();
  return quantizer;
}

/// The array is modelled register by register. Sums that enter it again must have left it, and the unit behind it.
bool stepped(const PeUnit& pe, Dataflow dataflow) {
  if (pe.datapath == nullptr) return false;
  const bool enters_again = pe.datapath().enter != nullptr && pe.timing().foot_latency > 0;
  return dataflow == Dataflow::output_stationary || !enters_again;
}

}  // namespace

/// The PE and the geometry that does not depend on formats.
void SystolicConfig::read_array(ConfigNode node) {
  array.dataflow =
      dataflow_from(node.choice("dataflow", {"weight_stationary", "output_stationary", "input_stationary"}));
  // Of output-stationary arrays; read in any case, so that the dataflow alone may be overridden.
  array.result_ports = count_at(node, "result_ports", 1, 1024, 1);
  array.result_registers = node.boolean("result_registers", true);
  const bool by_traffic = node.choice("output_order", {"any", "less_traffic"}, "any") == "less_traffic";
  if (by_traffic && array.dataflow == Dataflow::output_stationary) output_order = OrderPolicy::less_traffic;
  array.free_fill = node.choice("fill", {"structural", "free"}, "structural") == "free";
  const std::string name = node.string("pe");
  try {
    pe = &find_pe(name);
  } catch (const InputError& error) {
    node.fail("pe", error.what());
  }
  const PeTiming& timing = pe->timing();
  for (const PeMode& mode : timing.modes) {
    if (mode.outputs != 1)
      node.fail("pe", "PE " + name + " computes several outputs at a time; a systolic array takes PEs of one output");
  }
  array.rows = count_at(node, "rows", 1, 1024);
  array.columns = count_at(node, "columns", 1, 1024);
  for (const PeMode& mode : timing.modes) {
    const std::uint64_t across = mode.pes_fused >= 4 ? 2 : 1, down = mode.pes_fused / across;
    const auto check_multiple = [&](const char* key, std::uint64_t extent, std::uint64_t fused) {
      if (extent % fused == 0) return;
      node.fail(key, "must be a multiple of " + std::to_string(fused) + ": in mode " + mode.name + " of PE " + name +
                         " so many neighbours work as one");
    };
    check_multiple("rows", array.rows, down);
    check_multiple("columns", array.columns, across);
  }
  if (pe->has_option("accumulate"))
    options.accumulate_fp32 = node.choice("accumulate", {"fp16", "fp32"}, "fp16") == "fp32";
  if (pe->has_option("aligned_bits")) options.aligned_bits = static_cast<unsigned>(node.integer("aligned_bits", 4, 15));
  node.reject_unknown();
}

void SystolicConfig::read_attention(ConfigNode& node) {
  ConfigNode attention = node.child_or_empty("attention");
  fused_attention = attention.boolean("fused", false);
  const double share = attention.number("buffer_share", 0.01, 0.99, 0.5);
  if (fused_attention) score_share = share;
  attention.reject_unknown();
}

SystolicConfig SystolicConfig::from(ConfigNode node) {
  SystolicConfig config;
  node.choice("kind", {"systolic"});
  config.read_name(node);
  config.read_array(node.child("array"));
  config.buffers = buffers_from(node.child("buffers"), config.sram_access_bits);
  const PairCheck check = [pe = config.pe](const Format& activations, const Format& weights) {
    check_formats(*pe, activations, weights);
  };
  config.read_formats(node.child("formats"), check);
  config.array = config.array_for(config.formats.activation, config.formats.weight);
  ConfigNode unit = node.child("vector_unit");
  config.vector_unit.lanes = count_at(unit, "lanes", 1, 65536);
  config.vector_unit.latency_cycles = count_at(unit, "latency_cycles", 0, 4096);
  config.vector_unit.operations_per_element = vector_operations_from(unit.child("operations_per_element"));
  config.vector_unit.overlap = unit.boolean("overlap", true);
  const double share = unit.number("buffer_share", 0.01, 0.5, 0.25);
  if (config.vector_unit.overlap) config.vector_unit.buffer_share = share;
  unit.reject_unknown();
  if (config.quantizes()) config.quantizer = quantizer_from(node.child("quantizer"));
  // Tiles are contiguous in memory when their rows are whole blocks. Sums that stay cut tiles to passes of the array;
  // else [D] as in configuration mant.
  const bool stay = config.array.dataflow == Dataflow::output_stationary;
  config.read_common(node, check, stay ? config.array.rows : 128, stay ? config.array.columns : 256);
  config.read_attention(node);
  if (config.fidelity == Fidelity::cycle && !stepped(*config.pe, config.array.dataflow)) {
    node.fail("fidelity", "PE " + config.pe->name + " is not modelled register by register in a " +
                              to_string(config.array.dataflow) + " array; use transaction");
  }
  if (config.fidelity == Fidelity::cycle && config.array.free_fill)
    node.fail("fidelity", "no registers fill for free; use transaction, or array.fill=structural");
  if (config.fidelity == Fidelity::cycle && !config.quantizer.overlap)
    node.fail("fidelity",
              "an array that waits for the quantizer is not modelled register by register; use transaction");
  ConfigNode schedule = node.child_or_empty("schedule");
  config.traffic_price = schedule.number("traffic_price", 0, 1000, 0.1);
  schedule.reject_unknown();
  return config;
}

const PeUnit* SystolicConfig::pe_for(const Format& activations, const Format& weights) const {
  return pe->supports(activations, weights) ? pe : nullptr;
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

std::uint64_t SystolicConfig::score_port_bytes() const {
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

double SystolicConfig::macs_per_cycle(const Format& activations, const Format& weights) const {
  return macs_per_cycle_in_mode(mode_index(*pe, activations, weights));
}

double SystolicConfig::macs_per_cycle_in_mode(std::size_t index) const {
  const PeMode& mode = pe->timing().modes.at(index);
  return static_cast<double>(array.rows * array.columns * mode.lanes) / (mode.pes_fused * mode.initiation_interval);
}

std::unique_ptr<MatrixEngine> SystolicConfig::make_engine(DmaEngine& dma_engine, ResultWriter& writer,
                                                          const MachineClock& clock) const {
  return std::make_unique<GemmEngine>(*this, dma_engine, writer, clock);
}

}  // namespace nibble
