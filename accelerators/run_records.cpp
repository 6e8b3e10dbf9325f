// SPDX-License-Identifier: Apache-2.0
#include "accelerators/run_records.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace nibble {
namespace {

/// Two digits, or those before the point.
std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, 100 * share < 10 ? "%.2g" : "%.0f", 100 * share);
  return text;
}

}  // namespace

void RunRecords::record(const Entry& of, int layer, std::uint64_t begin_cycle) {
  const LoweredCommand& command = of.command;
  draw(of, layer, begin_cycle);
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
    entry.figures = of.figures;
  } else {
    entry.figures.add(of.figures);
  }
  entry.steps += 1 + command.repeated_rounds;
  entry.m = command.descriptor.m;
  entry.k = reduction_of(command.descriptor);
  entry.n = command.descriptor.n;
  entry.count = command.descriptor.count;
  entry.schedule = command.schedule;
  for (const std::string& name : of.hidden_under) {
    const bool known =
        std::find(entry.hidden_under.begin(), entry.hidden_under.end(), name) != entry.hidden_under.end();
    if (!known) entry.hidden_under.push_back(name);
  }
}

/// The command's own cycles as a slice. There are as many as commands: more than of a unit are told apart.
void RunRecords::draw(const Entry& entry, int layer, std::uint64_t begin_cycle) {
  if (timeline_ == nullptr) return;
  begin_cycle += warm_up_cycles_;
  const LoweredCommand& command = entry.command;
  const ReportFigures& figures = entry.figures;
  constexpr std::size_t most_commands = 8192;
  Timeline::Track& track = timeline_->track(Timeline::reported_group, "operators",
                                            {"cycles", "macs", "bytes", "hidden_cycles"}, most_commands);
  const std::string where = layer < 0 ? "" : ", layer " + std::to_string(layer);
  track.add(
      begin_cycle * period_, (begin_cycle + figures.cycles) * period_,
      track.label(command.name + ", " + to_string(command.phase) + where + (command.warm_up ? ", not counted" : "")),
      {figures.cycles, figures.macs, figures.traffic.total(), figures.hidden_cycles}, false);
}

/// The commands in whose own cycles this one was at work already: all that completed behind its begin.
std::vector<std::string> RunRecords::hidden_under(std::uint64_t begin_cycle, const CommandCounters& counters) {
  std::vector<std::string> names;
  for (const Interval& interval : last_) {
    if (counters.hidden_cycles > 0 && interval.end + counters.ahead_cycles > begin_cycle)
      names.push_back(interval.name);
  }
  return names;
}

void RunRecords::add(const LoweredCommand& command, std::uint64_t begin_cycle, const CommandCounters& counters,
                     const ReportFigures& figures) {
  if (command.layer != layer_) {
    end_ = begin_cycle + shift_;
    repeat();
    cycles_before_ = layer_cycles_;
    layer_cycles_ = 0;
    layer_ = command.layer;
  }
  Entry entry{command, begin_cycle + shift_, figures, hidden_under(begin_cycle, counters)};
  constexpr std::size_t most_beside = 16;  // more than a machine has in flight
  last_.push_back({command.name, begin_cycle + counters.cycles - counters.repeated_cycles});
  if (last_.size() > most_beside) last_.pop_front();
  if (command.warm_up) {
    entry.figures.cycles = counters.cycles - counters.repeated_cycles;
    leave_out(entry);
    return;
  }
  record(entry, command.layer - static_cast<int>(command.layers_before), entry.begin_cycle);
  count_round(command, counters.cycles);
  layer_cycles_ += entry.figures.cycles;
  end_ = entry.begin_cycle + entry.figures.cycles;
  skip(entry.figures.cycles - (counters.cycles - counters.repeated_cycles), "more of " + command.name);
  ++simulated_;
  if (counters.repeated_cycles > 0) {
    ++in_part_;
    in_part_cycles_ += counters.cycles;
    repeated_cycles_ += counters.repeated_cycles;
    stretch_difference_ = std::max(stretch_difference_, counters.repeat_difference);
  }
  if (command.repeated_layers > 0) repeated_.push_back(std::move(entry));
}

