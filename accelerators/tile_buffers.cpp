// SPDX-License-Identifier: Apache-2.0
#include "accelerators/tile_buffers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "formats/adaptive_types.h"
#include "formats/bitmod_types.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "pe/mant_pe.h"

namespace nibble {
namespace {

/// Where an address of a tile lies in the concatenated bytes of its runs.
class RunIndex {
 public:
  explicit RunIndex(const std::vector<MemoryRun>& runs) : runs_(runs) {
    std::uint64_t offset = 0;
    for (const auto& run : runs_) {
      offsets_.push_back(offset);
      offset += run.bytes();
    }
  }
  std::uint64_t offset(std::uint64_t address) {
    if (!holds(last_, address)) {
      last_ = 0;
      while (!holds(last_, address)) {
        if (++last_ == runs_.size()) throw InternalError("tile: address outside of its runs");
      }
    }
    const MemoryRun& run = runs_[last_];
    const std::uint64_t distance = address - run.address;
    if (run.rows == 1) return offsets_[last_] + distance;
    return offsets_[last_] + distance / run.stride * run.row_bytes + distance % run.stride;
  }

 private:
  bool holds(std::size_t index, std::uint64_t address) const {
    if (index >= runs_.size()) return false;
    const MemoryRun& run = runs_[index];
    if (address < run.address) return false;
    const std::uint64_t distance = address - run.address;
    if (run.rows == 1) return distance < run.row_bytes;
    return distance / run.stride < run.rows && distance % run.stride < run.row_bytes;
  }
  const std::vector<MemoryRun>& runs_;
  std::vector<std::uint64_t> offsets_;
  std::size_t last_ = 0;
};

/// The tensor's group behind a layout group: a channel has one scale, repeated in every block of columns.
std::uint64_t tensor_group(const Format& format, std::uint64_t layout_group) {
  return format.grouping == Grouping::group ? layout_group : 0;
}

std::uint64_t total_bytes(const std::vector<MemoryRun>& runs) {
  std::uint64_t total = 0;
  for (const auto& run : runs)
    total += run.bytes();
  return total;
}

/// Calls visit(row, group, first column inside the range, length, offset of the codes) for each row's part of each
/// group.
template <class Visit>
void for_each_part(const OperandLayout& layout, const TileRange& range, RunIndex& index, Visit visit) {
  for (std::uint64_t row = 0; row < range.rows; ++row) {
    for (std::uint64_t done = 0; done < range.columns;) {
      const std::uint64_t group = (range.column0 + done) / layout.group;
      const std::uint64_t length = std::min((group + 1) * layout.group - (range.column0 + done), range.columns - done);
      visit(row, group, done, length, index.offset(layout.code_address(range.row0 + row, group)));
      done += length;
    }
  }
}

/// The lines and entries of the side table that a tile needs.
TileRange side_range(const Format& format, const TileRange& range) {
  if (format.row_bits() > 0) return {0, 1, range.row0, range.rows};
  const std::uint64_t first = range.row0 / tender_chunk_rows, last = (range.row0 + range.rows - 1) / tender_chunk_rows;
  return {first, last - first + 1, range.column0, range.columns};
}

std::uint32_t bit_field(const std::uint8_t* bytes, std::uint64_t low, unsigned bits) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < bits; ++i)
    value |= static_cast<std::uint32_t>(bytes[(low + i) / 8] >> ((low + i) % 8) & 1U) << i;
  return value;
}

/// Every row of the tile gets the groups of its columns from the line of its chunk, or its scale.
void unpack_side(const OperandLayout& table, const TileRange& range, RunIndex& index,
                 const std::vector<std::uint8_t>& bytes, QuantizedTensor& tile) {
  const bool by_row = tile.format.row_bits() > 0;
  const TileRange side = side_range(tile.format, range);
  const auto visit = [&](std::uint64_t line, std::uint64_t, std::uint64_t done, std::uint64_t length,
                         std::uint64_t offset) {
    if (by_row) {
      tile.row_scales[done] = fp16_value(static_cast<std::uint16_t>(bit_field(&bytes[offset], 0, table.bits)));
      return;
    }
    const std::uint64_t begin = (side.row0 + line) * tender_chunk_rows, end = begin + tender_chunk_rows;
    for (std::uint64_t row = std::max(begin, range.row0); row < std::min(end, range.row0 + range.rows); ++row) {
      std::uint8_t* groups = &tile.column_groups[(row - range.row0) * range.columns + done];
      for (std::uint64_t i = 0; i < length; ++i)
        groups[i] = static_cast<std::uint8_t>(bit_field(&bytes[offset], i * table.bits, table.bits));
    }
  };
  for_each_part(table, side, index, visit);
}

