// SPDX-License-Identifier: Apache-2.0
/// The families behind encode() and decode(): one pair of functions each, and the few helpers that they share. A tensor
/// that reaches an encoder is not empty, finite, and of a rank that the format accepts; the options have been checked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "formats/quantizer.h"
#include "formats/rounding.h"

namespace nibble {

/// Where the groups of a tensor lie: blocks of `group_rows` rows, cut along the columns into runs of `extent` elements.
struct GroupGrid {
  std::size_t rows = 0, columns = 0;
  std::size_t group_rows = 1;
  std::size_t extent = 0;
  PieceOrigin origin;
  bool shared = false;  ///< one group for the tensor

  std::size_t per_row() const { return (columns + extent - 1) / extent; }
  std::size_t blocks() const { return (rows + group_rows - 1) / group_rows; }
  std::size_t count() const { return blocks() * per_row(); }
  std::size_t first_row(std::size_t block) const { return block * group_rows; }
  std::size_t end_row(std::size_t block) const { return std::min(rows, (block + 1) * group_rows); }
  std::size_t first_column(std::size_t g) const { return g * extent; }
  /// Elements of group g in one row.
  std::size_t length(std::size_t g) const { return std::min(extent, columns - g * extent); }
};

GroupGrid group_grid(const Format& format, std::size_t rows, std::size_t columns);
inline GroupGrid group_grid(const QuantizedTensor& tensor) {
  GroupGrid grid = group_grid(tensor.format, tensor.rows(), tensor.columns());
  grid.origin = tensor.origin;
  return grid;
}

/// Throws RangeError "NAME: group G (rows R..., columns C...): what".
[[noreturn]] void fail_group(const std::string& name, const GroupGrid& grid, std::size_t block, std::size_t g,
                             const std::string& what);

/// The bits of the largest magnitude of `count` finite values; their order is the order of the values.
inline std::uint32_t max_magnitude_bits(const float* values, std::size_t count) {
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t bits = static_cast<std::int32_t>(float_bits(values[i]) & 0x7FFFFFFF);
    largest = bits > largest ? bits : largest;
  }
  return static_cast<std::uint32_t>(largest);
}

/// The largest magnitude of a tensor, or of the whole of which it is a piece.
inline float tensor_amax(const Tensor& tensor, const EncodeOptions& options) {
  if (options.tensor_amax) return *options.tensor_amax;
  return float_from_bits(max_magnitude_bits(tensor.values.data(), tensor.values.size()));
}

/// s = fp16(f32(amax / gmax)), 2^-24 where that is 0 although amax is not, 0 for amax = 0; infinity where it overflows.
inline float integer_scale(float amax, float gmax) {
  if (amax == 0) return 0;
  const float scale = round_fp16(amax / gmax);
  return scale == 0 ? 0x1p-24F : scale;
}

/// codes[i] = clamp(rne(f32(x / scale)), -qmax, qmax); scale > 0, qmax <= 127.
inline void quantize_run(const float* x, std::size_t count, float scale, float qmax, std::int16_t* codes) {
  constexpr float shifter = 12582912.0F;  // 1.5 * 2^23: the sum's low bits are the integer
  const std::int32_t shifter_bits = 0x4B400000;
  for (std::size_t i = 0; i < count; ++i) {
    float y = x[i] / scale;
    y = y > qmax ? qmax : y;
    y = y < -qmax ? -qmax : y;
    codes[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(float_bits(y + shifter)) - shifter_bits);
  }
}

/// x rounded to FP16, as binary32. Throws InputError that names the tensor and the group in which a value overflows.
std::vector<float> round_tensor_to_fp16(const Tensor& tensor, const Format& format);

void encode_cast(const Tensor& tensor, QuantizedTensor& out);

void encode_integer(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_integer(const QuantizedTensor& tensor, float* values);

void encode_mant(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_mant(const QuantizedTensor& tensor, float* values);

void encode_bfp(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_bfp(const QuantizedTensor& tensor, float* values);

void encode_amove(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_amove(const QuantizedTensor& tensor, float* values);

void encode_mx(const Tensor& tensor, QuantizedTensor& out);
void decode_mx(const QuantizedTensor& tensor, float* values);

void encode_nvfp4(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_nvfp4(const QuantizedTensor& tensor, float* values);

void encode_ant(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_ant(const QuantizedTensor& tensor, float* values);

void encode_olive(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out);
void decode_olive(const QuantizedTensor& tensor, float* values);

void encode_bitmod(const Tensor& tensor, QuantizedTensor& out);
void decode_bitmod(const QuantizedTensor& tensor, float* values);

void encode_tender(const Tensor& tensor, QuantizedTensor& out);
void decode_tender(const QuantizedTensor& tensor, float* values);

}  // namespace nibble
