// SPDX-License-Identifier: Apache-2.0
#include "pe/bitmod_pe.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "formats/bitmod_types.h"
#include "formats/rounding.h"
#include "pe/array_datapath.h"
#include "pe/column_panels.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

constexpr int guard_bits = 3;  ///< kept below the significand of the largest lane

bool has_floating_types(const Format& w) {
  return w.family == FormatFamily::bitmod && bitmod_has_types(w.bits);
}

bool supports(const Format& a, const Format& w) {
  return a.family == FormatFamily::fp16 && (w.family == FormatFamily::integer || w.family == FormatFamily::bitmod);
}

std::size_t tile_extent(const Format&, const Format& w, std::size_t columns) {
  return w.group_extent(columns);
}

/// 2^exponent for the exponents that a step has: -42 .. 12.
float power_of_two(int exponent) {
  return float_from_bits(static_cast<std::uint32_t>(exponent + 127) << 23);
}

std::int32_t significand_of(float activation) {
  const std::uint16_t code = fp16_bits(activation);
  return (code & 1023) | ((code & 0x7C00) != 0 ? 1024 : 0);
}

/// Terms of 16 columns for every k and cycle.
struct TermPanel {
  std::size_t cycles = 0;
  std::vector<float> signs;             ///< [k][cycle][16]
  std::vector<std::int32_t> exponents;  ///< [k][cycle][16]

  void load(const QuantizedTensor& weights, const GemmRange& range, std::size_t n, std::size_t width) {
    const Format& format = weights.format;
    const bool floating = has_floating_types(format);
    const std::size_t columns = weights.columns(), extent = format.group_extent(columns);
    cycles = bitmod_cycles(format);
    signs.assign(range.k * cycles * panel_columns, 0.0F);
    exponents.assign(signs.size(), 0);
    for (std::size_t c = 0; c < width; ++c) {
      const std::size_t row = range.n0 + n + c;
      for (std::size_t k = 0; k < range.k; ++k) {
        int value = weights.codes[row * columns + range.k0 + k];
        if (floating) {
          const std::uint8_t type = weights.types[weights.group_index(row, (range.k0 + k) / extent)];
          value = bitmod_grid_value(format.bits, type, static_cast<unsigned>(value));
        }
        for (unsigned i = 0; i < cycles; ++i) {
          const BitmodTerm term = floating ? bitmod_float_term(value, i) : bitmod_digit(value, i);
          signs[(k * cycles + i) * panel_columns + c] = static_cast<float>(term.sign);
          exponents[(k * cycles + i) * panel_columns + c] = term.exponent;
        }
      }
    }
  }
};

/// The activations of a row: exponent fields, and signed significands with their guard bits.
struct ActivationRow {
  std::vector<std::int32_t> exponents;
  std::vector<float> significands;

  ActivationRow(const float* values, std::size_t count) : exponents(count), significands(count) {
    for (std::size_t k = 0; k < count; ++k) {
      exponents[k] = aligned_exponent(values[k]);
      const auto magnitude = static_cast<float>(significand_of(values[k]) << guard_bits);
      significands[k] = (fp16_bits(values[k]) & 0x8000) != 0 ? -magnitude : magnitude;
    }
  }
};

/// One cycle of 16 columns: up to four lanes from k on. A lane that does not exist is smaller than every other. A shift
/// that cuts off is a product with a power of two and a conversion toward zero: vectors have both everywhere.
void step_columns(const ActivationRow& x, const TermPanel& w, std::size_t k, std::size_t lanes, std::size_t cycle,
                  int significance, float* sums) {
  std::int32_t exponents[bitmod_lanes] = {};
  float significands[bitmod_lanes] = {};
  const float* term_signs[bitmod_lanes];
  const std::int32_t* term_exponents[bitmod_lanes];
  for (std::size_t i = 0; i < bitmod_lanes; ++i) {
    const std::size_t at = ((k + std::min(i, lanes - 1)) * w.cycles + cycle) * panel_columns;
    term_signs[i] = &w.signs[at];
    term_exponents[i] = &w.exponents[at];
    exponents[i] = i < lanes ? x.exponents[k + i] : -8;
    significands[i] = i < lanes ? x.significands[k + i] : 0.0F;
  }
  std::int32_t largest[panel_columns] = {};
  for (std::size_t i = 0; i < bitmod_lanes; ++i) {
    for (std::size_t c = 0; c < panel_columns; ++c)
      largest[c] = std::max(largest[c], exponents[i] + term_exponents[i][c]);
  }
  float totals[panel_columns] = {};
  for (std::size_t i = 0; i < bitmod_lanes; ++i) {
    for (std::size_t c = 0; c < panel_columns; ++c) {
      const float aligned = significands[i] * power_of_two(exponents[i] + term_exponents[i][c] - largest[c]);
      totals[c] += static_cast<float>(static_cast<std::int32_t>(aligned)) * term_signs[i][c];
    }
  }
  for (std::size_t c = 0; c < panel_columns; ++c)
    sums[c] += totals[c] * power_of_two(largest[c] - 25 - guard_bits + significance);
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  const std::size_t columns = activations.columns(), extent = weights.format.group_extent(columns);
  const int significance = has_floating_types(weights.format) ? 0 : 2;  // of a cycle above the one before
  std::vector<ActivationRow> rows;
  for (std::size_t m = 0; m < range.m; ++m)
    rows.emplace_back(&activations.values[(range.m0 + m) * columns + range.k0], range.k);
  TermPanel panel;
  for_each_panel(range.n, [&](std::size_t n, std::size_t width) {
    panel.load(weights, range, n, width);
    for (std::size_t begin = 0; begin < range.k; begin += extent) {
      const std::size_t end = std::min(begin + extent, range.k);
      for (std::size_t m = 0; m < range.m; ++m) {
        float sums[panel_columns] = {};
        for (std::size_t k = begin; k < end; k += bitmod_lanes) {
          for (std::size_t cycle = 0; cycle < panel.cycles; ++cycle)
            step_columns(rows[m], panel, k, std::min(bitmod_lanes, end - k), cycle,
                         significance * static_cast<int>(cycle), sums);
        }
        for (std::size_t c = 0; c < width; ++c) {
          float& target = accumulators[m * stride + n + c];
          const std::size_t group = weights.group_index(range.n0 + n + c, (range.k0 + begin) / extent);
          target = bitmod_foot(target, sums[c], weights.scales[group]);
        }
      }
    }
  });
}

}  // namespace