void pack_side(const OperandLayout& table, const QuantizedTensor& tensor, std::uint8_t* out) {
  for (std::uint64_t line = 0; line < table.rows; ++line) {
    for (std::uint64_t entry = 0; entry < table.columns; ++entry) {
      const std::uint32_t field = side_field(tensor, line, entry);
      const std::uint64_t at =
          (table.code_address(line, entry / table.group) - table.base) * 8 + entry % table.group * table.bits;
      for (unsigned bit = 0; bit < table.bits; ++bit)
        out[(at + bit) / 8] |= static_cast<std::uint8_t>((field >> bit & 1U) << ((at + bit) % 8));
    }
  }
}

}  // namespace

std::vector<MemoryRun> tile_runs(const OperandLayout& layout, const Format& format, const TileRange& range) {
  std::vector<MemoryRun> runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  if (const auto table = side_layout(format, layout)) {
    const TileRange side = side_range(format, range);
    for (MemoryRun& run : table->tile(side.row0, side.rows, side.column0, side.columns))
      runs.push_back(run);
  }
  return runs;
}

QuantizedTensor unpack_tile(const OperandLayout& layout, const Format& format, const TileRange& range,
                            const std::vector<std::uint8_t>& bytes) {
  const auto runs = tile_runs(layout, format, range);
  RunIndex index(runs);
  Format own_rows = format;
  own_rows.group_n = 1;  // every row brings its record
  QuantizedTensor tile = blank_tensor(own_rows, {range.rows, range.columns}, "tile");
  if (const auto table = side_layout(format, layout)) unpack_side(*table, range, index, bytes, tile);
  for_each_part(
      layout, range, index,
      [&](std::uint64_t row, std::uint64_t group, std::uint64_t done, std::uint64_t length, std::uint64_t offset) {
        const std::uint64_t stored = std::min(layout.group, layout.columns - group * layout.group);
        unpack_elements(&bytes[offset], row, done, length, tile, stored);
        if (layout.metadata_bytes == 0) return;
        unpack_metadata(&bytes[index.offset(layout.metadata_address(range.row0 + row, group))], row,
                        tensor_group(format, done / layout.group), tile);
      });
  return tile;
}

namespace {

/// Scales of all rows, then one column after the other.
std::vector<MemoryRun> token_major_runs(const OperandLayout& layout, const TileRange& range) {
  const std::uint64_t element = layout.bits / 8, scale = layout.metadata_bytes;
  std::vector<MemoryRun> runs;
  if (scale != 0) runs.push_back({layout.base + range.row0 * scale, range.rows * scale, 1, range.rows * scale, true});
  MemoryRun codes;
  codes.address = layout.base + layout.rows * scale + (range.column0 * layout.rows + range.row0) * element;
  codes.row_bytes = range.rows * element;
  codes.rows = range.columns;
  codes.stride = layout.rows * element;
  if (codes.row_bytes == codes.stride) codes = {codes.address, codes.bytes(), 1, codes.bytes(), false};
  runs.push_back(codes);
  return runs;
}

QuantizedTensor unpack_token_major(const Format& format, const TileRange& range,
                                   const std::vector<std::uint8_t>& bytes) {
  QuantizedTensor tile = blank_tensor(format, {range.rows, range.columns}, "tile");
  const std::size_t scale = metadata_bytes(format), element = element_bits(format) / 8;
  for (std::size_t row = 0; row < range.rows; ++row) {
    if (scale > 0) unpack_metadata(&bytes[row * scale], row, 0, tile);
    for (std::size_t column = 0; column < range.columns; ++column)
      unpack_elements(&bytes[range.rows * scale + (column * range.rows + row) * element], row, column, 1, tile);
  }
  return tile;
}

}  // namespace

