// SPDX-License-Identifier: Apache-2.0
/// GEMM commands for tests: operands placed one after the other, random contents, the reference result.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "accelerators/descriptor.h"
#include "accelerators/lowering.h"
#include "accelerators/tile_buffers.h"
#include "core/units.h"
#include "pe/mant_gemm.h"
#include "testbenches/accelerators/machine_bench.h"
#include "testbenches/pe/coded_tensors.h"

namespace nibble::test {

constexpr std::uint64_t operands_begin = 0x10000;  ///< behind the descriptor ring

struct GemmCase {
  Descriptor command;
  QuantizedTensor activations, weights, window;  ///< empty for timing only; window: continuation 0
  std::vector<float> expected;                   ///< accumulators

  /// C as the machine left it in memory.
  std::vector<float> result(MachineBench& bench) const {
    const OperandLayout layout = command.c.layout(0);
    return unpack_results(layout, command.c.format, bench.get(layout.base, layout.bytes()));
  }
  void place(MachineBench& bench) const {
    bench.put(command.a.address, pack_operand(command.a.layout(0), activations));
    bench.put(command.w.address, pack_operand(command.w.layout(0), weights));
    if (segment_extent(command, 1) > 0) {
      const OperandDescriptor behind = weight_segment(command, 1);
      bench.put(behind.address, pack_operand(behind.layout(0), window));
    }
  }
};

struct GemmFormats {
  std::string activation = "int8-g64", weight = "mant4-g64", output = "fp32";
};

inline OperandDescriptor placed(const std::string& format, std::uint64_t rows, std::uint64_t columns,
                                std::uint64_t block_rows, std::uint64_t instances, std::uint64_t& next) {
  OperandDescriptor operand;
  operand.address = next;
  operand.format = Format::parse(format);
  operand.rows = static_cast<std::uint32_t>(rows);
  operand.columns = static_cast<std::uint32_t>(columns);
  operand.block_rows = static_cast<std::uint32_t>(std::min(block_rows, rows));
  operand.instance_stride = instances > 1 ? operand.bytes() : 0;
  next = round_up(next + operand.bytes() * instances, 4096);
  return operand;
}

/// The open value window of a command, placed behind its operands.
inline void add_window(Descriptor& command, std::uint32_t tokens, std::uint64_t& next) {
  const OperandDescriptor window = placed("int8-channel", command.n, tokens, command.n, command.count, next);
  command.continuations[0] = {tokens, window.address, window.instance_stride, window.format};
}

/// Shapes, layouts and places; the tiling is left to the caller. Timing only.
inline Descriptor gemm_command(const MachineConfig& config, std::uint32_t m, std::uint32_t k, std::uint32_t n,
                               const GemmFormats& formats = {}, std::uint32_t count = 1) {
  Descriptor d;
  d.opcode = Opcode::gemm;
  d.timing_only = true;
  d.m = m;
  d.k = k;
  d.n = n;
  d.count = count;
  std::uint64_t next = operands_begin;
  d.a = placed(formats.activation, m, k, config.activation_block_rows, count, next);
  d.w = placed(formats.weight, n, k, config.weight_block_rows, count, next);
  d.c = placed(formats.output, m, n, config.activation_block_rows, count, next);
  d.scratch_address = next;
  return d;
}

/// The schedule that the host would choose at this memory rate.
inline Tiling searched(const MachineConfig& config, const Descriptor& command, const MemoryRate& rate = {128, 50}) {
  return config.choose_tiling(command, rate);
}

/// Columns [column0, column0 + count) of a tensor in whole groups.
inline QuantizedTensor columns_of(const QuantizedTensor& tensor, std::size_t column0, std::size_t count) {
  QuantizedTensor out;
  out.format = tensor.format;
  out.name = tensor.name;
  out.shape = {tensor.rows(), count};
  const std::size_t group = tensor.format.group_extent(tensor.columns());
  for (std::size_t r = 0; r < tensor.rows(); ++r) {
    for (std::size_t c = column0; c < column0 + count; ++c)
      out.codes.push_back(tensor.codes[r * tensor.columns() + c]);
    for (std::size_t c = column0; c < column0 + count; c += group)
      out.scales.push_back(tensor.scales[tensor.group_index(r, c / group)]);
  }
  return out;
}

/// Adds random contents in the formats of any PE, and their product.
inline GemmCase encoded_case(const MachineConfig& config, Descriptor command, Random& random) {
  GemmCase out;
  EncodeOptions offline;
  offline.slot = TensorSlot::offline;
  command.timing_only = false;
  out.activations = encode(random_tensor("activations", command.m, command.k, random), command.a.format);
  out.weights = encode(random_tensor("weights", command.n, command.k, random), command.w.format, offline);
  command.a.exponent = out.activations.tensor_exponent;
  command.w.exponent = out.weights.tensor_exponent;
  out.command = command;
  gemm(*config.pe_for(command.a.format, command.w.format), out.activations, out.weights, out.expected, command.options);
  return out;
}

/// Adds random contents and their product, of M-ANT.
inline GemmCase functional(Descriptor command, Random& random) {
  GemmCase out;
  command.timing_only = false;
  out.command = command;
  out.activations = random_coded(command.a.format.name(), command.m, command.k, random);
  out.weights = random_coded(command.w.format.name(), command.n, command.k, random);
  mant_gemm(out.activations, out.weights, out.expected);
  return out;
}

}  // namespace nibble::test
