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

}  // namespace

std::string describe(const Tiling& tiling) {
  return std::to_string(tiling.m) + "x" + std::to_string(tiling.k) + "x" + std::to_string(tiling.n) + " " +
         to_string(tiling.order);
}

std::uint32_t narrow(std::uint64_t value, const char* what) {
  if (value > std::numeric_limits<std::uint32_t>::max())
    throw InputError(std::string(what) + " of an operator exceeds 2^32 - 1");
  return static_cast<std::uint32_t>(value);
}

std::uint64_t Placement::as_much(std::uint64_t bytes) {
  const std::uint64_t most = round_down(capacity_ - first_, alignment);
  wrapped_ = wrapped_ || bytes > most;
  return std::min(bytes, most);
}

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

Tiling Scheduler::schedule(const Descriptor& command) {
  if (const auto only = config_.only_tiling(command)) return *only;
  const Key key{command.m,
                command.k,
                command.n,
                command.count,
                static_cast<unsigned>(command.causal),
                command.past,
                command.rows_per_token,
                command.window,
                command.a.format.name() + command.w.format.name() + command.c.format.name() +
                    (command.a.on_chip || command.c.on_chip ? "fused" : "") +
                    (command.independent > 0 ? "beside" : "")};
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  const Tiling tiling = config_.choose_tiling(command, memory_);
  known_.emplace(key, tiling);
  return tiling;
}

ModelLowering::ModelLowering(const MachineConfig& config, const MemoryRate& memory, const LanguageModel& model,
                             const Scenario& scenario, std::uint64_t first_address, std::uint64_t capacity)
    : config_(config),
      memory_(memory),
      model_(model),
      scenario_(scenario),
      max_tokens_(scenario.before_decode() + scenario.decode),
      value_group_(std::max<std::uint64_t>(config.formats.value.group_k, 1)),
      scheduler_(config, memory),
      placement_(first_address, capacity),
      order_(config.vector_unit.overlap),
      memory_latency_(memory.latency_cycles) {
  // Results of operators live in an arena that holds the largest of them in turn, or as many as the memory does.
  std::uint64_t largest = 0;
  Scenario once = scenario;
  once.decode = std::min<std::uint64_t>(scenario.decode, 1);
  for_each_operator(model, once, [&](const Operator& op) {
    if (op.w == TensorRole::key) parts_ = attention_parts(op);
    largest = std::max(largest, in_memory(op.c, stream_bytes(format_of(op.c), op.m * op.count, op.n), op.count));
  });
  arena_bytes_ = placement_.as_much(arena_results * (round_up(largest, alignment) + alignment));
  if (largest > arena_bytes_) placement_.allocate(largest, "the largest result of " + model.name);
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
  out.instance_stride = instances > 1 ? out.bytes() : 0;
  return out;
}

