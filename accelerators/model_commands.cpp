// SPDX-License-Identifier: Apache-2.0
#include "accelerators/model_commands.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace nibble {
namespace {

Descriptor without_addresses(Descriptor d) {
  d.a.address = d.w.address = d.c.address = d.scratch_address = 0;
  for (auto& part : d.continuations)
    part.address = 0;
  return d;
}

bool same_layer(const std::deque<LoweredCommand>& left, const std::deque<LoweredCommand>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), same_work);
}

}  // namespace

bool same_work(const LoweredCommand& left, const LoweredCommand& right) {
  return left.name == right.name && left.phase == right.phase && left.kind == right.kind && left.macs == right.macs &&
         left.compulsory_bytes == right.compulsory_bytes &&
         without_addresses(left.descriptor).pack() == without_addresses(right.descriptor).pack();
}

ModelCommands::ModelCommands(ModelLowering& lowering, const LanguageModel& model, const Scenario& scenario,
                             bool every_layer)
    : lowering_(lowering), model_(model), scenario_(scenario), every_layer_(every_layer) {
  // All decode steps have the operators of the first.
  Scenario once = scenario;
  once.decode = std::min<std::uint64_t>(scenario.decode, 1);
  std::uint64_t prefill = 0, step = 0;
  for_each_operator(model, once, [&](const Operator& op) { ++(op.phase == Phase::prefill ? prefill : step); });
  operators_ = prefill + step * scenario.decode;
}

std::optional<LoweredCommand> ModelCommands::next() {
  while (commands_.empty()) {
    if (pass_ == pass_count(scenario_)) return std::nullopt;
    lower_pass();
  }
  LoweredCommand command = std::move(commands_.front());
  commands_.pop_front();
  return command;
}

/// Every layer is lowered, also those that are not simulated: their operands have places in memory.
void ModelCommands::lower_pass() {
  std::vector<Layer> layers;
  int current = -1;
  for_each_operator_of_pass(model_, scenario_, pass_++, [&](const Operator& op) {
    if (layers.empty() || op.layer != current) layers.emplace_back();
    current = op.layer;
    lowering_.lower(op, layers.back());
  });
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t end = i + 1;
    while (end < layers.size() && same_layer(layers[end], layers[i]))
      ++end;
    const bool repeats = !every_layer_ && end - i > 2;
    emit(layers[i], 0);
    if (repeats) emit(layers[i + 1], end - i - 2);
    i = repeats ? end : i + 1;
  }
}

void ModelCommands::emit(Layer& layer, std::uint64_t repeated) {
  for (LoweredCommand& command : layer) {
    command.repeated_layers = repeated;
    commands_.push_back(std::move(command));
  }
}

}  // namespace nibble
