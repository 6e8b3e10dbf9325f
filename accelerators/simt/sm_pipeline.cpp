// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/sm_pipeline.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr unsigned warp_lanes = 32;

bool uses_memory_path(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::load_global:
    case WarpOperation::store_global:
    case WarpOperation::load_shared:
    case WarpOperation::store_shared:
      return true;
    default:
      return false;
  }
}

bool uses_lanes(WarpOperation operation) {
  return operation == WarpOperation::unpack || operation == WarpOperation::integer ||
         operation == WarpOperation::convert;
}

/// Length of what [begin, end) and [other_begin, other_end) share.
std::uint64_t overlap(std::uint64_t begin, std::uint64_t end, std::uint64_t other_begin, std::uint64_t other_end) {
  const std::uint64_t from = std::max(begin, other_begin), to = std::min(end, other_end);
  return to > from ? to - from : 0;
}

void require_positive(std::uint64_t value, const char* name) {
  if (value == 0) throw InputError(std::string("multiprocessor: ") + name + " must be at least 1");
}

}  // namespace

const char* to_string(WarpOperation operation) {
  constexpr std::array<const char*, warp_operation_count> names{
      "hmma", "load_global", "store_global", "load_shared", "store_shared", "unpack", "integer", "convert", "barrier"};
  return names.at(static_cast<std::size_t>(operation));
}

const char* to_string(SmCause cause) {
  constexpr std::array<const char*, sm_cause_count> names{"tensor",        "issue",         "accumulators",
                                                          "shared_memory", "global_memory", "memory_path",
                                                          "collector",     "barrier",       "idle"};
  return names.at(static_cast<std::size_t>(cause));
}

SmPipeline::SmPipeline(const SmConfig& config, GlobalMemoryPort& memory) : config_(config), memory_(memory) {
  require_positive(config.blocks, "blocks");
  require_positive(config.lanes, "lanes");
  require_positive(config.operand_collectors, "operand_collectors");
  require_positive(config.registers_per_bank_cycle, "registers_per_bank_cycle");
  require_positive(config.shared_bytes_per_cycle, "shared_bytes_per_cycle");
  require_positive(config.memory_queue, "memory_queue");
  blocks_.resize(config.blocks);
  for (Block& block : blocks_)
    block.collectors.assign(config.operand_collectors, 0);
}

unsigned SmPipeline::resident_thread_blocks(const SmConfig& config, unsigned warps, unsigned registers_per_lane,
                                            std::uint64_t shared_bytes) {
  const std::uint64_t registers = std::uint64_t{warps} * warp_lanes * registers_per_lane * 4;
  std::uint64_t count = std::min<std::uint64_t>(config.thread_blocks, config.warps / std::max(warps, 1U));
  if (registers > 0) count = std::min(count, config.registers_kib * kib / registers);
  if (shared_bytes > 0) count = std::min(count, config.shared_kib * kib / shared_bytes);
  return static_cast<unsigned>(count);
}

void SmPipeline::launch(std::uint64_t thread_block, const WarpProgram& program, unsigned warps) {
  require_positive(warps, "warps of a thread block");
  require_positive(program.length(), "instructions of a thread block");
  const std::size_t place = place_for_thread_block();
  thread_blocks_[place] = {thread_block, &program, warps, 0, 0};
  for (unsigned w = 0; w < warps; ++w) {
    const std::size_t index = place_for_warp();
    for (Block& block : blocks_)
      block.warps.erase(std::remove(block.warps.begin(), block.warps.end(), index), block.warps.end());
    Warp warp;
    warp.thread_block = place;
    warp.section = &program.prologue;
    warp.entries.resize(program.entries);
    warp.look_again = now_;
    warp.block = w % config_.blocks;
    if (program.prologue.empty()) enter_next_section(warp);
    blocks_[warp.block].look_again = now_;
    blocks_[warp.block].warps.push_back(index);
    warps_[index] = std::move(warp);
  }
  warps_left_ += warps;
}

