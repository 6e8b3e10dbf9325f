// SPDX-License-Identifier: Apache-2.0
/// The part of ModelLowering that lets the array and the vector unit work side by side.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "accelerators/lowering.h"
#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

std::uint64_t share(std::uint64_t total, std::uint64_t first, std::uint64_t count, std::uint64_t of) {
  const auto until = [&](std::uint64_t end) { return total / of * end + total % of * end / of; };
  return until(first + count) - until(first);
}

/// C arranged as heads: the rows of the sequences from that of instance `first` on.
void move_rows(const Descriptor& whole, std::uint64_t first, OperandDescriptor& c) {
  const std::uint64_t heads = c.columns / (std::uint64_t{whole.rows_per_token} * whole.n);
  OperandDescriptor before = c;
  before.rows = narrow(first / heads * (whole.m / whole.rows_per_token), "rows");
  if (before.rows % c.block_rows != 0) throw InternalError("a part of an attention begins within a block of rows");
  if (before.rows > 0) c.address += before.bytes();
  c.rows -= before.rows;
}

}  // namespace

LoweredCommand part_of(const LoweredCommand& whole, std::uint64_t first, std::uint64_t count) {
  LoweredCommand part = whole;
  Descriptor& d = part.descriptor;
  const std::uint64_t of = whole.descriptor.count;
  const auto own = [&](std::uint64_t total) { return share(total, first, count, of); };
  const auto before = [&](std::uint64_t total) { return share(total, 0, first, of); };
  part.macs = own(whole.macs);
  part.compulsory_bytes = own(whole.compulsory_bytes);
  d.count = narrow(count, "count");
  if (d.opcode == Opcode::vector) {
    d.elements = own(d.elements);
    for (auto* bytes : {&d.input_bytes[0], &d.input_bytes[1], &d.output_bytes})
      *bytes = own(*bytes);
    if (d.timing_only) {
      d.a.address += before(whole.descriptor.input_bytes[0]);
      d.w.address += before(whole.descriptor.input_bytes[1]);
      d.c.address += before(whole.descriptor.output_bytes);
      return part;
    }
  }
  d.a.address += first * d.a.instance_stride;
  d.w.address += first * d.w.instance_stride;
  for (auto& continuation : d.continuations)
    continuation.address += first * continuation.instance_stride;
  if (d.c.arrangement == Arrangement::heads) {
    move_rows(whole.descriptor, first, d.c);
  } else {
    d.c.address += first * d.c.instance_stride;
  }
  return part;
}

/// Parts of the instances of an attention, so that the softmax of one runs beside the products of others, and so that
/// the memory needs not hold the scores of all. With c parts all but one of c of the shorter of softmax and products is
/// hidden; each part is paid with commands of its own. All but the last are equally large.
ModelLowering::AttentionParts ModelLowering::attention_parts(const Operator& scores) const {
  const std::uint64_t unit = inseparable_instances(), all = scores.count / unit;
  AttentionParts parts;
  parts.instances = scores.count;
  if (config_.fused_attention || all < 2) return parts;
  const double bytes =
      static_cast<double>(stream_bytes(format_of(TensorRole::score), scores.m * scores.count, scores.n));
  const double room = static_cast<double>(placement_.room()) / arena_results / AttentionParts::in_memory;
  const double wanted = std::max(config_.vector_unit.overlap ? overlapping_parts(scores) : 1, std::ceil(bytes / room));
  const auto count = static_cast<std::uint64_t>(std::clamp(wanted, 1.0, static_cast<double>(all)));
  const std::uint64_t units = ceil_div(all, count);
  parts.count = ceil_div(all, units);
  parts.instances = units * unit;
  return parts;
}

/// The parts of an attention that take the least time, the cost of their commands included.
double ModelLowering::overlapping_parts(const Operator& scores) const {
  const FormatsConfig& formats = config_.formats;
  const auto function = static_cast<std::size_t>(VectorFunction::softmax);
  const double softmax = static_cast<double>(scores.elements()) *
                         config_.vector_unit.operations_per_element.at(function) /
                         static_cast<double>(config_.vector_unit.lanes);
  const double products = 2 * static_cast<double>(scores.macs()) / config_.macs_per_cycle(formats.query, formats.key);
  // [D] a part's commands wait four times for memory: descriptor, operands, results, status; and for their pipelines.
  const double price = 4 * (memory_latency_ + static_cast<double>(config_.vector_unit.latency_cycles)) + 1;
  return std::floor(std::sqrt(std::min(softmax, products) / price));
}

/// What of `bytes` of `instances` scores or probabilities has a place: those of the parts that are there at a time.
std::uint64_t ModelLowering::in_memory(TensorRole role, std::uint64_t bytes, std::uint64_t instances) const {
  const bool of_part = role == TensorRole::score || role == TensorRole::probability;
  if (!of_part || parts_.count <= AttentionParts::in_memory) return bytes;
  return ceil_div(bytes, instances) * parts_.instances * AttentionParts::in_memory;
}

/// A GEMM command may run beside vector commands.
bool ModelLowering::beside_vector(const Operator& op) const {
  if (!config_.vector_unit.overlap) return false;
  if (op.kind == OperatorKind::attention) return parts_.count > 1 && !chunk_;
  return op.writes == "v" && vector_cycles_beside(op) > 0;
}

