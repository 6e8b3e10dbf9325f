// SPDX-License-Identifier: Apache-2.0
/// Functional contents of operand tiles: from the bytes that the DMA engine delivers to quantized tensors, and from
/// results to the bytes that it takes.
#pragma once

#include <cstdint>
#include <vector>

#include "accelerators/descriptor.h"
#include "dataflow/operand_layout.h"
#include "formats/quantizer.h"

namespace nibble {

/// A rectangle of an operand.
struct TileRange {
  std::uint64_t row0 = 0, rows = 0, column0 = 0, columns = 0;
};

/// What a tile is fetched from: layout.tile(range), then what of the side table belongs to it.
std::vector<MemoryRun> tile_runs(const OperandLayout& layout, const Format& format, const TileRange& range);
/// The same of an operand in its arrangement.
std::vector<MemoryRun> tile_runs(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range);

/// Unpacks the bytes of tile_runs, concatenated in their order; range.column0 is a multiple of the group. In the tile
/// every row has metadata of its own.
QuantizedTensor unpack_tile(const OperandLayout& layout, const Format& format, const TileRange& range,
                            const std::vector<std::uint8_t>& bytes);
QuantizedTensor unpack_tile(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range,
                            const std::vector<std::uint8_t>& bytes);

/// False when the tile holds what no encoder writes (it comes from memory, whoever wrote it): a type byte that stands
/// for no type, a group of columns that the format does not have, a value or scale that is not finite.
bool is_encoding(const QuantizedTensor& tile);

/// Tiles side by side along the columns, in order; each but the last ends with a whole group.
QuantizedTensor join_tiles(const std::vector<QuantizedTensor>& tiles);

/// The bytes of layout.tile(range) for FP16 or FP32 results (row-major). Counts results that overflow to infinity in
/// FP16.
std::vector<std::uint8_t> pack_results(const OperandLayout& layout, const Format& format, const TileRange& range,
                                       const std::vector<float>& values, std::uint64_t& overflows);

/// The real-time quantizer: results (row-major) are rounded to FP16, encoded along the columns by the format's online
/// rule (MANT types by `variance`; `exponent`: Amove's p) and packed into the bytes of layout.tile(range);
/// range.column0 is a multiple of the group, a channel is there as a whole. Adds to `saturated_groups`. Throws
/// InputError when a result is not finite in FP16, or cannot be encoded.
std::vector<std::uint8_t> quantize_results(const OperandLayout& layout, const Format& format, const TileRange& range,
                                           const std::vector<float>& values, std::int32_t exponent,
                                           std::uint64_t& saturated_groups);

/// The whole of a quantized operand in its memory layout, as a host places it, with its side table behind it.
std::vector<std::uint8_t> pack_operand(const OperandLayout& layout, const QuantizedTensor& tensor);
/// FP16 or FP32 results of a whole operand back as binary32, row-major.
std::vector<float> unpack_results(const OperandLayout& layout, const Format& format,
                                  const std::vector<std::uint8_t>& bytes);

}  // namespace nibble