/// Finds out whether the warp can issue now: look_again = now, or when it is worth asking again, and why.
void SmPipeline::look(const Block& block, Warp& warp) const {
  const WarpInstruction& instruction = (*warp.section)[warp.next];
  std::uint64_t earliest = now_;
  warp.cause = SmCause::issue;
  const auto wait = [&](std::uint64_t until, SmCause cause) {
    if (until <= earliest) return;
    earliest = until;
    warp.cause = cause;
  };
  for (const std::int16_t entry : instruction.waits_for) {
    if (entry == no_entry) continue;
    const Entry& state = warp.entries[static_cast<std::size_t>(entry)];
    wait(state.pending > 0 ? never : state.ready, state.source);
  }
  if (earliest == never) {
    warp.look_again = never;
    return;
  }
  if (uses_memory_path(instruction.operation) && path_.size() >= config_.memory_queue)
    wait(path_[path_.size() - config_.memory_queue], SmCause::memory_path);
  wait(block.collector_free, SmCause::collector);
  // Reading operands overlaps with what the unit still does.
  const std::uint64_t reading = operands_read(block, instruction) - now_;
  if (instruction.operation == WarpOperation::hmma && block.tensor_free > reading)
    wait(block.tensor_free - reading, SmCause::tensor);
  if (uses_lanes(instruction.operation) && block.lanes_free > reading) wait(block.lanes_free - reading, SmCause::issue);
  warp.look_again = earliest;
}

/// Cycle in which the operands of an instruction that issues now have been read from both banks.
std::uint64_t SmPipeline::operands_read(const Block& block, const WarpInstruction& instruction) const {
  std::uint64_t ready = now_;
  for (std::size_t bank = 0; bank < 2; ++bank) {
    if (instruction.register_reads[bank] == 0) continue;
    ready = std::max(ready, std::max(block.bank_free[bank], now_) + bank_cycles(instruction.register_reads[bank]));
  }
  return ready;
}

/// Takes the register banks for an instruction that issues now.
std::uint64_t SmPipeline::read_operands(Block& block, const WarpInstruction& instruction) {
  const std::uint64_t ready = operands_read(block, instruction);
  for (std::size_t bank = 0; bank < 2; ++bank) {
    block.bank_free[bank] = std::max(block.bank_free[bank], now_) + bank_cycles(instruction.register_reads[bank]);
    counters_.register_reads += instruction.register_reads[bank];
  }
  counters_.register_writes += instruction.register_writes;
  return ready;
}

void SmPipeline::use_memory_path(std::size_t index, const WarpInstruction& instruction, std::uint64_t operands) {
  Warp& warp = warps_[index];
  const std::uint64_t passes = ceil_div(instruction.bytes, config_.shared_bytes_per_cycle);
  const std::uint64_t start = std::max(path_free_, operands);
  path_free_ = start + passes;
  path_.push_back(path_free_);
  const auto produce = [&](std::uint64_t ready, SmCause source) {
    if (instruction.produces == no_entry) return;
    Entry& entry = warp.entries[static_cast<std::size_t>(instruction.produces)];
    entry.ready = std::max(entry.ready, ready);
    entry.source = source;
  };
  ThreadBlock& thread_block = thread_blocks_[warp.thread_block];
  const bool in_prologue = warp.section == &thread_block.program->prologue;
  const GlobalAccess access{thread_block.id, in_prologue ? 0 : warp.iteration + 1, instruction.operand,
                            instruction.bytes};
  switch (instruction.operation) {
    case WarpOperation::load_global: {
      produce(path_free_, SmCause::global_memory);
      std::uint64_t ticket = tickets_.size();
      if (free_tickets_.empty()) {
        tickets_.push_back({index, instruction.produces});
      } else {
        ticket = free_tickets_.back();
        free_tickets_.pop_back();
        tickets_[ticket] = {index, instruction.produces};
      }
      if (instruction.produces != no_entry) ++warp.entries[static_cast<std::size_t>(instruction.produces)].pending;
      counters_.global_read_bytes += instruction.bytes;
      memory_.load(path_free_, access, ticket);
      break;
    }
    case WarpOperation::store_global:
      counters_.global_written_bytes += instruction.bytes;
      thread_block.last_store = path_free_;
      memory_.store(path_free_, access);
      break;
    default:
      (instruction.operation == WarpOperation::store_shared ? counters_.shared_written_bytes
                                                            : counters_.shared_read_bytes) += instruction.bytes;
      counters_.shared_cycles += passes;
      produce(path_free_ + config_.shared_latency, SmCause::shared_memory);
  }
}

