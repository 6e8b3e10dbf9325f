// SPDX-License-Identifier: Apache-2.0
/// A network by the formats' encoders, the PE's GEMM functions, the vector unit's functions and the KV cache objects
/// alone: no descriptor, no layout, no tile. What a machine computes through its sockets must equal it bit for bit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "accelerators/machine_config.h"
#include "formats/kv_cache.h"
#include "workloads/language_model.h"
#include "workloads/synthetic_model.h"

namespace nibble::test {

/// FP16 values, row-major.
struct Rows {
  std::size_t columns = 0;
  std::vector<float> values;
  std::size_t count() const { return values.size() / columns; }
};

class ComposedNetwork {
 public:
  ComposedNetwork(const MachineConfig& config, const LanguageModel& model, const SyntheticModel& weights,
                  std::size_t batch);

  /// `tokens` more tokens of every sequence; the logits behind the last of each.
  std::vector<std::vector<float>> run(std::size_t tokens);
  /// Changes a bit of one operand: a constant by its name, or "keys" or "values" where they enter the cache.
  void plant(const std::string& name, int layer) { planted_ = name, planted_layer_ = layer; }

 private:
  const MachineConfig& config_;
  const LanguageModel& model_;
  const SyntheticModel& weights_;
  const std::size_t batch_;
  std::size_t past_ = 0, tokens_ = 0;
  int layer_ = -1;
  std::string planted_;
  int planted_layer_ = -1;
  std::vector<std::vector<std::unique_ptr<KvCache>>> caches_;  ///< [layer][sequence x KV heads + head]

  Rows constant(const std::string& name, int layer, std::size_t rows, std::size_t columns) const;
  Rows embed() const;
  Rows norm(const std::string& name, Rows x, std::size_t width) const;
  Rows linear(const std::string& name, const Rows& x, std::size_t outputs) const;
  Rows biased(const std::string& name, Rows x, bool bias) const;
  void rotate(Rows& x) const;
  Rows projection(const std::string& letter, const Rows& x, std::size_t heads, bool positioned) const;
  Rows attention(const Rows& x);
  Rows attend(const Rows& queries, const KvCache& cache) const;
  Rows feed_forward(const Rows& x) const;
};

}  // namespace nibble::test
