// SPDX-License-Identifier: Apache-2.0
#include "accelerators/descriptor.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/units.h"
#include "dataflow/schedule_search.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"

namespace nibble {
namespace {

/// Sequential little-endian fields.
class Packer {
 public:
  explicit Packer(std::array<std::uint8_t, descriptor_bytes>& bytes) : bytes_(bytes) {}
  void put(std::uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; ++i)
      bytes_.at(at_++) = static_cast<std::uint8_t>(value >> (8 * i));
  }

 private:
  std::array<std::uint8_t, descriptor_bytes>& bytes_;
  std::size_t at_ = 0;
};

class Unpacker {
 public:
  explicit Unpacker(const std::array<std::uint8_t, descriptor_bytes>& bytes) : bytes_(bytes) {}
  std::uint64_t get(unsigned width) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < width; ++i)
      value |= static_cast<std::uint64_t>(bytes_.at(at_++)) << (8 * i);
    return value;
  }
  std::uint32_t get32() { return static_cast<std::uint32_t>(get(4)); }
  void skip(std::size_t bytes) { at_ += bytes; }

 private:
  const std::array<std::uint8_t, descriptor_bytes>& bytes_;
  std::size_t at_ = 0;
};

constexpr std::uint64_t cache_flag = 1, on_chip_flag = 2, packed_flag = 4, unknown_flag = 8;
constexpr unsigned arrangement_shift = 4, operand_bytes = 40;

/// What the second extent of a format is: elements of a cluster, groups of columns (tender), or rows of a group (0: 1).
std::uint64_t second_extent(const Format& format) {
  if (format.family == FormatFamily::tender) return format.decomposition;
  return format.cluster == 0 && format.group_n > 1 ? format.group_n : format.cluster;
}

void set_second_extent(Format& format, std::uint64_t extent) {
  if (format.family == FormatFamily::amove) {
    format.cluster = extent;
  } else if (format.family == FormatFamily::tender) {
    format.group_n = tender_chunk_rows;
    format.decomposition = static_cast<unsigned>(std::min<std::uint64_t>(extent, 255));
  } else if (format.family == FormatFamily::integer && format.grouping == Grouping::group && extent > 1) {
    format.group_n = extent;
  }
}

/// Group extent and second extent, then family, bits, grouping, and what the operand is.
void put_format(Packer& packer, const OperandDescriptor& operand) {
  const Format& format = operand.format;
  packer.put(format.grouping == Grouping::group ? format.group_k : operand.column_block, 4);
  packer.put(second_extent(format), 4);
  packer.put(static_cast<std::uint64_t>(format.family), 1);
  packer.put(format.bits, 1);
  packer.put(static_cast<std::uint64_t>(format.grouping), 1);
  packer.put((operand.cache ? cache_flag : 0) | (operand.on_chip ? on_chip_flag : 0) |
                 (operand.packed ? packed_flag : 0) |
                 static_cast<std::uint64_t>(operand.arrangement) << arrangement_shift,
             1);
}

bool get_enumerations(Unpacker& unpacker, Format& format, Arrangement& arrangement, std::uint64_t& flags) {
  const auto family = unpacker.get(1);
  const auto bits = unpacker.get(1);
  const auto grouping = unpacker.get(1);
  flags = unpacker.get(1);
  const auto order = flags >> arrangement_shift;
  if ((flags & unknown_flag) != 0 || family > static_cast<std::uint64_t>(FormatFamily::bitmod) || bits == 0 ||
      bits > 32 || grouping > static_cast<std::uint64_t>(Grouping::tensor) ||
      order > static_cast<std::uint64_t>(Arrangement::keys)) {
    return false;
  }
  arrangement = static_cast<Arrangement>(order);
  format.family = static_cast<FormatFamily>(family);
  format.bits = static_cast<unsigned>(bits);
  format.grouping = static_cast<Grouping>(grouping);
  return true;
}

/// A format that has a name, that is one that an encoder may have written.
bool is_complete(const Format& format) {
  try {
    return Format::parse(format.name()) == format;
  } catch (const InputError&) {
    return false;
  }
}

bool get_format(Unpacker& unpacker, OperandDescriptor& operand) {
  Format& format = operand.format;
  const std::uint32_t group = unpacker.get32();
  const std::uint32_t second = unpacker.get32();
  format.group_k = group;
  std::uint64_t flags = 0;
  if (!get_enumerations(unpacker, format, operand.arrangement, flags)) return false;
  operand.cache = (flags & cache_flag) != 0;
  operand.on_chip = (flags & on_chip_flag) != 0;
  operand.packed = (flags & packed_flag) != 0;
  if (format.grouping != Grouping::group) {
    format.group_k = 0;
    operand.column_block = group;
    if (group == 0) return false;
  }
  set_second_extent(format, second);
  return is_complete(format);
}

