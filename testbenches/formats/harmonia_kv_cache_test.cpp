// SPDX-License-Identifier: Apache-2.0
#include "formats/harmonia_kv_cache.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/bfp.h"
#include "testbenches/formats/kv_tokens.h"

using namespace nibble;

namespace {

constexpr std::size_t channels = 40;  // groups of 32 and of 8

/// Whether the definition has block `b` in bfp4 at `count` tokens, the first `prompt` of which came at once.
bool is_demoted(std::size_t b, std::size_t count, std::size_t initial, std::size_t local) {
  return b * 32 >= initial && (b + 1) * 32 + local <= count;
}

/// The whole cache from the whole history in one shot, block by block.
void check(const HarmoniaKvCache& cache, const Tensor& keys, const Tensor& values, std::size_t count, bool demoting,
           std::size_t initial = 32, std::size_t local = 64) {
  REQUIRE(cache.tokens() == count);
  REQUIRE(cache.blocks() == (count + 31) / 32);
  const Tensor k = rounded_fp16(tokens_between(keys, 0, count)), v = rounded_fp16(tokens_between(values, 0, count));
  std::size_t seen = 0;
  const auto k_segments = cache.keys(), v_segments = cache.values();
  REQUIRE(k_segments.size() == v_segments.size());
  for (std::size_t s = 0; s < k_segments.size(); ++s) {
    const std::size_t first = k_segments[s].first_token, length = k_segments[s].operand.rows();
    REQUIRE(first == seen);
    REQUIRE(v_segments[s].first_token == first);
    seen += length;
    const bool four = demoting && is_demoted(first / 32, count, initial, local);
    for (std::size_t t = first; t < seen; t += 32) {
      REQUIRE((demoting && is_demoted(t / 32, count, initial, local)) == four);  // one mode per segment
      REQUIRE(cache.block_bits(t / 32) == (four ? 4 : 8));
    }
    const Format format = Format::parse(four ? "bfp4-g32" : "bfp8-g32");
    const QuantizedTensor key = encode(tokens_between(k, first, seen), format);
    REQUIRE(k_segments[s].operand.format == format);
    REQUIRE(k_segments[s].operand.codes == key.codes);
    REQUIRE(k_segments[s].operand.exponents == key.exponents);
    const QuantizedTensor value = encode(transposed(tokens_between(v, first, seen)), format);
    REQUIRE(v_segments[s].operand.shape == value.shape);
    REQUIRE(v_segments[s].operand.format == format);
    REQUIRE(v_segments[s].operand.codes == value.codes);
    REQUIRE(v_segments[s].operand.exponents == value.exponents);
  }
  REQUIRE(seen == count);
  if (k_segments.size() > 3) FAIL("more than initial, demoted and local");
}

}  // namespace

TEST_CASE("after every step the cache is the one-shot encoding of its tokens, block by block") {
  const Tensor keys = random_tokens(300, channels, 31), values = random_tokens(300, channels, 32);
  for (const std::size_t prompt : {0U, 1U, 31U, 32U, 95U, 96U, 128U, 129U, 200U, 300U}) {
    CAPTURE(prompt);
    HarmoniaKvCache cache(channels);
    if (prompt > 0) {
      cache.append_prompt(tokens_between(keys, 0, prompt), tokens_between(values, 0, prompt));
      check(cache, keys, values, prompt, false);  // during the prompt everything has eight bits
      cache.end_prompt();
      check(cache, keys, values, prompt, true);
    }
    for (std::size_t t = prompt; t < 300; ++t) {
      append_tokens(cache, keys, values, t, t + 1);
      if (t % 5 == 0 || t % 32 < 2 || t % 32 > 29) check(cache, keys, values, t + 1, true);
    }
    check(cache, keys, values, 300, true);
  }
}

TEST_CASE("random windows, lengths and steps") {
  Random random(33);
  for (int trial = 0; trial < 25; ++trial) {
    HarmoniaKvOptions options;
    options.initial = 32 * random.below(4);
    options.local = 32 * random.below(5);
    options.demote = random.below(5) > 0;
    const std::size_t count = 1 + random.below(400), prompt = random.below(count + 1);
    const Tensor keys = random_tokens(count, channels, 100 + static_cast<std::uint64_t>(trial));
    const Tensor values = random_tokens(count, channels, 200 + static_cast<std::uint64_t>(trial));
    HarmoniaKvCache cache(channels, options);
    if (prompt > 0) cache.append_prompt(tokens_between(keys, 0, prompt), tokens_between(values, 0, prompt));
    append_tokens(cache, keys, values, prompt, count);
    cache.end_prompt();
    CAPTURE(options.initial, options.local, options.demote, prompt, count);
    check(cache, keys, values, count, options.demote, options.initial, options.local);
  }
}

TEST_CASE("the first append ends the prompt") {
  const Tensor keys = random_tokens(201, channels, 34), values = random_tokens(201, channels, 35);
  HarmoniaKvCache implicit(channels), explicitly(channels);
  for (HarmoniaKvCache* cache : {&implicit, &explicitly})
    cache->append_prompt(tokens_between(keys, 0, 200), tokens_between(values, 0, 200));
  CHECK(implicit.block_bits(2) == 8);
  explicitly.end_prompt();
  explicitly.end_prompt();
  CHECK(explicitly.block_bits(2) == 4);
  for (HarmoniaKvCache* cache : {&implicit, &explicitly})
    append_tokens(*cache, keys, values, 200, 201);
  CHECK(implicit.block_bits(2) == 4);
  CHECK(implicit.storage().bits() == explicitly.storage().bits());
}

TEST_CASE("5.25 bits per value at 4096 tokens") {
  const Tensor tokens = random_tensor({4096, 128}, 36);
  HarmoniaKvCache cache(128);
  cache.append_prompt(tokens, tokens);
  CHECK(cache.bits_per_value() == 9.15625);
  cache.end_prompt();
  CHECK(cache.bits_per_value() == 5.25);                              // 96 tokens of 9.15625, 4000 of 5.15625
  CHECK(16 / cache.bits_per_value() == Approx(3.05).epsilon(0.001));  // the paper's reduction against FP16
  append_tokens(cache, tokens, tokens, 0, 5);
  const KvStorage storage = cache.storage();
  CHECK(storage.key_bits == (96 + 5) * (128 * 9 + 20) + 4000 * (128 * 5 + 20));
  CHECK(storage.value_bits == 96 * 128 * 293 / 32 + 4000 * 128 / 32 * 165 + 5 * 128 * 16);
  // Codes of 32 channels, and per group of channels a table of 5-bit exponents: 101 of them fill 64 bytes, 4000 of them
  // 2500.
  CHECK(storage.key_bytes == 4 * (101 * 36 + 64) + 4 * (4000 * 20 + 2500));
}

TEST_CASE("what the cache of Harmonia refuses") {
  HarmoniaKvOptions options;
  options.local = 63;
  CHECK_THROWS_WITH(HarmoniaKvCache(2, options, "head 0"), "head 0: a window of 63 tokens; expected a multiple of 32");
  options = {};
  options.initial = 1;
  CHECK_THROWS_AS(HarmoniaKvCache(2, options), InputError);
  CHECK_THROWS_AS(HarmoniaKvCache(2).block_bits(0), InternalError);
}
