// SPDX-License-Identifier: Apache-2.0
#include "formats/key_smoothing.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "formats/harmonia_kv_cache.h"
#include "testbenches/formats/kv_tokens.h"

using namespace nibble;

namespace {

Tensor normal_tensor(std::vector<std::size_t> shape, std::uint64_t seed, double deviation = 1) {
  Random random(seed);
  std::size_t size = 1;
  for (const std::size_t extent : shape)
    size *= extent;
  Tensor tensor{"normal", std::move(shape), std::vector<float>(size)};
  for (float& x : tensor.values)
    x = static_cast<float>(random.normal() * deviation);
  return tensor;
}

/// x[M, K] x w[N, K]^T in binary64.
std::vector<double> product(const std::vector<double>& x, const Tensor& w) {
  const std::size_t k = w.columns(), m = x.size() / k;
  std::vector<double> out;
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t n = 0; n < w.rows(); ++n) {
      double sum = 0;
      for (std::size_t i = 0; i < k; ++i)
        sum += x[r * k + i] * static_cast<double>(w.values[n * k + i]);
      out.push_back(sum);
    }
  }
  return out;
}

/// Rotary embedding of [tokens, heads * head_channels], token t at position t. The angles are those of base 10000.
void rotate(std::vector<double>& x, std::size_t channels, const KeyHeads& heads) {
  const std::size_t turned = heads.rotary_channels == 0 ? heads.head_channels : heads.rotary_channels;
  const std::vector<double> before = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % channels % heads.head_channels, partner = rotary_partner(heads, c);
    if (partner == c) continue;
    const std::size_t pair = heads.pairs == RotaryPairs::interleaved ? c / 2 : c % (turned / 2);
    const double angle = static_cast<double>(i / channels) *
                         std::pow(10000.0, -2.0 * static_cast<double>(pair) / static_cast<double>(turned));
    const double other = before[i + partner - c];
    x[i] = before[i] * std::cos(angle) + (c < partner ? -other : other) * std::sin(angle);
  }
}

struct Attention {
  std::vector<double> queries, keys;  ///< [tokens][heads * head_channels], rotated
  std::size_t query_heads;
  KeyHeads heads;

  double score(std::size_t head, std::size_t query, std::size_t key) const {
    const std::size_t d = heads.head_channels, shared = query_heads / heads.kv_heads;
    double sum = 0;
    for (std::size_t c = 0; c < d; ++c)
      sum += queries[query * query_heads * d + head * d + c] * keys[key * heads.kv_heads * d + head / shared * d + c];
    return sum;
  }
};

Attention attend(const std::vector<double>& x, const Tensor& wq, const Tensor& wk, const Tensor& bq, const Tensor& bk,
                 const KeyHeads& heads) {
  Attention a{product(x, wq), product(x, wk), wq.rows() / heads.head_channels, heads};
  for (std::size_t i = 0; i < a.queries.size(); ++i)
    a.queries[i] += static_cast<double>(bq.values[i % bq.values.size()]);
  for (std::size_t i = 0; i < a.keys.size(); ++i)
    a.keys[i] += static_cast<double>(bk.values[i % bk.values.size()]);
  rotate(a.queries, wq.rows(), heads);
  rotate(a.keys, wk.rows(), heads);
  return a;
}

Tensor as_tensor(const std::vector<double>& values, std::size_t columns) {
  return {"keys", {values.size() / columns, columns}, {values.begin(), values.end()}};
}

/// Keys of one head of 64 channels: four of them far from zero throughout, with a spread of one like all others.
Tensor keys_with_offsets(std::size_t tokens, std::uint64_t seed) {
  Tensor keys = normal_tensor({tokens, 64}, seed);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (const auto& [channel, offset] : {std::pair{3, 20.0F}, {17, -14.0F}, {40, 30.0F}, {63, -25.0F}})
      keys.values[t * 64 + static_cast<std::size_t>(channel)] += offset;
  }
  return rounded_fp16(keys);
}

std::vector<double> softmax(std::vector<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& s : scores)
    sum += s = std::exp((s - largest) / 8);  // the root of 64 channels
  for (double& s : scores)
    s /= sum;
  return scores;
}

