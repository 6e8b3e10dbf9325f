// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/simt_config.h"

#include <algorithm>

#include "accelerators/descriptor.h"
#include "accelerators/simt/simt_gemm_engine.h"
#include "core/error.h"
#include "core/units.h"
#include "formats/packed_operand.h"
#include "pe/pe_library.h"

namespace nibble {
namespace {

/// A field that keeps its default where the key is absent.
void read(ConfigNode& node, const char* key, unsigned& field, std::int64_t min, std::int64_t max) {
  field = static_cast<unsigned>(node.integer(key, min, max, field));
}
void read(ConfigNode& node, const char* key, std::uint64_t& field, std::int64_t min, std::int64_t max) {
  field = count_at(node, key, min, max, field);
}

MultiprocessorConfig multiprocessor_from(ConfigNode& node) {
  MultiprocessorConfig out;
  SmConfig& sm = out.pipeline;
  read(node, "blocks", sm.blocks, 1, 64);
  read(node, "lanes", sm.lanes, 1, 32);
  read(node, "arithmetic_latency", sm.arithmetic_latency, 1, 1024);
  read(node, "tensor_latency", sm.tensor_latency, 1, 1024);
  read(node, "operand_collectors", sm.operand_collectors, 1, 64);
  read(node, "registers_per_bank_cycle", sm.registers_per_bank_cycle, 1, 1024);
  read(node, "registers_kib", sm.registers_kib, 1, 65536);
  read(node, "shared_kib", sm.shared_kib, 1, 65536);
  read(node, "shared_bytes_per_cycle", sm.shared_bytes_per_cycle, 1, 65536);
  read(node, "shared_latency", sm.shared_latency, 0, 4096);
  read(node, "memory_queue", sm.memory_queue, 1, 4096);
  read(node, "warps", sm.warps, 1, 1024);
  read(node, "thread_blocks", sm.thread_blocks, 1, 1024);
  read(node, "port_bytes_per_cycle", out.port_bytes_per_cycle, 1, 65536);
  read(node, "quantum_cycles", out.quantum_cycles, 1, 65536);
  return out;
}

L2Config l2_from(ConfigNode node) {
  L2Config l2;
  l2.capacity_bytes = count_at(node, "capacity_kib", 1, 1 << 24, l2.capacity_bytes / kib) * kib;
  read(node, "bytes_per_cycle", l2.bytes_per_cycle, 1, 1 << 20);
  read(node, "hit_latency", l2.hit_latency, 0, 65536);
  node.reject_unknown();
  return l2;
}

std::array<StepAxis, 3> order_from(ConfigNode& node, const std::array<StepAxis, 3>& fallback) {
  constexpr char letters[] = {'m', 'n', 'k'};
  std::string text;
  for (const StepAxis axis : fallback)
    text += letters[static_cast<unsigned>(axis)];
  text = node.choice("order", {"mnk", "mkn", "nmk", "nkm", "kmn", "knm"}, text);
  std::array<StepAxis, 3> order{};
  for (std::size_t i = 0; i < order.size(); ++i)
    order.at(i) = text[i] == 'm' ? StepAxis::m : text[i] == 'n' ? StepAxis::n : StepAxis::k;
  return order;
}

TensorCoreGeometry geometry_from(ConfigNode& node) {
  TensorCoreGeometry g;
  const std::pair<const char*, unsigned*> extents[] = {{"mma_m", &g.mma_m},
                                                       {"mma_n", &g.mma_n},
                                                       {"mma_k", &g.mma_k},
                                                       {"thread_groups", &g.thread_groups},
                                                       {"w_sharers", &g.w_sharers},
                                                       {"group_m", &g.group_m},
                                                       {"group_n", &g.group_n},
                                                       {"step_m", &g.step_m},
                                                       {"step_n", &g.step_n},
                                                       {"step_k", &g.step_k},
                                                       {"dp_units", &g.dp_units},
                                                       {"dp_width", &g.dp_width},
                                                       {"adder_trees", &g.adder_trees}};
  for (const auto& [key, field] : extents)
    read(node, key, *field, 1, 4096);
  read(node, "a_buffer_bits", g.a_buffer_bits, 1, 1 << 24);
  read(node, "w_buffer_bits", g.w_buffer_bits, 1, 1 << 24);
  read(node, "c_buffer_bits", g.c_buffer_bits, 1, 1 << 24);
  read(node, "scaled_sums_per_cycle", g.scaled_sums_per_cycle, 0, 4096);
  g.decodes_scales = node.boolean("decodes_scales", g.decodes_scales);
  g.order = order_from(node, g.order);
  const std::string packing = node.choice("packing", {"none", "along_n", "along_k"}, "none");
  g.packing = packing == "along_n"   ? WeightPacking::along_n
              : packing == "along_k" ? WeightPacking::along_k
                                     : WeightPacking::none;
  return g;
}

/// Of every kernel of a mode: what becomes of its weights.
GemmKernelConfig kernel_base_from(ConfigNode& node) {
  GemmKernelConfig base;
  const std::string place = node.choice("unpack", {"never", "before_shared", "before_tensor"}, "never");
  base.unpack = place == "before_shared"   ? UnpackPlace::before_shared
                : place == "before_tensor" ? UnpackPlace::before_tensor
                                           : UnpackPlace::never;
  if (base.unpack != UnpackPlace::never)
    base.unpack_instructions = static_cast<unsigned>(node.integer("unpack_instructions", 0, 1024));
  read(node, "integer_instructions", base.integer_instructions, 0, 1024);
  return base;
}

GemmKernelConfig kernel_from(ConfigNode node, const GemmKernelConfig& base) {
  GemmKernelConfig kernel = base;
  const std::pair<const char*, unsigned*> extents[] = {{"tile_m", &kernel.tile_m},
                                                       {"tile_n", &kernel.tile_n},
                                                       {"tile_k", &kernel.tile_k},
                                                       {"warps_m", &kernel.warps_m},
                                                       {"warps_n", &kernel.warps_n}};
  for (const auto& [key, field] : extents)
    *field = static_cast<unsigned>(node.integer(key, 1, 65536));
  kernel.order = node.choice("order", {"k_outer", "k_inner"}, "k_outer") == "k_inner" ? KernelOrder::k_inner
                                                                                      : KernelOrder::k_outer;
  node.reject_unknown();
  return kernel;
}

}  // namespace

TensorCoreMode SimtConfig::read_mode(ConfigNode node, const std::string& mode_name) {
  TensorCoreMode mode;
  mode.name = mode_name;
  const std::string pe_name = node.string("pe");
  try {
    mode.pe = &find_pe(pe_name);
  } catch (const InputError& error) {
    node.fail("pe", error.what());
  }
  mode.geometry = geometry_from(node);
  const GemmKernelConfig base = kernel_base_from(node);
  mode.listed = node.is_list("kernels");
  if (mode.listed) {
    for (const ConfigNode& item : node.children("kernels"))
      mode.kernels.push_back(kernel_from(item, base));
    if (mode.kernels.empty()) node.fail("kernels", "is an empty list, expected the tiles of at least one kernel");
  } else {
    node.choice("kernels", {"standard"}, "standard");
    mode.kernels = standard_kernels(base);
  }
  node.reject_unknown();
  return mode;
}

void SimtConfig::read_tensor_cores(ConfigNode node) {
  modes = {read_mode(node.child("linear"), "linear")};
  if (node.has("attention")) modes.push_back(read_mode(node.child("attention"), "attention"));
  node.reject_unknown();
}

/// Widths follow from the formats that meet; then everything must go together.
void SimtConfig::complete_modes(const ConfigNode& node) {
  const std::pair<Format, Format> pairs[] = {{formats.activation, formats.weight}, {formats.query, formats.key}};
  for (std::size_t i = 0; i < modes.size(); ++i) {
    TensorCoreMode& mode = modes[i];
    const auto& [activations, weights] = pairs[i];
    mode.geometry.a_bits = element_bits(activations);
    mode.geometry.w_bits = mode.kernels.front().unpack == UnpackPlace::never ? element_bits(weights) : 16;
    mode.geometry.scale_extent = static_cast<unsigned>(sum_extent(activations, weights));
    std::string part = mode.name;
    try {
      const TensorCoreSteps steps(mode.geometry);
      if (!mode.listed) {
        keep_possible_kernels(mode, element_bits(weights));
        continue;
      }
      for (GemmKernelConfig kernel : mode.kernels) {
        part = mode.name + ": " + tile_name(kernel);
        kernel.a_bits = mode.geometry.a_bits;
        kernel.w_bits = element_bits(weights);
        make_gemm_kernel(kernel, steps, kernel.tile_k);
      }
    } catch (const InputError& error) {
      node.fail("tensor_core", part + ": " + error.what());
    }
  }
}

/// Of the standard kernels those that a multiprocessor holds, with tiles of whole blocks of the operands; of several
/// arrangements of warps the one whose slices keep the multiprocessor busy the least.
void SimtConfig::keep_possible_kernels(TensorCoreMode& mode, unsigned w_bits) const {
  const TensorCoreSteps steps(mode.geometry);
  std::vector<GemmKernelConfig> kept;
  double least = 0;
  for (const GemmKernelConfig& kernel : mode.kernels) {
    if (kernel.tile_m % activation_block_rows != 0 || kernel.tile_n % weight_block_rows != 0) continue;
    GemmKernelConfig full = kernel;
    full.a_bits = mode.geometry.a_bits;
    full.w_bits = w_bits;
    const KernelTiming* timing = timings().find(static_cast<std::size_t>(&mode - modes.data()), steps, full);
    if (timing == nullptr) continue;
    const bool same = !kept.empty() && kept.back().tile_m == kernel.tile_m && kept.back().tile_n == kernel.tile_n &&
                      kept.back().tile_k == kernel.tile_k;
    if (same && timing->busy() >= least) continue;
    least = timing->busy();
    if (same) kept.pop_back();
    kept.push_back(kernel);
  }
  if (kept.empty()) {
    throw InputError(
        "a multiprocessor holds no thread block of any standard kernel; list kernels of your own, or "
        "give it more registers and shared memory");
  }
  mode.kernels = std::move(kept);
}

SimtConfig SimtConfig::from(ConfigNode node) {
  SimtConfig config;
  node.choice("kind", {"simt"});
  config.read_name(node);
  ConfigNode sm = node.child("multiprocessor");
  config.multiprocessors = static_cast<unsigned>(sm.integer("count", 1, 1024));
  config.representatives = static_cast<unsigned>(sm.integer("representatives", 0, 1024, 0));
  if (config.representatives != 0 && config.multiprocessors % config.representatives != 0)
    sm.fail("representatives", "must divide count, so that each stands for equally many");
  config.multiprocessor = multiprocessor_from(sm);
  sm.reject_unknown();
  config.l2 = l2_from(node.child_or_empty("l2"));
  config.read_tensor_cores(node.child("tensor_core"));
  const PairCheck check = [&config](const Format& activations, const Format& weights) {
    std::string supported;
    for (const TensorCoreMode& mode : config.modes) {
      if (mode.pe->supports(activations, weights)) return;
      supported += (supported.empty() ? "PE " : "; PE ") + mode.pe->name + ": " + mode.pe->supported;
    }
    throw InputError("no mode of the tensor cores multiplies " + activations.name() + " by " + weights.name() +
                     "; supported: " + supported);
  };
  config.read_formats(node.child("formats"), check);
  ConfigNode unit = node.child("vector_unit");
  config.vector_unit.lanes = config.lanes();
  config.vector_unit.latency_cycles = count_at(unit, "latency_cycles", 0, 4096);
  config.vector_unit.operations_per_element = vector_operations_from(unit.child("operations_per_element"));
  unit.reject_unknown();
  if (config.quantizes()) {
    ConfigNode quantizer_node = node.child("quantizer");
    config.quantizer_operations = quantizer_node.number("operations_per_element", 0, 1000);
    quantizer_node.reject_unknown();
    config.quantizer.present = true;
    config.quantizer.elements_per_cycle = std::max<std::uint64_t>(
        1,
        static_cast<std::uint64_t>(static_cast<double>(config.lanes()) / std::max(config.quantizer_operations, 1.0)));
  }
  const std::vector<GemmKernelConfig>& kernels = config.modes.front().kernels;
  config.read_common(node, check, kernels.front().tile_m, kernels.front().tile_n);
  config.complete_modes(node);
  return config;
}

const TensorCoreMode* SimtConfig::mode_for(const Format& activations, const Format& weights) const {
  const auto multiplies = [&](const TensorCoreMode& mode) {
    const bool unpacked = mode.kernels.front().unpack != UnpackPlace::never;
    return mode.pe->supports(activations, weights) && element_bits(activations) == mode.geometry.a_bits &&
           (unpacked || element_bits(weights) == mode.geometry.w_bits);
  };
  const std::uint64_t extent = sum_extent(activations, weights);
  const TensorCoreMode* any = nullptr;
  for (const TensorCoreMode& mode : modes) {
    if (!multiplies(mode)) continue;
    if (mode.geometry.scale_extent == extent) return &mode;
    const bool paced = mode.geometry.scaled_sums_per_cycle != 0 || mode.geometry.decodes_scales;
    if (any == nullptr && !paced) any = &mode;
  }
  return any;
}

std::size_t SimtConfig::first_pe_mode(const TensorCoreMode& mode) const {
  std::size_t first = 0;
  for (const TensorCoreMode* earlier = modes.data(); earlier != &mode; ++earlier)
    first += earlier->pe->timing().modes.size();
  return first;
}

std::uint64_t SimtConfig::shared_bytes() const {
  return std::uint64_t{multiprocessors} * multiprocessor.pipeline.shared_kib * kib;
}

const PeUnit* SimtConfig::pe_for(const Format& activations, const Format& weights) const {
  const TensorCoreMode* mode = mode_for(activations, weights);
  return mode == nullptr ? nullptr : mode->pe;
}

double SimtConfig::macs_per_cycle(const Format& activations, const Format& weights) const {
  const TensorCoreMode& mode = *mode_for(activations, weights);
  return macs_per_cycle_in_mode(first_pe_mode(mode));
}

/// Whatever the PE's mode, the geometry says how many products a step takes in how many cycles.
double SimtConfig::macs_per_cycle_in_mode(std::size_t index) const {
  std::size_t next = 0;
  for (const TensorCoreMode& mode : modes) {
    next += mode.pe->timing().modes.size();
    if (index >= next) continue;
    const TensorCoreSteps steps(mode.geometry);
    return static_cast<double>(mode.geometry.macs()) / static_cast<double>(steps.cycles()) *
           multiprocessor.pipeline.blocks * multiprocessors;
  }
  throw InternalError("tensor cores have no PE mode " + std::to_string(index));
}

std::uint32_t SimtConfig::shape_register() const {
  const TensorCoreGeometry& g = modes.front().geometry;
  return multiprocessors << 16 | multiprocessor.pipeline.blocks * g.thread_groups * g.dp_units;
}

std::unique_ptr<MatrixEngine> SimtConfig::make_engine(DmaEngine& dma_engine, ResultWriter& writer,
                                                      const MachineClock& clock) const {
  return std::make_unique<SimtGemmEngine>(*this, dma_engine, writer, clock);
}

}  // namespace nibble
