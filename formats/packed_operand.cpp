// SPDX-License-Identifier: Apache-2.0
#include "formats/packed_operand.h"

#include <algorithm>

#include "core/error.h"
#include "formats/bitmod_types.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

bool is_cast(const Format& format) {
  return format.grouping == Grouping::none;
}

/// Codes in two's complement.
bool is_integer(const Format& format) {
  switch (format.family) {
    case FormatFamily::integer:
    case FormatFamily::tender:
    case FormatFamily::amove:
    case FormatFamily::mxint8:
      return true;
    case FormatFamily::bitmod:
      return !bitmod_has_types(format.bits);
    default:
      return false;
  }
}

std::uint32_t field_of(const QuantizedTensor& tensor, std::size_t i) {
  switch (tensor.format.family) {
    case FormatFamily::fp32:
      return float_bits(tensor.values[i]);
    case FormatFamily::fp16:
      return fp16_bits(tensor.values[i]);
    case FormatFamily::bf16:
      return bf16_bits(tensor.values[i]);
    case FormatFamily::bfp:
    case FormatFamily::anda: {
      const int mantissa = tensor.codes[i];
      return mantissa < 0 ? std::uint32_t{1} << tensor.format.bits | static_cast<std::uint32_t>(-mantissa)
                          : static_cast<std::uint32_t>(mantissa);
    }
    default:
      return static_cast<std::uint32_t>(std::int32_t{tensor.codes[i]});
  }
}

void set_field(QuantizedTensor& tensor, std::size_t i, std::uint32_t field) {
  const unsigned bits = tensor.format.bits;
  switch (tensor.format.family) {
    case FormatFamily::fp32:
      tensor.values[i] = float_from_bits(field);
      break;
    case FormatFamily::fp16:
      tensor.values[i] = fp16_value(static_cast<std::uint16_t>(field));
      break;
    case FormatFamily::bf16:
      tensor.values[i] = bf16_value(static_cast<std::uint16_t>(field));
      break;
    case FormatFamily::bfp:
    case FormatFamily::anda: {
      const int mantissa = static_cast<int>(field & ((1U << bits) - 1));
      tensor.codes[i] = static_cast<std::int16_t>((field >> bits) != 0 ? -mantissa : mantissa);
      break;
    }
    default: {
      const int code = static_cast<int>(field);
      const bool negative = is_integer(tensor.format) && code >= 1 << (bits - 1);
      tensor.codes[i] = static_cast<std::int16_t>(negative ? code - (1 << bits) : code);
      break;
    }
  }
}

/// Calls visit(element, bit of its field) for every bit of `count` elements that lie plane by plane, in their order:
/// the signs, then the mantissas' bits from the highest down.
template <class Visit>
void for_each_plane_bit(const Format& format, std::size_t count, Visit visit) {
  for (unsigned plane = format.bits + 1; plane-- > 0;) {
    for (std::size_t i = 0; i < count; ++i)
      visit(i, plane);
  }
}

void put16(std::uint8_t* out, std::uint16_t value) {
  out[0] = static_cast<std::uint8_t>(value & 0xFF);
  out[1] = static_cast<std::uint8_t>(value >> 8);
}
std::uint16_t get16(const std::uint8_t* in) {
  return static_cast<std::uint16_t>(in[0] | in[1] << 8);
}

std::size_t clusters_of(const Format& format) {
  return format.group_k / format.cluster;
}

}  // namespace

unsigned element_bits(const Format& format) {
  const bool separate_sign = format.family == FormatFamily::bfp || format.family == FormatFamily::anda;
  return separate_sign ? format.bits + 1 : format.bits;
}

bool has_bit_planes(const Format& format) {
  return format.family == FormatFamily::anda;
}

unsigned metadata_bytes(const Format& format) {
  return static_cast<unsigned>((format.metadata_bits() + 7) / 8);
}

std::size_t code_bytes(const Format& format, std::size_t elements) {
  return (elements * element_bits(format) + 7) / 8;
}

void pack_elements(const QuantizedTensor& tensor, std::size_t row, std::size_t column, std::size_t count,
                   std::uint8_t* out) {
  const unsigned bits = element_bits(tensor.format);
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::size_t first = row * tensor.columns() + column;
  if (has_bit_planes(tensor.format)) {
    std::fill_n(out, code_bytes(tensor.format, count), std::uint8_t{0});
    std::size_t at = 0;
    for_each_plane_bit(tensor.format, count, [&](std::size_t i, unsigned plane) {
      out[at / 8] |= static_cast<std::uint8_t>((field_of(tensor, first + i) >> plane & 1U) << (at % 8));
      ++at;
    });
    return;
  }
  std::uint64_t pending = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pending |= (field_of(tensor, first + i) & mask) << held;
    for (held += bits; held >= 8; held -= 8, pending >>= 8)
      *out++ = static_cast<std::uint8_t>(pending & 0xFF);
  }
  if (held > 0) *out = static_cast<std::uint8_t>(pending);
}

void unpack_elements(const std::uint8_t* in, std::size_t row, std::size_t column, std::size_t count,
                     QuantizedTensor& tensor, std::size_t stored) {
  const unsigned bits = element_bits(tensor.format);
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::size_t first = row * tensor.columns() + column;
  if (has_bit_planes(tensor.format)) {
    std::vector<std::uint32_t> fields(std::max(count, stored), 0);
    std::size_t at = 0;
    for_each_plane_bit(tensor.format, fields.size(), [&](std::size_t i, unsigned plane) {
      fields[i] |= static_cast<std::uint32_t>(in[at / 8] >> (at % 8) & 1) << plane;
      ++at;
    });
    for (std::size_t i = 0; i < count; ++i)
      set_field(tensor, first + i, fields[i]);
    return;
  }
  std::uint64_t pending = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (; held < bits; held += 8)
      pending |= std::uint64_t{*in++} << held;
    set_field(tensor, first + i, static_cast<std::uint32_t>(pending & mask));
    pending >>= bits;
    held -= bits;
  }
}

