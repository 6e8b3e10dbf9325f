// SPDX-License-Identifier: Apache-2.0
#include "accelerators/vector_engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

/// Largest count of bytes or elements: sums and products with operations per element then fit 64 bits.
constexpr std::uint64_t largest_extent = std::uint64_t{1} << 40;

Stream stream_of(const OperandDescriptor& operand) {
  return operand.cache ? Stream::key_value : Stream::vector;
}

bool is_plain(const Format& format) {
  return format.grouping == Grouping::none;
}

}  // namespace

VectorEngine::VectorEngine(const MachineConfig& config, DmaEngine& dma, ResultWriter& writer, const MachineClock& clock)
    : config_(config), dma_(dma), writer_(writer), clock_(clock) {}

CommandStatus VectorEngine::check(const Descriptor& command) const {
  if (command.function >= vector_function_count || command.elements == 0 || command.inputs == 0 || command.inputs > 2)
    return CommandStatus::bad_shape;
  if (command.input_bytes[0] == 0 || (command.inputs == 2) != (command.input_bytes[1] != 0) ||
      command.output_bytes == 0)
    return CommandStatus::bad_shape;
  for (const std::uint64_t extent :
       {command.elements, command.input_bytes[0], command.input_bytes[1], command.output_bytes}) {
    if (extent > largest_extent) return CommandStatus::bad_shape;
  }
  for (const auto& [operand, bytes] :
       {std::pair<const OperandDescriptor*, std::uint64_t>{&command.a, command.input_bytes[0]},
        {&command.w, command.input_bytes[1]},
        {&command.c, command.output_bytes}}) {
    if (!operand->on_chip) continue;
    if (bytes > config_.score_bytes() || operand->address > config_.score_bytes() - bytes)
      return CommandStatus::tile_too_large;
  }
  // Elements of less than a bit would make a chunk of bytes last for ever.
  if (command.elements > 8 * std::max(command.input_bytes[0], command.output_bytes)) return CommandStatus::bad_shape;
  if (command.timing_only) return CommandStatus::pending;
  const bool on_chip = command.a.on_chip || command.w.on_chip || command.c.on_chip;
  return on_chip ? CommandStatus::no_data_path : VectorData::check(config_, command);
}

std::uint64_t VectorEngine::Chunks::share(std::uint64_t total, std::uint64_t i) const {
  const std::uint64_t whole = total / count;
  return whole * i + std::min(i, total % count);
}

/// Timing only. Both inputs of a chunk fill the unit's share of half of the activation buffer at most, its output that
/// of half of the output buffer.
VectorEngine::Chunks VectorEngine::chunks_of(const Descriptor& command) const {
  const auto pieces = [this](std::uint64_t bytes, std::uint64_t half) {
    return ceil_div(bytes, std::max<std::uint64_t>(1, config_.vector_share_of(half)));
  };
  return {std::min(command.elements,
                   std::max(pieces(command.input_bytes[0] + command.input_bytes[1], config_.vector_input_bytes()),
                            pieces(command.output_bytes, config_.vector_output_bytes())))};
}

/// Two chunks: one is computed while the next one's operands come and the results of the one before leave.
BufferUse VectorEngine::buffer_use(const Descriptor& command) const {
  BufferUse use;
  if (!command.timing_only) {
    const VectorData::Footprint chunk = VectorData(config_, command).footprint();
    use.activation_bytes = 2 * chunk.in;
    use.output_bytes = 2 * chunk.out;
    return use;
  }
  const std::uint64_t count = chunks_of(command).count;
  const std::uint64_t first = command.a.on_chip ? 0 : command.input_bytes[0];
  const std::uint64_t second = command.w.on_chip ? 0 : command.input_bytes[1];
  use.scores = command.a.on_chip || command.w.on_chip || command.c.on_chip;
  use.activation_bytes = 2 * ceil_div(first + second, count);
  use.output_bytes = command.c.on_chip ? 0 : 2 * ceil_div(command.output_bytes, count);
  return use;
}

