// SPDX-License-Identifier: Apache-2.0
#include "accelerators/accelerator.h"

#include <array>

#include "core/units.h"

namespace nibble {
namespace reg = control_register;

Accelerator::Accelerator(sc_core::sc_module_name name, const MachineConfig& config, Statistics* statistics)
    : sc_module(name),
      config_(config.clone()),
      clock_(config.clock_mhz),
      dma_("dma", config.dma, statistics),
      writer_("writer", dma_, clock_),
      gemm_(config_->make_engine(dma_, writer_, clock_)),
      vector_(*config_, dma_, writer_, clock_),
      registers_(register_table()) {
  SC_HAS_PROCESS(Accelerator);
  control.bind(*this);
  dma_.memory.bind(memory);
  SC_THREAD(sequence);
  SC_METHOD(drive_irq);
  sensitive << irq_changed_;
  SC_METHOD(look_ahead);
  sensitive << doorbell_;
  dont_initialize();
  SC_METHOD(feed_prefetch);
  sensitive << writer_.changed();
  dont_initialize();
}

std::vector<Register> Accelerator::register_table() {
  const auto update_irq = [this](std::uint32_t) { irq_changed_.notify(sc_core::SC_ZERO_TIME); };
  return {
      {"id", reg::id, Access::read_only, reg::id_value, "\"NIBL\""},
      {"version", reg::version, Access::read_only, descriptor_version, "version of the descriptor format"},
      {"capability", reg::capability, Access::read_only, 7,
       "bit 0 GEMM, bit 1 vector functions, bit 2 functional data"},
      {"array_shape", reg::array_shape, Access::read_only, config_->shape_register(), config_->shape_meaning()},
      {"queue_base_low", reg::queue_base_low, Access::read_write, 0, "address of the descriptor ring, low word"},
      {"queue_base_high", reg::queue_base_high, Access::read_write, 0, "address of the descriptor ring, high word"},
      {"queue_entries", reg::queue_entries, Access::read_write, 0,
       "descriptors in the ring, a power of two up to 4096"},
      {"doorbell", reg::doorbell, Access::read_write, 0,
       "descriptors posted so far, modulo 2^32; at most queue_entries beyond `completed`",
       [this](std::uint32_t) { doorbell_.notify(sc_core::SC_ZERO_TIME); }},
      {"completed", reg::completed, Access::read_only, 0, "descriptors completed so far, modulo 2^32"},
      {"status", reg::status, Access::read_only, 0, "bit 0 busy, bit 1 stopped by an error (until reset)"},
      {"interrupt_enable", reg::interrupt_enable, Access::read_write, 0, "bit 0 completion, bit 1 error", update_irq},
      {"interrupt_status", reg::interrupt_status, Access::write_one_to_clear, 0, "bit 0 completion, bit 1 error",
       update_irq},
      {"control", reg::control, Access::write_only, 0,
       "bit 0 reset: ends the command and resets all registers at once; status is busy until memory has answered",
       [this](std::uint32_t written) {
         if ((written & 1u) != 0) reset();
       }},
  };
}

void Accelerator::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  registers_.access(payload);
  delay += clock_.period();
}

tlm::tlm_sync_enum Accelerator::nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                                sc_core::sc_time& delay) {
  if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
  registers_.access(payload);
  delay += clock_.period();
  return tlm::TLM_COMPLETED;  // early completion: a register access takes one cycle
}

bool Accelerator::get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
  dmi.set_start_address(0);
  dmi.set_end_address(~sc_dt::uint64{0});
  dmi.allow_none();
  return false;
}

unsigned Accelerator::transport_dbg(tlm::tlm_generic_payload& payload) {
  return registers_.debug(payload);
}

void Accelerator::drive_irq() {
  irq.write((registers_.get(reg::interrupt_enable) & registers_.get(reg::interrupt_status)) != 0);
}

void Accelerator::raise(std::uint32_t cause) {
  registers_.set(reg::interrupt_status, registers_.get(reg::interrupt_status) | cause);
  irq_changed_.notify(sc_core::SC_ZERO_TIME);
}

void Accelerator::set_status(bool busy, bool error) {
  registers_.set(reg::status, (busy ? 1u : 0u) | (error ? 2u : 0u));
}

void Accelerator::reset() {
  registers_.reset();
  halted_ = false;
  reset_ = running_;
  gemm_->drop_prefetch();
  set_status(running_, false);
  irq_changed_.notify(sc_core::SC_ZERO_TIME);
}

/// Nothing more runs until a reset.
void Accelerator::stop() {
  halted_ = true;
  set_status(false, true);
  raise(2);
}

std::optional<std::uint64_t> Accelerator::descriptor_address(std::uint32_t ahead) const {
  const std::uint32_t index = registers_.get(reg::completed);
  const std::uint32_t posted = registers_.get(reg::doorbell) - index;
  const std::uint32_t entries = registers_.get(reg::queue_entries);
  if (!is_power_of_two(entries) || entries > 4096 || posted > entries || ahead >= posted) return std::nullopt;
  const std::uint64_t base =
      registers_.get(reg::queue_base_low) | static_cast<std::uint64_t>(registers_.get(reg::queue_base_high)) << 32;
  return base + (index + ahead) % entries * descriptor_bytes;
}

