// SPDX-License-Identifier: Apache-2.0
#include "formats/harmonia_kv_cache.h"

#include <algorithm>

#include "core/error.h"
#include "formats/bfp.h"
#include "formats/tensor_slices.h"

namespace nibble {
namespace {

const Format bfp8{FormatFamily::bfp, 8, Grouping::group, HarmoniaKvCache::block, 1, 0};

}  // namespace

HarmoniaKvCache::HarmoniaKvCache(std::size_t channels, const HarmoniaKvOptions& options, std::string name)
    : KvCache(std::move(name), channels), options_(options), demoted_end_(options.initial / block) {
  for (const std::size_t window : {options.initial, options.local}) {
    if (window % block == 0) continue;
    throw InputError(this->name() + ": a window of " + std::to_string(window) + " tokens; expected a multiple of 32");
  }
}

void HarmoniaKvCache::add(const Tensor& keys, const Tensor& values, bool prompt) {
  const bool first_keys = prompt && options_.offset_channels > 0;
  const KeyOffsets offsets =
      first_keys ? KeyOffsets(keys, channels(), options_.offset_channels, options_.offset_rule) : offsets_;
  append_rows(keys_, encode(offsets.subtract_from(keys, tokens()), bfp8));
  offsets_ = offsets;
  residual_.insert(residual_.end(), values.values.begin(), values.values.end());
  const std::size_t step = block * channels();
  std::size_t first = 0;
  for (; residual_.size() - first >= step; first += step) {
    const auto begin = residual_.begin() + static_cast<std::ptrdiff_t>(first);
    values_.push_back(
        encode(transposed({name(), {block, channels()}, {begin, begin + static_cast<std::ptrdiff_t>(step)}}), bfp8));
  }
  residual_.erase(residual_.begin(), residual_.begin() + static_cast<std::ptrdiff_t>(first));
  if (!prompt) demote_blocks(tokens() + 1);
}

void HarmoniaKvCache::demote_blocks(std::size_t count) {
  if (!options_.demote || count < options_.local) return;
  for (; (demoted_end_ + 1) * block <= count - options_.local; ++demoted_end_) {
    const auto first = keys_.codes.begin() + static_cast<std::ptrdiff_t>(demoted_end_ * block * channels());
    std::transform(first, first + static_cast<std::ptrdiff_t>(block * channels()), first, demote_mantissa);
    values_[demoted_end_] = demote_to_bfp4(values_[demoted_end_]);
  }
}

unsigned HarmoniaKvCache::block_bits(std::size_t index) const {
  if (index >= blocks()) throw InternalError(name() + ": no block " + std::to_string(index));
  return index >= options_.initial / block && index < demoted_end_ ? 4 : 8;
}

std::vector<HarmoniaKvCache::Run> HarmoniaKvCache::runs(std::size_t count) const {
  std::vector<Run> all;
  for (std::size_t first = 0; first < count; first += block) {
    const unsigned bits = block_bits(first / block);
    const std::size_t end = std::min(first + block, count);
    if (!all.empty() && all.back().bits == bits) {
      all.back().end = end;
    } else {
      all.push_back({first, end, bits});
    }
  }
  return all;
}

std::vector<KvSegment> HarmoniaKvCache::key_segments() const {
  std::vector<KvSegment> segments;
  for (const Run& run : runs(tokens())) {
    segments.push_back({run.first, slice_rows(keys_, run.first, run.end - run.first)});
    segments.back().operand.format.bits = run.bits;
    segments.back().operand.name = name() + ": keys";
  }
  return segments;
}

std::vector<KvSegment> HarmoniaKvCache::value_segments() const {
  std::vector<KvSegment> segments;
  for (const Run& run : runs(tokens())) {
    std::vector<QuantizedTensor> parts;
    for (std::size_t b = run.first / block; (b + 1) * block <= run.end; ++b)
      parts.push_back(values_[b]);
    if (run.end % block != 0) {
      parts.push_back(encode(transposed({name(), {residual_tokens(), channels()}, residual_}), bfp8));
    }
    segments.push_back({run.first, join_columns(parts)});
    segments.back().operand.name = name() + ": values";
  }
  return segments;
}

KvStorage HarmoniaKvCache::storage() const {
  KvStorage storage;
  if (tokens() == 0) return storage;
  for (const KvSegment& segment : key_segments()) {
    storage.key_bits += stored_bits(segment.operand);
    storage.key_bytes += stored_bytes(segment.operand);
  }
  storage.key_bits += 16 * std::uint64_t{offsets_.channels().size()};
  storage.key_bytes += 2 * std::uint64_t{offsets_.channels().size()};
  for (const QuantizedTensor& group : values_) {
    storage.value_bits += stored_bits(group);
    storage.value_bytes += stored_bytes(group);
  }
  storage.value_bits += 16 * std::uint64_t{residual_.size()};
  storage.value_bytes += 2 * std::uint64_t{residual_.size()};
  return storage;
}

}  // namespace nibble
