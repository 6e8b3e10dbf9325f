// SPDX-License-Identifier: Apache-2.0
#include "memory/command_timeline.h"

#include <algorithm>

namespace nibble {
namespace {

constexpr Cycle widest = 110;  // characters of a lane

const char* name_of(DramCommand::Kind kind) {
  switch (kind) {
    case DramCommand::Kind::activate:
      return "ACT";
    case DramCommand::Kind::precharge:
      return "PRE";
    case DramCommand::Kind::precharge_all:
      return "PREA";
    case DramCommand::Kind::read:
      return "RD";
    case DramCommand::Kind::write:
      return "WR";
    case DramCommand::Kind::refresh_all:
      return "REFab";
    case DramCommand::Kind::refresh_bank:
      return "REFpb";
  }
  return "";
}

char letter_of(DramCommand::Kind kind) {
  switch (kind) {
    case DramCommand::Kind::activate:
      return 'A';
    case DramCommand::Kind::precharge:
    case DramCommand::Kind::precharge_all:
      return 'P';
    case DramCommand::Kind::read:
      return 'R';
    case DramCommand::Kind::write:
      return 'W';
    case DramCommand::Kind::refresh_all:
    case DramCommand::Kind::refresh_bank:
      return 'F';
  }
  return '?';
}

/// One character per `scale` cycles from `first` on.
struct Lane {
  Lane(Cycle first_cycle, Cycle count, Cycle cycles_each, char fill)
      : first(first_cycle), scale(cycles_each), text(static_cast<std::size_t>(count), fill) {}
  void put(Cycle from, Cycle to, char letter) {  // [from, to)
    const Cycle end = first + static_cast<Cycle>(text.size()) * scale;
    if (to <= first || from >= end) return;
    const Cycle low = (std::max(from, first) - first) / scale, high = (std::min(to, end) - 1 - first) / scale;
    for (Cycle i = low; i <= high; ++i)
      text[static_cast<std::size_t>(i)] = letter;
  }
  Cycle first, scale;
  std::string text;
};

std::string scale_line(Cycle first, Cycle columns, Cycle scale) {
  std::string line(static_cast<std::size_t>(columns), ' ');
  for (Cycle i = 0; i < columns; i += 10) {
    const std::string label = std::to_string(first + i * scale);
    if (static_cast<std::size_t>(i) + label.size() <= line.size())
      line.replace(static_cast<std::size_t>(i), label.size(), label);
  }
  return line;
}

bool covers(const DramCommand& c, unsigned bank, const DramGeometry& g) {
  if (c.rank != bank / g.banks_per_rank()) return false;
  if (c.kind == DramCommand::Kind::precharge_all || c.kind == DramCommand::Kind::refresh_all) return true;
  const unsigned apart = g.banks_per_rank() / g.refresh_banks;
  return c.kind == DramCommand::Kind::refresh_bank ? c.bank % apart == bank % apart : c.bank == bank;
}

/// '.' closed, 'o' opening, '=' open, 'c' closing, 'f' refreshing.
Lane bank_lane(const std::vector<DramCommand>& log, unsigned bank, const DramDevice& device, Lane lane) {
  const DramTiming& t = device.timing;
  bool open = false;
  for (const DramCommand& c : log) {
    if (!covers(c, bank, device.geometry)) continue;
    const Cycle end = std::max(lane.first + static_cast<Cycle>(lane.text.size()) * lane.scale, c.at + t.rfc);
    if (c.kind == DramCommand::Kind::activate) {
      open = true;
      lane.put(c.at, end, '=');
      lane.put(c.at, c.at + t.rcd_read, 'o');
    } else if (c.kind == DramCommand::Kind::precharge || c.kind == DramCommand::Kind::precharge_all) {
      if (!open) continue;
      open = false;
      lane.put(c.at, end, '.');
      lane.put(c.at, c.at + (c.kind == DramCommand::Kind::precharge ? t.rp : t.rp_all), 'c');
    } else if (c.kind == DramCommand::Kind::refresh_all) {
      lane.put(c.at, c.at + t.rfc, 'f');
    } else if (c.kind == DramCommand::Kind::refresh_bank) {
      lane.put(c.at, c.at + t.rfc_bank, 'f');
    }
  }
  return lane;
}

std::vector<DramCommand> in_order(std::vector<DramCommand> log) {
  std::stable_sort(log.begin(), log.end(), [](const DramCommand& a, const DramCommand& b) { return a.at < b.at; });
  return log;
}

}  // namespace

std::string command_csv(const std::vector<std::vector<DramCommand>>& logs, const DramDevice& device) {
  std::string text = "cycle,channel,rank,bankgroup,bank,command,row\n";
  const DramGeometry& g = device.geometry;
  for (std::size_t channel = 0; channel < logs.size(); ++channel) {
    for (const DramCommand& c : in_order(logs[channel])) {
      const bool of_rank = c.kind == DramCommand::Kind::precharge_all || c.kind == DramCommand::Kind::refresh_all;
      const bool has_row = c.kind == DramCommand::Kind::activate || c.kind == DramCommand::Kind::read ||
                           c.kind == DramCommand::Kind::write;
      const std::string group = std::to_string(c.bank / g.banks_per_group % g.bank_groups);
      text += std::to_string(c.at) + ',' + std::to_string(channel) + ',' + std::to_string(c.rank) + ',' +
              (of_rank ? "" : group) + ',' + (of_rank ? "" : std::to_string(c.bank % g.banks_per_group)) + ',' +
              name_of(c.kind) + ',' + (has_row ? std::to_string(c.row) : "") + '\n';
    }
  }
  return text;
}

std::string draw_timeline(std::vector<DramCommand> log, const DramDevice& device, Cycle first, Cycle last) {
  log = in_order(std::move(log));
  const Cycle scale = (last - first + widest) / widest, columns = (last - first) / scale + 1;
  const auto label = [](std::string text) {
    text.resize(14, ' ');
    return text;
  };
  const auto finished = [](std::string line) { return line.erase(line.find_last_not_of(' ') + 1) + "\n"; };
  std::string text = finished(label("cycle") + scale_line(first, columns, scale));
  Lane commands(first, columns, scale, '.'), data(first, columns, scale, '.');
  for (const DramCommand& c : log) {
    commands.put(c.at, c.at + 1, letter_of(c.kind));
    const bool reads = c.kind == DramCommand::Kind::read;
    if (!reads && c.kind != DramCommand::Kind::write) continue;
    const Cycle begin = c.at + (reads ? device.timing.cl : device.timing.cwl);
    data.put(begin, begin + device.geometry.burst_cycles(), reads ? 'r' : 'w');
  }
  text += finished(label("command") + commands.text);
  for (unsigned bank = 0; bank < device.geometry.banks(); ++bank) {
    const Lane lane = bank_lane(log, bank, device, Lane(first, columns, scale, '.'));
    if (lane.text.find_first_not_of(".f") == std::string::npos) continue;
    text += finished(label("bank " + std::to_string(bank)) + lane.text);
  }
  text += finished(label("data") + data.text);
  text += "\none character is " + std::to_string(scale) + (scale == 1 ? " cycle" : " cycles") +
          "; A activate, P precharge, R read, W write, F refresh; bank: o opening, = open, c closing, f refreshing\n";
  return text;
}

}  // namespace nibble
