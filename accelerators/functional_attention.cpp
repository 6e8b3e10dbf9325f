// SPDX-License-Identifier: Apache-2.0
/// The part of FunctionalLowering that knows the caches: scores and context, and the demotion of Harmonia's blocks.
#include <algorithm>

#include "accelerators/functional_lowering.h"
#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

/// The rows of an operand from `first` on, which begins a block.
OperandDescriptor from_row(OperandDescriptor operand, std::uint64_t first) {
  OperandDescriptor before = operand;
  before.rows = narrow(first, "rows");
  if (first > 0) operand.address += before.bytes();
  operand.rows -= before.rows;
  return operand;
}

}  // namespace

/// Blocks that leave the local window move to the narrow format, keys and values alike, before they are read again.
void FunctionalLowering::demote(const Operator& op, Commands& commands) {
  if (config_.kv_cache.policy != KvPolicy::harmonia || op.phase == Phase::prefill) return;
  Cache& layer = cache(op.layer);
  const CacheParts parts = parts_of(op.n);
  if (parts.demoted == layer.demoted) return;
  const std::uint64_t first = parts.initial + layer.demoted, count = parts.demoted - layer.demoted;
  const auto append = [&](const char* name, std::uint64_t rows, std::uint64_t columns, const OperandDescriptor& from,
                          const OperandDescriptor& to) {
    LoweredCommand command = vector_command(op, name);
    Descriptor& d = command.descriptor;
    d.timing_only = false;
    d.count = narrow(instances(), "instances");
    d.m = narrow(rows, "rows");
    d.k = d.n = narrow(columns, "columns");
    d.a = from;
    d.c = to;
    count_bytes(d, command);
    commands.push_back(std::move(command));
  };
  append("key_demote", count, model_.head_dim, from_row(layer.keys, first), from_row(layer.demoted_keys, first));
  const ValueRecord record = value_record();
  append("value_demote", model_.head_dim, count, record.part(layer.values, config_.formats.value, first, count),
         record.part(layer.values, config_.kv_cache.demoted, first, count));
  layer.demoted = parts.demoted;
}

void FunctionalLowering::lower_scores(const Operator& op, Commands& commands) {
  const Cache& layer = cache(op.layer);
  const OperandDescriptor queries = results_.at(op.reads[0]).operand;
  if (config_.kv_cache.policy != KvPolicy::harmonia || op.phase == Phase::prefill) {
    LoweredCommand command = gemm(op, queries, layer.keys);
    Descriptor& d = command.descriptor;
    schedule(op, Format::parse("fp16"), d);
    d.a.block_rows = d.c.block_rows = narrow(std::min<std::uint64_t>(d.tiling.m, op.m), "block rows");
    set_block_rows(commands, op.reads[0], d.a.block_rows);
    finish_gemm(op, command);
    d.c = placed(op.writes, d.c, op.count);
    push(op, std::move(command), commands);
    return;
  }
  // Tokens of several widths: the scores of each part are columns of one operand.
  OperandDescriptor scores = operand(Format::parse("fp16"), op.m, op.n, op.m, 0, 2);
  scores.column_block = narrow(config_.output_block_columns, "columns per block");
  scores.instance_stride = scores.bytes();
  scores = placed(op.writes, scores, op.count);
  const CacheParts parts = parts_of(op.n);
  struct Part {
    const char* suffix;
    std::uint64_t first, tokens;
    const OperandDescriptor& keys;
  };
  for (const Part& part :
       {Part{"_initial", 0, parts.initial, layer.keys}, Part{"", parts.initial, parts.demoted, layer.demoted_keys},
        Part{"_local", parts.initial + parts.demoted, parts.local, layer.keys}}) {
    if (part.tokens == 0) continue;
    if (part.first % config_.output_block_columns != 0)
      throw InputError(config_.name +
                       ": a functional run needs parts of the cache that are whole blocks of columns: "
                       "layout.output_block_columns must divide kv_cache.block_tokens");
    Operator own = op;
    own.name += part.suffix;
    own.n = part.tokens;
    own.causal = Causal::none;
    LoweredCommand command = gemm(own, queries, from_row(part.keys, part.first));
    Descriptor& d = command.descriptor;
    schedule(own, Format::parse("fp16"), d);
    finish_gemm(own, command);
    d.c = scores;
    d.c.columns = narrow(part.tokens, "tokens");
    d.c.address += part.first * op.m * 2;
    commands.push_back(std::move(command));
  }
  results_[op.writes] = {scores, commands.size() - 1};
}

