// SPDX-License-Identifier: Apache-2.0
// What all policies promise, and the keys of M-ANT and the values' storage; what is particular to a policy stands in
// its own test.
#include "formats/kv_cache.h"

#include <catch2/catch.hpp>
#include <limits>

#include "core/error.h"
#include "formats/kv_policies.h"
#include "formats/mant_kv_cache.h"
#include "formats/packed_operand.h"
#include "testbenches/formats/kv_tokens.h"

using namespace nibble;

namespace {

/// The decoded operand: keys [tokens][channels], or values as [tokens][channels].
std::vector<float> decoded(const std::vector<KvSegment>& segments, std::size_t channels, bool values) {
  std::vector<float> all;
  for (const KvSegment& segment : segments) {
    const Tensor part = decode(segment.operand);
    const Tensor rows = values ? transposed(part) : part;
    CHECK(rows.columns() == channels);
    CHECK(segment.first_token * channels == all.size());
    all.insert(all.end(), rows.values.begin(), rows.values.end());
  }
  return all;
}

}  // namespace

TEST_CASE("every policy covers all tokens in order, and is close to them") {
  const std::size_t channels = 48;
  const Tensor keys = rounded_fp16(random_tensor({150, channels}, 21)),
               values = rounded_fp16(random_tensor({150, channels}, 22));
  for (const std::string& policy : kv_policies().names()) {
    const std::unique_ptr<KvCache> cache = make_kv_cache(policy, channels);
    cache->append_prompt(tokens_between(keys, 0, 70), tokens_between(values, 0, 70));
    for (std::size_t t = 70; t <= 150; ++t) {
      CAPTURE(policy, t);
      REQUIRE(cache->tokens() == t);
      const std::vector<float> k = decoded(cache->keys(), channels, false),
                               v = decoded(cache->values(), channels, true);
      REQUIRE(k.size() == t * channels);
      REQUIRE(v.size() == t * channels);
      double signal = 0, noise = 0;
      for (std::size_t i = 0; i < k.size(); ++i) {
        for (const auto& [x, y] : {std::pair{keys.values[i], k[i]}, std::pair{values.values[i], v[i]}}) {
          signal += static_cast<double>(x) * x;
          noise += static_cast<double>(x - y) * (x - y);
        }
      }
      REQUIRE(noise < 0.2 * signal);  // outliers beyond the prompt saturate in an INT8 window
      if (policy == "fp16") REQUIRE(noise == 0);
      if (t < 150) append_tokens(*cache, keys, values, t, t + 1);
    }
    CHECK(cache->storage().bytes() * 8 >= cache->storage().bits());
    CHECK(cache->bits_per_value() <= 16.0);
  }
}

TEST_CASE("a cache after a bad token is the cache before it") {
  const std::size_t channels = 40;
  const Tensor keys = random_tokens(130, channels, 23), values = random_tokens(130, channels, 24);
  for (const std::string& policy : kv_policies().names()) {
    CAPTURE(policy);
    const std::unique_ptr<KvCache> cache = make_kv_cache(policy, channels, "layer 2, head 1"),
                                   clean = make_kv_cache(policy, channels);
    Tensor bad = tokens_between(keys, 0, 3);
    bad.values[channels + 7] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(cache->append_prompt(bad, tokens_between(values, 0, 3)),
                      "layer 2, head 1: keys: token 1, channel 7: NaN");
    CHECK_THROWS_AS(cache->append_prompt(bad, tokens_between(values, 0, 3)), InputError);
    CHECK(cache->tokens() == 0);
    CHECK(cache->storage().bits() == 0);
    for (KvCache* each : {cache.get(), clean.get()})
      each->append_prompt(tokens_between(keys, 0, 66), tokens_between(values, 0, 66));
    std::vector<float> key(channels, 1.0F), value(channels, 1.0F);
    value[39] = 65520;
    CHECK_THROWS_WITH(cache->append(key, value), "layer 2, head 1: value: token 66, channel 39: a value beyond FP16");
    value[39] = -std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH(cache->append(key, value), "layer 2, head 1: value: token 66, channel 39: infinity");
    CHECK_THROWS_WITH(cache->append({1, 2}, key), "layer 2, head 1: key of shape [1, 2]; expected [tokens, 40]");
    CHECK_THROWS_AS(cache->append(key, {}), InputError);
    CHECK_THROWS_WITH(cache->append_prompt(keys, values), "layer 2, head 1: a prompt after 66 tokens; it comes first");
    for (KvCache* each : {cache.get(), clean.get()})
      append_tokens(*each, keys, values, 66, 130);
    CHECK(decoded(cache->keys(), channels, false) == decoded(clean->keys(), channels, false));
    CHECK(decoded(cache->values(), channels, true) == decoded(clean->values(), channels, true));
    CHECK(cache->storage().bits() == clean->storage().bits());
  }
}

