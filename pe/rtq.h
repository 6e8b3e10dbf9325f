// SPDX-License-Identifier: Apache-2.0
/// The real-time quantizer of M-ANT: results that leave the array as FP16 are coded on the way, from a running maximum,
/// sum and sum of squares. Bit-exact definition: docs/datapaths.md, section "Real-time quantizer". Its codes equal
/// those of the one-shot encoders (int8-g<k>, mant4-g<k> by variance) and of MantValueCache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/mant_value_cache.h"
#include "formats/quantizer.h"
#include "pe/group_pipeline.h"
#include "pe/row_collector.h"

namespace nibble {

inline constexpr std::size_t rtq_largest_group = 256;  ///< elements that the counter (9 bits) holds

/// How the type of a mant4 group is chosen: docs/formats.md, section "mant4".
enum class RtqRule { variance, variance8 };

/// The registers of one group.
struct RtqRegisters {
  std::uint16_t largest = 0;  ///< magnitude bits of an FP16 value, 15 bits
  float sum = 0;              ///< binary32
  float squares = 0;          ///< binary32
  std::uint16_t count = 0;    ///< 9 bits
};

/// One element, a finite binary16 pattern: largest = max(largest, |x|), sum = f32(sum + x), squares = f32(squares +
/// x * x), the product exact.
RtqRegisters rtq_accept(RtqRegisters registers, std::uint16_t x);

struct RtqScale {
  float scale = 0;        ///< an FP16 value
  std::uint8_t type = 0;  ///< mant4: the stored type byte
};
/// Scale and type of a finished group; a group of zeros: scale 0, type INT4.
RtqScale rtq_mant_scale(const RtqRegisters& registers, RtqRule rule);
/// fp16(f32(largest / 127)), 2^-24 where that rounds to 0, 0 for a group of zeros.
float rtq_int8_scale(const RtqRegisters& registers);

/// sign << 3 | index of one element by comparison with the seven boundaries of the type.
std::uint8_t rtq_mant_code(std::uint16_t x, const RtqScale& scale);
/// clamp(rne(f32(x / scale)), -127, 127); 0 where the scale is 0.
std::int8_t rtq_int8_code(std::uint16_t x, float scale);

/// One cycle from the last element to finished registers, 12 for scale and type, then one group per cycle: latency 13.
const GroupPipelineTiming& rtq_timing();

/// The spatial path: keys (mant4) and activations (int8), groups along a row of results.
class RtqSpatial {
 public:
  /// `format`: mant4-g<k> or int8-g<k>, k at most 256, else InputError.
  RtqSpatial(std::string name, std::size_t rows, std::size_t columns, const Format& format,
             RtqRule rule = RtqRule::variance, const GroupPipelineTiming& timing = rtq_timing());

  /// The next `count` results of a row leave the array in `cycle`. Throws InputError for values that are not finite and
  /// for values beyond the row.
  void push(std::size_t row, const std::uint16_t* values, std::size_t count, std::uint64_t cycle);

  /// [rows, columns]; every row must be complete (InternalError).
  const QuantizedTensor& result() const;
  const GroupPipeline& pipeline() const { return pipeline_; }
  /// Sets of registers in use at most.
  std::size_t most_open_groups() const { return rows_.most_open(); }

 private:
  void code_group(std::size_t row, std::size_t g, const std::uint16_t* values, std::size_t length);

  QuantizedTensor result_;
  RtqRule rule_;
  RowCollector rows_;
  GroupPipeline pipeline_;
};

/// The temporal path: values, groups of 64 tokens of one channel, in the two phases of the value cache.
class RtqTemporal {
 public:
  static constexpr std::size_t group = MantValueCache::group;

  /// `window` as for MantValueCache. `channels` at least 1 (InputError).
  explicit RtqTemporal(std::size_t channels, MantValueCache::Window window = MantValueCache::Window::int8,
                       RtqRule rule = RtqRule::variance, const GroupPipelineTiming& timing = rtq_timing());

  /// One token, `channels` binary16 patterns, in `cycle`. The first tokens belong to the prompt until end_prompt().
  /// Throws InputError for a token of another width, with values that are not finite, or whose INT8 value is beyond
  /// FP16 (only +/-65504 can be).
  void push(const std::vector<std::uint16_t>& token, std::uint64_t cycle);
  /// The prompt is over: with 64 tokens or more the INT8 scales are fixed and the tokens left over enter the window.
  /// Without a prompt: call it first.
  void end_prompt();

  std::size_t tokens() const { return finished_ + held_; }
  std::size_t finished_tokens() const { return finished_; }
  std::size_t window_tokens() const { return held_; }
  /// What MantValueCache::groups() and window() give for the same tokens; the same conditions.
  QuantizedTensor groups() const;
  QuantizedTensor window() const;
  const GroupPipeline& pipeline() const { return pipeline_; }

 private:
  bool holds_fp16() const { return !scaled_ || window_ == MantValueCache::Window::fp16; }
  float window_scale(std::size_t channel, std::uint16_t value) const;
  void enter(std::size_t channel, std::uint16_t value);
  void close(std::uint64_t cycle);
  void fix_scales();

  std::size_t channels_;
  MantValueCache::Window window_;
  RtqRule rule_;
  GroupPipeline pipeline_;
  bool prompt_ = true, scaled_ = false;
  std::size_t finished_ = 0, held_ = 0;
  std::vector<RtqRegisters> maxima_;     ///< per channel, all tokens before the scales are fixed: only `largest` counts
  std::vector<RtqRegisters> registers_;  ///< per channel, the open group
  std::vector<float> scales_;            ///< per channel, INT8
  std::vector<std::uint16_t> held_fp16_;             ///< [channel][64]
  std::vector<std::int16_t> held_int8_;              ///< [channel][64]
  std::vector<std::vector<std::int16_t>> codes_;     ///< [channel], finished
  std::vector<std::vector<RtqScale>> group_scales_;  ///< [channel], finished
};

}  // namespace nibble
