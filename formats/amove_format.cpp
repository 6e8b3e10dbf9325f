// SPDX-License-Identifier: Apache-2.0
/// amove4, amove3, amove2: docs/formats.md, section "amove".
#include <array>
#include <cmath>

#include "formats/amove.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

constexpr float largest_e4m3 = 448.0F;

bool finite(float value) {
  return (float_bits(value) & 0x7FFFFFFF) < 0x7F800000;
}

/// The four scales that a group can give its clusters, and the largest code whose scale is positive.
struct ScaleChoice {
  float base = 0, residual = 0;
  int largest_code = 0;
  std::array<float, 4> scales{};

  ScaleChoice(float s, float r) : base(s), residual(r) {
    for (int code = 3; code > 0 && largest_code == 0; --code) {
      if (s - r * static_cast<float>(code) > 0) largest_code = code;
    }
    for (unsigned code = 0; code < 4; ++code)
      scales[code] = amove_cluster_scale(s, r, code);
  }

  int code(float d) const {
    if (residual == 0) return 0;
    float y = (base - d) / residual;
    y = y < 0 ? 0 : y;
    y = y > 3 ? 3 : y;
    return std::min(static_cast<int>(rne(y)), largest_code);
  }
};

/// R0: half the mean distance of the cluster scales from the largest one.
float mean_residual(const float* d, std::size_t clusters, float base) {
  float sum = 0;
  for (std::size_t i = 0; i < clusters; ++i)
    sum += base - d[i];
  return sum / static_cast<float>(2 * clusters);
}

/// The best residual among R0 * 0.00 ... R0 * 2.00 by the squared error of the cluster scales.
float searched_residual(const float* d, std::size_t clusters, float s, float r0) {
  float best = 0, last = 0;
  double best_error = 0;
  for (int j = 0; j <= 200; ++j) {
    const float r = round_e4m3(r0 * (static_cast<float>(j) / 100.0F));
    if (!(r > 0) || r == last) continue;  // candidates ascend: an equal one cannot be better
    last = r;
    const ScaleChoice choice(s, r);
    double error = 0;
    for (std::size_t i = 0; i < clusters; ++i) {
      const double difference =
          static_cast<double>(d[i]) - static_cast<double>(choice.scales[static_cast<std::size_t>(choice.code(d[i]))]);
      error += difference * difference;
    }
    if (best == 0 || error < best_error) {
      best = r;
      best_error = error;
    }
  }
  return best;
}

class Encoder {
 public:
  Encoder(const Tensor& tensor, const EncodeOptions& options, QuantizedTensor& out)
      : tensor_(tensor),
        out_(out),
        grid_(group_grid(out)),
        cluster_(out.format.cluster),
        clusters_(out.format.group_k / out.format.cluster),
        qmax_(static_cast<float>((1 << (out.format.bits - 1)) - 1)),
        offline_(options.select == "offline"),
        d_(clusters_) {
    if (options.slot == TensorSlot::offline) {
      const float largest = float_from_bits(max_magnitude_bits(tensor.values.data(), tensor.values.size()));
      out.tensor_exponent = amove_exponent(largest, out.format.bits);
    } else {
      out.tensor_exponent = options.exponent.value_or(0);
    }
    out.codes.assign(out.size(), 0);
    out.base_scales.resize(grid_.count());
    out.residuals.resize(grid_.count());
    out.cluster_codes.assign(grid_.count() * clusters_, 0);
  }

  void run() {
    for (std::size_t row = 0; row < grid_.rows; ++row) {
      for (std::size_t g = 0; g < grid_.per_row(); ++g)
        encode_group(row, g);
    }
  }

 private:
  void encode_group(std::size_t row, std::size_t g) {
    const std::size_t group = row * grid_.per_row() + g, length = grid_.length(g);
    const std::size_t first = row * grid_.columns + grid_.first_column(g),
                      clusters = (length + cluster_ - 1) / cluster_;
    const float* x = tensor_.values.data() + first;
    const float base = cluster_scales(x, length, clusters);
    if (!finite(base))
      fail_group(tensor_.name, grid_, row, g, "a cluster's scale is beyond binary32; choose a larger exponent");
    if (base > largest_e4m3) ++out_.saturated_groups;
    const float s = round_e4m3(base), r0 = mean_residual(d_.data(), clusters, base);
    const ScaleChoice choice(s, offline_ ? searched_residual(d_.data(), clusters, s, r0) : round_e4m3(r0));
    out_.base_scales[group] = choice.base;
    out_.residuals[group] = choice.residual;
    std::array<float, 4> units{};
    for (std::size_t code = 0; code < 4; ++code)
      units[code] = scale_by_power(choice.scales[code], out_.tensor_exponent);
    for (std::size_t i = 0; i < clusters; ++i) {
      const int code = choice.code(d_[i]);
      out_.cluster_codes[group * clusters_ + i] = static_cast<std::uint8_t>(code);
      const float unit = units[static_cast<std::size_t>(code)];
      const std::size_t start = i * cluster_, count = std::min(cluster_, length - start);
      if (!encode_cluster(x + start, count, unit, out_.codes.data() + first + start)) {
        fail_group(tensor_.name, grid_, row, g, "a decoded value is beyond binary32; choose a smaller exponent");
      }
    }
  }

  /// D of every cluster into d_; returns the largest.
  float cluster_scales(const float* x, std::size_t length, std::size_t clusters) {
    float base = 0;
    for (std::size_t i = 0; i < clusters; ++i) {
      const std::size_t start = i * cluster_;
      const float amax = float_from_bits(max_magnitude_bits(x + start, std::min(cluster_, length - start)));
      d_[i] = scale_by_power(amax / qmax_, -out_.tensor_exponent);
      base = std::max(base, d_[i]);
    }
    return base;
  }

  /// False when a decoded value is not finite.
  bool encode_cluster(const float* x, std::size_t count, float unit, std::int16_t* codes) const {
    if (unit == 0) return true;  // codes stay 0
    if (!finite(unit)) return false;
    quantize_run(x, count, unit, qmax_, codes);
    if (finite(unit * qmax_)) return true;
    for (std::size_t i = 0; i < count; ++i) {
      if (!finite(static_cast<float>(codes[i]) * unit)) return false;
    }
    return true;
  }

  const Tensor& tensor_;
  QuantizedTensor& out_;
  GroupGrid grid_;
  std::size_t cluster_, clusters_;  ///< elements per cluster, clusters per whole group
  float qmax_;
  bool offline_;
  std::vector<float> d_;
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
  Encoder(tensor, options, out).run();
}

void decode_amove(const QuantizedTensor& tensor, float* values) {
  const GroupGrid grid = group_grid(tensor);
  const std::size_t cluster = tensor.format.cluster, clusters = tensor.format.group_k / cluster;
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t g = 0; g < grid.per_row(); ++g) {
      const std::size_t group = row * grid.per_row() + g, length = grid.length(g);
      const std::size_t first = row * grid.columns + grid.first_column(g);
      for (std::size_t start = 0; start < length; start += cluster) {
        const unsigned code = tensor.cluster_codes[group * clusters + start / cluster];
        const float scale = amove_cluster_scale(tensor.base_scales[group], tensor.residuals[group], code);
        const float unit = scale_by_power(scale, tensor.tensor_exponent);
        const std::size_t end = std::min(length, start + cluster);
        for (std::size_t i = start; i < end; ++i)
          values[first + i] = static_cast<float>(tensor.codes[first + i]) * unit;
      }
    }
  }
}

}  // namespace nibble
