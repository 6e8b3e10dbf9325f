// SPDX-License-Identifier: Apache-2.0
#include "pe/array_datapath.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "pe/amove_pe.h"
#include "pe/bfp_pe.h"
#include "pe/fp16_pe.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/integer_datapath.h"
#include "pe/mant_pe.h"

namespace nibble {

namespace {

std::int32_t narrow(std::int64_t sum) {
  return static_cast<std::int32_t>(sum);
}

void mant_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  const QuantizedTensor& weights = w.tensor();
  for (std::size_t i = 0; i < a.count; ++i) {
    const auto x = static_cast<std::int8_t>(a.tensor().codes[a.element(i)]);
    const std::int16_t code = weights.codes[w.element(i)];
    if (weights.types.empty()) {
      sum.integer[0] = mant_step_w8(narrow(sum.integer[0]), x, static_cast<std::int8_t>(code));
      continue;
    }
    const MantSums sums = mant_step({narrow(sum.integer[0]), narrow(sum.integer[1])}, x,
                                    static_cast<std::uint8_t>(code), weights.types[w.group()] == mant_int4_type);
    sum.integer[0] = sums.mac;
    sum.integer[1] = sums.sac;
  }
}

void mant_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                const GemmOptions&) {
  const QuantizedTensor& weights = w.tensor();
  output.integer += weights.types.empty()
                        ? sum.integer[0]
                        : mant_group_sum({narrow(sum.integer[0]), narrow(sum.integer[1])}, weights.types[w.group()]);
  if (!a.ends(a.tensor().format.group_k)) return;
  output.accumulator =
      mant_foot(output.accumulator, narrow(output.integer), a.tensor().scales[a.group()], weights.scales[w.group()]);
  output.integer = 0;
}

BfpMode bfp_mode(const Format& weights) {
  if (weights.family == FormatFamily::integer) return BfpMode::m8w4;
  return weights.bits == 4 ? BfpMode::m8m4 : BfpMode::m8m8;
}

void bfp_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  const BfpMode mode = bfp_mode(w.tensor().format);
  for (std::size_t i = 0; i < a.count; i += bfp_products(mode)) {
    const auto products = static_cast<unsigned>(std::min<std::size_t>(bfp_products(mode), a.count - i));
    sum.integer[0] = bfp_step(narrow(sum.integer[0]), &a.tensor().codes[a.element(i)], &w.tensor().codes[w.element(i)],
                              products, mode);
  }
}

void bfp_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
               const GemmOptions&) {
  output.integer += sum.integer[0];
  if (!a.ends(a.tensor().format.group_k)) return;
  const int exponent = a.tensor().exponents[a.group()];
  const BfpMode mode = bfp_mode(w.tensor().format);
  if (mode != BfpMode::m8w4) {
    output.accumulator =
        bfp_foot(output.accumulator, narrow(output.integer), exponent, w.tensor().exponents[w.group()], mode);
  } else {
    output.inner = bfp_inner(output.inner, narrow(output.integer), exponent);
    if (w.ends(w.tensor().format.group_k)) {
      output.accumulator = bfp_weight_foot(output.accumulator, output.inner, w.tensor().scales[w.group()]);
      output.inner = 0;
    }
  }
  output.integer = 0;
}

void amove_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  for (std::size_t i = 0; i < a.count; ++i) {
    sum.integer[0] = amove_step(narrow(sum.integer[0]), static_cast<std::int8_t>(a.tensor().codes[a.element(i)]),
                                static_cast<std::int8_t>(w.tensor().codes[w.element(i)]), a.tensor().format.cluster);
  }
}

/// Decoded scale of the cluster that holds the slice.
float cluster_scale(const OperandSlice& slice) {
  const QuantizedTensor& tensor = slice.tensor();
  const std::size_t cluster = tensor.format.cluster, extent = tensor.format.group_k, group = slice.group();
  const std::size_t code = group * (extent / cluster) + slice.k % extent / cluster;
  return amove_scale(tensor.base_scales[group], tensor.residuals[group], tensor.cluster_codes[code]);
}

void amove_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                 const GemmOptions& options) {
  output.integer += sum.integer[0];
  if (!a.ends(a.tensor().format.cluster)) return;
  output.accumulator = amove_foot(output.accumulator, narrow(output.integer), cluster_scale(a), cluster_scale(w),
                                  a.tensor().tensor_exponent + w.tensor().tensor_exponent, options.accumulate_fp32);
  output.integer = 0;
}

