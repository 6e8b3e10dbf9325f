// SPDX-License-Identifier: Apache-2.0
/// ant4 and olive4: docs/formats.md, sections of these names.
#include <array>
#include <cmath>

#include "formats/adaptive_types.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

constexpr std::size_t lanes = 16;  ///< scales that one pass over a group tries

using Lanes = std::array<float, lanes>;
using Errors = std::array<double, lanes>;

float magnitude_of(float x) {
  return float_from_bits(float_bits(x) & 0x7FFFFFFF);
}

/// The elements of one group: runs of whole rows or one row.
struct Rows {
  const float* values;
  std::size_t rows, columns;
  const std::function<void()>& watch;

  void watched() const {
    if (watch) watch();
  }
};

struct Choice {
  bool found = false;
  double error = 0;
  std::uint8_t type = 0;
  float scale = 0;
};

/// A grid as boundaries and steps: magnitude of y = sum of the steps whose boundary is below y.
template <std::size_t Steps>
struct StepGrid {
  std::array<float, Steps> boundary{}, step{};

  constexpr void assign(const int* magnitudes) {
    for (std::size_t i = 0; i < Steps; ++i) {
      boundary[i] = 0.5F * static_cast<float>(magnitudes[i] + magnitudes[i + 1]);
      step[i] = static_cast<float>(magnitudes[i + 1] - magnitudes[i]);
    }
  }
  /// values[l] = scale * nearest magnitude of y[l].
  void nearest(const Lanes& y, const Lanes& scales, Lanes& values) const {
    for (std::size_t l = 0; l < lanes; ++l) {
      float magnitude = 0;
      for (std::size_t i = 0; i < Steps; ++i) {
        magnitude += y[l] > boundary[i] ? step[i] : 0.0F;
      }
      values[l] = magnitude * scales[l];
    }
  }
  std::size_t index(float y) const {
    std::size_t index = 0;
    for (std::size_t i = 0; i < Steps; ++i)
      index += y > boundary[i] ? 1 : 0;
    return index;
  }
};

using NormalGrid = StepGrid<7>;
using PairGrid = StepGrid<14>;

constexpr NormalGrid normal_grid(std::uint8_t type) {
  NormalGrid grid;
  grid.assign(adaptive_magnitudes[type]);
  return grid;
}

/// Normal magnitudes, then those of outliers.
constexpr PairGrid pair_grid(std::uint8_t type) {
  int magnitudes[15] = {};
  for (unsigned i = 0; i < 8; ++i)
    magnitudes[i] = adaptive_magnitudes[type][i];
  for (unsigned i = 1; i < 8; ++i)
    magnitudes[7 + i] = olive_outlier_magnitude(type, i);
  PairGrid grid;
  grid.assign(magnitudes);
  return grid;
}

/// The grids of a type as constants: only then does the search vectorize.
template <std::uint8_t Type>
inline constexpr NormalGrid normal_of = normal_grid(Type);
template <std::uint8_t Type>
inline constexpr PairGrid pairs_of = pair_grid(Type);

/// Magnitudes above it are outliers.
constexpr float outlier_boundary(std::uint8_t type) {
  return pair_grid(type).boundary[7];
}

inline void divide(float magnitude, const Lanes& scales, Lanes& y) {
  for (std::size_t l = 0; l < lanes; ++l)
    y[l] = magnitude / scales[l];
}

inline void add_errors(float magnitude, const Lanes& values, Errors& errors) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const double difference = static_cast<double>(magnitude) - static_cast<double>(values[l]);
    errors[l] += difference * difference;
  }
}

template <std::uint8_t Type>
void ant_errors(const Rows& group, const Lanes& scales, Errors& errors) {
  Lanes y, values;
  errors.fill(0);
  for (std::size_t i = 0; i < group.rows * group.columns; ++i) {
    const float magnitude = magnitude_of(group.values[i]);
    divide(magnitude, scales, y);
    normal_of<Type>.nearest(y, scales, values);
    add_errors(magnitude, values, errors);
  }
}

