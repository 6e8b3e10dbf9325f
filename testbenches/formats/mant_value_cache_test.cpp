// SPDX-License-Identifier: Apache-2.0
#include "formats/mant_value_cache.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

constexpr std::size_t channels = 5;

/// Tokens in FP16: channel 3 stays zero for the first 70 tokens, channel 4 is too small for an INT8 scale in FP16.
Tensor make_tokens(std::size_t count) {
  Tensor tokens = random_tensor({count, channels}, count + 1);
  for (std::size_t t = 0; t < count; ++t) {
    if (t < 70) tokens.values[t * channels + 3] = 0;
    tokens.values[t * channels + 4] = static_cast<float>(t % 5) * 0x1p-24F;
  }
  for (float& value : tokens.values)
    value = round_fp16(value);
  return tokens;
}

/// The first `count` tokens.
Tensor prompt_of(const Tensor& tokens, std::size_t count) {
  return {"v",
          {count, channels},
          {tokens.values.begin(), tokens.values.begin() + static_cast<std::ptrdiff_t>(count * channels)}};
}

std::vector<float> token_of(const Tensor& tokens, std::size_t t) {
  const auto first = tokens.values.begin() + static_cast<std::ptrdiff_t>(t * channels);
  return {first, first + channels};
}

/// [channels, end - begin] of the tokens.
Tensor transposed(const Tensor& tokens, std::size_t begin, std::size_t end) {
  Tensor out{"v", {channels, end - begin}, {}};
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t t = begin; t < end; ++t)
      out.values.push_back(tokens.values[t * channels + c]);
  }
  return out;
}

QuantizedTensor by_variance(const Tensor& tensor) {
  EncodeOptions options;
  options.select = "variance";
  return encode(tensor, Format::parse("mant4-g64"), options);
}

/// The definition, from the whole history: `prompt` tokens at once, the rest one by one, `count` in all.
struct Definition {
  const Tensor& tokens;
  std::size_t prompt, count;

  float scale(std::size_t c) const {
    const std::size_t fixed_at = std::max<std::size_t>(prompt, 64);
    float maximum = 0;
    for (std::size_t t = 0; t < fixed_at; ++t)
      maximum = std::max(maximum, std::abs(tokens.values[t * channels + c]));
    for (std::size_t t = fixed_at; maximum == 0 && t < count; ++t)
      maximum = std::abs(tokens.values[t * channels + c]);
    const float s = round_fp16(maximum / 127);
    return s == 0 && maximum != 0 ? 0x1p-24F : s;
  }
  int code(std::size_t c, std::size_t t) const {
    const float s = scale(c), v = tokens.values[t * channels + c];
    if (s == 0) return 0;
    return static_cast<int>(std::min(127.0F, std::max(-127.0F, std::nearbyint(v / s))));
  }
  bool direct(std::size_t group) const { return (group + 1) * 64 <= prompt || (group == 0 && prompt < 64); }

  void check(const MantValueCache& cache) const {
    REQUIRE(cache.tokens() == count);
    const std::size_t groups = count / 64, open = count % 64;
    REQUIRE(cache.finished_tokens() == groups * 64);
    REQUIRE(cache.window_tokens() == open);
    const QuantizedTensor got = groups > 0 ? cache.groups() : QuantizedTensor();
    for (std::size_t g = 0; g < groups; ++g) {
      Tensor source = transposed(tokens, g * 64, g * 64 + 64);
      for (std::size_t i = 0; !direct(g) && i < source.values.size(); ++i) {
        const std::size_t c = i / 64, t = g * 64 + i % 64;
        source.values[i] = round_fp16(static_cast<float>(code(c, t)) * scale(c));
      }
      const QuantizedTensor expected = by_variance(source);
      for (std::size_t c = 0; c < channels; ++c) {
        REQUIRE(got.scales[c * groups + g] == expected.scales[c]);
        REQUIRE(got.types[c * groups + g] == expected.types[c]);
        for (std::size_t t = 0; t < 64; ++t)
          REQUIRE(got.codes[c * groups * 64 + g * 64 + t] == expected.codes[c * 64 + t]);
      }
    }
    if (open == 0) return;
    const QuantizedTensor window = cache.window();
    REQUIRE(window.shape == std::vector<std::size_t>{channels, open});
    REQUIRE(window.format.name() == "int8-channel");
    if (groups == 0) {
      const QuantizedTensor expected = encode(transposed(tokens, 0, count), Format::parse("int8-channel"));
      REQUIRE(window.codes == expected.codes);
      REQUIRE(window.scales == expected.scales);
      return;
    }
    for (std::size_t c = 0; c < channels; ++c) {
      REQUIRE(window.scales[c] == scale(c));
      for (std::size_t t = 0; t < open; ++t)
        REQUIRE(window.codes[c * open + t] == code(c, groups * 64 + t));
    }
  }
};

}  // namespace

