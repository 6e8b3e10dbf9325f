// SPDX-License-Identifier: Apache-2.0
#include "accelerators/accelerator.h"

#include <array>

#include "core/units.h"
#include "transport/messages.h"

namespace nibble {
namespace reg = control_register;

Accelerator::Accelerator(sc_core::sc_module_name name, const MachineConfig& config, Statistics* statistics)
    : sc_module(name),
      config_(config.clone()),
      clock_(config.clock_mhz),
      dma_("dma", config.dma, statistics),
      writer_("writer", dma_, clock_),
      vector_writer_("vector_writer", dma_, clock_),
      status_writer_("status_writer", dma_, clock_),
      gemm_(config_->make_engine(dma_, writer_, clock_)),
      vector_(*config_, dma_, vector_writer_, clock_),
      registers_(register_table()) {
  SC_HAS_PROCESS(Accelerator);
  control.bind(*this);
  dma_.memory.bind(memory);
  SC_THREAD(sequence);
  SC_METHOD(drive_irq);
  sensitive << irq_changed_;
  SC_THREAD(run_matrix);
  SC_THREAD(run_vector);
  SC_METHOD(status_written);
  sensitive << status_writer_.changed();
  dont_initialize();
  SC_METHOD(feed_prefetch);
  sensitive << writer_.changed() << vector_writer_.changed() << status_writer_.changed();
  dont_initialize();
  writer_.pause_for({&vector_writer_, &status_writer_});
  gemm_neighbours_.alone = [this] { return alone(matrix_unit_); };
  gemm_->watch(gemm_neighbours_);
  vector_neighbours_.alone = [this] { return alone(vector_unit_); };
  vector_.watch(vector_neighbours_);
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
       [this](std::uint32_t) { wake_.notify(sc_core::SC_ZERO_TIME); }},
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

void Accelerator::access_register(tlm::tlm_generic_payload& payload) {
  registers_.access(payload);
  const int verbosity = payload.is_response_ok() ? sc_core::SC_HIGH : sc_core::SC_LOW;
  tell(message::reg, verbosity, this, [&] {
    const std::string text = registers_.text(payload.get_address());
    return describe(payload) + (text.empty() ? "" : ": ") + text;
  });
}

void Accelerator::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  access_register(payload);
  delay += clock_.period();
}

tlm::tlm_sync_enum Accelerator::nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                                sc_core::sc_time& delay) {
  if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
  access_register(payload);
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
  tell(message::command, sc_core::SC_LOW, this,
       [&] { return "reset with " + std::to_string(window_.size()) + " commands under way"; });
  registers_.reset();
  halted_ = false;
  reset_ = !window_.empty();
  for (auto& entry : window_)
    entry->abort = true;
  gemm_->drop_prefetch();
  set_status(reset_, false);
  wake_.notify(sc_core::SC_ZERO_TIME);
  irq_changed_.notify(sc_core::SC_ZERO_TIME);
}

/// Nothing more runs until a reset.
void Accelerator::stop() {
  tell(message::command, sc_core::SC_LOW, this, [] { return "stops until reset"; });
  halted_ = true;
  set_status(false, true);
  raise(2);
}

}  // namespace nibble
