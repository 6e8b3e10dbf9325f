// SPDX-License-Identifier: Apache-2.0
/// The host's part of a functional run: synthetic weights in the machine's formats and token numbers into memory,
/// logits out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "accelerators/functional_lowering.h"
#include "accelerators/host.h"
#include "workloads/reference_network.h"
#include "workloads/synthetic_model.h"

namespace nibble {

/// Base of the rotary angles: the value of Llama 2.
constexpr double rotary_theta = 10000.0;

class FunctionalModel {
 public:
  FunctionalModel(const LanguageModel& model, const Scenario& scenario, std::uint64_t seed)
      : model_(model), scenario_(scenario), weights_(seed, model.tied_embeddings) {}

  const SyntheticModel& weights() const { return weights_; }
  /// Call before posting a command of `lowering`: writes the constants that have been given a place since the last
  /// call, and completes the command by what is known of its weights only now (amove: their exponent).
  void prepare(Host& host, const FunctionalLowering& lowering, Descriptor& command);
  /// Logits of a finished pass, one row per sequence.
  std::vector<std::vector<float>> logits(Host& host, const FunctionalLowering& lowering, std::size_t pass) const;
  /// Against the network without quantization: all passes and sequences of a run.
  LogitError error(Host& host, const FunctionalLowering& lowering) const;

 private:
  void place(Host& host, const ModelConstant& constant);
  void place_tokens(Host& host, const ModelPass& pass) const;

  const LanguageModel& model_;
  const Scenario scenario_;
  SyntheticModel weights_;
  std::size_t constants_ = 0, passes_ = 0;  ///< placed already
  std::map<std::uint64_t, int> exponents_;  ///< amove's p of weights by their addresses
};

}  // namespace nibble
