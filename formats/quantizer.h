// SPDX-License-Identifier: Apache-2.0
/// Encoding and decoding of tensors, bit-exact by docs/formats.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "formats/format.h"
#include "formats/tensor.h"

namespace nibble {

/// Where a tensor comes from decides the default rule of some families: weights are encoded offline, everything else
/// online.
enum class TensorSlot { online, offline };

struct EncodeOptions {
  TensorSlot slot = TensorSlot::online;
  std::string select;                   ///< empty: the family's default for the slot
  std::optional<int> exponent;          ///< amove, online
  const Tensor* calibration = nullptr;  ///< mant4 output-mse
  std::optional<float> tensor_amax;     ///< of a piece of a larger tensor: the largest magnitude of the whole
  std::function<void()> watch;          ///< called again and again by long searches; may throw to end them
};

/// A value or a scale that the format cannot hold: names the tensor and the group or flat index.
class RangeError : public InputError {
 public:
  using InputError::InputError;
};

/// A tensor in codes and group metadata. Groups in row-major order: row, then group along k.
struct QuantizedTensor {
  Format format;
  std::string name;
  std::vector<std::size_t> shape;
  PieceOrigin origin;
  /// One per element, in the tensor's order: int, amove, mxint8: the signed integer q; mant4: sign << 3 | index; bfp,
  /// anda: the signed mantissa; floating-point elements: the bit pattern. Empty for the casts, whose values stand in
  /// `values`.
  std::vector<std::int16_t> codes;
  std::vector<float> scales;                ///< per group: the FP16 scale as binary32 (int, mant4, ...); bitmod: c * S
  std::vector<float> row_scales;            ///< per row: bitmod's S
  std::vector<std::uint8_t> types;          ///< per group: mant4's a, 0xFF for INT4
  std::vector<std::int16_t> exponents;      ///< per group: bfp's E, mx's X
  std::vector<float> base_scales;           ///< per group: amove's S
  std::vector<float> residuals;             ///< per group: amove's R
  std::vector<std::uint8_t> cluster_codes;  ///< per cluster: amove's E
  std::vector<std::uint8_t> column_groups;  ///< per group and column: tender's i, the scale is scales[group] * 2^-i
  int tensor_exponent = 0;                  ///< amove's p
  float tensor_scale = 0;                   ///< nvfp4's t
  std::vector<float> values;                ///< casts only
  std::uint64_t saturated_groups = 0;       ///< amove: groups with Base > 448

  std::size_t columns() const { return shape.back(); }
  std::size_t rows() const;
  std::size_t size() const { return rows() * columns(); }
  /// Groups along the last axis; 0 for the casts.
  std::size_t groups_per_row() const;
  /// All groups; 0 for the casts.
  std::size_t groups() const;
  /// Index into the per-group arrays of group g along the row (rows may share groups).
  std::size_t group_index(std::size_t row, std::size_t g) const;
};

/// What `select` may be for a format, its default first; empty: nothing to select.
std::vector<std::string> selections(const Format& format);
/// The selection that encode() applies: the one given, or the default for these options; empty: nothing to select.
std::string selection_of(const Format& format, const EncodeOptions& options);

/// Why tensors of this shape cannot have this format; empty when they can.
std::string shape_obstacle(const Format& format, const std::vector<std::size_t>& shape);

/// Throws InputError that names the tensor and the group or flat index (NaN, infinity, wrong shape; RangeError where
/// the format's range ends), or the option that the format does not use.
QuantizedTensor encode(const Tensor& tensor, const Format& format, const EncodeOptions& options = {});
/// The decoded values in the tensor's order.
Tensor decode(const QuantizedTensor& tensor);
/// Everything stored, per element.
double bits_per_element(const QuantizedTensor& tensor);
/// Type name ("0", "5", ..., "int4") to number of groups; empty where the format has no types.
std::map<std::string, std::uint64_t> type_histogram(const QuantizedTensor& tensor);
/// The name of a stored type byte.
std::string type_name(const Format& format, std::uint8_t type);

}  // namespace nibble
