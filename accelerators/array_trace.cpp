// SPDX-License-Identifier: Apache-2.0
#include "accelerators/array_trace.h"

#include <algorithm>
#include <cmath>

namespace nibble {
namespace {

constexpr unsigned code_bits = 16;

}  // namespace

ArrayTrace::ArrayTrace(const ArrayGeometry& array, double clock_mhz) : clock_mhz_(clock_mhz), file_(most_bytes) {
  const auto rows = std::min(array.rows, most_lines), columns = std::min(array.columns, most_lines);
  clk_ = file_.add("array", "clk", 1);
  held_ = file_.add("array", "held", 1);
  waiting_ = file_.add("array", "waiting", 1);
  enters_ = file_.add("array", "enters", 1);
  first_ = file_.add("array", "first", 1);
  loads_ = file_.add("array", "loads", 1);
  load_row_ = file_.add("array", "load_row", 16);
  tile_ = file_.add("array", "tile", 32);
  pass_ = file_.add("array", "pass", 32);
  for (std::uint64_t r = 0; r < rows; ++r)
    left_.push_back(file_.add("left", "left_" + std::to_string(r), code_bits));
  for (std::uint64_t c = 0; c < columns; ++c)
    top_.push_back(file_.add("top", "top_" + std::to_string(c), code_bits));
  const std::string pe = "pe_" + std::to_string(row()) + '_' + std::to_string(column());
  pe_works_ = file_.add(pe, "works", 1);
  pe_left_ = file_.add(pe, "left", code_bits);
  pe_top_ = file_.add(pe, "top", code_bits);
  for (unsigned i = 0; i < 2; ++i)
    pe_integer_[i] = file_.add(pe, "integer_" + std::to_string(i), 64);
  for (unsigned i = 0; i < 2; ++i)
    pe_real_[i] = file_.add_real(pe, "real_" + std::to_string(i));
  for (std::uint64_t c = 0; c < columns; ++c) {
    const std::string foot = "foot_" + std::to_string(c);
    foot_valid_.push_back(file_.add(foot, "valid", 1));
    foot_row_.push_back(file_.add(foot, "row", 32));
    foot_integer_.push_back(file_.add(foot, "integer", 64));
    foot_accumulator_.push_back(file_.add_real(foot, "accumulator"));
  }
}

std::uint64_t ArrayTrace::picoseconds(double edges) const {
  return static_cast<std::uint64_t>(std::llround(edges * 1e6 / clock_mhz_));
}

/// The code of the first element; unknown where there is none.
void ArrayTrace::set_operand(Signal signal, const OperandSlice& operand) {
  if (operand.empty()) {
    file_.set_unknown(signal);
  } else {
    file_.set(signal, static_cast<std::uint16_t>(operand.tensor().codes[operand.element(0)]));
  }
}

void ArrayTrace::cycle(const ArrayCycle& seen) {
  const auto edge = static_cast<double>(seen.edge);
  file_.at(picoseconds(edge));
  file_.set(clk_, 1);
  file_.set(held_, seen.held ? 1 : 0);
  file_.set(waiting_, seen.held || seen.enters ? 0 : 1);
  file_.set(enters_, seen.enters ? 1 : 0);
  file_.set(first_, seen.enters && seen.first ? 1 : 0);
  file_.set(loads_, seen.loads ? 1 : 0);
  if (seen.loads) file_.set(load_row_, seen.load_row);
  if (seen.enters) {
    file_.set(tile_, seen.tile);
    file_.set(pass_, seen.pass);
  }
  for (std::size_t r = 0; r < left_.size(); ++r)
    set_operand(left_[r], r < seen.left.size() ? seen.left[r] : OperandSlice{});
  for (std::size_t c = 0; c < top_.size(); ++c)
    set_operand(top_[c], c < seen.top.size() ? seen.top[c] : OperandSlice{});
  set_pe(seen);
  set_feet(seen);
  file_.at(picoseconds(edge + 0.5));
  file_.set(clk_, 0);
}

void ArrayTrace::set_pe(const ArrayCycle& seen) {
  file_.set(pe_works_, seen.pe_works ? 1 : 0);
  if (!seen.pe_works) return;
  set_operand(pe_left_, seen.pe_left);
  set_operand(pe_top_, seen.pe_top);
  for (unsigned i = 0; i < 2; ++i) {
    file_.set(pe_integer_[i], static_cast<std::uint64_t>(seen.pe_integer[i]));
    file_.set_real(pe_real_[i], static_cast<double>(seen.pe_real[i]));
  }
}

void ArrayTrace::set_feet(const ArrayCycle& seen) {
  std::vector<bool> valid(foot_valid_.size());
  for (const ArrayCycle::Output& output : seen.outputs) {
    if (output.column >= valid.size()) continue;
    valid[output.column] = true;
    file_.set(foot_row_[output.column], output.row);
    file_.set(foot_integer_[output.column], static_cast<std::uint64_t>(output.integer));
    file_.set_real(foot_accumulator_[output.column], static_cast<double>(output.accumulator));
  }
  for (std::size_t c = 0; c < valid.size(); ++c)
    file_.set(foot_valid_[c], valid[c] ? 1 : 0);
}

}  // namespace nibble
