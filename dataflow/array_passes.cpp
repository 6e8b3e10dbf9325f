// SPDX-License-Identifier: Apache-2.0
#include "dataflow/array_passes.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/units.h"

namespace nibble {

std::uint64_t pass_group(const OperandLayout& activation, const OperandLayout& weight) {
  const std::uint64_t a = activation.metadata_bytes != 0 ? activation.group : 0;
  const std::uint64_t w = weight.metadata_bytes != 0 ? weight.group : 0;
  return std::gcd(a, w);
}

std::uint64_t passes_along_k(std::uint64_t k, const ArrayGeometry& array, std::uint64_t group) {
  const std::uint64_t pass_k = array.pass_k();
  if (group == 0 || group >= k) return ceil_div(k, pass_k);
  return k / group * ceil_div(group, pass_k) + ceil_div(k % group, pass_k);
}

ArrayPasses::ArrayPasses(std::uint64_t m, std::uint64_t k, std::uint64_t n, const ArrayGeometry& array,
                         std::uint64_t group)
    : m_(m),
      k_(k),
      n_(n),
      columns_(array.columns),
      pass_k_(array.pass_k()),
      group_(group == 0 ? k : std::min(group, k)),
      per_group_(ceil_div(group_, pass_k_)),
      column_blocks_(ceil_div(n, columns_)),
      per_block_(passes_along_k(k, array, group)) {}

ArrayPass ArrayPasses::at(std::uint64_t i) const {
  const std::uint64_t block = i / per_block_;
  const std::uint64_t step = i % per_block_;
  ArrayPass pass;
  const std::uint64_t group0 = step / per_group_ * group_;
  const std::uint64_t group_end = std::min(k_, group0 + group_);
  pass.k0 = group0 + step % per_group_ * pass_k_;
  pass.k = std::min(pass_k_, group_end - pass.k0);
  pass.n0 = block * columns_;
  pass.n = std::min(columns_, n_ - pass.n0);
  return pass;
}

std::uint64_t weight_stall(std::uint64_t m, const ArrayGeometry& array) {
  const std::uint64_t load = array.weight_load_cycles();
  return load > m ? load - m : 0;
}

std::uint64_t fill_drain_cycles(std::uint64_t last_columns, const ArrayGeometry& array) {
  return array.weight_load_cycles() + (array.rows - 1) + (last_columns - 1) + array.foot_latency;
}

ArrayCycles isolated_cycles(const ArrayPasses& passes, const ArrayGeometry& array) {
  ArrayCycles cycles;
  cycles.compute = passes.count() * passes.rows();
  cycles.weight_load = (passes.count() - 1) * weight_stall(passes.rows(), array);
  cycles.fill_drain = fill_drain_cycles(passes.last_columns(), array);
  return cycles;
}

void check_array(const ArrayGeometry& array) {
  const auto fail = [](const std::string& what) { throw InputError("array: " + what); };
  if (array.rows == 0 || array.columns == 0) fail("an extent is 0; rows and columns must be positive");
  if (array.rows_fused == 0 || array.k_per_row == 0) {
    fail("rows_fused and k_per_row must be positive");
  }
  if (array.rows < array.rows_fused) {
    fail(std::to_string(array.rows) + " rows cannot hold " + std::to_string(array.rows_fused) + " fused PEs");
  }
}

}  // namespace nibble
