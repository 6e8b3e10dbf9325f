// SPDX-License-Identifier: Apache-2.0
/// Files of the checkout and of its build, for tests that read configurations, tables and documents. Compiled in one
/// place, so that no other object depends on where the checkout lies and a compiler cache serves every clone.
#pragma once

#include <string>

namespace nibble {

/// Absolute path of a file of the checkout: source_path("configs/memories/hbm2.yaml").
std::string source_path(const std::string& relative);
/// Absolute path of a file of the build folder.
std::string binary_path(const std::string& relative);

}  // namespace nibble
