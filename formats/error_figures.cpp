// SPDX-License-Identifier: Apache-2.0
#include "formats/error_figures.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace nibble {
namespace {

std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

}  // namespace

void ErrorSums::add(const float* original, const float* decoded, std::size_t count) {
  double errors = errors_, largest = largest_, originals = originals_, decodeds = decodeds_, products = products_;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(original[i]), y = static_cast<double>(decoded[i]);
    const double difference = x - y;
    errors += difference * difference;
    largest = std::max(largest, std::abs(difference));
    originals += x * x;
    decodeds += y * y;
    products += x * y;
  }
  errors_ = errors;
  largest_ = largest;
  originals_ = originals;
  decodeds_ = decodeds;
  products_ = products;
  count_ += count;
}

void ErrorSums::add(const ErrorSums& other) {
  errors_ += other.errors_;
  largest_ = std::max(largest_, other.largest_);
  originals_ += other.originals_;
  decodeds_ += other.decodeds_;
  products_ += other.products_;
  count_ += other.count_;
}

ErrorFigures ErrorSums::figures() const {
  ErrorFigures figures;
  if (count_ == 0) return figures;
  figures.mse = finite(errors_ / static_cast<double>(count_));
  figures.max_abs_error = finite(largest_);
  if (errors_ > 0 && originals_ > 0) figures.sqnr_db = finite(10.0 * std::log10(originals_ / errors_));
  if (originals_ > 0 && decodeds_ > 0)
    figures.cosine = finite(products_ / (std::sqrt(originals_) * std::sqrt(decodeds_)));
  return figures;
}

ErrorFigures error_figures(const Tensor& original, const Tensor& decoded) {
  if (original.values.size() != decoded.values.size())
    throw InternalError("error figures of tensors of different sizes");
  ErrorSums sums;
  sums.add(original.values.data(), decoded.values.data(), original.values.size());
  return sums.figures();
}

}  // namespace nibble
