// SPDX-License-Identifier: Apache-2.0
#include "testbenches/support/paths.h"

namespace nibble {

std::string source_path(const std::string& relative) {
  return NIBBLE_SOURCE_DIR "/" + relative;
}

std::string binary_path(const std::string& relative) {
  return NIBBLE_BINARY_DIR "/" + relative;
}

}  // namespace nibble
