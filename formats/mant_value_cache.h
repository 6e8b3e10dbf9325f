// SPDX-License-Identifier: Apache-2.0
/// The V cache of M-ANT: groups of 64 tokens per channel in mant4, and an open window of the latest tokens.
/// Definition: docs/formats.md, section "The value cache of M-ANT".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/quantizer.h"

namespace nibble {

class MantValueCache {
 public:
  /// What the open window holds once the first 64 tokens are there: INT8 with a fixed scale per channel, or FP16 (what
  /// the authors' released code does).
  enum class Window { int8, fp16 };

  static constexpr std::size_t group = 64;  ///< tokens

  explicit MantValueCache(std::size_t channels, Window window = Window::int8, std::string name = "values");

  /// The whole prompt, [tokens, channels], rounded to FP16; only on an empty cache. This and append() throw InputError
  /// for values that FP16 cannot hold, at once or when the INT8 window reads them back (65504); the cache is then as
  /// before.
  void append_prompt(const Tensor& values);
  /// One generated token, `channels` values.
  void append(const std::vector<float>& token);

  std::size_t channels() const { return channels_; }
  std::size_t tokens() const { return finished_ + held_; }
  /// A multiple of 64.
  std::size_t finished_tokens() const { return finished_; }
  std::size_t window_tokens() const { return held_; }
  /// Whether the window holds FP16 now.
  bool window_is_fp16() const { return !scaled_ || window_ == Window::fp16; }

  /// The finished groups as [channels, finished_tokens()] in mant4-g64; finished_tokens() > 0.
  QuantizedTensor groups() const;
  /// The window as an operand, [channels, window_tokens()] in int8-channel; window_tokens() > 0. An FP16 window is
  /// quantized over the tokens present, an INT8 window is read as it is.
  QuantizedTensor window() const;

 private:
  void require_readable(std::size_t token, std::size_t channel, float value, float scale) const;
  void enter(std::size_t channel, float value);
  void close_groups(const std::vector<float>& values, std::size_t count);
  void fix_scales();
  std::vector<float> as_fp16(const float* values, std::size_t count) const;

  std::size_t channels_;
  Window window_;
  std::string name_;
  std::size_t finished_ = 0, held_ = 0;
  bool scaled_ = false;                   ///< 64 tokens have been there
  std::vector<float> maxima_;             ///< per channel over the tokens before scaled_
  std::vector<float> scales_;             ///< per channel, the INT8 scale; 0: no token that is not zero so far
  std::vector<float> open_values_;        ///< [channel][64]: FP16 window
  std::vector<std::int16_t> open_codes_;  ///< [channel][64]: INT8 window
  std::vector<QuantizedTensor> closed_;   ///< each [channels, 64]
};

}  // namespace nibble
