// SPDX-License-Identifier: Apache-2.0
#include "accelerators/tile_loader.h"

#include <algorithm>
#include <utility>

namespace nibble {
namespace {

/// What the next command's loads may have on the bus: a store of the running command waits for no more. [D] two pages
/// of DRAM keep a channel busy.
constexpr std::uint64_t background_bytes = 4096;
constexpr std::uint64_t background_pieces = 2;
constexpr std::uint8_t background_priority = DmaConfig::priorities - 1;

/// Cuts a run into runs of at most `bytes`, or a row.
std::vector<MemoryRun> cut(const MemoryRun& run, std::uint64_t bytes) {
  std::vector<MemoryRun> parts;
  if (run.row_bytes <= bytes) {
    const std::uint64_t together = bytes / run.row_bytes;
    for (std::uint64_t row = 0; row < run.rows; row += together) {
      MemoryRun part = run;
      part.address += row * run.stride;
      part.rows = std::min(together, run.rows - row);
      parts.push_back(part);
    }
    return parts;
  }
  for (std::uint64_t row = 0; row < run.rows; ++row) {
    for (std::uint64_t at = 0; at < run.row_bytes; at += bytes) {
      MemoryRun part = run;
      part.address += row * run.stride + at;
      part.row_bytes = part.stride = std::min(bytes, run.row_bytes - at);
      part.rows = 1;
      parts.push_back(part);
    }
  }
  return parts;
}

}  // namespace

MemoryRun partial_sum_run(const Descriptor& command, const TileJob& job) {
  MemoryRun run;
  run.address = command.scratch_address + (job.m0 * command.n + job.n0 * job.m) * 4;
  run.row_bytes = run.stride = job.m * job.n * 4;
  return run;
}

JobWalk::JobWalk(const Descriptor& command) : command_(command), schedule_(shape_of(command), command.tiling) {}

std::optional<LoadedJob> JobWalk::next() {
  if (behind_) return next_continuation();
  const auto tile = schedule_.next();
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
std::uint64_t JobWalk::visible_reduction(const TileJob& tile) const {
  const std::uint64_t all = reduction_of(command_);
  if (command_.causal != CausalMask::context) return all;
  return std::min(all, command_.past + (tile.m0 + tile.m - 1) / command_.rows_per_token + 1);
}

/// The next part of the continuations of the tile behind_, from its k0 on, in tiles of the schedule's extent along k.
LoadedJob JobWalk::next_continuation() {
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

TileLoader::TileLoader(DmaEngine& dma, const ResultWriter& writer, const MachineClock& clock)
    : dma_(dma), writer_(writer), clock_(clock) {}

void TileLoader::start(const Descriptor& command, std::uint64_t output_tiles, CommandCounters& counters) {
  weights_ahead_ = ahead_ ? ahead_->issued : 0;
  if (ahead_) {
    current_ = static_cast<const Command&>(*ahead_);
    ahead_.reset();
  } else {
    current_ = Command{command, nullptr, ++last_number_};
  }
  current_.counters = &counters;
  output_tiles_ = output_tiles;
  after_continuation_ = false;
  walk_.emplace(command);
  exhausted_ = false;
  for (auto& slot : slots_)
    slot.users = 0;
  issue();
}

void TileLoader::cancel() {
  if (weights_ahead_ > 0) drop_pieces();
  weights_ahead_ = 0;
  jobs_.clear();
  queued_.reset();
  walk_.reset();
  exhausted_ = true;
  issue_ahead();
}

TileLoader::Ahead::Ahead() = default;

void TileLoader::prefetch(const Descriptor& command, CommandCounters& counters) {
  ahead_.emplace();
  ahead_->descriptor = command;
  ahead_->counters = &counters;
  ahead_->number = ++last_number_;
  JobWalk walk(command);
  for (auto job = walk.next(); job && ahead_->tiles.size() < 2 && job->job.load_weight; job = walk.next())
    ahead_->tiles.push_back(*job);
  issue_ahead();
}

void TileLoader::drop_prefetch() {
  if (!ahead_) return;
  dropped_in_flight_ += ahead_->in_flight;
  drop_pieces();
  ahead_.reset();
}

void TileLoader::drop_pieces() {
  for (const Piece& piece : pieces_)
    --slots_[piece.slot].pending;
  pieces_.clear();
}

/// Slots are taken in turns: those behind the running command's last one are the next command's first two.
void TileLoader::issue_ahead() {
  if (!ahead_ || !exhausted_ || current_.failed) return;
  for (; ahead_->issued < ahead_->tiles.size(); ++ahead_->issued) {
    const unsigned slot = ahead_->issued == 0 ? weight_slot_ ^ 1u : weight_slot_;
    if (slots_[slot].users > 0) break;
    std::vector<MemoryRun> runs;
    for (const MemoryRun& run : weight_runs(ahead_->descriptor, ahead_->tiles[ahead_->issued])) {
      const std::vector<MemoryRun> parts = cut(run, background_bytes);
      runs.insert(runs.end(), parts.begin(), parts.end());
    }
    const std::vector<Piece> pieces = pieces_of(slot, runs, weight_stream(ahead_->descriptor));
    occupy(slot, pieces, *ahead_);
    pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
  }
  feed_ahead();
}

/// What is left of a tile that was asked for ahead, now in long runs.
void TileLoader::complete(unsigned slot) {
  while (!pieces_.empty() && pieces_.front().slot == slot) {
    Piece piece = pieces_.front();
    pieces_.pop_front();
    for (; !pieces_.empty() && continues(piece, pieces_.front()); pieces_.pop_front()) {
      piece.run.row_bytes += pieces_.front().run.row_bytes;
      piece.run.stride = piece.run.row_bytes;
      --slots_[slot].pending;
    }
    submit(piece, current_);
  }
}

bool TileLoader::continues(const Piece& first, const Piece& second) {
  return first.slot == second.slot && first.run.metadata == second.run.metadata && first.run.rows == 1 &&
         second.run.rows == 1 && first.run.address + first.run.row_bytes == second.run.address;
}

void TileLoader::feed_ahead() {
  if (!ahead_ || writer_.on_the_way()) return;
  for (; !pieces_.empty() && ahead_->in_flight < background_pieces; pieces_.pop_front()) {
    ahead_->counters->prefetched_bytes += pieces_.front().run.bytes();
    submit(pieces_.front(), *ahead_, background_priority);
  }
}

void TileLoader::issue() {
  while (!current_.failed && !exhausted_) {
    if (!queued_) queued_ = walk_->next();
    if (!queued_) exhausted_ = true;
    if (!queued_ || !issue_one(*queued_)) break;
    queued_.reset();
  }
  issue_ahead();
}

bool TileLoader::issue_one(LoadedJob next) {
  const TileJob& job = next.job;
  const Descriptor& command = current_.descriptor;
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
  if (load_activation && command.a.on_chip) {
    slots_[activation_slot].ready_cycle = 0;
  } else if (load_activation) {
    load(activation_slot, activation_runs(command, job), Stream::activation);
  }
  if (load_weight && weights_ahead_ > 0) {
    --weights_ahead_;
    complete(weight_slot);
  } else if (load_weight) {
    load(weight_slot, weight_runs(command, next), weight_stream(command));
  }
  if (job.refill) load(next.refill_slot, {partial_sum_run(command, job)}, Stream::partial_sum);
  return true;
}

std::vector<MemoryRun> TileLoader::activation_runs(const Descriptor& command, const TileJob& job) {
  return tile_runs(command.a, job.instance, {job.m0, job.m, job.k0, job.k});
}

std::vector<MemoryRun> TileLoader::weight_runs(const Descriptor& command, const LoadedJob& job) {
  const OperandDescriptor part = weight_segment(command, job.segment);
  return tile_runs(part, job.job.instance, {job.job.n0, job.job.n, job.weight_k0, job.job.k});
}

Stream TileLoader::weight_stream(const Descriptor& command) {
  return command.w.cache ? Stream::key_value : Stream::weight;
}

/// With room for one tile only, the one before must have left the output buffer; in any case the sums must be in
/// memory.
bool TileLoader::may_refill(const TileJob& job) const {
  if (slots_[refill_slot_ ^ 1u].users > 0) return false;
  if (output_tiles_ < 2) return jobs_.empty() && writer_.outstanding() == 0;
  const bool in_array = std::any_of(jobs_.begin(), jobs_.end(), [&](const LoadedJob& other) {
    return other.job.m0 == job.m0 && other.job.n0 == job.n0;
  });
  return !in_array && !writer_.writing(partial_sum_run(current_.descriptor, job).address);
}

std::vector<TileLoader::Piece> TileLoader::pieces_of(unsigned slot, const std::vector<MemoryRun>& runs, Stream stream) {
  std::vector<Piece> pieces;
  std::uint64_t at = 0;
  for (const MemoryRun& run : runs) {
    pieces.push_back({slot, run, stream, at});
    at += run.bytes();
  }
  return pieces;
}

void TileLoader::load(unsigned index, const std::vector<MemoryRun>& runs, Stream stream) {
  const std::vector<Piece> pieces = pieces_of(index, runs, stream);
  occupy(index, pieces, current_);
  for (const Piece& piece : pieces)
    submit(piece, current_);
}

/// The slot waits for these pieces, which the command will have asked for.
void TileLoader::occupy(unsigned index, const std::vector<Piece>& pieces, const Command& command) {
  std::uint64_t total = 0;
  for (const Piece& piece : pieces) {
    count(index, piece.run.bytes(), piece.stream, *command.counters);
    total += piece.run.bytes();
  }
  Slot& slot = slots_[index];
  slot.unpacked = false;
  slot.pending = static_cast<unsigned>(pieces.size());
  if (!command.descriptor.timing_only) slot.bytes.resize(total);
}

void TileLoader::count(unsigned slot, std::uint64_t bytes, Stream stream, CommandCounters& counters) {
  counters.read_bytes[static_cast<unsigned>(stream)] += bytes;
  if (slot < 2) {
    counters.activation_buffer_write += bytes;
  } else if (slot < 4) {
    counters.weight_buffer_write += bytes;
  } else {
    counters.output_buffer_write += bytes;
  }
}

void TileLoader::leave_out(std::uint64_t units, const std::function<void(const LoadedJob&)>& job) {
  JobWalk walk = *walk_;
  const std::uint64_t first = walk.schedule().first_ahead();
  walk_->schedule().skip_units(units);
  const Descriptor& command = current_.descriptor;
  bool after_continuation = false;
  for (auto next = walk.next(); next; next = walk.next()) {
    const std::uint64_t unit = walk.schedule().unit_of(next->job);
    if (unit >= first + units) break;
    if (unit >= first) {
      const auto ask = [&](unsigned slot, const std::vector<MemoryRun>& runs, Stream stream) {
        for (const MemoryRun& run : runs)
          count(slot, run.bytes(), stream, *current_.counters);
      };
      if ((next->job.load_activation || after_continuation) && !command.a.on_chip)
        ask(activation_slot_, activation_runs(command, next->job), Stream::activation);
      if (next->job.load_weight || after_continuation)
        ask(weight_slot_, weight_runs(command, *next), weight_stream(command));
      if (next->job.refill) ask(refill_slot_, {partial_sum_run(command, next->job)}, Stream::partial_sum);
      job(*next);
    }
    after_continuation = next->segment > 0;
  }
}

void TileLoader::submit(const Piece& piece, Command& command, std::uint8_t priority) {
  DmaTransfer transfer;
  transfer.address = piece.run.address;
  transfer.row_bytes = piece.run.row_bytes;
  transfer.rows = piece.run.rows;
  transfer.stride = piece.run.stride;
  transfer.stream = piece.run.metadata ? Stream::metadata : piece.stream;
  transfer.priority = priority;
  if (!command.descriptor.timing_only) transfer.data = slots_[piece.slot].bytes.data() + piece.at;
  ++command.in_flight;
  dma_.submit(transfer, *this, piece.slot | static_cast<std::uint64_t>(transfer.stream) << 8 | command.number << 16);
}

void TileLoader::dma_done(std::uint64_t token, tlm::tlm_response_status status) {
  Slot& slot = slots_[token & 0xFF];
  --slot.pending;
  slot.ready_cycle = clock_.now();
  slot.last_stream = static_cast<Stream>(token >> 8 & 0xFF);
  const std::uint64_t number = token >> 16;
  if (number == current_.number || (ahead_ && number == ahead_->number)) {
    Command& command = number == current_.number ? current_ : *ahead_;
    --command.in_flight;
    if (status != tlm::TLM_OK_RESPONSE) command.failed = true;
  } else {
    --dropped_in_flight_;
  }
  feed_ahead();
  if (slot.pending == 0 || current_.failed || quiet()) changed_.notify();
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
  return unpacked(slots_[job.activation_slot], current_.descriptor.a, {job.job.m0, job.job.m, job.job.k0, job.job.k},
                  job.job.instance);
}

const QuantizedTensor& TileLoader::weight(const LoadedJob& job) {
  return unpacked(slots_[job.weight_slot], weight_segment(current_.descriptor, job.segment),
                  {job.job.n0, job.job.n, job.weight_k0, job.job.k}, job.job.instance);
}

const QuantizedTensor& TileLoader::unpacked(Slot& slot, const OperandDescriptor& operand, const TileRange& range,
                                            std::uint64_t instance) {
  if (!slot.unpacked) {
    slot.tile = unpack_tile(operand, instance, range, slot.bytes);
    slot.tile.tensor_exponent = operand.exponent;
    slot.unpacked = true;
  }
  return slot.tile;
}

}  // namespace nibble