void VectorEngine::load(const Descriptor& command, const Chunks& chunks, std::uint64_t chunk,
                        CommandCounters& counters) {
  if (data_) {
    load_data(chunk, counters);
    return;
  }
  for (unsigned input = 0; input < command.inputs; ++input) {
    const std::uint64_t begin = chunks.share(command.input_bytes[input], chunk);
    const std::uint64_t bytes = chunks.share(command.input_bytes[input], chunk + 1) - begin;
    if (bytes == 0) continue;
    const OperandDescriptor& operand = input == 0 ? command.a : command.w;
    if (operand.on_chip) {
      counters.activation_buffer_read += bytes;
      continue;
    }
    load_runs(chunk % 2, {{operand.address + begin, bytes, 1, bytes, false}}, nullptr, stream_of(operand), counters);
  }
}

void VectorEngine::load_data(std::uint64_t chunk, CommandCounters& counters) {
  for (unsigned input = 0; input < VectorData::inputs; ++input) {
    load_runs(chunk % 2, data_->loads(chunk, input), &halves_[chunk % 2].bytes[input], data_->stream(input), counters);
  }
}

/// `bytes` takes the contents of the runs, one after the other.
void VectorEngine::load_runs(unsigned half, const std::vector<MemoryRun>& runs, std::vector<std::uint8_t>* bytes,
                             Stream stream, CommandCounters& counters) {
  std::uint64_t total = 0, at = 0;
  for (const MemoryRun& run : runs)
    total += run.bytes();
  if (bytes != nullptr) bytes->resize(total);
  counters.read_bytes[static_cast<unsigned>(stream)] += total;
  counters.activation_buffer_write += total;
  counters.activation_buffer_read += total;
  for (const MemoryRun& run : runs) {
    DmaTransfer transfer;
    transfer.address = run.address;
    transfer.row_bytes = run.row_bytes;
    transfer.rows = run.rows;
    transfer.stride = run.stride;
    transfer.stream = stream;
    transfer.data = bytes == nullptr ? nullptr : bytes->data() + at;
    at += run.bytes();
    ++halves_[half].pending;
    ++in_flight_;
    dma_.submit(transfer, *this, half | static_cast<std::uint64_t>(stream) << 8);
  }
}

/// The token numbers of an embedding come first. Returns the cycle at which they are there.
std::uint64_t VectorEngine::load_tokens(std::uint64_t begin, CommandCounters& counters) {
  const std::vector<MemoryRun> runs = data_->token_runs();
  if (runs.empty()) return begin;
  Half& half = halves_[0];
  load_runs(0, runs, &half.bytes[2], Stream::vector, counters);
  while (half.pending > 0)
    sc_core::wait(changed_);
  if (!failed_) bad_operand_ = !data_->take_tokens(half.bytes[2]);
  counters.memory_stall(Stream::vector, half.ready_cycle - begin);
  return half.ready_cycle;
}

/// Where the results of a chunk go, and with data their bytes.
ValueRecord::Update VectorEngine::result(const Descriptor& command, const Chunks& chunks, std::uint64_t chunk,
                                         CommandCounters& counters) {
  if (!data_) {
    const std::uint64_t begin = chunks.share(command.output_bytes, chunk);
    const std::uint64_t bytes = chunks.share(command.output_bytes, chunk + 1) - begin;
    if (bytes == 0) return {};
    return {{{command.c.address + begin, bytes, 1, bytes, false}}, {}};
  }
  try {
    return data_->compute(chunk, halves_[chunk % 2].bytes, counters);
  } catch (const InputError&) {
    bad_operand_ = true;
    return {};
  }
}

void VectorEngine::dma_done(std::uint64_t token, tlm::tlm_response_status status) {
  Half& half = halves_[token & 0xFF];
  --in_flight_;
  --half.pending;
  half.ready_cycle = clock_.now();
  half.last_stream = static_cast<Stream>(token >> 8);
  if (status != tlm::TLM_OK_RESPONSE) failed_ = true;
  changed_.notify();
}

