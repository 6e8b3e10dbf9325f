// SPDX-License-Identifier: Apache-2.0
/// One streaming multiprocessor, cycle by cycle: warp schedulers, scoreboard, operand collectors in front of a banked
/// register file, tensor cores, arithmetic lanes and the path to shared and global memory.
///
/// A multiprocessor has processing blocks; warp w belongs to block w % blocks. Each block issues at most one
/// instruction per cycle, of the warp that issued last if it can, else of the oldest that can (greedy then oldest). An
/// instruction issues when the entries it waits for are valid, an operand collector is free, and its unit can take it
/// when its operands have been read:
/// - tensor cores: one instruction per unit_cycles; results valid tensor_latency after the last of them.
/// - arithmetic lanes: 32 / lanes cycles per instruction; valid arithmetic_latency later.
/// - shared memory: one path for all blocks, 32 banks of 4 bytes per cycle, queue of memory_queue instructions.
/// - global memory: the same path; answers come from outside (complete()).
/// - barrier: until all warps of the thread block have come.
///
/// Plain C++; time is a cycle number, and idle stretches are skipped.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "accelerators/simt/warp_program.h"

namespace nibble {

/// Numbers of one multiprocessor. Defaults: Volta. [V] NVIDIA's white paper of the V100, as the fact sheet of PacQ has
/// it; [G] GPGPU-Sim's published configuration SM7_QV100; [D] decided by nibble.
struct SmConfig {
  unsigned blocks = 4;              ///< [V]
  unsigned lanes = 16;              ///< arithmetic lanes of a block [V]
  unsigned arithmetic_latency = 4;  ///< cycles, operands to valid result [G]
  unsigned tensor_latency = 8;      ///< cycles from the end of a step to its valid accumulators [D]: a set of steps
  unsigned operand_collectors = 2;  ///< per block [G]: 8 of a multiprocessor
  unsigned registers_per_bank_cycle = 64;  ///< lane registers that a bank reads per cycle: 64 bits x 32 lanes [V]
  unsigned shared_bytes_per_cycle = 128;   ///< 32 banks of 4 bytes [G]
  unsigned shared_latency = 19;            ///< cycles, beyond the passes of the banks [G]
  unsigned memory_queue = 8;               ///< instructions that wait for the memory path [D]: two per block
  std::uint64_t registers_kib = 256, shared_kib = 96;  ///< [V]
  unsigned warps = 64, thread_blocks = 32;             ///< resident at most [G]
};

/// Where a block's cycle went. Every cycle of every block has one cause: their sum is cycles x blocks.
enum class SmCause : std::uint8_t {
  tensor,         ///< the tensor cores multiply
  issue,          ///< they do not, and the block issues something else
  accumulators,   ///< the oldest warp waits for accumulators or arithmetic results
  shared_memory,  ///< ... for fragments from shared memory
  global_memory,  ///< ... for data from beyond the multiprocessor
  memory_path,    ///< ... for a place in the queue of the memory path
  collector,      ///< ... for an operand collector
  barrier,        ///< every warp that is not finished waits at a barrier
  idle,           ///< no warp
};
constexpr std::size_t sm_cause_count = 9;
/// "tensor", "issue", ...
const char* to_string(SmCause cause);

struct SmCounters {
  std::uint64_t cycles = 0;
  std::array<std::uint64_t, sm_cause_count> block_cycles{};
  std::array<std::uint64_t, warp_operation_count> instructions{};
  std::uint64_t register_reads = 0, register_writes = 0;  ///< lane registers (32 bits)
  std::uint64_t shared_read_bytes = 0, shared_written_bytes = 0, shared_cycles = 0;
  std::uint64_t global_read_bytes = 0, global_written_bytes = 0;
  std::uint64_t thread_blocks = 0;
  std::uint64_t first_multiplication = 0;  ///< cycle in which the tensor cores first multiplied; 0: not yet
};

/// What the lanes of one warp ask of global memory together.
struct GlobalAccess {
  std::uint64_t thread_block = 0;
  std::uint64_t slice = 0;  ///< 0 from the prologue, i + 1 from iteration i of the body: the slice that is loaded
  GlobalOperand operand = GlobalOperand::a;
  std::uint64_t bytes = 0;
};

/// Beyond the multiprocessor.
class GlobalMemoryPort {
 public:
  virtual ~GlobalMemoryPort() = default;
  /// A load leaves in `cycle`; answered by SmPipeline::complete(ticket, ...), at once or later.
  virtual void load(std::uint64_t cycle, const GlobalAccess& access, std::uint64_t ticket) = 0;
  /// A store leaves; nothing in the multiprocessor waits for it.
  virtual void store(std::uint64_t cycle, const GlobalAccess& access) = 0;
};

class SmPipeline {
 public:
  /// Throws InputError for counts of zero.
  SmPipeline(const SmConfig& config, GlobalMemoryPort& memory);

