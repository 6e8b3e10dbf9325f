// SPDX-License-Identifier: Apache-2.0
/// bfp8, bfp4 and anda: docs/formats.md, sections "bfp" and "anda".
#include "core/error.h"
#include "formats/bfp.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

/// Biased FP16 exponent field of a magnitude that is an FP16 value; zero and subnormals: 1.
int exponent_field(std::uint32_t magnitude_bits) {
  return std::max(1, static_cast<int>(magnitude_bits >> 23) - 127 + 15);
}

/// 2^exponent; exponent in -126..127.
float power_of_two(int exponent) {
  return float_from_bits(static_cast<std::uint32_t>(exponent + 127) << 23);
}

/// Mantissas toward zero. x * unit is exact: both are powers of two away from 11-bit integers.
void truncate_run(const float* x, std::size_t count, float unit, std::int16_t* codes) {
  for (std::size_t i = 0; i < count; ++i)
    codes[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(x[i] * unit));
}

}  // namespace

void encode_bfp(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  const std::vector<float> rounded = round_tensor_to_fp16(tensor, out.format);
  const bool nearest = options.select == "nearest";
  const auto largest = static_cast<float>((1 << out.format.bits) - 1);
  out.codes.resize(out.size());
  out.exponents.resize(grid.count());
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t first = row * grid.columns + grid.first_column(g), length = grid.length(g);
      const float* x = rounded.data() + first;
      const int exponent = exponent_field(max_magnitude_bits(x, length));
      out.exponents[row * grid.per_row() + g] = static_cast<std::int16_t>(exponent);
      // x = sign * significand * 2^(e - 25), hence x * 2^(offset - E) = sign * significand * 2^-(E - e + 3) for 8 bits.
      const int shift = bfp_exponent_offset(out.format.bits) - exponent;
      if (nearest) {
        quantize_run(x, length, power_of_two(-shift), largest, out.codes.data() + first);
      } else {
        truncate_run(x, length, power_of_two(shift), out.codes.data() + first);
      }
    }
  }
}

void decode_bfp(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const int exponent = tensor.exponents[row * grid.per_row() + g];
      const float unit = power_of_two(exponent - bfp_exponent_offset(tensor.format.bits));
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      for (std::size_t i = first; i < end; ++i)
        values[i] = static_cast<float>(tensor.codes[i]) * unit;
    }
  }
}

QuantizedTensor demote_to_bfp4(const QuantizedTensor& tensor) {
  if (tensor.format.family != FormatFamily::bfp || tensor.format.bits != 8) {
    throw InternalError(tensor.name + ": only bfp8 is demoted, not " + tensor.format.name());
  }
  QuantizedTensor out = tensor;
  out.format.bits = 4;
  for (std::int16_t& mantissa : out.codes)
    mantissa = demote_mantissa(mantissa);
  return out;
}

}  // namespace nibble
