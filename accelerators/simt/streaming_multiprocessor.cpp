// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/streaming_multiprocessor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "core/units.h"

namespace nibble {
namespace {

/// Slices at their measured pace.
class SliceMultiprocessor final : public StreamingMultiprocessor {
 public:
  SliceMultiprocessor(sc_core::sc_module_name name, const MultiprocessorConfig& config, const MachineClock& clock,
                      L2Cache& l2)
      : StreamingMultiprocessor(name, clock, l2, config.port_bytes_per_cycle),
        path_bytes_per_cycle_(config.pipeline.shared_bytes_per_cycle) {}

  void l2_answer(std::uint64_t token, std::uint64_t cycle, const std::vector<std::uint8_t>* data) override;
  MultiprocessorCycles cycles() const override { return cycles_; }
  SmCounters work() const override { return work_; }

 protected:
  void run_grid() override;

 private:
  /// A place for one thread block, and its copies.
  struct Place {
    std::vector<ThreadBlock> bundle;
    const ThreadBlock& block() const { return bundle.front(); }
    bool occupied() const { return !bundle.empty(); }
    std::uint64_t slice = 0;       ///< multiplied next
    std::uint64_t data_cycle = 0;  ///< its data are here
    std::uint64_t busy_until = 0;  ///< its last slice, or the thread block before it
    std::array<std::uint64_t, 2> bytes{};
    std::size_t last_operand = 0;  ///< of the two, the one that came last
    unsigned pending = 0;
    bool multiplied() const { return slice == block().slices; }
  };
  void take_thread_block(Place& place);
  void request(Place& place);
  void multiply(Place& place, std::uint64_t start);
  void finish(Place& place);
  unsigned active() const;
  std::uint64_t turnover() const;
  /// Earliest cycle in which the place's thread block goes on: its next slice, or its end.
  std::uint64_t next_step(const Place& place) const {
    return place.multiplied() ? place.busy_until
                              : std::max({place.data_cycle + timing_->single().lead, place.busy_until, unit_free_});
  }
  Place* earliest();