void SmPipeline::issue(Block& block, std::size_t index) {
  Warp& warp = warps_[index];
  const WarpInstruction& instruction = (*warp.section)[warp.next];
  ++counters_.instructions[static_cast<std::size_t>(instruction.operation)];
  const std::uint64_t operands = read_operands(block, instruction);
  const auto produce = [&](std::uint64_t ready) {
    if (instruction.produces == no_entry) return;
    Entry& entry = warp.entries[static_cast<std::size_t>(instruction.produces)];
    entry.ready = std::max(entry.ready, ready);
    entry.source = SmCause::accumulators;
  };
  *std::min_element(block.collectors.begin(), block.collectors.end()) = operands;
  block.collector_free = *std::min_element(block.collectors.begin(), block.collectors.end());
  if (instruction.operation == WarpOperation::hmma) {
    if (counters_.first_multiplication == 0) counters_.first_multiplication = std::max<std::uint64_t>(operands, 1);
    if (operands > block.tensor_free) {
      block.tensor_gap = block.tensor_free;
      block.tensor_resumed = operands;
    }
    block.tensor_free = std::max(operands, block.tensor_free) + instruction.unit_cycles;
    produce(block.tensor_free + config_.tensor_latency);
  } else if (uses_lanes(instruction.operation)) {
    block.lanes_free = std::max(operands, block.lanes_free) + ceil_div(warp_lanes, config_.lanes);
    produce(block.lanes_free - 1 + config_.arithmetic_latency);
  } else if (uses_memory_path(instruction.operation)) {
    use_memory_path(index, instruction, operands);
  }
  warp.look_again = now_ + 1;
  const bool barrier = instruction.operation == WarpOperation::barrier;
  if (++warp.next == warp.section->size()) enter_next_section(warp);
  if (barrier) arrive_at_barrier(warp);
  if (warp.section == nullptr) retire(warp);
}

/// To the first instruction of what comes after the warp's section; no section when nothing does.
void SmPipeline::enter_next_section(Warp& warp) const {
  const WarpProgram& program = *thread_blocks_[warp.thread_block].program;
  warp.next = 0;
  do {
    if (warp.section == &program.prologue) {
      warp.section = program.iterations > 0 ? &program.body : &program.epilogue;
    } else if (warp.section == &program.body) {
      if (++warp.iteration >= program.iterations || program.body.empty()) warp.section = &program.epilogue;
    } else {
      warp.section = nullptr;
    }
  } while (warp.section != nullptr && warp.section->empty());
}

void SmPipeline::arrive_at_barrier(Warp& warp) {
  ThreadBlock& thread_block = thread_blocks_[warp.thread_block];
  warp.at_barrier = true;
  warp.look_again = never;
  warp.cause = SmCause::barrier;
  if (++thread_block.at_barrier < thread_block.warps_left) return;
  thread_block.at_barrier = 0;
  for (Warp& other : warps_) {
    if (!other.at_barrier || other.thread_block != warp.thread_block) continue;
    other.at_barrier = false;
    wake(other, now_ + 1);
  }
}

void SmPipeline::retire(Warp& warp) {
  ThreadBlock& thread_block = thread_blocks_[warp.thread_block];
  warp.done = true;
  warp.look_again = never;
  --warps_left_;
  if (--thread_block.warps_left > 0) return;
  const std::uint64_t end = std::max(thread_block.last_store, now_ + 1);
  finished_.push_back({thread_block.id, std::max(end, finished_.empty() ? 0 : finished_.back().cycle)});
  ++counters_.thread_blocks;
}

std::vector<std::uint64_t> SmPipeline::take_finished() {
  std::vector<std::uint64_t> ids;
  for (; !finished_.empty() && finished_.front().cycle <= now_; finished_.pop_front())
    ids.push_back(finished_.front().id);
  return ids;
}

/// A place for a new warp: of one that has retired and has no load on the way, or another one.
std::size_t SmPipeline::place_for_warp() {
  const auto free = [](const Warp& warp) {
    const auto answered = [](const Entry& entry) { return entry.pending == 0; };
    return warp.done && std::all_of(warp.entries.begin(), warp.entries.end(), answered);
  };
  const auto found = std::find_if(warps_.begin(), warps_.end(), free);
  if (found != warps_.end()) return static_cast<std::size_t>(found - warps_.begin());
  warps_.emplace_back();
  return warps_.size() - 1;
}

std::size_t SmPipeline::place_for_thread_block() {
  const auto free = [](const ThreadBlock& thread_block) { return thread_block.warps_left == 0; };
  const auto found = std::find_if(thread_blocks_.begin(), thread_blocks_.end(), free);
  if (found != thread_blocks_.end()) return static_cast<std::size_t>(found - thread_blocks_.begin());
  thread_blocks_.emplace_back();
  return thread_blocks_.size() - 1;
}

bool SmPipeline::issue_one(Block& block) {
  const auto try_warp = [&](std::size_t index) {
    Warp& warp = warps_[index];
    if (warp.look_again > now_) return false;
    look(block, warp);
    if (warp.look_again > now_) return false;
    block.last = index;
    issue(block, index);
    return true;
  };
  const bool known = std::find(block.warps.begin(), block.warps.end(), block.last) != block.warps.end();
  return (known && try_warp(block.last)) || std::any_of(block.warps.begin(), block.warps.end(), try_warp);
}