  /// Registers per lane and bytes of shared memory decide how many thread blocks a multiprocessor holds.
  static unsigned resident_thread_blocks(const SmConfig& config, unsigned warps, unsigned registers_per_lane,
                                         std::uint64_t shared_bytes);
  /// Starts a thread block of `warps` warps at the current cycle. The program must outlive it.
  void launch(std::uint64_t thread_block, const WarpProgram& program, unsigned warps);
  /// Runs until cycle `limit` begins, interrupt() was called in a cycle, or a thread block has finished that
  /// take_finished() has not given. With limit `never` it also returns when only answers of the global memory can bring
  /// progress.
  void run(std::uint64_t limit);
  /// Runs until no thread block is left, or only answers of the global memory can bring progress; gives those that
  /// finished.
  std::vector<std::uint64_t> drain();
  /// For the memory port: run() returns behind this cycle, so that the port's owner can act on what left in it.
  void interrupt() { interrupted_ = true; }
  /// Data of a load are in registers with cycle `cycle`, not before now().
  void complete(std::uint64_t ticket, std::uint64_t cycle);

  static constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint64_t now() const { return now_; }
  /// No warp is left, and no store of one that is waiting to leave.
  bool finished() const { return warps_left_ == 0 && (finished_.empty() || finished_.back().cycle <= now_); }
  /// Thread blocks whose last store has left by now, in that order; each is given once.
  std::vector<std::uint64_t> take_finished();
  const SmCounters& counters() const { return counters_; }

 private:
  struct Entry {
    std::uint64_t ready = 0;
    std::uint32_t pending = 0;  ///< global loads that have not answered
    SmCause source = SmCause::accumulators;
  };
  struct ThreadBlock {
    std::uint64_t id = 0;
    const WarpProgram* program = nullptr;
    unsigned warps_left = 0, at_barrier = 0;
    std::uint64_t last_store = 0;  ///< cycle by which all its stores so far have left
  };
  struct Finished {
    std::uint64_t id = 0, cycle = 0;
  };
  struct Warp {
    std::size_t thread_block = 0;                           ///< index in thread_blocks_
    const std::vector<WarpInstruction>* section = nullptr;  ///< prologue, body or epilogue
    std::size_t next = 0;                                   ///< instruction of the section
    std::uint64_t iteration = 0;
    bool at_barrier = false, done = false;
    unsigned block = 0;            ///< index in blocks_
    std::uint64_t look_again = 0;  ///< it cannot issue before this cycle
    SmCause cause = SmCause::issue;
    std::vector<Entry> entries;
  };
  struct Block {
    std::vector<std::size_t> warps;  ///< indices in warps_, oldest first
    std::size_t last = 0;            ///< the warp that issued last
    std::uint64_t tensor_free = 0, lanes_free = 0;
    /// The tensor cores multiply before tensor_gap, and again from tensor_resumed to tensor_free.
    std::uint64_t tensor_gap = 0, tensor_resumed = 0;
    std::array<std::uint64_t, 2> bank_free{};
    std::vector<std::uint64_t> collectors;  ///< cycle from which each is free
    std::uint64_t collector_free = 0;       ///< the earliest of them
    std::uint64_t look_again = 0;           ///< none of its warps can issue before this cycle
  };
  struct Ticket {
    std::size_t warp = 0;
    std::int16_t entry = no_entry;
  };

  void look(const Block& block, Warp& warp) const;
  bool issue_one(Block& block);
  void wake(Warp& warp, std::uint64_t cycle);
  std::uint64_t earliest_look(const Block& block) const;
  void issue(Block& block, std::size_t index);
  /// Cycles in which a bank reads so many lane registers.
  std::uint64_t bank_cycles(std::uint32_t registers) const {
    return (registers + config_.registers_per_bank_cycle - 1) / config_.registers_per_bank_cycle;
  }
  std::uint64_t operands_read(const Block& block, const WarpInstruction& instruction) const;
  std::uint64_t read_operands(Block& block, const WarpInstruction& instruction);
  void use_memory_path(std::size_t index, const WarpInstruction& instruction, std::uint64_t operands);
  void enter_next_section(Warp& warp) const;
  void arrive_at_barrier(Warp& warp);
  void retire(Warp& warp);
  std::size_t place_for_warp();
  std::size_t place_for_thread_block();
  SmCause cause_of(const Block& block) const;
  void account(std::uint64_t cycles, const std::vector<bool>& issued);
  std::uint64_t next_event() const;
  void issue_cycle(std::vector<bool>& issued);

  SmConfig config_;
  GlobalMemoryPort& memory_;
  std::uint64_t now_ = 0;
  std::vector<Block> blocks_;
  std::vector<Warp> warps_;
  std::vector<ThreadBlock> thread_blocks_;
  std::deque<Finished> finished_;
  std::deque<std::uint64_t> path_;  ///< cycles at which queued instructions leave the memory path
  std::uint64_t path_free_ = 0;
  unsigned first_block_ = 0;  ///< asked first, in turn, so that blocks share the memory path
  std::uint64_t warps_left_ = 0;
  bool interrupted_ = false;
  std::vector<Ticket> tickets_;
  std::vector<std::uint64_t> free_tickets_;
  SmCounters counters_;
};

}  // namespace nibble
