// SPDX-License-Identifier: Apache-2.0
/// Functional contents of operand tiles: from the bytes that the DMA engine delivers to quantized tensors, and from
/// results to the bytes that it takes.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "accelerators/descriptor.h"
#include "dataflow/operand_layout.h"
#include "formats/quantizer.h"

namespace nibble {

/// A rectangle of an operand.
struct TileRange {
  std::uint64_t row0 = 0, rows = 0, column0 = 0, columns = 0;
};

/// What a tile of an operand in its arrangement is fetched from; rows: layout.tile(range).
std::vector<MemoryRun> tile_runs(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range);

/// Unpacks the bytes of layout.tile(range), or tile_runs, concatenated in their order; range.column0 is a multiple of
/// the group. In the tile every row has metadata of its own.
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

/// Bytes in memory by address.
using ByteMap = std::map<std::uint64_t, std::uint8_t>;
/// The addresses of runs, with the bytes that were read there, one after the other. Those that are there stay.
void insert_bytes(const std::vector<MemoryRun>& runs, const std::vector<std::uint8_t>& bytes, ByteMap& map);

/// The real-time quantizer: results (row-major) are rounded to FP16, encoded along the columns by the format's online
/// rule (MANT types by `variance`; `exponent`: Amove's p) and packed into the bytes of layout.tile(range);
/// range.column0 is a multiple of the group, a channel is there as a whole. Of layout.shared_bytes(range) the bits of
/// other rows are those of `shared`, which then holds what the bytes have become. Adds to `saturated_groups`. Throws
/// InputError when a result is not finite in FP16, or cannot be encoded.
std::vector<std::uint8_t> quantize_results(const OperandLayout& layout, const Format& format, const TileRange& range,
                                           const std::vector<float>& values, std::int32_t exponent, ByteMap& shared,
                                           std::uint64_t& saturated_groups);

/// The whole of a quantized operand in its memory layout, as a host places it, with its side tables behind it.
std::vector<std::uint8_t> pack_operand(const OperandLayout& layout, const QuantizedTensor& tensor);
/// FP16 or FP32 results of a whole operand back as binary32, row-major.
std::vector<float> unpack_results(const OperandLayout& layout, const Format& format,
                                  const std::vector<std::uint8_t>& bytes);

}  // namespace nibble
