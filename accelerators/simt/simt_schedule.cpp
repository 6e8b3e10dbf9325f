// SPDX-License-Identifier: Apache-2.0
/// The part of SimtConfig that chooses kernels.
#include <algorithm>
#include <cmath>
#include <utility>

#include "accelerators/descriptor.h"
#include "accelerators/simt/simt_config.h"
#include "core/error.h"
#include "core/table.h"
#include "core/units.h"

namespace nibble {
namespace {

/// Elements per 16 bits of metadata; 0: none, scales of rows are loaded with the results.
std::uint64_t elements_per_scale(const OperandLayout& layout) {
  return layout.metadata_bits == 0 ? 0 : layout.group * layout.metadata_rows * 16 / layout.metadata_bits;
}

/// Cycles in which one slice of one thread block occupies a multiprocessor: tensor cores, schedulers, or the path to
/// shared memory, whichever is busy longest.
double slice_cycles(const SmConfig& sm, const GemmKernel& kernel) {
  std::uint64_t tensor = 0, path = 0, issue = 0;
  for (const WarpInstruction& instruction : kernel.program.body) {
    ++issue;
    if (instruction.operation == WarpOperation::hmma) tensor += instruction.unit_cycles;
    path += ceil_div(instruction.bytes, sm.shared_bytes_per_cycle);
  }
  const double per_block = static_cast<double>(kernel.warps) / sm.blocks;
  return std::max(per_block * static_cast<double>(std::max(tensor, issue)), static_cast<double>(path * kernel.warps));
}

/// Thread blocks that somebody sees, and the slices of all of them.
struct Walk {
  std::uint64_t thread_blocks = 0, slices = 0;
};
Walk walk_of(const GemmKernelConfig& kernel, const GemmShape& shape) {
  Walk walk;
  for (std::uint64_t m0 = 0; m0 < shape.m; m0 += kernel.tile_m) {
    const std::uint64_t rows = std::min<std::uint64_t>(kernel.tile_m, shape.m - m0);
    const std::uint64_t blocks = ceil_div(std::min(shape.n, shape.columns_needed(m0, rows)), kernel.tile_n);
    walk.thread_blocks += blocks * shape.count;
    walk.slices += blocks * shape.count * ceil_div(shape.reduction_needed(m0, rows), kernel.tile_k);
  }
  return walk;
}

}  // namespace

bool fits(const GemmKernelConfig& kernel, const Descriptor& command) {
  for (const OperandDescriptor* operand : {&command.a, &command.w}) {
    const std::uint64_t group = operand->layout(0).group;
    if (group % kernel.tile_k != 0 && kernel.tile_k % group != 0) return false;
  }
  return command.n <= kernel.tile_n || kernel.tile_n % command.c.layout(0).group == 0;
}

GemmKernelConfig SimtConfig::adapted(const GemmKernelConfig& kernel, const Descriptor& command) const {
  GemmKernelConfig out = kernel;
  const OperandLayout a = command.a.layout(0), w = command.w.layout(0);
  out.a_bits = a.bits;
  out.w_bits = w.bits;
  out.a_scale_group = elements_per_scale(a);
  out.scale_group = elements_per_scale(w);
  out.result_bits = command.c.layout(0).bits;
  out.result_operations = 1.0 / static_cast<double>(conversions_per_lane);
  if (command.c.format.grouping != Grouping::none) out.result_operations += quantizer_operations;
  return out;
}

const GemmKernelConfig* SimtConfig::kernel_for(const Descriptor& command) const {
  const TensorCoreMode* mode = mode_for(command.a.format, command.w.format);
  if (mode == nullptr) return nullptr;
  const Tiling& tiling = command.tiling;
  const auto found = std::find_if(mode->kernels.begin(), mode->kernels.end(), [&](const GemmKernelConfig& kernel) {
    return kernel.tile_m == tiling.m && kernel.tile_n == tiling.n && kernel.tile_k == tiling.k;
  });
  return found == mode->kernels.end() ? nullptr : &*found;
}

BandWalk choose_band(const SimtConfig& config, const GemmKernelConfig& kernel, const Descriptor& command,
                     unsigned resident) {
  const GemmShape shape = shape_of(command);
  const Traffic once = compulsory_traffic(command);
  const std::uint64_t rows = ceil_div(shape.m, kernel.tile_m), columns = ceil_div(shape.n, kernel.tile_n);
  const std::uint64_t together = std::uint64_t{config.multiprocessors} * resident;
  const std::uint64_t row_bytes = once.activation / shape.count / rows;
  BandWalk best;
  for (std::uint64_t tiles = 1; tiles <= rows; ++tiles) {
    const bool held = tiles * row_bytes <= config.l2.capacity_bytes / 2;
    const std::uint64_t again = held ? 1 : ceil_div(columns, std::max<std::uint64_t>(1, together / tiles));
    const std::uint64_t traffic = once.activation * again + once.weight * ceil_div(rows, tiles) + once.output;
    if (tiles == 1 || traffic <= best.traffic) best = {tiles, traffic};
  }
  return best;
}

KernelEstimate estimate(const SimtConfig& config, const GemmKernelConfig& kernel, const Descriptor& command,
                        const MemoryRate& memory) {
  const TensorCoreMode& mode = *config.mode_for(command.a.format, command.w.format);
  const SmConfig& sm = config.multiprocessor.pipeline;
  const GemmKernelConfig full = config.adapted(kernel, command);
  // A body needs a second slice.
  const GemmKernel program = make_gemm_kernel(full, TensorCoreSteps(mode.geometry), 2 * std::uint64_t{kernel.tile_k});
  KernelEstimate out;
  out.resident =
      SmPipeline::resident_thread_blocks(sm, program.warps, program.registers_per_lane, program.shared_bytes);
  if (out.resident == 0) {
    throw InputError(config.name + ": a multiprocessor does not hold one thread block of kernel " + tile_name(kernel) +
                     ": " + std::to_string(program.warps) + " warps of " + std::to_string(program.registers_per_lane) +
                     " registers and " + std::to_string(program.shared_bytes) + " bytes of shared memory");
  }
  const GemmShape shape = shape_of(command);
  const Walk walk = walk_of(kernel, shape);
  out.thread_blocks = walk.thread_blocks;
  out.slices = walk.slices;
  const double per_block = static_cast<double>(walk.slices) / static_cast<double>(walk.thread_blocks);
  const std::uint64_t most = ceil_div(walk.thread_blocks, config.multiprocessors);  // of one multiprocessor
  const double slices = static_cast<double>(most) * per_block;
  out.issue = slices * slice_cycles(sm, program);
  const double latency = memory.latency_cycles + static_cast<double>(config.l2.hit_latency);
  out.latency = slices / static_cast<double>(std::min<std::uint64_t>(out.resident, most)) * latency + latency;
  out.memory = static_cast<double>(choose_band(config, kernel, command, out.resident).traffic) / memory.bytes_per_cycle;
  const OperandLayout a = command.a.layout(0), w = command.w.layout(0);
  const double slice_bytes = static_cast<double>(a.tile_bytes(kernel.tile_m, 0, kernel.tile_k) +
                                                 w.tile_bytes(kernel.tile_n, 0, kernel.tile_k));
  out.port = slices * slice_bytes / static_cast<double>(config.multiprocessor.port_bytes_per_cycle);
  out.cycles = std::max({out.issue, out.latency, out.memory, out.port});
  return out;
}

Tiling SimtConfig::choose_tiling(const Descriptor& command, const MemoryRate& memory) const {
  const TensorCoreMode* mode = mode_for(command.a.format, command.w.format);
  if (mode == nullptr) {
    throw InputError(name + ": no mode of the tensor cores multiplies " + command.a.format.name() + " by " +
                     command.w.format.name());
  }
  const GemmKernelConfig* best = nullptr;
  std::pair<double, double> least;
  for (const GemmKernelConfig& kernel : mode->kernels) {
    if (!fits(kernel, command)) continue;
    // Of kernels with the same bound, the one that leaves most room to what it overlaps with.
    const KernelEstimate e = estimate(*this, kernel, command, memory);
    const std::pair<double, double> cost{e.cycles, e.issue + e.latency + e.memory + e.port};
    if (best != nullptr && cost >= least) continue;
    best = &kernel;
    least = cost;
  }
  if (best == nullptr) {
    throw InputError(name + ": no kernel of tensor_core." + mode->name + " takes slices of whole groups of " +
                     command.a.format.name() + " and " + command.w.format.name() + " and tiles of whole groups of " +
                     command.c.format.name() + "; add one to its kernels");
  }
  return {best->tile_m, best->tile_k, best->tile_n, LoopOrder::nmk};
}

std::string SimtConfig::explain_tiling(const Descriptor& command, const MemoryRate& memory) const {
  const Tiling chosen = choose_tiling(command, memory);
  const TensorCoreMode& mode = *mode_for(command.a.format, command.w.format);
  Table table;
  table.column("kernel", Table::Align::left)
      .column("thread blocks")
      .column("resident")
      .column("issue")
      .column("latency")
      .column("memory")
      .column("port")
      .column("cycles at least");
  const auto text = [](double cycles) { return with_separators(static_cast<std::uint64_t>(std::llround(cycles))); };
  for (const GemmKernelConfig& kernel : mode.kernels) {
    if (!fits(kernel, command)) continue;
    const KernelEstimate e = estimate(*this, kernel, command, memory);
    const bool is_chosen = kernel.tile_m == chosen.m && kernel.tile_n == chosen.n && kernel.tile_k == chosen.k;
    table.row({tile_name(kernel) + (is_chosen ? " (chosen)" : ""), with_separators(e.thread_blocks),
               std::to_string(e.resident), text(e.issue), text(e.latency), text(e.memory), text(e.port),
               text(e.cycles)});
  }
  return "kernels of tensor_core." + mode.name + " on PE " + mode.pe->name +
         ", cycles by what bounds them; the least maximum is chosen\n" + table.text();
}

}  // namespace nibble
