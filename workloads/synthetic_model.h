// SPDX-License-Identifier: Apache-2.0
/// Seeded weights and tokens for functional runs of a language model. The same request gives the same bits everywhere
/// (synthetic.h). The numbers are chosen so that signals keep their size from layer to layer; they are not a trained
/// model, and accuracies on them say nothing about one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor.h"
#include "workloads/language_model.h"

namespace nibble {

class SyntheticModel {
 public:
  /// `tied`: the LM head is the embedding table.
  explicit SyntheticModel(std::uint64_t seed, bool tied = false) : seed_(seed), tied_(tied) {}

  /// A constant of the network by the name of its operator ("q_proj", "attention_norm", "embedding", ..., "positions")
  /// and layer (-1: outside), [rows, columns]:
  ///   linear weights   gaussian, deviation 1 / sqrt(columns)
  ///   norms            row 0: gains, 1 + gaussian / 10; row 1: shifts, gaussian / 10
  ///   *_bias           gaussian / 10
  ///   embedding        gaussian; positions: gaussian / 4
  Tensor tensor(const std::string& name, int layer, std::size_t rows, std::size_t columns) const;
  /// Token `position` of sequence `sequence`, below `vocabulary`: prompts, and what the steps behind them are fed.
  std::uint32_t token(std::uint64_t sequence, std::uint64_t position, std::uint64_t vocabulary) const;

 private:
  std::uint64_t stream(const std::string& name, int layer) const;

  std::uint64_t seed_;
  bool tied_;
};

}  // namespace nibble