/// Values of a pair: an outlier's partner becomes 0, of two outliers the first stays.
template <std::uint8_t Type>
void quantize_pair(const Lanes& scales, float first, float second, Lanes& firsts, Lanes& seconds) {
  constexpr float boundary = outlier_boundary(Type);
  Lanes y, z, a, b;
  divide(first, scales, y);
  divide(second, scales, z);
  pairs_of<Type>.nearest(y, scales, a);
  pairs_of<Type>.nearest(z, scales, b);
  for (std::size_t l = 0; l < lanes; ++l) {
    const bool first_out = y[l] > boundary, second_out = z[l] > boundary;
    seconds[l] = first_out ? 0.0F : b[l];
    firsts[l] = (!first_out & second_out) ? 0.0F : a[l];
  }
}

template <std::uint8_t Type>
void olive_errors(const Rows& group, const Lanes& scales, Errors& errors) {
  Lanes firsts, seconds;
  errors.fill(0);
  for (std::size_t row = 0; row < group.rows; ++row) {
    const float* x = group.values + row * group.columns;
    for (std::size_t i = 0; i + 1 < group.columns; i += 2) {
      const float first = magnitude_of(x[i]), second = magnitude_of(x[i + 1]);
      quantize_pair<Type>(scales, first, second, firsts, seconds);
      add_errors(first, firsts, errors);
      add_errors(second, seconds, errors);
    }
    if (group.columns % 2 == 0) continue;
    const float last = magnitude_of(x[group.columns - 1]);
    divide(last, scales, seconds);
    normal_of<Type>.nearest(seconds, scales, firsts);
    add_errors(last, firsts, errors);
  }
}

/// Tries the scales fp16(f32(f32(reach * f32(j / 100)) / gmax)), j = 75, 75 + step, ... up to `last`, in this order.
template <class ErrorsOf>
void search_scales(float reach, int gmax, int step, int last, std::uint8_t type, const ErrorsOf& errors_of,
                   Choice& best) {
  std::array<float, 128> candidates{};
  std::size_t count = 0;
  for (int j = 75; j <= last; j += step) {
    const float scale = integer_scale(reach * (static_cast<float>(j) / 100.0F), static_cast<float>(gmax));
    if (scale <= 65504) candidates[count++] = scale;
  }
  for (std::size_t first = 0; first < count; first += lanes) {
    Lanes scales;
    for (std::size_t l = 0; l < lanes; ++l)
      scales[l] = candidates[std::min(first + l, count - 1)];
    Errors errors;
    errors_of(scales, errors);
    for (std::size_t l = 0; l < std::min(lanes, count - first); ++l) {
      if (!best.found || errors[l] < best.error) best = {true, errors[l], type, scales[l]};
    }
  }
}

template <std::uint8_t Type>
void try_ant(const Rows& group, float amax, Choice& best) {
  const auto errors_of = [&group](const Lanes& scales, Errors& errors) {
    group.watched();
    ant_errors<Type>(group, scales, errors);
  };
  search_scales(amax, adaptive_magnitudes[Type][7], 1, 149, Type, errors_of, best);
}

Choice search_ant(const Rows& group, float amax) {
  Choice best;
  try_ant<adaptive_int4>(group, amax, best);
  try_ant<adaptive_flint4>(group, amax, best);
  try_ant<adaptive_pot4>(group, amax, best);
  return best;
}

/// |mean| + 3 standard deviations (n - 1), in binary64, rounded once.
float three_sigma(const Rows& group) {
  const std::size_t count = group.rows * group.columns;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < count; ++i)
    sum += static_cast<double>(group.values[i]);
  const double mean = sum / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double difference = static_cast<double>(group.values[i]) - mean;
    squares += difference * difference;
  }
  const double deviation = count > 1 ? std::sqrt(squares / static_cast<double>(count - 1)) : 0.0;
  return static_cast<float>(std::abs(mean) + 3.0 * deviation);
}

template <std::uint8_t Type>
void try_olive(const Rows& group, float reach, Choice& best) {
  const auto errors_of = [&group](const Lanes& scales, Errors& errors) {
    group.watched();
    olive_errors<Type>(group, scales, errors);
  };
  search_scales(reach, adaptive_magnitudes[Type][7], 2, 249, Type, errors_of, best);
}

Choice search_olive(const Rows& group) {
  Choice best;
  const float reach = three_sigma(group);
  try_olive<adaptive_int4>(group, reach, best);
  try_olive<adaptive_flint4>(group, reach, best);
  return best;
}

