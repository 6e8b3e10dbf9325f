// SPDX-License-Identifier: Apache-2.0
/// The command log of a DRAM channel as a file and as a drawing.
#pragma once

#include <string>
#include <vector>

#include "memory/dram_channel.h"
#include "memory/dram_device.h"

namespace nibble {

/// CSV "cycle,channel,rank,bankgroup,bank,command,row", one line per command in order of time; command is ACT, PRE,
/// PREA, RD, WR, REFab or REFpb, bank counts inside its group, and what a command does not have is empty. The first
/// index of `logs` is the channel.
std::string command_csv(const std::vector<std::vector<DramCommand>>& logs, const DramDevice& device);

/// Cycles [first, last] of one channel as text: a scale, a lane of commands, a lane for every bank that is not closed
/// throughout, a lane of data. Longer stretches are drawn with several cycles to a character. `log` begins at cycle 0.
std::string draw_timeline(std::vector<DramCommand> log, const DramDevice& device, Cycle first, Cycle last);

}  // namespace nibble
