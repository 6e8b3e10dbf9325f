// SPDX-License-Identifier: Apache-2.0
/// GEMMs of integers with a scale per row and run of elements, on the group kernel: private to pe/*_pe.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pe/gemm.h"
#include "pe/integer_foot.h"

namespace nibble {

/// Some rows of an operand as integers, and one scale per row and run of `extent` elements: those of the tensor where
/// they lie there in this order, since a machine calls with many small tiles.
struct IntegerRows {
  const std::int16_t* integers = nullptr;  ///< [rows][columns]
  const float* scales = nullptr;           ///< [rows][runs]
  std::size_t runs = 0;
  std::vector<std::int16_t> own_integers;
  std::vector<float> own_scales;
};

/// Elements that one accumulator adds up: the scale group, at most integer_segment.
std::size_t integer_run(const Format& format, std::size_t columns);

/// Rows [first, first + rows) of `tensor` with its codes as the integers.
IntegerRows integer_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent);

/// The same with the codes copied, to be decoded in own_integers.
IntegerRows copied_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent);

using RowDecoder = IntegerRows (*)(const QuantizedTensor& tensor, std::size_t first, std::size_t rows,
                                   std::size_t extent);

/// acc = integer_foot(acc, sum of a run, ...) over the runs of the range in ascending k. A run's sum must fit 31 bits.
void integer_tile(RowDecoder decode, const QuantizedTensor& activations, const QuantizedTensor& weights,
                  const GemmRange& range, float* accumulators, std::size_t stride);

/// PeUnit::tile_extent of these PEs.
std::size_t integer_tile_extent(const Format& activations, const Format& weights, std::size_t columns);

/// Whether the scales of both stand for the same runs: groups of one k (at most integer_segment), or whole rows; only
/// weights may share a group between rows.
bool integer_runs_agree(const Format& activations, const Format& weights);

}  // namespace nibble