void put_operand(Packer& packer, const OperandDescriptor& operand) {
  packer.put(operand.address, 8);
  packer.put(operand.instance_stride, 8);
  packer.put(operand.rows, 4);
  packer.put(operand.columns, 4);
  packer.put(operand.block_rows, 4);
  put_format(packer, operand);
}

bool get_operand(Unpacker& unpacker, OperandDescriptor& operand) {
  operand.address = unpacker.get(8);
  operand.instance_stride = unpacker.get(8);
  operand.rows = unpacker.get32();
  operand.columns = unpacker.get32();
  operand.block_rows = unpacker.get32();
  return get_format(unpacker, operand);
}

/// Without rows it is not there, and its bytes are 0.
void put_third_operand(Packer& packer, const OperandDescriptor& operand) {
  if (operand.rows > 0) {
    put_operand(packer, operand);
    return;
  }
  for (unsigned i = 0; i < operand_bytes; ++i)
    packer.put(0, 1);
}

bool get_third_operand(Unpacker& unpacker, OperandDescriptor& operand) {
  Unpacker own = unpacker;
  unpacker.skip(operand_bytes);
  const bool known = get_operand(own, operand);
  if (operand.rows > 0) return known;
  operand = {};
  return true;
}

/// A continuation has W's groups, or one per channel.
void put_continuation(Packer& packer, const Continuation& part) {
  packer.put(part.address, 8);
  packer.put(part.instance_stride, 8);
  packer.put(part.k, 4);
  packer.put(static_cast<std::uint64_t>(part.format.family), 1);
  packer.put(part.format.bits, 1);
  packer.put(static_cast<std::uint64_t>(part.format.grouping), 1);
  packer.put(static_cast<std::uint64_t>(part.arrangement) << arrangement_shift, 1);
}

bool get_continuation(Unpacker& unpacker, const Format& weight, Continuation& part) {
  part.address = unpacker.get(8);
  part.instance_stride = unpacker.get(8);
  part.k = unpacker.get32();
  std::uint64_t flags = 0;  // W's say the rest
  if (!get_enumerations(unpacker, part.format, part.arrangement, flags)) return false;
  if (part.format.grouping == Grouping::group) {
    part.format.group_k = weight.group_k;
  }
  if (part.format.family == weight.family) set_second_extent(part.format, second_extent(weight));
  return part.k == 0 || is_complete(part.format);
}

std::uint64_t exponent_bits(std::int32_t exponent) {
  return static_cast<std::uint16_t>(static_cast<std::int16_t>(exponent));
}
std::int32_t exponent_of(std::uint64_t bits) {
  return bits < 0x8000 ? static_cast<std::int32_t>(bits) : static_cast<std::int32_t>(bits) - 0x10000;
}

}  // namespace

const char* to_string(CommandStatus status) {
  switch (status) {
    case CommandStatus::pending:
      return "pending";
    case CommandStatus::done:
      return "done";
    case CommandStatus::bad_opcode:
      return "unknown opcode or descriptor version";
    case CommandStatus::bad_shape:
      return "impossible shape";
    case CommandStatus::bad_format:
      return "unsupported formats";
    case CommandStatus::tile_too_large:
      return "tile larger than its buffer";
    case CommandStatus::bus_error:
      return "error response from memory";
    case CommandStatus::bad_operand:
      return "operand data that is no valid encoding, or a result that cannot be encoded";
    case CommandStatus::no_data_path:
      return "no functional model for this command";
  }
  return "unknown";
}

OperandLayout layout_of(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t block_rows,
                        std::uint64_t column_block, bool packed) {
  OperandLayout layout;
  layout.rows = rows;
  layout.columns = columns;
  layout.bits = element_bits(format);
  layout.block_rows = block_rows;
  layout.group = format.grouping == Grouping::group ? format.group_k : column_block;
  // An Amove record is complete in memory, also a last, shorter one.
  if (format.family == FormatFamily::amove) layout.columns = round_up(layout.columns, layout.group);
  const unsigned whole_bytes = 8 * metadata_bytes(format);
  if (format.grouping == Grouping::group) {
    layout.metadata_bits = packed ? static_cast<unsigned>(format.metadata_bits()) : whole_bytes;
    // Records are shared inside of a block.
    layout.metadata_rows = block_rows >= rows ? format.group_n : std::gcd(block_rows, std::uint64_t{format.group_n});
    layout.row_bits = static_cast<unsigned>(format.row_bits());
  } else {
    layout.row_bits = whole_bytes;
    layout.row_share = format.grouping == Grouping::tensor ? std::max<std::uint64_t>(rows, 1) : format.group_n;
  }
  layout.column_bits = static_cast<unsigned>(format.column_bits());
  layout.column_share = tender_chunk_rows;
  return layout;
}

