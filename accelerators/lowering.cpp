// SPDX-License-Identifier: Apache-2.0
#include "accelerators/lowering.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/table.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr std::uint64_t alignment = 4096;

CausalMask mask_of(Causal causal) {
  switch (causal) {
    case Causal::none:
      return CausalMask::none;
    case Causal::scores:
      return CausalMask::scores;
    case Causal::context:
      return CausalMask::context;
  }
  return CausalMask::none;
}

std::uint32_t narrow(std::uint64_t value, const char* what) {
  if (value > std::numeric_limits<std::uint32_t>::max())
    throw InputError(std::string(what) + " of an operator exceeds 2^32 - 1");
  return static_cast<std::uint32_t>(value);
}

/// Bytes of `rows` x `columns` elements as a stream: codes and group metadata, nothing padded.
std::uint64_t stream_bytes(const Format& format, std::uint64_t rows, std::uint64_t columns) {
  const std::uint64_t group = format.grouping == Grouping::group ? format.group_k : columns;
  const std::uint64_t metadata =
      format.grouping == Grouping::none ? 0 : format.metadata_bits() / 8 * ceil_div(columns, group);
  return rows * (ceil_div(columns * format.bits, 8) + metadata);
}

std::string describe(const Tiling& tiling) {
  return std::to_string(tiling.m) + "x" + std::to_string(tiling.k) + "x" + std::to_string(tiling.n) + " " +
         to_string(tiling.order);
}

}  // namespace

std::uint64_t Placement::allocate(std::uint64_t bytes, const std::string& what) {
  const std::uint64_t size = round_up(bytes, alignment);
  if (size > capacity_ - first_) {
    throw InputError(what + " needs " + with_prefix(static_cast<double>(bytes), "B") + ", the memory holds " +
                     with_prefix(static_cast<double>(capacity_), "B") +
                     "; choose a larger memory (--set memory.rows=..., memory.channels=...)");
  }
  footprint_ += size;
  if (next_ + size > capacity_) {
    next_ = first_;
    wrapped_ = true;
  }
  const std::uint64_t address = next_;
  next_ += size;
  return address;
}

ScheduleProblem schedule_problem(const SystolicConfig& config, const MemoryRate& memory, const Descriptor& command) {
  ScheduleProblem problem;
  problem.shape = shape_of(command);
  problem.array = config.array_for(command.a.format, command.w.format);
  problem.buffers = config.buffers;
  problem.sum_extent = sum_extent(command.a.format, command.w.format);
  problem.may_spill = !config.scales_at_the_end(command.a.format, command.w.format);
  for (std::size_t i = 0; i <= continuation_count; ++i) {
    if (segment_extent(command, i) == 0) continue;
    problem.buffers.accumulator_bytes =
        std::max(problem.buffers.accumulator_bytes,
                 config.accumulator_bytes(command.a.format, weight_segment(command, i).format));
  }
  problem.memory = memory;
  problem.activation = command.a.layout(0);
  problem.weight = command.w.layout(0);
  problem.output = command.c.layout(0);
  if (command.stream_bytes > 0) {
    // The search sees a stream output as rows of its own format.
    problem.output.rows = command.m;
    problem.output.columns = command.n;
  }
  problem.traffic_price = config.traffic_price;
  problem.order = config.output_order;
  return problem;
}

Tiling Scheduler::schedule(const Descriptor& command) {
  const Key key{command.m,
                command.k,
                command.n,
                command.count,
                static_cast<unsigned>(command.causal),
                command.past,
                command.rows_per_token,
                command.a.format.name() + command.w.format.name() + command.c.format.name()};
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  const Tiling tiling = search_schedule(schedule_problem(config_, memory_, command)).tiling;
  known_.emplace(key, tiling);
  return tiling;
}

