// SPDX-License-Identifier: Apache-2.0
/// The commands of a language model for one machine, pulled one at a time, with layers that repeat simulated once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "accelerators/equal_stretches.h"
#include "accelerators/lowering.h"
#include "workloads/language_model.h"
#include "workloads/operator.h"

namespace nibble {

/// Whether two commands ask for the same work at other addresses.
bool same_work(const LoweredCommand& left, const LoweredCommand& right);

/// What stands for more of its kind.
struct Repetition {
  bool layers = true, rounds = true;
};

/// Lowers a scenario pass by pass (the prompt, then each decode step).
///
/// The layers of a transformer mostly give the machine equal commands at other addresses. Of a run of three or more
/// such layers in a pass, the second stands for all (LoweredCommand::repeated_layers). Of the first only the end is
/// simulated, without being counted (LoweredCommand::warm_up), so that the second starts with the memory's rows and
/// queues as a layer leaves them, and reads ahead behind one. Of layers that do not take long_cycles the first is
/// simulated whole and counted, and the second stands for those behind it.
///
/// Within a layer an attention that is lowered in rounds (parts of its instances, the softmax of one beside the
/// products of others) mostly has equal ones. The first settling_cycles of its rounds are simulated, and a stretch of
/// equal ones behind, two halves of at least EqualStretches::half_cycles. The second one stands for as many like it as
/// there are (LoweredCommand::repeated_rounds); what is left, the last round among it, is simulated.
class ModelCommands {
 public:
  ModelCommands(ModelLowering& lowering, const LanguageModel& model, const Scenario& scenario, Repetition repetition);

  /// Operators of the whole scenario; a command of a repeated layer stands for 1 + repeated_layers of them.
  std::uint64_t operators() const { return operators_; }
  std::optional<LoweredCommand> next();

  /// [D] the unit with less work gains on the other round by round, until it waits for its results; what a round takes
  /// is settled before, but not which of its operators is hidden under which. A few dozen of the shortest rounds.
  static constexpr std::uint64_t settling_cycles = 8 * EqualStretches::half_cycles;
  /// Of a layer: that the first one has no layer before it to wait for, or to hide its first tiles under, makes little
  /// difference to a pass. [D] arrays are within 0.2 % of all layers simulated on nine layers twice as long (run_test),
  /// within 0.014 % on models of 32 (docs/architecture.md).
  static constexpr std::uint64_t long_cycles = 1 << 18;
  /// [D] of the end of a layer at least: a dozen refresh intervals of a DRAM at 500 MHz, several times its latency.
  static constexpr std::uint64_t warm_up_cycles = 1 << 15;

 private:
  using Layer = std::deque<LoweredCommand>;
  void lower_pass();
  void emit(Layer& layer);
  void warm_up(Layer& layer);
  bool takes(const Layer& layer, std::uint64_t cycles) const;
  Layer without_equal_rounds(Layer layer) const;
  double least_cycles(const Layer& layer, std::size_t begin, std::size_t end) const;
  double settled_before(const Layer& layer, std::size_t begin) const;

  ModelLowering& lowering_;
  const LanguageModel& model_;
  const Scenario scenario_;
  const Repetition repetition_;
  std::uint64_t operators_ = 0, pass_ = 0;
  std::deque<LoweredCommand> commands_;
};

}  // namespace nibble
