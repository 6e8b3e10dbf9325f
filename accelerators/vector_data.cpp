// SPDX-License-Identifier: Apache-2.0
#include "accelerators/vector_data.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "pe/vector_functions.h"

namespace nibble {
namespace {

/// Extents beyond these are refused, so that sums of bytes stay within 64 bits.
constexpr std::uint64_t most_rows = std::uint64_t{1} << 32, most_columns = std::uint64_t{1} << 26;
constexpr std::uint64_t most_tokens = std::uint64_t{1} << 24, most_channels = std::uint64_t{1} << 16;

VectorFunction function_of(const Descriptor& command) {
  return static_cast<VectorFunction>(command.function);
}

/// Rows of p: gains, shifts, a bias; 0: p is not such a parameter.
unsigned parameter_rows(VectorFunction function) {
  switch (function) {
    case VectorFunction::rms_norm:
    case VectorFunction::bias_add:
      return 1;
    case VectorFunction::layer_norm:
      return 2;
    default:
      return 0;
  }
}

bool reads_second(const Descriptor& command) {
  return command.inputs > 1;
}
bool reads_third(const Descriptor& command) {
  return function_of(command) == VectorFunction::rotary ||
         (function_of(command) == VectorFunction::residual_add && command.p.rows > 0);
}

bool is_masked(const Descriptor& command) {
  return function_of(command) == VectorFunction::softmax && command.causal == CausalMask::scores;
}

std::uint64_t bytes_of_row(const OperandDescriptor& operand, std::uint64_t columns) {
  // A group is moved whole, also where the columns end inside of it.
  const std::uint64_t block = std::max(operand.column_block, 1U);
  const OperandLayout row = layout_of(operand.format, 1, columns, 1, block, false);
  return layout_of(operand.format, 1, round_up(columns, std::max<std::uint64_t>(row.group, 1)), 1, block, false)
      .bytes();
}

/// Rows that cannot be parted: those of an instance of C whose rows share their scales (tender).
std::uint64_t rows_together(const Descriptor& command) {
  if (command.c.format.group_n == 1) return 1;
  return command.c.arrangement == Arrangement::heads ? command.tokens : command.m;
}

/// C is one of those whole.
bool is_whole(const Descriptor& command) {
  const bool heads = command.c.arrangement == Arrangement::heads;
  const std::uint64_t rows = heads ? std::uint64_t{command.tokens} * command.rows_per_token : command.m;
  return command.c.rows == rows &&
         (heads || (command.c.arrangement == Arrangement::rows && command.c.columns == command.k));
}

/// Bytes of the smallest chunk: a row, all rows that share scales, or all tokens of a KV head.
VectorData::Footprint footprint_of(const Descriptor& command) {
  const bool record = command.c.arrangement == Arrangement::values;
  const std::uint64_t rows = record ? command.tokens : rows_together(command);
  const std::uint64_t columns = record ? command.c.rows : command.k;
  VectorData::Footprint footprint;
  footprint.in = rows * bytes_of_row(command.a, columns);
  if (reads_second(command)) footprint.in += rows * bytes_of_row(command.w, columns);
  if (reads_third(command)) footprint.in += rows * bytes_of_row(command.p, command.p.columns);
  footprint.out = rows * (record ? 2 * columns : bytes_of_row(command.c, columns));
  return footprint;
}

/// Extents of the function's own.
bool is_shape(const Descriptor& command) {
  const bool gate =
      function_of(command) == VectorFunction::silu_gate || function_of(command) == VectorFunction::gelu_gate;
  if (command.inputs != (gate || function_of(command) == VectorFunction::residual_add ? 2U : 1U)) return false;
  if (command.m == 0 || command.count == 0 || command.k == 0 || command.n == 0 || command.k % command.n != 0)
    return false;
  if (std::uint64_t{command.m} * command.count > most_rows || command.k > most_columns) return false;
  switch (function_of(command)) {
    case VectorFunction::rms_norm:
    case VectorFunction::layer_norm:
    case VectorFunction::bias_add:
      return command.p.columns >= command.n && command.p.rows >= parameter_rows(function_of(command)) &&
             command.p.block_rows > 0 && command.p.arrangement == Arrangement::rows;
    case VectorFunction::rotary:
      return command.rotated % 2 == 0 && command.rotated <= command.n && command.p.columns == command.rotated &&
             command.p.rows > 0 && command.p.arrangement == Arrangement::positions;
    case VectorFunction::softmax:
      return command.n == command.k && command.rows_per_token > 0;
    case VectorFunction::embedding:
      return command.count == 1 && command.m <= most_tokens && command.p.rows >= command.m && command.a.rows > 0 &&
             command.a.columns >= command.k && command.a.block_rows > 0 && command.a.arrangement == Arrangement::rows;
    default:
      return true;
  }
}

/// C: a quantized format of the machine, or a cast that memory knows.
bool is_result_format(const MachineConfig& config, const Descriptor& command) {
  const Format& format = command.c.format;
  if (format.grouping == Grouping::none)
    return format.family == FormatFamily::fp16 || format.family == FormatFamily::fp32;
  const FormatsConfig& own = config.formats;
  if (format == own.activation || format == own.query || format == own.probability) return true;
  return config.encodes(format) || format == config.kv_cache.demoted;
}

bool is_record(const Descriptor& command) {
  if (command.policy > static_cast<std::uint8_t>(KvPolicy::open_fp16)) return false;
  const auto policy = static_cast<KvPolicy>(command.policy);
  const Format& format = command.c.format;
  if (command.tokens == 0 || command.count != 1 || command.m % command.tokens != 0 || command.c.rows == 0 ||
      command.c.rows > most_channels || command.c.columns > most_tokens || command.k % command.c.rows != 0)
    return false;
  const VectorFunction function = function_of(command);
  if (command.a.arrangement != Arrangement::rows ||
      (function != VectorFunction::none && function != VectorFunction::bias_add))
    return false;
  const bool by_token = format == window_format() || format == Format::parse("fp16");
  if (policy == KvPolicy::plain ? !by_token : format.grouping != Grouping::group) return false;
  if (policy == KvPolicy::mant && command.past > 0 && command.tokens > 1) return false;
  return command.c.columns >= std::uint64_t{command.past} + command.tokens &&
         (format.grouping != Grouping::group || command.c.columns % format.group_k == 0);
}

}  // namespace

CommandStatus VectorData::check(const MachineConfig& config, const Descriptor& command) {
  if (!is_shape(command)) return CommandStatus::bad_shape;
  if (!is_result_format(config, command)) return CommandStatus::bad_format;
  const bool record = command.c.arrangement == Arrangement::values;
  if (record ? !is_record(command) : !is_view(command, command.c)) return CommandStatus::bad_shape;
  if (function_of(command) != VectorFunction::embedding && !is_view(command, command.a))
    return CommandStatus::bad_shape;
  if (reads_second(command) && !is_view(command, command.w)) return CommandStatus::bad_shape;
  if (reads_third(command) && !is_view(command, command.p)) return CommandStatus::bad_shape;
  if (command.c.format.group_n != 1 && (record || !is_whole(command))) return CommandStatus::bad_shape;
  const Footprint footprint = footprint_of(command);
  const bool fits = footprint.in <= config.vector_input_bytes() && footprint.out <= config.vector_output_bytes();
  return fits ? CommandStatus::pending : CommandStatus::tile_too_large;
}

VectorData::VectorData(const MachineConfig& config, const Descriptor& command)
    : command_(command), lanes_(config.vector_unit.lanes) {
  const Footprint footprint = footprint_of(command_);
  together_ =
      std::max<std::uint64_t>(1, std::min(config.vector_share_of(config.vector_input_bytes()) / footprint.in,
                                          config.vector_share_of(config.vector_output_bytes()) / footprint.out));
  footprint_ = {together_ * footprint.in, together_ * footprint.out};
  if (values()) {
    record_.emplace(command_);
    chunks_ = command_.m / command_.tokens * ceil_div(command_.k / command_.c.rows, together_);
  } else {
    together_ *= rows_together(command_);
    // Packed records of fewer bits than a byte: chunks that end with a byte where they can.
    if (together_ > 8 && rows_together(command_) == 1) together_ = round_down(together_, 8);
    chunks_ = ceil_div(std::uint64_t{command_.m} * command_.count, together_);
  }
}

VectorData::Chunk VectorData::chunk(std::uint64_t index) const {
  if (!values()) {
    const std::uint64_t row = index * together_;
    return {row, std::min(together_, std::uint64_t{command_.m} * command_.count - row), 0, 0};
  }
  const std::uint64_t heads = command_.k / command_.c.rows, per_sequence = ceil_div(heads, together_);
  const std::uint64_t head = index % per_sequence * together_;
  return {index / per_sequence * command_.tokens, command_.tokens, head, std::min(together_, heads - head)};
}

Stream VectorData::stream(unsigned input) const {
  const bool cache = input == 0   ? command_.a.cache
                     : input == 1 ? command_.w.cache
                                  : input == 3 && (values() || command_.c.cache);
  return cache ? Stream::key_value : Stream::vector;
}

std::uint64_t VectorData::elements(std::uint64_t index) const {
  const Chunk part = chunk(index);
  if (values()) return part.rows * part.heads * command_.c.rows;
  std::uint64_t sum = 0;
  for (std::uint64_t row = part.row0; row < part.row0 + part.rows; ++row) {
    const Columns columns = visible(row);
    sum += columns.end - columns.begin;
  }
  return sum;
}

/// Columns of a row that its token sees; all of them but for a masked softmax.
VectorData::Columns VectorData::visible(std::uint64_t row) const {
  if (!is_masked(command_)) return {0, command_.k};
  const std::uint64_t token = command_.past + row % command_.m / command_.rows_per_token;
  const std::uint64_t end = std::min<std::uint64_t>(command_.k, token + 1);
  return {command_.window != 0 && end > command_.window ? end - command_.window : 0, end};
}

/// Of a masked softmax only what some row sees is moved. Row blocks of C are the tiles of the GEMM that reads them: a
/// block is written as far as its last row sees.
std::vector<ViewPart> VectorData::parts(const OperandDescriptor& operand, const Chunk& chunk) const {
  std::vector<ViewPart> all;
  if (function_of(command_) == VectorFunction::embedding && &operand == &command_.a) {
    for (std::uint64_t row = chunk.row0; row < chunk.row0 + chunk.rows; ++row)
      all.push_back({0, {tokens_[row], 1, 0, command_.k}, row, 0, 1});
    return all;
  }
  all = view_parts(command_, operand, chunk.row0, chunk.rows);
  if (values()) {
    for (ViewPart& part : all) {
      part.range.column0 = chunk.head0 * command_.c.rows;
      part.range.columns = chunk.heads * command_.c.rows;
      part.column = part.range.column0;
    }
  }
  if (!is_masked(command_)) return all;
  if (&operand == &command_.c && rows_together(command_) != 1) return all;
  const bool writes = &operand == &command_.c;
  std::vector<ViewPart> cut;
  for (const ViewPart& part : all) {
    for (std::uint64_t done = 0; done < part.range.rows;) {
      const std::uint64_t row = part.range.row0 + done;
      const std::uint64_t block_end =
          std::min<std::uint64_t>(round_down(row, operand.block_rows) + operand.block_rows, command_.m);
      const std::uint64_t rows = std::min(block_end - row, part.range.rows - done);
      ViewPart piece = part;
      piece.range.row0 = row;
      piece.range.rows = rows;
      piece.range.columns =
          writes ? std::min<std::uint64_t>(command_.k, round_up(visible(block_end - 1).end, operand.layout(0).group))
                 : visible(row + rows - 1).end;
      piece.row += done;
      cut.push_back(piece);
      done += rows;
    }
  }
  return cut;
}

std::vector<MemoryRun> VectorData::token_runs() const {
  if (function_of(command_) != VectorFunction::embedding) return {};
  const std::uint64_t bytes = std::uint64_t{command_.m} * sizeof(std::uint32_t);
  return {{command_.p.address, bytes, 1, bytes, false}};
}

bool VectorData::take_tokens(const std::vector<std::uint8_t>& bytes) {
  for (std::size_t i = 0; i + 3 < bytes.size(); i += 4) {
    tokens_.push_back(static_cast<std::uint32_t>(bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16) |
                      static_cast<std::uint32_t>(bytes[i + 3]) << 24);
  }
  return std::all_of(tokens_.begin(), tokens_.end(), [&](std::uint32_t token) { return token < command_.a.rows; });
}

std::vector<MemoryRun> VectorData::loads(std::uint64_t index, unsigned input) const {
  const Chunk chunk = this->chunk(index);
  switch (input) {
    case 0:
      return runs_of(command_.a, parts(command_.a, chunk));
    case 1:
      return reads_second(command_) ? runs_of(command_.w, parts(command_.w, chunk)) : std::vector<MemoryRun>{};
    case 2:
      if (reads_third(command_)) return runs_of(command_.p, parts(command_.p, chunk));
      if (index > 0 || parameter_rows(function_of(command_)) == 0) return {};
      return tile_runs(command_.p, 0, {0, parameter_rows(function_of(command_)), 0, command_.n});
    default:
      break;
  }
  if (!values()) return shared_runs(command_.c, parts(command_.c, chunk));
  std::vector<MemoryRun> runs;
  const std::uint64_t heads = command_.k / command_.c.rows, sequence = chunk.row0 / command_.tokens;
  for (std::uint64_t head = chunk.head0; head < chunk.head0 + chunk.heads; ++head) {
    const std::uint64_t address = command_.c.layout(sequence * heads + head).base;
    for (const MemoryRun& run : record_->state(address, command_.past, command_.tokens))
      runs.push_back(run);
  }
  return runs;
}

std::vector<float> VectorData::read(const OperandDescriptor& operand, const Chunk& chunk,
                                    const std::vector<std::uint8_t>& bytes) const {
  std::vector<float> rows(chunk.rows * command_.k, 0.0F);
  read_view(command_, operand, parts(operand, chunk), chunk.row0, bytes, rows);
  return rows;
}

ValueRecord::Update VectorData::compute(std::uint64_t index, const Bytes& bytes, CommandCounters& counters) {
  const Chunk chunk = this->chunk(index);
  if (index == 0 && parameter_rows(function_of(command_)) > 0) {
    const TileRange range{0, parameter_rows(function_of(command_)), 0, command_.n};
    const QuantizedTensor tile = unpack_tile(command_.p, 0, range, bytes[2]);
    if (!is_encoding(tile)) throw InputError("parameters of a vector command: no encoding");
    parameters_ = decode(tile).values;
  }
  std::vector<float> rows = read(command_.a, chunk, bytes[0]);
  apply(chunk, bytes, rows);
  if (values()) return append(chunk, rows, bytes[3]);
  const auto written = parts(command_.c, chunk);
  insert_bytes(shared_runs(command_.c, written), bytes[3], shared_);
  return {runs_of(command_.c, written), write_view(command_, command_.c, written, chunk.row0, rows, shared_, counters)};
}

/// Elementwise functions; results are rounded to FP16 where they are not FP16 values already.
void VectorData::apply(const Chunk& chunk, const Bytes& bytes, std::vector<float>& rows) {
  const GeluForm form = command_.alternative ? GeluForm::erf : GeluForm::tanh;
  switch (function_of(command_)) {
    case VectorFunction::none:
    case VectorFunction::embedding:
      return;
    case VectorFunction::silu_gate:
    case VectorFunction::gelu_gate: {
      const std::vector<float> second = read(command_.w, chunk, bytes[1]);
      const bool swish = function_of(command_) == VectorFunction::silu_gate;
      for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = round_fp16((swish ? silu(rows[i]) : gelu(rows[i], form)) * second[i]);
      return;
    }
    case VectorFunction::residual_add: {
      const std::vector<float> second = read(command_.w, chunk, bytes[1]);
      std::vector<float> third(rows.size(), 0.0F);
      if (reads_third(command_)) third = read(command_.p, chunk, bytes[2]);
      for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = round_fp16(reads_third(command_) ? rows[i] + second[i] + third[i] : rows[i] + second[i]);
      return;
    }
    case VectorFunction::gelu:
      for (float& value : rows)
        value = round_fp16(gelu(value, form));
      return;
    case VectorFunction::relu:
      for (float& value : rows)
        value = value > 0 ? value : 0.0F;
      return;
    default:
      apply_to_parts(chunk, bytes, rows);
  }
}

/// Functions of n neighbouring columns.
void VectorData::apply_to_parts(const Chunk& chunk, const Bytes& bytes, std::vector<float>& rows) {
  std::vector<float> angles;
  if (function_of(command_) == VectorFunction::rotary) {
    angles.resize(chunk.rows * command_.k);
    read_view(command_, command_.p, parts(command_.p, chunk), chunk.row0, bytes[2], angles);
  }
  const RotaryForm form = command_.alternative ? RotaryForm::interleaved : RotaryForm::half_split;
  const float* gain = parameters_.data();
  std::vector<float> out(command_.n);
  for (std::size_t at = 0; at < rows.size(); at += command_.n) {
    float* part = &rows[at];
    const std::uint64_t row = chunk.row0 + at / command_.k;
    switch (function_of(command_)) {
      case VectorFunction::rms_norm:
        rms_norm(part, command_.n, gain, command_.parameter, lanes_, out.data());
        break;
      case VectorFunction::layer_norm:
        layer_norm(part, command_.n, gain, gain + command_.n, command_.parameter, lanes_, out.data());
        break;
      case VectorFunction::rotary:
        rotate(part, command_.n, &angles[at / command_.k * command_.k], command_.rotated, form, out.data());
        break;
      case VectorFunction::softmax: {
        const Columns columns = visible(row);
        softmax(part, command_.n, columns.begin, columns.end, command_.parameter, lanes_, out.data());
        break;
      }
      default:
        for (std::size_t i = 0; i < out.size(); ++i)
          out[i] = round_fp16(part[i] + gain[i]);
    }
    std::copy(out.begin(), out.end(), part);
  }
}

ValueRecord::Update VectorData::append(const Chunk& chunk, const std::vector<float>& rows,
                                       const std::vector<std::uint8_t>& held) const {
  ValueRecord::Update all;
  const std::uint64_t heads = command_.k / command_.c.rows, sequence = chunk.row0 / command_.tokens;
  std::size_t at = 0;
  for (std::uint64_t head = chunk.head0; head < chunk.head0 + chunk.heads; ++head) {
    const std::uint64_t address = command_.c.layout(sequence * heads + head).base;
    std::size_t size = 0;
    for (const MemoryRun& run : record_->state(address, command_.past, command_.tokens))
      size += run.bytes();
    std::vector<float> tokens;
    for (std::uint64_t row = 0; row < chunk.rows; ++row) {
      const auto first = rows.begin() + static_cast<std::ptrdiff_t>(row * command_.k + head * command_.c.rows);
      tokens.insert(tokens.end(), first, first + command_.c.rows);
    }
    const auto begin = held.begin() + static_cast<std::ptrdiff_t>(at);
    const auto update =
        record_->append(address, command_.past, tokens, {begin, begin + static_cast<std::ptrdiff_t>(size)});
    at += size;
    all.runs.insert(all.runs.end(), update.runs.begin(), update.runs.end());
    all.bytes.insert(all.bytes.end(), update.bytes.begin(), update.bytes.end());
  }
  return all;
}

}  // namespace nibble
