// SPDX-License-Identifier: Apache-2.0
#include "pe/tender_pe.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pe/array_datapath.h"
#include "pe/column_panels.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

/// Elements whose products of 14 and 7 bits, all of one sign, 31 bits hold.
constexpr std::size_t block_elements = 512;

bool supports(const Format& a, const Format& w) {
  return a.family == FormatFamily::tender && w.family == FormatFamily::integer && w.grouping == Grouping::channel &&
         a.bits == w.bits;
}

std::size_t tile_extent(const Format&, const Format&, std::size_t columns) {
  return std::min(columns, integer_segment);
}

/// sums += x * w over up to block_elements of k.
void add_block(const std::int16_t* x, const ColumnPanel<std::int16_t>& w, std::size_t first, std::size_t length,
               std::int64_t* sums) {
  std::int32_t part[panel_columns] = {};
  for (std::size_t k = 0; k < length; ++k) {
    const std::int16_t* row = w.row(first + k);
    for (std::size_t c = 0; c < panel_columns; ++c)
      part[c] += x[k] * row[c];
  }
  for (std::size_t c = 0; c < panel_columns; ++c)
    sums[c] += part[c];
}

/// A row's codes, each times 2^(groups - 1 - its column's group): what the shifts between groups amount to.
void shifted_row(const QuantizedTensor& activations, std::size_t row, const GemmRange& range,
                 std::vector<std::int16_t>& out) {
  const std::size_t columns = activations.columns();
  const std::size_t chunk = activations.group_index(row, 0);
  const int last = static_cast<int>(activations.format.decomposition) - 1;
  for (std::size_t k = 0; k < range.k; ++k) {
    const int group = activations.column_groups[chunk * columns + range.k0 + k];
    out[k] = static_cast<std::int16_t>(activations.codes[row * columns + range.k0 + k] * (1 << (last - group)));
  }
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns();
  std::vector<std::int16_t> x(range.m * range.k), row(range.k);
  for (std::size_t m = 0; m < range.m; ++m) {
    shifted_row(activations, range.m0 + m, range, row);
    std::copy(row.begin(), row.end(), x.begin() + static_cast<std::ptrdiff_t>(m * range.k));
  }
  ColumnPanel<std::int16_t> panel;
  for_each_panel(range.n, [&](std::size_t n, std::size_t width) {
    panel.load(width, range.k, [&](std::size_t c, std::size_t k) {
      return weights.codes[(range.n0 + n + c) * columns + range.k0 + k];
    });
    for (std::size_t m = 0; m < range.m; ++m) {
      const float scale = activations.scales[activations.group_index(range.m0 + m, 0)];
      for (std::size_t segment = 0; segment < range.k; segment += integer_segment) {
        const std::size_t end = std::min(segment + integer_segment, range.k);
        std::int64_t sums[panel_columns] = {};
        for (std::size_t k = segment; k < end; k += block_elements)
          add_block(&x[m * range.k + k], panel, k, std::min(block_elements, end - k), sums);
        for (std::size_t c = 0; c < width; ++c) {
          float& target = accumulators[m * stride + n + c];
          target =
              tender_foot(target, sums[c], scale, activations.format.decomposition, weights.scales[range.n0 + n + c]);
        }
      }
    }
  });
}

}  // namespace

std::int64_t tender_step(std::int64_t sum, std::int8_t x, std::int8_t w) {
  sum += std::int64_t{x} * w;
  check_register(sum, 38, "tender PE: sum");
  return sum;
}

std::int64_t tender_rescale(std::int64_t sum) {
  sum *= 2;
  check_register(sum, 38, "tender PE: sum");
  return sum;
}

float tender_foot(float accumulator, std::int64_t sum, float activation_scale, unsigned groups, float weight_scale) {
  return integer_foot(accumulator, sum, std::ldexp(activation_scale, 1 - static_cast<int>(groups)), weight_scale);
}

const PeTiming& tender_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "tender";
    t.area_key = "pe.tender.area";
    t.foot_latency = 3;
    t.modes = {{"w4a4", 1, 1, 1, 1, "pe.tender.w4a4.mac"}, {"w8a8", 1, 1, 1, 4, "pe.tender.w8a8.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& tender_unit() {
  static const PeUnit unit = {"tender",
                              "Tender: integer activations in groups of columns, rescaled by shifts",
                              "tender8-d<n> with int8-channel, tender4-d<n> with int4-channel",
                              supports,
                              tile_extent,
                              tile,
                              tender_pe_timing,
                              [](const Format& a, const Format&) -> std::size_t { return a.bits == 4 ? 0 : 1; },
                              "tender8-d8",
                              "int8-channel",
                              {},
                              tender_datapath,
                              [](const Format& a, const Format&) { return std::uint64_t{a.decomposition} - 1; }};
  return unit;
}

}  // namespace nibble