TEST_CASE("what every policy refuses") {
  for (const std::string& policy : kv_policies().names()) {
    CAPTURE(policy);
    CHECK_THROWS_WITH(make_kv_cache(policy, 0), "cache: a cache without channels");
    const std::unique_ptr<KvCache> cache = make_kv_cache(policy, 2);
    CHECK_THROWS_AS(cache->keys(), InternalError);
    CHECK_THROWS_AS(cache->values(), InternalError);
    CHECK_THROWS_AS(cache->bits_per_value(), InternalError);
    CHECK_THROWS_WITH(cache->append_prompt({"k", {2, 2}, {1, 2, 3, 4}}, {"v", {1, 2}, {1, 2}}),
                      "cache: 2 keys and 1 values");
    CHECK_THROWS_AS(cache->append_prompt({"k", {4}, {1, 2, 3, 4}}, {"v", {4}, {1, 2, 3, 4}}), InputError);
    CHECK_THROWS_AS(cache->append_prompt({"k", {2, 2}, {1, 2, 3}}, {"v", {2, 2}, {1, 2, 3, 4}}), InputError);
  }
  CHECK_THROWS_WITH(make_kv_cache("harmonai", 2), Catch::Contains("did you mean 'harmonia'"));
}

TEST_CASE("keys of M-ANT are coded token by token, as in one shot") {
  const std::size_t channels = 100;  // a short last group
  const Tensor keys = random_tokens(90, channels, 25), values = random_tokens(90, channels, 26);
  EncodeOptions options;
  options.select = "variance";
  for (const std::size_t prompt : {0U, 1U, 50U, 90U}) {
    MantKvCache cache(channels);
    if (prompt > 0) cache.append_prompt(tokens_between(keys, 0, prompt), tokens_between(values, 0, prompt));
    append_tokens(cache, keys, values, prompt, 90);
    const QuantizedTensor expected = encode(rounded_fp16(keys), Format::parse("mant4-g64"), options);
    REQUIRE(cache.keys().size() == 1);
    const QuantizedTensor got = cache.keys().front().operand;
    CHECK(got.shape == expected.shape);
    CHECK(got.codes == expected.codes);
    CHECK(got.scales == expected.scales);
    CHECK(got.types == expected.types);
    CHECK(cache.value_cache().tokens() == 90);
  }
}

TEST_CASE("the storage of M-ANT: groups, window, scales of the window") {
  const std::size_t channels = 128;
  const Tensor tokens = random_tokens(200, channels, 27);
  for (const auto window : {MantValueCache::Window::int8, MantValueCache::Window::fp16}) {
    MantKvCache cache(channels, window);
    append_tokens(cache, tokens, tokens, 0, 63);
    CHECK(cache.storage().value_bits == 63 * channels * 16);
    CHECK(cache.storage().key_bits == 63 * (channels * 4 + 2 * 24));
    append_tokens(cache, tokens, tokens, 63, 200);
    const std::uint64_t groups = 3 * channels * (64 * 4 + 24), open = 8 * channels;
    const bool int8 = window == MantValueCache::Window::int8;
    CHECK(cache.storage().value_bits == groups + (int8 ? 8 * open + 16 * channels : 16 * open));
    CHECK(cache.storage().value_bytes * 8 == cache.storage().value_bits);
  }
  MantKvCache exact(channels);
  exact.append_prompt(tokens_between(tokens, 0, 192), tokens_between(tokens, 0, 192));
  CHECK(exact.bits_per_value() == Approx(4.375 + 16.0 / 192 / 2).epsilon(1e-12));
}

