// SPDX-License-Identifier: Apache-2.0
/// What all kinds of machines have in common, typed and checked before elaboration (configs/accelerators/*.yaml), and
/// what a platform, the lowering and the reports ask of a machine whatever its kind.
///
/// Kinds: SystolicConfig (`kind: systolic`), SimtConfig (`kind: simt`).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/config_node.h"
#include "dataflow/gemm_shape.h"
#include "dataflow/tile_schedule.h"
#include "formats/format.h"
#include "memory/dma_engine.h"
#include "pe/gemm.h"
#include "workloads/operator.h"

namespace nibble {

class ArrayObserver;
class EnergyLedger;
class MachineClock;
class MatrixEngine;
class ResultWriter;
struct Descriptor;

enum class Fidelity { transaction, cycle };

/// Number of enumerators of VectorFunction.
constexpr unsigned vector_function_count = static_cast<unsigned>(VectorFunction::bias_add) + 1;

/// Elementwise and row-wise functions at `lanes` elementary FP16 operations per cycle.
struct VectorUnitConfig {
  std::uint64_t lanes = 0;
  std::uint64_t latency_cycles = 0;  ///< of one chunk, after its last element has entered
  bool overlap = false;              ///< it works beside the matrix engine where commands do not depend on each other
  double buffer_share = 1;           ///< of its halves of the buffers: what a command takes unless a row takes more
  std::array<double, vector_function_count> operations_per_element{};
};

/// Unit behind the accumulators that encodes results: M-ANT's real-time quantizer, Harmonia's converter, Amove's
/// quantizer.
struct QuantizerConfig {
  bool present = false;                  ///< a machine whose formats need none has none
  std::uint64_t pipeline_cycles = 0;     ///< from the last element of a group to its metadata
  std::uint64_t elements_per_cycle = 1;  ///< encoded after that
  bool overlap = true;                   ///< the array goes on meanwhile; else the next tile waits until one is coded
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
  plain,      ///< every token at once in its format; a scale per channel is fixed by the prompt
  mant,       ///< open groups of values in an INT8 window
  harmonia,   ///< open groups in FP16, encoded provisionally; in decode all but the first and last tokens demoted
  open_fp16,  ///< open groups in FP16, encoded anew with every token
};

struct KvCacheConfig {
  KvPolicy policy = KvPolicy::plain;
  std::uint64_t initial_tokens = 0, local_tokens = 0, block_tokens = 1;  ///< harmonia
  Format demoted;                                                        ///< harmonia: of the tokens between
};

/// Throws InputError that names what is supported when a machine does not multiply a pair of formats.
using PairCheck = std::function<void(const Format& activations, const Format& weights)>;

struct MachineConfig {
  std::string name;
  double clock_mhz = 0;
  GemmOptions options;  ///< of the PEs, where a command does not say otherwise
  FormatsConfig formats;
  std::uint64_t activation_block_rows = 0, weight_block_rows = 0, output_block_columns = 0;
  VectorUnitConfig vector_unit;
  QuantizerConfig quantizer;
  KvCacheConfig kv_cache;
  IdleConfig idle;
  DmaConfig dma;
  /// The next command's descriptor, and weight tiles that do not depend on the running command, are read while that one
  /// runs. [D] double buffers are there for it, and no paper of these machines lets an operator wait for the weights of
  /// the first tile.
  bool prefetch_next = true;
  Fidelity fidelity = Fidelity::transaction;
  ArrayObserver* array_observer = nullptr;  ///< watches a systolic array at cycle fidelity; in no configuration file
  bool fused_attention = false;             ///< scores and probabilities of attention stay on chip

  /// Reads and checks `node`, of any kind, except the sections `memory` and `technology`, which the platform reads.
  static std::unique_ptr<MachineConfig> from(ConfigNode node);
  virtual ~MachineConfig() = default;