OperandDescriptor ModelLowering::stored(const Format& format, std::uint64_t rows, std::uint64_t columns,
                                        std::uint64_t address, std::uint64_t instances) const {
  OperandDescriptor out = operand(format, rows, columns, config_.weight_block_rows, address, 1);
  out.packed = true;
  out.instance_stride = instances > 1 ? out.bytes() : 0;
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

LoweredCommand ModelLowering::vector_command(const Operator& op, const std::string& name) const {
  LoweredCommand command;
  command.name = name;
  command.kind = OperatorKind::vector;
  command.phase = op.phase;
  command.layer = op.layer;
  command.descriptor.opcode = Opcode::vector;
  command.descriptor.timing_only = true;
  command.descriptor.function = static_cast<std::uint32_t>(VectorFunction::none);
  return command;
}

double ModelLowering::least_cycles(const LoweredCommand& command) const {
  const Descriptor& d = command.descriptor;
  const double moving = static_cast<double>(command.compulsory_bytes) / memory_.bytes_per_cycle;
  if (d.opcode == Opcode::gemm)
    return std::max(moving, static_cast<double>(command.macs) / config_.macs_per_cycle(d.a.format, d.w.format));
  return std::max(moving, static_cast<double>(d.elements) * config_.vector_unit.operations_per_element.at(d.function) /
                              static_cast<double>(config_.vector_unit.lanes));
}

void ModelLowering::lower(const Operator& op, std::deque<LoweredCommand>& commands) {
  if (config_.fused_attention && !chunk_ &&
      (op.kind == OperatorKind::attention || op.function == VectorFunction::softmax)) {
    attention_.push_back(op);
    if (op.w != TensorRole::value) return;
    lower_fused(attention_, commands);
    attention_.clear();
    return;
  }
  const std::size_t first = commands.size();
  const bool overlaps = !chunk_ && (op.kind == OperatorKind::attention || op.function == VectorFunction::softmax);
  if (overlaps && op.w == TensorRole::key) parts_ = attention_parts(op);
  lower_operator(op, commands);
  for (std::size_t i = first; i < commands.size(); ++i)
    name_tensors(op, commands[i]);
  if (!overlaps) {
    for (std::size_t i = first; i < commands.size(); ++i)
      order_.place(commands[i]);
    return;
  }
  (op.w == TensorRole::key ? scores_begin_ : op.w == TensorRole::value ? context_begin_ : softmax_begin_) = first;
  if (op.w == TensorRole::value) overlap_attention(commands);
}

void ModelLowering::lower_operator(const Operator& op, std::deque<LoweredCommand>& commands) {
  if (op.kind == OperatorKind::vector) {
    lower_vector(op, commands);
  } else if (op.w == TensorRole::key && reads_parts(op)) {
    lower_scores_by_parts(op, commands);
  } else {
    lower_matrix(op, commands);
  }
}

void ModelLowering::lower_matrix(const Operator& op, std::deque<LoweredCommand>& commands) {
  LoweredCommand command = command_for(op);
  Descriptor& d = command.descriptor;
  d.opcode = Opcode::gemm;
  d.a = operand(format_of(op.a), op.m, op.k, config_.activation_block_rows, 0, op.count);
  d.a.on_chip = chunk_ && op.a == TensorRole::probability;
  if (!d.a.on_chip) d.a.address = arena(in_memory(op.a, d.a.bytes() * op.count, op.count));
  if (op.w == TensorRole::weight) {
    d.w = stored(config_.formats.weight, op.n, op.k, 0, 1);
    d.w.address = weight_address(op, d.w.bytes());
  } else {
    set_cache_operand(op, d);
    choose_instances(d);
  }
  // A window that has left W's first part for some row (a short window over M-ANT's open one) is not skipped by.
  GemmShape windowed = shape_of(d);
  windowed.window = op.window;
  if (op.window != 0 && windowed.leaves_tokens()) d.window = narrow(op.window, "window");
  if (op.c == TensorRole::value) {
    finish_values(op, std::move(command), commands);
  } else {
    finish_matrix(op, std::move(command), commands);
  }
}

/// Chooses tiles for results in `format`. False when the array's tiles cannot hold what its metadata depends on.
bool ModelLowering::schedule(const Operator& op, const Format& format, Descriptor& d) {
  d.c = operand(format, op.m, op.n, config_.activation_block_rows, 0, op.count);
  d.c.on_chip = chunk_ && op.c == TensorRole::score;
  d.c.column_block = narrow(config_.output_block_columns, "columns per block");
  d.c.packed = op.c == TensorRole::key;
  const bool plain = format.grouping == Grouping::none;
  if (!plain && format.grouping != Grouping::group) return false;
  try {
    choose_tiles(op, d);
    return (d.tiling.n >= d.n || d.tiling.n % d.c.layout(0).group == 0) && writes_whole_bytes(d);
  } catch (const InputError&) {
    if (plain) throw;
    return false;
  }
}

/// The projection of the values: a stream behind the temporal quantizer.
void ModelLowering::finish_values(const Operator& op, LoweredCommand command, std::deque<LoweredCommand>& commands) {
  Descriptor& d = command.descriptor;
  d.stream_bytes = scenario_.batch * value_bytes(op);
  const Format fp16 = Format::parse("fp16");
  const bool window_only = op.phase == Phase::decode && config_.kv_cache.policy != KvPolicy::mant &&
                           config_.kv_cache.policy != KvPolicy::plain;
  const Format& format = window_only ? fp16 : config_.formats.value;
  if (!schedule(op, format, d)) schedule(op, fp16, d);
  d.c.address = cache_address(op.layer, TensorRole::value);
  d.c.cache = true;
  command.compulsory_bytes = compulsory_traffic(d).total() - d.c.layout(0).bytes() * op.count + d.stream_bytes;
  d.c.format = format;
  command.schedule = describe(d.tiling);
  commands.push_back(command);
  append_value_commands(op, commands);
}

void ModelLowering::finish_matrix(const Operator& op, LoweredCommand command, std::deque<LoweredCommand>& commands) {
  Descriptor& d = command.descriptor;
  const Format own = format_of(op.c);
  const bool encoded = schedule(op, own, d);
  if (!encoded) schedule(op, Format::parse("fp16"), d);
  d.c.cache = encoded && op.c == TensorRole::key;
  if (d.c.on_chip) {
    d.c.address = scores_on_chip_;  // parts of the columns behind one another
    scores_on_chip_ += d.c.layout(0).bytes() * op.count;
  } else {
    const std::uint64_t bytes = in_memory(op.c, d.c.layout(0).bytes() * op.count, op.count);
    d.c.address = d.c.cache ? cache_address(op.layer, op.c) : arena(bytes);
  }
  if (op.kind == OperatorKind::attention) {
    // Queries, scores and probabilities are written and read by vector operators too, as streams: the blocks are free
    // to have the rows of a tile, so that a tile is contiguous.
    d.a.block_rows = narrow(std::min(d.tiling.m, op.m), "block rows");
    if (op.c == TensorRole::score) d.c.block_rows = d.a.block_rows;
  }
  command.compulsory_bytes = compulsory_of(op, d);
  d.scratch_address = d.c.address;
  if (d.tiling.k < d.k && d.tiling.order != LoopOrder::mnk && d.tiling.order != LoopOrder::nmk) {
    d.scratch_address = arena(static_cast<std::uint64_t>(d.m) * d.n * 4);
  }
  command.schedule = describe(d.tiling);
  commands.push_back(command);
  if (!encoded) append_result_encoding(op, own, commands);
}

/// Results that left the array in FP16 because their groups are larger than its tiles pass the quantizer by themselves.
void ModelLowering::append_result_encoding(const Operator& op, const Format& format,
                                           std::deque<LoweredCommand>& commands) {
  LoweredCommand command = vector_command(op, op.name + "_encode");
  Descriptor& d = command.descriptor;
  d.elements = op.m * op.n * op.count;
  d.input_bytes[0] = 2 * d.elements;
  d.c.cache = op.c == TensorRole::key;
  d.output_bytes = stream_bytes(format, op.m * op.count, op.n);
  d.a.address = arena(d.input_bytes[0]);
  d.c.address = d.c.cache ? cache_address(op.layer, op.c) : arena(d.output_bytes);
  d.c.format = format;
  if (d.c.cache) set_key_bytes(op, d);
  command.compulsory_bytes = d.input_bytes[0] + d.input_bytes[1] + d.output_bytes;
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
  // Whole bytes of each instance: parts of them are equal.
  const auto masked = [&](const Format& format) {
    const auto bytes = static_cast<double>(stream_bytes(format, op.m, op.n));
    return op.count * std::max<std::uint64_t>(1, static_cast<std::uint64_t>(bytes * share));
  };
  const std::uint64_t input_bytes = masked(format_of(op.a));
  d.input_bytes[0] = input_bytes;
  d.input_bytes[1] = input_bytes * (op.inputs - 1);  // further operands follow one another
  d.a.on_chip = d.c.on_chip = chunk_.has_value();
  if (!d.a.on_chip) d.a.address = arena(in_memory(op.a, d.input_bytes[0], op.count));
  if (d.inputs > 1) d.w.address = arena(d.input_bytes[1]);
  d.c.format = format_of(op.c);
  d.output_bytes = masked(d.c.format);
  d.c.cache = op.c == TensorRole::key || op.c == TensorRole::value;
  if (op.c == TensorRole::value) d.output_bytes = scenario_.batch * value_bytes(op);
  const std::uint64_t placed = in_memory(op.c, d.output_bytes, op.count);
  if (!d.c.on_chip) d.c.address = d.c.cache ? cache_address(op.layer, op.c) : arena(placed);
  if (op.c == TensorRole::key) set_key_bytes(op, d);
  command.compulsory_bytes = d.a.on_chip ? 0 : d.input_bytes[0] + d.input_bytes[1] + d.output_bytes;
  commands.push_back(command);
  if (op.c == TensorRole::value) append_value_commands(op, commands);
}

}  // namespace nibble
