// SPDX-License-Identifier: Apache-2.0
/// A machine of any kind as an IP block: `control` (registers), `memory` (several outstanding transactions), `irq`. Its
/// configuration says what executes GEMM commands (matrix_engine.h); vector commands run on its vector unit.
///
/// A host places descriptors (accelerators/descriptor.h) in a ring in memory, sets the queue registers and writes the
/// number of descriptors posted so far to `doorbell`. The machine fetches them ahead, begins and completes them in
/// order, writes each one's status word, and raises `irq`. A command begins when all before it have completed; when it
/// declares itself independent of the last of them (Descriptor::independent), one on the matrix engine and one on the
/// vector unit run side by side, if the buffers hold both. Weight tiles that do not depend on what runs are read ahead
/// (Descriptor::weights_ready). An error response on `memory` ends the command with an
/// error status and an interrupt; the machine then stops until it is reset. So does a doorbell that runs ahead of its
/// ring, or a ring of an impossible size. Not modelled: translation of addresses, several queues.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/machine_clock.h"
#include "accelerators/machine_config.h"
#include "accelerators/matrix_engine.h"
#include "accelerators/result_writer.h"
#include "accelerators/vector_engine.h"
#include "core/statistics.h"
#include "memory/dma_engine.h"
#include "transport/register_file.h"

namespace nibble {

class Accelerator : public sc_core::sc_module, public tlm::tlm_fw_transport_if<>, private DmaListener {
 public:
  tlm::tlm_target_socket<> control{"control"};
  tlm::tlm_initiator_socket<> memory{"memory"};
  sc_core::sc_out<bool> irq{"irq"};

  Accelerator(sc_core::sc_module_name name, const MachineConfig& config, Statistics* statistics = nullptr);

  /// Called at the end of each command with its tag and counters; an observer, it changes nothing.
  using Observer = std::function<void(std::uint32_t tag, std::uint64_t begin_cycle, const CommandCounters& counters)>;
  void observe(Observer observer) { observer_ = std::move(observer); }
  /// How the units spend their time on commands; nullptr: nobody is told. Observers change nothing.
  void observe_units(SpendObserver* matrix, SpendObserver* vector) {
    matrix_unit_.observer = matrix;
    vector_unit_.observer = vector;
  }
  /// See MatrixEngine.
  void repeat_stretches(bool on) {
    gemm_->repeat_stretches(on);
    vector_.repeat_stretches(on);
  }
  const MachineConfig& config() const { return *config_; }
  const RegisterFile& registers() const { return registers_; }
  const DmaEngine& dma() const { return dma_; }

  // tlm_fw_transport_if (control)
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) override;
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override;

 private:
  std::vector<Register> register_table();
  void drive_irq();
  void reset();
  void stop();
  void raise(std::uint32_t cause);
  void set_status(bool busy, bool error);
  void access_register(tlm::tlm_generic_payload& payload);

  // command_sequence.cpp
  /// A command between the fetch of its descriptor and its status. In time: requested, arrived, begun, ended,
  /// completed.
  struct InFlight {
    std::uint64_t address = 0;
    std::array<std::uint8_t, descriptor_bytes> bytes{};
    Descriptor command;
    CommandCounters counters;
    TimeBeside time;
    CommandStatus verdict = CommandStatus::pending;  ///< on its descriptor, when it has arrived
    bool arrived = false, begun = false, ended = false;
    bool abort = false;               ///< it is to end without a trace
    bool weights_announced = false;   ///< to the matrix engine, ahead of its turn
    std::uint64_t begin = 0;          ///< edge
    std::uint64_t reported_from = 0;  ///< edge from which its status is written
  };
  /// A unit that runs one command at a time, and what it takes of the shared buffers.
  struct Unit {
    InFlight* command = nullptr;
    SpendObserver* observer = nullptr;
    BufferUse use;
    bool under_way = false;  ///< it has begun to run it
    sc_core::sc_event start;
  };
  void sequence();
  void status_written() { wake_.notify(sc_core::SC_ZERO_TIME); }
  void feed_prefetch() { gemm_->feed_prefetch(); }
  void run_matrix();
  void run_vector();
  bool step();
  bool complete_oldest();
  void complete();
  bool begin_next();
  void begin(InFlight& entry, std::size_t older);
  bool fetch_next();
  bool announce_weights();
  void drain();
  /// Address of descriptor `ahead` behind the completed ones.
  std::optional<std::uint64_t> descriptor_address(std::size_t ahead) const;
  CommandStatus check(const Descriptor& command) const;
  Unit* unit_of(const Descriptor& command);
  bool may_begin(const InFlight& entry, std::size_t older);
  bool fits_beside(const Descriptor& command) const;
  bool alone(const Unit& unit) const;
  void end(Unit& unit, CommandStatus status);
  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;

  const std::unique_ptr<const MachineConfig> config_;
  const MachineClock clock_;
  DmaEngine dma_;
  ResultWriter writer_, vector_writer_, status_writer_;  ///< of the matrix engine, the vector unit, the sequencer
  const std::unique_ptr<MatrixEngine> gemm_;
  VectorEngine vector_;
  RegisterFile registers_;
  Observer observer_;
  sc_core::sc_event wake_, irq_changed_;
  std::deque<std::unique_ptr<InFlight>> window_;  ///< the oldest command first
  Unit matrix_unit_, vector_unit_;
  Neighbours gemm_neighbours_, vector_neighbours_;
  bool waits_for_room_ = false;  ///< the next command: in the output buffer
  bool reporting_ = false;       ///< the status of the oldest command is being written
  bool reset_ = false;           ///< the commands in the window are to end without a trace
  bool halted_ = false;
};

}  // namespace nibble
