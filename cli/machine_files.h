// SPDX-License-Identifier: Apache-2.0
/// Configurations as the command line names and changes them, and the files of a report.
#pragma once

#include <string>
#include <vector>

#include "core/config_node.h"
#include "core/file.h"
#include "core/report.h"

namespace nibble {

/// The configuration with its base, the overrides of --set, and the cost books of --technology in place of its own.
ConfigNode load_configuration(const std::string& kind, const std::string& name,
                              const std::vector<std::string>& overrides, const std::vector<std::string>& technologies);
ConfigNode load_accelerator(const std::string& name, const std::vector<std::string>& overrides,
                            const std::vector<std::string>& technologies);

/// Sets `technology` to a name or, of several, a list.
void set_technologies(ConfigNode& accelerator, const std::vector<std::string>& technologies);

/// report.json, operators.csv, report.html, trace.json; commits.
void write_reports(OutputFiles& files, const std::string& directory, const Report& report, const std::string& trace);

}  // namespace nibble
