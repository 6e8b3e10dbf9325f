// SPDX-License-Identifier: Apache-2.0
/// The datapath of a PE as an array of PEs steps through it, element by element: what enters a PE, what leaves it, what
/// the unit behind it makes of that. The register-level arrays (accelerators/) run these functions on the contents of
/// their registers; whatever the dataflow, the result has the bits of gemm_tile.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/quantizer.h"
#include "pe/gemm.h"

namespace nibble {

/// A tile of an operand in front of the array.
struct DatapathTile {
  QuantizedTensor values;
  std::size_t position = 0;    ///< of its first column in the reduction whose sums it continues
  bool ends_reduction = true;  ///< its last column is the last of the reduction
};

/// `count` elements of one row of a tile from column k: what a PE takes in one step, or an array in one pass. Inside
/// one sum_extent() of the formats. Empty: the PE does not take part.
struct OperandSlice {
  const DatapathTile* tile = nullptr;
  std::uint32_t row = 0, k = 0, count = 0;

  bool empty() const { return count == 0; }
  const QuantizedTensor& tensor() const { return tile->values; }
  /// Index of element `i` of the slice among the elements of its tile.
  std::size_t element(std::size_t i) const { return row * tile->values.columns() + k + i; }
  /// The group of the slice, among the per-group arrays of its tile.
  std::size_t group() const {
    return tile->values.group_index(row, k / tile->values.format.group_extent(tile->values.columns()));
  }
  std::size_t position() const { return tile->position + k; }
  bool ends_reduction() const { return tile->ends_reduction && k + count == tile->values.columns(); }
  /// The slice ends a run of `extent` elements, counted from the start of the reduction, or the reduction.
  bool ends(std::size_t extent) const { return (position() + count) % extent == 0 || ends_reduction(); }
};

/// What goes from PE to PE. A sum that crosses the end of a run (integer_segment, an aligned group) inside a pass is
/// carried in two parts: runs with even numbers in part 0, odd ones in part 1. M-ANT: P1 and P2.
struct PartialSum {
  std::int64_t integer[2] = {0, 0};
  float real = 0;
};

/// What is kept of an output between steps, or between passes.
struct OutputSum {
  std::int64_t integer = 0;  ///< of the run at work
  float inner = 0;           ///< of the scale group at work, where runs are shorter
  float accumulator = 0;
};

/// Pure functions. `activation` and `weight` are slices of the same columns.
struct ArrayDatapath {
  /// What a unit in front of the array makes of its operands before they enter: an aligner, a dequantizer; null:
  /// nothing. Throws InputError as gemm_tile does.
  void (*prepare)(DatapathTile& activation, DatapathTile& weight, const GemmOptions& options) = nullptr;
  /// What enters the first PE: the sum so far, where each addition rounds and the order of all matters; null: nothing,
  /// `leave` adds.
  PartialSum (*enter)(const OutputSum& output) = nullptr;
  /// One step of a PE.
  void (*step)(PartialSum& sum, const OperandSlice& activation, const OperandSlice& weight,
               const GemmOptions& options) = nullptr;
  /// A partial sum over the slices arrives behind the PEs: joins what is kept, and is scaled where a run ends.
  void (*leave)(OutputSum& output, const PartialSum& sum, const OperandSlice& activation, const OperandSlice& weight,
                const GemmOptions& options) = nullptr;
};

/// Of the units of the same names.
const ArrayDatapath& mant_datapath();
const ArrayDatapath& bfp_datapath();
const ArrayDatapath& amove_datapath();
const ArrayDatapath& fp16_datapath();
const ArrayDatapath& fp16_dequant_datapath();
const ArrayDatapath& fp_int_aligned_datapath();
const ArrayDatapath& int4_datapath();
const ArrayDatapath& int8_datapath();
const ArrayDatapath& bitfusion_datapath();
const ArrayDatapath& ant_datapath();
const ArrayDatapath& olive_datapath();
const ArrayDatapath& tender_datapath();
const ArrayDatapath& anda_datapath();
const ArrayDatapath& bitmod_datapath();

}  // namespace nibble
