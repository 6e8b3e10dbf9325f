// SPDX-License-Identifier: Apache-2.0
#include "accelerators/tile_buffers.h"

#include <algorithm>
#include <array>
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

/// A field of `bits` in a table, as bytes from its low end, and back. Bits around it stay.
void get_bits(const std::uint8_t* in, unsigned bit, unsigned bits, std::uint8_t* field) {
  std::fill_n(field, (bits + 7) / 8, std::uint8_t{0});
  for (unsigned i = 0; i < bits; ++i)
    field[i / 8] |= static_cast<std::uint8_t>((in[(bit + i) / 8] >> ((bit + i) % 8) & 1U) << (i % 8));
}
void put_bits(const std::uint8_t* field, unsigned bit, unsigned bits, std::uint8_t* out) {
  for (unsigned i = 0; i < bits; ++i) {
    const unsigned mask = 1U << ((bit + i) % 8);
    std::uint8_t& byte = out[(bit + i) / 8];
    byte = static_cast<std::uint8_t>((field[i / 8] >> (i % 8) & 1U) != 0 ? byte | mask : byte & ~mask);
  }
}

constexpr std::size_t longest_record = 256;

/// Calls visit(place, group of the tensor) for the records of a row in the groups of `range`, which are the tensor's
/// from 0 on: a channel's is in the table of the rows.
template <class Visit>
void for_each_record(const OperandLayout& layout, const Format& format, const TileRange& range, std::uint64_t row,
                     Visit visit) {
  if (format.grouping != Grouping::group) {
    if (layout.row_bits > 0) visit(layout.row_place(row), std::uint64_t{0});
    return;
  }
  const std::uint64_t first = range.column0 / layout.group;
  for (std::uint64_t g = first; g * layout.group < range.column0 + range.columns; ++g)
    visit(layout.record_place(row, g), g - first);
}

/// Metadata of a tile from the tables; `offset(address)` is where a byte of memory is in `bytes`.
template <class Offset>
void unpack_tables(const OperandLayout& layout, const TileRange& range, Offset offset,
                   const std::vector<std::uint8_t>& bytes, QuantizedTensor& tile) {
  const Format& format = tile.format;
  std::array<std::uint8_t, longest_record> field{};
  const auto read = [&](const FieldPlace& place, std::size_t bits) {
    get_bits(&bytes[offset(place.address)], place.bit, static_cast<unsigned>(bits), field.data());
  };
  for (std::uint64_t row = 0; row < range.rows; ++row) {
    const std::uint64_t at = range.row0 + row;
    if (format.row_bits() > 0) {
      read(layout.row_place(at), format.row_bits());
      tile.row_scales[row] = fp16_value(static_cast<std::uint16_t>(field[0] | field[1] << 8));
    }
    for_each_record(layout, format, range, at, [&](const FieldPlace& place, std::uint64_t group) {
      read(place, format.metadata_bits());
      unpack_metadata(field.data(), row, group, tile);
    });
    for (std::uint64_t c = 0; layout.column_bits > 0 && c < range.columns; ++c) {
      read(layout.column_place(at, range.column0 + c), layout.column_bits);
      tile.column_groups[row * range.columns + c] = field[0];
    }
  }
}

/// The other way; rows that share an entry write it once more.
template <class Offset>
void pack_tables(const OperandLayout& layout, const TileRange& range, Offset offset, const QuantizedTensor& tensor,
                 std::vector<std::uint8_t>& bytes) {
  const Format& format = tensor.format;
  std::array<std::uint8_t, longest_record> field{};
  const auto write = [&](const FieldPlace& place, std::size_t bits) {
    put_bits(field.data(), place.bit, static_cast<unsigned>(bits), &bytes[offset(place.address)]);
  };
  for (std::uint64_t row = 0; row < range.rows; ++row) {
    const std::uint64_t at = range.row0 + row;
    if (format.row_bits() > 0) {
      const std::uint16_t scale = fp16_bits(tensor.row_scales[row]);
      field = {static_cast<std::uint8_t>(scale & 0xFF), static_cast<std::uint8_t>(scale >> 8)};
      write(layout.row_place(at), format.row_bits());
    }
    for_each_record(layout, format, range, at, [&](const FieldPlace& place, std::uint64_t group) {
      pack_metadata(tensor, row, group, field.data());
      write(place, format.metadata_bits());
    });
    if (layout.column_bits == 0 || at % layout.column_share != 0) continue;
    for (std::uint64_t c = 0; c < range.columns; ++c) {
      field[0] = tensor.column_groups[at / layout.column_share * tensor.columns() + c];
      write(layout.column_place(at, range.column0 + c), layout.column_bits);
    }
  }
}

}  // namespace

