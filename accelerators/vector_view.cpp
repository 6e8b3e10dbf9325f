// SPDX-License-Identifier: Apache-2.0
#include "accelerators/vector_view.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "formats/rounding.h"

namespace nibble {
namespace {

/// Heads of the command's rows that are rows of one instance of the operand.
std::uint64_t heads_together(const Descriptor& command, const OperandDescriptor& operand) {
  return operand.arrangement == Arrangement::keys ? 1 : command.rows_per_token;
}

/// Calls visit(sequence, first token, row, tokens) for the rows of each sequence among [row0, row0 + rows).
template <class Visit>
void for_each_sequence(const Descriptor& command, std::uint64_t row0, std::uint64_t rows, Visit visit) {
  for (std::uint64_t row = row0; row < row0 + rows;) {
    const std::uint64_t token = row % command.tokens;
    const std::uint64_t count = std::min<std::uint64_t>(command.tokens - token, row0 + rows - row);
    visit(row / command.tokens, token, row, count);
    row += count;
  }
}

}  // namespace

std::vector<ViewPart> view_parts(const Descriptor& command, const OperandDescriptor& operand, std::uint64_t row0,
                                 std::uint64_t rows) {
  std::vector<ViewPart> parts;
  switch (operand.arrangement) {
    case Arrangement::heads:
    case Arrangement::keys: {
      const std::uint64_t group = heads_together(command, operand), heads = command.k / (group * operand.columns);
      const std::uint64_t offset = operand.arrangement == Arrangement::keys ? command.past : 0;
      for_each_sequence(command, row0, rows, [&](auto sequence, auto token, auto row, auto count) {
        for (std::uint64_t head = 0; head < heads; ++head) {
          parts.push_back({sequence * heads + head,
                           {(offset + token) * group, count * group, 0, operand.columns},
                           row,
                           head * group * operand.columns,
                           group});
        }
      });
      break;
    }
    case Arrangement::positions:
      for_each_sequence(command, row0, rows, [&](auto, auto token, auto row, auto count) {
        parts.push_back({0, {command.past + token, count, 0, operand.columns}, row, 0, 1});
      });
      break;
    case Arrangement::last_token:
      for (std::uint64_t row = row0; row < row0 + rows; ++row)
        parts.push_back({0, {(row + 1) * command.tokens - 1, 1, 0, command.k}, row, 0, 1});
      break;
    default:
      for (std::uint64_t row = row0; row < row0 + rows;) {
        const std::uint64_t first = row % command.m;
        const std::uint64_t count = std::min(command.m - first, row0 + rows - row);
        parts.push_back({row / command.m, {first, count, 0, command.k}, row, 0, 1});
        row += count;
      }
  }
  return parts;
}

std::vector<MemoryRun> runs_of(const OperandDescriptor& operand, const std::vector<ViewPart>& parts) {
  std::vector<MemoryRun> runs;
  for (const ViewPart& part : parts) {
    const TileRange& range = part.range;
    for (const MemoryRun& run : tile_runs(operand, part.instance, range))
      runs.push_back(run);
  }
  return runs;
}

std::vector<MemoryRun> shared_runs(const OperandDescriptor& operand, const std::vector<ViewPart>& parts) {
  std::vector<MemoryRun> runs;
  if (operand.format.group_n > 1) return runs;  // written as a whole
  for (const ViewPart& part : parts) {
    const TileRange& range = part.range;
    for (const MemoryRun& run :
         operand.layout(part.instance).shared_bytes(range.row0, range.rows, range.column0, range.columns))
      runs.push_back(run);
  }
  return runs;
}

bool is_view(const Descriptor& command, const OperandDescriptor& operand) {
  if (operand.rows == 0 || operand.columns == 0 || operand.block_rows == 0) return false;
  const std::uint64_t rows = std::uint64_t{command.count} * command.m, tokens = command.tokens;
  if (operand.arrangement == Arrangement::rows) return operand.rows >= command.m && operand.columns >= command.k;
  if (tokens == 0 || command.count != 1) return false;
  switch (operand.arrangement) {
    case Arrangement::heads:
    case Arrangement::keys: {
      const std::uint64_t group = heads_together(command, operand);
      const std::uint64_t offset = operand.arrangement == Arrangement::keys ? command.past : 0;
      return group > 0 && rows % tokens == 0 && command.k % (group * operand.columns) == 0 &&
             operand.rows >= (offset + tokens) * group;
    }
    case Arrangement::positions:
      return operand.rows >= std::uint64_t{command.past} + tokens && operand.columns <= command.k;
    case Arrangement::last_token:
      return operand.rows >= rows * tokens && operand.columns >= command.k;
    default:
      return false;
  }
}

void read_view(const Descriptor& command, const OperandDescriptor& operand, const std::vector<ViewPart>& parts,
               std::uint64_t row0, const std::vector<std::uint8_t>& bytes, std::vector<float>& rows) {
  std::size_t at = 0;
  for (const ViewPart& part : parts) {
    const TileRange& range = part.range;
    std::size_t size = 0;
    for (const MemoryRun& run : tile_runs(operand, part.instance, range))
      size += run.bytes();
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    QuantizedTensor tile =
        unpack_tile(operand, part.instance, range, {begin, begin + static_cast<std::ptrdiff_t>(size)});
    tile.tensor_exponent = operand.exponent;
    at += size;
    if (!is_encoding(tile)) throw InputError("operand of a vector command: no encoding");
    const Tensor values = decode(tile);
    for (std::uint64_t i = 0; i < range.rows; ++i) {
      const auto first = values.values.begin() + static_cast<std::ptrdiff_t>(i * range.columns);
      const std::uint64_t row = part.row + i / part.heads - row0;
      const std::uint64_t column = part.column + i % part.heads * range.columns;
      std::copy_n(first, range.columns, rows.begin() + static_cast<std::ptrdiff_t>(row * command.k + column));
    }
  }
}

namespace {

/// All of an instance whose rows share their scales.
std::vector<std::uint8_t> encode_whole(const OperandDescriptor& operand, const std::vector<float>& values) {
  Tensor results{"results", {operand.rows, operand.columns}, {}};
  for (const float value : values) {
    results.values.push_back(round_fp16(value));
    if (!std::isfinite(results.values.back())) throw InputError("results: a result is beyond FP16");
  }
  return pack_operand(operand.layout(0), encode(results, operand.format));
}

}  // namespace

std::vector<std::uint8_t> encode_tile(const OperandDescriptor& operand, std::uint64_t instance, const TileRange& range,
                                      const std::vector<float>& values, ByteMap& shared, CommandCounters& counters) {
  const OperandLayout layout = operand.layout(instance);
  if (operand.format.grouping == Grouping::none)
    return pack_results(layout, operand.format, range, values, counters.overflows);
  if (operand.format.group_n > 1) return encode_whole(operand, values);
  return quantize_results(layout, operand.format, range, values, operand.exponent, shared, counters.saturated_groups);
}

std::vector<std::uint8_t> write_view(const Descriptor& command, const OperandDescriptor& operand,
                                     const std::vector<ViewPart>& parts, std::uint64_t row0,
                                     const std::vector<float>& rows, ByteMap& shared, CommandCounters& counters) {
  std::vector<std::uint8_t> bytes;
  for (const ViewPart& part : parts) {
    const TileRange& range = part.range;
    std::vector<float> values;
    values.reserve(range.rows * range.columns);
    for (std::uint64_t i = 0; i < range.rows; ++i) {
      const std::uint64_t row = part.row + i / part.heads - row0;
      const std::uint64_t column = part.column + i % part.heads * range.columns;
      const auto first = rows.begin() + static_cast<std::ptrdiff_t>(row * command.k + column);
      values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(range.columns));
    }
    const auto tile = encode_tile(operand, part.instance, range, values, shared, counters);
    bytes.insert(bytes.end(), tile.begin(), tile.end());
  }
  return bytes;
}

