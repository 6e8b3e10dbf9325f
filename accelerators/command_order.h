// SPDX-License-Identifier: Apache-2.0
/// How far commands may run ahead of those before them in the ring, from the tensors that they read and write.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "accelerators/lowered_command.h"

namespace nibble {

class CommandOrder {
 public:
  /// `overlap`: the machine's units work side by side; otherwise a command waits for all before it.
  explicit CommandOrder(bool overlap) : overlap_(overlap) {}

  /// The next command in the ring, its tensors being known: sets its descriptor's `independent`, and of a GEMM
  /// `weights_ready`. Commands of one unit never meet, so what they share needs no word.
  void place(LoweredCommand& command);

 private:
  static constexpr std::size_t units = 2;  ///< matrix, vector
  /// Numbers of the last commands of each unit, counted from 1.
  struct Tensor {
    std::array<std::uint64_t, units> written{}, read{};
  };
  std::uint64_t depends_on(const LoweredCommand& command, std::size_t unit);
  std::uint8_t behind(std::uint64_t earlier) const;

  const bool overlap_;
  std::uint64_t number_ = 0;  ///< of the command that is being placed
  std::map<std::string, Tensor> tensors_;
};

}  // namespace nibble
