// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/gemm_kernel.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr std::uint64_t lanes = 32;
constexpr std::uint64_t access_bytes = lanes * 16;  // a 128-bit access of every lane
constexpr std::uint16_t address_registers = lanes;  // 32 bits, shared memory
constexpr std::uint16_t pointer_registers = 2 * lanes;
constexpr unsigned register_limit = 255;        // of a lane, by the instruction encoding
constexpr unsigned bookkeeping_registers = 24;  // decided by nibble: pointers, loop counter, offsets

/// Where a memory access has its data in registers.
enum class DataRegisters { read, written };

/// `bytes` in 128-bit accesses of every lane, as far as they go; `access` without its length and data registers.
void append_accesses(std::vector<WarpInstruction>& code, WarpInstruction access, std::uint64_t bytes,
                     DataRegisters data) {
  for (std::uint64_t left = bytes; left > 0; left -= access.bytes) {
    access.bytes = static_cast<std::uint32_t>(std::min(left, access_bytes));
    const auto registers = static_cast<std::uint16_t>(ceil_div(access.bytes, 4));
    (data == DataRegisters::read ? access.register_reads[1] : access.register_writes) = registers;
    code.push_back(access);
  }
}

/// Builds the program of one warp.
class KernelBuilder {
 public:
  KernelBuilder(const GemmKernelConfig& config, const TensorCoreSteps& steps)
      : config_(config), steps_(steps), geometry_(steps.geometry()) {}

  GemmKernel build(std::uint64_t slices);
  void check() const;

 private:
  using Code = std::vector<WarpInstruction>;
  unsigned warps() const { return config_.warps_m * config_.warps_n; }
  unsigned warp_m() const { return config_.tile_m / config_.warps_m; }
  unsigned warp_n() const { return config_.tile_n / config_.warps_n; }
  unsigned k_steps() const { return config_.tile_k / geometry_.mma_k; }
  unsigned tiles() const { return warp_m() / geometry_.mma_m * (warp_n() / geometry_.mma_n); }
  /// Bits of a weight in shared memory.
  unsigned shared_w_bits() const { return config_.unpack == UnpackPlace::before_shared ? 16 : config_.w_bits; }
  std::uint64_t slice_bytes(unsigned rows, unsigned bits) const {
    return ceil_div(std::uint64_t{rows} * config_.tile_k * bits, 8);
  }
  static std::uint64_t metadata_bytes(std::uint64_t elements, std::uint64_t group) {
    return group == 0 ? 0 : 2 * ceil_div(elements, group);
  }
  /// An activation's metadata travels with it, a weight's by itself.
  std::uint64_t a_slice_bytes() const {
    return slice_bytes(config_.tile_m, config_.a_bits) +
           metadata_bytes(std::uint64_t{config_.tile_m} * config_.tile_k, config_.a_scale_group);
  }
  std::uint64_t scale_bytes() const {
    return metadata_bytes(std::uint64_t{config_.tile_n} * config_.tile_k, config_.scale_group);
  }
  /// Fragments of one k-step: an octet holds its rows of A and its columns of W, however many octets share them.
  std::uint64_t a_fragment_bytes() const;
  std::uint64_t w_fragment_bytes() const;
  std::uint64_t unpack_count(std::uint64_t packed_bytes) const {
    return ceil_div(packed_bytes, std::uint64_t{lanes} * 4) * config_.unpack_instructions;
  }

  void load_global(Code& code, GlobalOperand operand, std::uint64_t bytes) const;
  void load_slice(Code& code) const;
  void store_slice(Code& code) const;
  Code fragment_loads(unsigned buffer) const;
  void unpack(Code& code, std::uint64_t packed_bytes, std::int16_t waits_for, std::int16_t produces) const;
  Code multiply(unsigned first_k_step, unsigned count, unsigned buffer) const;
  /// Registers of metadata that decoders are loaded with for one instruction.
  std::uint16_t preloaded(unsigned rows, std::uint64_t group) const {
    if (!geometry_.decodes_scales) return 0;
    return static_cast<std::uint16_t>(ceil_div(metadata_bytes(std::uint64_t{rows} * geometry_.mma_k, group), 4));
  }
  void multiply_one(Code& code, unsigned tile, bool loads_c, bool stores_c, std::int16_t fragment) const;
  void slice(Code& code, bool more) const;
  void epilogue(Code& code) const;
  static void interleave(Code& code, const Code& multiplications, const Code& loads);

  // Scoreboard entries: fragment buffers, words of the next slice, its unpacked words, accumulators of each tile.
  static constexpr std::int16_t fragments(unsigned buffer) { return static_cast<std::int16_t>(buffer % 2); }
  static constexpr std::int16_t staged = 2, unpacked = 3, first_accumulator = 4;

