// SPDX-License-Identifier: Apache-2.0
#include "accelerators/functional_lowering.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "formats/amove.h"
#include "pe/vector_functions.h"

namespace nibble {
namespace {

const Format& fp16() {
  static const Format format = Format::parse("fp16");
  return format;
}

/// Attention probabilities lie in 0..1, which the host knows beforehand.
std::int32_t probability_exponent(const Format& format) {
  return format.family == FormatFamily::amove ? amove_exponent(1.0F, format.bits) : 0;
}

bool attends(TensorRole role) {
  return role == TensorRole::query || role == TensorRole::key || role == TensorRole::value;
}

}  // namespace

FunctionalLowering::FunctionalLowering(const MachineConfig& config, const MemoryRate& memory,
                                       const LanguageModel& model, const Scenario& scenario,
                                       std::uint64_t first_address, std::uint64_t capacity)
    : ModelLowering(config, memory, model, scenario, first_address, capacity) {
  const auto refuse = [&](const std::string& what) {
    throw InputError(config.name + " on " + model.name + ": a functional run needs " + what);
  };
  if (scenario.prefill == 0) refuse("a prompt: a cache without one holds no data (--prefill)");
  if (scenario.before_prefill() != 0) refuse("a prompt that begins the cache (--context at most --prefill)");
  if (config.fused_attention) refuse("scores in memory: they have no contents on chip (fused attention off)");
  if (model.post_norm) refuse("norms before the blocks, not behind them");
  if (model.sliding_window != 0 && model.sliding_window < max_tokens_)
    refuse("a sliding window of at least the tokens of the run, " + std::to_string(max_tokens_));
}

std::uint64_t FunctionalLowering::tokens_of(const Operator& op) const {
  return op.phase == Phase::prefill ? scenario_.prefill : 1;
}

std::uint64_t FunctionalLowering::past_of(const Operator& op) const {
  return op.phase == Phase::prefill ? 0 : scenario_.prefill + op.step;
}

std::uint64_t FunctionalLowering::capacity() const {
  return round_up(max_tokens_, std::max<std::uint64_t>(value_group_, config_.kv_cache.block_tokens));
}

std::uint64_t FunctionalLowering::allocate(std::uint64_t bytes, const std::string& what) {
  const std::uint64_t address = placement_.allocate(bytes, what);
  if (placement_.wrapped())
    throw InputError(what + " of " + model_.name +
                     " finds no room: a functional run needs a memory that holds all operands (--set memory.rows=..., "
                     "memory.channels=...)");
  return address;
}

/// Two places per tensor take turns, so that a command never writes what it reads.
std::uint64_t FunctionalLowering::reserve(const std::string& tensor, std::uint64_t bytes) {
  Place& place = places_[tensor];
  const unsigned next = place.current ^= 1u;
  if (place.bytes[next] < bytes) {
    place.address[next] = allocate(bytes, tensor);
    place.bytes[next] = bytes;
  }
  return place.address[next];
}

OperandDescriptor FunctionalLowering::placed(const std::string& tensor, OperandDescriptor operand,
                                             std::uint64_t instances) {
  operand.address = reserve(tensor, operand.bytes() * instances);
  return operand;
}

const OperandDescriptor& FunctionalLowering::constant(const std::string& name, int layer, const Format& format,
                                                      std::uint64_t rows, std::uint64_t columns, bool weight) {
  const auto [known, fresh] = known_.emplace(std::make_pair(layer, name), constants_.size());
  if (fresh) {
    OperandDescriptor place = weight ? stored(format, rows, columns, 0, 1) : operand(format, rows, columns, 1, 0, 1);
    if (!weight) place.column_block = place.columns;  // row after row
    place.address = allocate(place.bytes(), name);
    constants_.push_back({name, layer, weight, place});
  }
  return constants_[known->second].operand;
}

ValueRecord FunctionalLowering::value_record() const {
  return {config_.kv_cache.policy, config_.formats.value, config_.kv_cache.demoted, model_.head_dim, capacity()};
}

FunctionalLowering::Cache& FunctionalLowering::cache(int layer) {
  const auto known = caches_by_layer_.find(layer);
  if (known != caches_by_layer_.end()) return known->second;
  Cache fresh;
  const bool blocks = config_.kv_cache.policy == KvPolicy::harmonia;
  const std::uint64_t block_rows = blocks ? config_.kv_cache.block_tokens : config_.weight_block_rows;
  const auto keys = [&](const Format& format) {
    OperandDescriptor place = operand(format, capacity(), model_.head_dim, block_rows, 0, 1);
    place.packed = true;
    place.instance_stride = place.bytes();
    place.address = allocate(place.bytes() * instances(), "keys");
    place.cache = true;
    return place;
  };
  fresh.keys = keys(config_.formats.key);
  if (blocks) fresh.demoted_keys = keys(config_.kv_cache.demoted);
  const ValueRecord record = value_record();
  fresh.values.address = allocate(record.bytes() * instances(), "values");
  fresh.values.instance_stride = record.bytes();
  fresh.values.rows = narrow(model_.head_dim, "channels");
  fresh.values.columns = narrow(capacity(), "tokens");
  fresh.values.format = config_.formats.value;
  fresh.values.arrangement = Arrangement::values;
  fresh.values.cache = true;
  return caches_by_layer_.emplace(layer, fresh).first->second;
}

/// Attention's operands have the rows of a tile as their blocks, wherever they were written.
void FunctionalLowering::set_block_rows(Commands& commands, const std::string& tensor, std::uint64_t block_rows) {
  Result& result = results_.at(tensor);
  result.operand.block_rows = narrow(block_rows, "block rows");
  commands.at(result.writer).descriptor.c.block_rows = result.operand.block_rows;
}

/// The result is op.writes, unless it went into a cache.
void FunctionalLowering::push(const Operator& op, LoweredCommand command, Commands& commands) {
  OperandDescriptor result = command.descriptor.c;
  if (result.arrangement != Arrangement::keys && result.arrangement != Arrangement::values) {
    result.arrangement = Arrangement::rows;
    results_[op.writes] = {result, commands.size()};
    if (op.c == TensorRole::logits) passes_.back().logits = result;
  }
  commands.push_back(std::move(command));
}

LoweredCommand FunctionalLowering::data_command(const Operator& op, const std::string& name) const {
  LoweredCommand command = vector_command(op, name);
  Descriptor& d = command.descriptor;
  d.timing_only = false;
  d.m = narrow(std::min(scenario_.batch * tokens_of(op), op.m), "rows");
  d.k = d.n = narrow(op.m * op.n / d.m, "columns");
  d.tokens = narrow(tokens_of(op), "tokens");
  d.past = narrow(past_of(op), "past");
  d.rows_per_token = narrow(group(), "rows per token");
  return command;
}

/// What the command moves, for those who count without looking at layouts.
void FunctionalLowering::count_bytes(Descriptor& d, LoweredCommand& lowered) const {
  const std::uint64_t rows = std::uint64_t{d.m} * d.count;
  d.elements = rows * d.k;
  d.input_bytes[0] = stream_bytes(d.a.format, rows, d.k);
  d.input_bytes[1] = d.inputs > 1 ? stream_bytes(d.w.format, rows, d.k) : 0;
  d.output_bytes = stream_bytes(d.c.format, rows, d.k, d.c.packed);
  lowered.compulsory_bytes = d.input_bytes[0] + d.input_bytes[1] + d.output_bytes;
}

/// Where the result of an operator goes; keys and values go into the cache.
OperandDescriptor FunctionalLowering::destination(const Operator& op, Descriptor& command) {
  if (op.c == TensorRole::key) {
    OperandDescriptor keys = cache(op.layer).keys;
    keys.arrangement = Arrangement::keys;
    return keys;
  }
  if (op.c == TensorRole::value) {
    command.policy = static_cast<std::uint8_t>(config_.kv_cache.policy);
    command.w.format = config_.kv_cache.demoted;
    return cache(op.layer).values;
  }
  if (op.c == TensorRole::query) {
    OperandDescriptor queries =
        operand(config_.formats.query, tokens_of(op) * group(), model_.head_dim, config_.activation_block_rows, 0, 2);
    queries = placed(op.writes, queries, instances());
    queries.arrangement = Arrangement::heads;
    return queries;
  }
  return placed(op.c == TensorRole::logits ? logits_of_pass() : op.writes,
                operand(format_of(op.c), command.m, command.k, config_.activation_block_rows, 0, 1), 1);
}

void FunctionalLowering::lower_operator(const Operator& op, Commands& commands) {
  if (op.function == VectorFunction::softmax) {
    lower_softmax(op, commands);
  } else if (op.kind == OperatorKind::vector) {
    lower_function(op, commands);
  } else if (op.kind == OperatorKind::linear) {
    lower_linear(op, commands);
  } else if (op.w == TensorRole::key) {
    demote(op, commands);
    lower_scores(op, commands);
  } else {
    lower_context(op, commands);
  }
}

void FunctionalLowering::lower_function(const Operator& op, Commands& commands) {
  LoweredCommand command = data_command(op, op.name);
  Descriptor& d = command.descriptor;
  d.function = static_cast<std::uint32_t>(op.function);
  d.n = narrow(op.n, "columns");
  if (!op.reads.empty()) {
    d.a = results_.at(op.reads[0]).operand;
    if (d.a.rows > d.m) d.a.arrangement = Arrangement::last_token;
  }
  set_function(op, d);
  // Scales that rows share need all of them: a command of its own.
  const bool together = op.c == TensorRole::activation && config_.formats.activation.group_n != 1;
  Operator own = op;
  if (together) own.c = TensorRole::intermediate;
  d.c = destination(own, d);
  count_bytes(d, command);
  push(op, std::move(command), commands);
  if (together) append_arrangement(op, commands);
}

/// Second and third operands, and parameters.
void FunctionalLowering::set_function(const Operator& op, Descriptor& d) {
  const auto rows_of_constant = [&](std::uint64_t rows) {
    d.p = constant(op.name, op.layer, fp16(), rows, op.n, false);
  };
  switch (op.function) {
    case VectorFunction::embedding: {
      ModelPass pass;
      pass.tokens = d.tokens;
      pass.past = d.past;
      pass.tokens_address = allocate(std::uint64_t{d.m} * sizeof(std::uint32_t), "token numbers");
      d.a = constant(op.name, op.layer, fp16(), model_.vocabulary, op.n, false);
      d.p.address = pass.tokens_address;
      d.p.rows = d.m;
      d.p.columns = 1;
      passes_.push_back(pass);
      return;
    }
    case VectorFunction::rms_norm:
    case VectorFunction::layer_norm:
      d.parameter = norm_epsilon;
      rows_of_constant(op.function == VectorFunction::layer_norm ? 2 : 1);
      return;
    case VectorFunction::bias_add:
      rows_of_constant(1);
      return;
    case VectorFunction::rotary:
      d.rotated = narrow(op.rotated, "rotated columns");
      d.alternative = model_.rotary_interleaved;
      d.p = constant("angles", -1, fp16(), max_tokens_, op.rotated, false);
      d.p.arrangement = Arrangement::positions;
      return;
    case VectorFunction::silu_gate:
    case VectorFunction::gelu_gate:
      d.inputs = 2;
      d.w = results_.at(op.reads[1]).operand;
      return;
    case VectorFunction::residual_add:
      d.inputs = 2;
      if (op.reads[1] == "positions") {
        d.w = constant("positions", -1, fp16(), model_.reserved_positions + max_tokens_, op.n, false);
        d.w.arrangement = Arrangement::positions;
        d.past += narrow(model_.reserved_positions, "positions");
        return;
      }
      d.w = results_.at(op.reads[1]).operand;
      if (op.reads.size() > 2) d.p = results_.at(op.reads[2]).operand;
      return;
    default:
      return;
  }
}

void FunctionalLowering::lower_softmax(const Operator& op, Commands& commands) {
  LoweredCommand command = data_command(op, op.name);
  Descriptor& d = command.descriptor;
  d.function = static_cast<std::uint32_t>(op.function);
  d.count = narrow(op.count, "instances");
  d.m = narrow(op.m, "rows");
  d.k = d.n = narrow(op.n, "columns");
  d.causal = CausalMask::scores;
  d.rows_per_token = narrow(op.rows_per_token, "rows per token");
  d.parameter = 1.0F / vector_sqrt(static_cast<float>(model_.head_dim));
  d.a = results_.at(op.reads[0]).operand;
  d.c = placed(op.writes, operand(config_.formats.probability, op.m, op.n, config_.activation_block_rows, 0, 2),
               op.count);
  d.c.exponent = probability_exponent(d.c.format);
  count_bytes(d, command);
  push(op, std::move(command), commands);
}

LoweredCommand FunctionalLowering::gemm(const Operator& op, const OperandDescriptor& a,
                                        const OperandDescriptor& w) const {
  LoweredCommand command = command_for(op);
  Descriptor& d = command.descriptor;
  d.opcode = Opcode::gemm;
  d.timing_only = false;
  d.options = config_.options;
  d.a = a;
  d.w = w;
  return command;
}

/// With the schedule and C's layout known: the rest.
void FunctionalLowering::finish_gemm(const Operator& op, LoweredCommand& command) {
  Descriptor& d = command.descriptor;
  command.compulsory_bytes = compulsory_of(op, d);
  command.schedule = describe(d.tiling);
  if (d.tiling.k < d.k && d.tiling.order != LoopOrder::mnk && d.tiling.order != LoopOrder::nmk)
    d.scratch_address = reserve("partial sums", std::uint64_t{d.m} * d.n * 4);
}

void FunctionalLowering::lower_linear(const Operator& op, Commands& commands) {
  const OperandDescriptor& weight = constant(op.name, op.layer, config_.formats.weight, op.n, op.k, true);
  LoweredCommand command = gemm(op, results_.at(op.reads[0]).operand, weight);
  Descriptor& d = command.descriptor;
  const Format own = attends(op.c) ? fp16() : format_of(op.c);
  const bool encoded = schedule(op, own, d);
  if (!encoded) schedule(op, fp16(), d);
  finish_gemm(op, command);
  d.c = placed(op.c == TensorRole::logits ? logits_of_pass() : op.writes, d.c, 1);
  push(op, std::move(command), commands);
  if (!encoded || attends(op.c)) append_arrangement(op, commands);
}

/// FP16 results pass the quantizer by themselves, on their way to where the next operator reads them.
void FunctionalLowering::append_arrangement(const Operator& op, Commands& commands) {
  LoweredCommand command = data_command(op, op.name + "_encode");
  Descriptor& d = command.descriptor;
  d.a = results_.at(op.writes).operand;
  d.c = destination(op, d);
  count_bytes(d, command);
  push(op, std::move(command), commands);
}

}  // namespace nibble
