// SPDX-License-Identifier: Apache-2.0
/// Parameters of a systolic machine, typed and checked before elaboration (configs/accelerators/*.yaml).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/config_node.h"
#include "dataflow/gemm_shape.h"
#include "formats/format.h"
#include "memory/dma_engine.h"
#include "workloads/operator.h"

namespace nibble {

enum class Fidelity { transaction, cycle };

/// Number of enumerators of VectorFunction.
constexpr unsigned vector_function_count = static_cast<unsigned>(VectorFunction::bias_add) + 1;

/// Elementwise and row-wise functions at `lanes` elementary FP16 operations per cycle.
struct VectorUnitConfig {
  std::uint64_t lanes = 0;
  std::uint64_t latency_cycles = 0;  ///< of one chunk, after its last element has entered
  std::array<double, vector_function_count> operations_per_element{};
};

/// Real-time quantizer at the edge of the array (M-ANT RQU).
struct QuantizerConfig {
  std::uint64_t pipeline_cycles = 0;   ///< from the last element of a group to its scale and type
  std::uint64_t groups_per_cycle = 1;  ///< encoded after that
};

struct FormatsConfig {
  Format weight, activation, query, key, value, probability;
};

struct SystolicConfig {
  std::string name;
  double clock_mhz = 0;
  std::string pe;       ///< pe/ entry: "mant"
  ArrayGeometry array;  ///< in the PE's native mode
  BufferCapacity buffers;
  std::uint64_t sram_access_bits = 256;  ///< width of one buffer access
  std::uint64_t quantized_group = 64;    ///< elements per group of all operands
  FormatsConfig formats;
  std::uint64_t activation_block_rows = 0, weight_block_rows = 0;
  VectorUnitConfig vector_unit;
  QuantizerConfig quantizer;
  DmaConfig dma;
  Fidelity fidelity = Fidelity::transaction;
  double traffic_price = 0;

  /// Reads and checks `node` except the sections `memory` and `technology`, which the platform reads.
  static SystolicConfig from(ConfigNode node);
  double bytes_per_cycle(double bytes_per_second) const { return bytes_per_second / (clock_mhz * 1e6); }
  /// Array geometry when weights are INT8 (two PEs fused).
  ArrayGeometry wide_weight_array() const;
  /// Bytes of the output buffer per element of a tile: the FP32 accumulator, and beside it the integer sum of a group
  /// that takes several passes (`group` beyond what a pass holds; an INT8 value window is read in the fused mode).
  std::uint64_t accumulator_bytes(std::uint64_t group, bool wide) const;
};

}  // namespace nibble