  const GemmKernelConfig& config_;
  const TensorCoreSteps& steps_;
  const TensorCoreGeometry& geometry_;
};

void require_multiple(unsigned value, const char* name, unsigned step, const std::string& of) {
  if (step != 0 && value != 0 && value % step == 0) return;
  throw InputError("kernel: " + std::string(name) + " = " + std::to_string(value) + " is not a multiple of " + of +
                   " = " + std::to_string(step));
}

void KernelBuilder::check() const {
  if (config_.warps_m == 0 || config_.warps_n == 0) throw InputError("kernel: a thread block needs at least one warp");
  require_multiple(config_.tile_m, "tile_m", config_.warps_m * geometry_.mma_m, "warps_m x mma_m");
  require_multiple(config_.tile_n, "tile_n", config_.warps_n * geometry_.mma_n, "warps_n x mma_n");
  // Fragments alternate between two buffers, so that every slice begins with the same one.
  if (config_.order == KernelOrder::k_outer) {
    require_multiple(config_.tile_k, "tile_k", 2 * geometry_.mma_k, "2 x mma_k");
  } else {
    require_multiple(config_.tile_k, "tile_k", geometry_.mma_k, "mma_k");
  }
  if (config_.order == KernelOrder::k_inner && !steps_.holds_accumulators()) {
    throw InputError(
        "kernel: order k_inner keeps accumulators in the tensor core, but its buffers of C do not hold "
        "a thread group's outputs; enlarge c_buffer_bits or use k_outer");
  }
}

std::uint64_t KernelBuilder::a_fragment_bytes() const {
  const std::uint64_t sharing_sets = geometry_.thread_groups / geometry_.w_sharers;
  const std::uint64_t rows = std::uint64_t{geometry_.group_m} * geometry_.w_sharers * sharing_sets;
  return std::uint64_t{warp_m() / geometry_.mma_m} * ceil_div(rows * geometry_.mma_k * geometry_.a_bits, 8);
}

std::uint64_t KernelBuilder::w_fragment_bytes() const {
  const std::uint64_t sharing_sets = geometry_.thread_groups / geometry_.w_sharers;
  const std::uint64_t columns = std::uint64_t{geometry_.group_n} * sharing_sets;
  const unsigned bits = config_.unpack == UnpackPlace::before_tensor ? config_.w_bits : geometry_.w_bits;
  return std::uint64_t{warp_n() / geometry_.mma_n} * ceil_div(columns * geometry_.mma_k * bits, 8);
}

/// This warp's share of `bytes`.
void KernelBuilder::load_global(Code& code, GlobalOperand operand, std::uint64_t bytes) const {
  WarpInstruction load;
  load.operation = WarpOperation::load_global;
  load.operand = operand;
  load.produces = staged;
  load.register_reads[0] = pointer_registers;
  append_accesses(code, load, ceil_div(bytes, warps()), DataRegisters::written);
}

void KernelBuilder::load_slice(Code& code) const {
  load_global(code, GlobalOperand::a, a_slice_bytes());
  load_global(code, GlobalOperand::w, slice_bytes(config_.tile_n, config_.w_bits));
  load_global(code, GlobalOperand::scales, scale_bytes());
}

void KernelBuilder::unpack(Code& code, std::uint64_t packed_bytes, std::int16_t waits_for,
                           std::int16_t produces) const {
  WarpInstruction instruction;
  instruction.operation = WarpOperation::unpack;
  instruction.waits_for[0] = waits_for;
  instruction.produces = produces;
  instruction.register_reads[0] = instruction.register_reads[1] = lanes;
  instruction.register_writes = lanes;
  code.insert(code.end(), unpack_count(packed_bytes), instruction);
}

void KernelBuilder::store_slice(Code& code) const {
  const bool unpacks = config_.unpack == UnpackPlace::before_shared;
  if (unpacks) unpack(code, ceil_div(slice_bytes(config_.tile_n, config_.w_bits), warps()), staged, unpacked);
  const std::uint64_t bytes =
      a_slice_bytes() + slice_bytes(config_.tile_n, shared_w_bits()) + (unpacks ? 0 : scale_bytes());
  WarpInstruction store;
  store.operation = WarpOperation::store_shared;
  store.waits_for[0] = staged;
  if (unpacks) store.waits_for[1] = unpacked;
  store.register_reads[0] = address_registers;
  append_accesses(code, store, ceil_div(bytes, warps()), DataRegisters::read);
  WarpInstruction barrier;
  barrier.operation = WarpOperation::barrier;
  code.push_back(barrier);
}

