// SPDX-License-Identifier: Apache-2.0
#include "accelerators/systolic_array_cycle.h"

namespace nibble {

MantSums MantArithmetic::step(const MantSums& above, const Streamed& activation, const Stationary& weight,
                              std::uint64_t row) const {
  if (!activation.wide) return mant_step(above, activation.x, weight.code, weight.int4);
  const bool high = row % 2 == 0;
  const std::int32_t value = high && weight.code >= 8 ? weight.code - 16 : weight.code;
  MantSums sums;
  sums.mac = above.mac + activation.x * value * (high ? 16 : 1);
  return sums;
}

void SystolicArrayCycle::step(const ActivationRow& activation, const WeightRow& weight, std::vector<Result>& results) {
  stream_.valid = activation.valid;
  stream_.first = activation.first;
  stream_.tag = activation.tag;
  stream_.x.resize(activation.x.size());
  for (std::size_t r = 0; r < activation.x.size(); ++r)
    stream_.x[r] = {activation.x[r], activation.wide};
  load_.valid = weight.valid;
  load_.row = weight.row;
  load_.w.resize(weight.codes.size());
  for (std::size_t c = 0; c < weight.codes.size(); ++c)
    load_.w[c] = {weight.codes[c], weight.int4[c] != 0};
  results_.clear();
  array_.step(stream_, load_, results_);
  for (const auto& result : results_)
    results.push_back({result.tag, result.column, result.sum});
}

}  // namespace nibble
