// SPDX-License-Identifier: Apache-2.0
/// amove4, amove3, amove2: docs/formats.md, section "amove".
#include <array>
#include <cmath>
#include <limits>

#include "formats/amove.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

constexpr float largest_e4m3 = 448.0F;

bool finite(float value) {
  return (float_bits(value) & 0x7FFFFFFF) < 0x7F800000;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Clusters of one group, in arrays of their own so that loops over them vectorize.
struct Clusters {
  std::size_t count = 0;  ///< that hold at least one element
  std::vector<float> d;   ///< scale D of each
  std::vector<std::int32_t> codes;

  explicit Clusters(std::size_t most) : d(most), codes(most) {}
};

/// The four scales that a group can give its clusters, and the largest code whose scale is positive.
struct ScaleChoice {
  float base, residual;
  std::int32_t largest_code = 0;
  std::array<float, 4> scales;

  ScaleChoice(float s, float r) : base(s), residual(r) {
    for (std::int32_t code = 1; code < 4; ++code) {
      if (s - r * static_cast<float>(code) > 0) largest_code = code;  // falls with the code
    }
    for (std::size_t code = 0; code < 4; ++code) {
      scales[code] = round_fp16_branchless(s - r * static_cast<float>(code));  // exact before the rounding
    }
  }

  /// Step 3 for every cluster.
  void write_codes(Clusters& clusters) const {
    const std::size_t count = clusters.count;
    const float* d = clusters.d.data();
    std::int32_t* codes = clusters.codes.data();
    if (residual == 0) {
      std::fill_n(codes, count, 0);
      return;
    }
    constexpr float shifter = 12582912.0F;  // 1.5 * 2^23: the sum's low bits are the integer
    for (std::size_t i = 0; i < count; ++i) {
      float y = (base - d[i]) / residual;
      y = y < 0 ? 0 : y;
      y = y > 3 ? 3 : y;
      const std::int32_t code = static_cast<std::int32_t>(float_bits(y + shifter)) - 0x4B400000;
      codes[i] = code < largest_code ? code : largest_code;
    }
  }

  /// Sum in order of (D - scale)^2.
  double error(const Clusters& clusters) const {
    double sum = 0;
    for (std::size_t i = 0; i < clusters.count; ++i) {
      const float scale = scales[static_cast<std::size_t>(clusters.codes[i])];
      const double difference = static_cast<double>(clusters.d[i]) - static_cast<double>(scale);
      sum += difference * difference;
    }
    return sum;
  }
};

/// R0: half the mean distance of the cluster scales from the largest one.
float mean_residual(const Clusters& clusters, float base) {
  float sum = 0;
  for (std::size_t i = 0; i < clusters.count; ++i)
    sum += base - clusters.d[i];
  return sum / static_cast<float>(2 * clusters.count);
}

constexpr std::size_t trials = 201;

constexpr std::array<float, trials> make_factors() {
  std::array<float, trials> factors{};
  for (std::size_t j = 0; j < trials; ++j)
    factors[j] = static_cast<float>(j) / 100.0F;
  return factors;
}

/// The best residual among e4m3(R0 * 0.00) ... e4m3(R0 * 2.00) by the squared error of the cluster scales; 0 if all are
/// 0.
float searched_residual(Clusters& clusters, float s, float r0) {
  static constexpr std::array<float, trials> factors = make_factors();
  std::array<float, trials> residuals;
  for (std::size_t j = 0; j < trials; ++j)
    residuals[j] = round_e4m3_branchless(r0 * factors[j]);
  float best = 0, last = 0;
  double best_error = 0;
  for (const float r : residuals) {
    if (!(r > 0) || r == last) continue;  // candidates ascend: an equal one cannot be better
    last = r;
    const ScaleChoice choice(s, r);
    choice.write_codes(clusters);
    const double error = choice.error(clusters);
    if (best == 0 || error < best_error) {
      best = r;
      best_error = error;
    }
  }
  return best;
}

/// `Fixed`: elements per cluster when known to the compiler, else 0.
template <std::size_t Fixed>
class Encoder {
 public:
  Encoder(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out)
      : tensor_(tensor),
        out_(out),
        grid_(group_grid(out)),
        clusters_(out.format.group_k / out.format.cluster),
        qmax_(static_cast<float>((1 << (out.format.bits - 1)) - 1)),
        offline_(options.select == "offline"),
        exponent_(out.tensor_exponent) {}

  void run() {
    for (std::size_t row = 0; row < grid_.rows; ++row) {
      for (std::size_t g = 0; g < grid_.per_row(); ++g)
        encode_group(row, g);
    }
  }

 private:
  std::size_t cluster() const { return Fixed != 0 ? Fixed : out_.format.cluster; }
  std::size_t most_clusters() const { return clusters_.d.size(); }

  void encode_group(std::size_t row, std::size_t g) {
    const std::size_t group = row * grid_.per_row() + g, length = grid_.length(g);
    const std::size_t first = row * grid_.columns + grid_.first_column(g);
    const float* x = tensor_.values.data() + first;
    const float base = measure(x, length);
    if (!finite(base))
      fail_group(tensor_.name, grid_, row, g, "a cluster's scale is beyond binary32; choose a larger exponent");
    if (base > largest_e4m3) ++out_.saturated_groups;
    const float s = round_e4m3_branchless(base), r0 = mean_residual(clusters_, base);
    const ScaleChoice choice(s, offline_ ? searched_residual(clusters_, s, r0) : round_e4m3_branchless(r0));
    choice.write_codes(clusters_);
    out_.base_scales[group] = choice.base;
    out_.residuals[group] = choice.residual;
    for (std::size_t i = 0; i < clusters_.count; ++i) {
      out_.cluster_codes[group * most_clusters() + i] = static_cast<std::uint8_t>(clusters_.codes[i]);
    }
    if (!write_elements(choice, x, length, out_.codes.data() + first)) {
      fail_group(tensor_.name, grid_, row, g, "a decoded value is beyond binary32; choose a smaller exponent");
    }
  }

  /// D of every cluster; returns the largest.
  float measure(const float* x, std::size_t length) {
    const std::size_t whole = length / cluster();
    clusters_.count = (length + cluster() - 1) / cluster();
    float* d = clusters_.d.data();
    for (std::size_t i = 0; i < whole; ++i)
      d[i] = float_from_bits(max_magnitude_bits(x + i * cluster(), cluster()));
    if (whole < clusters_.count)
      d[whole] = float_from_bits(max_magnitude_bits(x + whole * cluster(), length - whole * cluster()));
    float base = 0;
    if (exponent_ >= -126 && exponent_ <= 126) {
      // The product with a power of two that binary32 holds is rounded once, like scale_by_power.
      const float power = float_from_bits(static_cast<std::uint32_t>(127 - exponent_) << 23);
      for (std::size_t i = 0; i < clusters_.count; ++i)
        d[i] = (d[i] / qmax_) * power;
    } else {
      for (std::size_t i = 0; i < clusters_.count; ++i)
        d[i] = scale_by_power(d[i] / qmax_, -exponent_);
    }
    for (std::size_t i = 0; i < clusters_.count; ++i)
      base = std::max(base, d[i]);
    return base;
  }

  /// False when a decoded value is not finite.
  bool write_elements(const ScaleChoice& choice, const float* x, std::size_t length, std::int16_t* codes) const {
    std::array<float, 4> units;
    bool safe = true;
    for (std::size_t code = 0; code < 4; ++code) {
      const float unit = scale_by_power(choice.scales[code], exponent_);
      units[code] = unit == 0 ? infinity : unit;  // x / infinity: every code becomes 0
      safe = safe && (unit == 0 || finite(unit * qmax_));
    }
    const std::size_t whole = length / cluster();
    for (std::size_t i = 0; i < whole; ++i) {
      quantize_run(x + i * cluster(), cluster(), units[code_of(i)], qmax_, codes + i * cluster());
    }
    if (whole < clusters_.count) {
      quantize_run(x + whole * cluster(), length - whole * cluster(), units[code_of(whole)], qmax_,
                   codes + whole * cluster());
    }
    return safe || values_finite(choice, codes, length);
  }

  bool values_finite(const ScaleChoice& choice, const std::int16_t* codes, std::size_t length) const {
    for (std::size_t i = 0; i < length; ++i) {
      const float unit = scale_by_power(choice.scales[code_of(i / cluster())], exponent_);
      if (!finite(static_cast<float>(codes[i]) * unit)) return false;
    }
    return true;
  }

  std::size_t code_of(std::size_t i) const { return static_cast<std::size_t>(clusters_.codes[i]); }

  const Tensor& tensor_;
  QuantizedTensor& out_;
  GroupGrid grid_;
  Clusters clusters_;
  float qmax_;
  bool offline_;
  int exponent_;
};

}  // namespace

