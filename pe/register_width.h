// SPDX-License-Identifier: Apache-2.0
/// Guards of integer registers: a value that does not fit its register is a bug of the model, never of the input.
/// Checked in builds with assertions (NDEBUG not defined), free otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"

namespace nibble {

/// Two's complement register of `bits` bits (2..63). Throws InternalError that names the register.
inline void check_register([[maybe_unused]] std::int64_t value, [[maybe_unused]] unsigned bits,
                           [[maybe_unused]] const char* name) {
#ifndef NDEBUG
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  if (value < -limit || value >= limit) {
    throw InternalError(std::string(name) + ": " + std::to_string(value) + " does not fit " + std::to_string(bits) +
                        " bits");
  }
#endif
}

}  // namespace nibble
