// SPDX-License-Identifier: Apache-2.0
/// Tensors that are too large to hold: encoded, decoded and measured in pieces of whole rows, or of parts of long rows,
/// to the same bits as encode(), decode() and error_figures() give for the whole.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "formats/error_figures.h"
#include "formats/quantizer.h"
#include "formats/tensor_file.h"

namespace nibble {

/// What is known of a tensor after encoding it.
struct EncodedFigures {
  ErrorSums errors;
  std::uint64_t elements = 0, groups = 0;
  std::uint64_t stored_bits = 0;               ///< everything: elements and metadata
  std::map<std::string, std::uint64_t> types;  ///< groups of each type
  int tensor_exponent = 0;                     ///< amove's p
  std::uint64_t saturated_groups = 0;          ///< amove

  double bits_per_element() const { return static_cast<double>(stored_bits) / static_cast<double>(elements); }
};

class PiecewiseEncoder {
 public:
  /// Called after every piece with the elements that it had; may throw to end the work.
  using Watch = std::function<void(std::uint64_t elements)>;
  /// Takes a piece: its codes and metadata, and its decoded values.
  using Sink = std::function<void(const QuantizedTensor& coded, const Tensor& decoded)>;

  /// `file` must outlive the encoder. A piece has about `piece_elements`, and at least a group with its rows; where a
  /// row shares a scale, or the types are chosen by calibration, at least a row.
  PiecewiseEncoder(const TensorFile& file, const StoredTensor& tensor, Watch watch = {},
                   std::size_t piece_elements = std::size_t{1} << 18);

  /// Largest magnitude; reads the tensor once. Throws InputError for NaN and infinity.
  float amax();

  /// Throws what encode() throws. ant4-tensor and olive4-tensor, which search over all elements again and again, take
  /// the tensor as one piece; all other formats read it once, and once more for amax() where they need it.
  EncodedFigures encode(const Format& format, const EncodeOptions& options, const Sink& sink = {});

 private:
  struct PieceShape {
    std::size_t rows, columns;
  };
  PieceShape piece_shape(const Format& format, bool calibrated) const;
  /// Reads piece after piece, in the order of the elements.
  void for_each(PieceShape shape, const std::function<void()>& visit);

  const TensorFile& file_;
  const StoredTensor& stored_;
  Watch watch_;
  std::size_t piece_elements_;
  Tensor piece_;
  std::optional<float> amax_;
};

/// Puts the metadata of the next piece behind those of the ones before it; codes and values are left out. `whole` has
/// format, name and shape.
void append_metadata(QuantizedTensor& whole, const QuantizedTensor& piece);

}  // namespace nibble
