// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/simt_gemm_engine.h"

#include <algorithm>
#include <utility>

#include "accelerators/tile_buffers.h"
#include "accelerators/vector_view.h"
#include "core/error.h"
#include "core/units.h"
#include "transport/messages.h"

namespace nibble {
SimtGemmEngine::SimtGemmEngine(const SimtConfig& config, DmaEngine& dma, ResultWriter& writer,
                               const MachineClock& clock)
    : config_(config), writer_(writer), clock_(clock), l2_(config.l2, dma, clock) {
  const unsigned simulated = config.representatives == 0 ? config.multiprocessors : config.representatives;
  for (unsigned i = 0; i < simulated; ++i) {
    multiprocessors_.push_back(
        make_multiprocessor(("sm" + std::to_string(i)).c_str(), config.fidelity, config.multiprocessor, clock, l2_));
  }
}

CommandStatus SimtGemmEngine::check(const Descriptor& command) const {
  const TensorCoreMode* mode = config_.mode_for(command.a.format, command.w.format);
  const FormatFamily result = command.c.format.family;
  const GemmOptions& options = command.options;
  if (mode == nullptr ||
      (result != FormatFamily::fp16 && result != FormatFamily::fp32 && !config_.encodes(command.c.format)) ||
      (options.accumulate_fp32 && !mode->pe->has_option("accumulate")) ||
      (options.product_fp16 && !mode->pe->has_option("product")) ||
      (options.aligned_bits != 0 && !mode->pe->has_option("aligned_bits")))
    return CommandStatus::bad_format;
  const GemmKernelConfig* kernel = config_.kernel_for(command);
  if (kernel == nullptr || command.rows_per_token == 0) return CommandStatus::bad_shape;
  try {
    check_shape(shape_of(command));
  } catch (const InputError&) {
    return CommandStatus::bad_shape;
  }
  for (const OperandDescriptor* operand : {&command.a, &command.w, &command.c}) {
    if (operand->block_rows == 0) return CommandStatus::bad_shape;
  }
  if (command.a.arrangement != Arrangement::rows || !is_weight_arrangement(command.w) || command.a.rows < command.m ||
      command.a.columns < command.k || command.w.rows < command.n || command.w.columns < command.k ||
      command.continuations[0].k != 0)
    return CommandStatus::bad_shape;
  if (command.a.on_chip || command.c.on_chip || (!command.timing_only && command.stream_bytes != 0))
    return CommandStatus::no_data_path;
  if (command.stream_bytes == 0 && !holds_results(command)) return CommandStatus::bad_shape;
  return fits(*kernel, command) ? CommandStatus::pending : CommandStatus::bad_shape;
}

const GemmKernel& SimtGemmEngine::program(const GemmKernelConfig& kernel, std::uint64_t slices) {
  const auto known = programs_.find(slices);
  if (known != programs_.end()) return known->second;
  return programs_.emplace(slices, make_gemm_kernel(kernel, *steps_, slices * kernel.tile_k)).first->second;
}

void SimtGemmEngine::begin(const Descriptor& command, CommandCounters& counters) {
  command_ = command;
  counters_ = &counters;
  shape_ = shape_of(command);
  mode_ = config_.mode_for(command.a.format, command.w.format);
  kernel_ = config_.adapted(*config_.kernel_for(command), command);
  steps_ = std::make_unique<TensorCoreSteps>(mode_->geometry);
  programs_.clear();
  operands_.clear();
  instance_ = band0_ = m0_ = n0_ = next_id_ = elements_done_ = stream_written_ = 0;
  exhausted_ = bad_operand_ = false;
  writer_.start(counters);
  // Others write to memory between commands: the vector unit, the host.
  l2_.clear();
  l2_.start(counters, command.timing_only);
}

CommandStatus SimtGemmEngine::run(const Descriptor& command, CommandCounters& counters, const bool& abort) {
  begin(command, counters);
  const KernelTiming& timing = config_.timing_of(*config_.kernel_for(command), command);
  const std::uint64_t first = clock_.now();
  const L2Counters l2_before = l2_.counters();
  band_rows_ = choose_band(config_, kernel_, command, timing.resident()).tiles * kernel_.tile_m;
  const unsigned copies = config_.multiprocessors / static_cast<unsigned>(multiprocessors_.size());
  for (auto& multiprocessor : multiprocessors_)
    multiprocessor->start(*this, timing.resident(), copies, timing);
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
  counters.output_stall(writer_.last_stream(), end - computed);
  account(counters, computed - first);
  account_work(counters, l2_before);
  if (bad_operand_) return CommandStatus::bad_operand;
  return l2_.failed() || writer_.failed() ? CommandStatus::bus_error : CommandStatus::done;
}

Stream SimtGemmEngine::stream_of(GlobalOperand operand) const {
  if (operand == GlobalOperand::a) return Stream::activation;
  return command_.w.cache ? Stream::key_value : Stream::weight;
}

/// Cycles up to the last result, averaged over the multiprocessors: multiplying, waiting for memory, and the rest.
void SimtGemmEngine::account(CommandCounters& counters, std::uint64_t cycles) const {
  std::uint64_t multiply = 0;
  std::array<std::uint64_t, 2> awaited{};
  for (const auto& multiprocessor : multiprocessors_) {
    multiply += multiprocessor->cycles().multiply;
    for (std::size_t i = 0; i < awaited.size(); ++i)
      awaited[i] += multiprocessor->cycles().awaited[i];
  }
  const std::uint64_t count = multiprocessors_.size();
  std::uint64_t left = cycles;
  const auto take = [&](std::uint64_t sum) {
    const std::uint64_t taken = std::min(left, sum / count);
    left -= taken;
    return taken;
  };
  counters.spend(Cause::compute, take(multiply));
  counters.memory_stall(stream_of(GlobalOperand::w), take(awaited[1]));
  counters.memory_stall(stream_of(GlobalOperand::a), take(awaited[0]));
  counters.spend(Cause::fill_drain, left);
}

void SimtGemmEngine::account_work(CommandCounters& counters, const L2Counters& before) {
  for (const auto& multiprocessor : multiprocessors_) {
    const SmCounters work = multiprocessor->work();
    for (std::size_t i = 0; i < warp_operation_count; ++i)
      counters.simt.instructions[i] += work.instructions[i];
    counters.simt.register_reads += work.register_reads;
    counters.simt.register_writes += work.register_writes;
    counters.simt.shared_read_bytes += work.shared_read_bytes;
    counters.simt.shared_written_bytes += work.shared_written_bytes;
  }
  const L2Counters& now = l2_.counters();
  last_l2_ = {now.reads - before.reads,           now.hits - before.hits,
              now.merged - before.merged,         now.misses - before.misses,
              now.read_bytes - before.read_bytes, now.evictions - before.evictions};
  counters.simt.l2_read_bytes += last_l2_.read_bytes;
  counters.simt.l2_filled_bytes += counters.read_bytes[static_cast<unsigned>(Stream::activation)] +
                                   counters.read_bytes[static_cast<unsigned>(stream_of(GlobalOperand::w))];
}

/// Band by band; a mask skips what no row sees.
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
    if (m0_ >= std::min(shape_.m, band0_ + band_rows_)) {
      m0_ = band0_;
      n0_ += kernel_.tile_n;
    }
    if (n0_ >= shape_.n) {
      n0_ = 0;
      m0_ = band0_ += band_rows_;
    }
    if (band0_ >= shape_.m) {
      m0_ = band0_ = 0;
      ++instance_;
    }
    exhausted_ = instance_ == shape_.count;
    if (!seen) continue;
    block.id = next_id_++;
    block.slices = ceil_div(k, kernel_.tile_k);
    block.kernel = &program(kernel_, block.slices);
    count_results(block, k);
    tell(message::array, sc_core::SC_HIGH, nullptr, [&] {
      return "instance " + std::to_string(block.instance) + ", thread block " + std::to_string(block.id) + ", m " +
             std::to_string(block.m0) + " + " + std::to_string(block.m) + ", n " + std::to_string(block.n0) + " + " +
             std::to_string(block.n) + " begins";
    });
    return block;
  }
  return std::nullopt;
}