TEST_CASE("the cache follows its definition for every length of prompt") {
  const Tensor tokens = make_tokens(260);
  for (const std::size_t prompt : {0U, 1U, 63U, 64U, 65U, 100U, 128U, 191U}) {
    MantValueCache cache(channels);
    if (prompt > 0) cache.append_prompt(prompt_of(tokens, prompt));
    CHECK(cache.window_is_fp16() == (prompt < 64));
    Definition{tokens, prompt, prompt}.check(cache);
    for (std::size_t t = prompt; t < 260; ++t) {
      cache.append(token_of(tokens, t));
      if (t % 7 == 0 || t % 64 < 2 || t % 64 > 61) Definition{tokens, prompt, t + 1}.check(cache);
    }
  }
}

TEST_CASE("whole groups of a prompt are encoded in one shot") {
  const Tensor tokens = make_tokens(192);
  MantValueCache cache(channels);
  cache.append_prompt(prompt_of(tokens, 192));
  const QuantizedTensor expected = by_variance(transposed(tokens, 0, 192)), got = cache.groups();
  CHECK(got.codes == expected.codes);
  CHECK(got.scales == expected.scales);
  CHECK(got.types == expected.types);
  CHECK(decode(got).values == decode(expected).values);
  CHECK(cache.window_tokens() == 0);
}

TEST_CASE("an FP16 window encodes every group from FP16") {
  const Tensor tokens = make_tokens(200);
  for (const std::size_t prompt : {0U, 70U}) {
    MantValueCache cache(channels, MantValueCache::Window::fp16);
    if (prompt > 0) cache.append_prompt(prompt_of(tokens, prompt));
    for (std::size_t t = prompt; t < 200; ++t)
      cache.append(token_of(tokens, t));
    const QuantizedTensor expected = by_variance(transposed(tokens, 0, 192)), got = cache.groups();
    CHECK(got.codes == expected.codes);
    CHECK(got.scales == expected.scales);
    const QuantizedTensor window = encode(transposed(tokens, 192, 200), Format::parse("int8-channel"));
    CHECK(cache.window().codes == window.codes);
    CHECK(cache.window().scales == window.scales);
    CHECK(cache.window_is_fp16());
  }
}

TEST_CASE("values outside the range of the prompt saturate in the INT8 window") {
  MantValueCache cache(1);
  cache.append_prompt(Tensor{"v", {64, 1}, std::vector<float>(64, 1.0F)});
  cache.append({-100.0F});
  cache.append({0.5F});
  const float scale = round_fp16(1.0F / 127);
  CHECK(cache.window().scales[0] == scale);
  CHECK(cache.window().codes ==
        std::vector<std::int16_t>{-127, static_cast<std::int16_t>(std::nearbyint(0.5F / scale))});
}

TEST_CASE("what a value cache refuses") {
  MantValueCache cache(2, MantValueCache::Window::int8, "layer 3 values");
  cache.append({1, 2});
  CHECK_THROWS_WITH(cache.append({1, 70000}), "layer 3 values: token 1, channel 1: the value is beyond FP16");
  CHECK_THROWS_AS(cache.append({1, 70000}), InputError);
  CHECK(cache.tokens() == 1);
  CHECK_THROWS_AS(cache.append({1}), InternalError);
  CHECK_THROWS_AS(cache.append_prompt(Tensor{"v", {1, 2}, {1, 2}}), InternalError);
  CHECK_THROWS_AS(cache.groups(), InternalError);
  CHECK_THROWS_AS(MantValueCache(2).window(), InternalError);
  CHECK_THROWS_AS(MantValueCache(0), InternalError);
}
