// SPDX-License-Identifier: Apache-2.0
/// From operators to commands: formats by role, places in memory, schedules.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "accelerators/command_order.h"
#include "accelerators/descriptor.h"
#include "accelerators/lowered_command.h"
#include "accelerators/machine_config.h"
#include "core/report.h"
#include "dataflow/schedule_search.h"
#include "workloads/language_model.h"
#include "workloads/operator.h"

namespace nibble {

/// Bump allocation in the memory of a machine. When the operands of a model exceed the capacity, places are handed out
/// again from the start: a run without data keeps its timing, and the report says so.
class Placement {
 public:
  Placement(std::uint64_t first, std::uint64_t capacity) : first_(first), next_(first), capacity_(capacity) {}
  /// Throws InputError when `bytes` alone exceed the capacity.
  std::uint64_t allocate(std::uint64_t bytes, const std::string& what);
  /// `bytes`, or what the memory holds of them.
  std::uint64_t as_much(std::uint64_t bytes);
  /// That operands can have at a time.
  std::uint64_t room() const { return capacity_ - first_; }
  std::uint64_t footprint() const { return footprint_; }
  bool wrapped() const { return wrapped_; }

 private:
  std::uint64_t first_, next_, capacity_, footprint_ = 0;
  bool wrapped_ = false;
};

/// Bytes of `rows` x `columns` elements in one block; `packed`: as in caches, records to the bit.
std::uint64_t stream_bytes(const Format& format, std::uint64_t rows, std::uint64_t columns, bool packed = false);
/// A field of a descriptor; InputError that names `what` beyond 32 bits.
std::uint32_t narrow(std::uint64_t value, const char* what);
/// Tile extents and loop order, for reports.
std::string describe(const Tiling& tiling);

/// Searches schedules and keeps those it has found: equal shapes get equal schedules.
class Scheduler {
 public:
  Scheduler(const MachineConfig& config, const MemoryRate& memory) : config_(config), memory_(memory) {}
  Tiling schedule(const Descriptor& command);
  /// Cycles of a command that has its tiling, in closed form.
  double cycles(const Descriptor& command) const { return config_.estimate_cycles(command, memory_); }

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, unsigned, std::uint64_t,
                         std::uint64_t, std::uint64_t, std::string>;
  const MachineConfig& config_;
  MemoryRate memory_;
  std::map<Key, Tiling> known_;
};

/// Lowers the operators of one model, in order. Timing only: operands have places, no contents.
class ModelLowering {
 public:
  /// `max_tokens`: the longest context that the KV caches must hold, per sequence.
  ModelLowering(const MachineConfig& config, const MemoryRate& memory, const LanguageModel& model,
                const Scenario& scenario, std::uint64_t first_address, std::uint64_t capacity);

  virtual ~ModelLowering() = default;

  /// Appends the command(s) of `op`; those of an attention come with its last operator.
  void lower(const Operator& op, std::deque<LoweredCommand>& commands);
  const Placement& placement() const { return placement_; }
  /// That the command takes at the peak rates of its unit and of the memory.
  double least_cycles(const LoweredCommand& command) const;
  /// What the caches hold when all has been lowered, by the layouts in which commands read them.
  KvCacheFigures cache_figures() const;

 protected:
  /// Results that the arena holds in turn.
  static constexpr std::uint64_t arena_results = 4;
  Format format_of(TensorRole role) const;
  OperandDescriptor operand(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t block_rows,
                            std::uint64_t address, std::uint64_t instances) const;
  /// A weight or a part of a cache.
  OperandDescriptor stored(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t address,
                           std::uint64_t instances) const;
  std::uint64_t weight_address(const Operator& op, std::uint64_t bytes);
  std::uint64_t cache_address(int layer, TensorRole role);
  std::uint64_t arena(std::uint64_t bytes);
  virtual void lower_operator(const Operator& op, std::deque<LoweredCommand>& commands);
  LoweredCommand command_for(const Operator& op) const;
  LoweredCommand vector_command(const Operator& op, const std::string& name) const;
  void lower_matrix(const Operator& op, std::deque<LoweredCommand>& commands);
  void lower_vector(const Operator& op, std::deque<LoweredCommand>& commands);
  bool schedule(const Operator& op, const Format& format, Descriptor& command);
  void finish_matrix(const Operator& op, LoweredCommand command, std::deque<LoweredCommand>& commands);
  void finish_values(const Operator& op, LoweredCommand command, std::deque<LoweredCommand>& commands);
  void append_result_encoding(const Operator& op, const Format& format, std::deque<LoweredCommand>& commands);