QuantizedTensor unpack_tile(const OperandLayout& layout, const Format& format, const TileRange& range,
                            const std::vector<std::uint8_t>& bytes) {
  const auto runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  RunIndex index(runs);
  Format own_rows = format;
  own_rows.group_n = 1;  // every row brings its record
  QuantizedTensor tile = blank_tensor(own_rows, {range.rows, range.columns}, "tile");
  unpack_tables(
      layout, range, [&](std::uint64_t address) { return index.offset(address); }, bytes, tile);
  for_each_part(
      layout, range, index,
      [&](std::uint64_t row, std::uint64_t group, std::uint64_t done, std::uint64_t length, std::uint64_t offset) {
        const std::uint64_t stored = std::min(layout.group, layout.columns - group * layout.group);
        unpack_elements(&bytes[offset], row, done, length, tile, stored);
      });
  return tile;
}

namespace {

/// Scales of all rows, then one column after the other.
std::vector<MemoryRun> token_major_runs(const OperandLayout& layout, std::uint64_t scale, const TileRange& range) {
  const std::uint64_t element = layout.bits / 8;
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
  const OperandLayout layout = operand.layout(instance);
  if (operand.arrangement == Arrangement::token_major)
    return token_major_runs(layout, metadata_bytes(operand.format), range);
  return layout.tile(range.row0, range.rows, range.column0, range.columns);
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

void insert_bytes(const std::vector<MemoryRun>& runs, const std::vector<std::uint8_t>& bytes, ByteMap& map) {
  std::size_t at = 0;
  for (const MemoryRun& run : runs) {
    for (std::uint64_t i = 0; i < run.bytes(); ++i)
      map.emplace(run.address + i / run.row_bytes * run.stride + i % run.row_bytes, bytes[at++]);
  }
}

namespace {

/// Results as the quantizer takes them.
Tensor fp16_results(const TileRange& range, const std::vector<float>& values) {
  Tensor results{"result tile", {range.rows, range.columns}, {}};
  results.values.reserve(values.size());
  for (const float value : values) {
    results.values.push_back(round_fp16(value));
    if (!std::isfinite(results.values.back()))
      throw InputError("result tile: a result is beyond FP16 and cannot be quantized");
  }
  return results;
}

}  // namespace

std::vector<std::uint8_t> quantize_results(const OperandLayout& layout, const Format& format, const TileRange& range,
                                           const std::vector<float>& values, std::int32_t exponent, ByteMap& shared,
                                           std::uint64_t& saturated_groups) {
  EncodeOptions options;
  if (format.family == FormatFamily::mant4) options.select = "variance";
  if (format.family == FormatFamily::amove) options.exponent = exponent;
  const QuantizedTensor tile = encode(fp16_results(range, values), format, options);
  saturated_groups += tile.saturated_groups;
  const auto runs = layout.tile(range.row0, range.rows, range.column0, range.columns);
  RunIndex index(runs);
  const auto offset = [&](std::uint64_t address) { return index.offset(address); };
  std::vector<std::uint8_t> bytes(total_bytes(runs));
  ByteMap cut;
  for (const MemoryRun& run : layout.shared_bytes(range.row0, range.rows, range.column0, range.columns))
    insert_bytes({run}, std::vector<std::uint8_t>(run.bytes()), cut);
  for (const auto& entry : cut)
    bytes[offset(entry.first)] = shared[entry.first];
  for_each_part(layout, range, index,
                [&](std::uint64_t row, std::uint64_t, std::uint64_t done, std::uint64_t length, std::uint64_t at) {
                  pack_elements(tile, row, done, length, &bytes[at]);
                });
  pack_tables(layout, range, offset, tile, bytes);
  for (const auto& entry : cut)
    shared[entry.first] = bytes[offset(entry.first)];
  return bytes;
}

std::vector<std::uint8_t> pack_operand(const OperandLayout& layout, const QuantizedTensor& tensor) {
  std::vector<std::uint8_t> bytes(layout.bytes());
  for (std::uint64_t row = 0; row < tensor.rows(); ++row) {
    for (std::uint64_t g = 0; g < layout.groups(); ++g) {
      const std::uint64_t column = g * layout.group;
      pack_elements(tensor, row, column, std::min<std::uint64_t>(layout.group, tensor.columns() - column),
                    &bytes[layout.code_address(row, g) - layout.base]);
    }
  }
  const TileRange all{0, tensor.rows(), 0, tensor.columns()};
  pack_tables(
      layout, all, [&](std::uint64_t address) { return address - layout.base; }, tensor, bytes);
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
