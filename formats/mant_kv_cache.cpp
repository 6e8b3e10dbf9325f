// SPDX-License-Identifier: Apache-2.0
#include "formats/mant_kv_cache.h"

#include "core/error.h"
#include "formats/tensor_slices.h"

namespace nibble {

MantKvCache::MantKvCache(std::size_t channels, MantValueCache::Window window, const std::string& name)
    : KvCache(name, channels), values_(channels, window, name + ": values") {}

void MantKvCache::add(const Tensor& keys, const Tensor& values, bool prompt) {
  EncodeOptions options;
  options.select = "variance";
  const QuantizedTensor more = encode(keys, {FormatFamily::mant4, 4, Grouping::group, 64, 1, 0}, options);
  if (prompt) {
    values_.append_prompt(values);
  } else {
    values_.append(values.values);
  }
  append_rows(keys_, more);
}

std::vector<KvSegment> MantKvCache::key_segments() const {
  return {{0, keys_}};
}

std::vector<KvSegment> MantKvCache::value_segments() const {
  std::vector<KvSegment> segments;
  if (values_.finished_tokens() > 0) segments.push_back({0, values_.groups()});
  if (values_.window_tokens() > 0) segments.push_back({values_.finished_tokens(), values_.window()});
  return segments;
}

KvStorage MantKvCache::storage() const {
  KvStorage storage;
  if (tokens() == 0) return storage;
  storage.key_bits = stored_bits(keys_);
  storage.key_bytes = stored_bytes(keys_);
  if (values_.finished_tokens() > 0) {
    const QuantizedTensor groups = values_.groups();
    storage.value_bits = stored_bits(groups);
    storage.value_bytes = stored_bytes(groups);
  }
  const std::uint64_t window = std::uint64_t{values_.window_tokens()} * channels();
  const std::uint64_t bytes = values_.window_is_fp16() ? 2 * window : window + 2 * channels();  // INT8: and its scales
  storage.value_bits += 8 * bytes;
  storage.value_bytes += bytes;
  return storage;
}

}  // namespace nibble