/// Attention of query rows against keys[tokens][64].
std::vector<double> weights_of(const Tensor& queries, const Tensor& keys) {
  std::vector<double> all;
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    const auto first = queries.values.begin() + static_cast<std::ptrdiff_t>(q * 64);
    const std::vector<double> row = softmax(product({first, first + 64}, keys));
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

double error_of(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

Tensor coded_keys(const Tensor& keys, const char* format) {
  return decode(encode(keys, Format::parse(format)));
}

}  // namespace

TEST_CASE("pairs of both rotary conventions") {
  const KeyHeads interleaved{1, 8, RotaryPairs::interleaved, 0}, half{1, 8, RotaryPairs::half_split, 0},
      part{1, 8, RotaryPairs::half_split, 4}, none{1, 8, RotaryPairs::none, 0};
  const std::vector<std::size_t> a{1, 0, 3, 2, 5, 4, 7, 6}, b{4, 5, 6, 7, 0, 1, 2, 3}, c{2, 3, 0, 1, 4, 5, 6, 7};
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(rotary_partner(interleaved, i) == a[i]);
    CHECK(rotary_partner(half, i) == b[i]);
    CHECK(rotary_partner(part, i) == c[i]);
    CHECK(rotary_partner(none, i) == i);
  }
  CHECK_THROWS_WITH(rotary_partner({1, 8, RotaryPairs::half_split, 3}, 0),
                    "rotary embedding: 3 channels of a head of 8; expected an even number within the head");
  CHECK_THROWS_AS(rotary_partner({1, 8, RotaryPairs::interleaved, 10}, 0), InputError);
  CHECK_THROWS_AS(rotary_partner({1, 7, RotaryPairs::interleaved, 0}, 0), InputError);
}

TEST_CASE("scales: the root of the largest magnitude over its mean, shared within a pair") {
  const Tensor keys{"keys", {2, 8}, {4, 0, -9, 1, 0, 0, 0, 0, -1, 0, 4, 16, 0, 25, 0, 0}};
  const KeySmoothing none = key_smoothing(keys, {2, 4, RotaryPairs::none, 0});
  CHECK(none.scales == std::vector<float>{2.0F / 3, 1, 1, 4.0F / 3, 1, 1, 1, 1});  // roots 2, -, 3, 4; 5 alone
  const KeySmoothing pairs = key_smoothing(keys, {2, 4, RotaryPairs::interleaved, 0});
  CHECK(pairs.scales == std::vector<float>{2.0F / 3, 2.0F / 3, 4.0F / 3, 4.0F / 3, 1, 1, 1, 1});
  const KeySmoothing half = key_smoothing(keys, {2, 4, RotaryPairs::half_split, 0});
  CHECK(half.scales[0] == half.scales[2]);
  CHECK(half.scales[1] == half.scales[3]);
  CHECK(half.scales[0] == Approx(3 / 3.5));
}

TEST_CASE("folding leaves the scores unchanged, for both conventions, grouped queries and biases") {
  const std::size_t hidden = 48, tokens = 20;
  for (const RotaryPairs pairs : {RotaryPairs::interleaved, RotaryPairs::half_split, RotaryPairs::none}) {
    for (const std::size_t rotary : {0U, 8U}) {
      for (const std::size_t query_heads : {3U, 12U}) {
        const KeyHeads heads{3, 16, pairs, rotary};
        Tensor wk = normal_tensor({48, hidden}, 1, 0.1), wq = normal_tensor({query_heads * 16, hidden}, 2, 0.1);
        for (std::size_t i = 0; i < hidden; ++i) {
          for (const std::size_t row : {5U, 6U, 30U, 47U})
            wk.values[row * hidden + i] *= 40;
        }
        const Tensor bk = normal_tensor({48}, 3), bq = normal_tensor({query_heads * 16}, 4);
        const Tensor input = normal_tensor({tokens, hidden}, 5);
        const std::vector<double> x(input.values.begin(), input.values.end());
        const Attention before = attend(x, wq, wk, bq, bk, heads);
        const KeySmoothing smoothing = key_smoothing(as_tensor(before.keys, 48), heads);
        const Attention after = attend(x, fold_into_queries(wq, smoothing), fold_into_keys(wk, smoothing),
                                       fold_into_queries(bq, smoothing), fold_into_keys(bk, smoothing), heads);
        double largest = 0, difference = 0, moved = 0;
        for (std::size_t h = 0; h < query_heads; ++h) {
          for (std::size_t q = 0; q < tokens; ++q) {
            for (std::size_t k = 0; k < tokens; ++k) {
              largest = std::max(largest, std::abs(before.score(h, q, k)));
              difference = std::max(difference, std::abs(before.score(h, q, k) - after.score(h, q, k)));
            }
          }
        }
        for (std::size_t i = 0; i < before.keys.size(); ++i) {
          moved = std::max(moved, std::abs(before.keys[i] - after.keys[i]));
          const double undone = after.keys[i] * static_cast<double>(smoothing.scales[i % 48]);
          REQUIRE(undone == Approx(before.keys[i]).epsilon(1e-5).margin(1e-5));
        }
        CAPTURE(static_cast<int>(pairs), rotary, query_heads);
        CHECK(difference < 1e-6 * largest);  // two roundings to binary32 per weight
        CHECK(moved > 1);                    // the keys themselves did change
      }
    }
  }
}

