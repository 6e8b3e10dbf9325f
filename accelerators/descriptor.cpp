// SPDX-License-Identifier: Apache-2.0
#include "accelerators/descriptor.h"

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

 private:
  const std::array<std::uint8_t, descriptor_bytes>& bytes_;
  std::size_t at_ = 0;
};

/// Format codes of the descriptor: family, bits, grouping, group extent.
void put_format(Packer& packer, const Format& format) {
  packer.put(static_cast<std::uint64_t>(format.family), 1);
  packer.put(format.bits, 1);
  packer.put(static_cast<std::uint64_t>(format.grouping), 1);
  packer.put(0, 1);
  packer.put(format.group_k, 4);
}

bool get_format(Unpacker& unpacker, Format& format) {
  const auto family = unpacker.get(1);
  const auto bits = unpacker.get(1);
  const auto grouping = unpacker.get(1);
  unpacker.get(1);
  format.group_k = unpacker.get(4);
  if (family > static_cast<std::uint64_t>(FormatFamily::olive4) || bits == 0 || bits > 32 ||
      grouping > static_cast<std::uint64_t>(Grouping::tensor)) {
    return false;
  }
  format.family = static_cast<FormatFamily>(family);
  format.bits = static_cast<unsigned>(bits);
  format.grouping = static_cast<Grouping>(grouping);
  return format.grouping != Grouping::group || format.group_k > 0;
}

void put_operand(Packer& packer, const OperandDescriptor& operand) {
  packer.put(operand.address, 8);
  packer.put(operand.instance_stride, 8);
  packer.put(operand.rows, 4);
  packer.put(operand.columns, 4);
  packer.put(operand.block_rows, 4);
  put_format(packer, operand.format);
}

bool get_operand(Unpacker& unpacker, OperandDescriptor& operand) {
  operand.address = unpacker.get(8);
  operand.instance_stride = unpacker.get(8);
  operand.rows = unpacker.get32();
  operand.columns = unpacker.get32();
  operand.block_rows = unpacker.get32();
  return get_format(unpacker, operand.format);
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

OperandLayout OperandDescriptor::layout(std::uint64_t instance) const {
  OperandLayout layout;
  layout.base = address + instance * instance_stride;
  layout.rows = rows;
  layout.columns = columns;
  layout.bits = format.bits;
  layout.block_rows = block_rows;
  if (format.grouping == Grouping::group) {
    layout.group = format.group_k;
    layout.metadata_bytes = static_cast<unsigned>(format.metadata_bits() / 8);
  } else {
    // A channel's scale is stored with each of its blocks, so that a tile along k is complete.
    layout.group = column_blocking;
    layout.metadata_bytes = format.grouping == Grouping::none ? 0 : static_cast<unsigned>(format.metadata_bits() / 8);
  }
  return layout;
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
  return shape;
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
  packer.put((timing_only ? 1u : 0u) | (interrupt ? 2u : 0u), 2);
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
    packer.put(window_k, 4);
    packer.put(0, 4);
    packer.put(window.address, 8);
    packer.put(window.instance_stride, 8);
    packer.put(scratch_address, 8);
    packer.put(stream_bytes, 8);
    for (const auto extent : {tiling.m, tiling.k, tiling.n})
      packer.put(extent, 4);
  } else {
    packer.put(elements, 8);
    packer.put(input_bytes[0], 8);
    packer.put(input_bytes[1], 8);
    packer.put(output_bytes, 8);
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
  const auto flags = unpacker.get(2);
  out.timing_only = (flags & 1u) != 0;
  out.interrupt = (flags & 2u) != 0;
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
    out.window_k = unpacker.get32();
    unpacker.get32();
    out.window.address = unpacker.get(8);
    out.window.instance_stride = unpacker.get(8);
    out.scratch_address = unpacker.get(8);
    out.stream_bytes = unpacker.get(8);
    for (auto* extent : {&out.tiling.m, &out.tiling.k, &out.tiling.n})
      *extent = unpacker.get32();
    out.window.rows = out.n;
    out.window.columns = out.window_k;
    out.window.block_rows = out.n;
    out.window.format = window_format();
  } else {
    out.elements = unpacker.get(8);
    out.input_bytes[0] = unpacker.get(8);
    out.input_bytes[1] = unpacker.get(8);
    out.output_bytes = unpacker.get(8);
  }
  return true;
}

}  // namespace nibble