void SimtGemmEngine::count_results(const ThreadBlock& block, std::uint64_t k) {
  const std::uint64_t elements = block.m * block.n;
  ++counters_->jobs;
  const std::size_t mode = config_.first_pe_mode(*mode_) + mode_index(*mode_->pe, command_.a.format, command_.w.format);
  counters_->macs_by_mode.at(mode) += elements * k;
  const std::uint64_t extent = sum_extent(command_.a.format, command_.w.format);
  counters_->group_results += elements * (extent == 0 ? 1 : ceil_div(k, extent));
  if (command_.c.format.grouping != Grouping::none) counters_->quantized_elements += elements;
  counters_->simt.decoded_scales += block.kernel->mmas * steps_->decoded_scales();
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
  const OperandDescriptor& descriptor = a ? command_.a : command_.w;
  const std::uint64_t extent = segment_extent_of(descriptor.layout(block.instance));
  const TileRange range = range_of(block, operand, round_down(slice * kernel_.tile_k, extent), extent);
  L2Segment out;
  const std::uint64_t rows = a ? shape_.m : shape_.n;
  out.key = 2 * ((block.instance * rows + range.row0) * shape_.k + range.column0) + (a ? 0 : 1);
  out.runs = tile_runs(descriptor, block.instance, range);
  out.stream = stream_of(operand);
  return out;
}

