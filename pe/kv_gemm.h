// SPDX-License-Identifier: Apache-2.0
/// The two GEMMs of attention against a cache whose tokens lie in several formats: the blocks of bfp8 and bfp4 of
/// Harmonia, the groups and the window of M-ANT. Every segment runs in its own mode of the PE; the accumulators are
/// those of one GEMM. Bit-exact definition: docs/datapaths.md, section "Keys and values in several formats".
#pragma once

#include <cstdint>
#include <vector>

#include "formats/kv_cache.h"
#include "pe/bfp_pe.h"
#include "pe/gemm.h"

namespace nibble {

/// accumulators[M][tokens] of Q x K^T: the rows of W differ in format. Queries [M, channels].
/// Both functions throw InputError when the PE does not multiply a pair, when the segments leave a gap or have other
/// channels, and when the other operand has another extent.
void kv_scores(const PeUnit& pe, const QuantizedTensor& queries, const std::vector<KvSegment>& keys,
               std::vector<float>& accumulators, const GemmOptions& options = {});

/// accumulators[M][channels] of P x V: the groups along k differ in format and are accumulated in ascending tokens.
/// Probabilities [M, tokens]. Every segment but the first starts at a multiple of what the PE keeps together
/// (InputError).
void kv_context(const PeUnit& pe, const QuantizedTensor& probabilities, const std::vector<KvSegment>& values,
                std::vector<float>& accumulators, const GemmOptions& options = {});

/// The bfp PE's mode for activations in bfp8 and a second operand in `weights`: int4, bfp4 or bfp8 (InternalError).
BfpMode bfp_mode(const Format& weights);

/// Work of the bfp PE on a cache with blocks of both modes.
struct BfpWork {
  std::uint64_t m8m4_products = 0, m8m8_products = 0;
  std::uint64_t pe_cycles = 0;  ///< summed over the outputs of one PE each, without fill and drain
  double products_per_cycle() const;
};
/// One row of Q or P against all keys or values; a short group takes whole cycles. Throws InputError for other formats
/// than bfp8 and bfp4.
BfpWork bfp_work(const std::vector<KvSegment>& operand);

}  // namespace nibble
