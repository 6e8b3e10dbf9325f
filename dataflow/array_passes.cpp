// SPDX-License-Identifier: Apache-2.0
#include "dataflow/array_passes.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/units.h"

namespace nibble {
namespace {

/// Steps of an output-stationary pass in one group of `extent` elements.
std::uint64_t group_cycles(std::uint64_t extent, const ArrayGeometry& array) {
  if (extent == 0) return 0;
  return std::max(ceil_div(extent, array.k_per_row) * array.initiation_interval, array.group_interval);
}

}  // namespace

const char* to_string(OutputOrder order) {
  return order == OutputOrder::row_first ? "row-first" : "column-first";
}

std::uint64_t pass_group(const OperandLayout& activation, const OperandLayout& weight) {
  const std::uint64_t a = activation.metadata_bits != 0 ? activation.group : 0;
  const std::uint64_t w = weight.metadata_bits != 0 ? weight.group : 0;
  return std::gcd(a, w);
}

std::uint64_t passes_along_k(std::uint64_t k, const ArrayGeometry& array, std::uint64_t group) {
  if (array.dataflow == Dataflow::output_stationary) return 1;
  const std::uint64_t pass_k = array.pass_k();
  if (group == 0 || group >= k) return ceil_div(k, pass_k);
  return k / group * ceil_div(group, pass_k) + ceil_div(k % group, pass_k);
}

std::uint64_t stream_cycles(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array,
                            std::uint64_t group) {
  switch (array.dataflow) {
    case Dataflow::weight_stationary:
      return m * array.initiation_interval;
    case Dataflow::input_stationary:
      return n * array.initiation_interval;
    case Dataflow::output_stationary:
      break;
  }
  if (group == 0 || group >= k) return group_cycles(k, array) + array.pass_overhead;
  return k / group * group_cycles(group, array) + group_cycles(k % group, array) + array.pass_overhead;
}

std::uint64_t pe_cycles(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array,
                        std::uint64_t group) {
  // Lanes do not span groups. Where k lies along the rows, a pass ends at a multiple of the lanes or at a group too.
  const std::uint64_t extent = group == 0 ? k : std::min(group, k);
  const std::uint64_t steps = k / extent * ceil_div(extent, array.k_per_row) + ceil_div(k % extent, array.k_per_row);
  return m * n * array.rows_fused * array.columns_fused * steps * array.initiation_interval;
}

ArrayPasses::ArrayPasses(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array,
                         std::uint64_t group, OutputOrder order)
    : dataflow_(array.dataflow),
      order_(order),
      m_(m),
      k_(k),
      n_(n),
      pass_m_(array.pass_m() == 0 ? m : array.pass_m()),
      pass_n_(array.pass_n() == 0 ? n : array.pass_n()),
      pass_k_(array.pass_k()),
      group_(group == 0 ? k : std::min(group, k)),
      per_group_(ceil_div(group_, pass_k_)),
      rows_(array.rows),
      rows_fused_(array.rows_fused),
      columns_fused_(array.columns_fused),
      row_blocks_(ceil_div(m, pass_m_)),
      column_blocks_(ceil_div(n, pass_n_)),
      per_output_(passes_along_k(k, array, group)),
      stream_(nibble::stream_cycles(m, k, n, array, group)) {}

ArrayPass ArrayPasses::at(std::uint64_t i) const {
  const std::uint64_t block = i / per_output_, step = i % per_output_;
  ArrayPass pass;
  if (dataflow_ == Dataflow::output_stationary) {
    pass.k = k_;
  } else {
    const std::uint64_t group0 = step / per_group_ * group_;
    pass.k0 = group0 + step % per_group_ * pass_k_;
    pass.k = std::min(pass_k_, std::min(k_, group0 + group_) - pass.k0);
  }
  const bool by_rows = order_ == OutputOrder::row_first;
  pass.m0 = (by_rows ? block / column_blocks_ : block % row_blocks_) * pass_m_;
  pass.m = std::min(pass_m_, m_ - pass.m0);
  pass.n0 = (by_rows ? block % column_blocks_ : block / row_blocks_) * pass_n_;
  pass.n = std::min(pass_n_, n_ - pass.n0);
  return pass;
}

std::uint64_t ArrayPasses::last_columns() const {
  return dataflow_ == Dataflow::input_stationary ? m_ - (row_blocks_ - 1) * pass_m_
                                                 : n_ - (column_blocks_ - 1) * pass_n_;
}

std::uint64_t ArrayPasses::columns_used(const ArrayPass& pass) const {
  return (dataflow_ == Dataflow::input_stationary ? pass.m : pass.n) * columns_fused_;
}

std::uint64_t ArrayPasses::rows_used(const ArrayPass& pass) const {
  return dataflow_ == Dataflow::output_stationary ? pass.m * rows_fused_ : rows_;
}

std::uint64_t load_stall(std::uint64_t stream, const ArrayGeometry& array) {
  const std::uint64_t turnaround = array.pass_turnaround();
  return turnaround > stream ? turnaround - stream : 0;
}

std::uint64_t drain_stall(std::uint64_t rows_used, std::uint64_t stream, const ArrayGeometry& array) {
  const std::uint64_t used = array.drain_cycles(rows_used), hidden = array.result_registers ? stream : 1;
  return used > hidden ? used - hidden : 0;
}

std::uint64_t tail_cycles(std::uint64_t rows_used, std::uint64_t columns_used, const ArrayGeometry& array) {
  if (array.free_fill) return 0;
  const std::uint64_t down = array.dataflow == Dataflow::output_stationary
                                 ? rows_used - 1 + array.pe_latency - 1 + array.chain_length()
                                 : array.rows * array.step_latency() - array.initiation_interval;
  return down + (columns_used - 1) + array.foot_latency;
}

namespace {

/// Cycles that a pass waits for what the pass before it, of `rows_used_before` rows, leaves to do.
std::uint64_t pass_stall(std::uint64_t rows_used_before, std::uint64_t stream, const ArrayGeometry& array) {
  return array.dataflow == Dataflow::output_stationary ? drain_stall(rows_used_before, stream, array)
                                                       : load_stall(stream, array);
}

}  // namespace

std::uint64_t job_stall_cycles(const ArrayPasses& passes, const ArrayGeometry& array) {
  const std::uint64_t stream = passes.stream_cycles();
  if (array.dataflow != Dataflow::output_stationary) return (passes.count() - 1) * load_stall(stream, array);
  const std::uint64_t full = (passes.row_blocks() - 1) * passes.column_blocks();
  return full * drain_stall(passes.rows_used(passes.at(0)), stream, array) +
         (passes.column_blocks() - 1) * drain_stall(passes.last_rows_used(), stream, array);
}

std::uint64_t job_tail_cycles(const ArrayPasses& passes, const ArrayGeometry& array) {
  const auto tail_of = [&](const ArrayPass& pass) {
    return tail_cycles(passes.rows_used(pass), passes.columns_used(pass), array);
  };
  const std::uint64_t stream = passes.stream_cycles();
  const std::uint64_t most = tail_cycles(array.rows, array.columns, array);
  std::uint64_t after = 0;  // cycles from the end of pass i to the job's end
  std::uint64_t tail = tail_of(passes.at(passes.count() - 1));
  for (std::uint64_t i = passes.count() - 1; i > 0 && after + tail < most; --i) {
    const ArrayPass before = passes.at(i - 1);
    after += stream + pass_stall(passes.rows_used(before), stream, array);
    const std::uint64_t its_tail = tail_of(before);
    if (its_tail > after + tail) tail = its_tail - after;
  }
  return tail;
}

ArrayCycles isolated_cycles(const ArrayPasses& passes, const ArrayGeometry& array) {
  ArrayCycles cycles;
  cycles.compute = passes.count() * passes.stream_cycles();
  cycles.weight_load = job_stall_cycles(passes, array);
  cycles.fill_drain = array.preload_cycles() + job_tail_cycles(passes, array);
  return cycles;
}

void check_array(const ArrayGeometry& array) {
  const auto fail = [](const std::string& what) { throw InputError("array: " + what); };
  if (array.rows == 0 || array.columns == 0) fail("an extent is 0; rows and columns must be positive");
  if (array.rows_fused == 0 || array.columns_fused == 0 || array.k_per_row == 0) {
    fail("rows_fused, columns_fused and k_per_row must be positive");
  }
  if (array.initiation_interval == 0 || array.pe_latency == 0 || array.result_ports == 0) {
    fail("initiation_interval, pe_latency and result_ports must be positive");
  }
  if (array.rows % array.result_ports != 0) {
    fail(std::to_string(array.rows) + " rows cannot be split into " + std::to_string(array.result_ports) +
         " equal result chains; result_ports must divide the rows");
  }
  if (array.rows < array.rows_fused) {
    fail(std::to_string(array.rows) + " rows cannot hold " + std::to_string(array.rows_fused) + " fused PEs");
  }
  if (array.columns < array.columns_fused) {
    fail(std::to_string(array.columns) + " columns cannot hold " + std::to_string(array.columns_fused) + " fused PEs");
  }
}

}  // namespace nibble
