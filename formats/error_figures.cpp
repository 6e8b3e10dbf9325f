// SPDX-License-Identifier: Apache-2.0
#include "formats/error_figures.h"

#include <cmath>

#include "core/error.h"

namespace nibble {
namespace {

std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

}  // namespace

ErrorFigures error_figures(const Tensor& original, const Tensor& decoded) {
  if (original.values.size() != decoded.values.size())
    throw InternalError("error figures of tensors of different sizes");
  double errors = 0, largest = 0, originals = 0, decodeds = 0, products = 0;
  for (std::size_t i = 0; i < original.values.size(); ++i) {
    const double x = static_cast<double>(original.values[i]), y = static_cast<double>(decoded.values[i]);
    const double difference = x - y;
    errors += difference * difference;
    largest = std::max(largest, std::abs(difference));
    originals += x * x;
    decodeds += y * y;
    products += x * y;
  }
  ErrorFigures figures;
  figures.mse = finite(errors / static_cast<double>(original.values.size()));
  figures.max_abs_error = finite(largest);
  if (errors > 0 && originals > 0) figures.sqnr_db = finite(10.0 * std::log10(originals / errors));
  if (originals > 0 && decodeds > 0) figures.cosine = finite(products / (std::sqrt(originals) * std::sqrt(decodeds)));
  return figures;
}

}  // namespace nibble