std::int16_t signed_code(float x, std::size_t index) {
  return static_cast<std::int16_t>(index == 0 ? 0 : static_cast<int>(index) + (x < 0 ? 8 : 0));
}

void write_ant_codes(const Rows& group, const Choice& choice, std::int16_t* codes) {
  const NormalGrid grid = normal_grid(choice.type);
  for (std::size_t i = 0; i < group.rows * group.columns; ++i) {
    codes[i] = signed_code(group.values[i], grid.index(magnitude_of(group.values[i]) / choice.scale));
  }
}

void write_olive_codes(const Rows& group, const Choice& choice, std::int16_t* codes) {
  const NormalGrid normal = normal_grid(choice.type);
  const PairGrid pairs = pair_grid(choice.type);
  for (std::size_t row = 0; row < group.rows; ++row) {
    const float* x = group.values + row * group.columns;
    std::int16_t* out = codes + row * group.columns;
    for (std::size_t i = 0; i + 1 < group.columns; i += 2) {
      const std::size_t first = pairs.index(magnitude_of(x[i]) / choice.scale);
      const std::size_t second = pairs.index(magnitude_of(x[i + 1]) / choice.scale);
      out[i] = signed_code(x[i], first > 7 ? first - 7 : first);
      out[i + 1] = signed_code(x[i + 1], second > 7 ? second - 7 : second);
      if (first > 7) {
        out[i + 1] = olive_victim;
      } else if (second > 7) {
        out[i] = olive_victim;
      }
    }
    if (group.columns % 2 == 0) continue;
    const std::size_t last = group.columns - 1;
    out[last] = signed_code(x[last], normal.index(magnitude_of(x[last]) / choice.scale));
  }
}

template <class Search, class Write>
void encode_groups(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out, const Search& search,
                   const Write& write) {
  const GroupGrid grid = group_grid(out);  // whole rows: one group per row or one for all
  out.codes.assign(out.size(), 0);
  out.scales.assign(grid.count(), 0);
  out.types.assign(grid.count(), adaptive_int4);
  for (std::size_t block = 0; block < grid.blocks(); ++block) {
    const std::size_t first = grid.first_row(block) * grid.columns;
    const Rows group{tensor.values.data() + first, grid.end_row(block) - grid.first_row(block), grid.columns,
                     options.watch};
    const float amax = float_from_bits(max_magnitude_bits(group.values, group.rows * group.columns));
    if (amax == 0) continue;  // int4, scale 0, codes 0
    const Choice best = search(group, amax);
    if (!best.found) fail_group(tensor.name, grid, block, 0, "the scale of every type overflows FP16");
    out.types[block] = best.type;
    out.scales[block] = best.scale;
    write(group, best, out.codes.data() + first);
  }
}

}  // namespace

void encode_ant(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  encode_groups(
      tensor, options, out, [](const Rows& group, float amax) { return search_ant(group, amax); }, write_ant_codes);
}

void encode_olive(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  encode_groups(
      tensor, options, out, [](const Rows& group, float) { return search_olive(group); }, write_olive_codes);
}

void decode_ant(const QuantizedTensor& tensor, float* values) {
  for (std::size_t row = 0; row < tensor.rows(); ++row) {
    const std::size_t group = tensor.group_index(row, 0), first = row * tensor.columns();
    for (std::size_t i = first; i < first + tensor.columns(); ++i) {
      const int magnitude = adaptive_magnitudes[tensor.types[group] % ant_type_count][tensor.codes[i] & 7];
      values[i] = tensor.scales[group] * static_cast<float>((tensor.codes[i] & 8) != 0 ? -magnitude : magnitude);
    }
  }
}

void decode_olive(const QuantizedTensor& tensor, float* values) {
  const std::size_t columns = tensor.columns();
  for (std::size_t row = 0; row < tensor.rows(); ++row) {
    const std::size_t group = tensor.group_index(row, 0), first = row * columns;
    const std::uint8_t type = tensor.types[group] % olive_type_count;
    for (std::size_t i = 0; i < columns; ++i) {
      const std::size_t other = i ^ 1;
      const int partner = other < columns ? tensor.codes[first + other] : 0;
      values[first + i] =
          tensor.scales[group] * static_cast<float>(olive_grid_value(type, tensor.codes[first + i], partner));
    }
  }
}

}  // namespace nibble