  /// nullptr: the machine does not multiply these formats.
  virtual const PeUnit* pe_for(const Format& activations, const Format& weights) const = 0;
  /// Multiply-accumulates per cycle of the whole machine for a supported pair.
  virtual double macs_per_cycle(const Format& activations, const Format& weights) const = 0;
  /// The same by index in CommandCounters::macs_by_mode.
  virtual double macs_per_cycle_in_mode(std::size_t mode) const = 0;
  /// The schedule of a GEMM command with all but its tiling set: what needs no search, if there is such a thing, and
  /// the search, whose results hold for all commands of equal shapes and formats of the first part of W. Throws
  /// InputError when nothing fits.
  virtual std::optional<Tiling> only_tiling(const Descriptor& /*command*/) const { return std::nullopt; }
  virtual Tiling choose_tiling(const Descriptor& command, const MemoryRate& memory) const = 0;
  /// Cycles of a command that has its tiling, in closed form; 0: no matter what it leaves to commands beside it.
  virtual double estimate_cycles(const Descriptor& /*command*/, const MemoryRate& /*memory*/) const { return 0; }
  /// The same choice in words. Several lines, the last one ends with a newline.
  virtual std::string explain_tiling(const Descriptor& command, const MemoryRate& memory) const = 0;
  /// Halves of the buffers that a vector command's operands and results pass.
  virtual std::uint64_t vector_input_bytes() const = 0;
  virtual std::uint64_t vector_output_bytes() const = 0;
  /// The part of one of these halves that a command takes, unless a row takes more.
  std::uint64_t vector_share_of(std::uint64_t half) const {
    return static_cast<std::uint64_t>(vector_unit.buffer_share * static_cast<double>(half));
  }
  /// The buffers that vector commands share with GEMM commands.
  virtual std::uint64_t shared_activation_bytes() const { return 0; }
  virtual std::uint64_t shared_output_bytes() const { return 0; }
  /// Bytes for scores that stay on chip, 0: there are none, and bytes per cycle of each of the two ports to them.
  virtual std::uint64_t score_bytes() const { return 0; }
  virtual std::uint64_t score_port_bytes() const { return 1; }
  /// Register `array_shape` and its meaning.
  virtual std::uint32_t shape_register() const = 0;
  virtual const char* shape_meaning() const = 0;
  /// What the machine counts, and what it is made of.
  virtual EnergyLedger ledger() const = 0;
  /// What a reader calls the thing that executes its GEMM commands.
  virtual const char* matrix_unit_name() const { return "array"; }
  /// What executes its GEMM commands; to be made during elaboration. The configuration must outlive it.
  virtual std::unique_ptr<MatrixEngine> make_engine(DmaEngine& dma, ResultWriter& writer,
                                                    const MachineClock& clock) const = 0;
  virtual std::unique_ptr<MachineConfig> clone() const = 0;

  double bytes_per_cycle(double bytes_per_second) const { return bytes_per_second / (clock_mhz * 1e6); }
  /// The machine's quantizer writes results in this format: family and width of one that it reads as an activation, key
  /// or value, with any groups of single rows.
  bool encodes(const Format& format) const;

 protected:
  void read_name(ConfigNode& node);
  /// Formats that meet: linear layers, scores, context.
  void read_formats(ConfigNode node, const PairCheck& check);
  /// Some tensor that the machine writes is in a quantized format.
  bool quantizes() const;
  /// Everything else that is common but vector unit and quantizer; `blocks`: rows of a block unless configured,
  /// activations and weights.
  void read_common(ConfigNode& node, const PairCheck& check, std::uint64_t activation_blocks,
                   std::uint64_t weight_blocks);
};

/// Reduction extent that one sum of the PE spans before it is scaled: the group, or an Amove cluster, of the operand
/// that has the smaller ones; 0: the whole reduction.
std::uint64_t sum_extent(const Format& activations, const Format& weights);

/// Integer at a key, with a default or without.
std::uint64_t count_at(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max);
std::uint64_t count_at(ConfigNode& node, const std::string& key, std::int64_t min, std::int64_t max,
                       std::uint64_t fallback);
/// operations_per_element of `node`, for every function.
std::array<double, vector_function_count> vector_operations_from(ConfigNode node);

}  // namespace nibble
