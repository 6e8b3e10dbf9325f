// SPDX-License-Identifier: Apache-2.0
/// Parameters of a systolic machine, typed and checked before elaboration (configs/accelerators/*.yaml).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/config_node.h"
#include "dataflow/gemm_shape.h"
#include "dataflow/schedule_search.h"
#include "formats/format.h"
#include "memory/dma_engine.h"
#include "pe/gemm.h"
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

/// Unit behind the accumulators that encodes results: M-ANT's real-time quantizer, Harmonia's converter, Amove's
/// quantizer.
struct QuantizerConfig {
  bool present = false;                  ///< a machine whose formats need none has none
  std::uint64_t pipeline_cycles = 0;     ///< from the last element of a group to its metadata
  std::uint64_t elements_per_cycle = 1;  ///< encoded after that
  std::string cost_key = "quantizer";    ///< its entries in the cost book: <key>.element, <key>.area
};

/// What a unit costs in a cycle without work: what the cost book says of its clock running (clocked), nothing but
/// leakage (gated), or as much as with work (as_active), which some published models charge.
enum class IdlePolicy { clocked, gated, as_active };

struct IdleConfig {
  IdlePolicy pe = IdlePolicy::clocked, foot = IdlePolicy::clocked, quantizer = IdlePolicy::clocked,
             vector_unit = IdlePolicy::clocked;
};

struct FormatsConfig {
  Format weight, activation, query, key, value, probability;
};

/// How keys and values are cached (formats/kv_policies.h has the functional objects).
enum class KvPolicy {
  plain,     ///< every token at once in its format; a scale per channel is fixed by the prompt
  mant,      ///< open groups of values in an INT8 window
  harmonia,  ///< open groups in FP16, encoded provisionally; in decode all but the first and last tokens demoted
  amove_requantized,  ///< open groups in FP16, encoded anew with every token
};

struct KvCacheConfig {
  KvPolicy policy = KvPolicy::plain;
  std::uint64_t initial_tokens = 0, local_tokens = 0, block_tokens = 1;  ///< harmonia
  Format demoted;                                                        ///< harmonia: of the tokens between
};

struct SystolicConfig {
  std::string name;
  double clock_mhz = 0;
  const PeUnit* pe = nullptr;  ///< of pe_library
  GemmOptions options;         ///< of the PE, where a command does not say otherwise
  ArrayGeometry array;         ///< of the mode for linear layers
  BufferCapacity buffers;
  std::uint64_t sram_access_bits = 256;  ///< width of one buffer access
  FormatsConfig formats;
  std::uint64_t activation_block_rows = 0, weight_block_rows = 0, output_block_columns = 0;
  OrderPolicy output_order = OrderPolicy::any;
  VectorUnitConfig vector_unit;
  QuantizerConfig quantizer;
  KvCacheConfig kv_cache;
  IdleConfig idle;
  bool fused_attention = false;  ///< scores and probabilities of attention stay on chip
  /// Part of the activation buffer that holds them, 0 without. Unless configured half: [D] no paper of these machines
  /// gives scores a buffer; the other half has two tiles of queries.
  double score_share = 0;
  DmaConfig dma;
  /// The next command's descriptor, and weight tiles that do not depend on the running command, are read while that one
  /// runs. [D] double buffers are there for it, and no paper of these machines lets an operator wait for the weights of
  /// the first tile.
  bool prefetch_next = true;
  Fidelity fidelity = Fidelity::transaction;
  double traffic_price = 0;

  /// Reads and checks `node` except the sections `memory` and `technology`, which the platform reads.
  static SystolicConfig from(ConfigNode node);
  /// Bytes of the activation buffer that hold scores on chip; 0: there are none.
  std::uint64_t score_bytes() const {
    return static_cast<std::uint64_t>(score_share * static_cast<double>(buffers.activation_bytes));
  }
  /// Bytes per cycle of each of the activation buffer's two ports, one to read, one to write: what the array takes.
  std::uint64_t activation_port_bytes() const;
  double bytes_per_cycle(double bytes_per_second) const { return bytes_per_second / (clock_mhz * 1e6); }
  /// The array as the PE's mode for a supported pair of formats makes it.
  ArrayGeometry array_for(const Format& activations, const Format& weights) const;
  /// Bytes of the output buffer per element of a tile: the sum, and beside it the sum of a group that takes several
  /// passes.
  std::uint64_t accumulator_bytes(const Format& activations, const Format& weights) const;
  /// The PE scales a supported pair once, behind the whole reduction: its sums are no values before.
  bool scales_at_the_end(const Format& activations, const Format& weights) const;
  /// The machine's quantizer writes results in this format: family and width of one that it reads as an activation, key
  /// or value, with any groups of single rows.
  bool encodes(const Format& format) const;
  /// Multiply-accumulates per cycle of the whole array for a supported pair.
  double macs_per_cycle(const Format& activations, const Format& weights) const;
};

/// Reduction extent that one sum of the PE spans before it is scaled: the group, or an Amove cluster, of the operand
/// that has the smaller ones; 0: the whole reduction.
std::uint64_t sum_extent(const Format& activations, const Format& weights);

}  // namespace nibble