/// What passes the vector unit while the values are projected: queries and keys.
double ModelLowering::vector_cycles_beside(const Operator& op) const {
  double operations = 0;
  const auto add = [&](VectorFunction function, bool there) {
    if (there) operations += config_.vector_unit.operations_per_element.at(static_cast<std::size_t>(function));
  };
  add(model_.norm == Norm::rms ? VectorFunction::rms_norm : VectorFunction::layer_norm, model_.qk_norm);
  add(VectorFunction::rotary, model_.positions == Positions::rotary);
  add(VectorFunction::bias_add, model_.qkv_bias);
  return static_cast<double>(op.m * (model_.query_width() + model_.kv_width())) * operations /
         static_cast<double>(config_.vector_unit.lanes);
}

/// Tiles that leave vector commands their room in the buffers may be so much worse that it is better to wait for them.
void ModelLowering::choose_tiles(const Operator& op, Descriptor& d) {
  d.independent = 0;
  if (!beside_vector(op)) {
    d.tiling = scheduler_.schedule(d);
    return;
  }
  Descriptor beside = d;
  beside.independent = 1;
  beside.tiling = scheduler_.schedule(beside);
  if (op.kind != OperatorKind::attention) {
    d.tiling = scheduler_.schedule(d);
    const double vector = vector_cycles_beside(op);
    if (scheduler_.cycles(d) + vector < std::max(scheduler_.cycles(beside), vector)) return;
  }
  d = beside;
}

void ModelLowering::name_tensors(const Operator& op, LoweredCommand& command) const {
  const auto cache_of = [&](TensorRole role) {
    return (role == TensorRole::key ? "keys " : "values ") + std::to_string(op.layer);
  };
  const auto is_cache = [](TensorRole role) { return role == TensorRole::key || role == TensorRole::value; };
  command.reads = op.reads;
  command.writes = {op.writes};
  command.reads.push_back(op.writes);  // commands of one operator follow one another
  if (is_cache(op.c)) command.writes.push_back(cache_of(op.c));
  if (!is_cache(op.w)) return;
  if (command.descriptor.opcode == Opcode::gemm) {
    command.reads.push_back(command.weights = cache_of(op.w));
  } else {
    // Blocks of the caches move to another format.
    for (const TensorRole role : {TensorRole::key, TensorRole::value})
      command.writes.push_back(cache_of(role));
  }
}

/// Scores, softmax and context of part after part: while the softmax of one runs, the array computes the scores of the
/// next and the context of the one before. Parts take turns at the places of scores and probabilities.
void ModelLowering::overlap_attention(std::deque<LoweredCommand>& commands) {
  using Commands = std::vector<LoweredCommand>;
  const auto take = [&](std::size_t begin, std::size_t end, Opcode opcode, Commands& others) {
    Commands taken;
    for (std::size_t i = begin; i < end; ++i)
      (commands[i].descriptor.opcode == opcode ? taken : others).push_back(std::move(commands[i]));
    return taken;
  };
  Commands before, none, behind;
  const Commands scores = take(scores_begin_, softmax_begin_, Opcode::gemm, before);
  const Commands softmax = take(softmax_begin_, context_begin_, Opcode::vector, none);
  const Commands context = take(context_begin_, commands.size(), Opcode::gemm, behind);
  commands.resize(scores_begin_);
  const auto append = [&](LoweredCommand command) {
    order_.place(command);
    commands.push_back(std::move(command));
  };
  const std::uint64_t all = scores.front().descriptor.count;
  std::uint64_t round = 0;
  const auto append_part = [&](const Commands& whole, std::uint64_t part, bool scores_in_a, bool scores_in_c) {
    const std::uint64_t first = part * parts_.instances, place = part % AttentionParts::in_memory;
    const std::uint64_t count = std::min(parts_.instances, all - first);
    for (const LoweredCommand& command : whole) {
      LoweredCommand own = command;
      if (parts_.count > 1) {
        own = part_of(command, first, count);
        const Descriptor placed = part_of(command, place * parts_.instances, count).descriptor;
        if (scores_in_a) own.descriptor.a.address = placed.a.address;
        if (scores_in_c) own.descriptor.c.address = placed.c.address;
      }
      for (auto* names : {&own.reads, &own.writes}) {
        for (std::string& name : *names) {
          if (name == "scores" || name == "probabilities") name += ' ' + std::to_string(place);
        }
      }
      own.round = round;
      append(std::move(own));
    }
  };
  for (LoweredCommand& command : before)
    append(std::move(command));
  append_part(scores, 0, false, true);
  for (std::uint64_t part = 0; part < parts_.count; ++part) {
    round = part + 1;
    append_part(softmax, part, true, true);
    if (part + 1 < parts_.count) append_part(scores, part + 1, false, true);
    if (part > 0) append_part(context, part - 1, true, false);
  }
  round = 0;
  append_part(context, parts_.count - 1, true, false);
  for (LoweredCommand& command : behind)
    append(std::move(command));
}

}  // namespace nibble
