// SPDX-License-Identifier: Apache-2.0
/// What a network computes without quantization: binary64 arithmetic on the weights as they are. For errors of
/// functional runs; for plausibility, not to the bit (it uses the math library).
#pragma once

#include <cstddef>
#include <vector>

#include "workloads/language_model.h"
#include "workloads/synthetic_model.h"

namespace nibble {

/// Logits of one sequence behind its tokens [first, tokens): one row of the vocabulary each. Pre-norm decoders with
/// full attention; `rotary_theta` and `epsilon` as the machine has them.
std::vector<std::vector<double>> reference_logits(const LanguageModel& model, const SyntheticModel& weights,
                                                  std::size_t sequence, std::size_t first, std::size_t tokens,
                                                  double rotary_theta, double epsilon);

/// How far results are from a reference.
struct LogitError {
  double relative = 0;       ///< root of the mean square of the differences over that of the reference
  double cosine = 0;         ///< of the angle between both
  std::size_t same_top = 0;  ///< rows whose largest entry is the reference's
  std::size_t rows = 0;
};
LogitError logit_error(const std::vector<std::vector<float>>& logits,
                       const std::vector<std::vector<double>>& reference);

}  // namespace nibble