std::vector<MemoryRun> tile_runs(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range) {
  if (operand.arrangement == Arrangement::token_major) return token_major_runs(operand.layout(instance), range);
  return tile_runs(operand.layout(instance), operand.format, range);
}

QuantizedTensor unpack_tile(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range,
                            const std::vector<std::uint8_t>& bytes) {
  if (operand.arrangement == Arrangement::token_major) return unpack_token_major(operand.format, range, bytes);
  return unpack_tile(operand.layout(instance), operand.format, range, bytes);
}

bool is_encoding(const QuantizedTensor& tile) {
  const auto is_type = [&](std::uint8_t type) {
    switch (tile.format.family) {
      case FormatFamily::mant4:
        return type <= 127 || type == mant_int4_type;
      case FormatFamily::ant4:
        return type < ant_type_count;
      case FormatFamily::bitmod:
        return type < bitmod_type_count;
      default:
        return type < olive_type_count;
    }
  };
  const auto finite = [](float x) { return std::isfinite(x); };
  const auto is_group = [&](std::uint8_t group) { return group < tile.format.decomposition; };
  return std::all_of(tile.column_groups.begin(), tile.column_groups.end(), is_group) &&
         std::all_of(tile.types.begin(), tile.types.end(), is_type) &&
         std::all_of(tile.row_scales.begin(), tile.row_scales.end(), finite) &&
         std::all_of(tile.scales.begin(), tile.scales.end(), finite) &&
         std::all_of(tile.base_scales.begin(), tile.base_scales.end(), finite) &&
         std::all_of(tile.residuals.begin(), tile.residuals.end(), finite) &&
         std::all_of(tile.values.begin(), tile.values.end(), finite);
}

namespace {

/// Per-group arrays of `tile`, whose first group is `group0` of `whole`'s rows; `per_group` entries each.
template <class T>
void join_metadata(const QuantizedTensor& tile, std::size_t group0, const std::vector<T>& from, std::vector<T>& to) {
  if (from.empty()) return;
  const std::size_t tile_groups = tile.groups_per_row(), entries = from.size() / tile.groups();
  const std::size_t blocks = tile.groups() / tile_groups, row_entries = to.size() / blocks;
  for (std::size_t block = 0; block < blocks; ++block) {
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(block * tile_groups * entries), tile_groups * entries,
                to.begin() + static_cast<std::ptrdiff_t>(block * row_entries + group0 * entries));
  }
}

template <class T>
void join_elements(const QuantizedTensor& tile, std::size_t column0, const std::vector<T>& from, std::vector<T>& to) {
  if (from.empty()) return;
  const std::size_t width = to.size() / tile.rows();
  for (std::size_t row = 0; row < tile.rows(); ++row) {
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(row * tile.columns()), tile.columns(),
                to.begin() + static_cast<std::ptrdiff_t>(row * width + column0));
  }
}

}  // namespace

QuantizedTensor join_tiles(const std::vector<QuantizedTensor>& tiles) {
  const QuantizedTensor& first = tiles.front();
  std::size_t columns = 0;
  for (const auto& tile : tiles)
    columns += tile.columns();
  QuantizedTensor whole = blank_tensor(first.format, {first.rows(), columns}, first.name);
  whole.tensor_exponent = first.tensor_exponent;
  std::size_t column = 0;
  for (const auto& tile : tiles) {
    const std::size_t group = first.format.grouping == Grouping::group ? column / first.format.group_k : 0;
    join_elements(tile, column, tile.codes, whole.codes);
    join_elements(tile, column, tile.values, whole.values);
    join_elements(tile, column, tile.column_groups, whole.column_groups);
    join_metadata(tile, group, tile.scales, whole.scales);
    join_metadata(tile, group, tile.types, whole.types);
    join_metadata(tile, group, tile.exponents, whole.exponents);
    join_metadata(tile, group, tile.base_scales, whole.base_scales);
    join_metadata(tile, group, tile.residuals, whole.residuals);
    join_metadata(tile, group, tile.cluster_codes, whole.cluster_codes);
    column += tile.columns();
  }
  return whole;
}

