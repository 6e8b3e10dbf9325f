// SPDX-License-Identifier: Apache-2.0
/// The FP16-to-BFP converter of Harmonia: lanes that turn 32 binary16 values into one bfp8 or bfp4 group. Bit-exact
/// definition: docs/datapaths.md, section "FP16-to-BFP converter". Its groups equal those of the encoder of formats/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/quantizer.h"
#include "pe/group_pipeline.h"
#include "pe/row_collector.h"

namespace nibble {

inline constexpr std::size_t bfp_converter_group = 32;  ///< values per lane
inline constexpr unsigned bfp_converter_lanes = 16;     ///< [D] as Anda's compressor, HPCA 2025

/// What happens to the bits below the mantissa: docs/formats.md, section "bfp8, bfp4".
enum class BfpRounding { truncate, nearest };

/// Stage 1: the largest exponent field of up to 32 binary16 patterns by a tree of five levels; subnormals and zeros
/// count as 1. Throws InputError for patterns that are not finite.
unsigned bfp_exponent_tree(const std::uint16_t* values, std::size_t count);

/// Stages 2 and 3 for one element: sign << bits | mantissa; bits is 8 or 4, `shared` 1..30 and not below the element's
/// own exponent. A mantissa of 0 has sign 0.
std::uint16_t bfp_element(std::uint16_t value, unsigned shared, unsigned bits, BfpRounding rounding);

/// One group as it leaves a lane.
struct BfpGroup {
  unsigned bits = 8;                                          ///< of a mantissa: 8 or 4
  std::uint8_t exponent = 1;                                  ///< 1..30, 5 bits
  std::array<std::uint16_t, bfp_converter_group> elements{};  ///< sign << bits | mantissa
};

/// One lane. Fewer than 32 values: the rest are zeros. Throws InputError for values that are not finite, none or more
/// than 32, and for bits other than 8 and 4.
BfpGroup bfp_convert(const std::uint16_t* values, std::size_t count, unsigned bits,
                     BfpRounding rounding = BfpRounding::truncate);

/// bfp8 to bfp4: the upper nibbles, sign and exponent as they are (a mantissa that becomes 0 loses its sign).
BfpGroup bfp_demote(const BfpGroup& group);

/// Bits of a packed group: 293 (bfp8) or 165 (bfp4).
constexpr std::size_t bfp_record_bits(unsigned bits) {
  return bfp_converter_group * (1 + bits) + 5;
}
/// A packed group: element i in bits i * (1 + bits) and up, the exponent above the last, zeros above that. The first 36
/// or 20 bytes are those of pack_codes, the next is that of pack_metadata (formats/packed_operand.h).
struct BfpRecord {
  unsigned bits = 8;
  std::array<std::uint8_t, 37> bytes{};
};
BfpRecord bfp_pack(const BfpGroup& group);
BfpGroup bfp_unpack(const BfpRecord& record);

/// 3 cycles from 32 values to a record, one group per lane and cycle.
const GroupPipelineTiming& bfp_converter_timing();

/// The row path (queries, keys, probabilities, inputs of linear layers): groups along a row of results.
class BfpRowConverter {
 public:
  /// `bits`: 8 or 4. Throws InputError for others, and for no rows or columns.
  BfpRowConverter(std::string name, std::size_t rows, std::size_t columns, unsigned bits = 8,
                  BfpRounding rounding = BfpRounding::truncate,
                  const GroupPipelineTiming& timing = bfp_converter_timing());

  /// The next `count` results of a row arrive in `cycle`. Throws InputError for values that are not finite and for
  /// values beyond the row.
  void push(std::size_t row, const std::uint16_t* values, std::size_t count, std::uint64_t cycle);

  /// [rows, columns] in bfp<bits>-g32; every row must be complete (InternalError).
  const QuantizedTensor& result() const;
  const GroupPipeline& pipeline() const { return pipeline_; }

 private:
  QuantizedTensor result_;
  BfpRounding rounding_;
  RowCollector rows_;
  GroupPipeline pipeline_;
};

/// The column path (values): a collector of 32 tokens in FP16. Every token makes one pass over all channels: a
/// provisional group of the tokens present, or, with the 32nd, the group that is committed.
class BfpColumnConverter {
 public:
  /// `channels` at least 1, `bits` 8 or 4 (InputError).
  explicit BfpColumnConverter(std::size_t channels, unsigned bits = 8, BfpRounding rounding = BfpRounding::truncate,
                              const GroupPipelineTiming& timing = bfp_converter_timing());

  /// One token of `channels` binary16 patterns arrives in `cycle`. `provisional`: whether the open group is converted
  /// for this step (tokens of a prompt come without). Throws InputError for another width or values that are not
  /// finite.
  void push(const std::vector<std::uint16_t>& token, std::uint64_t cycle, bool provisional = true);

  std::size_t tokens() const { return committed_tokens() + held_; }
  std::size_t committed_tokens() const { return bfp_converter_group * blocks_; }
  std::size_t held_tokens() const { return held_; }

  /// The group of 32 tokens `block` of a channel.
  const BfpGroup& committed(std::size_t block, std::size_t channel) const;
  /// The open group of a channel, converted with the tokens present; held_tokens() > 0.
  BfpGroup provisional(std::size_t channel) const;
  /// All tokens as an operand, [channels, tokens()] in bfp<bits>-g32, the open group converted provisionally;
  /// tokens() > 0.
  QuantizedTensor operand(const std::string& name) const;
  const GroupPipeline& pipeline() const { return pipeline_; }

 private:
  std::size_t channels_;
  unsigned bits_;
  BfpRounding rounding_;
  GroupPipeline pipeline_;
  std::size_t blocks_ = 0, held_ = 0;
  std::vector<std::uint16_t> collector_;  ///< [channel][32]
  std::vector<BfpGroup> committed_;       ///< [block][channel]
};

}  // namespace nibble