KernelBuilder::Code KernelBuilder::fragment_loads(unsigned buffer) const {
  Code code;
  const std::uint64_t k = geometry_.mma_k;
  const std::uint64_t bytes =
      a_fragment_bytes() + w_fragment_bytes() + metadata_bytes(warp_m() * k, config_.a_scale_group) +
      metadata_bytes(config_.unpack == UnpackPlace::before_shared ? 0 : warp_n() * k, config_.scale_group);
  const unsigned steps = config_.order == KernelOrder::k_inner ? k_steps() : 1;
  WarpInstruction load;
  load.operation = WarpOperation::load_shared;
  load.produces = fragments(buffer);
  load.register_reads[0] = address_registers;
  append_accesses(code, load, bytes * steps, DataRegisters::written);
  return code;
}

/// One m16n16k16: its steps in order. Accumulators are split between the two banks, A lies in one, W in the other.
void KernelBuilder::multiply_one(Code& code, unsigned tile, bool loads_c, bool stores_c, std::int16_t fragment) const {
  const auto accumulator = static_cast<std::int16_t>(first_accumulator + static_cast<int>(tile));
  const auto& by_step = steps_.accesses_by_step();
  for (std::size_t i = 0; i < by_step.size(); ++i) {
    const std::uint64_t c_reads = loads_c ? by_step[i].c_reads : 0;
    WarpInstruction hmma;
    hmma.operation = WarpOperation::hmma;
    hmma.unit_cycles = static_cast<std::uint16_t>(steps_.cycles_per_step());
    hmma.waits_for[0] = fragment;
    if (i == 0) hmma.waits_for[1] = accumulator;
    if (i + 1 == by_step.size()) hmma.produces = accumulator;
    hmma.register_reads[0] = static_cast<std::uint16_t>(by_step[i].a_reads + c_reads / 2);
    hmma.register_reads[1] = static_cast<std::uint16_t>(by_step[i].w_reads + c_reads - c_reads / 2);
    hmma.register_writes = static_cast<std::uint16_t>(stores_c ? by_step[i].c_writes : 0);
    if (i == 0) {
      hmma.register_reads[0] += preloaded(geometry_.mma_m, config_.a_scale_group);
      hmma.register_reads[1] += preloaded(geometry_.mma_n, config_.scale_group);
    }
    code.push_back(hmma);
  }
}

KernelBuilder::Code KernelBuilder::multiply(unsigned first_k_step, unsigned count, unsigned buffer) const {
  Code code;
  if (config_.unpack == UnpackPlace::before_tensor)
    unpack(code, w_fragment_bytes() * count, fragments(buffer), unpacked);
  const bool k_inner = config_.order == KernelOrder::k_inner;
  const std::int16_t operands = config_.unpack == UnpackPlace::before_tensor ? unpacked : fragments(buffer);
  for (unsigned tile = 0; tile < tiles(); ++tile) {
    for (unsigned s = first_k_step; s < first_k_step + count; ++s)
      multiply_one(code, tile, !k_inner || s == 0, !k_inner || s + 1 == k_steps(), operands);
  }
  return code;
}

/// Loads spread evenly between the multiplications, as compilers do, so that neither blocks the other.
void KernelBuilder::interleave(Code& code, const Code& multiplications, const Code& loads) {
  std::size_t loaded = 0;
  for (std::size_t i = 0; i < multiplications.size(); ++i) {
    for (; loaded < loads.size() && loaded * multiplications.size() <= i * loads.size(); ++loaded)
      code.push_back(loads[loaded]);
    code.push_back(multiplications[i]);
  }
  code.insert(code.end(), loads.begin() + static_cast<std::ptrdiff_t>(loaded), loads.end());
}

/// One tile_k slice. `more`: the next slice is fetched meanwhile.
void KernelBuilder::slice(Code& code, bool more) const {
  if (more) load_slice(code);
  WarpInstruction integer;
  integer.operation = WarpOperation::integer;
  integer.register_reads[0] = integer.register_reads[1] = lanes;
  integer.register_writes = lanes;
  code.insert(code.end(), config_.integer_instructions, integer);
  if (config_.order == KernelOrder::k_inner) {
    const Code multiplications = multiply(0, k_steps(), 0);
    code.insert(code.end(), multiplications.begin(), multiplications.end());
    if (more) {
      store_slice(code);
      const Code loads = fragment_loads(0);
      code.insert(code.end(), loads.begin(), loads.end());
    }
    return;
  }
  for (unsigned s = 0; s < k_steps(); ++s) {
    const bool last = s + 1 == k_steps();
    if (last && more) store_slice(code);
    const Code loads = last && !more ? Code{} : fragment_loads(s + 1);
    interleave(code, multiply(s, 1, s), loads);
  }
}

