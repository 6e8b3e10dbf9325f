// SPDX-License-Identifier: Apache-2.0
#include "pe/kv_gemm.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "formats/grouped_kv_cache.h"
#include "formats/harmonia_kv_cache.h"
#include "formats/kv_policies.h"
#include "formats/mant_kv_cache.h"
#include "formats/rounding.h"
#include "formats/tensor_slices.h"
#include "pe/amove_pe.h"
#include "pe/fp16_pe.h"
#include "pe/int8_pe.h"
#include "pe/mant_gemm.h"
#include "pe/mant_pe.h"
#include "testbenches/pe/bfp_operands.h"
#include "testbenches/pe/coded_tensors.h"

namespace nibble {
namespace {

using test::random_bfp;
using test::row_by_steps;

/// Blocks of 32 tokens (the last may be short), each of a random mode, as keys or as values.
std::vector<KvSegment> random_blocks(std::size_t tokens, std::size_t channels, bool keys, Random& random) {
  std::vector<KvSegment> segments;
  for (std::size_t t = 0; t < tokens; t += 32) {
    const std::size_t length = std::min<std::size_t>(32, tokens - t);
    const char* format = random.below(2) == 0 ? "bfp4-g32" : "bfp8-g32";
    segments.push_back({t, random_bfp(format, keys ? length : channels, keys ? channels : length, random)});
  }
  return segments;
}

std::size_t differing(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::max(a.size(), b.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    wrong += float_bits(a[i]) != float_bits(b[i]);
  return wrong;
}

struct Shape {
  std::size_t rows, columns, tokens;
};
/// Together more than 20 million products.
constexpr Shape shapes[] = {{1, 128, 4096}, {8, 128, 4111}, {64, 128, 1500}, {5, 80, 777},
                            {1, 1, 1},      {3, 33, 65},    {16, 256, 1024}, {2, 64, 31}};

TEST_CASE("scores of keys in mixed modes equal the scalar datapath, over 20 million products") {
  Random random(61);
  std::uint64_t products = 0;
  for (const auto& [rows, columns, tokens] : shapes) {
    const QuantizedTensor q = random_bfp("bfp8-g32", rows, columns, random);
    const std::vector<KvSegment> keys = random_blocks(tokens, columns, true, random);
    std::vector<float> got, expected(rows * tokens);
    kv_scores(bfp_unit(), q, keys, got);
    for (std::size_t r = 0; r < rows; ++r) {
      for (const KvSegment& block : keys) {
        for (std::size_t t = 0; t < block.operand.rows(); ++t)
          expected[r * tokens + block.first_token + t] = row_by_steps(0, q, r, 0, block.operand, t);
      }
    }
    products += rows * columns * tokens;
    CAPTURE(rows, columns, tokens);
    REQUIRE(differing(got, expected) == 0);
  }
  CHECK(products >= 20'000'000);
}

TEST_CASE("the context of values in mixed modes equals the scalar datapath, over 20 million products") {
  Random random(62);
  std::uint64_t products = 0;
  for (const auto& [rows, columns, tokens] : shapes) {
    const QuantizedTensor p = random_bfp("bfp8-g32", rows, tokens, random);
    const std::vector<KvSegment> values = random_blocks(tokens, columns, false, random);
    std::vector<float> got, expected(rows * columns);
    kv_context(bfp_unit(), p, values, got);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c) {
        float accumulator = 0;
        for (const KvSegment& block : values)
          accumulator = row_by_steps(accumulator, p, r, block.first_token, block.operand, c);
        expected[r * columns + c] = accumulator;
      }
    }
    products += rows * columns * tokens;
    CAPTURE(rows, columns, tokens);
    REQUIRE(differing(got, expected) == 0);
  }
  CHECK(products >= 20'000'000);
}

Tensor random_tokens(std::size_t count, std::size_t channels, Random& random) {
  return test::random_tensor("tokens", count, channels, random);
}

template <class Cache>
void fill(Cache& cache, const Tensor& keys, const Tensor& values, std::size_t prompt) {
  const auto rows = [](const Tensor& tokens, std::size_t begin, std::size_t end) {
    const auto first = tokens.values.begin();
    const auto step = static_cast<std::ptrdiff_t>(tokens.columns());
    return std::vector<float>(first + static_cast<std::ptrdiff_t>(begin) * step,
                              first + static_cast<std::ptrdiff_t>(end) * step);
  };
  if (prompt > 0) {
    cache.append_prompt({"k", {prompt, keys.columns()}, rows(keys, 0, prompt)},
                        {"v", {prompt, keys.columns()}, rows(values, 0, prompt)});
  }
  for (std::size_t t = prompt; t < keys.rows(); ++t)
    cache.append(rows(keys, t, t + 1), rows(values, t, t + 1));
}

TEST_CASE("one mode throughout is the plain GEMM") {
  Random random(63);
  const Tensor keys = random_tokens(150, 64, random), values = random_tokens(150, 64, random);
  HarmoniaKvOptions options;
  options.demote = false;
  HarmoniaKvCache cache(64, options);
  fill(cache, keys, values, 100);
  const QuantizedTensor q = random_bfp("bfp8-g32", 7, 64, random), p = random_bfp("bfp8-g32", 7, 150, random);
  std::vector<float> got, expected;
  kv_scores(bfp_unit(), q, cache.keys(), got);
  gemm(bfp_unit(), q, cache.keys().front().operand, expected);
  CHECK(differing(got, expected) == 0);
  kv_context(bfp_unit(), p, cache.values(), got);
  gemm(bfp_unit(), p, cache.values().front().operand, expected);
  CHECK(differing(got, expected) == 0);
}

TEST_CASE("how a run of blocks is cut into segments does not matter") {
  Random random(64);
  const Tensor keys = random_tokens(230, 64, random), values = random_tokens(230, 64, random);
  HarmoniaKvCache cache(64);
  fill(cache, keys, values, 90);
  REQUIRE(cache.keys().size() == 3);
  std::vector<KvSegment> key_blocks, value_blocks;
  for (const KvSegment& run : cache.keys()) {
    for (std::size_t t = 0; t < run.operand.rows(); t += 32)
      key_blocks.push_back(
          {run.first_token + t, slice_rows(run.operand, t, std::min<std::size_t>(32, run.operand.rows() - t))});
  }
  for (const KvSegment& run : cache.values()) {
    for (std::size_t t = 0; t < run.operand.columns(); t += 32)
      value_blocks.push_back(
          {run.first_token + t, slice_columns(run.operand, t, std::min<std::size_t>(32, run.operand.columns() - t))});
  }
  REQUIRE(key_blocks.size() == 8);
  const QuantizedTensor q = random_bfp("bfp8-g32", 5, 64, random), p = random_bfp("bfp8-g32", 5, 230, random);
  std::vector<float> got, expected;
  kv_scores(bfp_unit(), q, cache.keys(), got);
  kv_scores(bfp_unit(), q, key_blocks, expected);
  CHECK(differing(got, expected) == 0);
  kv_context(bfp_unit(), p, cache.values(), got);
  kv_context(bfp_unit(), p, value_blocks, expected);
  CHECK(differing(got, expected) == 0);
}

TEST_CASE("the work of a cache in two modes") {
  Random random(65);
  const Tensor tokens = random_tokens(200, 64, random);
  HarmoniaKvCache cache(64);
  fill(cache, tokens, tokens, 199);  // 200 tokens: blocks 1..3 in bfp4
  const BfpWork scores = bfp_work(cache.keys()), context = bfp_work(cache.values());
  CHECK(scores.m8m4_products == 96 * 64);
  CHECK(scores.m8m8_products == 104 * 64);
  CHECK(scores.pe_cycles == 96 * 2 + 104 * 4);
  CHECK(context.m8m4_products == 96 * 64);
  CHECK(context.pe_cycles == 64 * (3 + (1 + 2) * 2 + 1));  // the eight tokens of the open group take one cycle
  CHECK(scores.products_per_cycle() == Approx(200.0 * 64 / 608));
  CHECK(BfpWork().products_per_cycle() == 0);
  CHECK_THROWS_AS(bfp_work({{0, test::random_coded("int8-g64", 1, 64, random)}}), InputError);
  CHECK_THROWS_AS(bfp_mode(Format::parse("mant4-g64")), InternalError);
}

TEST_CASE("groups and window of M-ANT are one accumulation") {
  Random random(66);
  for (const auto window : {MantValueCache::Window::int8, MantValueCache::Window::fp16}) {
    for (const std::size_t prompt : {0U, 40U, 150U}) {
      const std::size_t tokens = 215, channels = 24, rows = 4;
      const Tensor keys = random_tokens(tokens, channels, random), values = random_tokens(tokens, channels, random);
      MantKvCache cache(channels, window);
      fill(cache, keys, values, prompt);
      const Tensor probabilities = random_tokens(rows, tokens, random);
      const QuantizedTensor p = encode(probabilities, Format::parse("int8-g64"));
      std::vector<float> got, expected(rows * channels);
      kv_context(mant_unit(), p, cache.values(), got);
      const QuantizedTensor groups = cache.values()[0].operand, open = cache.values()[1].operand;
      REQUIRE(cache.values()[1].first_token == 192);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t c = 0; c < channels; ++c) {
          float accumulator = 0;
          for (std::size_t g = 0; g < 4; ++g) {
            std::vector<std::int8_t> x;
            for (std::size_t t = g * 64; t < std::min<std::size_t>(g * 64 + 64, tokens); ++t)
              x.push_back(static_cast<std::int8_t>(p.codes[r * tokens + t]));
            if (g < 3) {
              std::vector<std::uint8_t> w;
              for (std::size_t t = g * 64; t < g * 64 + 64; ++t)
                w.push_back(static_cast<std::uint8_t>(groups.codes[c * 192 + t]));
              accumulator = mant_accumulate_group(accumulator, x.data(), w.data(), 64, groups.types[c * 3 + g],
                                                  p.scales[r * 4 + g], groups.scales[c * 3 + g]);
            } else {
              std::vector<std::int8_t> w;
              for (std::size_t t = 0; t < 23; ++t)
                w.push_back(static_cast<std::int8_t>(open.codes[c * 23 + t]));
              accumulator =
                  mant_accumulate_group_w8(accumulator, x.data(), w.data(), 23, p.scales[r * 4 + 3], open.scales[c]);
            }
          }
          expected[r * channels + c] = accumulator;
        }
      }
      REQUIRE(differing(got, expected) == 0);
      const QuantizedTensor q = encode(random_tokens(rows, channels, random), Format::parse("int8-g64"));
      kv_scores(mant_unit(), q, cache.keys(), got);
      gemm(mant_unit(), q, cache.keys()[0].operand, expected);
      REQUIRE(differing(got, expected) == 0);
    }
  }
}

