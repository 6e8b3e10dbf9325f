// SPDX-License-Identifier: Apache-2.0
/// What the warps of a thread block execute: straight-line instructions with explicit dependencies, a loop body
/// repeated.
///
/// Dependencies are named by scoreboard entries of the warp, not by register numbers: an entry stands for the registers
/// that become valid together (a fragment of A, the words of a global load, one tile of accumulators).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// What an instruction is counted as.
enum class WarpOperation : std::uint8_t {
  hmma,         ///< one step of a matrix instruction
  load_global,  ///< global memory to registers
  store_global,
  load_shared,  ///< shared memory to registers
  store_shared,
  unpack,   ///< packed weights to FP16: shifts, logic, conversion, scale
  integer,  ///< addresses, loop counter, branch
  convert,  ///< accumulators to results
  barrier,  ///< of the thread block
};
constexpr std::size_t warp_operation_count = 9;
/// "hmma", "load_global", ...
const char* to_string(WarpOperation operation);

constexpr std::int16_t no_entry = -1;

/// Operands of a thread block's tile in global memory.
enum class GlobalOperand : std::uint8_t { a, w, scales, c };

struct WarpInstruction {
  WarpOperation operation = WarpOperation::integer;
  /// hmma: cycles of the tensor cores; else unused.
  std::uint16_t unit_cycles = 1;
  std::int16_t waits_for[2] = {no_entry, no_entry};  ///< entries that must be valid
  std::int16_t produces = no_entry;                  ///< entry that becomes valid with the result
  /// Register file accesses of all lanes, in registers of one lane (32 bits), by register bank.
  std::uint16_t register_reads[2] = {0, 0};
  std::uint16_t register_writes = 0;
  GlobalOperand operand = GlobalOperand::a;  ///< global accesses only
  std::uint32_t bytes = 0;                   ///< global and shared accesses: of all lanes together
};

/// Program of every warp of a thread block: prologue once, body `iterations` times, epilogue once.
struct WarpProgram {
  std::vector<WarpInstruction> prologue, body, epilogue;
  std::uint64_t iterations = 0;
  unsigned entries = 0;  ///< scoreboard entries used, [0, entries)
  /// Instructions that one warp executes.
  std::uint64_t length() const { return prologue.size() + iterations * body.size() + epilogue.size(); }
};

}  // namespace nibble
