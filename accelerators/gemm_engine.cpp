// SPDX-License-Identifier: Apache-2.0
#include "accelerators/gemm_engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "accelerators/vector_view.h"
#include "core/error.h"
#include "core/units.h"
#include "transport/messages.h"

namespace nibble {
namespace {

/// A result that does not pass the quantizer.
bool is_plain(const Format& format) {
  return format.grouping == Grouping::none;
}

/// Parts of W that the command has: 1 or more.
std::size_t segment_count(const Descriptor& command) {
  std::size_t count = 1;
  while (count <= continuation_count && segment_extent(command, count) > 0)
    ++count;
  return count;
}

}  // namespace

GemmEngine::GemmEngine(const SystolicConfig& config, DmaEngine& dma, ResultWriter& writer, const MachineClock& clock)
    : config_(config), writer_(writer), clock_(clock), loader_(dma, writer, clock) {}

std::uint64_t GemmEngine::output_tile_bytes(const Descriptor& command) const {
  std::uint64_t per_element = 0;
  for (std::size_t i = 0; i < segment_count(command); ++i) {
    per_element = std::max(per_element, config_.accumulator_bytes(command.a.format, weight_segment(command, i).format));
  }
  return std::min(command.tiling.m, std::uint64_t{command.m}) * std::min(command.tiling.n, std::uint64_t{command.n}) *
         per_element;
}

/// What array and PE make of one part of W.
SegmentPlan GemmEngine::plan(const Descriptor& command, std::size_t segment) const {
  const Format& activations = command.a.format;
  const Format weights = weight_segment(command, segment).format;
  SegmentPlan plan;
  plan.mode = mode_index(*config_.pe, activations, weights);
  plan.array = config_.array_for(activations, weights);
  plan.sum_extent = sum_extent(activations, weights);
  plan.scaled_at_the_end =
      command.tiling.k < segment_extent(command, segment) && config_.scales_at_the_end(activations, weights);
  return plan;
}

CommandStatus GemmEngine::check_formats(const Descriptor& command) const {
  if (command.options.accumulate_fp32 && !config_.pe->has_option("accumulate")) return CommandStatus::bad_format;
  if (command.options.product_fp16 && !config_.pe->has_option("product")) return CommandStatus::bad_format;
  const unsigned aligned = command.options.aligned_bits;
  if (aligned != 0 && (aligned < 4 || !config_.pe->has_option("aligned_bits"))) return CommandStatus::bad_format;
  const std::size_t segments = segment_count(command);
  for (std::size_t i = 0; i < segments; ++i) {
    const Format weights = weight_segment(command, i).format;
    if (!config_.pe->supports(command.a.format, weights)) return CommandStatus::bad_format;
    if (segments > 1 && config_.scales_at_the_end(command.a.format, weights)) return CommandStatus::bad_format;
  }
  const FormatFamily result = command.c.format.family;
  const bool produced =
      result == FormatFamily::fp16 || result == FormatFamily::fp32 || config_.encodes(command.c.format);
  return produced ? CommandStatus::pending : CommandStatus::bad_format;
}

CommandStatus GemmEngine::check_shapes(const Descriptor& command) const {
  const Tiling& tiling = command.tiling;
  if (command.rows_per_token == 0 || tiling.m == 0 || tiling.k == 0 || tiling.n == 0) return CommandStatus::bad_shape;
  try {
    GemmShape shape = shape_of(command);
    check_shape(shape);
    shape.k = reduction_of(command);
    check_shape(shape);
  } catch (const InputError&) {
    return CommandStatus::bad_shape;
  }
  for (const auto* operand : {&command.a, &command.w, &command.c}) {
    if (operand->block_rows == 0) return CommandStatus::bad_shape;
  }
  if (command.a.arrangement != Arrangement::rows) return CommandStatus::bad_shape;
  if (command.a.rows < command.m || command.a.columns < reduction_of(command)) return CommandStatus::bad_shape;
  if (command.w.rows < command.n || command.w.columns < command.k) return CommandStatus::bad_shape;
  if (command.stream_bytes == 0 && !holds_results(command)) return CommandStatus::bad_shape;
  for (std::size_t i = 0; i < segment_count(command); ++i) {
    if (!is_weight_arrangement(weight_segment(command, i))) return CommandStatus::bad_shape;
  }
  return check_tiles(command);
}

/// Tiles and parts of W cut no group: of the operands along k, of the output along n.
CommandStatus GemmEngine::check_tiles(const Descriptor& command) const {
  const Tiling& tiling = command.tiling;
  const std::uint64_t group = command.a.layout(0).group;
  const std::size_t segments = segment_count(command);
  for (std::size_t i = 0; i < continuation_count; ++i) {
    if (i + 1 >= segments && command.continuations[i].k != 0) return CommandStatus::bad_shape;  // behind a gap
  }
  for (std::size_t i = 0; i < segments; ++i) {
    const std::uint64_t extent = segment_extent(command, i);
    const std::uint64_t own = weight_segment(command, i).layout(0).group;
    if (tiling.k < extent && (tiling.k % group != 0 || tiling.k % own != 0)) return CommandStatus::bad_shape;
    if (i + 1 < segments && extent % group != 0) return CommandStatus::bad_shape;
    const bool spills = tiling.order != LoopOrder::mnk && tiling.order != LoopOrder::nmk &&
                        (tiling.m < command.m || tiling.n < command.n);
    const SegmentPlan part = plan(command, i);
    if (part.scaled_at_the_end && spills) return CommandStatus::bad_shape;
    // Sums that stay in the PEs: a reduction in several jobs takes the outputs of one pass at a time, k innermost.
    const bool several_jobs = tiling.k < extent || segments > 1;
    const bool one_pass = std::min<std::uint64_t>(tiling.m, command.m) <= part.array.pass_m() &&
                          std::min<std::uint64_t>(tiling.n, command.n) <= part.array.pass_n();
    if (part.array.dataflow == Dataflow::output_stationary && several_jobs && (!one_pass || spills))
      return CommandStatus::bad_shape;
  }
  if (command.stream_bytes != 0) return CommandStatus::pending;
  if (!command.c.on_chip && !writes_whole_bytes(command)) return CommandStatus::bad_shape;
  if (command.n <= tiling.n) return CommandStatus::pending;
  // Stores write whole blocks of columns; a channel's scale needs all of its row.
  const bool whole_rows = !is_plain(command.c.format) && command.c.format.grouping != Grouping::group;
  return whole_rows || tiling.n % command.c.layout(0).group != 0 ? CommandStatus::bad_shape : CommandStatus::pending;
}

CommandStatus GemmEngine::check(const Descriptor& command) const {
  const CommandStatus formats = check_formats(command);
  if (formats != CommandStatus::pending) return formats;
  const CommandStatus shapes = check_shapes(command);
  if (shapes != CommandStatus::pending) return shapes;
  if (!command.timing_only && command.stream_bytes != 0) return CommandStatus::no_data_path;
  const std::uint64_t m = std::min(command.tiling.m, std::uint64_t{command.m});
  const std::uint64_t n = std::min(command.tiling.n, std::uint64_t{command.n});
  const bool on_chip = command.a.on_chip || command.c.on_chip;
  if (command.w.on_chip || (on_chip && (!command.timing_only || command.stream_bytes != 0)))
    return CommandStatus::no_data_path;
  bool fits = output_tile_bytes(command) <= config_.buffers.output_bytes;
  for (const OperandDescriptor* operand : {&command.a, &command.c}) {
    const std::uint64_t bytes = operand->layout(0).bytes() * command.count;
    fits = fits &&
           (!operand->on_chip || (bytes <= config_.score_bytes() && operand->address <= config_.score_bytes() - bytes));
  }
  const std::uint64_t room = config_.buffers.activation_bytes - (on_chip ? config_.score_bytes() : 0);
  for (std::size_t i = 0; i < segment_count(command); ++i) {
    const std::uint64_t k = std::min(command.tiling.k, segment_extent(command, i));
    fits = fits && (command.a.on_chip || command.a.layout(0).tile_bytes(m, 0, k) <= room / 2) &&
           weight_segment(command, i).tile_bytes(n, 0, k) <= config_.buffers.weight_bytes / 2;
  }
  return fits ? CommandStatus::pending : CommandStatus::tile_too_large;
}

bool GemmEngine::waits_for_quantizer(const Descriptor& command) const {
  return !config_.quantizer.overlap && !is_plain(command.c.format);
}

std::uint64_t GemmEngine::quantizer_latency(const Descriptor& command) const {
  return is_plain(command.c.format) ? 0 : config_.quantizer.pipeline_cycles + 1;
}

CommandStatus GemmEngine::run(const Descriptor& command, CommandCounters& counters, const bool& abort) {
  GemmProgress progress(command, counters, abort);
  progress.begin = progress.end = progress.result = clock_.now();
  progress.elements_total = static_cast<std::uint64_t>(command.m) * command.n * command.count;
  for (std::size_t i = 0; i < segment_count(command); ++i)
    progress.segments[i] = plan(command, i);
  tile_bytes_ = output_tile_bytes(command);
  writer_.start(counters);
  loader_.start(command, output_tiles(), counters);
  if (config_.fidelity == Fidelity::transaction) {
    run_transaction(progress);
  } else {
    run_cycle(progress);
  }
  drain(progress);
  if (progress.bad_operand) return CommandStatus::bad_operand;
  return loader_.failed() || writer_.failed() ? CommandStatus::bus_error : CommandStatus::done;
}

void GemmEngine::run_transaction(GemmProgress& progress) {
  ArrayTimeline timeline(progress.begin);
  EqualStretches stretches(repeat_stretches_);
  while (wait_for_operands(progress)) {
    const LoadedJob job = *loader_.front();
    if (stretches.ended() || neighbours_ == nullptr || neighbours_->alone()) {
      if (const auto stretch = stretches.enter(job.job, progress, loader_.schedule())) {
        leave_out(progress, *stretch);
        stretches.again();
      }
    } else {
      stretches.interrupt(loader_.schedule().unit_of(job.job));
    }
    const ArrayPasses passes = passes_of(progress, job);
    const std::uint64_t operands = std::max(loader_.ready_cycle(job), progress.begin);
    const ArrayInterval interval =
        timeline.place(progress.segments[job.segment].array, passes, operands, job.job.last_k);
    account_interval(progress, job, interval);
    count_job(progress, job, passes);
    quantize(progress, job, interval);
    if (!progress.command.timing_only) compute(progress, job);

    progress.started = true;
    progress.end = interval.end;
    progress.result = timeline.result();
    clock_.wait_until(interval.end);
    const auto store = announce(progress, job.job);
    if (store) release(progress, *store, job.job, &progress.accumulators, interval.result);
    while (lacks_room(progress, job.job, store ? 1 : 0))
      sc_core::wait(writer_.changed());
    output_stall(progress);
    if (job.job.last_k && waits_for_quantizer(progress.command)) quantizer_tail(progress);
    timeline.hold(progress.end);
    loader_.finish_front();
    if (stopped(progress)) return;
  }
}

/// The cycles up to the end of a job by cause: a load that nothing hides is fill, every wait beyond it is memory's.
void GemmEngine::account_interval(GemmProgress& progress, const LoadedJob& job, const ArrayInterval& interval) const {
  CommandCounters& counters = progress.counters;
  tell(message::array, sc_core::SC_HIGH, nullptr, [&] {
    const TileJob& tile = job.job;
    return "instance " + std::to_string(tile.instance) + ", tile m " + std::to_string(tile.m0) + " + " +
           std::to_string(tile.m) + ", k " + std::to_string(tile.k0) + " + " + std::to_string(tile.k) + ", n " +
           std::to_string(tile.n0) + " + " + std::to_string(tile.n) + ": cycles " + std::to_string(interval.start) +
           " to " + std::to_string(interval.end);
  });
  const std::uint64_t memory_stall = interval.start - progress.end - interval.structural;
  const std::uint64_t between_passes = interval.end - interval.start - interval.compute;
  counters.memory_stall(loader_.last_stream(job), memory_stall);
  counters.spend(progress.started ? Cause::weight_load : Cause::fill_drain, interval.structural);
  counters.spend(Cause::compute, interval.compute);
  counters.spend(Cause::weight_load, between_passes);
  counters.still_beside(clock_.now());
}

void GemmEngine::run_cycle(GemmProgress& progress) {
  const std::unique_ptr<CycleController> controller = CycleController::make(config_, loader_, progress);
  std::uint64_t now = clock_.now();
  const auto next_edge = [&] {
    clock_.wait_until(++now);
    for (auto& finished = controller->finished(); !finished.empty(); finished.pop_front()) {
      const ArrayJob& job = *finished.front();
      progress.result = std::max(progress.result, job.result_edge);
      const std::vector<float> accumulators = job.store ? job.accumulators() : std::vector<float>{};
      if (job.store) release(progress, *job.store, job.loaded.job, &accumulators, job.result_edge);
    }
  };
  while (!stopped(progress) && (!loader_.finished() || controller->unfinished() > 0)) {
    settle(now, [this] {
      if (loader_.front() == nullptr) loader_.retry();
      return false;
    });
    if (controller->step(now, false)) {
      ArrayJob& streamed = controller->streamed();
      const LoadedJob job = streamed.loaded;
      clock_.wait_until(now + 1);
      account_interval(progress, job, streamed.interval);
      count_job(progress, job, streamed.passes);
      quantize(progress, job, streamed.interval);
      progress.started = true;
      progress.end = streamed.interval.end;
      const bool stores = (streamed.store = announce(progress, job.job)).has_value();
      next_edge();
      const auto has_room = [&] { return !lacks_room(progress, job.job, stores ? 1 : 0); };
      while (!settle(now, has_room)) {
        controller->step(now, true);
        next_edge();
      }
      output_stall(progress);
      loader_.finish_front();
      controller->gave_back_front();
    } else {
      next_edge();
    }
  }
}

/// Waits at `edge` until `done`, which is asked again whenever a store completes at the edge itself, or into the cycle
/// that begins there. Then everything that memory answers up to the edge has arrived. False: not done by then.
bool GemmEngine::settle(std::uint64_t edge, const std::function<bool()>& done) {
  const sc_core::sc_time half_period = sc_core::sc_time::from_value(clock_.period().value() / 2);
  while (!done()) {
    sc_core::wait(half_period, writer_.changed());
    if (sc_core::sc_time_stamp() > clock_.at(edge)) return false;
  }
  return true;
}

/// False when no job is left, or the command is to stop.
bool GemmEngine::wait_for_operands(const GemmProgress& progress) {
  while (loader_.front() == nullptr && !loader_.finished() && !stopped(progress)) {
    if (writer_.outstanding() > 0) sc_core::wait(writer_.changed());
    clock_.wait_until(clock_.now());
    loader_.retry();
  }
  while (loader_.front() != nullptr && !loader_.ready(*loader_.front()) && !stopped(progress))
    sc_core::wait(loader_.changed());
  return loader_.front() != nullptr && !stopped(progress);
}

/// The output buffer holds output_tiles() tiles: unless it is the last, a job does not give back its operands before an
/// earlier tile has made room. `own_stores`: of the job itself, already announced.
bool GemmEngine::lacks_room(const GemmProgress& progress, const TileJob& job, std::uint64_t own_stores) const {
  return !job.last && !stopped(progress) && writer_.outstanding() >= output_tiles() + own_stores;
}

/// Tiles of the output that its buffer holds; a vector command beside this one takes some of it.
std::uint64_t GemmEngine::output_tiles() const {
  const std::uint64_t taken = neighbours_ == nullptr ? 0 : neighbours_->output_bytes;
  return std::max<std::uint64_t>(1, (config_.buffers.output_bytes - taken) / tile_bytes_);
}

BufferUse GemmEngine::buffer_use(const Descriptor& command) const {
  BufferUse use;
  use.scores = command.a.on_chip || command.c.on_chip;
  const std::uint64_t m = std::min(command.tiling.m, std::uint64_t{command.m});
  std::uint64_t tile = 0;
  for (std::size_t i = 0; i < segment_count(command) && !command.a.on_chip; ++i)
    tile = std::max(tile, command.a.layout(0).tile_bytes(m, 0, std::min(command.tiling.k, segment_extent(command, i))));
  use.activation_bytes = 2 * tile;
  // Partial sums that are spilled and read back come and go in all of the output buffer.
  const bool spills =
      command.tiling.k < command.k && command.tiling.order != LoopOrder::mnk && command.tiling.order != LoopOrder::nmk;
  use.output_bytes = spills ? config_.buffers.output_bytes : output_tile_bytes(command);
  return use;
}

/// Called when there is room: continues at the next edge. What is in the array and the loading of weights went on.
void GemmEngine::output_stall(GemmProgress& progress) {
  const std::uint64_t now = clock_.now();
  clock_.wait_until(now);
  if (now <= progress.end) return;
  progress.counters.output_stall(writer_.last_stream(), now - progress.end);
  progress.end = now;
}

ArrayPasses GemmEngine::passes_of(const GemmProgress& progress, const LoadedJob& loaded) {
  const SegmentPlan& plan = progress.segments[loaded.segment];
  return {loaded.job.m, loaded.job.k, loaded.job.n, plan.array, plan.sum_extent};
}

void GemmEngine::count_job(const GemmProgress& progress, const LoadedJob& loaded, const ArrayPasses& passes) const {
  CommandCounters& counters = progress.counters;
  const Descriptor& command = progress.command;
  const TileJob& job = loaded.job;
  const SegmentPlan& plan = progress.segments[loaded.segment];
  // A sum over the whole reduction is scaled once, with the last of it.
  const std::uint64_t groups = plan.sum_extent != 0 ? ceil_div(job.k, plan.sum_extent) : job.last_k ? 1 : 0;
  ++counters.jobs;
  counters.passes += passes.count();
  counters.macs_by_mode.at(plan.mode) += job.m * job.k * job.n;
  counters.pe_cycles += pe_cycles(job.m, job.k, job.n, plan.array, plan.sum_extent);
  counters.group_results += job.m * job.n * groups;
  // An operand is read again for every block of outputs that its tile meets.
  counters.weight_buffer_read +=
      passes.row_blocks() * weight_segment(command, loaded.segment).tile_bytes(job.n, loaded.weight_k0, job.k);
  counters.activation_buffer_read += passes.column_blocks() * command.a.layout(0).tile_bytes(job.m, job.k0, job.k);
  const std::uint64_t tile_bytes = job.m * job.n * config_.buffers.accumulator_bytes;
  const bool stay = plan.array.dataflow == Dataflow::output_stationary;
  counters.output_buffer_write += tile_bytes * (stay ? (job.last_k ? 1 : 0) : passes.per_output());
  if (!stay) counters.output_buffer_read += tile_bytes * (passes.per_output() - (job.first_k ? 1 : 0));
  if (job.last_k || job.spill) counters.output_buffer_read += tile_bytes;
  if (job.last_k && !is_plain(command.c.format)) counters.quantized_elements += job.m * job.n;
}

/// Tells who watches when the quantizer encodes the results of the job.
void GemmEngine::quantize(const GemmProgress& progress, const LoadedJob& loaded, const ArrayInterval& interval) const {
  const TileJob& job = loaded.job;
  if (!job.last_k || is_plain(progress.command.c.format)) return;
  // Sums that move come out while their rows pass, so many cycles later; those that stay, when all are complete.
  const bool stay = progress.segments[loaded.segment].array.dataflow == Dataflow::output_stationary;
  const std::uint64_t result = std::max(interval.result, interval.end);
  const std::uint64_t first = stay ? interval.end : interval.start + (result - interval.end);
  progress.counters.quantizing(job.m * job.n, first, result + quantizer_latency(progress.command));
}

void GemmEngine::compute(GemmProgress& progress, const LoadedJob& loaded) {
  const TileJob& job = loaded.job;
  auto& accumulators = progress.accumulators;
  if (job.refill) {
    accumulators.resize(job.m * job.n);
    std::memcpy(accumulators.data(), loader_.refill_bytes(loaded).data(), accumulators.size() * sizeof(float));
  } else if (job.first_k) {
    accumulators.assign(job.m * job.n, 0.0f);
    progress.activation_parts.clear();
    progress.weight_parts.clear();
  }
  const QuantizedTensor& activation = loader_.activation(loaded);
  const QuantizedTensor& weight = loader_.weight(loaded);
  if (!is_encoding(activation) || !is_encoding(weight)) {
    progress.bad_operand = true;
    return;
  }
  if (!progress.segments[loaded.segment].scaled_at_the_end) {
    multiply(progress, activation, weight);
    return;
  }
  progress.activation_parts.push_back(activation);
  progress.weight_parts.push_back(weight);
  if (job.last_k) multiply(progress, join_tiles(progress.activation_parts), join_tiles(progress.weight_parts));
}

/// Continues the output tile by the PE's own function.
void GemmEngine::multiply(GemmProgress& progress, const QuantizedTensor& activation, const QuantizedTensor& weight) {
  try {
    gemm_tile(*config_.pe, activation, weight, whole_gemm(activation, weight), progress.accumulators.data(),
              weight.rows(), progress.command.options);
  } catch (const InputError&) {
    progress.bad_operand = true;  // a weight that overflows where it is dequantized
  }
}

/// What a finished tile, or the partial sums of one, will write. nullopt: nothing.
std::optional<GemmEngine::Store> GemmEngine::store_of(GemmProgress& progress, const TileJob& job) const {
  const Descriptor& command = progress.command;
  if (job.spill) return Store{{partial_sum_run(command, job)}, Stream::partial_sum, 0};
  if (!job.last_k) return std::nullopt;
  progress.elements_done += job.m * job.n;
  const Stream stream = progress.result_stream();
  if (command.c.on_chip) {
    // To the activation buffer, through its port.
    const std::uint64_t bytes = command.c.layout(0).tile_bytes(job.m, job.n0, job.n);
    progress.counters.activation_buffer_write += bytes;
    return Store{{}, stream, ceil_div(bytes, config_.score_port_bytes())};
  }
  if (command.stream_bytes == 0)
    return Store{result_runs(command, job.instance, {job.m0, job.m, job.n0, job.n}), stream, 0};
  const std::uint64_t share = progress.stream_share();
  MemoryRun run;
  run.address = command.c.address + progress.stream_written;
  run.row_bytes = run.stride = share - progress.stream_written;
  progress.stream_written = share;
  if (run.row_bytes == 0) return std::nullopt;
  return Store{{run}, stream, 0};
}

/// Takes its place among the stores. nullopt: it writes nothing.
std::optional<std::uint64_t> GemmEngine::announce(GemmProgress& progress, const TileJob& job) {
  auto store = store_of(progress, job);
  if (!store) return std::nullopt;
  if (store->port_cycles > 0) return writer_.announce_on_chip(store->port_cycles, store->stream);
  return writer_.announce(std::move(store->runs), store->stream);
}

std::vector<std::uint8_t> GemmEngine::result_bytes(GemmProgress& progress, const TileJob& job,
                                                   const std::vector<float>& accumulators) {
  const Descriptor& command = progress.command;
  try {
    return encode_results(command, job.instance, {job.m0, job.m, job.n0, job.n}, accumulators, progress.counters);
  } catch (const InputError&) {
    progress.bad_operand = true;  // the write is not worth its bytes; the status says why
    std::vector<std::uint8_t> nothing;
    for (const MemoryRun& run : result_runs(command, job.instance, {job.m0, job.m, job.n0, job.n}))
      nothing.resize(nothing.size() + run.bytes());
    return nothing;
  }
}

/// The results of a job have left the array: its store goes out.
void GemmEngine::release(GemmProgress& progress, std::uint64_t store, const TileJob& job,
                         const std::vector<float>* accumulators, std::uint64_t result_cycle) {
  const Descriptor& command = progress.command;
  std::vector<std::uint8_t> bytes;
  if (job.spill) {
    if (!command.timing_only) {
      bytes.resize(accumulators->size() * sizeof(float));
      std::memcpy(bytes.data(), accumulators->data(), bytes.size());
    }
    writer_.release(store, result_cycle, std::move(bytes));
    return;
  }
  if (!command.timing_only) {
    bytes = result_bytes(progress, job, *accumulators);
  }
  writer_.release(store, result_cycle + quantizer_latency(command), std::move(bytes));
}

/// The array waits until the last result so far has come out and is coded. A command that stops early may have waited
/// beyond it.
void GemmEngine::quantizer_tail(GemmProgress& progress) {
  const std::uint64_t drained = std::max(progress.result, progress.end);
  const std::uint64_t tail = std::max(progress.result + quantizer_latency(progress.command), drained);
  progress.counters.spend(Cause::fill_drain, drained - progress.end);
  progress.counters.spend(Cause::quantizer, tail - drained);
  clock_.wait_until(tail);
  progress.end = tail;
}

/// The end of a command: skew out, quantizer tail, last stores.
void GemmEngine::drain(GemmProgress& progress) {
  CommandCounters& counters = progress.counters;
  loader_.cancel();
  if (stopped(progress)) writer_.cancel();
  while (!loader_.quiet())
    sc_core::wait(loader_.changed());
  if (progress.started) quantizer_tail(progress);
  while (writer_.outstanding() > 0)
    sc_core::wait(writer_.changed());
  const std::uint64_t now = std::max(clock_.now(), progress.end);
  clock_.wait_until(now);
  counters.output_stall(writer_.last_stream(), now - progress.end);
  progress.end = now;
}

}  // namespace nibble
