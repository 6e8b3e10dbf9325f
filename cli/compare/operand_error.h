// SPDX-License-Identifier: Apache-2.0
/// What a machine's formats make of operands, on stated synthetic tensors (workloads/synthetic.h): no accuracy of a
/// network, but the same tensors for every machine.
#pragma once

#include <optional>

#include "accelerators/machine_config.h"
#include "core/config_node.h"
#include "workloads/synthetic.h"

namespace nibble {

/// The tensors by role. `columns` of each is its reduction axis.
struct OperandTensors {
  SyntheticTensor weight, activation, query, key, probability, value;

  /// Keys weight, activation, query, key, probability, value, each {distribution, rows, columns, deviation, outliers,
  /// gain, seed}; operands of a product have equal columns. Probabilities are the magnitudes of their tensor, rows
  /// scaled to sum 1.
  static OperandTensors from(ConfigNode node);
};

struct OperandErrors {
  std::optional<double> weight_db, activation_db, key_db, value_db;  ///< signal to quantization noise; empty: exact
  double linear = 0;   ///< of A W^T with both operands quantized: root of the mean square error over that of the result
  double scores = 0;   ///< of Q K^T
  double context = 0;  ///< of P V
  double worst() const;
};

/// Keys and values in the format that most tokens of a long cache have.
OperandErrors operand_errors(const MachineConfig& machine, const OperandTensors& tensors);

}  // namespace nibble
