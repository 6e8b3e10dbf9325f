// SPDX-License-Identifier: Apache-2.0
/// The part of SimtConfig that chooses kernels.
#include <algorithm>
#include <cmath>
#include <limits>
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

/// [D] Kernels whose expected times differ by less are equal; the deepest slice is taken, whose reads open fewer rows
/// of DRAM.
constexpr double alike = 1.01;

/// Cycles from asking for a slice to its first byte, where nothing else is on the way.
double latency_of(const SimtConfig& config, const MemoryRate& memory) {
  return memory.latency_cycles + static_cast<double>(config.l2.hit_latency);
}

/// Where compute and data are alike they hide each other imperfectly.
/// [D] The fourth power lies between the sum and the larger one. It orders kernels and enters no report; with the
/// third to the eighth power the kernels of docs/studies/pacq.md lose between 1.8 and 2.5 % to the fastest.
double overlapped(double compute, double data) {
  return std::pow(std::pow(compute, 4) + std::pow(data, 4), 0.25);
}

/// A round waits for its latency, then for the bytes that all have asked for.
double data_cycles(const KernelEstimate& estimate) {
  return estimate.latency + std::max(estimate.memory, estimate.port);
}

/// What the command takes at least with this kernel, as measure() sees it.
KernelEstimate bound(const SimtConfig& config, const GemmKernelConfig& kernel, const KernelTiming& timing,
                     const Descriptor& command, const MemoryRate& memory) {
  const Walk walk = walk_of(kernel, shape_of(command));
  KernelEstimate out;
  out.kernel = &kernel;
  out.resident = timing.resident();
  out.thread_blocks = walk.thread_blocks;
  out.slices = walk.slices;
  const std::uint64_t most = ceil_div(walk.thread_blocks, config.multiprocessors);  // of one multiprocessor
  const double slices =
      static_cast<double>(most) * static_cast<double>(walk.slices) / static_cast<double>(walk.thread_blocks);
  const double latency = latency_of(config, memory);
  out.busy = slices * timing.busy();
  out.latency = slices / static_cast<double>(std::min<std::uint64_t>(out.resident, most)) * latency + latency;
  out.memory = static_cast<double>(choose_band(config, kernel, command, out.resident).traffic) / memory.bytes_per_cycle;
  const OperandLayout a = command.a.layout(0), w = command.w.layout(0);
  const double slice_bytes = static_cast<double>(a.tile_bytes(kernel.tile_m, 0, kernel.tile_k) +
                                                 w.tile_bytes(kernel.tile_n, 0, kernel.tile_k));
  out.port = slices * slice_bytes / static_cast<double>(config.multiprocessor.port_bytes_per_cycle);
  out.at_least = overlapped(out.busy + latency, data_cycles(out));
  return out;
}

