// SPDX-License-Identifier: Apache-2.0
/// Energy and area of a systolic machine: counters times the loaded cost book, computed after the run.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "accelerators/accelerator_config.h"
#include "accelerators/command_counters.h"
#include "core/cost_book.h"
#include "core/report.h"

namespace nibble {

class EnergyLedger {
 public:
  EnergyLedger(const SystolicConfig& config, const CostBook& book);
  /// Everything but DRAM, whose model counts its own commands.
  EnergyFigures energy(const CommandCounters& counters) const;
  AreaFigures area() const;
  /// Component -> origin of its numbers.
  std::vector<std::pair<std::string, std::string>> sources() const;

 private:
  struct Buffer {
    SramCost cost;
    double pj_per_read_byte = 0, pj_per_write_byte = 0;
  };
  Buffer buffer(std::uint64_t bytes) const;
  const SystolicConfig& config_;
  const CostBook& book_;
  Buffer weight_, activation_, output_;
};

}  // namespace nibble
