// SPDX-License-Identifier: Apache-2.0
// The vectors in golden_kv/ come from scripts/reference/make_kv_golden.py, which was written from the documentation,
// not from this code, and computes every cache from its whole history.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "formats/harmonia_kv_cache.h"
#include "formats/kv_policies.h"
#include "formats/npy.h"
#include "formats/rounding.h"
#include "pe/bfp_converter.h"
#include "pe/kv_gemm.h"
#include "pe/pe_library.h"
#include "pe/rtq.h"
#include "testbenches/pe/fp16_patterns.h"
#include "testbenches/pe/golden_cases.h"
#include "testbenches/support/paths.h"

namespace nibble {
namespace {

const char* const other_vectors = std::getenv("NIBBLE_KV_GOLDEN");
const std::string directory =
    other_vectors != nullptr ? std::string(other_vectors) + "/" : source_path("testbenches/pe/golden_kv/");

Tensor input(const std::string& name) {
  return read_npy(directory + "inputs-" + name + ".npy");
}

std::vector<float> expected(const std::string& name) {
  return read_npy(directory + name + ".npy").values;
}

Tensor first_rows(const Tensor& tensor, std::size_t begin, std::size_t end) {
  const auto first = tensor.values.begin();
  const auto step = static_cast<std::ptrdiff_t>(tensor.columns());
  return {tensor.name,
          {end - begin, tensor.columns()},
          {first + static_cast<std::ptrdiff_t>(begin) * step, first + static_cast<std::ptrdiff_t>(end) * step}};
}

Tensor first_columns(const Tensor& tensor, std::size_t count) {
  return transposed(first_rows(transposed(tensor), 0, count));
}

/// Elements that differ in bits, or all when the sizes differ.
std::size_t differences(const std::vector<float>& got, const std::vector<float>& wanted) {
  if (got.size() != wanted.size()) return std::max(got.size(), wanted.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    count += float_bits(got[i]) != float_bits(wanted[i]);
  return count;
}

template <class T>
void extend(std::vector<float>& to, const std::vector<T>& from) {
  for (const T x : from)
    to.push_back(static_cast<float>(x));
}

std::vector<float> codes_of(const std::vector<KvSegment>& segments) {
  std::vector<float> all;
  for (const KvSegment& segment : segments)
    extend(all, segment.operand.codes);
  return all;
}

std::vector<float> metadata_of(const std::vector<KvSegment>& segments) {
  std::vector<float> all;
  for (const KvSegment& segment : segments) {
    extend(all, segment.operand.scales);
    extend(all, segment.operand.types);
    extend(all, segment.operand.exponents);
    extend(all, segment.operand.base_scales);
    extend(all, segment.operand.residuals);
    extend(all, segment.operand.cluster_codes);
  }
  return all;
}

/// The cache of a case, with all its tokens.
std::unique_ptr<KvCache> filled(const std::string& policy, std::size_t prompt, std::size_t tokens) {
  const Tensor keys = input("keys"), values = input("values");
  std::unique_ptr<KvCache> cache;
  if (policy == "harmonia-offsets") {
    HarmoniaKvOptions options;
    options.offset_channels = 4;
    cache = std::make_unique<HarmoniaKvCache>(keys.columns(), options);
  } else {
    cache = make_kv_cache(policy, keys.columns());
  }
  if (prompt > 0) cache->append_prompt(first_rows(keys, 0, prompt), first_rows(values, 0, prompt));
  for (std::size_t t = prompt; t < tokens; ++t)
    cache->append(first_rows(keys, t, t + 1).values, first_rows(values, t, t + 1).values);
  cache->end_prompt();
  return cache;
}

QuantizedTensor operand(const std::string& policy, const Tensor& tensor, bool probabilities) {
  const bool amove = policy.rfind("amove", 0) == 0, mant = policy.rfind("mant", 0) == 0;
  EncodeOptions options;
  if (amove && probabilities) options.exponent = -11;
  return encode(tensor, Format::parse(amove ? "amove4-g32c4" : mant ? "int8-g64" : "bfp8-g32"), options);
}

TEST_CASE("every cache and both GEMMs against it give the bits of the reference") {
  for (const test::GoldenCase& entry : test::golden_cases(directory + "cases.csv")) {
    const std::string &name = entry.at("name"), &policy = entry.at("policy");
    CAPTURE(name);
    const std::size_t tokens = std::stoul(entry.at("tokens"));
    const std::unique_ptr<KvCache> cache = filled(policy, std::stoul(entry.at("prompt")), tokens);
    CHECK(differences(codes_of(cache->keys()), expected(name + "-keys")) == 0);
    CHECK(differences(codes_of(cache->values()), expected(name + "-values")) == 0);
    CHECK(differences(metadata_of(cache->keys()), expected(name + "-keys-metadata")) == 0);
    CHECK(differences(metadata_of(cache->values()), expected(name + "-values-metadata")) == 0);
    CHECK(cache->storage().key_bits == std::stoull(entry.at("key_bits")));
    CHECK(cache->storage().value_bits == std::stoull(entry.at("value_bits")));
    const PeUnit& pe = find_pe(policy.rfind("amove", 0) == 0 ? "amove" : policy.rfind("mant", 0) == 0 ? "mant" : "bfp");
    std::vector<float> accumulators;
    kv_scores(pe, operand(policy, input("queries"), false), cache->keys(), accumulators);
    CHECK(differences(accumulators, expected(name + "-scores")) == 0);
    kv_context(pe, operand(policy, first_columns(input("probabilities"), tokens), true), cache->values(), accumulators);
    CHECK(differences(accumulators, expected(name + "-context")) == 0);
  }
}

TEST_CASE("the streaming units give the bits of the reference") {
  if (other_vectors != nullptr) return;
  const std::size_t tokens = 135, prompt = 100;
  const Tensor keys = input("keys"), values = input("values");
  RtqSpatial spatial("keys", tokens, keys.columns(), Format::parse("mant4-g64"));
  RtqTemporal temporal(keys.columns());
  BfpColumnConverter converter(keys.columns());
  for (std::size_t t = 0; t < tokens; ++t) {
    const std::vector<std::uint16_t> key = test::patterns_of(first_rows(keys, t, t + 1).values),
                                     value = test::patterns_of(first_rows(values, t, t + 1).values);
    if (t == prompt) temporal.end_prompt();
    spatial.push(t, key.data(), key.size(), t);
    temporal.push(value, t);
    converter.push(value, t);
  }
  CHECK(differences(codes_of({{0, spatial.result()}}), expected("mant-100-135-keys")) == 0);
  CHECK(differences(metadata_of({{0, spatial.result()}}), expected("mant-100-135-keys-metadata")) == 0);
  const std::vector<KvSegment> segments{{0, temporal.groups()}, {128, temporal.window()}};
  CHECK(differences(codes_of(segments), expected("mant-100-135-values")) == 0);
  CHECK(differences(metadata_of(segments), expected("mant-100-135-values-metadata")) == 0);
  // The converter's blocks against those of the cache: block 1 is the demoted one.
  const std::vector<KvSegment> cached = filled("harmonia", 0, tokens)->values();
  REQUIRE(cached.size() == 3);
  std::size_t wrong = 0;
  for (std::size_t c = 0; c < keys.columns(); ++c) {
    const BfpGroup demoted = bfp_demote(converter.committed(1, c)), open = converter.provisional(c);
    wrong += demoted.exponent != cached[1].operand.exponents[c];
    wrong += open.exponent != cached[2].operand.exponents[(c + 1) * cached[2].operand.groups_per_row() - 1];
    for (std::size_t t = 0; t < 32; ++t) {
      const int mantissa = demoted.elements[t] & 15;
      wrong += (demoted.elements[t] >> 4 ? -mantissa : mantissa) != cached[1].operand.codes[c * 32 + t];
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("scales and folded weights give the bits of the reference") {
  for (const auto& [pairs, name] : {std::pair{RotaryPairs::none, "none"},
                                    {RotaryPairs::interleaved, "interleaved"},
                                    {RotaryPairs::half_split, "half_split"}}) {
    const std::string prefix = std::string("smoothing-") + name;
    CAPTURE(prefix);
    const KeySmoothing smoothing = key_smoothing(input("keys"), {2, input("keys").columns() / 2, pairs, 0});
    CHECK(differences(smoothing.scales, expected(prefix + "-scales")) == 0);
    CHECK(differences(fold_into_keys(input("key_weights"), smoothing).values, expected(prefix + "-keys")) == 0);
    CHECK(differences(fold_into_queries(input("query_weights"), smoothing).values, expected(prefix + "-queries")) == 0);
  }
}

}  // namespace
}  // namespace nibble
