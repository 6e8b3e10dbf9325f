// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/simt_gemm_engine.h"

#include <algorithm>
#include <utility>

#include "accelerators/tile_buffers.h"
#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

/// Weights per 16 bits of metadata; 0: scales of rows are loaded with the results.
std::uint64_t weights_per_scale(const OperandLayout& layout) {
  return layout.metadata_bits == 0 ? 0 : layout.group * layout.metadata_rows * 16 / layout.metadata_bits;
}

std::array<std::uint64_t, 6> key_of(const GemmKernelConfig& kernel) {
  return {kernel.tile_m, kernel.tile_n, kernel.tile_k, kernel.a_bits, kernel.w_bits, kernel.scale_group};
}

}  // namespace

const TensorCoreMode* SimtConfig::mode_for(const Format& activations, const Format& weights) const {
  const auto found = std::find_if(modes.begin(), modes.end(),
                                  [&](const TensorCoreMode& mode) { return mode.pe->supports(activations, weights); });
  return found == modes.end() ? nullptr : &*found;
}

SimtGemmEngine::SimtGemmEngine(const SimtConfig& config, DmaEngine& dma, ResultWriter& writer,
                               const MachineClock& clock)
    : config_(config), writer_(writer), clock_(clock), l2_(config.l2, dma, clock) {
  for (unsigned i = 0; i < config.multiprocessors; ++i) {
    multiprocessors_.push_back(
        make_multiprocessor(("sm" + std::to_string(i)).c_str(), config.fidelity, config.multiprocessor, clock, l2_));
  }
}

/// The mode's kernel whose tile the command's tiling names.
const GemmKernelConfig* SimtGemmEngine::kernel_for(const Descriptor& command) const {
  const TensorCoreMode* mode = config_.mode_for(command.a.format, command.w.format);
  if (mode == nullptr) return nullptr;
  const Tiling& tiling = command.tiling;
  const auto found = std::find_if(mode->kernels.begin(), mode->kernels.end(), [&](const GemmKernelConfig& kernel) {
    return kernel.tile_m == tiling.m && kernel.tile_n == tiling.n && kernel.tile_k == tiling.k;
  });
  return found == mode->kernels.end() ? nullptr : &*found;
}

CommandStatus SimtGemmEngine::check(const Descriptor& command) const {
  const FormatFamily result = command.c.format.family;
  if (config_.mode_for(command.a.format, command.w.format) == nullptr ||
      (result != FormatFamily::fp16 && result != FormatFamily::fp32))
    return CommandStatus::bad_format;
  const GemmKernelConfig* kernel = kernel_for(command);
  if (kernel == nullptr || command.rows_per_token == 0) return CommandStatus::bad_shape;
  try {
    check_shape(shape_of(command));
  } catch (const InputError&) {
    return CommandStatus::bad_shape;
  }
  for (const OperandDescriptor* operand : {&command.a, &command.w, &command.c}) {
    if (operand->block_rows == 0) return CommandStatus::bad_shape;
  }
  if (command.a.rows < command.m || command.a.columns < command.k || command.w.rows < command.n ||
      command.w.columns < command.k || command.c.rows < command.m || command.c.columns < command.n)
    return CommandStatus::bad_shape;
  // Slices and groups meet: one is a multiple of the other.
  for (const OperandDescriptor* operand : {&command.a, &command.w}) {
    const std::uint64_t group = operand->layout(0).group;
    if (group % kernel->tile_k != 0 && kernel->tile_k % group != 0) return CommandStatus::bad_shape;
  }
  const bool extra_parts = command.continuations[0].k != 0 || command.stream_bytes != 0;
  return extra_parts || command.n % command.c.layout(0).group != 0 ? CommandStatus::bad_shape : CommandStatus::pending;
}

const SimtGemmEngine::MeasuredKernel& SimtGemmEngine::measured(const Descriptor& command,
                                                               const GemmKernelConfig& kernel) {
  const TimingKey key{config_.mode_for(command.a.format, command.w.format), key_of(kernel)};
  const auto known = measured_.find(key);
  if (known != measured_.end()) return known->second;
  const GemmKernel one = make_gemm_kernel(kernel, *steps_, kernel.tile_k);
  MeasuredKernel out;
  const SmConfig& sm = config_.multiprocessor.pipeline;
  out.resident = SmPipeline::resident_thread_blocks(sm, one.warps, one.registers_per_lane, one.shared_bytes);
  if (out.resident == 0) {
    throw InputError(config_.name + ": a multiprocessor does not hold one thread block: " + std::to_string(one.warps) +
                     " warps of " + std::to_string(one.registers_per_lane) + " registers and " +
                     std::to_string(one.shared_bytes) + " bytes of shared memory");
  }
  out.timing = measure_kernel(sm, kernel, *steps_, out.resident, config_.l2.hit_latency);
  return measured_.emplace(key, std::move(out)).first->second;
}

