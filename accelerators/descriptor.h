// SPDX-License-Identifier: Apache-2.0
/// What a host tells a machine: the register map of the `control` socket and the command descriptors in memory.
/// docs/programming.md is the specification for software; this header is its only implementation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "accelerators/nibble_device.h"
#include "dataflow/operand_layout.h"
#include "dataflow/tile_schedule.h"
#include "formats/format.h"
#include "pe/gemm.h"

namespace nibble {

/// Offsets of the 32-bit registers behind `control`; docs/programming.md says what they are.
namespace control_register {
constexpr std::uint64_t id = NIBBLE_REG_ID;
constexpr std::uint64_t version = NIBBLE_REG_VERSION;
constexpr std::uint64_t capability = NIBBLE_REG_CAPABILITY;
constexpr std::uint64_t array_shape = NIBBLE_REG_ARRAY_SHAPE;
constexpr std::uint64_t queue_base_low = NIBBLE_REG_QUEUE_BASE_LOW;
constexpr std::uint64_t queue_base_high = NIBBLE_REG_QUEUE_BASE_HIGH;
constexpr std::uint64_t queue_entries = NIBBLE_REG_QUEUE_ENTRIES;
constexpr std::uint64_t doorbell = NIBBLE_REG_DOORBELL;
constexpr std::uint64_t completed = NIBBLE_REG_COMPLETED;
constexpr std::uint64_t status = NIBBLE_REG_STATUS;
constexpr std::uint64_t interrupt_enable = NIBBLE_REG_INTERRUPT_ENABLE;
constexpr std::uint64_t interrupt_status = NIBBLE_REG_INTERRUPT_STATUS;
constexpr std::uint64_t control = NIBBLE_REG_CONTROL;
constexpr std::uint32_t id_value = NIBBLE_RESET_ID;  // "NIBL"
}  // namespace control_register

constexpr std::uint64_t descriptor_bytes = NIBBLE_DESCRIPTOR_BYTES;
constexpr std::uint32_t descriptor_version = NIBBLE_DESCRIPTOR_VERSION;
/// Largest `independent` and `weights_ready` of a descriptor.
constexpr unsigned most_independent = 15;
/// Commands whose descriptors are fetched and that have not completed. [D] two run, two wait for older ones to
/// complete, and behind each of the units' next ones another may lie: the ring is read no further ahead than that.
constexpr std::size_t window_commands = 8;
/// Columns per block of operands without groups along the columns (FP16, FP32, int8-channel), unless they say
/// otherwise, so that tiles of 64-element groups are contiguous.
constexpr std::uint64_t column_blocking = 64;

enum class Opcode : std::uint8_t {
  nop = NIBBLE_OPCODE_NOP,
  gemm = NIBBLE_OPCODE_GEMM,
  vector = NIBBLE_OPCODE_VECTOR,
  invalid = 255
};

/// Written to the status word of a descriptor when its command has ended; docs/programming.md says for what.
enum class CommandStatus : std::uint32_t {
  pending = NIBBLE_STATUS_PENDING,
  done = NIBBLE_STATUS_DONE,
  bad_opcode = NIBBLE_STATUS_BAD_OPCODE,
  bad_shape = NIBBLE_STATUS_BAD_SHAPE,
  bad_format = NIBBLE_STATUS_BAD_FORMAT,
  tile_too_large = NIBBLE_STATUS_TILE_TOO_LARGE,
  bus_error = NIBBLE_STATUS_BUS_ERROR,
  no_data_path = NIBBLE_STATUS_NO_DATA_PATH,
  bad_operand = NIBBLE_STATUS_BAD_OPERAND,
};
const char* to_string(CommandStatus status);

/// Which rows of a command an operand holds where. `heads` stands for attention's operands: instance sequence x KV
/// heads
/// + KV head, row token x rows_per_token + query head of the group; as a GEMM's C it is the other way round, results of
/// such instances become rows of tokens.
enum class Arrangement : std::uint8_t {
  rows = 0,         ///< row r is row r
  heads = 1,        ///< vector operands and C of a GEMM
  values = 2,       ///< C of a vector command: the records of value_record.h, one per sequence and KV head
  positions = 3,    ///< vector: row r is row past + r modulo tokens
  last_token = 4,   ///< vector: row r is row (r + 1) x tokens - 1
  token_major = 5,  ///< W: scales of all rows, then one column after the other; int8-channel and fp16
  keys = 6,         ///< C of a vector command: as heads, a row per token, behind the `past` that are there
};

/// One operand in memory. For timing-only vector commands and `stream_bytes` outputs only address and format matter.
struct OperandDescriptor {
  std::uint64_t address = 0;
  std::uint64_t instance_stride = 0;  ///< bytes between the operands of consecutive instances; 0: shared
  std::uint32_t rows = 0, columns = 0;
  std::uint32_t block_rows = 1;
  Format format;
  std::int32_t exponent = 0;                     ///< amove: p
  std::uint32_t column_block = column_blocking;  ///< columns per block of the layout, without groups along them
  bool on_chip = false;  ///< in the share of the activation buffer for scores: address is an offset there
  bool cache = false;    ///< part of a KV cache: its bytes and waits belong to the stream `kv`
  /// Records follow one another to the bit (weights, caches); otherwise each is whole bytes, so that tiles of results
  /// can be stored apart.
  bool packed = false;
  Arrangement arrangement = Arrangement::rows;
  /// Layout of instance `i`. What a row has once (a channel's scale) is in the side table of the rows, as whole bytes.
  OperandLayout layout(std::uint64_t instance) const;
  /// Bytes of one instance, its side tables included.
  std::uint64_t bytes() const;
  /// Bytes of a tile of its layout, or of one token major.
  std::uint64_t tile_bytes(std::uint64_t row_count, std::uint64_t column0, std::uint64_t column_count) const;
};

/// A part of W behind its `k` along the reduction, in another format: the open INT8 window of M-ANT's values, blocks of
/// another mantissa width in Harmonia's. It has W's `n` rows in W's blocks.
struct Continuation {
  std::uint32_t k = 0;  ///< 0: none
  std::uint64_t address = 0, instance_stride = 0;
  Format format;
  Arrangement arrangement = Arrangement::rows;  ///< or token_major
};

constexpr std::size_t continuation_count = 2;

/// int8-channel: the open value window.
Format window_format();

/// One command, 256 bytes in memory (little endian).
struct Descriptor {
  Opcode opcode = Opcode::nop;
  bool timing_only = false;  ///< operands are not there: time, traffic and energy only
  bool interrupt = true;     ///< raise the completion interrupt at the end
  /// The command depends on none of so many commands directly before it, nor they on it: it may run beside them.
  std::uint8_t independent = 0;
  /// W and its continuations do not depend on so many commands directly before: their first tiles may be read while
  /// those run.
  std::uint8_t weights_ready = 0;
  std::uint32_t tag = 0;  ///< for the host

