// SPDX-License-Identifier: Apache-2.0
/// How a SIMT tensor core walks through one warp-wide matrix instruction (m16n16k16 and the like): thread groups,
/// steps, operand buffers in front of the dot-product units, and the register file accesses that follow.
///
/// A warp's C[m, n] += A[m, k] x W[n, k]^T is split between thread groups; each computes a tile of group_m x group_n
/// outputs over the whole k, step by step. A step takes a patch of step_m x step_k of A, one of step_k x step_n of W
/// and one of step_m x step_n accumulators. Patches come from the register file unless the operand buffers hold them: A
/// and C have a buffer per thread group, W one per `w_sharers` thread groups that walk in lockstep (an octet is two).
/// Buffers hold whole patches and replace the least recently used one; they are cold when an instruction begins,
/// because other warps' instructions come between.
///
/// Volta, FP16 (V. Choquette et al., IEEE Micro 2018; M. A. Raihan et al., ISPASS 2019): m16n16k16 on the two tensor
/// cores of a processing block, 4 octets of 8 x 8 outputs, thread groups of 4 x 8, 4 sets (k4) of 4 steps of 2 x 4
/// outputs and 2 cycles: 16 HMMA, 32 cycles.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace nibble {

/// How the weights of a 16-bit word lie. PacQ packs along n, so that all of a word meets one activation; conventional
/// kernels pack along k.
enum class WeightPacking { none, along_n, along_k };
/// "none", "along_n", "along_k"
const char* to_string(WeightPacking packing);

/// Nesting of the steps of a thread group.
enum class StepAxis { m, n, k };

/// The tensor cores of one processing block as one warp's instruction sees them. Counts > 0; tiles divide their whole.
struct TensorCoreGeometry {
  unsigned mma_m = 16, mma_n = 16, mma_k = 16;
  unsigned thread_groups = 8;  ///< mma_m * mma_n = thread_groups * group_m * group_n
  unsigned w_sharers = 2;      ///< thread groups that share patches of W
  unsigned group_m = 4, group_n = 8;
  unsigned step_m = 2, step_n = 4, step_k = 4;
  std::array<StepAxis, 3> order{StepAxis::k, StepAxis::n, StepAxis::m};  ///< outermost first
  unsigned dp_units = 4;                                                 ///< dot-product units of a thread group
  unsigned dp_width = 4;     ///< products that one adder tree sums per cycle
  unsigned adder_trees = 1;  ///< per dot-product unit (PacQ: the duplication d)
  unsigned a_bits = 16, w_bits = 16, c_bits = 32;
  WeightPacking packing = WeightPacking::none;
  /// Products that one integer sum spans before scales apply to it (an Amove cluster, a scale group); 0: never.
  unsigned scale_extent = 0;
  unsigned scaled_sums_per_cycle = 0;  ///< sums of a thread group that are scaled in a cycle; 0: as many as come
  bool decodes_scales = false;         ///< decoders beside the dot-product units rebuild the scales of clusters (Amove)
  unsigned a_buffer_bits = 128;        ///< per thread group; PacQ, Volta: 2 x 4 FP16
  unsigned w_buffer_bits = 256;        ///< per w_sharers thread groups: 4 x 4 words of 16 bits
  unsigned c_buffer_bits = 256;        ///< per thread group: 2 x 4 FP32

  /// Weights of a 16-bit word, 1 without packing.
  unsigned word_lanes() const { return packing == WeightPacking::none ? 1 : 16 / w_bits; }
  std::uint64_t macs() const { return std::uint64_t{mma_m} * mma_n * mma_k; }
};

/// One step of a thread group: its patches, in units of patches along each axis.
struct TensorCoreStep {
  unsigned m = 0, n = 0, k = 0;
};

/// Register file accesses of one instruction, all thread groups, in registers of one lane (32 bits).
struct OperandAccesses {
  std::uint64_t a_reads = 0, w_reads = 0, c_reads = 0, c_writes = 0;
  std::uint64_t reads() const { return a_reads + w_reads + c_reads; }
  std::uint64_t total() const { return reads() + c_writes; }
};

/// One warp-wide matrix instruction, as a sequence of equal steps.
class TensorCoreSteps {
 public:
  /// Throws InputError that names the rule when tiles do not divide their whole, a patch cuts a packed word of W or
  /// does not fit its buffer, or outputs and thread groups disagree.
  explicit TensorCoreSteps(const TensorCoreGeometry& geometry);

  const TensorCoreGeometry& geometry() const { return geometry_; }
  /// Steps of every thread group, each issued as one HMMA to the warp.
  const std::vector<TensorCoreStep>& steps() const { return steps_; }
  /// Cycles that a step occupies the dot-product units: each of its sums takes step_k / dp_width cycles of one adder
  /// tree, rounded up; and no fewer than its sums need to be scaled, groups that span several steps in proportion.
  unsigned cycles_per_step() const { return cycles_per_step_; }
  std::uint64_t cycles() const { return steps_.size() * std::uint64_t{cycles_per_step_}; }
  const OperandAccesses& accesses() const { return accesses_; }
  /// Scales that decoders rebuild for one instruction, 0 without decoders: those of A in every thread group, those of W
  /// once per w_sharers of them, as the operands reach them. They are ready with the sums that they scale.
  std::uint64_t decoded_scales() const;
  /// The buffers of C hold all outputs of their thread groups: consecutive instructions on the same accumulators need
  /// them read before the first and written after the last only (output stationary).
  bool holds_accumulators() const { return holds_accumulators_; }
  /// Accesses of one step of the instruction; their sum is accesses().
  const std::vector<OperandAccesses>& accesses_by_step() const { return by_step_; }

 private:
  void check() const;
  void make_steps();
  void count_accesses();

  TensorCoreGeometry geometry_;
  std::vector<TensorCoreStep> steps_;
  unsigned cycles_per_step_ = 1;
  bool holds_accumulators_ = false;
  OperandAccesses accesses_;
  std::vector<OperandAccesses> by_step_;
};

}  // namespace nibble
