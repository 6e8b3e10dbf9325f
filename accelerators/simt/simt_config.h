// SPDX-License-Identifier: Apache-2.0
/// Parameters of a SIMT machine, typed and checked before elaboration (configs/accelerators/*.yaml, `kind: simt`).
///
/// Every key of `multiprocessor`, `l2` and `tensor_core` has the default of the struct it fills: Volta. Section
/// `tensor_core` holds the mode `linear`, and `attention` where that computes in other units. A mode's `kernels`
/// are a list of tiles and warps, or `standard`, the default: standard_kernels().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accelerators/machine_config.h"
#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/kernel_timing.h"
#include "accelerators/simt/l2_cache.h"
#include "accelerators/simt/streaming_multiprocessor.h"
#include "dataflow/tensor_core_steps.h"

namespace nibble {

/// What the tensor cores do with one kind of operands.
struct TensorCoreMode {
  const PeUnit* pe = nullptr;
  TensorCoreGeometry geometry;            ///< of one processing block
  std::vector<GemmKernelConfig> kernels;  ///< no two of one tile; bits of operands are set by the command's formats
  bool listed = false;                    ///< the configuration lists the kernels
  std::string name = "linear";
};

struct SimtConfig : MachineConfig {
  unsigned multiprocessors = 1;
  /// Simulated ones; each of the others does what one of them does, at the same time, with thread blocks of its own
  /// whose data it moves. A divisor of multiprocessors; 0: all.
  unsigned representatives = 0;
  MultiprocessorConfig multiprocessor;
  L2Config l2;
  /// A pair of formats is computed by the first that multiplies it with sums as long as the pair's; else by the first
  /// that multiplies it and whose sums cost nothing to scale.
  std::vector<TensorCoreMode> modes;
  double quantizer_operations = 0;         ///< arithmetic operations that encode one result
  std::uint64_t conversions_per_lane = 2;  ///< results that a lane converts with one instruction

  /// Reads and checks `node` except the sections `memory` and `technology`, which the platform reads.
  static SimtConfig from(ConfigNode node);

  /// nullptr: no mode multiplies these formats, or none whose clusters they have.
  const TensorCoreMode* mode_for(const Format& activations, const Format& weights) const;
  /// Index of a mode's first PE mode in CommandCounters::macs_by_mode; modes follow one another.
  std::size_t first_pe_mode(const TensorCoreMode& mode) const;
  /// The mode's kernel whose tile a command's tiling names; nullptr: there is none.
  const GemmKernelConfig* kernel_for(const Descriptor& command) const;
  /// What the kernel knows of a command: widths of its operands, scales, results that are encoded.
  GemmKernelConfig adapted(const GemmKernelConfig& kernel, const Descriptor& command) const;
  /// How long that takes, measured once. Throws InputError where a multiprocessor does not hold it.
  const KernelTiming& timing_of(const GemmKernelConfig& kernel, const Descriptor& command) const;
  /// nullptr where timing_of() throws.
  const KernelTiming* find_timing(const GemmKernelConfig& kernel, const Descriptor& command) const;
  std::uint64_t lanes() const {
    return std::uint64_t{multiprocessors} * multiprocessor.pipeline.blocks * multiprocessor.pipeline.lanes;
  }
  std::uint64_t shared_bytes() const;

  const PeUnit* pe_for(const Format& activations, const Format& weights) const override;
  double macs_per_cycle(const Format& activations, const Format& weights) const override;
  double macs_per_cycle_in_mode(std::size_t mode) const override;
  Tiling choose_tiling(const Descriptor& command, const MemoryRate& memory) const override;
  std::string explain_tiling(const Descriptor& command, const MemoryRate& memory) const override;
  /// A vector command's operands and results pass shared memory, a quarter each, twice (double buffers). [D]
  std::uint64_t vector_input_bytes() const override { return shared_bytes() / 4; }
  std::uint64_t vector_output_bytes() const override { return shared_bytes() / 4; }
  std::uint32_t shape_register() const override;
  const char* shape_meaning() const override { return "multiprocessors << 16 | dot-product units of each"; }
  const char* matrix_unit_name() const override { return "multiprocessors"; }
  EnergyLedger ledger() const override;
  std::unique_ptr<MatrixEngine> make_engine(DmaEngine& dma, ResultWriter& writer,
                                            const MachineClock& clock) const override;
  std::unique_ptr<MachineConfig> clone() const override { return std::make_unique<SimtConfig>(*this); }

 private:
  void read_tensor_cores(ConfigNode node);
  static TensorCoreMode read_mode(ConfigNode node, const std::string& mode_name);
  void complete_modes(const ConfigNode& node);
  void keep_possible_kernels(TensorCoreMode& mode, unsigned w_bits) const;

  /// Made when first needed: from then on multiprocessor.pipeline and l2.hit_latency stay what they are, here and in
  /// copies.
  KernelTimings& timings() const;
  mutable std::shared_ptr<KernelTimings> timings_;
};

/// A kernel's figures for one command. Those in closed form bound the time from below; they are cycles of the
/// multiprocessor with the most thread blocks, memory's apart.
struct KernelEstimate {
  const GemmKernelConfig* kernel = nullptr;
  std::uint64_t thread_blocks = 0, slices = 0;
  unsigned resident = 0;  ///< thread blocks that a multiprocessor holds
  double busy = 0;        ///< tensor cores, schedulers, shared memory
  double latency = 0;     ///< slices that are asked for one after the other
  double memory = 0;      ///< bytes beyond the L2 cache
  double port = 0;        ///< bytes into a multiprocessor
  double at_least = 0;    ///< lower bound of cycles
  double compute = 0;     ///< busy as KernelTiming measures it, prologues and epilogues included; 0: not measured
  double cycles = 0;      ///< expected; 0: not measured
};
/// The kernels that the command could have, by what they take at least. Measured are those of them that could be the
/// fastest. Empty: none fits.
std::vector<KernelEstimate> estimates(const SimtConfig& config, const Descriptor& command, const MemoryRate& memory);
/// Thread blocks walk C in bands of rows of tiles: within a band along m first, so that those that run side by side
/// share weights. `tiles`: rows of tiles of a band; `traffic`: bytes that the walk asks of memory when a band that half
/// of the L2 cache does not hold is read anew for every set of columns that is resident.
struct BandWalk {
  std::uint64_t tiles = 1;
  std::uint64_t traffic = 0;
};
/// The band that moves least. `resident`: thread blocks of a multiprocessor.
BandWalk choose_band(const SimtConfig& config, const GemmKernelConfig& kernel, const Descriptor& command,
                     unsigned resident);
/// Slices of the kernel meet whole groups of the operands, and its tile holds whole groups of the results.
bool fits(const GemmKernelConfig& kernel, const Descriptor& command);

}  // namespace nibble
