// SPDX-License-Identifier: Apache-2.0
/// A machine of any kind as an IP block: `control` (registers), `memory` (several outstanding transactions), `irq`. Its
/// configuration says what executes GEMM commands (matrix_engine.h); vector commands run on its vector unit.
///
/// A host places descriptors (accelerators/descriptor.h) in a ring in memory, sets the queue registers and writes the
/// number of descriptors posted so far to `doorbell`. The machine fetches and runs them in order, one at a time, writes
/// each one's status word, and raises `irq`. While one runs, the next one's descriptor is fetched, and weight tiles
/// that it declares independent (Descriptor::weights_ready). An error response on `memory` ends the command with an
/// error status and an interrupt; the machine then stops until it is reset. So does a doorbell that runs ahead of its
/// ring, or a ring of an impossible size. Not modelled: translation of addresses, several queues.
#pragma once

#include <array>
#include <cstdint>
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
  /// See MatrixEngine.
  void repeat_stretches(bool on) { gemm_->repeat_stretches(on); }
  const MachineConfig& config() const { return *config_; }
  const RegisterFile& registers() const { return registers_; }

  // tlm_fw_transport_if (control)
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) override;
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) override;

 private:
  std::vector<Register> register_table();
  void sequence();
  void drive_irq();
  void reset();
  void stop();
  /// A descriptor on its way, or here and not yet run.
  struct Fetched {
    bool requested = false, arrived = false, ok = false;
    std::uint64_t address = 0;
    std::array<std::uint8_t, descriptor_bytes> bytes{};
    Descriptor command;
    CommandCounters counters;
  };
  /// Address of descriptor `ahead` behind the completed ones.
  std::optional<std::uint64_t> descriptor_address(std::uint32_t ahead) const;
  std::optional<std::uint64_t> next_descriptor();
  void run(std::uint64_t address);
  void report(std::uint64_t address, const Descriptor& command, std::uint64_t begin, CommandCounters& counters);
  void fetch(std::uint64_t address);
  void look_ahead();
  void feed_prefetch() { gemm_->feed_prefetch(); }
  void discard_fetched();
  CommandStatus check(const Descriptor& command) const;
  CommandStatus execute(const Descriptor& command, CommandCounters& counters);
  bool write_status(std::uint64_t address, CommandStatus status, CommandCounters& counters);
  void raise(std::uint32_t cause);
  void set_status(bool busy, bool error);
  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;

  const std::unique_ptr<const MachineConfig> config_;
  const MachineClock clock_;
  DmaEngine dma_;
  ResultWriter writer_;
  const std::unique_ptr<MatrixEngine> gemm_;
  VectorEngine vector_;
  RegisterFile registers_;
  Observer observer_;
  sc_core::sc_event doorbell_, fetched_, irq_changed_;
  Fetched next_;
  bool running_ = false;        ///< a command is between its fetch and its status
  bool looking_ahead_ = false;  ///< the running command's descriptor is here: the next one's may be fetched
  bool reset_ = false;          ///< the running command is to end without a trace
  bool halted_ = false;
};

}  // namespace nibble