OperandLayout OperandDescriptor::layout(std::uint64_t instance) const {
  OperandLayout layout = layout_of(format, rows, columns, block_rows, column_block, packed);
  layout.base = address + instance * instance_stride;
  return layout;
}

bool writes_whole_bytes(const Descriptor& command) {
  std::uint64_t step = std::min(command.tiling.m, std::uint64_t{command.m});
  if (command.c.arrangement == Arrangement::heads) {
    // Rows of tokens: those of an instance, or of its tiles.
    const std::uint64_t group = command.rows_per_token, tokens = command.m / group;
    const std::uint64_t heads = command.c.columns / (group * command.n);
    const std::uint64_t own = step == command.m ? tokens : step % group == 0 ? step / group : 1;
    step = command.count > heads ? std::gcd(own, tokens) : own;
  }
  return command.c.layout(0).whole_bytes(step);
}

std::uint64_t OperandDescriptor::bytes() const {
  return layout(0).bytes();
}

std::uint64_t OperandDescriptor::tile_bytes(std::uint64_t row_count, std::uint64_t column0,
                                            std::uint64_t column_count) const {
  const OperandLayout own = layout(0);
  if (arrangement != Arrangement::token_major) return own.tile_bytes(row_count, column0, column_count);
  return row_count * (metadata_bytes(format) + column_count * (own.bits / 8));
}

GemmShape shape_of(const Descriptor& command) {
  GemmShape shape;
  shape.m = command.m;
  shape.k = command.k;
  shape.n = command.n;
  shape.count = command.count;
  shape.causal = command.causal;
  shape.past = command.past;
  shape.rows_per_token = command.rows_per_token;
  shape.window = command.window;
  return shape;
}

std::uint64_t segment_extent(const Descriptor& command, std::size_t segment) {
  return segment == 0 ? command.k : command.continuations.at(segment - 1).k;
}

std::uint64_t segment_begin(const Descriptor& command, std::size_t segment) {
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < segment; ++i)
    begin += segment_extent(command, i);
  return begin;
}

std::uint64_t reduction_of(const Descriptor& command) {
  return segment_begin(command, continuation_count + 1);
}

OperandDescriptor weight_segment(const Descriptor& command, std::size_t segment) {
  OperandDescriptor operand = command.w;
  if (segment == 0) return operand;
  const Continuation& part = command.continuations.at(segment - 1);
  operand.address = part.address;
  operand.instance_stride = part.instance_stride;
  operand.rows = command.n;
  operand.block_rows = std::min(operand.block_rows, command.n);
  operand.columns = part.k;
  operand.format = part.format;
  operand.arrangement = part.arrangement;
  return operand;
}

Format window_format() {
  Format format;
  format.family = FormatFamily::integer;
  format.bits = 8;
  format.grouping = Grouping::channel;
  return format;
}

std::array<std::uint8_t, descriptor_bytes> Descriptor::pack() const {
  std::array<std::uint8_t, descriptor_bytes> bytes{};
  Packer packer(bytes);
  packer.put(descriptor_version, 1);
  packer.put(static_cast<std::uint64_t>(opcode), 1);
  packer.put((timing_only ? 1u : 0u) | (interrupt ? 2u : 0u), 1);
  packer.put((independent & most_independent) | (weights_ready & most_independent) << 4, 1);
  packer.put(tag, 4);
  for (const auto extent : {m, k, n, count, past, rows_per_token})
    packer.put(extent, 4);
  packer.put(static_cast<std::uint64_t>(causal), 1);
  packer.put(static_cast<std::uint64_t>(tiling.order), 1);
  packer.put(inputs, 2);
  packer.put(function, 4);
  put_operand(packer, a);
  put_operand(packer, w);
  put_operand(packer, c);
  if (opcode == Opcode::gemm) {
    for (const auto* operand : {&a, &w, &c})
      packer.put(exponent_bits(operand->exponent), 2);
    packer.put(
        (options.accumulate_fp32 ? 1u : 0u) | (options.product_fp16 ? 2u : 0u) | (options.aligned_bits & 15u) << 8, 2);
    packer.put(scratch_address, 8);
    packer.put(stream_bytes, 8);
    for (const auto extent : {tiling.m, tiling.k, tiling.n})
      packer.put(extent, 4);
    packer.put(window, 4);
    for (const auto& part : continuations)
      put_continuation(packer, part);
  } else {
    packer.put(elements, 8);
    packer.put(input_bytes[0], 8);
    packer.put(input_bytes[1], 8);
    packer.put(output_bytes, 8);
    if (timing_only || opcode != Opcode::vector) return bytes;
    put_third_operand(packer, p);
    packer.put(float_bits(parameter), 4);
    packer.put(tokens, 4);
    packer.put(rotated, 2);
    packer.put((alternative ? 1u : 0u) | static_cast<unsigned>(policy) << 4 |
                   static_cast<unsigned>(static_cast<std::uint8_t>(c.exponent)) << 8,
               2);
    packer.put(window, 4);
  }
  return bytes;
}