  // lowering_fused.cpp
  /// Rows and instances of an attention whose scores are on chip together.
  struct Chunk {
    std::uint64_t first_instance = 0, instances = 1, first_row = 0, rows = 1;
    bool last_rows = false;
  };
  void lower_fused(const std::vector<Operator>& parts, std::deque<LoweredCommand>& commands);
  std::uint64_t kib_for(std::uint64_t bytes) const;
  void choose_instances(Descriptor& command) const;
  std::uint64_t compulsory_of(const Operator& op, const Descriptor& command) const;

  // lowering_overlap.cpp
  /// Instances of an attention that belong together: KV heads, or all those of a sequence.
  virtual std::uint64_t inseparable_instances() const { return 1; }
  /// Parts of an attention, of `instances` each, the last one of what is left.
  struct AttentionParts {
    /// Whose scores and probabilities are in memory at a time: those of one part are written, those of another go
    /// through the softmax, those of a third are read.
    static constexpr std::uint64_t in_memory = 3;
    std::uint64_t count = 1, instances = 0;
  };
  AttentionParts attention_parts(const Operator& scores) const;
  double overlapping_parts(const Operator& scores) const;
  std::uint64_t in_memory(TensorRole role, std::uint64_t bytes, std::uint64_t instances) const;
  bool beside_vector(const Operator& op) const;
  double vector_cycles_beside(const Operator& op) const;
  void choose_tiles(const Operator& op, Descriptor& command);
  void name_tensors(const Operator& op, LoweredCommand& command) const;
  void overlap_attention(std::deque<LoweredCommand>& commands);

  // lowering_cache.cpp
  /// Tokens of a cache by the width of their mantissas.
  struct CacheParts {
    std::uint64_t initial = 0, demoted = 0, local = 0;
  };
  /// Tokens of values by their groups, per sequence.
  struct ValueGroups {
    std::uint64_t before = 0;    ///< in the group that was open
    std::uint64_t finished = 0;  ///< in groups that are full now
    std::uint64_t open = 0;      ///< in the group that is open now
    std::uint64_t entering = 0;  ///< of them new
    bool completed = false;      ///< the group that was open is full
  };
  ValueGroups value_groups(const Operator& op) const;
  CacheParts parts_of(std::uint64_t tokens) const;
  CacheParts parts_read(const Operator& op, std::uint64_t tokens) const;
  bool reads_parts(const Operator& op) const;
  std::uint64_t cached_before(const Operator& op) const;
  std::uint64_t key_bytes(std::uint64_t tokens) const;
  std::uint64_t value_bytes_held(std::uint64_t tokens) const;
  std::uint64_t open_group_bytes() const;
  /// Caches of a layer: one per sequence and KV head.
  std::uint64_t instances() const { return scenario_.batch * model_.kv_heads; }
  void set_key_bytes(const Operator& op, Descriptor& command);
  void set_cache_operand(const Operator& op, Descriptor& command);
  void set_window(const Operator& op, Descriptor& command) const;
  void set_value_blocks(const Operator& op, Descriptor& command) const;
  std::uint64_t value_bytes(const Operator& op) const;
  void append_value_commands(const Operator& op, std::deque<LoweredCommand>& commands);
  void append_encoding(const Operator& op, const char* name, std::uint64_t tokens, std::uint64_t input_bytes,
                       std::deque<LoweredCommand>& commands);
  void lower_scores_by_parts(const Operator& op, std::deque<LoweredCommand>& commands);

  const MachineConfig& config_;
  const MemoryRate memory_;
  const LanguageModel& model_;
  const Scenario scenario_;
  std::uint64_t max_tokens_;
  std::uint64_t value_group_;  ///< tokens that share a scale
  Scheduler scheduler_;
  Placement placement_;
  std::map<std::pair<int, std::string>, std::uint64_t> weights_;
  std::map<std::pair<int, TensorRole>, std::uint64_t> caches_;
  std::vector<Operator> attention_;   ///< fused: operators of an attention so far
  std::optional<Chunk> chunk_;        ///< fused: that is being lowered
  std::uint64_t scores_on_chip_ = 0;  ///< bytes of its scores that have a place
  CommandOrder order_;
  const double memory_latency_;  ///< cycles
  AttentionParts parts_;         ///< of the attention that is being lowered
  /// Where its commands begin: of the scores, the softmax, the context.
  std::size_t scores_begin_ = 0, softmax_begin_ = 0, context_begin_ = 0;
  std::uint64_t arena_base_ = 0, arena_bytes_ = 0, arena_next_ = 0;
};

}  // namespace nibble