TEST_CASE("without shared scales the rotation would not commute") {
  const KeyHeads heads{1, 16, RotaryPairs::half_split, 0};
  KeySmoothing apart{heads, std::vector<float>(16, 1.0F)};
  apart.scales[2] = 3;  // its partner keeps 1
  const Tensor wk = normal_tensor({16, 24}, 6), wq = normal_tensor({16, 24}, 7),
               zero{"zero", {16}, std::vector<float>(16)};
  const Tensor input = normal_tensor({8, 24}, 8);
  const std::vector<double> x(input.values.begin(), input.values.end());
  const Attention before = attend(x, wq, wk, zero, zero, heads),
                  after = attend(x, fold_into_queries(wq, apart), fold_into_keys(wk, apart), zero, zero, heads);
  CHECK(std::abs(before.score(0, 7, 2) - after.score(0, 7, 2)) > 1e-2);
}

TEST_CASE("scales bring keys with outlier channels closer to their values") {
  Tensor keys = normal_tensor({256, 64}, 9);
  for (std::size_t t = 0; t < 256; ++t) {
    for (const std::size_t c : {3U, 17U, 40U, 63U})
      keys.values[t * 64 + c] *= 60;
  }
  keys = rounded_fp16(keys);
  const KeyHeads heads{1, 64, RotaryPairs::none, 0};
  const KeySmoothing smoothing = key_smoothing(keys, heads);
  Tensor smooth = keys;
  for (std::size_t i = 0; i < smooth.values.size(); ++i)
    smooth.values[i] = round_fp16(smooth.values[i] / smoothing.scales[i % 64]);
  for (const char* format : {"bfp8-g32", "bfp4-g32"}) {
    // Relative error of the ordinary channels, and of the scores of ordinary queries.
    const Tensor plain = coded_keys(keys, format);
    Tensor undone = coded_keys(smooth, format);
    for (std::size_t i = 0; i < undone.values.size(); ++i)
      undone.values[i] *= smoothing.scales[i % 64];
    double before = 0, after = 0;
    for (std::size_t i = 0; i < keys.values.size(); ++i) {
      const std::size_t c = i % 64;
      if (c == 3 || c == 17 || c == 40 || c == 63) continue;
      before += std::pow(static_cast<double>(keys.values[i]) - static_cast<double>(plain.values[i]), 2);
      after += std::pow(static_cast<double>(keys.values[i]) - static_cast<double>(undone.values[i]), 2);
    }
    CAPTURE(format);
    CHECK(after < before / 4);  // an outlier 60 times larger leaves the root of 60 over its neighbours: three bits
    const Tensor queries = normal_tensor({16, 64}, 10);
    const std::vector<double> q(queries.values.begin(), queries.values.end()), exact = product(q, keys);
    CHECK(error_of(product(q, undone), exact) < error_of(product(q, plain), exact));
  }
}

