// SPDX-License-Identifier: Apache-2.0
/// What an action complains of.
#pragma once

#include <string>

#include "core/error.h"

namespace nibble::test {

/// The message of the InputError that `action` throws.
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

}  // namespace nibble::test
