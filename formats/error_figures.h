// SPDX-License-Identifier: Apache-2.0
/// How far decoded values lie from the original ones.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// The sums behind the figures, fed piece by piece: the same bits as for the whole at once.
class ErrorSums {
 public:
  void add(const float* original, const float* decoded, std::size_t count);
  /// The sums of another tensor, each as one term.
  void add(const ErrorSums& other);
  ErrorFigures figures() const;
  std::uint64_t count() const { return count_; }
  /// True where every decoded value was the original one.
  bool exact() const { return errors_ == 0; }

 private:
  double errors_ = 0, largest_ = 0, originals_ = 0, decodeds_ = 0, products_ = 0;
  std::uint64_t count_ = 0;
};

/// `original` x against `decoded` y; the same number of elements.
ErrorFigures error_figures(const Tensor& original, const Tensor& decoded);

}  // namespace nibble
