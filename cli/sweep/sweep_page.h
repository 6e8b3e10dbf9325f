// SPDX-License-Identifier: Apache-2.0
/// The page of a sweep: report.html.
#pragma once

#include <string>

#include "cli/sweep/sweep_run.h"

namespace nibble {

/// `command`: that makes the page again.
std::string sweep_page(const SweepRun& run, const std::string& command);

}  // namespace nibble
