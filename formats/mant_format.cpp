// SPDX-License-Identifier: Apache-2.0
/// mant4: docs/formats.md, section "mant4".
#include <limits>

#include "formats/family_codec.h"
#include "formats/mant_types.h"
#include "formats/mant_variance.h"

namespace nibble {
namespace {

constexpr std::size_t types = mant_type_count;

/// The grids with the type as the inner index: one pass over the elements serves all types.
struct Grids {
  float lowest[types];       ///< magnitude of index 0
  float step[7][types];      ///< from index i to i + 1
  float boundary[7][types];  ///< between index i and i + 1
};

constexpr Grids make_grids() {
  Grids grids{};
  for (std::size_t t = 0; t < types; ++t) {
    grids.lowest[t] = static_cast<float>(mant_magnitude(mant_types[t], 0));
    for (unsigned i = 0; i < 7; ++i) {
      grids.step[i][t] = static_cast<float>(mant_magnitude(mant_types[t], i + 1) - mant_magnitude(mant_types[t], i));
      grids.boundary[i][t] = mant_boundary(mant_types[t], i);
    }
  }
  return grids;
}

constexpr Grids grids = make_grids();

/// The scale of each type for one group; infinite where it overflows.
void type_scales(float amax, float* scales) {
  for (std::size_t t = 0; t < types; ++t) {
    scales[t] = integer_scale(amax, static_cast<float>(mant_magnitude(mant_types[t], 7)));
  }
}

/// values[t] = f32(scale * nearest magnitude) of |x| in every type.
inline void quantize_magnitude(float magnitude, const float* scales, float* values) {
  for (std::size_t t = 0; t < types; ++t) {
    const float y = magnitude / scales[t];
    float grid = grids.lowest[t];
    for (unsigned i = 0; i < 7; ++i)
      grid += y > grids.boundary[i][t] ? grids.step[i][t] : 0.0F;
    values[t] = scales[t] * grid;
  }
}

inline float magnitude_of(float x) {
  return float_from_bits(float_bits(x) & 0x7FFFFFFF);
}

/// errors[t] = sum in order of (x - value)^2.
void value_errors(const float* x, std::size_t count, const float* scales, double* errors) {
  float values[types];
  std::fill_n(errors, types, 0.0);
  for (std::size_t i = 0; i < count; ++i) {
    const float magnitude = magnitude_of(x[i]);
    quantize_magnitude(magnitude, scales, values);
    for (std::size_t t = 0; t < types; ++t) {
      const double difference = static_cast<double>(magnitude) - static_cast<double>(values[t]);
      errors[t] += difference * difference;
    }
  }
}

/// errors[t] = mean over the rows of A of (sum in order of A[r, k] * (value - x))^2. `a` points at the group's first
/// column. `differences` is scratch of count * types.
void output_errors(const float* x, std::size_t count, const float* scales, const float* a, std::size_t a_rows,
                   std::size_t a_columns, std::vector<double>& differences, double* errors) {
  float values[types];
  differences.resize(count * types);
  for (std::size_t i = 0; i < count; ++i) {
    const float magnitude = magnitude_of(x[i]);
    quantize_magnitude(magnitude, scales, values);
    const double sign = x[i] < 0 ? -1.0 : 1.0;
    for (std::size_t t = 0; t < types; ++t) {
      differences[i * types + t] = sign * (static_cast<double>(values[t]) - static_cast<double>(magnitude));
    }
  }
  double sums[types], squares[types] = {};
  for (std::size_t row = 0; row < a_rows; ++row) {
    std::fill_n(sums, types, 0.0);
    for (std::size_t i = 0; i < count; ++i) {
      const double factor = static_cast<double>(a[row * a_columns + i]);
      for (std::size_t t = 0; t < types; ++t)
        sums[t] += factor * differences[i * types + t];
    }
    for (std::size_t t = 0; t < types; ++t)
      squares[t] += sums[t] * sums[t];
  }
  for (std::size_t t = 0; t < types; ++t)
    errors[t] = squares[t] / static_cast<double>(a_rows);
}

/// The type with the smallest error among those whose scale is finite, the later one on a tie; `types` when there is
/// none.
std::size_t best_type(const float* scales, const double* errors) {
  std::size_t best = types;
  for (std::size_t t = 0; t < types; ++t) {
    if (scales[t] > 65504) continue;
    if (best == types || errors[t] <= errors[best]) best = t;
  }
  return best;
}

/// The type by the variance of the values relative to their maximum.
std::uint8_t type_by_variance(const float* x, std::size_t count, float amax, bool eight_way) {
  float sum = 0, squares = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += x[i];
    squares += x[i] * x[i];
  }
  return mant_type_by_variance(sum, squares, count, amax, eight_way);
}

void write_codes(const float* x, std::size_t count, std::uint8_t type, float scale, std::int16_t* codes) {
  float boundary[7];
  for (unsigned i = 0; i < 7; ++i)
    boundary[i] = mant_boundary(type, i);
  const bool int4 = type == mant_int4;
  for (std::size_t i = 0; i < count; ++i) {
    const float y = magnitude_of(x[i]) / scale;
    int index = 0;
    for (unsigned b = 0; b < 7; ++b)
      index += y > boundary[b] ? 1 : 0;
    const int sign = x[i] < 0 ? 8 : 0;
    codes[i] = static_cast<std::int16_t>(int4 && index == 0 ? 0 : sign | index);
  }
}

/// What an encoder needs of its options, and its scratch.
struct Search {
  bool variance = false, eight_way = false;
  const Tensor* calibration = nullptr;
  std::vector<double> differences;