/// The warp, and so its block, is to be asked again in `cycle`.
void SmPipeline::wake(Warp& warp, std::uint64_t cycle) {
  warp.look_again = cycle;
  Block& block = blocks_[warp.block];
  block.look_again = std::min(block.look_again, cycle);
}

/// When the first of its warps is to be asked again; the next cycle where that is soon enough.
std::uint64_t SmPipeline::earliest_look(const Block& block) const {
  std::uint64_t earliest = never;
  for (const std::size_t index : block.warps) {
    earliest = std::min(earliest, warps_[index].look_again);
    if (earliest <= now_ + 1) break;
  }
  return earliest;
}

/// The first cycle after this one in which a warp may issue.
std::uint64_t SmPipeline::next_event() const {
  std::uint64_t next = never;
  for (const Block& block : blocks_)
    next = std::min(next, block.look_again);
  return next;
}

/// Attributes `cycles` cycles from now on: the first to what was issued, all to the tensor cores while they multiply.
void SmPipeline::account(std::uint64_t cycles, const std::vector<bool>& issued) {
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const Block& block = blocks_[b];
    std::uint64_t left = cycles;
    const std::uint64_t busy = overlap(now_, now_ + cycles, 0, block.tensor_gap) +
                               overlap(now_, now_ + cycles, block.tensor_resumed, block.tensor_free);
    counters_.block_cycles[static_cast<std::size_t>(SmCause::tensor)] += busy;
    left -= busy;
    if (left > 0 && busy == 0 && issued[b]) {
      ++counters_.block_cycles[static_cast<std::size_t>(SmCause::issue)];
      --left;
    }
    if (left > 0) counters_.block_cycles[static_cast<std::size_t>(cause_of(block))] += left;
  }
  counters_.cycles += cycles;
  now_ += cycles;
}

/// What the oldest warp waits for that is not at a barrier.
SmCause SmPipeline::cause_of(const Block& block) const {
  SmCause cause = SmCause::idle;
  for (const std::size_t index : block.warps) {
    const Warp& warp = warps_[index];
    if (warp.done) continue;
    cause = warp.cause;
    if (cause != SmCause::barrier) break;
  }
  return cause;
}

std::vector<std::uint64_t> SmPipeline::drain() {
  std::vector<std::uint64_t> ids;
  std::uint64_t from = never;
  while (now_ != from) {
    from = now_;
    run(never);
    const std::vector<std::uint64_t> more = take_finished();
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

void SmPipeline::run(std::uint64_t limit) {
  interrupted_ = false;
  std::vector<bool> issued(blocks_.size());
  while (now_ < limit && !interrupted_) {
    const std::uint64_t finish = finished_.empty() ? never : finished_.front().cycle;
    if (finish <= now_) return;
    issue_cycle(issued);
    const bool any_issued = std::find(issued.begin(), issued.end(), true) != issued.end();
    const std::uint64_t last = finished_.empty() ? never : finished_.front().cycle;
    const std::uint64_t next = std::min({std::max(next_event(), now_ + 1), limit, last});
    if (interrupted_ || (any_issued && next == never)) {
      account(1, issued);
    } else if (next == never) {
      return;
    } else {
      account(next - now_, issued);
    }
  }
}

/// One instruction of each block, if it can.
void SmPipeline::issue_cycle(std::vector<bool>& issued) {
  while (!path_.empty() && path_.front() <= now_)
    path_.pop_front();
  for (unsigned i = 0; i < config_.blocks; ++i) {
    const unsigned b = (first_block_ + i) % config_.blocks;
    Block& block = blocks_[b];
    issued[b] = block.look_again <= now_ && issue_one(block);
    if (block.look_again <= now_) block.look_again = earliest_look(block);
  }
  first_block_ = (first_block_ + 1) % config_.blocks;
}

void SmPipeline::complete(std::uint64_t ticket, std::uint64_t cycle) {
  const Ticket answered = tickets_.at(ticket);
  free_tickets_.push_back(ticket);
  if (answered.entry == no_entry) return;
  Warp& warp = warps_[answered.warp];
  Entry& entry = warp.entries[static_cast<std::size_t>(answered.entry)];
  entry.ready = std::max(entry.ready, cycle);
  if (--entry.pending == 0 && !warp.at_barrier && !warp.done) wake(warp, std::min(warp.look_again, now_));
}

}  // namespace nibble