TEST_CASE("bits per value of a head of 128 channels, the table of docs/kv-caches.md") {
  const Tensor tokens = random_tokens(4096, 128, 29);
  const auto bits = [&](const std::string& policy, std::size_t count) {
    const std::unique_ptr<KvCache> cache = make_kv_cache(policy, 128);
    cache->append_prompt(tokens_between(tokens, 0, count), tokens_between(tokens, 0, count));
    cache->end_prompt();
    return cache->bits_per_value();
  };
  const std::vector<std::pair<std::string, std::vector<double>>> table{
      {"mant", {10.188, 4.828, 4.431, 4.377}},        {"mant-fp16-window", {10.188, 5.724, 4.533, 4.375}},
      {"harmonia", {10.388, 7.464, 5.475, 5.25}},     {"amove", {6.98, 5.572, 5.009, 5}},
      {"amove-requantized", {5.14, 5.012, 5.012, 5}}, {"fp16", {16, 16, 16, 16}}};
  for (const auto& [policy, row] : table) {
    const std::size_t counts[] = {50, 250, 1250, 4096};
    for (std::size_t i = 0; i < 4; ++i) {
      CAPTURE(policy, counts[i]);
      CHECK(bits(policy, counts[i]) == Approx(row[i]).margin(0.0006));
    }
  }
}

TEST_CASE("stored bytes are what packing writes") {
  const Tensor tensor = random_tensor({5, 77}, 28);
  for (const char* name : {"int4-g32", "int8-channel", "mant4-g64", "bfp8-g32", "bfp4-g32", "amove4-g32c4", "fp16"}) {
    CAPTURE(name);
    const QuantizedTensor coded = encode(tensor, Format::parse(name));
    const std::size_t per_row = coded.format.grouping == Grouping::none ? 1 : coded.groups_per_row();
    std::uint64_t bytes = 0;
    for (std::size_t g = 0; g < per_row; ++g) {
      const std::size_t extent = coded.format.group_extent(77), first = per_row == 1 ? 0 : g * extent;
      bytes += 5 * code_bytes(coded.format, std::min(extent, 77 - first)) + (5 * coded.format.metadata_bits() + 7) / 8;
    }
    CHECK(stored_bytes(coded) == bytes);
    CHECK(static_cast<double>(stored_bits(coded)) == Approx(bits_per_element(coded) * 385).epsilon(1e-12));
  }
}

TEST_CASE("65504 in an INT8 window is refused where it enters, not when its group closes") {
  MantKvCache cache(2);
  const Tensor ones{"ones", {64, 2}, std::vector<float>(128, 1.0F)};
  Tensor large = ones;
  large.values[5] = 65504;
  cache.append_prompt(ones, large);
  const KvStorage before = cache.storage();
  CHECK_THROWS_WITH(cache.append({1, 1}, {1, 65504}),
                    "cache: values: token 64, channel 1: the INT8 window reads the value back beyond FP16");
  CHECK(cache.tokens() == 64);
  CHECK(cache.storage().bits() == before.bits());
  for (int t = 0; t < 64; ++t)
    cache.append({1, 1}, {1, 60000});
  CHECK(cache.value_cache().finished_tokens() == 128);
  Tensor prompt{"prompt", {65, 1}, std::vector<float>(65, 65504.0F)};
  MantValueCache values(1);
  CHECK_THROWS_AS(values.append_prompt(prompt), InputError);
  CHECK(values.tokens() == 0);
  prompt.values.back() = 1;
  values.append_prompt(prompt);
  CHECK(values.window_tokens() == 1);
}
