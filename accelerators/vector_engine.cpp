// SPDX-License-Identifier: Apache-2.0
#include "accelerators/vector_engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/units.h"
#include "transport/messages.h"

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

std::uint64_t VectorEngine::Chunks::begin(std::uint64_t total, std::uint64_t chunk) const {
  if (chunk >= count) return total;
  __extension__ using Both = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Both>(total) * chunk * chunk_elements / elements);
}

/// Timing only. Both inputs of a chunk fill the unit's share of half of the activation buffer at most, its output that
/// of half of the output buffer; a chunk is whole turns of the lanes, unless it is less than one.
VectorEngine::Chunks VectorEngine::chunks_of(const Descriptor& command) const {
  const auto pieces = [this](std::uint64_t bytes, std::uint64_t half) {
    return ceil_div(bytes, std::max<std::uint64_t>(1, config_.vector_share_of(half)));
  };
  const std::uint64_t least =
      std::max(pieces(command.input_bytes[0] + command.input_bytes[1], config_.vector_input_bytes()),
               pieces(command.output_bytes, config_.vector_output_bytes()));
  const std::uint64_t most = std::max<std::uint64_t>(1, command.elements / least);
  Chunks chunks;
  chunks.elements = command.elements;
  chunks.chunk_elements = least == 1                         ? command.elements
                          : most < config_.vector_unit.lanes ? most
                                                             : round_down(most, config_.vector_unit.lanes);
  chunks.count = ceil_div(chunks.elements, chunks.chunk_elements);
  return chunks;
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
  const Chunks chunks = chunks_of(command);
  const std::uint64_t first = command.a.on_chip ? 0 : command.input_bytes[0];
  const std::uint64_t second = command.w.on_chip ? 0 : command.input_bytes[1];
  use.scores = command.a.on_chip || command.w.on_chip || command.c.on_chip;
  use.activation_bytes = 2 * (chunks.most(first) + chunks.most(second));
  use.output_bytes = command.c.on_chip ? 0 : 2 * chunks.most(command.output_bytes);
  return use;
}

void VectorEngine::load(const Progress& progress, std::uint64_t chunk, unsigned half) {
  const Descriptor& command = progress.command;
  CommandCounters& counters = progress.counters;
  if (data_) {
    load_data(chunk, counters);
    return;
  }
  for (unsigned input = 0; input < command.inputs; ++input) {
    const std::uint64_t begin = progress.chunks.begin(command.input_bytes[input], chunk);
    const std::uint64_t bytes = progress.chunks.bytes(command.input_bytes[input], chunk);
    if (bytes == 0) continue;
    count_load(command, input, bytes, counters);
    const OperandDescriptor& operand = input == 0 ? command.a : command.w;
    if (!operand.on_chip)
      load_runs(half, {{operand.address + begin, bytes, 1, bytes, false}}, nullptr, stream_of(operand));
  }
}

/// `bytes` of an input come through the activation buffer, or lie there.
void VectorEngine::count_load(const Descriptor& command, unsigned input, std::uint64_t bytes,
                              CommandCounters& counters) {
  const OperandDescriptor& operand = input == 0 ? command.a : command.w;
  counters.activation_buffer_read += bytes;
  if (operand.on_chip) return;
  counters.read_bytes[static_cast<unsigned>(stream_of(operand))] += bytes;
  counters.activation_buffer_write += bytes;
}

std::uint64_t VectorEngine::elements_of(const Progress& progress, std::uint64_t chunk) const {
  return data_ ? data_->elements(chunk) : progress.chunks.bytes(progress.command.elements, chunk);
}

std::uint64_t VectorEngine::operations_of(const Progress& progress, std::uint64_t elements) const {
  const double operations = config_.vector_unit.operations_per_element[progress.command.function];
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(elements) * operations));
}

void VectorEngine::count_work(Progress& progress, std::uint64_t elements) const {
  CommandCounters& counters = progress.counters;
  counters.vector_operations += operations_of(progress, elements);
  if (progress.quantizes) counters.quantized_elements += elements;
  ++counters.jobs;
}

std::uint64_t VectorEngine::quantizer_latency(const Progress& progress) const {
  return progress.quantizes ? config_.quantizer.pipeline_cycles + 1 : 0;
}

void VectorEngine::load_data(std::uint64_t chunk, CommandCounters& counters) {
  for (unsigned input = 0; input < VectorData::inputs; ++input) {
    const std::vector<MemoryRun> runs = data_->loads(chunk, input);
    count_runs(runs, data_->stream(input), counters);
    load_runs(chunk % 2, runs, &halves_[chunk % 2].bytes[input], data_->stream(input));
  }
}