ModelLowering::ModelLowering(const SystolicConfig& config, const MemoryRate& memory, const LanguageModel& model,
                             const Scenario& scenario, std::uint64_t first_address, std::uint64_t capacity)
    : config_(config),
      model_(model),
      scenario_(scenario),
      max_tokens_(std::max(scenario.context, scenario.prefill) + scenario.decode),
      value_group_(std::max<std::uint64_t>(config.formats.value.group_k, 1)),
      scheduler_(config, memory),
      placement_(first_address, capacity) {
  // Results of operators live in an arena that holds the largest four of them in turn.
  std::uint64_t largest = 0;
  Scenario once = scenario;
  once.decode = std::min<std::uint64_t>(scenario.decode, 1);
  for_each_operator(model, once, [&](const Operator& op) {
    largest = std::max(largest, stream_bytes(format_of(op.c), op.m * op.count, op.n));
  });
  arena_bytes_ = round_up(4 * largest, alignment) + 4 * alignment;
  arena_base_ = placement_.allocate(arena_bytes_, "the intermediate results of " + model.name);
}

Format ModelLowering::format_of(TensorRole role) const {
  switch (role) {
    case TensorRole::activation:
      return config_.formats.activation;
    case TensorRole::weight:
      return config_.formats.weight;
    case TensorRole::query:
      return config_.formats.query;
    case TensorRole::key:
      return config_.formats.key;
    case TensorRole::value:
      return config_.formats.value;
    case TensorRole::probability:
      return config_.formats.probability;
    default:
      return Format::parse("fp16");
  }
}

std::uint64_t ModelLowering::arena(std::uint64_t bytes) {
  const std::uint64_t size = round_up(bytes, alignment);
  if (arena_next_ + size > arena_bytes_) arena_next_ = 0;
  const std::uint64_t address = arena_base_ + arena_next_;
  arena_next_ += size;
  return address;
}

OperandDescriptor ModelLowering::operand(const Format& format, std::uint64_t rows, std::uint64_t columns,
                                         std::uint64_t block_rows, std::uint64_t address,
                                         std::uint64_t instances) const {
  OperandDescriptor out;
  out.address = address;
  out.format = format;
  out.rows = narrow(rows, "rows");
  out.columns = narrow(columns, "columns");
  out.block_rows = narrow(std::min(block_rows, rows), "block rows");
  out.instance_stride = instances > 1 ? out.layout(0).bytes() : 0;
  return out;
}

std::uint64_t ModelLowering::weight_address(const Operator& op, std::uint64_t bytes) {
  const auto key = std::make_pair(op.layer, op.name);
  const auto known = weights_.find(key);
  if (known != weights_.end()) return known->second;
  const std::uint64_t address = placement_.allocate(bytes, "weight " + op.name);
  weights_.emplace(key, address);
  return address;
}

std::uint64_t ModelLowering::cache_address(int layer, TensorRole role) {
  const auto key = std::make_pair(layer, role);
  const auto known = caches_.find(key);
  if (known != caches_.end()) return known->second;
  // Whole groups of tokens, and for values an INT8 window of one group beside them.
  const std::uint64_t tokens = round_up(max_tokens_, value_group_);
  const std::uint64_t channels = model_.kv_heads * model_.head_dim;
  std::uint64_t bytes =
      scenario_.batch * (role == TensorRole::key
                             ? stream_bytes(config_.formats.key, tokens * model_.kv_heads, model_.head_dim)
                             : stream_bytes(config_.formats.value, channels, tokens));
  if (role == TensorRole::value) bytes += scenario_.batch * channels * (value_group_ + 2);
  const std::uint64_t address = placement_.allocate(bytes, "the KV cache of a layer");
  caches_.emplace(key, address);
  return address;
}

