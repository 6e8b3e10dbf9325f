// SPDX-License-Identifier: Apache-2.0
/// The values of one KV head of one sequence in memory, and the unit that writes them: it groups along the tokens,
/// which come one after another. docs/kv-caches.md defines what each policy stores, docs/programming.md where.
#pragma once

#include <cstdint>
#include <vector>

#include "accelerators/descriptor.h"
#include "accelerators/machine_config.h"
#include "formats/quantizer.h"

namespace nibble {

/// Places in a record, as offsets from its address.
///
///   closed      the values in their format, [channels][capacity] in one block; without groups along the tokens token
///               major: scales of the channels, then one token after the other
///   demoted     harmonia: [channels][capacity] in the format of demoted blocks
///   open        the tokens of the group that is not full in FP16, token by token
///   window      mant: the same in INT8, scales first
class ValueRecord {
 public:
  /// `channels` of the head; `capacity` tokens, whole groups; formats of the values and (harmonia) of demoted blocks.
  ValueRecord(KvPolicy policy, const Format& format, const Format& demoted, std::uint64_t channels,
              std::uint64_t capacity);
  /// C of a vector command, arranged as values; W's format is that of demoted blocks.
  explicit ValueRecord(const Descriptor& command)
      : ValueRecord(static_cast<KvPolicy>(command.policy), command.c.format, command.w.format, command.c.rows,
                    command.c.columns) {}

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t group() const { return group_; }
  /// W of the GEMM for the tokens [first, first + count) in `format`, which is that of the values or of demoted blocks;
  /// `first` begins a group. Address and stride are those of `record`.
  OperandDescriptor part(const OperandDescriptor& record, const Format& format, std::uint64_t first,
                         std::uint64_t count) const;
  /// mant: the open group as an operand.
  OperandDescriptor window(const OperandDescriptor& record, std::uint64_t count) const;

  /// What the unit reads of the record at `address` before `count` tokens enter behind `past`.
  std::vector<MemoryRun> state(std::uint64_t address, std::uint64_t past, std::uint64_t count) const;
  /// What it writes then: runs, and their bytes one after the other.
  struct Update {
    std::vector<MemoryRun> runs;
    std::vector<std::uint8_t> bytes;
  };
  /// `tokens`: [count][channels], FP16 values; `held`: the bytes of state(). Throws InputError where values cannot be
  /// encoded.
  Update append(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                const std::vector<std::uint8_t>& held) const;

 private:
  std::uint64_t open_tokens(std::uint64_t past) const { return past % group_; }
  void append_by_channel(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                         const std::vector<std::uint8_t>& held, Update& update) const;
  void append_groups(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                     const std::vector<std::uint8_t>& held, Update& update) const;
  void append_mant(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                   const std::vector<std::uint8_t>& held, Update& update) const;
  void enter_window(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                    const std::vector<std::uint8_t>& held, Update& update) const;
  void store_group(std::uint64_t address, std::uint64_t first, const float* tokens, std::uint64_t count,
                   Update& update) const;
  void store_fp16(std::uint64_t address, const float* values, std::uint64_t count, Update& update) const;
  void store_codes(std::uint64_t address, const float* tokens, std::uint64_t count, const std::vector<float>& scales,
                   Update& update) const;

  KvPolicy policy_;
  Format format_, demoted_;
  std::uint64_t channels_, group_;
  std::uint64_t demoted_at_ = 0, open_at_ = 0, window_at_ = 0, bytes_ = 0;
};

}  // namespace nibble