TEST_CASE("Amove's cache and FP16 are single operands") {
  Random random(67);
  const Tensor keys = random_tokens(77, 32, random), values = random_tokens(77, 32, random);
  GroupedKvCache amove(32, amove_kv_options());
  fill(amove, keys, values, 50);
  const QuantizedTensor p = encode(random_tokens(3, 77, random), Format::parse("amove4-g32c4"));
  std::vector<float> got, expected;
  kv_context(amove_unit(), p, amove.values(), got);
  gemm(amove_unit(), p, amove.values()[0].operand, expected);
  CHECK(differing(got, expected) == 0);
  GroupedKvOptions options;
  options.keys = options.values = Format::parse("fp16");
  GroupedKvCache fp16(32, options);
  fill(fp16, keys, values, 50);
  const QuantizedTensor half = encode(random_tokens(3, 77, random), Format::parse("fp16"));
  kv_context(fp16_unit(), half, fp16.values(), got);
  gemm(fp16_unit(), half, fp16.values()[0].operand, expected);
  CHECK(differing(got, expected) == 0);
}

TEST_CASE("one step of attention, as docs/kv-caches.md shows it") {
  Random random(69);
  const Tensor prompt_keys = random_tokens(200, 128, random), prompt_values = random_tokens(200, 128, random);
  const Tensor queries = random_tokens(4, 128, random);
  const std::vector<float> key(128, 0.5F), value(128, -0.25F);
  const auto softmax = [](const std::vector<float>&) { return std::vector<float>(4 * 201, 1.0F / 201); };
  // excerpt: attention
  const std::unique_ptr<KvCache> cache = make_kv_cache("harmonia", 128, "layer 0, head 0");
  cache->append_prompt(prompt_keys, prompt_values);  // [200, 128] each
  // ... the attention of the prompt ...
  cache->append(key, value);  // one token; 201 are there, blocks 1..3 have four bits now

  const Format bfp8 = Format::parse("bfp8-g32");
  std::vector<float> scores, context;
  kv_scores(bfp_unit(), encode(queries, bfp8), cache->keys(), scores);  // [4][201]
  const Tensor probabilities{"probabilities", {4, 201}, softmax(scores)};
  kv_context(bfp_unit(), encode(probabilities, bfp8), cache->values(), context);  // [4][128]
  // end excerpt
  CHECK(scores.size() == 4 * 201);
  CHECK(context.size() == 4 * 128);
  CHECK(cache->keys()[1].operand.format.name() == "bfp4-g32");
  CHECK(cache->keys()[1].operand.rows() == 96);
}