void FunctionalLowering::lower_context(const Operator& op, Commands& commands) {
  const OperandDescriptor& values = cache(op.layer).values;
  const ValueRecord record = value_record();
  const Format& format = config_.formats.value;
  const CacheParts parts = parts_of(op.k);
  LoweredCommand command = gemm(op, results_.at(op.reads[0]).operand, record.part(values, format, 0, op.k));
  Descriptor& d = command.descriptor;
  std::size_t next = 0;
  const auto continue_with = [&](const OperandDescriptor& part) {
    d.continuations.at(next++) = {part.columns, part.address, part.instance_stride, part.format, part.arrangement};
  };
  const std::uint64_t window = op.k % value_group_;
  if (config_.kv_cache.policy == KvPolicy::mant && window == op.k) {
    d.w = record.window(values, window);
  } else if (config_.kv_cache.policy == KvPolicy::mant && window > 0) {
    d.w = record.part(values, format, 0, op.k - window);
    d.k = d.w.columns;
    continue_with(record.window(values, window));
  } else if (config_.kv_cache.policy == KvPolicy::harmonia && op.phase == Phase::decode && parts.demoted > 0) {
    d.w = record.part(values, format, 0, parts.initial);
    d.k = d.w.columns;
    continue_with(record.part(values, config_.kv_cache.demoted, parts.initial, parts.demoted));
    if (parts.local > 0) continue_with(record.part(values, format, parts.initial + parts.demoted, parts.local));
  }
  // Parts of the attention write whole blocks: those of their sequences.
  const bool whole = parts_.count == 1 || tokens_of(op) % config_.activation_block_rows == 0;
  const std::uint64_t block_rows = whole ? config_.activation_block_rows : tokens_of(op);
  const OperandDescriptor tokens =
      operand(format_of(op.c), scenario_.batch * tokens_of(op), model_.query_width(), block_rows, 0, 1);
  const std::uint64_t block = tokens.layout(0).group;
  bool joined = schedule(op, format_of(op.c), d) && op.n % block == 0;
  joined = joined && (d.tiling.n >= d.n || d.tiling.n % block == 0);
  if (!joined) schedule(op, Format::parse("fp16"), d);
  d.a.block_rows = narrow(std::min<std::uint64_t>(d.tiling.m, op.m), "block rows");
  set_block_rows(commands, op.reads[0], d.a.block_rows);
  finish_gemm(op, command);
  if (joined) {
    // Written back as the rows of tokens that the next operator reads.
    d.c = placed(op.writes, tokens, 1);
    d.c.arrangement = Arrangement::heads;
    push(op, std::move(command), commands);
    return;
  }
  d.c = placed(op.writes, d.c, op.count);
  push(op, std::move(command), commands);
  Operator rows = op;
  rows.m = scenario_.batch * tokens_of(op);
  rows.n = model_.query_width();
  LoweredCommand arranged = data_command(rows, op.name + "_encode");
  arranged.descriptor.a = results_.at(op.writes).operand;
  arranged.descriptor.a.arrangement = Arrangement::heads;
  arranged.descriptor.c = placed(op.writes, tokens, 1);
  count_bytes(arranged.descriptor, arranged);
  push(op, std::move(arranged), commands);
}

}  // namespace nibble