LoweredCommand ModelLowering::command_for(const Operator& op) const {
  LoweredCommand command;
  command.name = op.name;
  command.kind = op.kind;
  command.phase = op.phase;
  command.layer = op.layer;
  command.macs = op.macs();
  command.descriptor.timing_only = true;
  command.descriptor.m = narrow(op.m, "m");
  command.descriptor.k = narrow(op.k, "k");
  command.descriptor.n = narrow(op.n, "n");
  command.descriptor.count = narrow(op.count, "count");
  command.descriptor.causal = mask_of(op.causal);
  command.descriptor.past = narrow(op.past, "past");
  command.descriptor.rows_per_token = narrow(op.rows_per_token, "rows per token");
  return command;
}

void ModelLowering::lower(const Operator& op, std::deque<LoweredCommand>& commands) {
  if (op.kind == OperatorKind::vector) {
    lower_vector(op, commands);
  } else {
    lower_matrix(op, commands);
  }
}

/// K and V operands lie in caches with room for max_tokens; values that do not fill a group are the INT8 window.
void ModelLowering::set_cache_operand(const Operator& op, Descriptor& command) {
  const std::uint64_t tokens = round_up(max_tokens_, value_group_);
  const std::uint64_t address = cache_address(op.layer, op.w);
  if (op.w == TensorRole::key) {
    command.w = operand(config_.formats.key, tokens, op.k, config_.weight_block_rows, address, op.count);
    return;
  }
  const std::uint64_t window = op.k % value_group_;
  const std::uint64_t finished = op.k - window;
  command.w = operand(config_.formats.value, op.n, tokens, config_.weight_block_rows, address, op.count);
  OperandDescriptor open = operand(Format::parse("int8-channel"), op.n, std::max<std::uint64_t>(window, 1), op.n,
                                   address + op.count * command.w.layout(0).bytes(), op.count);
  if (finished == 0) {
    command.w = open;
    return;
  }
  command.k = narrow(finished, "k");
  command.continuations[0] = {narrow(window, "window"), open.address, open.instance_stride, open.format};
}

void ModelLowering::lower_matrix(const Operator& op, std::deque<LoweredCommand>& commands) {
  LoweredCommand command = command_for(op);
  Descriptor& d = command.descriptor;
  d.opcode = Opcode::gemm;
  d.a = operand(format_of(op.a), op.m, op.k, config_.activation_block_rows, 0, op.count);
  d.a.address = arena(d.a.layout(0).bytes() * op.count);
  if (op.w == TensorRole::weight) {
    d.w = operand(config_.formats.weight, op.n, op.k, config_.weight_block_rows, 0, 1);
    d.w.address = weight_address(op, d.w.layout(0).bytes());
  } else {
    set_cache_operand(op, d);
  }
  d.c = operand(format_of(op.c), op.m, op.n, config_.activation_block_rows, 0, op.count);
  std::uint64_t output_bytes = 0;
  if (op.c == TensorRole::value) {
    // The temporal quantizer writes whole groups of tokens as MANT4 and the rest into the INT8 window, per sequence.
    const std::uint64_t tokens = op.m / scenario_.batch;
    const std::uint64_t past =
        op.phase == Phase::prefill ? 0 : std::max(scenario_.prefill, scenario_.context) + op.step;
    const std::uint64_t group = value_group_;
    const std::uint64_t finished = op.phase == Phase::prefill ? tokens / group * group : 0;
    const std::uint64_t window_scales = op.phase == Phase::prefill ? op.n * 2 : 0;
    d.stream_bytes = scenario_.batch *
                     (stream_bytes(config_.formats.value, op.n, finished) + (tokens - finished) * op.n + window_scales);
    d.c.address = cache_address(op.layer, TensorRole::value);
    output_bytes = d.stream_bytes;
    d.tiling = scheduler_.schedule(d);
    command.compulsory_bytes =
        bounds(schedule_problem(config_, {1, 0}, d)).compulsory_bytes - d.c.layout(0).bytes() * op.count + output_bytes;
    command.schedule = describe(d.tiling);
    commands.push_back(command);
    if (op.phase == Phase::decode && (past + 1) % group == 0) requantize_values(op, commands);
    return;
  }
  d.c.address = arena(d.c.layout(0).bytes() * op.count);
  d.tiling = scheduler_.schedule(d);
  if (op.kind == OperatorKind::attention) {
    // Queries, scores and probabilities are written and read by vector operators too, as streams: the blocks are free
    // to have the rows of a tile, so that a tile is contiguous.
    d.a.block_rows = narrow(std::min(d.tiling.m, op.m), "block rows");
    if (op.c == TensorRole::score) d.c.block_rows = d.a.block_rows;
  }
  command.compulsory_bytes = bounds(schedule_problem(config_, {1, 0}, d)).compulsory_bytes;
  if (const std::uint64_t window = segment_extent(d, 1); window > 0) {
    // Under a causal mask only the rows of tokens behind the finished ones read the window.
    const bool masked = d.causal == CausalMask::context && d.k > d.past;
    const std::uint64_t rows_before = masked ? std::min<std::uint64_t>(op.m, (d.k - d.past) * op.rows_per_token) : 0;
    command.compulsory_bytes +=
        op.count * (weight_segment(d, 1).layout(0).bytes() + stream_bytes(d.a.format, op.m - rows_before, window));
  }
  d.scratch_address = d.c.address;
  if (d.tiling.k < d.k && d.tiling.order != LoopOrder::mnk && d.tiling.order != LoopOrder::nmk) {
    d.scratch_address = arena(static_cast<std::uint64_t>(d.m) * d.n * 4);
  }
  command.schedule = describe(d.tiling);
  commands.push_back(command);
}

