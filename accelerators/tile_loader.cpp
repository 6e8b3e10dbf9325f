// SPDX-License-Identifier: Apache-2.0
#include "accelerators/tile_loader.h"

#include <algorithm>
#include <utility>

namespace nibble {

MemoryRun partial_sum_run(const Descriptor& command, const TileJob& job) {
  MemoryRun run;
  run.address = command.scratch_address + (job.m0 * command.n + job.n0 * job.m) * 4;
  run.row_bytes = run.stride = job.m * job.n * 4;
  return run;
}

TileLoader::TileLoader(DmaEngine& dma, const ResultWriter& writer, const MachineClock& clock)
    : dma_(dma), writer_(writer), clock_(clock) {}

void TileLoader::start(const Descriptor& command, std::uint64_t output_tiles, CommandCounters& counters) {
  cancel();
  command_ = command;
  counters_ = &counters;
  failed_ = false;
  output_tiles_ = output_tiles;
  after_continuation_ = false;
  schedule_.emplace(shape_of(command), command.tiling);
  for (auto& slot : slots_)
    slot.users = 0;
  issue();
}

void TileLoader::cancel() {
  ++generation_;
  jobs_.clear();
  queued_.reset();
  behind_.reset();
  schedule_.reset();
}

std::optional<LoadedJob> TileLoader::produce() {
  if (behind_) return produce_continuation();
  if (!schedule_) return std::nullopt;
  const auto tile = schedule_->next();
  if (!tile) return std::nullopt;
  LoadedJob job;
  job.job = *tile;
  job.weight_k0 = tile->k0;
  if (tile->last_k && visible_reduction(*tile) > command_.k) {
    behind_ = *tile;
    behind_->k0 = command_.k;
    job.job.last_k = job.job.last = job.job.spill = false;
  }
  return job;
}

/// The reduction that the tile's last row sees, continuations included.
std::uint64_t TileLoader::visible_reduction(const TileJob& tile) const {
  const std::uint64_t all = reduction_of(command_);
  if (command_.causal != CausalMask::context) return all;
  return std::min(all, command_.past + (tile.m0 + tile.m - 1) / command_.rows_per_token + 1);
}

/// The next part of the continuations of the tile behind_, from its k0 on, in tiles of the schedule's extent along k.
LoadedJob TileLoader::produce_continuation() {
  const std::uint64_t visible = visible_reduction(*behind_);
  LoadedJob next;
  next.job = *behind_;
  next.segment = 1;
  while (segment_begin(command_, next.segment + 1) <= behind_->k0)
    ++next.segment;
  const std::uint64_t segment_end = segment_begin(command_, next.segment + 1);
  const std::uint64_t end = std::min({behind_->k0 + command_.tiling.k, segment_end, visible});
  next.job.k = end - behind_->k0;
  next.job.first_k = next.job.refill = next.job.spill = false;
  next.job.load_activation = next.job.load_weight = true;
  next.job.last_k = end == visible;
  next.job.last = behind_->last && next.job.last_k;
  next.weight_k0 = behind_->k0 - segment_begin(command_, next.segment);
  behind_->k0 = end;
  if (next.job.last_k) behind_.reset();
  return next;
}

void TileLoader::issue() {
  while (!failed_) {
    if (!queued_) queued_ = produce();
    if (!queued_ || !issue_one(*queued_)) return;
    queued_.reset();
  }
}

bool TileLoader::issue_one(LoadedJob next) {
  const TileJob& job = next.job;
  // After a continuation the slots hold its tiles, whatever the schedule says of its own previous job.
  const bool load_activation = job.load_activation || after_continuation_;
  const bool load_weight = job.load_weight || after_continuation_;
  const unsigned activation_slot = load_activation ? activation_slot_ ^ 1u : activation_slot_;
  const unsigned weight_slot = load_weight ? weight_slot_ ^ 1u : weight_slot_;
  if (load_activation && slots_[activation_slot].users > 0) return false;
  if (load_weight && slots_[weight_slot].users > 0) return false;
  if (job.refill && !may_refill(job)) return false;

  after_continuation_ = next.segment > 0;
  next.activation_slot = activation_slot_ = activation_slot;
  next.weight_slot = weight_slot_ = weight_slot;
  ++slots_[activation_slot].users;
  ++slots_[weight_slot].users;
  if (job.refill) {
    next.refill_slot = refill_slot_ ^= 1u;
    ++slots_[next.refill_slot].users;
  }
  jobs_.push_back(next);
  if (load_activation) {
    const OperandLayout layout = command_.a.layout(job.instance);
    load(activation_slot, tile_runs(layout, command_.a.format, {job.m0, job.m, job.k0, job.k}), Stream::activation);
  }
  if (load_weight) {
    const OperandDescriptor part = weight_segment(command_, next.segment);
    const TileRange range{job.n0, job.n, next.weight_k0, job.k};
    load(weight_slot, tile_runs(part.layout(job.instance), part.format, range), Stream::weight);
  }
  if (job.refill) load(next.refill_slot, {partial_sum_run(command_, job)}, Stream::partial_sum);
  return true;
}

/// With room for one tile only, the one before must have left the output buffer; in any case the sums must be in
/// memory.
bool TileLoader::may_refill(const TileJob& job) const {
  if (slots_[refill_slot_ ^ 1u].users > 0) return false;
  if (output_tiles_ < 2) return jobs_.empty() && writer_.outstanding() == 0;
  const bool in_array = std::any_of(jobs_.begin(), jobs_.end(), [&](const LoadedJob& other) {
    return other.job.m0 == job.m0 && other.job.n0 == job.n0;
  });
  return !in_array && !writer_.writing(partial_sum_run(command_, job).address);
}

void TileLoader::load(unsigned index, std::vector<MemoryRun> runs, Stream stream) {
  Slot& slot = slots_[index];
  slot.unpacked = false;
  slot.runs = std::move(runs);
  slot.pending = static_cast<unsigned>(slot.runs.size());
  std::uint64_t total = 0;
  for (const auto& run : slot.runs)
    total += run.bytes();
  if (!command_.timing_only) slot.bytes.resize(total);
  std::uint64_t at = 0;
  for (const auto& run : slot.runs) {
    DmaTransfer transfer;
    transfer.address = run.address;
    transfer.row_bytes = run.row_bytes;
    transfer.rows = run.rows;
    transfer.stride = run.stride;
    transfer.stream = stream;
    transfer.data = command_.timing_only ? nullptr : slot.bytes.data() + at;
    at += run.bytes();
    counters_->read_bytes[static_cast<unsigned>(transfer.stream)] += run.bytes();
    ++in_flight_;
    dma_.submit(transfer, *this, index | static_cast<std::uint64_t>(transfer.stream) << 8 | generation_ << 16);
  }
  if (stream == Stream::weight) counters_->weight_buffer_write += total;
  if (stream == Stream::activation) counters_->activation_buffer_write += total;
  if (stream == Stream::partial_sum) counters_->output_buffer_write += total;
}

void TileLoader::dma_done(std::uint64_t token, tlm::tlm_response_status status) {
  --in_flight_;
  Slot& slot = slots_[token & 0xFF];
  if (token >> 16 == generation_) {
    --slot.pending;
    slot.ready_cycle = clock_.now();
    slot.last_stream = static_cast<Stream>(token >> 8 & 0xFF);
    if (status != tlm::TLM_OK_RESPONSE) failed_ = true;
  }
  if (slot.pending == 0 || failed_ || in_flight_ == 0) changed_.notify();
}

bool TileLoader::ready(const LoadedJob& job) const {
  return slots_[job.activation_slot].pending == 0 && slots_[job.weight_slot].pending == 0 &&
         (!job.job.refill || slots_[job.refill_slot].pending == 0);
}

std::uint64_t TileLoader::ready_cycle(const LoadedJob& job) const {
  const auto operands = std::max(slots_[job.activation_slot].ready_cycle, slots_[job.weight_slot].ready_cycle);
  return job.job.refill ? std::max(operands, slots_[job.refill_slot].ready_cycle) : operands;
}

Stream TileLoader::last_stream(const LoadedJob& job) const {
  const Slot& activation = slots_[job.activation_slot];
  const Slot& weight = slots_[job.weight_slot];
  if (job.job.refill && slots_[job.refill_slot].ready_cycle == ready_cycle(job)) return Stream::partial_sum;
  return weight.ready_cycle >= activation.ready_cycle ? weight.last_stream : activation.last_stream;
}

void TileLoader::finish_front() {
  const LoadedJob job = jobs_.front();
  jobs_.pop_front();
  --slots_[job.activation_slot].users;
  --slots_[job.weight_slot].users;
  if (job.job.refill) --slots_[job.refill_slot].users;
  issue();
}

const QuantizedTensor& TileLoader::activation(const LoadedJob& job) {
  return unpacked(slots_[job.activation_slot], command_.a, {job.job.m0, job.job.m, job.job.k0, job.job.k},
                  job.job.instance);
}

const QuantizedTensor& TileLoader::weight(const LoadedJob& job) {
  return unpacked(slots_[job.weight_slot], weight_segment(command_, job.segment),
                  {job.job.n0, job.job.n, job.weight_k0, job.job.k}, job.job.instance);
}

const QuantizedTensor& TileLoader::unpacked(Slot& slot, const OperandDescriptor& operand, const TileRange& range,
                                            std::uint64_t instance) {
  if (!slot.unpacked) {
    slot.tile = unpack_tile(operand.layout(instance), operand.format, range, slot.bytes);
    slot.tile.tensor_exponent = operand.exponent;
    slot.unpacked = true;
  }
  return slot.tile;
}

}  // namespace nibble