const GemmKernel& SimtGemmEngine::program(const GemmKernelConfig& kernel, std::uint64_t slices) {
  const auto known = programs_.find(slices);
  if (known != programs_.end()) return known->second;
  return programs_.emplace(slices, make_gemm_kernel(kernel, *steps_, slices * kernel.tile_k)).first->second;
}

CommandStatus SimtGemmEngine::run(const Descriptor& command, CommandCounters& counters, const bool& abort) {
  command_ = command;
  counters_ = &counters;
  shape_ = shape_of(command);
  mode_ = config_.mode_for(command.a.format, command.w.format);
  kernel_ = *kernel_for(command);
  kernel_.a_bits = command.a.layout(0).bits;
  kernel_.w_bits = command.w.layout(0).bits;
  kernel_.scale_group = weights_per_scale(command.w.layout(0));
  steps_ = std::make_unique<TensorCoreSteps>(mode_->geometry);
  programs_.clear();
  operands_.clear();
  instance_ = m0_ = n0_ = next_id_ = 0;
  exhausted_ = bad_operand_ = false;
  const MeasuredKernel& kernel = measured(command, kernel_);
  const std::uint64_t begin = clock_.now();
  const L2Counters l2_before = l2_.counters();
  writer_.start(counters);
  l2_.start(counters, command.timing_only);
  for (auto& multiprocessor : multiprocessors_)
    multiprocessor->start(*this, kernel.resident, kernel.timing);
  for (auto& multiprocessor : multiprocessors_) {
    while (!multiprocessor->idle()) {
      sc_core::wait(multiprocessor->changed() | l2_.changed());
      if (!abort && !l2_.failed() && !writer_.failed() && !bad_operand_) continue;
      for (auto& other : multiprocessors_)
        other->cancel();
    }
  }
  const std::uint64_t computed = clock_.now();
  while (!l2_.quiet())
    sc_core::wait(l2_.changed());
  while (writer_.outstanding() > 0)
    sc_core::wait(writer_.changed());
  const std::uint64_t end = clock_.now();
  clock_.wait_until(end);
  counters.output_stall_cycles += end - computed;
  account(counters, computed - begin);
  simt_.l2 = l2_.counters();
  simt_.l2.reads -= l2_before.reads;
  simt_.l2.hits -= l2_before.hits;
  simt_.l2.merged -= l2_before.merged;
  simt_.l2.misses -= l2_before.misses;
  simt_.l2.read_bytes -= l2_before.read_bytes;
  simt_.l2.evictions -= l2_before.evictions;
  counters.cycles += end - begin;
  if (bad_operand_) return CommandStatus::bad_operand;
  return l2_.failed() || writer_.failed() ? CommandStatus::bus_error : CommandStatus::done;
}

/// Cycles up to the last result, averaged over the multiprocessors: multiplying, waiting for memory, and the rest.
void SimtGemmEngine::account(CommandCounters& counters, std::uint64_t cycles) const {
  std::uint64_t multiply = 0, memory = 0;
  for (const auto& multiprocessor : multiprocessors_) {
    multiply += multiprocessor->cycles().multiply;
    memory += multiprocessor->cycles().memory;
  }
  const std::uint64_t count = multiprocessors_.size();
  counters.compute_cycles += std::min(cycles, multiply / count);
  const std::uint64_t stall = std::min(cycles - std::min(cycles, multiply / count), memory / count);
  counters.memory_stall_cycles += stall;
  counters.stall_by_stream[static_cast<unsigned>(Stream::weight)] += stall;
  counters.fill_drain_cycles += cycles - std::min(cycles, multiply / count) - stall;
}

/// Along m first, so that thread blocks that run side by side share the weights; a mask skips what no row sees.
std::optional<ThreadBlock> SimtGemmEngine::next_thread_block() {
  while (!exhausted_) {
    ThreadBlock block;
    block.instance = instance_;
    block.m0 = m0_;
    block.n0 = n0_;
    block.m = std::min<std::uint64_t>(kernel_.tile_m, shape_.m - m0_);
    block.n = std::min<std::uint64_t>(kernel_.tile_n, shape_.n - n0_);
    const bool seen = n0_ < shape_.columns_needed(m0_, block.m);
    const std::uint64_t k = shape_.reduction_needed(m0_, block.m);
    m0_ += kernel_.tile_m;
    if (m0_ >= shape_.m) {
      m0_ = 0;
      n0_ += kernel_.tile_n;
    }
    if (n0_ >= shape_.n) {
      n0_ = 0;
      ++instance_;
    }
    exhausted_ = instance_ == shape_.count;
    if (!seen) continue;
    block.id = next_id_++;
    block.slices = ceil_div(k, kernel_.tile_k);
    block.kernel = &program(kernel_, block.slices);
    ++counters_->jobs;
    const std::size_t mode = mode_index(*mode_->pe, command_.a.format, command_.w.format);
    counters_->macs_by_mode.at(mode) += block.m * block.n * k;
    return block;
  }
  return std::nullopt;
}

