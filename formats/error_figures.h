// SPDX-License-Identifier: Apache-2.0
/// How far decoded values lie from the original ones.
#pragma once

#include <optional>

#include "formats/tensor.h"

namespace nibble {

/// Over all elements in flat order, in binary64. Empty: infinite or undefined.
struct ErrorFigures {
  std::optional<double> mse;            ///< mean of (x - y)^2
  std::optional<double> max_abs_error;  ///< max |x - y|
  std::optional<double> sqnr_db;        ///< 10 log10(sum x^2 / sum (x - y)^2)
  std::optional<double> cosine;         ///< sum x*y / (sqrt(sum x^2) * sqrt(sum y^2))
};

/// `original` x against `decoded` y; the same number of elements.
ErrorFigures error_figures(const Tensor& original, const Tensor& decoded);

}  // namespace nibble
