// SPDX-License-Identifier: Apache-2.0
/// Tensor: what enters a quantizer and what a decoder gives back.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nibble {

/// Where a piece of a larger tensor begins: whole rows, or a part of one row. For messages, which tell indices of the
/// whole.
struct PieceOrigin {
  std::size_t row = 0, column = 0;
  std::size_t columns = 0;  ///< of the whole; 0: as many as the piece has
};

/// A dense tensor of binary32 in C order. The last axis is the reduction axis of the GEMM that consumes it (weights [N,
/// K], activations [M, K]). Never empty, never zero-dimensional; every value is finite (readers check and name the flat
/// index).
struct Tensor {
  std::string name;                ///< for messages: file name, or file name and key
  std::vector<std::size_t> shape;  ///< at least one axis, every extent > 0
  std::vector<float> values;       ///< product of shape
  PieceOrigin origin = {};

  std::size_t size() const { return values.size(); }
  /// Extent of the last axis.
  std::size_t columns() const { return shape.back(); }
  /// The index of element i in the whole of which this may be a piece.
  std::size_t flat_index(std::size_t i) const {
    return origin.row * (origin.columns == 0 ? columns() : origin.columns) + origin.column + i;
  }
  /// Product of all other axes.
  std::size_t rows() const { return values.size() / shape.back(); }
};

/// Throws InputError "NAME: NaN at flat index I" (or infinity) unless every value is finite.
void require_finite(const Tensor& tensor);

}  // namespace nibble