void KernelBuilder::epilogue(Code& code) const {
  const std::uint64_t results = std::uint64_t{warp_m()} * warp_n();
  WarpInstruction convert;
  convert.operation = WarpOperation::convert;
  convert.register_reads[0] = convert.register_reads[1] = lanes;
  convert.register_writes = lanes;
  const auto conversions = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(static_cast<double>(results) * config_.result_operations / lanes)));
  for (std::uint64_t i = 0; i < conversions; ++i) {
    convert.waits_for[0] = static_cast<std::int16_t>(first_accumulator + static_cast<int>(i * tiles() / conversions));
    convert.produces = unpacked;
    code.push_back(convert);
  }
  WarpInstruction store;
  store.operation = WarpOperation::store_global;
  store.operand = GlobalOperand::c;
  store.waits_for[0] = unpacked;
  store.register_reads[0] = pointer_registers;
  append_accesses(code, store, ceil_div(results * config_.result_bits, 8), DataRegisters::read);
}

GemmKernel KernelBuilder::build(std::uint64_t slices) {
  GemmKernel kernel;
  kernel.warps = warps();
  kernel.shared_bytes = 2 * (a_slice_bytes() + slice_bytes(config_.tile_n, shared_w_bits()) +
                             (config_.unpack == UnpackPlace::before_shared ? 0 : scale_bytes()));
  kernel.mmas = slices * k_steps() * tiles() * warps();
  const std::uint64_t fragment_buffers = config_.order == KernelOrder::k_inner ? k_steps() : 2;
  const std::uint64_t staged_bytes =
      ceil_div(a_slice_bytes() + slice_bytes(config_.tile_n, config_.w_bits) + scale_bytes(), warps());
  const std::uint64_t unpacked_bytes =
      config_.unpack == UnpackPlace::before_tensor ? w_fragment_bytes() * geometry_.w_bits / config_.w_bits : 0;
  const std::uint64_t per_lane = std::uint64_t{warp_m()} * warp_n() / lanes +
                                 ceil_div(fragment_buffers * (a_fragment_bytes() + w_fragment_bytes()), lanes * 4) +
                                 ceil_div(staged_bytes + unpacked_bytes, lanes * 4) + bookkeeping_registers;
  if (per_lane > register_limit) {
    throw InputError("kernel: a lane needs " + std::to_string(per_lane) + " registers, at most " +
                     std::to_string(register_limit) + " can be named; use more warps or a smaller tile");
  }
  kernel.registers_per_lane = static_cast<unsigned>(per_lane);

  WarpProgram& program = kernel.program;
  program.entries = static_cast<unsigned>(first_accumulator) + tiles();
  program.iterations = slices - 1;
  load_slice(program.prologue);
  store_slice(program.prologue);
  const Code first = fragment_loads(0);
  program.prologue.insert(program.prologue.end(), first.begin(), first.end());
  slice(program.body, true);
  slice(program.epilogue, false);
  epilogue(program.epilogue);
  return kernel;
}

}  // namespace

const char* to_string(UnpackPlace place) {
  switch (place) {
    case UnpackPlace::before_shared:
      return "before_shared";
    case UnpackPlace::before_tensor:
      return "before_tensor";
    default:
      return "never";
  }
}

const char* to_string(KernelOrder order) {
  return order == KernelOrder::k_inner ? "k_inner" : "k_outer";
}

std::string tile_name(const GemmKernelConfig& config) {
  return std::to_string(config.tile_m) + " x " + std::to_string(config.tile_n) + " x " + std::to_string(config.tile_k);
}

GemmKernel make_gemm_kernel(const GemmKernelConfig& config, const TensorCoreSteps& steps, std::uint64_t k) {
  KernelBuilder builder(config, steps);
  builder.check();
  if (k == 0) throw InputError("kernel: k must be at least 1");
  return builder.build(ceil_div(k, config.tile_k));
}

std::vector<GemmKernelConfig> standard_kernels(const GemmKernelConfig& base) {
  constexpr std::pair<unsigned, unsigned> arrangements[] = {{1, 4}, {2, 2}, {4, 1}, {2, 4}, {4, 2}};
  std::vector<GemmKernelConfig> kernels;
  for (unsigned m = 16; m <= 256; m *= 2) {
    for (unsigned n = 32; n <= 256; n *= 2) {
      for (unsigned k = 32; k <= 1024; k *= 2) {
        for (const auto& [warps_m, warps_n] : arrangements) {
          if (m > 64 * warps_m || n > 64 * warps_n) continue;
          GemmKernelConfig& kernel = kernels.emplace_back(base);
          kernel.tile_m = m;
          kernel.tile_n = n;
          kernel.tile_k = k;
          kernel.warps_m = warps_m;
          kernel.warps_n = warps_n;
        }
      }
    }
  }
  return kernels;
}

}  // namespace nibble
