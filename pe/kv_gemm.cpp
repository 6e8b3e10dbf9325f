// SPDX-License-Identifier: Apache-2.0
#include "pe/kv_gemm.h"

#include <algorithm>

#include "core/error.h"
#include "formats/tensor_slices.h"

namespace nibble {
namespace {

/// The tokens of all segments, which must follow each other from token 0. `tokens_of`: a segment's own.
template <class TokensOf>
std::size_t checked_tokens(const std::vector<KvSegment>& segments, TokensOf tokens_of) {
  if (segments.empty()) throw InputError("attention over a cache without tokens");
  std::size_t tokens = 0;
  for (const KvSegment& segment : segments) {
    if (segment.first_token != tokens) {
      throw InputError(segment.operand.name + ": a segment from token " + std::to_string(segment.first_token) +
                       "; expected " + std::to_string(tokens) + ", the end of the one before");
    }
    tokens += tokens_of(segment.operand);
  }
  return tokens;
}

void add_groups(const QuantizedTensor& operand, BfpWork& work) {
  const BfpMode mode = bfp_mode(operand.format);
  const std::uint64_t rows = operand.rows(), columns = operand.columns(), per_cycle = bfp_products(mode);
  const std::uint64_t group = operand.format.group_k, whole = columns / group, rest = columns % group;
  (mode == BfpMode::m8m4 ? work.m8m4_products : work.m8m8_products) += rows * columns;
  work.pe_cycles += rows * (whole * ((group + per_cycle - 1) / per_cycle) + (rest + per_cycle - 1) / per_cycle);
}

}  // namespace

void kv_scores(const PeUnit& pe, const QuantizedTensor& queries, const std::vector<KvSegment>& keys,
               std::vector<float>& accumulators, const GemmOptions& options) {
  const std::size_t tokens = checked_tokens(keys, [](const QuantizedTensor& operand) { return operand.rows(); });
  for (const KvSegment& segment : keys)
    check_operands(pe, queries, segment.operand);
  accumulators.assign(queries.rows() * tokens, 0.0F);
  for (const KvSegment& segment : keys) {
    gemm_tile(pe, queries, segment.operand, whole_gemm(queries, segment.operand),
              accumulators.data() + segment.first_token, tokens, options);
  }
}

void kv_context(const PeUnit& pe, const QuantizedTensor& probabilities, const std::vector<KvSegment>& values,
                std::vector<float>& accumulators, const GemmOptions& options) {
  const std::size_t tokens = checked_tokens(values, [](const QuantizedTensor& operand) { return operand.columns(); });
  const std::size_t channels = values.front().operand.rows();
  if (probabilities.columns() != tokens) {
    throw InputError(probabilities.name + ": probabilities of " + std::to_string(probabilities.columns()) +
                     " tokens, but the cache has " + std::to_string(tokens));
  }
  for (const KvSegment& segment : values) {
    check_formats(pe, probabilities.format, segment.operand.format);
    if (segment.operand.rows() != channels) {
      throw InputError(segment.operand.name + ": a segment of " + std::to_string(segment.operand.rows()) +
                       " channels; expected " + std::to_string(channels));
    }
  }
  // What the PE keeps together neither ends behind a segment nor begins before one.
  for (std::size_t i = 1; i < values.size(); ++i) {
    for (const std::size_t side : {i - 1, i}) {
      if (values[i].first_token % pe.tile_extent(probabilities.format, values[side].operand.format, tokens) == 0)
        continue;
      throw InputError(values[i].operand.name + ": a segment from token " + std::to_string(values[i].first_token) +
                       " cuts a group of the " + pe.name + " PE");
    }
  }
  accumulators.assign(probabilities.rows() * channels, 0.0F);
  if (values.size() == 1) {  // nothing is cut: formats whose rows share metadata, too
    gemm(pe, probabilities, values.front().operand, accumulators, options);
    return;
  }
  for (const KvSegment& segment : values) {
    const QuantizedTensor part = slice_columns(probabilities, segment.first_token, segment.operand.columns());
    gemm_tile(pe, part, segment.operand, whole_gemm(part, segment.operand), accumulators.data(), channels, options);
  }
}

BfpMode bfp_mode(const Format& weights) {
  if (weights.family == FormatFamily::integer && weights.bits == 4) return BfpMode::m8w4;
  if (weights.family == FormatFamily::bfp) return weights.bits == 4 ? BfpMode::m8m4 : BfpMode::m8m8;
  throw InternalError("no mode of the bfp PE for " + weights.name());
}

BfpWork bfp_work(const std::vector<KvSegment>& operand) {
  BfpWork work;
  for (const KvSegment& segment : operand) {
    if (segment.operand.format.family != FormatFamily::bfp) {
      throw InputError(segment.operand.name + ": " + segment.operand.format.name() + " in a cache of bfp8 and bfp4");
    }
    add_groups(segment.operand, work);
  }
  return work;
}

double BfpWork::products_per_cycle() const {
  return pe_cycles == 0 ? 0.0 : static_cast<double>(m8m4_products + m8m8_products) / static_cast<double>(pe_cycles);
}

}  // namespace nibble
