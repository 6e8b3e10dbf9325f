// SPDX-License-Identifier: Apache-2.0
#include "accelerators/model_commands.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/units.h"

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

/// What is different at its edges, by the layer before and the one behind, makes no difference.
bool ModelCommands::takes_long(const Layer& layer) const {
  constexpr double many_cycles = 1 << 24;  // [D] a hundred times what the first tiles of a layer's weights take
  double cycles = 0;
  for (const LoweredCommand& command : layer)
    cycles += lowering_.least_cycles(command) * static_cast<double>(1 + command.repeated_rounds);
  return cycles >= many_cycles;
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
    if (end < layers.size() &&
        (same_layer(layers[i], layers[end]) || (takes_long(layers[i]) && same_but_order(layers[i], layers[end]))))
      ++end;
    while (end > i + 1 && end < layers.size() && same_layer(layers[end], layers[i + 1]))
      ++end;
    const bool repeats = repetition_.layers && end - i > 2;
    emit(layers[i], 0);
    if (repeats) emit(layers[i + 1], end - i - 2);
    i = repeats ? end : i + 1;
  }
}

/// Rounds like that of the commands [begin, end) that take at least `cycles`.
std::uint64_t ModelCommands::rounds_of(std::uint64_t cycles, const Layer& layer, std::size_t begin,
                                       std::size_t end) const {
  double by_unit[2] = {0, 0};
  for (std::size_t i = begin; i < end; ++i)
    by_unit[layer[i].descriptor.opcode == Opcode::gemm ? 0 : 1] += lowering_.least_cycles(layer[i]);
  const double least = std::max({by_unit[0], by_unit[1], 1.0});
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(cycles) / least));
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
      first = rounds_of(settling_cycles, layer, begin, end);
      half = rounds_of(EqualStretches::half_cycles, layer, begin, end);
    }
    const std::uint64_t behind = rounds - std::min(rounds, first + 1);  // the last one is simulated
    const std::uint64_t times = behind / (2 * half);                    // the stretch itself among them
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const bool measured = times > 1 && i >= first && i < first + times * 2 * half;
      if (measured && i >= first + 2 * half) continue;
      for (auto command = round_at(i); command != round_at(i + 1); ++command) {
        command->repeated_rounds = measured ? times - 1 : 0;
        command->second_half = measured && i >= first + half;
        out.push_back(std::move(*command));
      }
    }
    begin += rounds * length;
  }
  return out;
}

void ModelCommands::emit(Layer& layer, std::uint64_t repeated) {
  for (LoweredCommand& command : layer) {
    command.repeated_layers = repeated;
    commands_.push_back(std::move(command));
  }
}

}  // namespace nibble