  /// Type and scale for a group with amax > 0; false when every type's scale overflows.
  bool choose(const float* x, std::size_t count, std::size_t column, float amax, std::uint8_t& type, float& scale) {
    if (variance) {
      type = type_by_variance(x, count, amax, eight_way);
      scale = integer_scale(amax, static_cast<float>(mant_magnitude(type, 7)));
      return true;  // amax is an FP16 value: the scale cannot overflow
    }
    float scales[types];
    double errors[types];
    type_scales(amax, scales);
    if (calibration != nullptr) {
      output_errors(x, count, scales, calibration->values.data() + column, calibration->rows(), calibration->columns(),
                    differences, errors);
    } else {
      value_errors(x, count, scales, errors);
    }
    const std::size_t best = best_type(scales, errors);
    if (best == types) return false;
    type = mant_types[best];
    scale = scales[best];
    return true;
  }
};

}  // namespace

void encode_mant(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  const GroupGrid grid = group_grid(out);
  Search search;
  search.eight_way = options.select == "variance8";
  search.variance = options.select == "variance" || search.eight_way;
  search.calibration = options.calibration;
  const std::vector<float> rounded = search.variance ? round_tensor_to_fp16(tensor, out.format) : std::vector<float>();
  const float* values = search.variance ? rounded.data() : tensor.values.data();
  out.codes.assign(out.size(), 0);
  out.scales.assign(grid.count(), 0);
  out.types.assign(grid.count(), mant_int4);
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t column = grid.first_column(g), length = grid.length(g), group = row * grid.per_row() + g;
      const float* x = values + row * grid.columns + column;
      const float amax = float_from_bits(max_magnitude_bits(x, length));
      if (amax == 0) continue;  // INT4, scale 0, codes 0
      if (!search.choose(x, length, column, amax, out.types[group], out.scales[group])) {
        fail_group(tensor.name, grid, row, g, "the scale of every type overflows FP16");
      }
      write_codes(x, length, out.types[group], out.scales[group], out.codes.data() + row * grid.columns + column);
    }
  }
}

void decode_mant(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  float table[16];
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t group = row * grid.per_row() + g;
      for (unsigned code = 0; code < 16; ++code) {
        table[code] = tensor.scales[group] * static_cast<float>(mant_grid_value(tensor.types[group], code));
      }
      const std::size_t first = row * grid.columns + grid.first_column(g), end = first + grid.length(g);
      for (std::size_t i = first; i < end; ++i)
        values[i] = table[tensor.codes[i] & 15];
    }
  }
}

}  // namespace nibble
