// SPDX-License-Identifier: Apache-2.0
/// MachineRecorder: fills a Timeline with what a platform's units do. It observes: the cycles that commands spend, the
/// transactions that pass the machine's memory socket, the channels of the memory. It adds no event to the simulation.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/machine_config.h"
#include "core/timeline.h"
#include "memory/memory_system.h"
#include "transport/transfer_tag.h"

namespace nibble {

class MachineRecorder final : public ChannelObserver {
 public:
  /// `channels`: of the memory. `timeline` must outlive the recorder.
  MachineRecorder(Timeline& timeline, const MachineConfig& machine, unsigned channels);

  SpendObserver& matrix() { return matrix_; }
  SpendObserver& vector() { return vector_; }
  /// For a probe on the machine's memory socket.
  void transaction(const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase, const sc_core::sc_time& at);
  void channel_worked(unsigned channel, std::uint64_t begin, std::uint64_t end, const ChannelWork& work) override;

 private:
  class Unit final : public SpendObserver {
   public:
    Unit(Timeline::Track& track, Timeline::Track& quantizer, Ticks period);
    void spent(Cause cause, std::uint64_t edge, std::uint64_t cycles) override;
    void quantized(std::uint64_t elements, std::uint64_t begin, std::uint64_t end) override;

   private:
    Timeline::Track& track_;
    Timeline::Track& quantizer_;
    const Ticks period_;
    std::array<unsigned, cause_count> labels_{};
    unsigned quantizer_label_;
  };
  /// Transactions of a stream that are on their way.
  struct Open {
    std::uint64_t count = 0, read_bytes = 0, write_bytes = 0;
    Ticks begin = 0;
    Timeline::Track* track = nullptr;
  };

  // In the order in which they are shown.
  Timeline::Track &matrix_track_, &vector_track_, &quantizer_track_;
  Unit matrix_, vector_;
  std::array<Open, stream_count> streams_;
  std::vector<Timeline::Track*> channels_;
};

}  // namespace nibble