  std::uint32_t m = 0, k = 0, n = 0, count = 1;
  CausalMask causal = CausalMask::none;
  std::uint32_t past = 0, rows_per_token = 1;
  std::uint32_t window = 0;  ///< with a mask: tokens that a row sees, its own included; 0: all

  OperandDescriptor a, w, c;
  /// Parts that continue W along k, in this order; the second only behind the first.
  std::array<Continuation, continuation_count> continuations{};
  GemmOptions options;
  std::uint64_t scratch_address = 0;  ///< spilled partial sums, m * n * 4 bytes
  /// Output of the temporal (value) quantizer: the result is written as this many bytes in a row at c.address, spread
  /// over the output tiles in proportion; 0: the result is written tile by tile in C's layout.
  std::uint64_t stream_bytes = 0;

  Tiling tiling;  ///< gemm: chosen by the host

  /// vector: elementary operations per element are the vector unit's own table.
  std::uint32_t function = 0;  ///< VectorFunction
  std::uint32_t inputs = 1;    ///< operands read: a, then w
  std::uint64_t elements = 0;
  std::uint64_t input_bytes[2] = {0, 0};
  std::uint64_t output_bytes = 0;
  /// vector, with data: count x m rows of k columns; row-wise functions act on parts of n columns.
  OperandDescriptor p;        ///< third operand: gains and shifts, a bias, angles, token numbers, a third summand
  float parameter = 0;        ///< norms: epsilon; softmax: scale
  std::uint32_t tokens = 0;   ///< rows of one sequence
  std::uint32_t rotated = 0;  ///< rotary: columns of each part that turn
  bool alternative = false;   ///< rotary: neighbouring channels turn together; gelu: by erf
  std::uint8_t policy = 0;    ///< C arranged as values: KvPolicy

  std::array<std::uint8_t, descriptor_bytes> pack() const;
  /// False when the version or the opcode is unknown; every field is range checked by the machine afterwards.
  static bool unpack(const std::array<std::uint8_t, descriptor_bytes>& bytes, Descriptor& out);
  /// Byte offset of the 32-bit status word, written by the machine.
  static constexpr std::uint64_t status_offset = NIBBLE_STATUS_OFFSET;
};

/// How `rows` x `columns` elements lie in memory, from address 0 on, in blocks of `block_rows` and, without groups
/// along the columns, of `column_block` columns; `packed` as in OperandDescriptor.
OperandLayout layout_of(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t block_rows,
                        std::uint64_t column_block, bool packed);

/// Whether the results of different tiles of a GEMM share no byte of C's tables (packed records of 5 bits): only a
/// vector command merges them.
bool writes_whole_bytes(const Descriptor& command);

/// The GEMM of a command, without continuations.
GemmShape shape_of(const Descriptor& command);
/// Every operand of a GEMM command moved once, where it meets others (dataflow/schedule_search.h).
Traffic compulsory_traffic(const Descriptor& command);
/// The whole reduction, continuations included.
std::uint64_t reduction_of(const Descriptor& command);
/// Part `segment` of W: 0 is `w`, then the continuations; its reduction extent, and where it begins.
OperandDescriptor weight_segment(const Descriptor& command, std::size_t segment);
std::uint64_t segment_extent(const Descriptor& command, std::size_t segment);
std::uint64_t segment_begin(const Descriptor& command, std::size_t segment);

}  // namespace nibble