  const std::uint64_t path_bytes_per_cycle_;
  std::vector<Place> places_;
  std::uint64_t unit_free_ = 0;  ///< the tensor cores
  double fraction_ = 0;          ///< of a cycle that slices have taken beyond unit_free_
  std::uint64_t begin_ = 0;
  bool grid_empty_ = false;
  sc_core::sc_event answered_;
  MultiprocessorCycles cycles_;
  SmCounters work_;
};

void add_work(SmCounters& sum, const SmCounters& part, std::uint64_t times) {
  for (std::size_t i = 0; i < warp_operation_count; ++i)
    sum.instructions[i] += times * part.instructions[i];
  sum.register_reads += times * part.register_reads;
  sum.register_writes += times * part.register_writes;
  sum.shared_read_bytes += times * part.shared_read_bytes;
  sum.shared_written_bytes += times * part.shared_written_bytes;
  sum.shared_cycles += times * part.shared_cycles;
  sum.global_read_bytes += times * part.global_read_bytes;
  sum.global_written_bytes += times * part.global_written_bytes;
}

void SliceMultiprocessor::take_thread_block(Place& place) {
  if (grid_empty_ || cancelled_) return;
  std::vector<ThreadBlock> bundle = take_thread_blocks();
  grid_empty_ = bundle.empty();
  if (grid_empty_) return;
  place = {};
  place.bundle = std::move(bundle);
  place.busy_until = clock_.now();
  request(place);
}

void SliceMultiprocessor::request(Place& place) {
  place.pending = 2;
  place.data_cycle = 0;
  const auto index = static_cast<std::size_t>(&place - places_.data());
  for (const GlobalOperand operand : {GlobalOperand::a, GlobalOperand::w}) {
    const auto which = static_cast<std::size_t>(operand);
    place.bytes[which] = grid_->slice_bytes(place.block(), operand, place.slice);
    l2_.read(clock_.now(), grid_->segment(place.block(), operand, place.slice), place.bytes[which], *this,
             index * 2 + which);
    read_for_copies(place.bundle, operand, place.slice, place.bytes[which], clock_.now());
  }
}

void SliceMultiprocessor::l2_answer(std::uint64_t token, std::uint64_t cycle, const std::vector<std::uint8_t>* data) {
  Place& place = places_[token / 2];
  const auto operand = token % 2 == 0 ? GlobalOperand::a : GlobalOperand::w;
  // The warps' loads leave one after the other; KernelTiming::lead has that in it.
  const std::uint64_t bytes = place.bytes[token % 2];
  const std::uint64_t arrival = through_port(cycle, bytes, ceil_div(bytes, path_bytes_per_cycle_));
  if (arrival >= place.data_cycle) place.last_operand = token % 2;
  place.data_cycle = std::max(place.data_cycle, arrival);
  --place.pending;
  if (data != nullptr) grid_->deliver(place.block(), operand, place.slice, *data);
  answered_.notify(sc_core::SC_ZERO_TIME);
}

unsigned SliceMultiprocessor::active() const {
  const auto occupied = [](const Place& place) { return place.occupied(); };
  return static_cast<unsigned>(std::count_if(places_.begin(), places_.end(), occupied));
}

void SliceMultiprocessor::multiply(Place& place, std::uint64_t start) {
  const double length = timing_->slice(active()) + fraction_;
  const auto whole = static_cast<std::uint64_t>(std::floor(length));
  fraction_ = length - static_cast<double>(whole);
  if (start > unit_free_ && start == place.data_cycle + timing_->single().lead)
    cycles_.awaited[place.last_operand] += start - unit_free_;
  unit_free_ = start + whole;
  cycles_.multiply += timing_->single().multiply;
  const auto has_slice = [&place](const ThreadBlock& block) { return place.slice < block.slices; };
  const auto working = std::count_if(place.bundle.begin(), place.bundle.end(), has_slice);
  add_work(work_, timing_->single().per_slice, static_cast<std::uint64_t>(working));
  ++place.slice;
  if (place.multiplied()) {
    place.busy_until = unit_free_ + timing_->single().tail;
  } else {
    place.busy_until = unit_free_;
    request(place);
  }
}

void SliceMultiprocessor::finish(Place& place) {
  add_work(work_, timing_->single().per_block, place.bundle.size());
  work_.thread_blocks += place.bundle.size();
  finish_all(place.bundle);
  place.bundle.clear();
  take_thread_block(place);
  // Its prologue and the epilogue before it take turns with the others' slices.
  if (place.occupied()) unit_free_ = std::max(unit_free_, clock_.now()) + turnover();
}

std::uint64_t SliceMultiprocessor::turnover() const {
  return static_cast<std::uint64_t>(timing_->turnover(active()));
}

/// The place that can go on first; nullptr: all wait for data.
SliceMultiprocessor::Place* SliceMultiprocessor::earliest() {
  Place* first = nullptr;
  for (Place& place : places_) {
    if (!place.occupied() || (place.pending > 0 && !place.multiplied())) continue;
    if (place.multiplied() && !copies_served(place.bundle)) continue;
    if (first == nullptr || next_step(place) < next_step(*first)) first = &place;
  }
  return first;
}

void SliceMultiprocessor::run_grid() {
  begin_ = unit_free_ = clock_.now();
  fraction_ = 0;
  cycles_ = {};
  work_ = {};
  grid_empty_ = false;
  places_.assign(resident_, Place{});
  for (Place& place : places_) {
    take_thread_block(place);
    sc_core::wait(sc_core::SC_ZERO_TIME);  // every multiprocessor gets its first thread block, then its second
  }
  while (active() > 0 && !(cancelled_ && l2_.failed())) {
    Place* place = earliest();
    if (place == nullptr) {
      sc_core::wait(answered_ | copy_answered());
      continue;
    }
    const std::uint64_t step = next_step(*place);
    if (step > clock_.now()) {
      sc_core::wait(clock_.until(step), answered_);
    } else if (place->multiplied()) {
      finish(*place);
    } else {
      multiply(*place, step);
    }
  }
  cycles_.total = clock_.now() - begin_;
}

/// Warp by warp.
class WarpMultiprocessor final : public StreamingMultiprocessor, private GlobalMemoryPort {
 public:
  WarpMultiprocessor(sc_core::sc_module_name name, const MultiprocessorConfig& config, const MachineClock& clock,
                     L2Cache& l2)
      : StreamingMultiprocessor(name, clock, l2, config.port_bytes_per_cycle), config_(config) {}

  void l2_answer(std::uint64_t token, std::uint64_t cycle, const std::vector<std::uint8_t>* data) override;
  MultiprocessorCycles cycles() const override { return cycles_; }
  SmCounters work() const override;

 protected:
  void run_grid() override;

 private:
  struct Issued {
    std::uint64_t cycle = 0;
    GlobalAccess access;
    std::uint64_t ticket = 0;
  };
  void load(std::uint64_t cycle, const GlobalAccess& access, std::uint64_t ticket) override {
    issued_.push_back({cycle, access, ticket});
    pipeline_->interrupt();
  }
  void store(std::uint64_t, const GlobalAccess&) override {}  // results leave with the end of the thread block
  void send(const Issued& issued);
  void finish_thread_blocks();

