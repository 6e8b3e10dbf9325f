// SPDX-License-Identifier: Apache-2.0
/// Sums that drain after runs of elements although a pass goes on: private to pe/*_datapath.cpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "pe/array_datapath.h"

namespace nibble {

/// The part of PartialSum that an element belongs to.
inline std::size_t run_part(std::size_t position, std::size_t extent) {
  return position / extent % 2;
}

/// Adds the parts of `sum` over slice `a`, at most one end of a run inside it, to output.integer. drain(column of the
/// tile in the run that ends) is called where one ends; then the sum starts anew.
template <class Drain>
void join_runs(OutputSum& output, const PartialSum& sum, const OperandSlice& a, std::size_t extent, Drain drain) {
  const std::size_t begin = a.position(), end = begin + a.count;
  const std::size_t inside = (begin / extent + 1) * extent;
  output.integer += sum.integer[run_part(begin, extent)];
  if (inside < end) {
    drain(std::size_t{a.k});
    output.integer = sum.integer[run_part(inside, extent)];
  }
  if (!a.ends(extent)) return;
  drain(std::size_t{a.k} + a.count - 1);
  output.integer = 0;
}

}  // namespace nibble
