// SPDX-License-Identifier: Apache-2.0
#include "testbenches/pe/step_gemm.h"

#include <algorithm>
#include <stdexcept>

#include "formats/bitmod_types.h"
#include "formats/rounding.h"
#include "pe/amove_pe.h"
#include "pe/anda_pe.h"
#include "pe/ant_pe.h"
#include "pe/bfp_pe.h"
#include "pe/bitfusion_pe.h"
#include "pe/bitmod_pe.h"
#include "pe/fp16_pe.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/fp_int_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "pe/mant_pe.h"
#include "pe/olive_pe.h"
#include "pe/tender_pe.h"

namespace nibble::test {

namespace {

using Tensor = QuantizedTensor;

std::int8_t narrow(std::int16_t code) {
  return static_cast<std::int8_t>(code);
}

/// Row `row` of a tensor, so that steps index with k alone.
struct Row {
  const Tensor& tensor;
  std::size_t row;
  const std::int16_t* codes;
  const float* values;

  Row(const Tensor& t, std::size_t r)
      : tensor(t),
        row(r),
        codes(t.codes.empty() ? nullptr : &t.codes[r * t.columns()]),
        values(t.values.empty() ? nullptr : &t.values[r * t.columns()]) {}
  std::size_t group(std::size_t k) const {
    return tensor.group_index(row, k / tensor.format.group_extent(tensor.columns()));
  }
  float scale(std::size_t k) const { return tensor.scales[group(k)]; }
};

float mant_output(const Row& a, const Row& w, std::size_t columns) {
  const std::size_t extent = a.tensor.format.group_k;
  const bool w8 = w.tensor.types.empty();
  float accumulator = 0;
  for (std::size_t k = 0; k < columns; k += extent) {
    const std::size_t end = std::min(k + extent, columns);
    const std::uint8_t type = w8 ? std::uint8_t{0} : w.tensor.types[w.group(k)];
    std::int32_t sum = 0;
    for (std::size_t pass = k; pass < end; pass += mant_pass_elements) {
      MantSums sums;
      for (std::size_t i = pass; i < std::min<std::size_t>(pass + mant_pass_elements, end); ++i) {
        if (w8) {
          sum = mant_step_w8(sum, narrow(a.codes[i]), narrow(w.codes[i]));
        } else {
          sums = mant_step(sums, narrow(a.codes[i]), static_cast<std::uint8_t>(w.codes[i]), type == mant_int4_type);
        }
      }
      if (!w8) sum += mant_group_sum(sums, type);
    }
    accumulator = mant_foot(accumulator, sum, a.scale(k), w.scale(k));
  }
  return accumulator;
}

float bfp_output(const Row& a, const Row& w, std::size_t columns) {
  const bool int4 = w.tensor.format.family == FormatFamily::integer;
  const BfpMode mode = int4 ? BfpMode::m8w4 : w.tensor.format.bits == 8 ? BfpMode::m8m8 : BfpMode::m8m4;
  const std::size_t extent = a.tensor.format.group_k, weight_extent = w.tensor.format.group_k;
  float accumulator = 0, inner = 0;
  for (std::size_t k = 0; k < columns; k += extent) {
    const std::size_t end = std::min(k + extent, columns);
    std::int32_t sum = 0;
    for (std::size_t i = k; i < end; i += bfp_products(mode)) {
      const auto products = static_cast<unsigned>(std::min<std::size_t>(bfp_products(mode), end - i));
      sum = bfp_step(sum, a.codes + i, w.codes + i, products, mode);
    }
    const int exponent = a.tensor.exponents[a.group(k)];
    if (!int4) {
      accumulator = bfp_foot(accumulator, sum, exponent, w.tensor.exponents[w.group(k)], mode);
      continue;
    }
    inner = bfp_inner(inner, sum, exponent);
    if (end % weight_extent != 0 && end != columns) continue;
    accumulator = bfp_weight_foot(accumulator, inner, w.scale(k));
    inner = 0;
  }
  return accumulator;
}

float fp_int_output(const Row& a, const Row& w, std::size_t columns, const GemmOptions& options) {
  const unsigned bits = w.tensor.format.bits;
  const std::size_t extent = w.tensor.format.group_extent(columns);
  float out = 0;
  for (std::size_t group = 0; group < columns; group += extent) {
    float accumulator = 0, activation_sum = 0;
    const std::size_t end = std::min(group + extent, columns);
    for (std::size_t k = group; k < end; k += 4) {
      const auto count = static_cast<unsigned>(std::min<std::size_t>(4, end - k));
      std::uint8_t u[4] = {};
      for (unsigned i = 0; i < count; ++i)
        u[i] = static_cast<std::uint8_t>(w.codes[k + i] + (1 << (bits - 1)));
      accumulator = fp_int_dp4(accumulator, a.values + k, u, count, options.product_fp16);
      activation_sum = fp_int_activation_sum(activation_sum, a.values + k, count);
    }
    out = fp_int_group_foot(out, w.scale(group), accumulator, activation_sum, bits);
  }
  return out;
}

float amove_output(const Row& a, const Row& w, std::size_t columns, const GemmOptions& options) {
  const std::size_t group = a.tensor.format.group_k, cluster = a.tensor.format.cluster, clusters = group / cluster;
  const int exponent = a.tensor.tensor_exponent + w.tensor.tensor_exponent;
  const auto scale = [&](const Row& row, std::size_t k) {
    const std::size_t g = row.group(k);
    return amove_scale(row.tensor.base_scales[g], row.tensor.residuals[g],
                       row.tensor.cluster_codes[g * clusters + k % group / cluster]);
  };
  float accumulator = 0;
  for (std::size_t k = 0; k < columns;) {
    const std::size_t end = std::min(k + cluster, columns);
    std::int32_t sum = 0;
    for (std::size_t i = k; i < end; ++i)
      sum = amove_step(sum, narrow(a.codes[i]), narrow(w.codes[i]), cluster);
    accumulator = amove_foot(accumulator, sum, scale(a, k), scale(w, k), exponent, options.accumulate_fp32);
    k = end;
  }
  return accumulator;
}

float fp16_output_of(const Row& a, const Row& w, std::size_t columns) {
  float accumulator = 0;
  if (w.values != nullptr) {
    for (std::size_t k = 0; k < columns; ++k)
      accumulator = fp16_step(accumulator, a.values[k], w.values[k]);
    return accumulator;
  }
  const std::size_t extent = w.tensor.format.group_extent(columns);
  for (std::size_t g = 0; g < columns; g += extent) {
    const float scale = w.scale(g);
    for (std::size_t k = g; k < std::min(g + extent, columns); ++k)
      accumulator = fp16_step(accumulator, a.values[k], fp16_dequantized(w.codes[k], scale));
  }
  return accumulator;
}

float int8_output(const Row& a, const Row& w, std::size_t columns) {
  std::int64_t sum = 0;
  for (std::size_t k = 0; k < columns; ++k)
    sum = int8_step(sum, narrow(a.codes[k]), narrow(w.codes[k]));
  return int8_foot(sum, a.scale(0), w.scale(0));
}

/// Steps over the runs of an integer PE; step(sum, k) adds the product of element k.
template <class Step>
float integer_output(const Row& a, const Row& w, std::size_t columns, Step step) {
  const std::size_t extent = std::min(a.tensor.format.group_extent(columns), integer_segment);
  float accumulator = 0;
  for (std::size_t k = 0; k < columns; k += extent) {
    std::int32_t sum = 0;
    for (std::size_t i = k; i < std::min(k + extent, columns); ++i)
      sum = step(sum, i);
    accumulator = integer_foot(accumulator, sum, a.scale(k), w.scale(k));
  }
  return accumulator;
}

/// An element of an ANT or OliVe operand as its decoder gives it; INT8 elements never come here.
ExponentInteger decoded(const Row& row, std::size_t k) {
  const std::uint8_t type = row.tensor.types[row.group(0)];
  const auto code = [&](std::size_t i) {
    return static_cast<std::uint8_t>(i < row.tensor.columns() ? row.codes[i] : std::int16_t{0});
  };
  if (row.tensor.format.family == FormatFamily::ant4) return ant_decode(type, code(k));
  const OlivePair pair = olive_decode(type, code(k / 2 * 2), code(k / 2 * 2 + 1));
  return k % 2 == 0 ? pair.first : pair.second;
}

float exponent_integer_output(const Row& a, const Row& w, std::size_t columns) {
  const bool a8 = a.tensor.format.bits == 8, w8 = w.tensor.format.bits == 8;
  return integer_output(a, w, columns, [&](std::int32_t sum, std::size_t k) {
    if (a8 && w8) return ant_step_w8a8(sum, narrow(a.codes[k]), narrow(w.codes[k]));
    if (a8) return ant_step_a8(sum, narrow(a.codes[k]), decoded(w, k));
    if (w8) return ant_step_a8(sum, narrow(w.codes[k]), decoded(a, k));
    return a.tensor.format.family == FormatFamily::olive4 ? olive_step(sum, decoded(a, k), decoded(w, k))
                                                          : ant_step(sum, decoded(a, k), decoded(w, k));
  });
}

float aligned_output(const Row& a, const Row& w, std::size_t columns, const GemmOptions& options) {
  const unsigned bits = options.aligned_bits == 0 ? aligned_default_bits : options.aligned_bits;
  const std::size_t extent = w.tensor.format.group_extent(columns);
  float accumulator = 0;
  for (std::size_t group = 0; group < columns; group += extent) {
    const std::size_t group_end = std::min(group + extent, columns);
    float inner = 0;
    for (std::size_t first = group; first < group_end; first += aligned_group) {
      const std::size_t end = std::min(first + aligned_group, group_end);
      int largest = 1;
      for (std::size_t k = first; k < end; ++k)
        largest = std::max(largest, aligned_exponent(a.values[k]));
      std::int32_t sum = 0;
      for (std::size_t k = first; k < end; ++k)
        sum = aligned_step(sum, aligned_magnitude(a.values[k], largest, bits), narrow(w.codes[k]));
      inner = aligned_inner(inner, sum, largest, bits);
    }
    accumulator = aligned_foot(accumulator, inner, w.scale(group));
  }
  return accumulator;
}

float tender_output(const Row& a, const Row& w, std::size_t columns) {
  const unsigned groups = a.tensor.format.decomposition;
  const std::uint8_t* group = &a.tensor.column_groups[a.group(0) * columns];
  float accumulator = 0;
  for (std::size_t first = 0; first < columns; first += integer_segment) {
    std::int64_t sum = 0;
    for (unsigned g = 0; g < groups; ++g) {
      if (g > 0) sum = tender_rescale(sum);
      for (std::size_t k = first; k < std::min(first + integer_segment, columns); ++k) {
        if (group[k] == g) sum = tender_step(sum, narrow(a.codes[k]), narrow(w.codes[k]));
      }
    }
    accumulator = tender_foot(accumulator, sum, a.scale(0), groups, w.scale(0));
  }
  return accumulator;
}

/// Plane by plane, as a PE of Anda gets them.
float anda_output(const Row& a, const Row& w, std::size_t columns) {
  if (a.values != nullptr) return fp16_output_of(a, w, columns);
  const unsigned bits = a.tensor.format.bits;
  const std::size_t extent = a.tensor.format.group_k;
  float accumulator = 0;
  for (std::size_t first = 0; first < columns; first += extent) {
    const auto lanes = static_cast<unsigned>(std::min(extent, columns - first));
    std::int8_t weights[anda_lanes] = {};
    std::uint64_t signs = 0;
    for (unsigned i = 0; i < lanes; ++i) {
      weights[i] = narrow(w.codes[first + i]);
      if (a.codes[first + i] < 0) signs |= std::uint64_t{1} << i;
    }
    std::int32_t sum = 0;
    for (unsigned bit = bits; bit-- > 0;) {
      std::uint64_t plane = 0;
      for (unsigned i = 0; i < lanes; ++i)
        plane |= static_cast<std::uint64_t>(std::abs(a.codes[first + i]) >> bit & 1) << i;
      sum = anda_plane(sum, plane, signs, weights, lanes);
    }
    accumulator = anda_foot(accumulator, sum, a.tensor.exponents[a.group(first)], bits, w.scale(first));
  }
  return accumulator;
}

float bitmod_output(const Row& a, const Row& w, std::size_t columns) {
  const Format& format = w.tensor.format;
  const bool floating = !w.tensor.types.empty();
  const std::size_t extent = format.group_extent(columns);
  float accumulator = 0;
  for (std::size_t group = 0; group < columns; group += extent) {
    const std::size_t end = std::min(group + extent, columns);
    float sum = 0;
    for (std::size_t k = group; k < end; k += bitmod_lanes) {
      const auto lanes = static_cast<unsigned>(std::min(bitmod_lanes, end - k));
      for (unsigned cycle = 0; cycle < bitmod_cycles(format); ++cycle) {
        BitmodTerm terms[bitmod_lanes];
        for (unsigned i = 0; i < lanes; ++i) {
          const int code = w.codes[k + i];
          terms[i] =
              floating
                  ? bitmod_float_term(
                        bitmod_grid_value(format.bits, w.tensor.types[w.group(k)], static_cast<unsigned>(code)), cycle)
                  : bitmod_digit(code, cycle);
        }
        sum = bitmod_step(sum, a.values + k, terms, lanes, floating ? 0 : 2 * cycle);
      }
    }
    accumulator = bitmod_foot(accumulator, sum, w.scale(group));
  }
  return accumulator;
}

}  // namespace

float step_output(const PeUnit& pe, const QuantizedTensor& activations, const QuantizedTensor& weights, std::size_t m,
                  std::size_t n, const GemmOptions& options) {
  const Row a(activations, m), w(weights, n);
  const std::size_t columns = activations.columns();
  const unsigned a_bits = activations.format.bits, w_bits = weights.format.bits;
  if (pe.name == "mant") return mant_output(a, w, columns);
  if (pe.name == "bfp") return bfp_output(a, w, columns);
  if (pe.name == "fp_int" || pe.name == "fp_int_k") return fp_int_output(a, w, columns, options);
  if (pe.name == "amove") return amove_output(a, w, columns, options);
  if (pe.name == "fp16" || pe.name == "fp16_dequant") return fp16_output_of(a, w, columns);
  if (pe.name == "int8") return int8_output(a, w, columns);
  if (pe.name == "ant" || pe.name == "olive") return exponent_integer_output(a, w, columns);
  if (pe.name == "tender") return tender_output(a, w, columns);
  if (pe.name == "anda") return anda_output(a, w, columns);
  if (pe.name == "bitmod") return bitmod_output(a, w, columns);
  if (pe.name == "fp_int_aligned") return aligned_output(a, w, columns, options);
  if (pe.name == "int4") {
    return integer_output(a, w, columns, [&](std::int32_t sum, std::size_t k) {
      return int4_step(sum, narrow(a.codes[k]), narrow(w.codes[k]));
    });
  }
  if (pe.name == "bitfusion") {
    return integer_output(a, w, columns, [&](std::int32_t sum, std::size_t k) {
      return bitfusion_step(sum, narrow(a.codes[k]), narrow(w.codes[k]), a_bits, w_bits);
    });
  }
  throw std::logic_error("no steps known for the PE " + pe.name);
}

std::size_t step_differences(const PeUnit& pe, const QuantizedTensor& a, const QuantizedTensor& w,
                             const std::vector<float>& accumulators, const GemmOptions& options, std::size_t every) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < accumulators.size(); i += every) {
    const float expected = step_output(pe, a, w, i / w.rows(), i % w.rows(), options);
    count += float_bits(accumulators[i]) != float_bits(expected);
  }
  return count;
}

}  // namespace nibble::test