std::vector<std::uint8_t> pack_results(const OperandLayout& layout, const Format& format, const TileRange& range,
                                       const std::vector<float>& values, std::uint64_t& overflows) {
  const auto runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  RunIndex index(runs);
  std::vector<std::uint8_t> bytes(total_bytes(runs));
  for_each_part(
      layout, range, index,
      [&](std::uint64_t row, std::uint64_t group, std::uint64_t done, std::uint64_t length, std::uint64_t offset) {
        const std::uint64_t skipped = range.column0 + done - group * layout.group;
        for (std::uint64_t i = 0; i < length; ++i) {
          const float value = values[row * range.columns + done + i];
          const std::uint16_t half = fp16_bits(value);
          if ((half & 0x7FFF) == 0x7C00) ++overflows;
          std::uint8_t* out = &bytes[offset + (skipped + i) * format.bits / 8];
          if (format.family == FormatFamily::fp32) {
            std::memcpy(out, &value, 4);
          } else {
            out[0] = static_cast<std::uint8_t>(half & 0xFF);
            out[1] = static_cast<std::uint8_t>(half >> 8);
          }
        }
      });
  return bytes;
}

std::vector<std::uint8_t> quantize_results(const OperandLayout& layout, const Format& format, const TileRange& range,
                                           const std::vector<float>& values, std::int32_t exponent,
                                           std::uint64_t& saturated_groups) {
  Tensor results;
  results.name = "result tile";
  results.shape = {range.rows, range.columns};
  results.values.reserve(values.size());
  for (const float value : values) {
    const float half = round_fp16(value);
    if (!std::isfinite(half)) throw InputError("result tile: a result is beyond FP16 and cannot be quantized");
    results.values.push_back(half);
  }
  EncodeOptions options;
  if (format.family == FormatFamily::mant4) options.select = "variance";
  if (format.family == FormatFamily::amove) options.exponent = exponent;
  const QuantizedTensor tile = encode(results, format, options);
  saturated_groups += tile.saturated_groups;
  const auto runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  RunIndex index(runs);
  std::vector<std::uint8_t> bytes(total_bytes(runs));
  for_each_part(
      layout, range, index,
      [&](std::uint64_t row, std::uint64_t group, std::uint64_t done, std::uint64_t length, std::uint64_t offset) {
        pack_elements(tile, row, done, length, &bytes[offset]);
        pack_metadata(tile, row, tensor_group(format, done / layout.group),
                      &bytes[index.offset(layout.metadata_address(range.row0 + row, group))]);
      });
  return bytes;
}

std::vector<std::uint8_t> pack_operand(const OperandLayout& layout, const QuantizedTensor& tensor) {
  const auto table = side_layout(tensor.format, layout);
  std::vector<std::uint8_t> bytes(layout.bytes() + (table ? table->bytes() : 0));
  if (table) pack_side(*table, tensor, bytes.data() + layout.bytes());
  for (std::uint64_t row = 0; row < tensor.rows(); ++row) {
    for (std::uint64_t g = 0; g < layout.groups(); ++g) {
      const std::uint64_t column = g * layout.group;
      pack_elements(tensor, row, column, std::min<std::uint64_t>(layout.group, tensor.columns() - column),
                    &bytes[layout.code_address(row, g) - layout.base]);
      pack_metadata(tensor, row, tensor_group(tensor.format, g), &bytes[layout.metadata_address(row, g) - layout.base]);
    }
  }
  return bytes;
}

std::vector<float> unpack_results(const OperandLayout& layout, const Format& format,
                                  const std::vector<std::uint8_t>& bytes) {
  std::vector<float> values;
  values.reserve(layout.rows * layout.columns);
  for (std::uint64_t row = 0; row < layout.rows; ++row) {
    for (std::uint64_t column = 0; column < layout.columns; ++column) {
      const std::uint64_t g = column / layout.group;
      const std::uint8_t* in =
          &bytes[layout.code_address(row, g) - layout.base + (column - g * layout.group) * format.bits / 8];
      float value = 0;
      if (format.family == FormatFamily::fp32) {
        std::memcpy(&value, in, 4);
      } else {
        value = fp16_value(static_cast<std::uint16_t>(in[0] | in[1] << 8));
      }
      values.push_back(value);
    }
  }
  return values;
}

}  // namespace nibble