void VectorEngine::count_runs(const std::vector<MemoryRun>& runs, Stream stream, CommandCounters& counters) {
  for (const MemoryRun& run : runs) {
    counters.read_bytes[static_cast<unsigned>(stream)] += run.bytes();
    counters.activation_buffer_write += run.bytes();
    counters.activation_buffer_read += run.bytes();
  }
}

/// `bytes` takes the contents of the runs, one after the other.
void VectorEngine::load_runs(unsigned half, const std::vector<MemoryRun>& runs, std::vector<std::uint8_t>* bytes,
                             Stream stream) {
  std::uint64_t total = 0, at = 0;
  for (const MemoryRun& run : runs)
    total += run.bytes();
  if (bytes != nullptr) bytes->resize(total);
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
  count_runs(runs, Stream::vector, counters);
  load_runs(0, runs, &half.bytes[2], Stream::vector);
  while (half.pending > 0)
    sc_core::wait(changed_);
  if (!failed_) bad_operand_ = !data_->take_tokens(half.bytes[2]);
  counters.memory_stall(Stream::vector, half.ready_cycle - begin);
  return half.ready_cycle;
}

/// Where the results of the chunk go, and with data their bytes.
ValueRecord::Update VectorEngine::result(const Progress& progress) {
  const Descriptor& command = progress.command;
  if (!data_) {
    const std::uint64_t begin = progress.chunks.begin(command.output_bytes, progress.chunk());
    const std::uint64_t bytes = progress.chunks.bytes(command.output_bytes, progress.chunk());
    if (bytes == 0) return {};
    return {{{command.c.address + begin, bytes, 1, bytes, false}}, {}};
  }
  try {
    return data_->compute(progress.position, halves_[progress.position % 2].bytes, progress.counters);
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

/// Waits for the operands of the chunk. False: the command is to stop.
bool VectorEngine::wait_for_operands(Progress& progress) {
  const Half& half = halves_[progress.position % 2];
  while (half.pending > 0 && !stopped(progress))
    sc_core::wait(changed_);
  if (stopped(progress)) return false;
  const std::uint64_t start = std::max(progress.end, half.ready_cycle);
  progress.counters.memory_stall(half.last_stream, start - progress.end);
  progress.end = start;
  return true;
}

/// The chunk passes lanes, quantizer and ports.
void VectorEngine::compute(Progress& progress) {
  const Descriptor& command = progress.command;
  CommandCounters& counters = progress.counters;
  const std::uint64_t chunk = progress.chunk();
  const std::uint64_t elements = elements_of(progress, chunk);
  // Results of a group enter the quantizer no faster than it encodes groups.
  const std::uint64_t vector_cycles = ceil_div(operations_of(progress, elements), config_.vector_unit.lanes);
  const std::uint64_t quantizer_cycles =
      progress.quantizes ? ceil_div(elements, config_.quantizer.elements_per_cycle) : 0;
  // What lies on chip comes through the buffer's port.
  const std::uint64_t bytes = progress.chunks.bytes(command.input_bytes[0], chunk);
  const std::uint64_t port_cycles = command.a.on_chip ? ceil_div(bytes, config_.score_port_bytes()) : 0;
  tell(message::vector, sc_core::SC_HIGH, nullptr, [&] {
    return "chunk " + std::to_string(chunk) + " of " + std::to_string(progress.chunks.count) + ", " +
           std::to_string(elements) + " elements, cycle " + std::to_string(progress.end);
  });
  const std::uint64_t busy = std::max(vector_cycles, quantizer_cycles);
  const std::uint64_t taken = std::max(busy, port_cycles);
  counters.spend(Cause::compute, vector_cycles);
  counters.spend(Cause::quantizer, busy - vector_cycles);
  counters.memory_stall(Stream::vector, taken - busy);
  counters.still_beside(clock_.now());
  if (progress.quantizes) counters.quantizing(elements, progress.end, progress.end + quantizer_cycles);
  count_work(progress, elements);
  progress.end += taken;
  clock_.wait_until(progress.end);
}

/// Results wait in the other half of the output buffer: at most one chunk is still leaving.
void VectorEngine::hand_over(Progress& progress) {
  const Descriptor& command = progress.command;
  CommandCounters& counters = progress.counters;
  while (writer_.outstanding() > 1)
    sc_core::wait(writer_.changed());
  const std::uint64_t now = std::max(clock_.now(), progress.end);
  counters.output_stall(writer_.last_stream(), now - progress.end);
  progress.end = now;
  const std::uint64_t cycle = now + config_.vector_unit.latency_cycles + quantizer_latency(progress);
  ValueRecord::Update update = result(progress);
  if (update.runs.empty()) return;
  if (command.c.on_chip) {
    // In place, through the other port.
    const std::uint64_t bytes = update.runs.front().row_bytes;
    counters.activation_buffer_write += bytes;
    writer_.release(writer_.announce_on_chip(ceil_div(bytes, config_.score_port_bytes()), Stream::vector), cycle, {});
    return;
  }
  for (const MemoryRun& run : update.runs) {
    counters.output_buffer_write += run.bytes();
    counters.output_buffer_read += run.bytes();
  }
  writer_.write(cycle, std::move(update.runs), std::move(update.bytes), stream_of(command.c));
}

/// What is known to repeat itself is counted, chunk by chunk, and left out. The operands of this chunk and the next one
/// are here or on their way.
void VectorEngine::repeat(Progress& progress, EqualStretches& stretches) {
  if (stretches.ended()) return;
  if (!neighbours_->alone()) {
    stretches.interrupt(progress.position);
    return;
  }
  CommandCounters& counters = progress.counters;
  const std::uint64_t first = progress.position + 2;
  const std::uint64_t ahead = progress.chunks.count > first ? progress.chunks.count - first - 1 : 0;
  const auto stretch = stretches.enter(progress.position, {progress.end}, counters);
  if (!stretch) return;
  const std::uint64_t times = ahead / stretch->units,
                      compute = counters.compute_cycles - stretch->before.compute_cycles;
  const std::uint64_t units = times * stretch->units;
  counters.repeat_cycles_since(stretch->before, times * stretch->cycles, times * compute);
  const std::uint64_t reads = counters.total_read_bytes(), writes = counters.total_write_bytes();
  const Descriptor& command = progress.command;
  for (std::uint64_t chunk = first; chunk < first + units; ++chunk) {
    for (unsigned input = 0; input < command.inputs; ++input)
      count_load(command, input, progress.chunks.bytes(command.input_bytes[input], chunk), counters);
    const std::uint64_t bytes = progress.chunks.bytes(command.output_bytes, chunk);
    if (command.c.on_chip) {
      counters.activation_buffer_write += bytes;
    } else {
      counters.write_bytes[static_cast<unsigned>(stream_of(command.c))] += bytes;
      counters.output_buffer_write += bytes;
      counters.output_buffer_read += bytes;
    }
    count_work(progress, elements_of(progress, chunk));
  }
  counters.repeated_read_bytes = counters.total_read_bytes() - reads;
  counters.repeated_write_bytes = counters.total_write_bytes() - writes;
  progress.left_out = units;
  progress.left_out_from = first;
}

CommandStatus VectorEngine::run(const Descriptor& command, CommandCounters& counters, const bool& abort) {
  writer_.start(counters);
  failed_ = bad_operand_ = false;
  halves_ = {};
  data_.reset();
  if (!command.timing_only) data_.emplace(config_, command);
  Progress progress{command, counters, abort, data_ ? Chunks{data_->chunks()} : chunks_of(command)};
  progress.quantizes = !is_plain(command.c.format);
  progress.end = data_ ? load_tokens(clock_.now(), counters) : clock_.now();
  EqualStretches stretches(repeat_stretches_ && !data_ && config_.fidelity == Fidelity::transaction);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(progress.chunks.count, 2) && !stopped(progress); ++i)
    load(progress, i, i % 2);
  for (; progress.chunk() < progress.chunks.count && !stopped(progress); ++progress.position) {
    if (!wait_for_operands(progress)) break;
    repeat(progress, stretches);
    compute(progress);
    hand_over(progress);
    const std::uint64_t next = progress.chunk_at(progress.position + 2);
    if (next < progress.chunks.count) load(progress, next, progress.position % 2);
  }
  drain(progress);
  if (bad_operand_) return CommandStatus::bad_operand;
  return failed_ || writer_.failed() ? CommandStatus::bus_error : CommandStatus::done;
}

void VectorEngine::drain(Progress& progress) {
  CommandCounters& counters = progress.counters;
  if (stopped(progress)) writer_.cancel();
  while (in_flight_ > 0)
    sc_core::wait(changed_);
  const std::uint64_t drained = progress.end + config_.vector_unit.latency_cycles;
  const std::uint64_t encoded = drained + quantizer_latency(progress);
  counters.spend(Cause::fill_drain, drained - progress.end);
  counters.spend(Cause::quantizer, encoded - drained);
  clock_.wait_until(encoded);
  while (writer_.outstanding() > 0)
    sc_core::wait(writer_.changed());
  const std::uint64_t now = std::max(clock_.now(), encoded);
  clock_.wait_until(now);
  counters.output_stall(writer_.last_stream(), now - encoded);
}

}  // namespace nibble