int amove_exponent(float largest_magnitude, unsigned bits) {
  const float d = largest_magnitude / static_cast<float>((1 << (bits - 1)) - 1);
  if (d == 0) return 0;
  int exponent = 0;
  const float fraction = std::frexp(d, &exponent);  // 448 = 0.875 * 2^9
  return fraction <= 0.875F ? exponent - 9 : exponent - 8;
}

void encode_amove(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out) {
  if (options.slot == TensorSlot::offline) {
    out.tensor_exponent = amove_exponent(tensor_amax(tensor, options), out.format.bits);
  } else {
    out.tensor_exponent = options.exponent.value_or(0);
  }
  const std::size_t groups = out.groups();
  out.codes.resize(out.size());
  out.base_scales.resize(groups);
  out.residuals.resize(groups);
  out.cluster_codes.assign(groups * (out.format.group_k / out.format.cluster), 0);
  switch (out.format.cluster) {
    case 4:
      Encoder<4>(tensor, options, out).run();
      break;
    case 16:
      Encoder<16>(tensor, options, out).run();
      break;
    default:
      Encoder<0>(tensor, options, out).run();
      break;
  }
}

namespace {

/// `Fixed`: elements per cluster when known to the compiler, else 0.
template <std::size_t Fixed>
void decode_clusters(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  const std::size_t cluster = Fixed != 0 ? Fixed : tensor.format.cluster, clusters = tensor.format.group_k / cluster;
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t group = row * grid.per_row() + g, length = grid.length(g);
      const std::size_t first = row * grid.columns + grid.first_column(g);
      for (std::size_t start = 0; start < length; start += cluster) {
        const unsigned code = tensor.cluster_codes[group * clusters + start / cluster];
        const float scale = amove_cluster_scale(tensor.base_scales[group], tensor.residuals[group], code);
        const float unit = scale_by_power(scale, tensor.tensor_exponent);
        const std::int16_t* codes = tensor.codes.data() + first + start;
        float* out = values + first + start;
        if (start + cluster <= length) {
          for (std::size_t i = 0; i < cluster; ++i)
            out[i] = static_cast<float>(codes[i]) * unit;
        } else {
          for (std::size_t i = 0; i < length - start; ++i)
            out[i] = static_cast<float>(codes[i]) * unit;
        }
      }
    }
  }
}

}  // namespace

void decode_amove(const QuantizedTensor& tensor, float* values) {
  switch (tensor.format.cluster) {
    case 4:
      return decode_clusters<4>(tensor, values);
    case 16:
      return decode_clusters<16>(tensor, values);
    default:
      return decode_clusters<0>(tensor, values);
  }
}

}  // namespace nibble
