// SPDX-License-Identifier: Apache-2.0
/// mxfp4, mxfp6, mxfp8, mxint8 and nvfp4: docs/formats.md, sections "mx" and "nvfp4".
#include <array>

#include "core/error.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

/// floor(log2(value)) of a positive finite value, given as its bits.
int floor_log2(std::uint32_t bits) {
  if (bits >= 0x800000) return static_cast<int>(bits >> 23) - 127;
  int log = -149;
  for (; bits > 1; bits >>= 1)
    ++log;
  return log;
}

/// The largest exponent of an element: floor(log2(its largest value)).
int largest_element_exponent(FormatFamily family) {
  switch (family) {
    case FormatFamily::mxfp4:
    case FormatFamily::mxfp6:
      return 2;
    case FormatFamily::mxfp8:
      return 8;
    default:
      return 0;
  }
}

const FloatFormat& element_format(FormatFamily family) {
  switch (family) {
    case FormatFamily::mxfp4:
    case FormatFamily::nvfp4:
      return e2m1_format;
    case FormatFamily::mxfp6:
      return e2m3_format;
    case FormatFamily::mxfp8:
      return e4m3_format;
    default:
      throw InternalError("elements that are no floating-point numbers");
  }
}

std::int16_t int8_element(float scaled) {
  const float q = rne(64.0F * scaled);
  return static_cast<std::int16_t>(std::min(127.0F, std::max(-127.0F, q)));
}

/// Elements x * 2^-exponent. The product is exact, except where the element becomes zero in any case.
void encode_run(FormatFamily family, const float* x, std::size_t count, int exponent, std::int16_t* codes) {
  switch (family) {
    case FormatFamily::mxint8:
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = int8_element(scale_by_power(x[i], -exponent));
      break;
    case FormatFamily::mxfp4:
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = static_cast<std::int16_t>(e2m1_bits_branchless(scale_by_power(x[i], -exponent)));
      break;
    default: {
      const FloatFormat& format = element_format(family);
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = static_cast<std::int16_t>(encode_float_bits(format, float_bits(scale_by_power(x[i], -exponent))));
      break;
    }
  }
}

/// The value of every code of a floating element.
std::array<float, 256> element_values(const FloatFormat& format) {
  std::array<float, 256> values{};
  for (std::uint32_t code = 0; code < std::uint32_t{2} << format.sign_shift(); ++code)
    values[code] = decode_float(format, code);
  return values;
}

}  // namespace

void encode_mx(const Tensor& tensor, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  const FormatFamily family = out.format.family;
  const int emax = largest_element_exponent(family);
  out.codes.resize(out.size());
  out.exponents.resize(grid.count());
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      const std::uint32_t amax = max_magnitude_bits(tensor.values.data() + first, end - first);
      const int exponent = amax == 0 ? -127 : std::min(127, std::max(-127, floor_log2(amax) - emax));
      out.exponents[row * grid.per_row() + g] = static_cast<std::int16_t>(exponent);
      encode_run(family, tensor.values.data() + first, end - first, exponent, out.codes.data() + first);
    }
  }
}

void decode_mx(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  const bool integers = tensor.format.family == FormatFamily::mxint8;
  const std::array<float, 256> table =
      integers ? std::array<float, 256>{} : element_values(element_format(tensor.format.family));
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const int exponent = tensor.exponents[row * grid.per_row() + g];
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      for (std::size_t i = first; i < end; ++i) {
        if (integers) {
          values[i] = scale_by_power(static_cast<float>(tensor.codes[i]), exponent - 6);
        } else {
          values[i] = scale_by_power(table[static_cast<std::size_t>(tensor.codes[i] & 0xFF)], exponent);
        }
      }
    }
  }
}

void encode_nvfp4(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  const float* x = tensor.values.data();
  const float t = tensor_amax(tensor, options) / 2688.0F;  // 6 * 448
  out.tensor_scale = t;
  out.codes.assign(out.size(), 0);
  out.scales.assign(grid.count(), 0);
  if (t == 0) return;
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      const float amax = float_from_bits(max_magnitude_bits(x + first, end - first));
      const float scale = round_e4m3((amax / 6.0F) / t);
      out.scales[row * grid.per_row() + g] = scale;
      const float step = scale * t;
      if (step == 0) continue;  // codes stay 0
      for (std::size_t i = first; i < end; ++i)
        out.codes[i] = static_cast<std::int16_t>(e2m1_bits_branchless(x[i] / step));
    }
  }
}

void decode_nvfp4(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  const std::array<float, 256> table = element_values(e2m1_format);
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const float step = tensor.scales[row * grid.per_row() + g] * tensor.tensor_scale;
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      for (std::size_t i = first; i < end; ++i) {
        values[i] = table[static_cast<std::size_t>(tensor.codes[i] & 15)] * step;
      }
    }
  }
}

}  // namespace nibble