/// What comes behind moves forward by the time of this command, but not in the timeline.
void RunRecords::leave_out(const Entry& entry) {
  draw(entry, entry.command.layer, entry.begin_cycle);
  shift_ -= entry.figures.cycles;
  warm_up_cycles_ += entry.figures.cycles;
}

/// Time in which nothing was simulated stands before end_.
void RunRecords::skip(std::uint64_t cycles, const std::string& reason) {
  if (timeline_ != nullptr) timeline_->skip((end_ - shift_ - cycles) * period_, cycles * period_, reason);
  shift_ += cycles;
}

void RunRecords::count_round(const LoweredCommand& command, std::uint64_t cycles) {
  if (command.round > 0) ++in_rounds_;
  const bool second_half = command.repeated_rounds > 0;
  if (!command.measured_round || (in_second_half_ && !second_half)) end_stretch();
  if (!command.measured_round) return;
  left_out_ += command.repeated_rounds;
  in_second_half_ = second_half;
  halves_[command.name][second_half ? 1 : 0] += cycles;
}

void RunRecords::end_stretch() {
  double all = 0, difference = 0, shift = 0;
  for (const auto& [name, halves] : halves_) {
    const auto first = static_cast<double>(halves[0]), more = static_cast<double>(halves[1]) - first;
    all += first;
    difference += more;
    shift = std::max(shift, std::abs(more));
  }
  if (all > 0) {
    round_difference_ = std::max(round_difference_, std::abs(difference) / all);
    round_shift_ = std::max(round_shift_, shift / all);
  }
  halves_.clear();
  in_second_half_ = false;
}

/// The layer that ends at end_ happens again.
void RunRecords::repeat() {
  if (repeated_.empty()) return;
  const LoweredCommand& front = repeated_.front().command;
  const std::uint64_t span = end_ - repeated_.front().begin_cycle, copies = front.repeated_layers;
  const int first = front.layer - static_cast<int>(front.layers_before);
  for (std::uint64_t i = 1; i <= copies; ++i) {
    for (const Entry& entry : repeated_)
      record(entry, first + static_cast<int>(i), entry.begin_cycle + i * span);
  }
  end_ += copies * span;
  skip(copies * span, "layers " + std::to_string(first + 1) + " to " +
                          std::to_string(first + static_cast<int>(copies)) + ", like layer " + std::to_string(first));
  copied_ += copies * repeated_.size();
  if (front.compared_layer) {
    compared_ = true;
    const auto cycles = static_cast<double>(layer_cycles_);
    difference_ = std::max(difference_, std::abs(cycles - static_cast<double>(cycles_before_)) / cycles);
  }
  repeated_.clear();
}

void RunRecords::finish() {
  repeat();
  end_stretch();
  if (copied_ > 0) note_layers();
  if (left_out_ > 0) note_rounds();
  if (in_part_ > 0) note_stretches();
}

void RunRecords::note_layers() {
  std::string note = std::to_string(simulated_) + " of " + std::to_string(simulated_ + copied_) +
                     " commands were simulated: of three or more equal layers one stands for the others";
  if (warm_up_cycles_ > 0) note += ", behind the end of one that is not counted";
  if (compared_) {
    note += "; of short layers two are simulated, which differ by at most " + percent(difference_) + " % in cycles";
  }
  report_.notes.push_back(note + ". The statistics of modules are of what was simulated. --every-layer simulates all");
}

void RunRecords::note_rounds() {
  report_.notes.push_back(
      std::to_string(in_rounds_) + " of " + std::to_string(in_rounds_ + left_out_) +
      " commands of attentions were simulated: of a stretch of equal parts, whose two halves differ "
      "by at most " +
      percent(round_difference_) + " % in cycles (one operator: " + percent(round_shift_) +
      " %), the second stands for the parts behind it. --every-tile simulates all");
}

void RunRecords::note_stretches() {
  const auto simulated = static_cast<double>(in_part_cycles_ - repeated_cycles_);
  report_.notes.push_back("of " + std::to_string(in_part_) + " long commands, " +
                          percent(simulated / static_cast<double>(in_part_cycles_)) +
                          " % of the cycles were simulated: a stretch of equal rows of tiles, or of equal instances, "
                          "whose two halves differ by at most " +
                          percent(stretch_difference_) +
                          " % in cycles stands for those behind it. --every-tile simulates all");
}

}  // namespace nibble