std::uint64_t SimtGemmEngine::slice_bytes(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const {
  const OperandDescriptor& descriptor = operand == GlobalOperand::a ? command_.a : command_.w;
  const std::uint64_t extent = segment_extent_of(descriptor.layout(block.instance));
  const std::uint64_t k0 = round_down(slice * kernel_.tile_k, extent);
  const TileRange range = range_of(block, operand, k0, extent);
  const std::uint64_t own = std::min<std::uint64_t>(kernel_.tile_k, shape_.k - slice * kernel_.tile_k);
  return ceil_div(descriptor.tile_bytes(range.rows, range.column0, range.columns) * own, range.columns);
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
  const std::uint64_t extent = segment_extent_of(descriptor.layout(block.instance));
  std::vector<QuantizedTensor> tiles;
  for (const auto& [k0, bytes] : parts) {
    const TileRange range = range_of(block, which, k0, extent);
    tiles.push_back(unpack_tile(descriptor, block.instance, range, bytes));
    tiles.back().tensor_exponent = descriptor.exponent;
  }
  return join_tiles(tiles);
}

/// C's tile by the PE's own function.
std::vector<std::uint8_t> SimtGemmEngine::results(const ThreadBlock& block) {
  const Operands operands = std::move(operands_[block.id]);
  operands_.erase(block.id);
  const TileRange range{block.m0, block.m, block.n0, block.n};
  try {
    const QuantizedTensor a = operand(block, GlobalOperand::a, operands.a);
    const QuantizedTensor w = operand(block, GlobalOperand::w, operands.w);
    std::vector<float> accumulators(block.m * block.n);
    bad_operand_ = bad_operand_ || !is_encoding(a) || !is_encoding(w);
    if (!bad_operand_) {
      gemm_tile(*mode_->pe, a, w, whole_gemm(a, w), accumulators.data(), block.n, command_.options);
      return encode_results(command_, block.instance, range, accumulators, *counters_);
    }
  } catch (const InputError&) {
    bad_operand_ = true;  // a weight that overflows where it is dequantized
  }
  std::vector<std::uint8_t> nothing;  // the write is not worth its bytes; the status says why
  for (const MemoryRun& run : result_runs(command_, block.instance, range))
    nothing.resize(nothing.size() + run.bytes());
  return nothing;
}

/// Where the results go: into C, or behind those before them in a stream.
std::vector<MemoryRun> SimtGemmEngine::result_place(const ThreadBlock& block) {
  if (command_.stream_bytes == 0) return result_runs(command_, block.instance, {block.m0, block.m, block.n0, block.n});
  elements_done_ += block.m * block.n;
  const auto all = static_cast<double>(shape_.m * shape_.n * shape_.count);
  const auto share = static_cast<std::uint64_t>(static_cast<double>(command_.stream_bytes) *
                                                static_cast<double>(elements_done_) / all);
  MemoryRun run;
  run.address = command_.c.address + stream_written_;
  run.row_bytes = run.stride = share - stream_written_;
  stream_written_ = share;
  return run.row_bytes == 0 ? std::vector<MemoryRun>{} : std::vector<MemoryRun>{run};
}

void SimtGemmEngine::finished(const ThreadBlock& block) {
  std::vector<std::uint8_t> bytes;
  if (!command_.timing_only) bytes = results(block);
  auto runs = result_place(block);
  if (runs.empty()) return;
  l2_.invalidate(runs);
  writer_.write(clock_.now(), std::move(runs), std::move(bytes), command_.c.cache ? Stream::key_value : Stream::output);
}

}  // namespace nibble