CommandStatus VectorEngine::run(const Descriptor& command, CommandCounters& counters, const bool& abort) {
  writer_.start(counters);
  failed_ = bad_operand_ = false;
  halves_ = {};
  data_.reset();
  if (!command.timing_only) data_.emplace(config_, command);
  const bool quantizes = !is_plain(command.c.format);
  const double operations = config_.vector_unit.operations_per_element[command.function];
  const Chunks chunks = data_ ? Chunks{data_->chunks()} : chunks_of(command);
  const std::uint64_t begin = clock_.now();
  std::uint64_t end = data_ ? load_tokens(begin, counters) : begin;
  std::uint64_t operations_done = 0;
  const auto stopped = [&] { return failed_ || bad_operand_ || writer_.failed() || abort; };
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(chunks.count, 2) && !stopped(); ++i)
    load(command, chunks, i, counters);
  for (std::uint64_t i = 0; i < chunks.count && !stopped(); ++i) {
    const Half& half = halves_[i % 2];
    while (half.pending > 0 && !stopped())
      sc_core::wait(changed_);
    if (stopped()) break;
    const std::uint64_t start = std::max(end, half.ready_cycle);
    counters.memory_stall(half.last_stream, start - end);
    const std::uint64_t elements =
        data_ ? data_->elements(i) : chunks.share(command.elements, i + 1) - chunks.share(command.elements, i);
    const auto chunk_operations = static_cast<std::uint64_t>(std::llround(static_cast<double>(elements) * operations));
    // Results of a group enter the quantizer no faster than it encodes groups.
    const std::uint64_t vector_cycles = ceil_div(chunk_operations, config_.vector_unit.lanes);
    const std::uint64_t quantizer_cycles = quantizes ? ceil_div(elements, config_.quantizer.elements_per_cycle) : 0;
    // What lies on chip comes through the buffer's port.
    const std::uint64_t bytes = chunks.share(command.input_bytes[0], i + 1) - chunks.share(command.input_bytes[0], i);
    const std::uint64_t port_cycles = command.a.on_chip ? ceil_div(bytes, config_.score_port_bytes()) : 0;
    const std::uint64_t busy = std::max(vector_cycles, quantizer_cycles);
    end = start + std::max(busy, port_cycles);
    counters.spend(Cause::compute, vector_cycles);
    counters.spend(Cause::quantizer, busy - vector_cycles);
    counters.memory_stall(Stream::vector, end - start - busy);
    counters.still_beside(clock_.now());
    operations_done += chunk_operations;
    if (quantizes) counters.quantize(elements, start, start + quantizer_cycles);
    ++counters.jobs;
    clock_.wait_until(end);
    // Results wait in the other half of the output buffer: at most one chunk is still leaving.
    while (writer_.outstanding() > 1)
      sc_core::wait(writer_.changed());
    const std::uint64_t now = std::max(clock_.now(), end);
    counters.output_stall(writer_.last_stream(), now - end);
    end = now;
    const std::uint64_t latency =
        config_.vector_unit.latency_cycles + (quantizes ? config_.quantizer.pipeline_cycles + 1 : 0);
    ValueRecord::Update update = result(command, chunks, i, counters);
    if (command.c.on_chip && !update.runs.empty()) {
      // In place, through the other port.
      const std::uint64_t bytes = update.runs.front().row_bytes;
      counters.activation_buffer_write += bytes;
      writer_.release(writer_.announce_on_chip(ceil_div(bytes, config_.score_port_bytes()), Stream::vector),
                      end + latency, {});
      update = {};
    }
    for (const MemoryRun& run : update.runs) {
      counters.output_buffer_write += run.bytes();
      counters.output_buffer_read += run.bytes();
    }
    if (!update.runs.empty())
      writer_.write(end + latency, std::move(update.runs), std::move(update.bytes), stream_of(command.c));
    if (i + 2 < chunks.count) load(command, chunks, i + 2, counters);
  }
  counters.vector_operations += operations_done;
  if (stopped()) writer_.cancel();
  while (in_flight_ > 0)
    sc_core::wait(changed_);
  const std::uint64_t drained = end + config_.vector_unit.latency_cycles;
  const std::uint64_t encoded = drained + (quantizes ? config_.quantizer.pipeline_cycles + 1 : 0);
  counters.spend(Cause::fill_drain, drained - end);
  counters.spend(Cause::quantizer, encoded - drained);
  clock_.wait_until(encoded);
  while (writer_.outstanding() > 0)
    sc_core::wait(writer_.changed());
  const std::uint64_t now = std::max(clock_.now(), encoded);
  clock_.wait_until(now);
  counters.output_stall(writer_.last_stream(), now - encoded);
  if (bad_operand_) return CommandStatus::bad_operand;
  return failed_ || writer_.failed() ? CommandStatus::bus_error : CommandStatus::done;
}

}  // namespace nibble