void pack_codes(const QuantizedTensor& tensor, std::size_t row, std::size_t g, std::uint8_t* out) {
  const GroupGrid grid = group_grid(tensor);
  pack_elements(tensor, row, grid.first_column(g), grid.length(g), out);
}

void unpack_codes(const std::uint8_t* in, std::size_t row, std::size_t g, QuantizedTensor& tensor) {
  const GroupGrid grid = group_grid(tensor);
  unpack_elements(in, row, grid.first_column(g), grid.length(g), tensor);
}

void pack_metadata(const QuantizedTensor& tensor, std::size_t row, std::size_t g, std::uint8_t* out) {
  const Format& format = tensor.format;
  if (is_cast(format)) return;
  const std::size_t group = tensor.group_index(row, g);
  switch (format.family) {
    case FormatFamily::integer:
    case FormatFamily::tender:
      put16(out, fp16_bits(tensor.scales[group]));
      break;
    case FormatFamily::mant4:
    case FormatFamily::ant4:
    case FormatFamily::olive4:
      put16(out, fp16_bits(tensor.scales[group]));
      out[2] = tensor.types[group];
      break;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      out[0] = static_cast<std::uint8_t>(tensor.exponents[group]);
      break;
    case FormatFamily::bitmod: {
      const float row_scale = tensor.row_scales[row];
      out[0] = row_scale == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(tensor.scales[group] / row_scale);
      if (bitmod_has_types(format.bits)) out[1] = tensor.types[group];
      break;
    }
    case FormatFamily::amove: {
      const std::size_t clusters = clusters_of(format);
      out[0] = e4m3_bits(tensor.base_scales[group]);
      out[1] = e4m3_bits(tensor.residuals[group]);
      std::fill_n(out + 2, metadata_bytes(format) - 2, std::uint8_t{0});
      for (std::size_t c = 0; c < clusters; ++c) {
        out[2 + c / 4] =
            static_cast<std::uint8_t>(out[2 + c / 4] | tensor.cluster_codes[group * clusters + c] << (2 * (c % 4)));
      }
      break;
    }
    case FormatFamily::nvfp4:
      out[0] = e4m3_bits(tensor.scales[group]);
      break;
    default:
      out[0] = static_cast<std::uint8_t>(tensor.exponents[group] + 127);
      break;
  }
}

void unpack_metadata(const std::uint8_t* in, std::size_t row, std::size_t g, QuantizedTensor& tensor) {
  const Format& format = tensor.format;
  if (is_cast(format)) return;
  const std::size_t group = tensor.group_index(row, g);
  switch (format.family) {
    case FormatFamily::integer:
    case FormatFamily::tender:
      tensor.scales[group] = fp16_value(get16(in));
      break;
    case FormatFamily::mant4:
    case FormatFamily::ant4:
    case FormatFamily::olive4:
      tensor.scales[group] = fp16_value(get16(in));
      tensor.types[group] = in[2];
      break;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      tensor.exponents[group] = static_cast<std::int16_t>(in[0] & 31);
      break;
    case FormatFamily::bitmod:
      tensor.scales[group] = static_cast<float>(in[0]) * tensor.row_scales[row];
      if (bitmod_has_types(format.bits)) tensor.types[group] = in[1];
      break;
    case FormatFamily::amove: {
      const std::size_t clusters = clusters_of(format);
      tensor.base_scales[group] = e4m3_value(in[0]);
      tensor.residuals[group] = e4m3_value(in[1]);
      for (std::size_t c = 0; c < clusters; ++c) {
        tensor.cluster_codes[group * clusters + c] = static_cast<std::uint8_t>(in[2 + c / 4] >> (2 * (c % 4)) & 3);
      }
      break;
    }
    case FormatFamily::nvfp4:
      tensor.scales[group] = e4m3_value(in[0]);
      break;
    default:
      tensor.exponents[group] = static_cast<std::int16_t>(in[0] - 127);
      break;
  }
}

QuantizedTensor blank_tensor(const Format& format, std::vector<std::size_t> shape, std::string name) {
  QuantizedTensor tensor;
  tensor.format = format;
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  if (is_cast(format)) {
    tensor.values.assign(tensor.size(), 0);
    return tensor;
  }
  tensor.codes.assign(tensor.size(), 0);
  const std::size_t groups = tensor.groups();
  switch (format.family) {
    case FormatFamily::bitmod:
      tensor.row_scales.assign(tensor.rows(), 0);
      tensor.scales.assign(groups, 0);
      if (bitmod_has_types(format.bits)) tensor.types.assign(groups, 0);
      break;
    case FormatFamily::mant4:
    case FormatFamily::ant4:
    case FormatFamily::olive4:
      tensor.types.assign(groups, 0);
      [[fallthrough]];
    case FormatFamily::integer:
    case FormatFamily::tender:
    case FormatFamily::nvfp4:
      tensor.scales.assign(groups, 0);
      if (format.decomposition > 0) tensor.column_groups.assign(groups * tensor.columns(), 0);
      break;
    case FormatFamily::amove:
      tensor.base_scales.assign(groups, 0);
      tensor.residuals.assign(groups, 0);
      tensor.cluster_codes.assign(groups * clusters_of(format), 0);
      break;
    default:
      tensor.exponents.assign(groups, 0);
      break;
  }
  return tensor;
}

}  // namespace nibble