TEST_CASE("what the GEMMs against a cache refuse") {
  Random random(68);
  const QuantizedTensor q = random_bfp("bfp8-g32", 2, 64, random);
  std::vector<float> out;
  CHECK_THROWS_WITH(kv_scores(bfp_unit(), q, {}, out), "attention over a cache without tokens");
  CHECK_THROWS_WITH(
      kv_scores(bfp_unit(), q,
                {{0, random_bfp("bfp8-g32", 32, 64, random)}, {33, random_bfp("bfp4-g32", 1, 64, random)}}, out),
      "random bfp4-g32: a segment from token 33; expected 32, the end of the one before");
  CHECK_THROWS_AS(kv_scores(bfp_unit(), q, {{0, random_bfp("bfp8-g32", 32, 32, random)}}, out), InputError);
  CHECK_THROWS_AS(kv_scores(bfp_unit(), q, {{0, random_bfp("bfp8-g64", 32, 64, random)}}, out), InputError);
  const QuantizedTensor v8 = random_bfp("bfp8-g32", 5, 32, random), v4 = random_bfp("bfp4-g32", 5, 32, random);
  CHECK_THROWS_WITH(kv_context(bfp_unit(), q, {{0, v8}}, out),
                    "random bfp8-g32: probabilities of 64 tokens, but the cache has 32");
  CHECK_THROWS_WITH(kv_context(bfp_unit(), q, {{0, v8}, {32, random_bfp("bfp4-g32", 6, 32, random)}}, out),
                    "random bfp4-g32: a segment of 6 channels; expected 5");
  CHECK_THROWS_WITH(
      kv_context(bfp_unit(), q,
                 {{0, random_bfp("bfp8-g32", 5, 16, random)}, {16, random_bfp("bfp4-g32", 5, 48, random)}}, out),
      "random bfp4-g32: a segment from token 16 cuts a group of the bfp PE");
  // One integer sum over the whole reduction cannot be continued.
  const QuantizedTensor a = test::random_coded("int8-channel", 2, 64, random);
  CHECK_THROWS_AS(kv_context(int8_unit(), a,
                             {{0, test::random_coded("int8-channel", 5, 32, random)},
                              {32, test::random_coded("int8-channel", 5, 32, random)}},
                             out),
                  InputError);
}

}  // namespace
}  // namespace nibble
