// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "pe/amove_pe.h"
#include "pe/array_datapath.h"
#include "pe/column_panels.h"
#include "pe/fp16_arithmetic.h"

namespace nibble {

namespace {

bool supports(const Format& a, const Format& w) {
  return a.family == FormatFamily::amove && w.family == FormatFamily::amove && a.group_k == w.group_k &&
         a.cluster == w.cluster;
}

std::size_t tile_extent(const Format& a, const Format&, std::size_t) {
  return a.group_k;
}

std::size_t mode(const Format& a, const Format&) {
  if (a.cluster >= 16) return 1;
  if (a.cluster >= 4) return 0;
  return a.cluster >= 2 ? 2 : 3;
}

/// Decoded scale of the cluster that begins at element k of a row.
float scale_at(const QuantizedTensor& tensor, std::size_t row, std::size_t k) {
  const std::size_t group = tensor.group_index(row, k / tensor.format.group_k);
  const std::size_t clusters = tensor.format.group_k / tensor.format.cluster;
  const std::size_t cluster = k % tensor.format.group_k / tensor.format.cluster;
  return amove_scale(tensor.base_scales[group], tensor.residuals[group],
                     tensor.cluster_codes[group * clusters + cluster]);
}

/// Clusters of a range as (begin, end) along k: they restart with every group.
struct Span {
  std::size_t begin, end;
};
std::vector<Span> clusters_of(const Format& format, const GemmRange& range) {
  std::vector<Span> spans;
  for (std::size_t k = range.k0; k < range.k0 + range.k;) {
    const std::size_t end = std::min(k + format.cluster, range.k0 + range.k);
    spans.push_back({k, end});
    k = end;
  }
  return spans;
}

/// The GIPU on 16 outputs; `power` is 2^(pA + pW).
template <bool fp32>
void gipu(float* accumulators, const float* sums, float activation_scale, const float* weight_scales, double power) {
  for (std::size_t c = 0; c < panel_columns; ++c) {
    const double scales = static_cast<double>(activation_scale) * static_cast<double>(weight_scales[c]);
    const auto t = static_cast<float>(scales * power);
    if (fp32) {
      accumulators[c] = quiet_nan(accumulators[c] + t * sums[c]);
    } else {
      accumulators[c] = nearest_fp16(accumulators[c] + nearest_fp16(nearest_fp16(t) * sums[c]));
    }
  }
}

template <bool fp32>
void multiply(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
              float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns();
  const std::vector<Span> clusters = clusters_of(activations.format, range);
  const double power = std::ldexp(1.0, activations.tensor_exponent + weights.tensor_exponent);
  std::vector<float> activation_scales(range.m * clusters.size());
  for (std::size_t i = 0; i < activation_scales.size(); ++i) {
    activation_scales[i] = scale_at(activations, range.m0 + i / clusters.size(), clusters[i % clusters.size()].begin);
  }
  ColumnPanel<float> integers, scales;
  for_each_panel(range.n, [&](std::size_t n, std::size_t width) {
    const std::size_t first = range.n0 + n;
    integers.load(width, range.k, [&](std::size_t c, std::size_t k) {
      return static_cast<float>(weights.codes[(first + c) * columns + range.k0 + k]);
    });
    scales.load(width, clusters.size(),
                [&](std::size_t c, std::size_t i) { return scale_at(weights, first + c, clusters[i].begin); });
    for (std::size_t m = 0; m < range.m; ++m) {
      const std::int16_t* x = &activations.codes[(range.m0 + m) * columns];
      float out[panel_columns] = {};
      std::copy_n(accumulators + m * stride + n, width, out);
      for (std::size_t i = 0; i < clusters.size(); ++i) {
        float sums[panel_columns] = {};  // small integers, exact
        for (std::size_t k = clusters[i].begin; k < clusters[i].end; ++k) {
          const float* w = integers.row(k - range.k0);
          const auto factor = static_cast<float>(x[k]);
          for (std::size_t c = 0; c < panel_columns; ++c)
            sums[c] += factor * w[c];
        }
        gipu<fp32>(out, sums, activation_scales[m * clusters.size() + i], scales.row(i), power);
      }
      std::copy_n(out, width, accumulators + m * stride + n);
    }
  });
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions& options, float* accumulators, std::size_t stride) {
  if (options.accumulate_fp32) {
    multiply<true>(activations, weights, range, accumulators, stride);
  } else {
    multiply<false>(activations, weights, range, accumulators, stride);
  }
}

}  // namespace

const PeUnit& amove_unit() {
  static const PeUnit unit = {"amove",
                              "Amove: 4-bit integers in clusters whose scales are decoded beside the PE",
                              "amove<b>-g<k>c<c> with amove<b>-g<k>c<c>, the same k and c",
                              supports,
                              tile_extent,
                              tile,
                              amove_pe_timing,
                              mode,
                              "amove4-g128c16",
                              "amove4-g128c16",
                              {"accumulate"},
                              amove_datapath};
  return unit;
}

}  // namespace nibble
