// SPDX-License-Identifier: Apache-2.0
#include "accelerators/systolic_array_cycle.h"

namespace nibble {
namespace {

/// One slice of an INT8 weight in a fused pair: the upper PE holds the signed high nibble, the lower the unsigned low
/// one.
std::int32_t wide_product(std::int8_t x, std::uint8_t slice, bool high) {
  const std::int32_t value =
      high && slice >= 8 ? static_cast<std::int32_t>(slice) - 16 : static_cast<std::int32_t>(slice);
  return x * value * (high ? 16 : 1);
}

}  // namespace

SystolicArrayCycle::SystolicArrayCycle(const ArrayGeometry& geometry)
    : rows_(geometry.rows),
      columns_(geometry.columns),
      pes_(rows_ * columns_),
      activation_history_(rows_ + columns_),
      weight_history_(columns_) {}

void SystolicArrayCycle::shift_weights(std::uint64_t column) {
  for (std::uint64_t r = rows_ - 1; r > 0; --r) {
    Pe& above = pes_[(r - 1) * columns_ + column];
    if (!above.moving) continue;
    Pe& pe = pes_[r * columns_ + column];
    pe.shadow = above.shadow;
    pe.shadow_int4 = above.shadow_int4;
    pe.destination = above.destination;
    pe.moving = above.destination != r;
    above.moving = false;
  }
  if (cycle_ < column) return;
  const WeightRow& entering = weight_history_[(cycle_ - column) % columns_];
  if (!entering.valid) return;
  Pe& top = pes_[column];
  top.shadow = entering.codes[column];
  top.shadow_int4 = entering.int4[column];
  top.destination = entering.row;
  top.moving = entering.row != 0;
}

void SystolicArrayCycle::step(const ActivationRow& activation, const WeightRow& weight, std::vector<Result>& results) {
  const std::uint64_t depth = activation_history_.size();
  activation_history_[cycle_ % depth] = activation;
  weight_history_[cycle_ % columns_] = weight;
  // Bottom row first: every PE reads its upper neighbour's register of the cycle before.
  for (std::uint64_t r = rows_; r-- > 0;) {
    for (std::uint64_t c = 0; c < columns_; ++c) {
      if (cycle_ < r + c) continue;
      const ActivationRow& entry = activation_history_[(cycle_ - r - c) % depth];
      if (!entry.valid) continue;
      Pe& pe = pes_[r * columns_ + c];
      if (entry.first) {
        pe.active = pe.shadow;
        pe.active_int4 = pe.shadow_int4;
      }
      MantSums above;
      if (r > 0) above = pes_[(r - 1) * columns_ + c].sums;
      if (entry.wide) {
        pe.sums.mac = above.mac + wide_product(entry.x[r], pe.active, r % 2 == 0);
        pe.sums.sac = 0;
      } else {
        pe.sums = mant_step(above, entry.x[r], pe.active, pe.active_int4 != 0);
      }
      ++pe_operations_;
      if (r == rows_ - 1) results.push_back({entry.tag, c, pe.sums});
    }
  }
  for (std::uint64_t c = 0; c < columns_; ++c)
    shift_weights(c);
  ++cycle_;
}

}  // namespace nibble