unsigned bitmod_cycles(const Format& weights) {
  return has_floating_types(weights) ? 2 : (weights.bits + 1) / 2;
}

BitmodTerm bitmod_float_term(int value, unsigned index) {
  auto rest = static_cast<unsigned>(std::abs(value));
  for (unsigned bit = 5; bit-- > 0;) {
    if ((rest >> bit & 1U) == 0) continue;
    if (index-- > 0) continue;
    return {static_cast<std::int8_t>(value < 0 ? -1 : 1), static_cast<std::uint8_t>(bit)};
  }
  return {};
}

BitmodTerm bitmod_digit(int integer, unsigned index) {
  check_register(integer, 8, "bitmod PE: weight");
  const unsigned bits = static_cast<unsigned>(integer) << 1 >> (2 * index) & 7U;  // two's complement, a 0 below
  const int digit = static_cast<int>(bits & 1U) + static_cast<int>(bits >> 1 & 1U) - 2 * static_cast<int>(bits >> 2);
  return {static_cast<std::int8_t>(digit < 0   ? -1
                                   : digit > 0 ? 1
                                               : 0),
          static_cast<std::uint8_t>(std::abs(digit) == 2 ? 1 : 0)};
}

float bitmod_step(float sum, const float* activations, const BitmodTerm* terms, unsigned lanes, unsigned significance) {
  int exponents[bitmod_lanes] = {}, largest = 0;
  for (unsigned i = 0; i < lanes; ++i) {
    exponents[i] = aligned_exponent(activations[i]) + terms[i].exponent;
    check_register(exponents[i], 7, "bitmod PE: exponent");
    largest = std::max(largest, exponents[i]);
  }
  std::int32_t total = 0;
  for (unsigned i = 0; i < lanes; ++i) {
    const std::int32_t magnitude = significand_of(activations[i]) * (1 << guard_bits);
    check_register(magnitude, 15, "bitmod PE: aligned significand");
    const std::int32_t aligned = magnitude >> std::min(largest - exponents[i], 15);
    const bool negative = ((fp16_bits(activations[i]) & 0x8000) != 0) != (terms[i].sign < 0);
    if (terms[i].sign != 0) total += negative ? -aligned : aligned;
  }
  check_register(total, 17, "bitmod PE: sum of lanes");
  return sum + static_cast<float>(total) * power_of_two(largest - 25 - guard_bits + static_cast<int>(significance));
}

float bitmod_foot(float accumulator, float sum, float scale) {
  return accumulator + sum * scale;
}

const PeTiming& bitmod_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "bitmod";
    t.area_key = "pe.bitmod.area";
    t.foot_latency = 9;    // the scale bit by bit, the sum over groups
    t.group_interval = 8;  // bits of a scale
    t.modes = {{"w8", bitmod_lanes, 4, 3, 1, "pe.bitmod.w8.mac"},
               {"w6", bitmod_lanes, 3, 3, 1, "pe.bitmod.w6.mac"},
               {"w4", bitmod_lanes, 2, 3, 1, "pe.bitmod.w4.mac"},
               {"w2", bitmod_lanes, 1, 3, 1, "pe.bitmod.w2.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& bitmod_unit() {
  static const PeUnit unit = {"bitmod",
                              "BitMoD: FP16 activations with the terms of adaptive or integer weights, bit by bit",
                              "fp16 with bitmod(6|4|3)-g<k>, int<2..8>-g<k>[x<n>] or int<2..8>-(channel|tensor)",
                              supports,
                              tile_extent,
                              tile,
                              bitmod_pe_timing,
                              [](const Format&, const Format& w) -> std::size_t { return 4 - bitmod_cycles(w); },
                              "fp16",
                              "bitmod4-g128",
                              {},
                              bitmod_datapath};
  return unit;
}

}  // namespace nibble
