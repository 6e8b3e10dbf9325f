// SPDX-License-Identifier: Apache-2.0
/// Lowering with data: what one command writes is where the next reads it, keys and values live in caches that grow,
/// and constants have places that a host fills (functional_model.h). Schedules, formats and tiles are those of
/// ModelLowering.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "accelerators/lowering.h"
#include "accelerators/value_record.h"

namespace nibble {

/// Added to the mean of the squares of a norm: the value of the published models (Llama 2: 1e-5, OPT: 1e-5).
constexpr float norm_epsilon = 1e-5F;

/// A constant operand that the host places before its first use.
struct ModelConstant {
  std::string name;  ///< of the operator, or "positions", "angles"
  int layer = -1;
  bool weight = false;  ///< [n, k] of a linear layer; otherwise an operand of a vector command
  OperandDescriptor operand;
};

/// Token numbers that a pass reads (4 bytes each, sequence by sequence), and logits that it leaves.
struct ModelPass {
  std::uint64_t tokens_address = 0, tokens = 0;  ///< of each sequence
  std::uint64_t past = 0;
  OperandDescriptor logits;
};

class FunctionalLowering final : public ModelLowering {
 public:
  /// Throws InputError for what has no functional model: sliding windows shorter than the scenario, norms behind the
  /// blocks, a context without prefill.
  FunctionalLowering(const MachineConfig& config, const MemoryRate& memory, const LanguageModel& model,
                     const Scenario& scenario, std::uint64_t first_address, std::uint64_t capacity);

  /// In the order of their first use; grows with lower().
  const std::vector<ModelConstant>& constants() const { return constants_; }
  const std::vector<ModelPass>& passes() const { return passes_; }

 private:
  using Commands = std::deque<LoweredCommand>;
  /// A result, and the command that wrote it while its pass is being lowered.
  struct Result {
    OperandDescriptor operand;
    std::size_t writer = 0;
  };
  struct Place {
    std::uint64_t address[2] = {0, 0}, bytes[2] = {0, 0};
    unsigned current = 0;
  };
  /// Keys and values of a layer.
  struct Cache {
    OperandDescriptor keys, demoted_keys, values;
    std::uint64_t demoted = 0;  ///< tokens, behind the initial ones
  };

  std::uint64_t tokens_of(const Operator& op) const;
  std::uint64_t past_of(const Operator& op) const;
  std::uint64_t instances() const { return scenario_.batch * model_.kv_heads; }
  std::uint64_t group() const { return model_.heads / model_.kv_heads; }
  std::uint64_t capacity() const;

  std::uint64_t allocate(std::uint64_t bytes, const std::string& what);
  std::uint64_t reserve(const std::string& tensor, std::uint64_t bytes);
  OperandDescriptor placed(const std::string& tensor, OperandDescriptor operand, std::uint64_t instances);
  const OperandDescriptor& constant(const std::string& name, int layer, const Format& format, std::uint64_t rows,
                                    std::uint64_t columns, bool weight);
  /// Logits stay until they are read.
  std::string logits_of_pass() const { return "logits of pass " + std::to_string(passes_.size()); }
  Cache& cache(int layer);
  ValueRecord value_record() const;
  void set_block_rows(Commands& commands, const std::string& tensor, std::uint64_t block_rows);
  void push(const Operator& op, LoweredCommand command, Commands& commands);

  void lower_operator(const Operator& op, Commands& commands) override;
  std::uint64_t inseparable_instances() const override { return model_.kv_heads; }
  LoweredCommand data_command(const Operator& op, const std::string& name) const;
  void count_bytes(Descriptor& command, LoweredCommand& lowered) const;
  OperandDescriptor destination(const Operator& op, Descriptor& command);
  void lower_function(const Operator& op, Commands& commands);
  void set_function(const Operator& op, Descriptor& command);
  void lower_softmax(const Operator& op, Commands& commands);
  void lower_linear(const Operator& op, Commands& commands);
  void lower_scores(const Operator& op, Commands& commands);
  void lower_context(const Operator& op, Commands& commands);
  void append_arrangement(const Operator& op, Commands& commands);
  void demote(const Operator& op, Commands& commands);
  LoweredCommand gemm(const Operator& op, const OperandDescriptor& a, const OperandDescriptor& w) const;
  void finish_gemm(const Operator& op, LoweredCommand& command);

  std::map<std::string, Result> results_;
  std::map<std::string, Place> places_;
  std::map<int, Cache> caches_by_layer_;
  std::map<std::pair<int, std::string>, std::size_t> known_;
  std::vector<ModelConstant> constants_;
  std::vector<ModelPass> passes_;
};

}  // namespace nibble