  const MultiprocessorConfig config_;
  std::unique_ptr<SmPipeline> pipeline_;
  std::uint64_t begin_ = 0;
  std::deque<Issued> issued_;
  std::map<std::uint64_t, std::vector<ThreadBlock>> resident_blocks_;  ///< bundles by the id of their first
  std::uint64_t simulated_slices_ = 0, all_slices_ = 0;                ///< of the thread blocks begun, with copies
  std::map<std::uint64_t, Issued> loads_;                              ///< by ticket
  MultiprocessorCycles cycles_;
};

void WarpMultiprocessor::send(const Issued& issued) {
  clock_.wait_until(begin_ + issued.cycle);
  const std::vector<ThreadBlock>& bundle = resident_blocks_.at(issued.access.thread_block);
  const GlobalAccess& access = issued.access;
  loads_[issued.ticket] = issued;
  l2_.read(begin_ + issued.cycle, grid_->segment(bundle.front(), access.operand, access.slice), access.bytes, *this,
           issued.ticket);
  read_for_copies(bundle, access.operand, access.slice, access.bytes, begin_ + issued.cycle);
}

void WarpMultiprocessor::l2_answer(std::uint64_t token, std::uint64_t cycle, const std::vector<std::uint8_t>* data) {
  const auto load = loads_.find(token);
  const GlobalAccess access = load->second.access;
  loads_.erase(load);
  if (data != nullptr && access.operand != GlobalOperand::scales)
    grid_->deliver(resident_blocks_.at(access.thread_block).front(), access.operand, access.slice, *data);
  const std::uint64_t arrival = through_port(cycle, access.bytes, access.bytes) - begin_;
  pipeline_->complete(token, std::max(arrival, pipeline_->now()));
}

/// What the copies did in proportion to their slices.
SmCounters WarpMultiprocessor::work() const {
  if (!pipeline_ || simulated_slices_ == 0) return {};
  SmCounters sum = pipeline_->counters();
  if (all_slices_ == simulated_slices_) return sum;
  const double factor = static_cast<double>(all_slices_) / static_cast<double>(simulated_slices_);
  const auto scale = [factor](std::uint64_t& count) {
    count = static_cast<std::uint64_t>(std::llround(static_cast<double>(count) * factor));
  };
  for (std::uint64_t& count : sum.instructions)
    scale(count);
  for (std::uint64_t SmCounters::*count :
       {&SmCounters::register_reads, &SmCounters::register_writes, &SmCounters::shared_read_bytes,
        &SmCounters::shared_written_bytes, &SmCounters::shared_cycles, &SmCounters::global_read_bytes,
        &SmCounters::global_written_bytes, &SmCounters::thread_blocks})
    scale(sum.*count);
  return sum;
}

void WarpMultiprocessor::finish_thread_blocks() {
  for (const std::uint64_t id : pipeline_->take_finished()) {
    const auto bundle = resident_blocks_.find(id);
    while (!copies_served(bundle->second) && !l2_.failed())
      sc_core::wait(copy_answered() | l2_.changed());
    finish_all(bundle->second);
    resident_blocks_.erase(bundle);
  }
}

void WarpMultiprocessor::run_grid() {
  GlobalMemoryPort& port = *this;
  pipeline_ = std::make_unique<SmPipeline>(config_.pipeline, port);
  begin_ = clock_.now();
  issued_.clear();
  resident_blocks_.clear();
  loads_.clear();
  simulated_slices_ = all_slices_ = 0;
  bool grid_empty = false;
  while (!(cancelled_ && l2_.failed())) {
    while (!grid_empty && !cancelled_ && resident_blocks_.size() < resident_) {
      std::vector<ThreadBlock> bundle = take_thread_blocks();
      grid_empty = bundle.empty();
      if (grid_empty) break;
      const ThreadBlock block = bundle.front();
      simulated_slices_ += block.slices;
      for (const ThreadBlock& copy : bundle)
        all_slices_ += copy.slices;
      resident_blocks_.emplace(block.id, std::move(bundle));
      pipeline_->launch(block.id, block.kernel->program, block.kernel->warps);
      if (clock_.now() == begin_) sc_core::wait(sc_core::SC_ZERO_TIME);  // see SliceMultiprocessor::run_grid
    }
    if (resident_blocks_.empty()) break;
    // Nothing from outside changes the course of the warps while no load is on the way.
    pipeline_->run(loads_.empty() ? SmPipeline::never : pipeline_->now() + config_.quantum_cycles);
    for (; !issued_.empty(); issued_.pop_front())
      send(issued_.front());
    clock_.wait_until(begin_ + pipeline_->now());
    finish_thread_blocks();
  }
  cycles_ = {};
  cycles_.total = clock_.now() - begin_;
  const SmCounters& counters = pipeline_->counters();
  const std::uint64_t blocks = config_.pipeline.blocks;
  cycles_.multiply = counters.block_cycles[static_cast<std::size_t>(SmCause::tensor)] / blocks;
  // Which operand came last the warps do not tell; weights are asked for last.
  cycles_.awaited[1] = counters.block_cycles[static_cast<std::size_t>(SmCause::global_memory)] / blocks;
}

}  // namespace

StreamingMultiprocessor::StreamingMultiprocessor(sc_core::sc_module_name name, const MachineClock& clock, L2Cache& l2,
                                                 std::uint64_t port_bytes_per_cycle)
    : sc_module(name), clock_(clock), l2_(l2), port_bytes_per_cycle_(port_bytes_per_cycle) {
  SC_THREAD(process);
}

void StreamingMultiprocessor::start(ThreadBlockGrid& grid, unsigned resident, unsigned copies,
                                    const KernelTiming& timing) {
  grid_ = &grid;
  resident_ = resident;
  copies_ = copies;
  copy_reads_.clear();
  copies_pending_.clear();
  timing_ = &timing;
  cancelled_ = false;
  idle_ = false;
  begin_.notify(sc_core::SC_ZERO_TIME);
}

void StreamingMultiprocessor::cancel() {
  cancelled_ = true;
}

std::vector<ThreadBlock> StreamingMultiprocessor::take_thread_blocks() {
  std::vector<ThreadBlock> bundle;
  while (bundle.size() < copies_) {
    auto block = grid_->next_thread_block();
    if (!block) break;
    bundle.push_back(*block);
  }
  // The longest reduction is simulated: its slices bring those of all others.
  const auto shorter = [](const ThreadBlock& a, const ThreadBlock& b) { return a.slices < b.slices; };
  if (!bundle.empty()) std::iter_swap(bundle.begin(), std::max_element(bundle.begin(), bundle.end(), shorter));
  return bundle;
}

void StreamingMultiprocessor::read_for_copies(const std::vector<ThreadBlock>& bundle, GlobalOperand operand,
                                              std::uint64_t slice, std::uint64_t bytes, std::uint64_t cycle) {
  for (std::size_t i = 1; i < bundle.size(); ++i) {
    const ThreadBlock& copy = bundle[i];
    if (slice >= copy.slices) continue;
    const std::uint64_t token = next_copy_read_++;
    copy_reads_[token] = {copy, bundle.front().id, operand, slice};
    ++copies_pending_[bundle.front().id];
    l2_.read(cycle, grid_->segment(copy, operand, slice), bytes, copies_client_, token);
  }
}

void StreamingMultiprocessor::Copies::l2_answer(std::uint64_t token, std::uint64_t,
                                                const std::vector<std::uint8_t>* data) {
  const auto found = owner_.copy_reads_.find(token);
  if (found == owner_.copy_reads_.end()) return;  // of a command that was cancelled
  const CopyRead read = found->second;
  owner_.copy_reads_.erase(found);
  if (data != nullptr && read.operand != GlobalOperand::scales)
    owner_.grid_->deliver(read.block, read.operand, read.slice, *data);
  const auto pending = owner_.copies_pending_.find(read.bundle);
  if (--pending->second > 0) return;
  owner_.copies_pending_.erase(pending);
  owner_.copy_answered_.notify(sc_core::SC_ZERO_TIME);
}

void StreamingMultiprocessor::finish_all(const std::vector<ThreadBlock>& bundle) {
  for (const ThreadBlock& block : bundle)
    grid_->finished(block);
}

std::uint64_t StreamingMultiprocessor::through_port(std::uint64_t cycle, std::uint64_t bytes, std::uint64_t spread) {
  const std::uint64_t passes = ceil_div(bytes, port_bytes_per_cycle_);
  port_free_ = std::max(cycle + passes - std::min(passes, spread), port_free_ + passes);
  return port_free_;
}

void StreamingMultiprocessor::process() {
  while (true) {
    sc_core::wait(begin_);
    run_grid();
    idle_ = true;
    changed_.notify(sc_core::SC_ZERO_TIME);
  }
}

std::unique_ptr<StreamingMultiprocessor> make_multiprocessor(const char* name, Fidelity fidelity,
                                                             const MultiprocessorConfig& config,
                                                             const MachineClock& clock, L2Cache& l2) {
  if (fidelity == Fidelity::cycle) return std::make_unique<WarpMultiprocessor>(name, config, clock, l2);
  return std::make_unique<SliceMultiprocessor>(name, config, clock, l2);
}

}  // namespace nibble
