// SPDX-License-Identifier: Apache-2.0
#include "formats/grouped_kv_cache.h"

#include <algorithm>

#include "core/error.h"
#include "formats/tensor_slices.h"

namespace nibble {
namespace {

EncodeOptions encoding(const std::string& name, const Format& format, const std::optional<int>& exponent) {
  const bool own_groups =
      format.grouping == Grouping::none || (format.grouping == Grouping::group && format.group_n == 1);
  if (!own_groups || format.row_bits() != 0 || format.tensor_bits() != 0) {
    throw InputError(name + ": a cache cannot grow in " + format.name() +
                     "; expected groups of k elements of one row (g<k>) or fp16, bf16, fp32");
  }
  if (exponent && format.family != FormatFamily::amove) {
    throw InputError(name + ": " + format.name() + " has no exponent; only amove has");
  }
  EncodeOptions options;
  options.exponent = exponent;
  return options;
}

void append_tokens(Tensor& tokens, const Tensor& more, std::size_t first, std::size_t count) {
  const auto begin = more.values.begin() + static_cast<std::ptrdiff_t>(first * more.columns());
  tokens.values.insert(tokens.values.end(), begin, begin + static_cast<std::ptrdiff_t>(count * more.columns()));
  tokens.shape = {tokens.values.size() / more.columns(), more.columns()};
}

}  // namespace

GroupedKvCache::GroupedKvCache(std::size_t channels, const GroupedKvOptions& options, std::string name)
    : KvCache(std::move(name), channels),
      options_(options),
      key_encoding_(encoding(this->name() + ": keys", options.keys, options.key_exponent)),
      value_encoding_(encoding(this->name() + ": values", options.values, options.value_exponent)) {
  open_values_.name = this->name() + ": values";
}

std::size_t GroupedKvCache::group() const {
  return options_.values.grouping == Grouping::group ? options_.values.group_k : 1;
}

void GroupedKvCache::add(const Tensor& keys, const Tensor& values, bool) {
  // Everything that can throw works on copies; the commit at the end cannot fail.
  const QuantizedTensor more = encode(keys, options_.keys, key_encoding_);
  Tensor open = open_values_;
  QuantizedTensor codes = open_codes_;
  std::vector<QuantizedTensor> closed;
  std::size_t held = open_tokens_;
  for (std::size_t t = 0; t < values.rows();) {
    const std::size_t count = std::min(group() - held, values.rows() - t);
    append_tokens(open, values, t, count);
    codes = encode(transposed(open), options_.values, value_encoding_);
    t += count;
    held += count;
    if (held == group()) {
      closed.push_back(codes);
      open.values.clear();
      held = 0;
    } else if (options_.open == OpenGroup::codes) {
      open.values = transposed(decode(codes)).values;
    }
  }
  append_rows(keys_, more);
  closed_.insert(closed_.end(), closed.begin(), closed.end());
  open_values_ = std::move(open);
  open_codes_ = std::move(codes);
  open_tokens_ = held;
}

std::vector<KvSegment> GroupedKvCache::key_segments() const {
  return {{0, keys_}};
}

std::vector<KvSegment> GroupedKvCache::value_segments() const {
  std::vector<QuantizedTensor> parts = closed_;
  if (open_tokens_ > 0) parts.push_back(open_codes_);
  return {{0, join_columns(parts)}};
}

KvStorage GroupedKvCache::storage() const {
  KvStorage storage;
  if (tokens() == 0) return storage;
  storage.key_bits = stored_bits(keys_);
  storage.key_bytes = stored_bytes(keys_);
  for (const QuantizedTensor& part : closed_) {
    storage.value_bits += stored_bits(part);
    storage.value_bytes += stored_bytes(part);
  }
  if (open_tokens_ == 0) return storage;
  if (options_.open == OpenGroup::codes) {
    storage.value_bits += stored_bits(open_codes_);
    storage.value_bytes += stored_bytes(open_codes_);
  } else {
    storage.value_bits += 16 * std::uint64_t{open_values_.size()};
    storage.value_bytes += 2 * std::uint64_t{open_values_.size()};
  }
  return storage;
}

GroupedKvOptions amove_kv_options(unsigned bits, OpenGroup open, int key_exponent, int value_exponent) {
  GroupedKvOptions options;
  options.keys = options.values = Format::parse("amove" + std::to_string(bits) + "-g32c4");
  options.open = open;
  options.key_exponent = key_exponent;
  options.value_exponent = value_exponent;
  return options;
}

}  // namespace nibble