TEST_CASE("offsets go to the channels that are large, with the mean of the prompt in FP16") {
  const Tensor keys = keys_with_offsets(100, 11);
  const KeyOffsets peak(keys, 64), crest(keys, 64, 4, OffsetRule::crest), two(keys, 64, 2), none(keys, 64, 0);
  CHECK(peak.channels() == std::vector<std::size_t>{3, 17, 40, 63});
  CHECK(two.channels() == std::vector<std::size_t>{40, 63});
  CHECK(none.channels().empty());
  for (const std::size_t c : {3U, 17U, 40U, 63U}) {
    CHECK(std::count(crest.channels().begin(), crest.channels().end(), c) == 0);  // they are large throughout
    double sum = 0;
    for (std::size_t t = 0; t < 100; ++t)
      sum += static_cast<double>(keys.values[t * 64 + c]);
    CHECK(peak.values()[c] == round_fp16(static_cast<float>(sum / 100)));
  }
  CHECK(peak.values()[0] == 0);
  const KeyOffsets heads(keys, 16, 1);
  CHECK(heads.channels() == std::vector<std::size_t>{3, 17, 40, 63});  // one per head of 16
  const Tensor equal{"equal", {1, 4}, {1, -1, 0, 1}};
  CHECK(KeyOffsets(equal, 4, 2).channels() == std::vector<std::size_t>{0, 1});
  CHECK(KeyOffsets(equal, 4, 9).channels() == std::vector<std::size_t>{0, 1, 3});
  const Tensor less = peak.subtract_from(keys);
  CHECK(less.values[0] == keys.values[0]);
  CHECK(less.values[3] == round_fp16(keys.values[3] - peak.values()[3]));
  CHECK(KeyOffsets().subtract_from(keys).values == keys.values);
}

TEST_CASE("no offset changes the softmax") {
  const Tensor keys = keys_with_offsets(60, 12), queries = normal_tensor({9, 64}, 13);
  const std::vector<double> expected = weights_of(queries, keys);
  Random random(14);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<double> offset(64);
    for (double& o : offset)
      o = random.normal() * std::ldexp(1.0, static_cast<int>(random.below(16)) - 4);
    Tensor moved = keys;  // in binary32
    std::vector<double> exact;
    for (std::size_t q = 0; q < 9; ++q) {
      std::vector<double> scores;
      for (std::size_t k = 0; k < 60; ++k) {
        double sum = 0;
        for (std::size_t c = 0; c < 64; ++c)
          sum += static_cast<double>(queries.values[q * 64 + c]) *
                 (static_cast<double>(keys.values[k * 64 + c]) - offset[c]);
        scores.push_back(sum);
      }
      const std::vector<double> row = softmax(scores);
      exact.insert(exact.end(), row.begin(), row.end());
    }
    for (std::size_t i = 0; i < moved.values.size(); ++i)
      moved.values[i] -= static_cast<float>(offset[i % 64]);
    const std::vector<double> got = weights_of(queries, moved);
    for (std::size_t i = 0; i < got.size(); ++i) {
      REQUIRE(exact[i] == Approx(expected[i]).epsilon(1e-9));
      REQUIRE(got[i] == Approx(expected[i]).epsilon(1e-2));  // offsets of some thousands leave keys of 13 bits
    }
  }
}

TEST_CASE("offsets make quantized keys and their attention more accurate") {
  const Tensor keys = keys_with_offsets(300, 15), queries = normal_tensor({16, 64}, 16);
  const Tensor prompt = tokens_between(keys, 0, 200);
  const std::vector<double> exact = weights_of(queries, keys);
  for (const char* format : {"bfp8-g32", "bfp4-g32"}) {
    const double plain = error_of(weights_of(queries, coded_keys(keys, format)), exact);
    const auto with = [&](OffsetRule rule) {
      const KeyOffsets offsets(prompt, 64, 4, rule);
      return error_of(weights_of(queries, coded_keys(offsets.subtract_from(keys), format)), exact);
    };
    CAPTURE(format, plain, with(OffsetRule::peak), with(OffsetRule::crest));
    CHECK(with(OffsetRule::peak) < plain / 20);
    CHECK(with(OffsetRule::crest) > plain / 2);  // it chooses ordinary channels
  }
}

