// SPDX-License-Identifier: Apache-2.0
#include "formats/grouped_kv_cache.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/error_figures.h"
#include "testbenches/formats/kv_tokens.h"

using namespace nibble;

namespace {

constexpr std::size_t channels = 44;

void check_equal(const QuantizedTensor& got, const QuantizedTensor& expected) {
  CHECK(got.format == expected.format);
  REQUIRE(got.shape == expected.shape);
  REQUIRE(got.codes == expected.codes);
  REQUIRE(got.values == expected.values);
  REQUIRE(got.scales == expected.scales);
  REQUIRE(got.types == expected.types);
  REQUIRE(got.exponents == expected.exponents);
  REQUIRE(got.base_scales == expected.base_scales);
  REQUIRE(got.residuals == expected.residuals);
  REQUIRE(got.cluster_codes == expected.cluster_codes);
  REQUIRE(got.tensor_exponent == expected.tensor_exponent);
  REQUIRE(got.saturated_groups == expected.saturated_groups);
}

GroupedKvOptions options_of(const char* format, OpenGroup open = OpenGroup::fp16) {
  GroupedKvOptions options;
  options.keys = options.values = Format::parse(format);
  options.open = open;
  return options;
}

EncodeOptions with_exponent(int exponent) {
  EncodeOptions options;
  options.exponent = exponent;
  return options;
}

}  // namespace

TEST_CASE("Amove with the open group in FP16 is the one-shot encoding after every token") {
  const Tensor keys = random_tokens(130, channels, 41), values = random_tokens(130, channels, 42);
  for (const unsigned bits : {4U, 3U, 2U}) {
    const Format format = Format::parse("amove" + std::to_string(bits) + "-g32c4");
    for (const std::size_t prompt : {0U, 1U, 31U, 32U, 33U, 100U}) {
      GroupedKvCache cache(channels, amove_kv_options(bits, OpenGroup::fp16, -3, 2));
      if (prompt > 0) cache.append_prompt(tokens_between(keys, 0, prompt), tokens_between(values, 0, prompt));
      for (std::size_t t = prompt; t <= 130; ++t) {
        if (t > 0 && (t % 3 == 0 || t % 32 < 2 || t == prompt)) {
          CAPTURE(bits, prompt, t);
          const Tensor k = rounded_fp16(tokens_between(keys, 0, t)), v = rounded_fp16(tokens_between(values, 0, t));
          check_equal(cache.keys().front().operand, encode(k, format, with_exponent(-3)));
          check_equal(cache.values().front().operand, encode(transposed(v), format, with_exponent(2)));
          REQUIRE(cache.open_tokens() == t % 32);
        }
        if (t < 130) append_tokens(cache, keys, values, t, t + 1);
      }
    }
  }
}

TEST_CASE("a cache grows in every format with groups of its own rows") {
  const Tensor keys = random_tokens(75, channels, 43), values = random_tokens(75, channels, 44);
  for (const char* name : {"int4-g32", "int8-g64", "mant4-g64", "bfp8-g32", "bfp4-g16", "mxfp4-g32", "mxint8-g32",
                           "amove4-g128c16", "fp16", "fp32"}) {
    CAPTURE(name);
    GroupedKvCache cache(channels, options_of(name));
    cache.append_prompt(tokens_between(keys, 0, 40), tokens_between(values, 0, 40));
    append_tokens(cache, keys, values, 40, 75);
    check_equal(cache.keys().front().operand, encode(rounded_fp16(keys), Format::parse(name)));
    check_equal(cache.values().front().operand, encode(transposed(rounded_fp16(values)), Format::parse(name)));
  }
}

