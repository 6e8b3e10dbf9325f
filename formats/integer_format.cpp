// SPDX-License-Identifier: Apache-2.0
/// The casts, and the symmetric integer with an FP16 scale: docs/formats.md, sections "fp32, fp16, bf16" and "int".
#include "core/error.h"
#include "formats/family_codec.h"

namespace nibble {

void encode_cast(const Tensor& tensor, QuantizedTensor& out) {
  const std::size_t count = tensor.values.size();
  out.values.resize(count);
  const float* from = tensor.values.data();
  float* to = out.values.data();
  switch (out.format.family) {
    case FormatFamily::fp16:
      for (std::size_t i = 0; i < count; ++i)
        to[i] = round_fp16_branchless(from[i]);
      break;
    case FormatFamily::bf16:
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t bits = float_bits(from[i]);
        to[i] = float_from_bits((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000U);
      }
      break;
    default:
      out.values = tensor.values;
      break;
  }
  if (max_magnitude_bits(to, count) < 0x7F800000) return;
  for (std::size_t i = 0; i < count; ++i) {
    if ((float_bits(to[i]) & 0x7FFFFFFF) < 0x7F800000) continue;
    throw RangeError(tensor.name + ": the value at flat index " + std::to_string(tensor.flat_index(i)) + " overflows " +
                     out.format.name());
  }
}

void encode_integer(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  const float qmax = static_cast<float>((1 << (out.format.bits - 1)) - 1);
  out.codes.assign(out.size(), 0);
  out.scales.assign(grid.count(), 0);
  std::vector<std::uint32_t> largest(grid.per_row());
  for (std::size_t block = 0; block < grid.blocks(); ++block) {
    std::fill(largest.begin(), largest.end(), 0);
    for (std::size_t row = grid.first_row(block); row < grid.end_row(block) && !grid.shared; ++row) {
      const float* x = tensor.values.data() + row * grid.columns;
      for (std::size_t g = 0; g < grid.per_row(); ++g) {
        largest[g] = std::max(largest[g], max_magnitude_bits(x + grid.first_column(g), grid.length(g)));
      }
    }
    if (grid.shared) largest[0] = float_bits(tensor_amax(tensor, options));
    float* scales = out.scales.data() + block * grid.per_row();
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      scales[g] = integer_scale(float_from_bits(largest[g]), qmax);
      if (scales[g] > 65504) fail_group(tensor.name, grid, block, g, "the scale overflows FP16");
    }
    for (std::size_t row = grid.first_row(block); row < grid.end_row(block); ++row) {
      for (std::size_t g = 0; g < grid.per_row(); ++g) {
        if (scales[g] == 0) continue;  // codes stay 0
        const std::size_t first = row * grid.columns + grid.first_column(g);
        quantize_run(tensor.values.data() + first, grid.length(g), scales[g], qmax, out.codes.data() + first);
      }
    }
  }
}

void decode_integer(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  for (std::size_t row = 0; row < grid.rows; ++row) {
    const float* scales = tensor.scales.data() + row / grid.group_rows * grid.per_row();
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      for (std::size_t i = first; i < end; ++i)
        values[i] = static_cast<float>(tensor.codes[i]) * scales[g];
    }
  }
}

}  // namespace nibble