/// Rounds of resident thread blocks, as measured, against rounds of requests.
void measure(KernelEstimate& estimate, const SimtConfig& config, const KernelTiming& timing, const MemoryRate& memory) {
  const std::uint64_t most = ceil_div(estimate.thread_blocks, config.multiprocessors);
  const double slices = static_cast<double>(estimate.slices) / static_cast<double>(estimate.thread_blocks);
  const auto round = [&](std::uint64_t running) {
    if (running == 0) return 0.0;
    const auto count = static_cast<unsigned>(running);
    return static_cast<double>(running) * (slices * timing.slice(count) + timing.turnover(count));
  };
  const KernelTiming::Single& single = timing.single();
  const std::uint64_t whole_rounds = most / estimate.resident;
  estimate.compute = static_cast<double>(whole_rounds) * round(estimate.resident) + round(most % estimate.resident) +
                     static_cast<double>(single.lead + single.tail) + latency_of(config, memory);
  estimate.cycles = overlapped(estimate.compute, data_cycles(estimate));
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

KernelTimings& SimtConfig::timings() const {
  if (timings_ == nullptr) timings_ = std::make_shared<KernelTimings>(multiprocessor.pipeline, l2.hit_latency);
  return *timings_;
}

const KernelTiming* SimtConfig::find_timing(const GemmKernelConfig& kernel, const Descriptor& command) const {
  const TensorCoreMode& mode = *mode_for(command.a.format, command.w.format);
  return timings().find(static_cast<std::size_t>(&mode - modes.data()), TensorCoreSteps(mode.geometry),
                        adapted(kernel, command));
}

const KernelTiming& SimtConfig::timing_of(const GemmKernelConfig& kernel, const Descriptor& command) const {
  const TensorCoreMode& mode = *mode_for(command.a.format, command.w.format);
  return timings().of(static_cast<std::size_t>(&mode - modes.data()), TensorCoreSteps(mode.geometry),
                      adapted(kernel, command));
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

std::vector<KernelEstimate> estimates(const SimtConfig& config, const Descriptor& command, const MemoryRate& memory) {
  const TensorCoreMode& mode = *config.mode_for(command.a.format, command.w.format);
  std::vector<std::pair<KernelEstimate, const KernelTiming*>> all;
  for (const GemmKernelConfig& kernel : mode.kernels) {
    const KernelTiming* timing = fits(kernel, command) ? config.find_timing(kernel, command) : nullptr;
    if (timing != nullptr) all.emplace_back(bound(config, kernel, *timing, command, memory), timing);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first.at_least < b.first.at_least; });
  std::vector<KernelEstimate> out;
  double least = std::numeric_limits<double>::infinity();
  for (auto& [estimate, timing] : all) {
    if (estimate.at_least < alike * least) {
      measure(estimate, config, *timing, memory);
      least = std::min(least, estimate.cycles);
    }
    out.push_back(estimate);
  }
  return out;
}

Tiling SimtConfig::choose_tiling(const Descriptor& command, const MemoryRate& memory) const {
  const TensorCoreMode* mode = mode_for(command.a.format, command.w.format);
  if (mode == nullptr) {
    throw InputError(name + ": no mode of the tensor cores multiplies " + command.a.format.name() + " by " +
                     command.w.format.name());
  }
  const KernelEstimate* best = nullptr;
  const std::vector<KernelEstimate> all = estimates(*this, command, memory);
  double least = std::numeric_limits<double>::infinity();
  for (const KernelEstimate& estimate : all)
    least = estimate.cycles == 0 ? least : std::min(least, estimate.cycles);
  for (const KernelEstimate& estimate : all) {
    if (estimate.cycles == 0 || estimate.cycles > alike * least) continue;
    const auto better = [&](const KernelEstimate& other) {
      return estimate.kernel->tile_k != other.kernel->tile_k ? estimate.kernel->tile_k > other.kernel->tile_k
                                                             : estimate.cycles < other.cycles;
    };
    if (best == nullptr || better(*best)) best = &estimate;
  }
  if (best == nullptr) {
    throw InputError(name + ": no kernel of tensor_core." + mode->name +
                     " that a multiprocessor holds takes slices of "
                     "whole groups of " +
                     command.a.format.name() + " and " + command.w.format.name() + " and tiles of whole groups of " +
                     command.c.format.name() + "; add one to its kernels");
  }
  return {best->kernel->tile_m, best->kernel->tile_k, best->kernel->tile_n, LoopOrder::nmk};
}

std::string SimtConfig::explain_tiling(const Descriptor& command, const MemoryRate& memory) const {
  const Tiling chosen = choose_tiling(command, memory);
  const TensorCoreMode& mode = *mode_for(command.a.format, command.w.format);
  Table table;
  table.column("kernel", Table::Align::left)
      .column("thread blocks")
      .column("resident")
      .column("busy")
      .column("latency")
      .column("memory")
      .column("port")
      .column("compute")
      .column("cycles, expected");
  const auto text = [](double cycles) {
    return cycles == 0 ? "-" : with_separators(static_cast<std::uint64_t>(std::llround(cycles)));
  };
  std::size_t left_out = 0;
  for (const KernelEstimate& e : estimates(*this, command, memory)) {
    if (e.cycles == 0) {
      ++left_out;
      continue;
    }
    const GemmKernelConfig& kernel = *e.kernel;
    const bool is_chosen = kernel.tile_m == chosen.m && kernel.tile_n == chosen.n && kernel.tile_k == chosen.k;
    table.row({tile_name(kernel) + (is_chosen ? " (chosen)" : ""), with_separators(e.thread_blocks),
               std::to_string(e.resident), text(e.busy), text(e.latency), text(e.memory), text(e.port), text(e.compute),
               text(e.cycles)});
  }
  return "kernels of tensor_core." + mode.name + " on PE " + mode.pe->name + ", cycles; " + std::to_string(left_out) +
         " others take longer at least\n" + table.text();
}

}  // namespace nibble
