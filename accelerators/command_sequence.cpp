// SPDX-License-Identifier: Apache-2.0
/// The part of Accelerator that fetches, begins and completes commands.
#include <algorithm>
#include <utility>

#include "accelerators/accelerator.h"
#include "core/units.h"
#include "transport/messages.h"

namespace nibble {
namespace {

namespace reg = control_register;

std::string text_of(const Descriptor& command) {
  const std::string head = "command " + std::to_string(command.tag) + ", ";
  if (command.opcode == Opcode::vector) return head + "vector, " + std::to_string(command.output_bytes) + " bytes out";
  if (command.opcode != Opcode::gemm) return head + (command.opcode == Opcode::nop ? "nop" : "of no known kind");
  return head + "gemm " + std::to_string(command.count) + " x " + std::to_string(command.m) + " x " +
         std::to_string(command.k) + " x " + std::to_string(command.n) + ", " + command.a.format.name() + " by " +
         command.w.format.name();
}

}  // namespace

std::optional<std::uint64_t> Accelerator::descriptor_address(std::size_t ahead) const {
  const std::uint32_t index = registers_.get(reg::completed);
  const std::uint32_t posted = registers_.get(reg::doorbell) - index;
  const std::uint32_t entries = registers_.get(reg::queue_entries);
  if (!is_power_of_two(entries) || entries > 4096 || posted > entries || ahead >= posted) return std::nullopt;
  const std::uint64_t base =
      registers_.get(reg::queue_base_low) | static_cast<std::uint64_t>(registers_.get(reg::queue_base_high)) << 32;
  return base + (index + static_cast<std::uint32_t>(ahead)) % entries * descriptor_bytes;
}

/// The command processor: at every edge at which something has happened, whatever is possible then.
void Accelerator::sequence() {
  for (;;) {
    clock_.wait_until(clock_.now());
    if (reset_ || (halted_ && !window_.empty())) drain();
    while (step()) {
    }
    if (waits_for_room_) {
      sc_core::wait(wake_ | writer_.changed());
    } else {
      sc_core::wait(wake_);
    }
  }
}

bool Accelerator::step() {
  if (reset_ || halted_) return false;
  return complete_oldest() || begin_next() || announce_weights() || fetch_next();
}

/// Blocks until nothing of the commands in the window is on its way, and forgets them.
void Accelerator::drain() {
  gemm_->drop_prefetch();
  const auto pending = [this] {
    const bool fetching = !window_.empty() && !window_.back()->arrived;
    return fetching || matrix_unit_.command != nullptr || vector_unit_.command != nullptr ||
           status_writer_.outstanding() > 0;
  };
  while (pending())
    sc_core::wait(wake_);
  while (!gemm_->quiet())
    sc_core::wait(gemm_->changed());
  window_.clear();
  reporting_ = false;
  if (halted_) return;
  if (reset_) dma_.abort();
  reset_ = false;
  set_status(false, false);
}

/// In small steps: the status of the oldest command goes out, and is in memory.
bool Accelerator::complete_oldest() {
  if (window_.empty() || !window_.front()->ended) return false;
  InFlight& entry = *window_.front();
  if (!reporting_) {
    reporting_ = true;
    entry.reported_from = clock_.now();
    std::vector<std::uint8_t> word;
    for (unsigned i = 0; i < 4; ++i)
      word.push_back(static_cast<std::uint8_t>(static_cast<std::uint32_t>(entry.counters.status) >> (8 * i)));
    MemoryRun run;
    run.address = entry.address + Descriptor::status_offset;
    run.row_bytes = run.stride = word.size();
    status_writer_.start(entry.counters);
    status_writer_.write(clock_.now(), {run}, std::move(word), Stream::command);
    return true;
  }
  if (status_writer_.outstanding() > 0) return false;
  complete();
  return true;
}

void Accelerator::complete() {
  const std::unique_ptr<InFlight> entry = std::move(window_.front());
  window_.pop_front();
  reporting_ = false;
  const std::uint64_t now = clock_.now();
  CommandCounters& counters = entry->counters;
  // A status word that cannot be written is reported through the error interrupt alone.
  if (status_writer_.failed()) counters.status = CommandStatus::bus_error;
  counters.output_stall(Stream::command, now - entry->reported_from);
  counters.end_beside();
  registers_.set(reg::completed, registers_.get(reg::completed) + 1);
  set_status(!window_.empty(), false);
  if (!window_.empty()) {
    InFlight& next = *window_.front();
    if (next.begun) {
      next.counters.come_first(now, next.ended);
    } else {
      next.begin = now;
    }
  }
  const bool done = counters.status == CommandStatus::done;
  tell(message::command, done ? sc_core::SC_MEDIUM : sc_core::SC_LOW, this, [&] {
    return "command " + std::to_string(entry->command.tag) + " completed, " + to_string(counters.status) + ", " +
           std::to_string(counters.cycles) + " cycles";
  });
  if (observer_) observer_(entry->command.tag, entry->begin + counters.ahead_cycles, counters);
  if (!done) {
    stop();
    for (auto& other : window_)
      other->abort = true;
    wake_.notify(sc_core::SC_ZERO_TIME);
  } else if (entry->command.interrupt) {
    raise(1);
  }
}

CommandStatus Accelerator::check(const Descriptor& command) const {
  switch (command.opcode) {
    case Opcode::gemm:
      return gemm_->check(command);
    case Opcode::vector:
      return vector_.check(command);
    case Opcode::nop:
      return CommandStatus::done;
    case Opcode::invalid:
      break;
  }
  return CommandStatus::bad_opcode;
}

Accelerator::Unit* Accelerator::unit_of(const Descriptor& command) {
  if (command.opcode == Opcode::gemm) return &matrix_unit_;
  return command.opcode == Opcode::vector ? &vector_unit_ : nullptr;
}

/// The buffers hold a command beside the one that the other unit runs.
bool Accelerator::fits_beside(const Descriptor& command) const {
  const bool gemm = command.opcode == Opcode::gemm;
  const BufferUse own = gemm ? gemm_->buffer_use(command) : vector_.buffer_use(command);
  const BufferUse& other = gemm ? vector_unit_.use : matrix_unit_.use;
  const std::uint64_t scores = own.scores || other.scores ? config_->score_bytes() : 0;
  return own.activation_bytes + other.activation_bytes + scores <= config_->shared_activation_bytes() &&
         own.output_bytes + other.output_bytes <= config_->shared_output_bytes();
}

/// `older`: commands before it that have not completed; all of them have begun.
bool Accelerator::may_begin(const InFlight& entry, std::size_t older) {
  waits_for_room_ = false;
  if (older == 0) return true;
  const Descriptor& command = entry.command;
  if (!config_->vector_unit.overlap || older > command.independent || descriptor_address(older) != entry.address ||
      entry.verdict != CommandStatus::pending)
    return false;
  for (std::size_t i = 0; i < older; ++i) {
    if (window_[i]->ended && window_[i]->counters.status != CommandStatus::done) return false;
  }
  if (unit_of(command)->command != nullptr || !fits_beside(command)) return false;
  // The tiles that the GEMM command holds beyond the least that it takes leave the output buffer first.
  waits_for_room_ =
      command.opcode == Opcode::vector && matrix_unit_.command != nullptr &&
      gemm_->held_output_bytes() + vector_.buffer_use(command).output_bytes > config_->shared_output_bytes();
  return !waits_for_room_;
}

bool Accelerator::begin_next() {
  const auto next = std::find_if(window_.begin(), window_.end(), [](const auto& entry) { return !entry->begun; });
  if (next == window_.end() || !(*next)->arrived) return false;
  const auto older = static_cast<std::size_t>(next - window_.begin());
  if (older == 0 && descriptor_address(0) != (*next)->address) {
    // What was fetched ahead is not to be run: its doorbell was taken back, or the ring was moved.
    drain();
    return true;
  }
  if (!may_begin(**next, older)) return false;
  begin(**next, older);
  return true;
}

/// A command without any before it begins where the last one completed: what was done for it earlier takes none of its
/// cycles, and what is left of its fetch is waiting for memory.
void Accelerator::begin(InFlight& entry, std::size_t older) {
  const std::uint64_t now = clock_.now();
  tell(message::command, sc_core::SC_MEDIUM, this, [&] {
    const std::string beside = older == 0 ? "" : ", beside " + std::to_string(older) + " older";
    return text_of(entry.command) + ", begins" + beside;
  });
  entry.begun = true;
  if (older == 0) {
    entry.counters.memory_stall(Stream::command, now - entry.begin);
  } else {
    entry.begin = now;
    entry.counters.begin_beside(entry.time, now);
  }
  entry.counters.status = entry.verdict;
  if (entry.counters.status != CommandStatus::pending) {
    entry.ended = true;
    return;
  }
  Unit& unit = *unit_of(entry.command);
  const bool gemm = entry.command.opcode == Opcode::gemm;
  unit.command = &entry;
  unit.use = gemm ? gemm_->buffer_use(entry.command) : vector_.buffer_use(entry.command);
  if (!gemm) gemm_neighbours_.output_bytes = unit.use.output_bytes;
  unit.start.notify(sc_core::SC_ZERO_TIME);
}

void Accelerator::run_matrix() {
  for (;;) {
    sc_core::wait(matrix_unit_.start);
    InFlight& entry = *matrix_unit_.command;
    matrix_unit_.under_way = true;
    wake_.notify(sc_core::SC_ZERO_TIME);
    entry.counters.watch(matrix_unit_.observer, clock_.now());
    end(matrix_unit_, gemm_->run(entry.command, entry.counters, entry.abort));
  }
}

void Accelerator::run_vector() {
  for (;;) {
    sc_core::wait(vector_unit_.start);
    InFlight& entry = *vector_unit_.command;
    entry.counters.watch(vector_unit_.observer, clock_.now());
    end(vector_unit_, vector_.run(entry.command, entry.counters, entry.abort));
    gemm_neighbours_.output_bytes = 0;
  }
}

void Accelerator::end(Unit& unit, CommandStatus status) {
  unit.command->counters.status = status;
  unit.command->counters.watch(nullptr, 0);
  unit.command->ended = true;
  unit.command = nullptr;
  unit.use = {};
  unit.under_way = false;
  wake_.notify(sc_core::SC_ZERO_TIME);
}

/// No command runs beside the unit's own, and none will before it has ended.
bool Accelerator::alone(const Unit& unit) const {
  if (!config_->vector_unit.overlap) return true;
  if (window_.front().get() != unit.command) return false;
  for (std::size_t older = 1; older < window_.size(); ++older) {
    const InFlight& other = *window_[older];
    if (other.ended) continue;
    if (other.begun || !other.arrived) return false;
    return older > other.command.independent || other.command.opcode == unit.command->command.opcode ||
           other.verdict != CommandStatus::pending || !fits_beside(other.command);
  }
  return !descriptor_address(window_.size());
}

/// Reads the next descriptor once it is posted; while others are in the window, as far ahead as that goes.
bool Accelerator::fetch_next() {
  const std::size_t depth = config_->prefetch_next ? window_commands : 1;
  if (window_.size() >= depth || (!window_.empty() && !window_.back()->arrived)) return false;
  const auto address = descriptor_address(window_.size());
  if (!address) {
    if (window_.empty() && registers_.get(reg::doorbell) != registers_.get(reg::completed)) stop();
    return false;
  }
  InFlight& entry = *window_.emplace_back(std::make_unique<InFlight>());
  entry.address = *address;
  entry.begin = clock_.now();
  entry.counters.read_bytes[static_cast<unsigned>(Stream::command)] = descriptor_bytes;
  if (window_.size() > 1) entry.counters.prefetched_bytes = descriptor_bytes;
  set_status(true, false);
  DmaTransfer request;
  request.address = *address;
  request.row_bytes = request.stride = descriptor_bytes;
  request.stream = Stream::command;
  request.data = entry.bytes.data();
  dma_.submit(request, *this, 0);
  return true;
}

void Accelerator::dma_done(std::uint64_t, tlm::tlm_response_status status) {
  InFlight& entry = *window_.back();
  entry.arrived = true;
  if (!Descriptor::unpack(entry.bytes, entry.command)) entry.command.opcode = Opcode::invalid;
  entry.verdict = status == tlm::TLM_OK_RESPONSE ? check(entry.command) : CommandStatus::bus_error;
  tell(message::command, sc_core::SC_HIGH, this, [&] { return text_of(entry.command) + ", fetched"; });
  wake_.notify(sc_core::SC_ZERO_TIME);
}

/// The next GEMM command's weights are read ahead when the commands that they may depend on have completed.
bool Accelerator::announce_weights() {
  if (matrix_unit_.command != nullptr && !matrix_unit_.under_way) return false;
  for (std::size_t older = 1; older < window_.size(); ++older) {
    InFlight& entry = *window_[older];
    if (entry.begun) continue;
    if (!entry.arrived) return false;
    if (entry.verdict != CommandStatus::pending) return false;
    if (entry.command.opcode != Opcode::gemm) continue;
    if (entry.weights_announced || older > entry.command.weights_ready) return false;
    entry.weights_announced = true;
    tell(message::command, sc_core::SC_HIGH, this, [&] { return text_of(entry.command) + ", weights are read ahead"; });
    gemm_->prefetch(entry.command, entry.counters);
    return true;
  }
  return false;
}

}  // namespace nibble