namespace {

/// Row i of a part is row `row` + i x heads of the tile.
std::vector<ViewPart> result_parts(const Descriptor& command, std::uint64_t instance, const TileRange& range) {
  if (command.c.arrangement != Arrangement::heads) return {{instance, range, 0, 0, 1}};
  std::vector<ViewPart> parts;
  const std::uint64_t group = command.rows_per_token, heads = command.c.columns / (group * command.n);
  const std::uint64_t first_row = instance / heads * (command.m / group);
  for (std::uint64_t head = 0; head < group; ++head) {
    const std::uint64_t first = (range.row0 + group - 1 - head) / group,
                        end = (range.row0 + range.rows + group - 1 - head) / group;
    if (first == end) continue;
    parts.push_back(
        {0,
         {first_row + first, end - first, (instance % heads * group + head) * command.n + range.column0, range.columns},
         first * group + head - range.row0,
         0,
         group});
  }
  return parts;
}

}  // namespace

std::vector<MemoryRun> result_runs(const Descriptor& command, std::uint64_t instance, const TileRange& range) {
  return runs_of(command.c, result_parts(command, instance, range));
}

std::vector<std::uint8_t> encode_results(const Descriptor& command, std::uint64_t instance, const TileRange& range,
                                         const std::vector<float>& results, CommandCounters& counters) {
  std::vector<std::uint8_t> bytes;
  ByteMap none;  // writes_whole_bytes
  for (const ViewPart& part : result_parts(command, instance, range)) {
    std::vector<float> values;
    for (std::uint64_t i = 0; i < part.range.rows; ++i) {
      const auto first = results.begin() + static_cast<std::ptrdiff_t>((part.row + i * part.heads) * range.columns);
      values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(range.columns));
    }
    const auto tile = encode_tile(command.c, part.instance, part.range, values, none, counters);
    bytes.insert(bytes.end(), tile.begin(), tile.end());
  }
  return bytes;
}

bool holds_results(const Descriptor& command) {
  if (command.c.arrangement == Arrangement::rows) return command.c.rows >= command.m && command.c.columns >= command.n;
  if (command.c.arrangement != Arrangement::heads || command.m % command.rows_per_token != 0) return false;
  const std::uint64_t width = std::uint64_t{command.rows_per_token} * command.n, heads = command.c.columns / width;
  return heads > 0 && command.c.columns % width == 0 && command.count % heads == 0 &&
         command.n % command.c.layout(0).group == 0 &&
         command.c.rows >= std::uint64_t{command.count} / heads * (command.m / command.rows_per_token);
}

bool is_weight_arrangement(const OperandDescriptor& weight) {
  if (weight.arrangement == Arrangement::rows) return true;
  const Format& format = weight.format;
  return weight.arrangement == Arrangement::token_major &&
         (format == window_format() || format == Format::parse("fp16"));
}

}  // namespace nibble
