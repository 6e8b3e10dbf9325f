// SPDX-License-Identifier: Apache-2.0
#include "pe/integer_datapath.h"

#include "formats/adaptive_types.h"
#include "pe/ant_pe.h"
#include "pe/bitfusion_pe.h"
#include "pe/int4_pe.h"
#include "pe/int8_pe.h"
#include "pe/olive_pe.h"
#include "pe/tender_pe.h"

namespace nibble {

namespace {

using IntegerStep = std::int32_t (*)(std::int32_t sum, const OperandSlice& a, const OperandSlice& w, std::size_t i);

std::int8_t code(const OperandSlice& slice, std::size_t i) {
  return static_cast<std::int8_t>(slice.tensor().codes[slice.element(i)]);
}

/// Elements that one accumulator adds up.
std::size_t run_of(const OperandSlice& a) {
  const Format& format = a.tensor().format;
  return format.grouping == Grouping::group ? std::min(format.group_k, integer_segment) : integer_segment;
}

template <IntegerStep step>
void integer_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  const std::size_t run = run_of(a);
  for (std::size_t i = 0; i < a.count; ++i) {
    std::int64_t& part = sum.integer[run_part(a.position() + i, run)];
    part = step(static_cast<std::int32_t>(part), a, w, i);
  }
}

void integer_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                   const GemmOptions&) {
  join_runs(output, sum, a, run_of(a), [&](std::size_t) {
    output.accumulator =
        integer_foot(output.accumulator, output.integer, a.tensor().scales[a.group()], w.tensor().scales[w.group()]);
  });
}

std::int32_t int4_element(std::int32_t sum, const OperandSlice& a, const OperandSlice& w, std::size_t i) {
  return int4_step(sum, code(a, i), code(w, i));
}

std::int32_t bitfusion_element(std::int32_t sum, const OperandSlice& a, const OperandSlice& w, std::size_t i) {
  return bitfusion_step(sum, code(a, i), code(w, i), a.tensor().format.bits, w.tensor().format.bits);
}

/// An element of an ANT or OliVe operand as its decoder gives it.
ExponentInteger decoded(const OperandSlice& slice, std::size_t i) {
  const QuantizedTensor& tensor = slice.tensor();
  const std::uint8_t type = tensor.types[slice.group()];
  const std::size_t first_of_row = slice.row * tensor.columns(), k = slice.k + i;
  const auto code_at = [&](std::size_t column) {
    return static_cast<std::uint8_t>(column < tensor.columns() ? tensor.codes[first_of_row + column] & 15 : 0);
  };
  if (tensor.format.family == FormatFamily::ant4) return ant_decode(type, code_at(k));
  const OlivePair pair = olive_decode(type % olive_type_count, code_at(k / 2 * 2), code_at(k / 2 * 2 + 1));
  return k % 2 == 0 ? pair.first : pair.second;
}

/// INT8 operands take their nibbles to two or four PEs.
template <std::int32_t (*step)(std::int32_t, ExponentInteger, ExponentInteger)>
std::int32_t decoded_element(std::int32_t sum, const OperandSlice& a, const OperandSlice& w, std::size_t i) {
  const bool a8 = a.tensor().format.bits == 8, w8 = w.tensor().format.bits == 8;
  if (a8 && w8) return ant_step_w8a8(sum, code(a, i), code(w, i));
  if (a8) return ant_step_a8(sum, code(a, i), decoded(w, i));
  if (w8) return ant_step_a8(sum, code(w, i), decoded(a, i));
  return step(sum, decoded(a, i), decoded(w, i));
}

void int8_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  for (std::size_t i = 0; i < a.count; ++i)
    sum.integer[0] = int8_step(sum.integer[0], code(a, i), code(w, i));
}

/// One scaling, at the end of the whole reduction.
void int8_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                const GemmOptions&) {
  output.integer += sum.integer[0];
  if (!a.ends_reduction()) return;
  output.accumulator += int8_foot(output.integer, a.tensor().scales[a.group()], w.tensor().scales[w.group()]);
  output.integer = 0;
}

/// Columns in the order of the reduction, each product shifted as often as the array shifts its sum between the groups.
void tender_steps(PartialSum& sum, const OperandSlice& a, const OperandSlice& w, const GemmOptions&) {
  const QuantizedTensor& activations = a.tensor();
  const std::uint8_t* groups = &activations.column_groups[a.group() * activations.columns() + a.k];
  for (std::size_t i = 0; i < a.count; ++i) {
    const unsigned shifts = activations.format.decomposition - 1 - groups[i];
    sum.integer[run_part(a.position() + i, integer_segment)] += tender_step(0, code(a, i), code(w, i)) * (1 << shifts);
  }
}

void tender_leave(OutputSum& output, const PartialSum& sum, const OperandSlice& a, const OperandSlice& w,
                  const GemmOptions&) {
  join_runs(output, sum, a, integer_segment, [&](std::size_t) {
    output.accumulator = tender_foot(output.accumulator, output.integer, a.tensor().scales[a.group()],
                                     a.tensor().format.decomposition, w.tensor().scales[w.group()]);
  });
}

}  // namespace

const ArrayDatapath& int4_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, integer_steps<int4_element>, integer_leave};
  return datapath;
}

const ArrayDatapath& int8_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, int8_steps, int8_leave};
  return datapath;
}

const ArrayDatapath& bitfusion_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, integer_steps<bitfusion_element>, integer_leave};
  return datapath;
}

const ArrayDatapath& ant_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, integer_steps<decoded_element<ant_step>>, integer_leave};
  return datapath;
}

const ArrayDatapath& olive_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, integer_steps<decoded_element<olive_step>>, integer_leave};
  return datapath;
}

const ArrayDatapath& tender_datapath() {
  static const ArrayDatapath datapath = {nullptr, nullptr, tender_steps, tender_leave};
  return datapath;
}

}  // namespace nibble
