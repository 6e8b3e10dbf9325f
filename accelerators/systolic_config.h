// SPDX-License-Identifier: Apache-2.0
/// Parameters of a systolic machine, typed and checked before elaboration (configs/accelerators/*.yaml).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "accelerators/machine_config.h"
#include "dataflow/schedule_search.h"

namespace nibble {

struct SystolicConfig : MachineConfig {
  const PeUnit* pe = nullptr;  ///< of pe_library
  ArrayGeometry array;         ///< of the mode for linear layers
  BufferCapacity buffers;
  std::uint64_t sram_access_bits = 256;  ///< width of one buffer access
  OrderPolicy output_order = OrderPolicy::any;
  /// Part of the activation buffer that holds scores that stay on chip, 0 without. Unless configured half: [D] no paper
  /// of these machines gives scores a buffer; the other half has two tiles of queries.
  double score_share = 0;
  double traffic_price = 0;

  /// Reads and checks `node` except the sections `memory` and `technology`, which the platform reads.
  static SystolicConfig from(ConfigNode node);

  const PeUnit* pe_for(const Format& activations, const Format& weights) const override;
  double macs_per_cycle(const Format& activations, const Format& weights) const override;
  double macs_per_cycle_in_mode(std::size_t mode) const override;
  /// The largest tiles for a reduction in several parts: an output-stationary array keeps the sums of one pass.
  std::optional<Tiling> only_tiling(const Descriptor& command) const override;
  Tiling choose_tiling(const Descriptor& command, const MemoryRate& memory) const override;
  double estimate_cycles(const Descriptor& command, const MemoryRate& memory) const override;
  std::string explain_tiling(const Descriptor& command, const MemoryRate& memory) const override;
  std::uint64_t vector_input_bytes() const override { return buffers.activation_bytes / 2; }
  std::uint64_t vector_output_bytes() const override { return buffers.output_bytes / 2; }
  std::uint64_t shared_activation_bytes() const override { return buffers.activation_bytes; }
  std::uint64_t shared_output_bytes() const override { return buffers.output_bytes; }
  std::uint64_t score_bytes() const override {
    return static_cast<std::uint64_t>(score_share * static_cast<double>(buffers.activation_bytes));
  }
  /// Of the activation buffer's two ports, one to read, one to write: what the array takes.
  std::uint64_t score_port_bytes() const override;
  std::uint32_t shape_register() const override { return static_cast<std::uint32_t>(array.rows << 16 | array.columns); }
  const char* shape_meaning() const override { return "rows << 16 | columns"; }
  EnergyLedger ledger() const override;
  std::unique_ptr<MatrixEngine> make_engine(DmaEngine& dma, ResultWriter& writer,
                                            const MachineClock& clock) const override;
  std::unique_ptr<MachineConfig> clone() const override { return std::make_unique<SystolicConfig>(*this); }

  /// The array as the PE's mode for a supported pair of formats makes it.
  ArrayGeometry array_for(const Format& activations, const Format& weights) const;
  /// Bytes of the output buffer per element of a tile: the sum, and beside it the sum of a group that takes several
  /// passes.
  std::uint64_t accumulator_bytes(const Format& activations, const Format& weights) const;
  /// The PE scales a supported pair once, behind the whole reduction: its sums are no values before.
  bool scales_at_the_end(const Format& activations, const Format& weights) const;

 private:
  void read_array(ConfigNode node);
  void read_attention(ConfigNode& node);
};

/// The schedule search's view of a command: shapes, layouts, buffers.
ScheduleProblem schedule_problem(const SystolicConfig& config, const MemoryRate& memory, const Descriptor& command);

}  // namespace nibble
