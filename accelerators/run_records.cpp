// SPDX-License-Identifier: Apache-2.0
#include "accelerators/run_records.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace nibble {

void RunRecords::record(const LoweredCommand& command, int layer, std::uint64_t begin_cycle,
                        const ReportFigures& figures) {
  const auto key = std::make_tuple(command.name, layer, command.phase);
  const auto [place, fresh] = index_.emplace(key, report_.operators.size());
  if (fresh) {
    OperatorFigures entry;
    entry.name = command.name;
    entry.kind = to_string(command.kind);
    entry.phase = to_string(command.phase);
    entry.layer = layer;
    entry.steps = 0;
    entry.begin_cycle = begin_cycle;
    report_.operators.push_back(std::move(entry));
  }
  OperatorFigures& entry = report_.operators[place->second];
  if (entry.steps == 0) {
    entry.figures = figures;
  } else {
    entry.figures.add(figures);
  }
  ++entry.steps;
  entry.m = command.descriptor.m;
  entry.k = reduction_of(command.descriptor);
  entry.n = command.descriptor.n;
  entry.count = command.descriptor.count;
  entry.schedule = command.schedule;
}

void RunRecords::add(const LoweredCommand& command, std::uint64_t begin_cycle, const ReportFigures& figures) {
  if (command.layer != layer_) {
    repeat(begin_cycle);
    cycles_before_ = layer_cycles_;
    layer_cycles_ = 0;
    layer_ = command.layer;
  }
  record(command, command.layer, begin_cycle + shift_, figures);
  layer_cycles_ += figures.cycles;
  end_ = begin_cycle + figures.cycles;
  ++simulated_;
  if (command.repeated_layers > 0) repeated_.push_back({command, begin_cycle, figures});
}

void RunRecords::repeat(std::uint64_t end_cycle) {
  if (repeated_.empty()) return;
  const std::uint64_t span = end_cycle - repeated_.front().begin_cycle;
  const std::uint64_t copies = repeated_.front().command.repeated_layers;
  for (std::uint64_t i = 0; i < copies; ++i) {
    shift_ += span;
    for (const Entry& entry : repeated_) {
      record(entry.command, entry.command.layer + 1 + static_cast<int>(i), entry.begin_cycle + shift_, entry.figures);
    }
  }
  copied_ += copies * repeated_.size();
  const auto cycles = static_cast<double>(layer_cycles_);
  difference_ = std::max(difference_, std::abs(cycles - static_cast<double>(cycles_before_)) / cycles);
  repeated_.clear();
}

void RunRecords::finish() {
  repeat(end_);
  if (copied_ == 0) return;
  char percent[32];
  std::snprintf(percent, sizeof percent, "%.4f", 100 * difference_);
  report_.notes.push_back(std::to_string(simulated_) + " of " + std::to_string(simulated_ + copied_) +
                          " commands were simulated: of three or more equal layers the first two, the second of which "
                          "stands for the rest; the two differ by at most " +
                          percent +
                          " % in cycles. The statistics of modules are of what was simulated. --every-layer simulates "
                          "all");
}

}  // namespace nibble