TEST_CASE("the cache of Harmonia subtracts the prompt's offsets from every key") {
  const Tensor keys = keys_with_offsets(260, 17), values = random_tokens(260, 64, 18);
  for (const std::size_t prompt : {0U, 1U, 150U}) {
    HarmoniaKvOptions options;
    options.offset_channels = 4;
    HarmoniaKvCache cache(64, options), plain(64);
    KeyOffsets offsets;
    if (prompt > 0) {
      offsets = KeyOffsets(tokens_between(keys, 0, prompt), 64);
      for (HarmoniaKvCache* each : {&cache, &plain})
        each->append_prompt(tokens_between(keys, 0, prompt), tokens_between(values, 0, prompt));
    }
    for (HarmoniaKvCache* each : {&cache, &plain})
      append_tokens(*each, keys, values, prompt, 260);
    CHECK(cache.key_offsets().values() == offsets.values());
    HarmoniaKvCache expected(64);
    const Tensor less = offsets.subtract_from(keys);
    if (prompt > 0) expected.append_prompt(tokens_between(less, 0, prompt), tokens_between(values, 0, prompt));
    append_tokens(expected, less, values, prompt, 260);
    REQUIRE(cache.keys().size() == expected.keys().size());
    for (std::size_t s = 0; s < cache.keys().size(); ++s) {
      CHECK(cache.keys()[s].operand.codes == expected.keys()[s].operand.codes);
      CHECK(cache.keys()[s].operand.exponents == expected.keys()[s].operand.exponents);
      CHECK(cache.values()[s].operand.codes == plain.values()[s].operand.codes);
    }
    CHECK(cache.storage().key_bits == plain.storage().key_bits + 16 * offsets.channels().size());
  }
}

TEST_CASE("what smoothing refuses") {
  const KeyHeads heads{2, 4, RotaryPairs::half_split, 0};
  Tensor keys{"calibration", {1, 8}, std::vector<float>(8, 1.0F)};
  const KeySmoothing smoothing = key_smoothing(keys, heads);
  CHECK_THROWS_WITH(key_smoothing({"calibration", {1, 6}, std::vector<float>(6)}, heads),
                    "calibration: 6 channels; expected 2 heads of 4");
  CHECK_THROWS_AS(key_smoothing(keys, {0, 4, RotaryPairs::none, 0}), InputError);
  keys.values[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(key_smoothing(keys, heads), InputError);
  CHECK_THROWS_AS(KeyOffsets(keys, 4), InputError);
  CHECK_THROWS_WITH(fold_into_keys({"w_k", {6, 2}, std::vector<float>(12)}, smoothing),
                    "w_k: 6 rows; the keys have 8 channels");
  CHECK_THROWS_WITH(fold_into_queries({"w_q", {12, 2}, std::vector<float>(24)}, smoothing),
                    "w_q: 12 rows; expected a multiple of the 8 channels of the keys");
  KeySmoothing extreme = smoothing;
  extreme.scales[0] = 1e30F;
  CHECK_THROWS_WITH(fold_into_queries({"w_q", {8, 1}, std::vector<float>(8, 1e10F)}, extreme),
                    "w_q: flat index 0: not finite after smoothing");
  keys.values[3] = 1;
  CHECK_THROWS_WITH(KeyOffsets(keys, 3), "calibration: 8 channels; expected heads of 3");
  const KeyOffsets offsets(Tensor{"prompt", {1, 2}, {-60000, 1}}, 2);
  CHECK_THROWS_WITH(offsets.subtract_from({"keys", {2, 2}, {0, 0, 60000, 0}}),
                    "keys: token 1, channel 0: beyond FP16 after its offset");
  CHECK_THROWS_AS(offsets.subtract_from({"keys", {1, 3}, {0, 0, 0}}), InputError);
  HarmoniaKvOptions options;
  options.offset_channels = 1;
  HarmoniaKvCache cache(2, options);
  cache.append_prompt({"k", {1, 2}, {-60000, 1}}, {"v", {1, 2}, {1, 1}});
  CHECK_THROWS_WITH(cache.append({60000, 1}, {1, 1}), "cache: key: token 1, channel 0: beyond FP16 after its offset");
  CHECK(cache.tokens() == 1);
  CHECK(cache.residual_tokens() == 1);
  // A token that is refused does not end the prompt either.
  HarmoniaKvCache longer(2, options);
  const Tensor tokens{"tokens", {128, 2}, std::vector<float>(256, -60000.0F)};
  longer.append_prompt(tokens, tokens);
  CHECK_THROWS_AS(longer.append({60000, 60000}, {1, 1}), InputError);
  CHECK(longer.block_bits(1) == 8);
  longer.append({-60000, 1}, {1, 1});
  CHECK(longer.block_bits(1) == 4);
}