bool Descriptor::unpack(const std::array<std::uint8_t, descriptor_bytes>& bytes, Descriptor& out) {
  out = Descriptor{};
  Unpacker unpacker(bytes);
  if (unpacker.get(1) != descriptor_version) return false;
  const auto opcode = unpacker.get(1);
  if (opcode > static_cast<std::uint64_t>(Opcode::vector)) return false;
  out.opcode = static_cast<Opcode>(opcode);
  const auto flags = unpacker.get(1);
  if (flags > 3) return false;
  out.timing_only = (flags & 1u) != 0;
  out.interrupt = (flags & 2u) != 0;
  const auto order_free = unpacker.get(1);
  out.independent = static_cast<std::uint8_t>(order_free & most_independent);
  out.weights_ready = static_cast<std::uint8_t>(order_free >> 4);
  out.tag = unpacker.get32();
  for (auto* extent : {&out.m, &out.k, &out.n, &out.count, &out.past, &out.rows_per_token})
    *extent = unpacker.get32();
  const auto causal = unpacker.get(1);
  const auto order = unpacker.get(1);
  if (causal > static_cast<std::uint64_t>(CausalMask::context) || order > static_cast<std::uint64_t>(LoopOrder::knm))
    return false;
  out.causal = static_cast<CausalMask>(causal);
  out.tiling.order = static_cast<LoopOrder>(order);
  out.inputs = static_cast<std::uint32_t>(unpacker.get(2));
  out.function = unpacker.get32();
  if (!get_operand(unpacker, out.a) || !get_operand(unpacker, out.w) || !get_operand(unpacker, out.c)) return false;
  if (out.opcode == Opcode::gemm) {
    for (auto* operand : {&out.a, &out.w, &out.c})
      operand->exponent = exponent_of(unpacker.get(2));
    const auto options = unpacker.get(2);
    out.options.accumulate_fp32 = (options & 1u) != 0;
    out.options.product_fp16 = (options & 2u) != 0;
    out.options.aligned_bits = static_cast<unsigned>(options >> 8 & 15u);
    out.scratch_address = unpacker.get(8);
    out.stream_bytes = unpacker.get(8);
    for (auto* extent : {&out.tiling.m, &out.tiling.k, &out.tiling.n})
      *extent = unpacker.get32();
    out.window = unpacker.get32();
    for (auto& part : out.continuations) {
      if (!get_continuation(unpacker, out.w.format, part)) return false;
    }
  } else {
    out.elements = unpacker.get(8);
    out.input_bytes[0] = unpacker.get(8);
    out.input_bytes[1] = unpacker.get(8);
    out.output_bytes = unpacker.get(8);
    if (out.timing_only || out.opcode != Opcode::vector) return true;
    if (!get_third_operand(unpacker, out.p)) return false;
    out.parameter = float_from_bits(unpacker.get32());
    out.tokens = unpacker.get32();
    out.rotated = static_cast<std::uint32_t>(unpacker.get(2));
    const auto flags = unpacker.get(2);
    out.alternative = (flags & 1u) != 0;
    out.policy = static_cast<std::uint8_t>(flags >> 4 & 15u);
    out.c.exponent = static_cast<std::int8_t>(flags >> 8);
    out.window = unpacker.get32();
  }
  return true;
}

Traffic compulsory_traffic(const Descriptor& command) {
  OperandLayout output = command.c.layout(0);
  if (command.stream_bytes > 0) {
    // A stream counts as rows of its own format.
    output.rows = command.m;
    output.columns = command.n;
  }
  return compulsory_traffic(shape_of(command), command.a.layout(0), command.w.layout(0), output);
}

}  // namespace nibble
