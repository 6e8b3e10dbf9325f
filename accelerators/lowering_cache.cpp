// SPDX-License-Identifier: Apache-2.0
/// The part of ModelLowering that knows how keys and values are cached.
#include <algorithm>

#include "accelerators/lowering.h"
#include "core/error.h"
#include "core/units.h"
#include "formats/packed_operand.h"

namespace nibble {

std::uint64_t stream_bytes(const Format& format, std::uint64_t rows, std::uint64_t columns, bool packed) {
  return rows == 0 || columns == 0 ? 0 : layout_of(format, rows, columns, rows, columns, packed).bytes();
}

/// Tokens of each width in a cache of `tokens` behind the prompt.
ModelLowering::CacheParts ModelLowering::parts_of(std::uint64_t tokens) const {
  const KvCacheConfig& cache = config_.kv_cache;
  CacheParts parts;
  parts.initial = std::min(tokens, cache.initial_tokens);
  const std::uint64_t behind =
      tokens > parts.initial + cache.local_tokens ? tokens - parts.initial - cache.local_tokens : 0;
  parts.demoted = round_down(behind, cache.block_tokens);
  parts.local = tokens - parts.initial - parts.demoted;
  return parts;
}

/// Of one KV head of one sequence.
std::uint64_t ModelLowering::key_bytes(std::uint64_t tokens) const {
  const auto bytes = [&](const Format& format, std::uint64_t rows) {
    return rows == 0 ? 0 : stored(format, rows, model_.head_dim, 0, 1).bytes();
  };
  const KvCacheConfig& cache = config_.kv_cache;
  if (cache.policy != KvPolicy::harmonia || scenario_.decode == 0) return bytes(config_.formats.key, tokens);
  const CacheParts parts = parts_of(tokens);
  return bytes(config_.formats.key, parts.initial) + bytes(cache.demoted, parts.demoted) +
         bytes(config_.formats.key, parts.local);
}

std::uint64_t ModelLowering::value_bytes_held(std::uint64_t tokens) const {
  const auto bytes = [&](const Format& format, std::uint64_t columns) {
    return columns == 0 ? 0 : stored(format, model_.head_dim, columns, 0, 1).bytes();
  };
  const KvCacheConfig& cache = config_.kv_cache;
  const Format& format = config_.formats.value;
  const std::uint64_t open = tokens % value_group_;
  if (cache.policy == KvPolicy::plain) return bytes(format, tokens);
  if (cache.policy == KvPolicy::mant) return bytes(format, tokens - open) + model_.head_dim * (open + 2);
  // Beside the encoded groups, the last of which may be open, its tokens in FP16.
  const std::uint64_t in_fp16 = 2 * open * model_.head_dim;
  if (cache.policy != KvPolicy::harmonia || scenario_.decode == 0) return bytes(format, tokens) + in_fp16;
  const CacheParts parts = parts_of(tokens);
  return bytes(format, parts.initial) + bytes(cache.demoted, parts.demoted) + bytes(format, parts.local) + in_fp16;
}

KvCacheFigures ModelLowering::cache_figures() const {
  KvCacheFigures figures;
  figures.tokens = max_tokens_;
  const std::uint64_t heads = instances() * model_.layers;
  figures.values = 2 * figures.tokens * heads * model_.head_dim;
  figures.bytes = heads * (key_bytes(figures.tokens) + value_bytes_held(figures.tokens));
  return figures;
}

std::uint64_t ModelLowering::cache_address(int layer, TensorRole role) {
  const auto key = std::make_pair(layer, role);
  const auto known = caches_.find(key);
  if (known != caches_.end()) return known->second;
  // Whole groups of tokens, and for values what an open group takes beside them.
  const std::uint64_t tokens = round_up(max_tokens_, value_group_);
  const std::uint64_t channels = model_.kv_heads * model_.head_dim;
  std::uint64_t bytes =
      scenario_.batch * (role == TensorRole::key
                             ? stored(config_.formats.key, tokens, model_.head_dim, 0, 1).bytes() * model_.kv_heads
                             : stored(config_.formats.value, channels, tokens, 0, 1).bytes());
  if (role == TensorRole::value) bytes += scenario_.batch * channels * open_group_bytes();
  const std::uint64_t address = placement_.allocate(bytes, "the KV cache of a layer");
  caches_.emplace(key, address);
  return address;
}

/// Per channel: an INT8 window with its scale, or the open group in FP16.
std::uint64_t ModelLowering::open_group_bytes() const {
  return config_.kv_cache.policy == KvPolicy::mant ? value_group_ + 2 : 2 * value_group_;
}

/// K and V operands lie in caches with room for max_tokens.
void ModelLowering::set_cache_operand(const Operator& op, Descriptor& command) {
  const std::uint64_t tokens = round_up(max_tokens_, value_group_);
  const std::uint64_t address = cache_address(op.layer, op.w);
  if (op.w == TensorRole::key) {
    command.w = stored(config_.formats.key, tokens, op.k, address, op.count);
    command.w.cache = true;
    return;
  }
  command.w = stored(config_.formats.value, op.n, tokens, address, op.count);
  command.w.cache = true;
  if (config_.kv_cache.policy == KvPolicy::mant) set_window(op, command);
  if (config_.kv_cache.policy == KvPolicy::harmonia && op.phase == Phase::decode) set_value_blocks(op, command);
}

/// Values that do not fill a group are the INT8 window.
void ModelLowering::set_window(const Operator& op, Descriptor& command) const {
  const std::uint64_t window = op.k % value_group_;
  const std::uint64_t finished = op.k - window;
  OperandDescriptor open = stored(window_format(), op.n, std::max<std::uint64_t>(window, 1),
                                  command.w.address + instances() * command.w.bytes(), op.count);
  if (finished == 0) {
    command.w = open;
    command.w.cache = true;
    return;
  }
  command.k = narrow(finished, "k");
  command.continuations[0] = {narrow(window, "window"), open.address, open.instance_stride, open.format};
}

/// Initial tokens, demoted blocks, local tokens: parts of one accumulation along the tokens.
void ModelLowering::set_value_blocks(const Operator& op, Descriptor& command) const {
  const CacheParts parts = parts_of(op.k);
  if (parts.demoted == 0) return;
  command.k = narrow(parts.initial, "k");
  command.w.columns = command.k;
  std::uint64_t address = command.w.address + command.w.layout(0).bytes();
  std::size_t index = 0;
  for (const auto& [format, tokens] : {std::pair<Format, std::uint64_t>{config_.kv_cache.demoted, parts.demoted},
                                       std::pair<Format, std::uint64_t>{config_.formats.value, parts.local}}) {
    if (tokens == 0) continue;
    const OperandDescriptor part = stored(format, op.n, tokens, address, 1);
    command.continuations.at(index++) = {narrow(tokens, "tokens"), address, command.w.instance_stride, format};
    address += part.layout(0).bytes();
  }
}

/// What the projection of the values writes: finished groups, and what the policy keeps of the open one.
std::uint64_t ModelLowering::value_bytes(const Operator& op) const {
  const std::uint64_t tokens = op.m / scenario_.batch;
  const Format& format = config_.formats.value;
  const bool prefill = op.phase == Phase::prefill;
  const std::uint64_t finished = prefill ? round_down(tokens, value_group_) : 0;
  switch (config_.kv_cache.policy) {
    case KvPolicy::mant: {
      const std::uint64_t window_scales = prefill ? op.n * 2 : 0;
      return stream_bytes(format, op.n, finished, true) + (tokens - finished) * op.n + window_scales;
    }
    case KvPolicy::harmonia:
    case KvPolicy::amove_requantized:
      // The open group in FP16; its encoding follows in a command of its own.
      return stream_bytes(format, op.n, finished, true) + (tokens - finished) * op.n * 2;
    case KvPolicy::plain:
      break;
  }
  // A scale per channel is fixed by the prompt.
  const std::uint64_t scales = prefill && format.grouping == Grouping::channel ? op.n * metadata_bytes(format) : 0;
  return op.n * code_bytes(format, tokens) + scales;
}

void ModelLowering::append_value_commands(const Operator& op, std::deque<LoweredCommand>& commands) {
  const std::uint64_t tokens = op.m / scenario_.batch;
  const std::uint64_t past = op.phase == Phase::prefill ? 0 : std::max(scenario_.prefill, scenario_.context) + op.step;
  const std::uint64_t group = value_group_, channels = scenario_.batch * op.n;
  switch (config_.kv_cache.policy) {
    case KvPolicy::mant:
      // A group of tokens is complete: the INT8 window is read back and written as MANT4.
      if (op.phase == Phase::decode && (past + 1) % group == 0)
        append_encoding(op, "value_requantize", group, channels * group + channels * 2, commands);
      return;
    case KvPolicy::harmonia:
    case KvPolicy::amove_requantized: {
      // The open group is encoded anew with the tokens present; the one that fills it encodes it for good.
      const std::uint64_t open =
          (past + tokens) % group == 0 && op.phase == Phase::decode ? group : (past + tokens) % group;
      if (open > 0) append_encoding(op, "value_encode", open, channels * open * 2, commands);
      return;
    }
    case KvPolicy::plain:
      return;
  }
}

/// `tokens` of the values are read from their window, encoded and written.
void ModelLowering::append_encoding(const Operator& op, const char* name, std::uint64_t tokens,
                                    std::uint64_t input_bytes, std::deque<LoweredCommand>& commands) {
  LoweredCommand command = vector_command(op, name);
  Descriptor& d = command.descriptor;
  d.elements = scenario_.batch * op.n * tokens;
  d.input_bytes[0] = input_bytes;
  d.output_bytes = scenario_.batch * stream_bytes(config_.formats.value, op.n, tokens, true);
  d.a.address = d.c.address = cache_address(op.layer, TensorRole::value);
  d.a.cache = d.c.cache = true;
  d.c.format = config_.formats.value;
  command.compulsory_bytes = d.input_bytes[0] + d.output_bytes;
  commands.push_back(command);
}

/// Keys of several widths: the scores of each part of the tokens are a product of their own.
void ModelLowering::lower_scores_by_parts(const Operator& op, std::deque<LoweredCommand>& commands) {
  const CacheParts parts = parts_of(op.n);
  struct Part {
    const char* suffix;
    std::uint64_t tokens;
    Format format;
  };
  std::uint64_t address = cache_address(op.layer, TensorRole::key);
  for (const Part& part :
       {Part{"_initial", parts.initial, config_.formats.key}, Part{"", parts.demoted, config_.kv_cache.demoted},
        Part{"_local", parts.local, config_.formats.key}}) {
    if (part.tokens == 0) continue;
    Operator scores = op;
    scores.name += part.suffix;
    scores.n = part.tokens;
    scores.causal = Causal::none;  // one token sees all of the cache
    LoweredCommand command = command_for(scores);
    Descriptor& d = command.descriptor;
    d.opcode = Opcode::gemm;
    d.a = operand(config_.formats.query, op.m, op.k, config_.activation_block_rows, 0, op.count);
    d.a.address = arena(d.a.layout(0).bytes() * op.count);
    d.w = stored(part.format, part.tokens, op.k, address, op.count);
    d.w.cache = true;
    choose_instances(d);
    address += d.w.layout(0).bytes() * instances();
    finish_matrix(scores, std::move(command), commands);
  }
}

}  // namespace nibble
