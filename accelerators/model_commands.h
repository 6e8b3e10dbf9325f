// SPDX-License-Identifier: Apache-2.0
/// The commands of a language model for one machine, pulled one at a time, with layers that repeat simulated once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "accelerators/lowering.h"
#include "workloads/language_model.h"
#include "workloads/operator.h"

namespace nibble {

/// Whether two commands ask for the same work at other addresses.
bool same_work(const LoweredCommand& left, const LoweredCommand& right);

/// Lowers a scenario pass by pass (the prompt, then each decode step).
///
/// The layers of a transformer mostly give the machine equal commands at other addresses. Of a run of three or more
/// such layers in a pass, the first two are simulated, and the second, which starts with the memory's rows and queues
/// as a layer leaves them, stands for the rest (LoweredCommand::repeated_layers). `every_layer` simulates all.
class ModelCommands {
 public:
  ModelCommands(ModelLowering& lowering, const LanguageModel& model, const Scenario& scenario, bool every_layer);

  /// Operators of the whole scenario; a command of a repeated layer stands for 1 + repeated_layers of them.
  std::uint64_t operators() const { return operators_; }
  std::optional<LoweredCommand> next();

 private:
  using Layer = std::deque<LoweredCommand>;
  void lower_pass();
  void emit(Layer& layer, std::uint64_t repeated);

  ModelLowering& lowering_;
  const LanguageModel& model_;
  const Scenario scenario_;
  const bool every_layer_;
  std::uint64_t operators_ = 0, pass_ = 0;
  std::deque<LoweredCommand> commands_;
};

}  // namespace nibble
