// SPDX-License-Identifier: Apache-2.0
/// The bit-serial PEs, step by step: Anda's planes, BitMoD's terms.
#include <algorithm>
#include <cstdlib>

#include "formats/bitmod_types.h"
#include "pe/anda_pe.h"
#include "pe/array_datapath.h"
#include "pe/bitmod_pe.h"

namespace nibble {

namespace {

bool in_fp16(const OperandSlice& a) {
  return a.tensor().format.family == FormatFamily::fp16;
}

/// The planes of up to 64 elements of one group.
std::int32_t anda_group(const OperandSlice& a, const OperandSlice& w, std::size_t first, unsigned lanes) {
  const std::int16_t* mantissas = &a.tensor().codes[a.element(first)];
  std::int8_t weights[anda_lanes] = {};
  std::uint64_t signs = 0;
  for (unsigned i = 0; i < lanes; ++i) {
    weights[i] = static_cast<std::int8_t>(w.tensor().codes[w.element(first + i)]);
    signs |= std::uint64_t{mantissas[i] < 0} << i;
  }
  std::int32_t sum = 0;
  for (unsigned bit = a.tensor().format.bits; bit-- > 0;) {
    std::uint64_t plane = 0;
    for (unsigned i = 0; i < lanes; ++i)
      plane |= static_cast<std::uint64_t>(std::abs(mantissas[i]) >> bit & 1) << i;
    sum = anda_plane(sum, plane, signs, weights, lanes);
  }
  return sum;
}

PartialSum anda_enter(const OutputSum& output) {
  PartialSum sum;
  sum.real = output.accumulator;  // of the FP16 unit
  return sum;
}

void anda_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions& options) {
  if (in_fp16(a)) return fp16_datapath().step(sum, a, w, options);
  for (std::size_t i = 0; i < a.count; i += anda_lanes)
    sum.integer[0] += anda_group(a, w, i, static_cast<unsigned>(std::min<std::size_t>(anda_lanes, a.count - i)));
}

void anda_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                const GemmOptions& options) {
  if (in_fp16(a)) return fp16_datapath().leave(output, sum, a, w, options);
  output.integer += sum.integer[0];
  const QuantizedTensor& activations = a.tensor();
  if (!a.ends(activations.format.group_k)) return;
  output.accumulator =
      anda_foot(output.accumulator, static_cast<std::int32_t>(output.integer), activations.exponents[a.group()],
                activations.format.bits, w.tensor().scales[w.group()]);
  output.integer = 0;
}

PartialSum bitmod_enter(const OutputSum& output) {
  PartialSum sum;
  sum.real = output.inner;
  return sum;
}

void bitmod_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  const QuantizedTensor& weights = w.tensor();
  const unsigned bits = weights.format.bits;
  const bool floating = !weights.types.empty();
  for (std::size_t first = 0; first < a.count; first += bitmod_lanes) {
    const auto lanes = static_cast<unsigned>(std::min<std::size_t>(bitmod_lanes, a.count - first));
    for (unsigned cycle = 0; cycle < bitmod_cycles(weights.format); ++cycle) {
      BitmodTerm terms[bitmod_lanes];
      for (unsigned i = 0; i < lanes; ++i) {
        const int code = weights.codes[w.element(first + i)];
        terms[i] = floating ? bitmod_float_term(
                                  bitmod_grid_value(bits, weights.types[w.group()], static_cast<unsigned>(code)), cycle)
                            : bitmod_digit(code, cycle);
      }
      sum.real = bitmod_step(sum.real, &a.tensor().values[a.element(first)], terms, lanes, floating ? 0 : 2 * cycle);
    }
  }
}

void bitmod_leave(OutputSum& output, const PartialSum& sum, const OperandSlice&, const OperandSlice& w,
                  const GemmOptions&) {
  output.inner = sum.real;
  const Format& weights = w.tensor().format;
  if (!(weights.grouping == Grouping::group ? w.ends(weights.group_k) : w.ends_reduction())) return;
  output.accumulator = bitmod_foot(output.accumulator, output.inner, w.tensor().scales[w.group()]);
  output.inner = 0;
}

}  // namespace

const ArrayDatapath& anda_datapath() {
  static const ArrayDatapath datapath = {nullptr, anda_enter, anda_steps, anda_leave};
  return datapath;
}

const ArrayDatapath& bitmod_datapath() {
  static const ArrayDatapath datapath = {nullptr, bitmod_enter, bitmod_steps, bitmod_leave};
  return datapath;
}

}  // namespace nibble