std::uint64_t SimtGemmEngine::segment_extent_of(const OperandLayout& layout) const {
  return std::max<std::uint64_t>(layout.group, kernel_.tile_k);
}

TileRange SimtGemmEngine::range_of(const ThreadBlock& block, GlobalOperand operand, std::uint64_t k0,
                                   std::uint64_t k) const {
  const bool a = operand == GlobalOperand::a;
  return {a ? block.m0 : block.n0, a ? block.m : block.n, k0, std::min<std::uint64_t>(k, shape_.k - k0)};
}

L2Segment SimtGemmEngine::segment(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const {
  const bool a = operand == GlobalOperand::a;
  const OperandLayout layout = (a ? command_.a : command_.w).layout(block.instance);
  const std::uint64_t extent = segment_extent_of(layout);
  const TileRange range = range_of(block, operand, round_down(slice * kernel_.tile_k, extent), extent);
  L2Segment out;
  out.runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  out.stream = a ? Stream::activation : Stream::weight;
  return out;
}

std::uint64_t SimtGemmEngine::slice_bytes(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const {
  const bool a = operand == GlobalOperand::a;
  const OperandLayout layout = (a ? command_.a : command_.w).layout(block.instance);
  const std::uint64_t extent = segment_extent_of(layout);
  const std::uint64_t k0 = round_down(slice * kernel_.tile_k, extent);
  const TileRange range = range_of(block, operand, k0, extent);
  const std::uint64_t own = std::min<std::uint64_t>(kernel_.tile_k, shape_.k - slice * kernel_.tile_k);
  return ceil_div(layout.tile_bytes(range.rows, range.column0, range.columns) * own, range.columns);
}

void SimtGemmEngine::deliver(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice,
                             const std::vector<std::uint8_t>& bytes) {
  const bool a = operand == GlobalOperand::a;
  const OperandLayout layout = (a ? command_.a : command_.w).layout(block.instance);
  Operands& operands = operands_[block.id];
  (a ? operands.a : operands.w)[round_down(slice * kernel_.tile_k, segment_extent_of(layout))] = bytes;
}

QuantizedTensor SimtGemmEngine::operand(const ThreadBlock& block, GlobalOperand which,
                                        const std::map<std::uint64_t, std::vector<std::uint8_t>>& parts) const {
  const OperandDescriptor& descriptor = which == GlobalOperand::a ? command_.a : command_.w;
  const OperandLayout layout = descriptor.layout(block.instance);
  std::vector<QuantizedTensor> tiles;
  for (const auto& [k0, bytes] : parts) {
    const TileRange range = range_of(block, which, k0, segment_extent_of(layout));
    tiles.push_back(unpack_tile(layout, descriptor.format, range, bytes));
    tiles.back().tensor_exponent = descriptor.exponent;
  }
  return join_tiles(tiles);
}

/// C's tile by the PE's own function.
std::vector<std::uint8_t> SimtGemmEngine::results(const ThreadBlock& block) {
  const Operands operands = std::move(operands_[block.id]);
  operands_.erase(block.id);
  const OperandLayout layout = command_.c.layout(block.instance);
  const TileRange range{block.m0, block.m, block.n0, block.n};
  try {
    const QuantizedTensor a = operand(block, GlobalOperand::a, operands.a);
    const QuantizedTensor w = operand(block, GlobalOperand::w, operands.w);
    std::vector<float> accumulators(block.m * block.n);
    bad_operand_ = bad_operand_ || !is_encoding(a) || !is_encoding(w);
    if (!bad_operand_) {
      gemm_tile(*mode_->pe, a, w, whole_gemm(a, w), accumulators.data(), block.n, command_.options);
      return pack_results(layout, command_.c.format, range, accumulators, counters_->overflows);
    }
  } catch (const InputError&) {
    bad_operand_ = true;  // a weight that overflows where it is dequantized
  }
  return std::vector<std::uint8_t>(layout.tile_bytes(range.rows, range.column0, range.columns));
}

void SimtGemmEngine::finished(const ThreadBlock& block) {
  std::vector<std::uint8_t> bytes;
  if (!command_.timing_only) bytes = results(block);
  auto runs = command_.c.layout(block.instance).tile(block.m0, block.m, block.n0, block.n);
  l2_.invalidate(runs);
  writer_.write(clock_.now(), std::move(runs), std::move(bytes), Stream::output);
}

}  // namespace nibble