TEST_CASE("quantizing the open group again follows its definition") {
  const Format format = Format::parse("amove4-g32c4");
  const Tensor keys = random_tokens(100, channels, 45), values = random_tokens(100, channels, 46);
  for (const std::size_t prompt : {0U, 5U, 40U}) {
    GroupedKvCache cache(channels, amove_kv_options(4, OpenGroup::codes));
    if (prompt > 0) cache.append_prompt(tokens_between(keys, 0, prompt), tokens_between(values, 0, prompt));
    const Tensor v = rounded_fp16(values);
    Tensor open{"open", {0, channels}, {}};
    std::vector<float> expected;  // decoded, [token][channel], closed groups
    for (std::size_t t = 0; t < 100; ++t) {
      if (t >= prompt) append_tokens(cache, keys, values, t, t + 1);
      const Tensor token = tokens_between(v, t, t + 1);
      open.values.insert(open.values.end(), token.values.begin(), token.values.end());
      ++open.shape[0];
      // Tokens of the prompt meet once, as far as they share a group; later ones join the decoded codes.
      const bool quantize = t + 1 >= prompt || open.shape[0] == 32;
      if (quantize) open.values = transposed(decode(encode(transposed(open), format))).values;
      if (open.shape[0] == 32) {
        expected.insert(expected.end(), open.values.begin(), open.values.end());
        open = {"open", {0, channels}, {}};
      }
      if (t + 1 < std::max<std::size_t>(prompt, 1)) continue;
      std::vector<float> all = expected;
      all.insert(all.end(), open.values.begin(), open.values.end());
      CAPTURE(prompt, t);
      REQUIRE(transposed(decode(cache.values().front().operand)).values == all);
    }
  }
}

TEST_CASE("quantizing again loses more than FP16 in the open group, and stores less of it") {
  const Tensor keys = random_tensor({128, 64}, 47), values = rounded_fp16(random_tensor({128, 64}, 48));
  GroupedKvCache fp16(64, amove_kv_options()), codes(64, amove_kv_options(4, OpenGroup::codes));
  for (GroupedKvCache* cache : {&fp16, &codes})
    append_tokens(*cache, keys, values, 0, 127);
  const auto sqnr = [&](const GroupedKvCache& cache) {
    return *error_figures(transposed(tokens_between(values, 0, 127)), decode(cache.values().front().operand)).sqnr_db;
  };
  CHECK(sqnr(fp16) > sqnr(codes) + 0.5);
  CHECK(fp16.storage().value_bits - codes.storage().value_bits == 64 * (31 * 12 - 32));
  CHECK(fp16.storage().key_bits == 127 * 64 * 5);
  for (GroupedKvCache* cache : {&fp16, &codes}) {
    append_tokens(*cache, keys, values, 127, 128);
    CHECK(cache->bits_per_value() == 5.0);  // 20 bytes per 32 elements
    CHECK(cache->storage().bytes() == 2 * 128 * 64 / 32 * 20);
  }
}

TEST_CASE("what a grouped cache refuses") {
  for (const char* name :
       {"nvfp4-g16", "int4-channel", "int4-tensor", "int4-g32x4", "ant4-channel", "tender8-d4", "bitmod4-g32"}) {
    CAPTURE(name);
    CHECK_THROWS_WITH(GroupedKvCache(4, options_of(name), "head"),
                      Catch::Contains("head: keys: a cache cannot grow in " + std::string(name)));
  }
  GroupedKvOptions options = options_of("int4-g32");
  options.value_exponent = 3;
  CHECK_THROWS_WITH(GroupedKvCache(4, options), Catch::Contains("values: int4-g32 has no exponent"));
  CHECK_THROWS_AS(GroupedKvCache(4, options), InputError);
}

TEST_CASE("an exponent that does not suit a value leaves the cache as it was") {
  GroupedKvCache cache(2, amove_kv_options(4, OpenGroup::fp16, 0, -160));
  cache.append({1, 1}, {0, 0});
  CHECK_THROWS_AS(cache.append({1, 1}, {1, 1}), InputError);
  CHECK(cache.tokens() == 1);
  CHECK(cache.keys().front().operand.rows() == 1);
  CHECK(cache.values().front().operand.columns() == 1);
}