/// A group of value tokens is complete: the INT8 window is read back and written as MANT4.
void ModelLowering::requantize_values(const Operator& op, std::deque<LoweredCommand>& commands) {
  LoweredCommand command;
  command.name = "value_requantize";
  command.kind = OperatorKind::vector;
  command.phase = op.phase;
  command.layer = op.layer;
  Descriptor& d = command.descriptor;
  d.opcode = Opcode::vector;
  d.timing_only = true;
  d.function = static_cast<std::uint32_t>(VectorFunction::none);
  d.elements = scenario_.batch * op.n * value_group_;
  d.input_bytes[0] = d.elements + scenario_.batch * op.n * 2;
  d.output_bytes = scenario_.batch * stream_bytes(config_.formats.value, op.n, value_group_);
  d.a.address = d.c.address = cache_address(op.layer, TensorRole::value);
  d.c.format = config_.formats.value;
  command.compulsory_bytes = d.input_bytes[0] + d.output_bytes;
  commands.push_back(command);
}

void ModelLowering::lower_vector(const Operator& op, std::deque<LoweredCommand>& commands) {
  LoweredCommand command = command_for(op);
  Descriptor& d = command.descriptor;
  d.opcode = Opcode::vector;
  d.function = static_cast<std::uint32_t>(op.function);
  d.elements = op.elements();
  d.inputs = op.inputs > 1 ? 2 : 1;
  const double share = static_cast<double>(d.elements) / static_cast<double>(op.m * op.n * op.count);
  const auto masked = [&](std::uint64_t bytes) {
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(bytes) * share));
  };
  const std::uint64_t input_bytes = masked(stream_bytes(format_of(op.a), op.m * op.count, op.n));
  d.input_bytes[0] = input_bytes;
  d.input_bytes[1] = input_bytes * (op.inputs - 1);  // further operands follow one another
  d.a.address = arena(d.input_bytes[0]);
  if (d.inputs > 1) d.w.address = arena(d.input_bytes[1]);
  d.c.format = format_of(op.c);
  d.output_bytes = masked(stream_bytes(d.c.format, op.m * op.count, op.n));
  d.c.address = op.c == TensorRole::key ? cache_address(op.layer, TensorRole::key) : arena(d.output_bytes);
  command.compulsory_bytes = d.input_bytes[0] + d.input_bytes[1] + d.output_bytes;
  commands.push_back(command);
}

}  // namespace nibble
