// SPDX-License-Identifier: Apache-2.0
/// The GEMM kernel of a SIMT machine: what each warp of a thread block executes for one tile_m x tile_n tile of C.
///
/// The classic software pipeline of tensor-core kernels: while a tile_k slice is multiplied, the next one travels from
/// global memory to registers; it is stored to the other half of shared memory, and after a barrier the fragments of
/// its first k-step are loaded while the last k-step of the current slice multiplies. A k-step is mma_k deep.
///
/// Per warp and slice: 128-bit loads of its share of A, W and scales from global memory; unpacking, where a machine
/// needs FP16 weights; 128-bit stores to shared memory; a barrier; per k-step the fragments of the warp's tile
/// (fragments are copied to all octets that need them), one HMMA per step of every m16n16k16; integer instructions for
/// addresses and the loop. At the end accumulators are converted and stored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "accelerators/simt/warp_program.h"
#include "dataflow/tensor_core_steps.h"

namespace nibble {

/// Where packed weights become FP16. never: the tensor core takes them as they are.
enum class UnpackPlace {
  never,
  before_shared,  ///< once per thread block, on the way to shared memory, which then holds FP16
  before_tensor,  ///< behind shared memory, by every warp that uses them
};
/// "never", "before_shared", "before_tensor"
const char* to_string(UnpackPlace place);

/// Order of a warp's matrix instructions inside a slice. k_inner keeps accumulators in the tensor core over the slice.
enum class KernelOrder { k_outer, k_inner };
/// "k_outer", "k_inner"
const char* to_string(KernelOrder order);

struct GemmKernelConfig {
  unsigned tile_m = 128, tile_n = 128, tile_k = 32;
  unsigned warps_m = 2, warps_n = 4;  ///< warps of a thread block, across its tile
  unsigned a_bits = 16;               ///< of an activation in memory, metadata not counted
  unsigned w_bits = 16;               ///< of a weight in memory
  unsigned result_bits = 16;
  std::uint64_t a_scale_group = 0;  ///< activations per 16 bits of metadata; 0: none travel
  std::uint64_t scale_group = 0;    ///< weights per 16 bits of metadata (a scale, say); 0: none travel
  UnpackPlace unpack = UnpackPlace::never;
  /// Arithmetic instructions that turn 32 bits of packed weights into scaled FP16.
  unsigned unpack_instructions = 0;
  /// Per warp and slice [D]: two 64-bit pointers advance (4), both halves of shared memory swap (2), count, branch.
  unsigned integer_instructions = 8;
  /// Arithmetic operations that make a result of an accumulator: half an instruction of a lane where two are converted
  /// at once, more where results are quantized.
  double result_operations = 0.5;
  KernelOrder order = KernelOrder::k_outer;
};

/// "128 x 128 x 32": m, n, k
std::string tile_name(const GemmKernelConfig& config);

/// Kernels as a library of GEMMs has them, for machines whose configuration lists none [D]: tiles of 16 to 256 rows by
/// 32 to 256 columns, four or eight warps of at most 64 x 64, slices of 32 to 1024 of k, powers of two. `base`: what is
/// the same for all. Not every machine holds each of them, and several arrangements of warps share a tile.
std::vector<GemmKernelConfig> standard_kernels(const GemmKernelConfig& base);

/// A thread block's program and what it occupies.
struct GemmKernel {
  WarpProgram program;
  unsigned warps = 0;
  unsigned registers_per_lane = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t mmas = 0;  ///< warp-wide matrix instructions of the whole thread block, all slices
};

/// `k`: reduction extent, rounded up to slices. Throws InputError when tiles are no multiples of what they hold, or a
/// lane needs more than 255 registers.
GemmKernel make_gemm_kernel(const GemmKernelConfig& config, const TensorCoreSteps& steps, std::uint64_t k);

}  // namespace nibble
