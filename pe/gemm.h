// SPDX-License-Identifier: Apache-2.0
/// What the GEMM functions of the PEs share: C[M, N] = A[M, K] x W[N, K]^T, accumulators as binary32, the output as
/// FP16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/quantizer.h"
#include "pe/pe_timing.h"

namespace nibble {

/// Rows [m0, m0 + m) of A against rows [n0, n0 + n) of W over [k0, k0 + k) of the reduction.
struct GemmRange {
  std::size_t m0 = 0, m = 0, k0 = 0, k = 0, n0 = 0, n = 0;
};

struct GemmOptions {
  bool accumulate_fp32 = false;  ///< amove: binary32 instead of FP16 after the cluster sum
  bool product_fp16 = false;     ///< fp_int: lane products rounded to FP16, to show the damage
  unsigned aligned_bits = 0;     ///< fp_int_aligned: bits of an aligned magnitude, 4..15; 0: 14
};

struct ArrayDatapath;  // pe/array_datapath.h

/// One PE as the rest of nibble sees it. All functions are pure.
struct PeUnit {
  std::string name;       ///< "mant"
  std::string summary;    ///< one line
  std::string supported;  ///< the pairs of formats, activations first, for messages
  /// Whether the PE multiplies activations of the first format with weights of the second.
  bool (*supports)(const Format& activations, const Format& weights);
  /// Elements along k that a tile must keep together (the whole reduction: `columns`).
  std::size_t (*tile_extent)(const Format& activations, const Format& weights, std::size_t columns);
  /// Continues the sums in accumulators[r][c], r < range.m, c < range.n, rows `stride` floats apart. Call gemm_tile
  /// instead: it checks the operands first.
  void (*tile)(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
               const GemmOptions& options, float* accumulators, std::size_t stride);
  const PeTiming& (*timing)();
  /// Index into timing().modes of the mode in which the PE multiplies a supported pair; null: it has one mode.
  std::size_t (*mode)(const Format& activations, const Format& weights) = nullptr;
  std::string activation_format = {}, weight_format = {};  ///< the pair that it is published with
  std::vector<std::string> options = {};  ///< members of GemmOptions that change its results: "accumulate", "product"
  /// How an array steps through it, register by register; null: not modelled.
  const ArrayDatapath& (*datapath)() = nullptr;
  /// Cycles that a run over the reduction takes beside its steps, for a supported pair; null: none.
  std::uint64_t (*run_overhead)(const Format& activations, const Format& weights) = nullptr;
  /// Its descriptor and cost book entries when built with so many adder trees per dot product; null: it has no choice,
  /// or gives null for a number that is not known.
  const PeTiming* (*timing_with_trees)(unsigned adder_trees) = nullptr;
  bool has_option(const std::string& option) const;
};

/// Index of the mode for a supported pair, and the mode.
std::size_t mode_index(const PeUnit& pe, const Format& activations, const Format& weights);
const PeMode& mode_of(const PeUnit& pe, const Format& activations, const Format& weights);

/// Throws InputError that lists the supported pairs, or names both tensors when their reductions differ.
void check_operands(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights);
void check_formats(const PeUnit& pe, const Format& activations, const Format& weights);

/// accumulators[M][N], before the last rounding. The output: fp16_output(accumulators).
void gemm(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights,
          std::vector<float>& accumulators, const GemmOptions& options = {});

/// All of it. The operands must have the same reduction.
GemmRange whole_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights);

/// One tile, continuing accumulators[r][c] (rows `stride` floats apart, all +0 before the first k). Tiles in ascending
/// k give the bits of the whole. The tile starts at a multiple of tile_extent along k and ends at one or at the end
/// (InternalError).
void gemm_tile(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights,
               const GemmRange& range, float* accumulators, std::size_t stride, const GemmOptions& options = {});

/// C as binary16 bit patterns.
struct Fp16Output {
  std::vector<std::uint16_t> bits;
  std::uint64_t overflows = 0;  ///< outputs that are not finite
};
Fp16Output fp16_output(const std::vector<float>& accumulators);

}  // namespace nibble