PartialSum fp16_enter(const OutputSum& output) {
  PartialSum sum;
  sum.real = output.accumulator;
  return sum;
}

void fp16_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  for (std::size_t i = 0; i < a.count; ++i)
    sum.real = fp16_step(sum.real, a.tensor().values[a.element(i)], w.tensor().values[w.element(i)]);
}

void fp16_leave(OutputSum& output, const PartialSum& sum, const OperandSlice&, const OperandSlice&,
                const GemmOptions&) {
  output.accumulator = sum.real;
}

void dequantize(DatapathTile&, DatapathTile& weight, const GemmOptions&) {
  QuantizedTensor& tensor = weight.values;
  const std::size_t columns = tensor.columns(), extent = tensor.format.group_extent(columns);
  tensor.values.resize(tensor.size());
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    tensor.values[i] =
        fp16_dequantized(tensor.codes[i], tensor.scales[tensor.group_index(i / columns, i % columns / extent)]);
    if (!std::isfinite(tensor.values[i])) throw InputError(tensor.name + ": a weight overflows FP16");
  }
}

std::size_t aligned_extent(const Format& weights) {
  return weights.grouping == Grouping::group ? std::min(aligned_group, weights.group_k) : aligned_group;
}

unsigned aligned_width(const GemmOptions& options) {
  return options.aligned_bits == 0 ? aligned_default_bits : options.aligned_bits;
}

/// Magnitudes to `codes`, the largest exponent of each aligned group to `exponents`.
void align(DatapathTile& activation, DatapathTile& weight, const GemmOptions& options) {
  QuantizedTensor& tensor = activation.values;
  const std::size_t columns = tensor.columns(), extent = aligned_extent(weight.values.format);
  if (activation.position % extent != 0) throw InternalError("fp_int_aligned PE: a tile cuts an aligned group");
  tensor.codes.resize(tensor.size());
  tensor.exponents.clear();
  for (std::size_t row = 0; row < tensor.rows(); ++row) {
    for (std::size_t first = 0; first < columns; first += extent) {
      const std::size_t begin = row * columns + first, end = begin + std::min(extent, columns - first);
      int largest = 1;
      for (std::size_t i = begin; i < end; ++i)
        largest = std::max(largest, aligned_exponent(tensor.values[i]));
      for (std::size_t i = begin; i < end; ++i)
        tensor.codes[i] = aligned_magnitude(tensor.values[i], largest, aligned_width(options));
      tensor.exponents.push_back(static_cast<std::int16_t>(largest));
    }
  }
}

void aligned_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  const std::size_t extent = aligned_extent(w.tensor().format);
  for (std::size_t i = 0; i < a.count; ++i) {
    std::int64_t& part = sum.integer[run_part(a.position() + i, extent)];
    part = aligned_step(narrow(part), a.tensor().codes[a.element(i)],
                        static_cast<std::int8_t>(w.tensor().codes[w.element(i)]));
  }
}

void aligned_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                   const GemmOptions& options) {
  const std::size_t extent = aligned_extent(w.tensor().format), columns = a.tensor().columns();
  join_runs(output, sum, a, extent, [&](std::size_t k) {
    const int exponent = a.tensor().exponents[a.row * ((columns + extent - 1) / extent) + k / extent];
    output.inner = aligned_inner(output.inner, narrow(output.integer), exponent, aligned_width(options));
  });
  const Format& weights = w.tensor().format;
  if (!(weights.grouping == Grouping::group ? w.ends(weights.group_k) : w.ends_reduction())) return;
  output.accumulator = aligned_foot(output.accumulator, output.inner, w.tensor().scales[w.group()]);
  output.inner = 0;
}

}  // namespace

const ArrayDatapath& mant_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, mant_steps, mant_leave};
  return datapath;
}

const ArrayDatapath& bfp_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, bfp_steps, bfp_leave};
  return datapath;
}

const ArrayDatapath& amove_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, amove_steps, amove_leave};
  return datapath;
}

const ArrayDatapath& fp16_datapath() {
  static const ArrayDatapath datapath = {nullptr, fp16_enter, fp16_steps, fp16_leave};
  return datapath;
}

const ArrayDatapath& fp16_dequant_datapath() {
  static const ArrayDatapath datapath = {dequantize, fp16_enter, fp16_steps, fp16_leave};
  return datapath;
}

const ArrayDatapath& fp_int_aligned_datapath() {
  static const ArrayDatapath datapath = {align, nullptr, aligned_steps, aligned_leave};
  return datapath;
}

}  // namespace nibble