/// Address of the next descriptor; nullopt: none is posted, or the queue is impossible, which stops the machine.
std::optional<std::uint64_t> Accelerator::next_descriptor() {
  if (halted_ || registers_.get(reg::doorbell) == registers_.get(reg::completed)) return std::nullopt;
  const auto address = descriptor_address(0);
  if (!address) stop();
  return address;
}

void Accelerator::fetch(std::uint64_t address) {
  next_ = Fetched{};
  next_.requested = true;
  next_.address = address;
  next_.counters.read_bytes[static_cast<unsigned>(Stream::command)] = descriptor_bytes;
  DmaTransfer request;
  request.address = address;
  request.row_bytes = request.stride = descriptor_bytes;
  request.stream = Stream::command;
  request.data = next_.bytes.data();
  dma_.submit(request, *this, 0);
}

void Accelerator::dma_done(std::uint64_t, tlm::tlm_response_status status) {
  next_.arrived = true;
  next_.ok = status == tlm::TLM_OK_RESPONSE;
  if (next_.ok && !Descriptor::unpack(next_.bytes, next_.command)) next_.command.opcode = Opcode::invalid;
  const Descriptor& command = next_.command;
  const bool early = looking_ahead_ && !reset_ && command.weights_ready && command.opcode == Opcode::gemm;
  if (next_.ok && early && check(command) == CommandStatus::pending) gemm_->prefetch(command, next_.counters);
  fetched_.notify();
}

/// Fetches the descriptor behind the running one once it is posted.
void Accelerator::look_ahead() {
  if (!config_->prefetch_next || !looking_ahead_ || reset_ || next_.requested) return;
  const auto address = descriptor_address(1);
  if (!address) return;
  fetch(*address);
  next_.counters.prefetched_bytes = descriptor_bytes;
}

/// Blocks until nothing of a descriptor that will not be run is on its way.
void Accelerator::discard_fetched() {
  gemm_->drop_prefetch();
  while (next_.requested && !next_.arrived)
    sc_core::wait(fetched_);
  gemm_->drop_prefetch();
  while (!gemm_->quiet())
    sc_core::wait(gemm_->changed());
  next_.requested = false;
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

CommandStatus Accelerator::execute(const Descriptor& command, CommandCounters& counters) {
  const CommandStatus verdict = check(command);
  if (verdict != CommandStatus::pending) return verdict;
  return command.opcode == Opcode::gemm ? gemm_->run(command, counters, reset_)
                                        : vector_.run(command, counters, reset_);
}

bool Accelerator::write_status(std::uint64_t address, CommandStatus status, CommandCounters& counters) {
  std::array<std::uint8_t, 4> word{};
  for (unsigned i = 0; i < 4; ++i)
    word[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(status) >> (8 * i));
  MemoryRun run;
  run.address = address + Descriptor::status_offset;
  run.row_bytes = run.stride = word.size();
  writer_.start(counters);
  writer_.write(clock_.now(), {run}, {word.begin(), word.end()}, Stream::command);
  while (writer_.outstanding() > 0)
    sc_core::wait(writer_.changed());
  return !writer_.failed();
}

/// Executes one command. It begins where the one before ended: what was done for it earlier takes none of
/// its cycles.
void Accelerator::run(std::uint64_t address) {
  clock_.wait_until(clock_.now());
  set_status(true, false);
  const std::uint64_t begin = clock_.now();
  if (next_.requested && next_.address != address) discard_fetched();
  if (!next_.requested) fetch(address);
  while (!next_.arrived)
    sc_core::wait(fetched_);
  // Fetching is waiting for memory: the stream is `command`.
  clock_.wait_until(clock_.now());
  const bool fetched = next_.ok;
  const Descriptor command = next_.command;
  CommandCounters counters = next_.counters;
  next_.requested = false;
  counters.cycles = clock_.now() - begin;
  counters.memory_stall(Stream::command, counters.cycles);
  if (!reset_) {
    looking_ahead_ = true;
    look_ahead();
    counters.status = fetched ? execute(command, counters) : CommandStatus::bus_error;
  }
  if (!reset_) report(address, command, begin, counters);
  looking_ahead_ = false;
}

void Accelerator::report(std::uint64_t address, const Descriptor& command, std::uint64_t begin,
                         CommandCounters& counters) {
  const std::uint64_t ended = clock_.now();
  // A status word that cannot be written is reported through the error interrupt alone.
  if (!write_status(address, counters.status, counters)) counters.status = CommandStatus::bus_error;
  clock_.wait_until(clock_.now());
  if (reset_) return;
  // The command has ended when its status is in memory.
  counters.cycles += clock_.now() - ended;
  counters.output_stall(Stream::command, clock_.now() - ended);
  registers_.set(reg::completed, registers_.get(reg::completed) + 1);
  set_status(false, false);
  if (observer_) observer_(command.tag, begin, counters);
  if (counters.status != CommandStatus::done) {
    stop();
  } else if (command.interrupt) {
    raise(1);
  }
}

/// The command processor: one descriptor after the other.
void Accelerator::sequence() {
  for (;;) {
    const auto address = next_descriptor();
    if (!address && !next_.requested) {
      sc_core::wait(doorbell_);
      continue;
    }
    running_ = true;
    if (address) run(*address);
    // What was fetched ahead is not to be run: its doorbell was taken back, or the machine stops.
    if (!address || reset_ || halted_) discard_fetched();
    running_ = false;
    if (!reset_) continue;
    reset_ = false;
    dma_.abort();
    set_status(false, false);
  }
}

}  // namespace nibble
