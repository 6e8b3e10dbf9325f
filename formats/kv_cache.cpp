// SPDX-License-Identifier: Apache-2.0
#include "formats/kv_cache.h"

#include <cmath>

#include "core/error.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"

namespace nibble {

KvCache::KvCache(std::string name, std::size_t channels) : name_(std::move(name)), channels_(channels) {
  if (channels == 0) throw InputError(name_ + ": a cache without channels");
}

Tensor KvCache::as_fp16(const char* what, std::vector<std::size_t> shape, const std::vector<float>& values) const {
  const std::string place = name_ + ": " + what;
  if (shape.size() != 2 || shape[0] == 0 || shape[1] != channels_ || values.size() != shape[0] * shape[1]) {
    std::vector<std::string> extents;
    for (const std::size_t extent : shape)
      extents.push_back(std::to_string(extent));
    throw InputError(place + " of shape [" + join(extents) + "]; expected [tokens, " + std::to_string(channels_) + "]");
  }
  Tensor rounded{place, std::move(shape), values};
  for (std::size_t i = 0; i < values.size(); ++i) {
    float& x = rounded.values[i];
    x = round_fp16(values[i]);
    if (std::isfinite(x)) continue;
    const char* problem = std::isnan(values[i]) ? "NaN" : std::isinf(values[i]) ? "infinity" : "a value beyond FP16";
    throw InputError(place + ": token " + std::to_string(tokens_ + i / channels_) + ", channel " +
                     std::to_string(i % channels_) + ": " + problem);
  }
  return rounded;
}

void KvCache::append_prompt(const Tensor& keys, const Tensor& values) {
  if (tokens_ != 0) throw InputError(name_ + ": a prompt after " + std::to_string(tokens_) + " tokens; it comes first");
  const Tensor k = as_fp16("keys", keys.shape, keys.values), v = as_fp16("values", values.shape, values.values);
  if (k.rows() != v.rows()) {
    throw InputError(name_ + ": " + std::to_string(k.rows()) + " keys and " + std::to_string(v.rows()) + " values");
  }
  add(k, v, true);
  tokens_ = k.rows();
  in_prompt_ = true;
}

void KvCache::end_prompt() {
  if (!in_prompt_) return;
  close_prompt();
  in_prompt_ = false;
}

void KvCache::append(const std::vector<float>& key, const std::vector<float>& value) {
  const Tensor k = as_fp16("key", {1, key.size()}, key), v = as_fp16("value", {1, value.size()}, value);
  add(k, v, false);
  end_prompt();
  ++tokens_;
}

void KvCache::require_tokens() const {
  if (tokens_ == 0) throw InternalError(name_ + ": no token in the cache");
}

std::vector<KvSegment> KvCache::keys() const {
  require_tokens();
  return key_segments();
}

std::vector<KvSegment> KvCache::values() const {
  require_tokens();
  return value_segments();
}

double KvCache::bits_per_value() const {
  require_tokens();
  return static_cast<double>(storage().bits()) / (2.0 * static_cast<double>(tokens_) * static_cast<double>(channels_));
}

std::uint64_t stored_bits(const QuantizedTensor& tensor) {
  return std::uint64_t{tensor.size()} * element_bits(tensor.format) +
         std::uint64_t{tensor.groups()} * tensor.format.metadata_bits();
}

std::uint64_t stored_bytes(const QuantizedTensor& tensor) {
  const Format& format = tensor.format;
  // Records follow one another without gaps in the table of their group.
  const std::size_t per_row = format.grouping == Grouping::none ? 1 : tensor.groups_per_row();
  const std::uint64_t table = (tensor.groups() / per_row * format.metadata_bits() + 7) / 8;
  const std::uint64_t tables = format.grouping == Grouping::none ? 0 : per_row * table;
  if (format.grouping != Grouping::group) return tensor.rows() * code_bytes(format, tensor.columns()) + tables;
  const std::size_t whole = tensor.columns() / format.group_k, rest = tensor.columns() % format.group_k;
  return tensor.rows() * (whole * code_bytes(format, format.group_k) + code_bytes(format, rest)) + tables;
}

Tensor transposed(const Tensor& tensor) {
  const std::size_t rows = tensor.rows(), columns = tensor.columns();
  Tensor out{tensor.name, {columns, rows}, std::vector<float>(tensor.values.size())};
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c)
      out.values[c * rows + r] = tensor.values[r * columns + c];
  }
  return out;
}

}  // namespace nibble
