// SPDX-License-Identifier: Apache-2.0
#include "pe/fp_int_aligned_pe.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "formats/rounding.h"
#include "pe/array_datapath.h"
#include "pe/group_gemm.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

bool supports(const Format& a, const Format& w) {
  if (a.family != FormatFamily::fp16 || w.family != FormatFamily::integer) return false;
  return w.grouping != Grouping::group || w.group_k <= aligned_group || w.group_k % aligned_group == 0;
}

std::size_t tile_extent(const Format&, const Format& w, std::size_t columns) {
  return w.group_extent(columns);
}

unsigned width_of(const GemmOptions& options) {
  const unsigned bits = options.aligned_bits == 0 ? aligned_default_bits : options.aligned_bits;
  if (bits < 4 || bits > 15) {
    throw InputError("fp_int_aligned PE: aligned magnitudes of " + std::to_string(bits) + " bits; expected 4..15");
  }
  return bits;
}

/// What one unit of a sum is worth.
float unit_value(int largest_exponent, unsigned bits) {
  return std::ldexp(1.0F, largest_exponent - 25 - (static_cast<int>(bits) - 11));
}

struct AlignedRows {
  std::vector<std::int16_t> magnitudes;
  std::vector<float> units;
};

/// [rows][columns] and [rows][groups], filled in for the k of the range: a machine calls with many small tiles.
AlignedRows align(const QuantizedTensor& activations, const GemmRange& range, std::size_t extent, unsigned bits) {
  const std::size_t columns = activations.columns(), groups = (columns + extent - 1) / extent;
  AlignedRows rows;
  rows.magnitudes.resize(range.m * columns);
  rows.units.resize(range.m * groups);
  const float* x = activations.values.data() + range.m0 * columns;
  for (std::size_t r = 0; r < range.m; ++r) {
    for (std::size_t first = range.k0; first < range.k0 + range.k; first += extent) {
      const std::size_t begin = r * columns + first, end = begin + std::min(extent, columns - first);
      int largest = 1;
      for (std::size_t i = begin; i < end; ++i)
        largest = std::max(largest, aligned_exponent(x[i]));
      for (std::size_t i = begin; i < end; ++i)
        rows.magnitudes[i] = aligned_magnitude(x[i], largest, bits);
      rows.units[r * groups + first / extent] = unit_value(largest, bits);
    }
  }
  return rows;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions& options, float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns(), scale_group = weights.format.group_extent(columns);
  GroupShape shape;
  shape.columns = columns;
  shape.extent = std::min(aligned_group, scale_group);
  shape.nest = (scale_group + shape.extent - 1) / shape.extent;
  const AlignedRows rows = align(activations, range, shape.extent, width_of(options));
  const std::size_t scales_per_row = (columns + scale_group - 1) / scale_group;
  std::vector<float> scales(range.n * scales_per_row);
  for (std::size_t n = 0; n < range.n; ++n) {
    const std::size_t first_group = weights.group_index(range.n0 + n, 0);
    for (std::size_t g = range.k0 / scale_group; g * scale_group < range.k0 + range.k; ++g)
      scales[n * scales_per_row + g] = weights.scales[first_group + g];
  }
  GroupOperand x, w;
  x.codes = rows.magnitudes.data();
  x.scales = rows.units.data();
  x.scales_per_row = (columns + shape.extent - 1) / shape.extent;
  w.codes = weights.codes.data() + range.n0 * columns;
  w.scales = scales.data();
  w.scales_per_row = scales_per_row;
  group_gemm(x, w, shape, {0, range.m, range.k0, range.k, 0, range.n}, accumulators, stride);
}

}  // namespace

int aligned_exponent(float activation) {
  return std::max((fp16_bits(activation) >> 10) & 31, 1);
}

std::int16_t aligned_magnitude(float activation, int largest_exponent, unsigned bits) {
  const std::uint16_t code = fp16_bits(activation);
  const int field = (code >> 10) & 31;
  const unsigned significand = (code & 1023U) | (field > 0 ? 1024U : 0U);
  check_register(largest_exponent - std::max(field, 1), 6, "fp_int_aligned PE: shift");
  const auto shift = static_cast<unsigned>(largest_exponent - std::max(field, 1));
  const unsigned placed = significand << 4 >> (15 - bits);  // 15 bits, then the width of the PE
  const auto magnitude = static_cast<std::int16_t>(placed >> shift);
  return (code & 0x8000) != 0 ? static_cast<std::int16_t>(-magnitude) : magnitude;
}

std::int32_t aligned_step(std::int32_t sum, std::int16_t m, std::int8_t w) {
  sum += m * w;
  check_register(sum, 29, "fp_int_aligned PE: sum");
  return sum;
}

float aligned_inner(float inner, std::int32_t sum, int largest_exponent, unsigned bits) {
  return inner + static_cast<float>(sum) * unit_value(largest_exponent, bits);
}

float aligned_foot(float accumulator, float inner, float weight_scale) {
  return accumulator + inner * weight_scale;
}

const PeTiming& fp_int_aligned_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "fp_int_aligned";
    t.area_key = "pe.figna.area";
    t.foot_latency = 3;
    t.longest_sum = aligned_group;
    for (const char* variant : {"", "m11", "m8"}) {
      for (const char* weight : {"w4", "w8"}) {
        const std::string mode = std::string(weight) + variant;
        t.modes.push_back({mode, 1, 1, 1, 1, "pe.figna." + mode + ".mac"});
      }
    }
    return t;
  }();
  return timing;
}

const PeUnit& fp_int_aligned_unit() {
  static const PeUnit unit = {"fp_int_aligned",
                              "after FIGNA: FP16 activations aligned to integers, integer weights",
                              "fp16 with int<2..8>-g<k>[x<n>], k at most 64 or a multiple of it, or "
                              "int<2..8>-(channel|tensor)",
                              supports,
                              tile_extent,
                              tile,
                              fp_int_aligned_pe_timing,
                              [](const Format&, const Format& w) -> std::size_t { return w.bits <= 4 ? 0 : 1; },
                              "fp16",
                              "int4-g128",
                              {"aligned_bits"},
                              fp_int_aligned_datapath};
  return unit;
}

}  // namespace nibble
