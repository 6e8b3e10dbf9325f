// SPDX-License-Identifier: Apache-2.0
#include "accelerators/model_commands.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "accelerators/descriptor.h"
#include "core/units.h"

namespace nibble {
namespace {

/// Further back than that no command is in the window.
std::uint8_t in_window(std::uint8_t commands) {
  return std::min(commands, static_cast<std::uint8_t>(window_commands - 1));
}

Descriptor without_addresses(Descriptor d) {
  d.a.address = d.w.address = d.c.address = d.scratch_address = 0;
  d.independent = in_window(d.independent);
  d.weights_ready = in_window(d.weights_ready);
  for (auto& part : d.continuations)
    part.address = 0;
  return d;
}

bool same_layer(const std::deque<LoweredCommand>& left, const std::deque<LoweredCommand>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), same_work);
}

/// The commands of a layer, the first ones of which need not wait for another layer before it.
bool same_but_order(const std::deque<LoweredCommand>& first, const std::deque<LoweredCommand>& second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](LoweredCommand left, const LoweredCommand& right) {
                      left.descriptor.independent = right.descriptor.independent;
                      left.descriptor.weights_ready = right.descriptor.weights_ready;
                      return same_work(left, right);
                    });
}

}  // namespace

bool same_work(const LoweredCommand& left, const LoweredCommand& right) {
  return left.name == right.name && left.phase == right.phase && left.kind == right.kind && left.macs == right.macs &&
         left.compulsory_bytes == right.compulsory_bytes && left.repeated_rounds == right.repeated_rounds &&
         without_addresses(left.descriptor).pack() == without_addresses(right.descriptor).pack();
}

ModelCommands::ModelCommands(ModelLowering& lowering, const LanguageModel& model, const Scenario& scenario,
                             Repetition repetition)
    : lowering_(lowering), model_(model), scenario_(scenario), repetition_(repetition) {
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

/// At least so many cycles.
bool ModelCommands::takes(const Layer& layer, std::uint64_t cycles) const {
  double least = 0;
  for (const LoweredCommand& command : layer)
    least += lowering_.least_cycles(command) * static_cast<double>(1 + command.repeated_rounds);
  return least >= static_cast<double>(cycles);
}

/// Every layer is lowered, also those that are not simulated: their operands have places in memory.
void ModelCommands::lower_pass() {
  std::vector<Layer> layers;
  int current = -1;
  for_each_operator_of_pass(model_, scenario_, pass_++, [&](const Operator& op) {
    if (layers.empty() || op.layer != current) {
      if (!layers.empty()) layers.back() = without_equal_rounds(std::move(layers.back()));
      layers.emplace_back();
    }
    current = op.layer;
    lowering_.lower(op, layers.back());
  });
  layers.back() = without_equal_rounds(std::move(layers.back()));
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t end = i + 1;
    if (end < layers.size() && (same_layer(layers[i], layers[end]) ||
                                (takes(layers[i], long_cycles) && same_but_order(layers[i], layers[end]))))
      ++end;
    while (end > i + 1 && end < layers.size() && same_layer(layers[end], layers[i + 1]))
      ++end;
    const std::size_t equal = end - i;
    const bool repeats = repetition_.layers && equal > 2, one_stands = repeats && takes(layers[i], long_cycles);
    if (one_stands) {
      warm_up(layers[i]);
    } else {
      emit(layers[i]);
    }
    if (repeats) {
      for (LoweredCommand& command : layers[i + 1]) {
        command.repeated_layers = equal - (one_stands ? 1 : 2);
        command.layers_before = one_stands ? 1 : 0;
        command.compared_layer = !one_stands;
      }
      emit(layers[i + 1]);
    }
    i = repeats ? end : i + 1;
  }
}

/// That the commands [begin, end) take, the units side by side.
double ModelCommands::least_cycles(const Layer& layer, std::size_t begin, std::size_t end) const {
  double by_unit[2] = {0, 0};
  for (std::size_t i = begin; i < end; ++i)
    by_unit[layer[i].descriptor.opcode == Opcode::gemm ? 0 : 1] += lowering_.least_cycles(layer[i]);
  return std::max({by_unit[0], by_unit[1], 1.0});
}

/// The rounds of its attention before the command `begin`.
double ModelCommands::settled_before(const Layer& layer, std::size_t begin) const {
  std::size_t first = begin;
  while (first > 0 && layer[first - 1].round != 0 && layer[first - 1].round < layer[begin].round)
    --first;
  return first == begin ? 0 : least_cycles(layer, first, begin);
}

ModelCommands::Layer ModelCommands::without_equal_rounds(Layer layer) const {
  if (!repetition_.rounds) return layer;
  Layer out;
  for (std::size_t begin = 0; begin < layer.size();) {
    std::size_t end = begin + 1;
    while (end < layer.size() && layer[end].round != 0 && layer[end].round == layer[begin].round)
      ++end;
    const std::size_t length = end - begin;
    std::uint64_t rounds = 1;
    const auto round_at = [&](std::uint64_t i) {
      return layer.begin() + static_cast<std::ptrdiff_t>(begin + i * length);
    };
    const auto equal_at = [&](std::uint64_t i) {
      return layer[begin].round != 0 && begin + (i + 1) * length <= layer.size() &&
             std::equal(round_at(0), round_at(1), round_at(i), same_work);
    };
    while (equal_at(rounds))
      ++rounds;
    std::uint64_t first = rounds, half = 1;
    if (rounds > 3) {
      const double one = least_cycles(layer, begin, end);
      const auto rounds_of = [&](double cycles) { return static_cast<std::uint64_t>(std::ceil(cycles / one)); };
      first = rounds_of(std::max(0.0, static_cast<double>(settling_cycles) - settled_before(layer, begin)));
      half = rounds_of(static_cast<double>(EqualStretches::half_cycles));
    }
    const std::uint64_t second = first + half;                           // begins the second half
    const std::uint64_t behind = rounds - std::min(rounds, second + 1);  // the last one is simulated
    const std::uint64_t times = behind / half;                           // the half itself among them
    for (std::uint64_t i = 0; i < rounds; ++i) {
      if (times > 1 && i >= second + half && i < second + times * half) continue;
      const bool measured = times > 1 && i >= first && i < second + half;
      for (auto command = round_at(i); command != round_at(i + 1); ++command) {
        command->measured_round = measured;
        command->repeated_rounds = measured && i >= second ? times - 1 : 0;
        out.push_back(std::move(*command));
      }
    }
    begin += rounds * length;
  }
  return out;
}

void ModelCommands::emit(Layer& layer) {
  std::move(layer.begin(), layer.end(), std::back_inserter(commands_));
}

/// The last commands of the layer.
void ModelCommands::warm_up(Layer& layer) {
  double least = 0;
  std::size_t first = layer.size();
  while (first > 0 && least < static_cast<double>(warm_up_cycles))
    least += lowering_.least_cycles(layer[--first]);
  layer.erase(layer.begin(), layer.begin() + static_cast<std::ptrdiff_t>(first));
  for (LoweredCommand& command : layer)
    command.warm_up = true;
  emit(layer);
}

}  // namespace nibble
