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

/// Tokens that were there before those of the operator's pass.
std::uint64_t ModelLowering::cached_before(const Operator& op) const {
  return op.phase == Phase::prefill ? scenario_.before_prefill() : scenario_.before_decode() + op.step;
}

/// A prompt without a cache before it is computed in one width.
bool ModelLowering::reads_parts(const Operator& op) const {
  return config_.kv_cache.policy == KvPolicy::harmonia && (op.phase == Phase::decode || cached_before(op) > 0);
}

/// Of the `tokens` that an attention reads; those of a prompt are local.
ModelLowering::CacheParts ModelLowering::parts_read(const Operator& op, std::uint64_t tokens) const {
  if (op.phase == Phase::decode) return parts_of(tokens);
  CacheParts parts = parts_of(tokens - scenario_.prefill);
  parts.local += scenario_.prefill;
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

/// What a vector command writes that enters keys into the caches, and what it reads there: bytes that the records of
/// other tokens share.
void ModelLowering::set_key_bytes(const Operator& op, Descriptor& command) {
  const std::uint64_t tokens = op.phase == Phase::prefill ? scenario_.prefill : 1, first = cached_before(op);
  const std::uint64_t capacity = round_up(max_tokens_, value_group_);
  const OperandLayout layout = stored(config_.formats.key, capacity, model_.head_dim, 0, 1).layout(0);
  const auto bytes = [&](const std::vector<MemoryRun>& runs) {
    std::uint64_t sum = 0;
    for (const MemoryRun& run : runs)
      sum += run.bytes();
    return sum * instances();
  };
  command.output_bytes = bytes(layout.tile(first, tokens, 0, model_.head_dim));
  const std::uint64_t shared = bytes(layout.shared_bytes(first, tokens, 0, model_.head_dim));
  if (shared == 0 || command.inputs > 1) return;
  command.inputs = 2;
  command.input_bytes[1] = shared;
  command.w.cache = true;
  command.w.address = cache_address(op.layer, TensorRole::key);
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
  if (reads_parts(op)) set_value_blocks(op, command);
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
  const CacheParts parts = parts_read(op, op.k);
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

/// What becomes of the tokens of a pass and of the group that was open before them.
ModelLowering::ValueGroups ModelLowering::value_groups(const Operator& op) const {
  ValueGroups groups;
  const std::uint64_t tokens = op.m / scenario_.batch;
  groups.before = cached_before(op) % value_group_;
  groups.finished = round_down(groups.before + tokens, value_group_);
  groups.open = groups.before + tokens - groups.finished;
  groups.completed = groups.finished > 0 && (groups.before > 0 || op.phase == Phase::decode);
  groups.entering = groups.finished > 0 ? groups.open : tokens;
  return groups;
}

/// What the projection of the values writes: groups that it finishes, and what the policy keeps of the open one.
std::uint64_t ModelLowering::value_bytes(const Operator& op) const {
  const Format& format = config_.formats.value;
  const bool prefill = op.phase == Phase::prefill;
  const bool first = prefill && cached_before(op) == 0;
  if (config_.kv_cache.policy == KvPolicy::plain) {
    // A scale per channel is fixed by the prompt.
    const std::uint64_t scales = first && format.grouping == Grouping::channel ? op.n * metadata_bytes(format) : 0;
    return op.n * code_bytes(format, op.m / scenario_.batch) + scales;
  }
  // In decode a token enters the open group, whose encoding follows in a command of its own.
  const ValueGroups groups = value_groups(op);
  const std::uint64_t encoded = groups.finished - (groups.completed ? value_group_ : 0);
  const std::uint64_t entering = prefill ? groups.entering : 1;
  const std::uint64_t written = prefill ? stream_bytes(format, op.n, encoded, true) : 0;
  if (config_.kv_cache.policy == KvPolicy::mant) return written + entering * op.n + (first ? op.n * 2 : 0);
  return written + entering * op.n * 2;
}

void ModelLowering::append_value_commands(const Operator& op, std::deque<LoweredCommand>& commands) {
  const ValueGroups groups = value_groups(op);
  const std::uint64_t group = value_group_, channels = scenario_.batch * op.n;
  const bool decode = op.phase == Phase::decode;
  switch (config_.kv_cache.policy) {
    case KvPolicy::mant: {
      // A group of tokens is complete: its INT8 window is read back and written as MANT4.
      const std::uint64_t held = decode ? group : groups.before;
      if (groups.completed) append_encoding(op, "value_requantize", group, channels * (held + 2), commands);
      return;
    }
    case KvPolicy::harmonia:
    case KvPolicy::open_fp16: {
      // The open group is encoded anew with the tokens present; the one that fills it encodes it for good.
      const std::uint64_t held = decode ? group : groups.before;
      if (groups.completed) append_encoding(op, "value_encode", group, channels * held * 2, commands);
      if (groups.open > 0) append_encoding(op, "value_encode", groups.open, channels * groups.open * 2, commands);
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
  const CacheParts parts = parts_read(op, op.n);
  struct Part {
    const char* suffix;
    std::uint64_t tokens;
    Format format;
    bool local;
  };
  std::uint64_t address = cache_address(op.layer, TensorRole::key);
  for (const Part& part : {Part{"_initial", parts.initial, config_.formats.key, false},
                           Part{"", parts.demoted, config_.kv_cache.demoted, false},
                           Part{"_local", parts.local, config_.formats.key, true}}) {
    if (part.tokens == 0) continue;
    Operator scores = op;
    scores.name += part.suffix;
    scores.n = part.tokens;
    // All of a prompt's tokens see what was there before them, and the one of a decode step all of the cache.
    const std::uint64_t before = parts.initial + parts.demoted;
    const bool masked = op.phase == Phase::prefill && part.local;
    scores.causal = masked ? Causal::scores : Causal::none;
    scores.past = masked ? op.past - before : 0;
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
