// SPDX-License-Identifier: Apache-2.0
#include "formats/tensor_slices.h"

#include "core/error.h"

namespace nibble {
namespace {

template <class T>
void extend(std::vector<T>& to, const std::vector<T>& from, std::size_t first, std::size_t count) {
  if (from.empty()) return;
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
  to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
}

void require(bool condition, const QuantizedTensor& tensor, const char* what) {
  if (!condition) throw InternalError(tensor.name + " (" + tensor.format.name() + "): " + what);
}

void require_own_groups(const QuantizedTensor& tensor) {
  require(tensor.format.grouping != Grouping::tensor && tensor.format.group_n == 1 && tensor.format.row_bits() == 0 &&
              tensor.format.tensor_bits() == 0,
          tensor, "rows that share metadata are neither cut nor joined");
}

/// Columns [first, first + count) of a row behind what `to` holds.
void append_run(QuantizedTensor& to, const QuantizedTensor& from, std::size_t row, std::size_t first,
                std::size_t count) {
  const Format& format = from.format;
  extend(to.codes, from.codes, row * from.columns() + first, count);
  extend(to.values, from.values, row * from.columns() + first, count);
  if (format.grouping == Grouping::none) return;
  const bool groups = format.grouping == Grouping::group;
  const std::size_t index = from.group_index(row, groups ? first / format.group_k : 0);
  const std::size_t n = groups ? (count + format.group_k - 1) / format.group_k : 1;
  extend(to.scales, from.scales, index, n);
  extend(to.types, from.types, index, n);
  extend(to.exponents, from.exponents, index, n);
  extend(to.base_scales, from.base_scales, index, n);
  extend(to.residuals, from.residuals, index, n);
  const std::size_t clusters = format.cluster == 0 ? 0 : format.group_k / format.cluster;
  extend(to.cluster_codes, from.cluster_codes, index * clusters, n * clusters);
}

QuantizedTensor like(const QuantizedTensor& tensor, std::size_t rows, std::size_t columns) {
  QuantizedTensor out;
  out.format = tensor.format;
  out.name = tensor.name;
  out.shape = {rows, columns};
  out.tensor_exponent = tensor.tensor_exponent;
  return out;
}

}  // namespace

QuantizedTensor slice_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t count) {
  require_own_groups(tensor);
  require(count > 0 && first + count <= tensor.rows(), tensor, "a slice of rows that are not there");
  QuantizedTensor out = like(tensor, count, tensor.columns());
  for (std::size_t row = first; row < first + count; ++row)
    append_run(out, tensor, row, 0, tensor.columns());
  return out;
}

QuantizedTensor slice_columns(const QuantizedTensor& tensor, std::size_t first, std::size_t count) {
  require_own_groups(tensor);
  const std::size_t end = first + count;
  require(count > 0 && end <= tensor.columns(), tensor, "a slice of columns that are not there");
  if (tensor.format.grouping == Grouping::group) {
    const std::size_t k = tensor.format.group_k;
    require(first % k == 0 && (end % k == 0 || end == tensor.columns()), tensor, "a slice across a group");
  }
  QuantizedTensor out = like(tensor, tensor.rows(), count);
  for (std::size_t row = 0; row < tensor.rows(); ++row)
    append_run(out, tensor, row, first, count);
  return out;
}

void append_rows(QuantizedTensor& tensor, const QuantizedTensor& rows) {
  require_own_groups(rows);
  if (tensor.shape.empty()) {
    tensor = rows;
    tensor.shape = {rows.rows(), rows.columns()};
    return;
  }
  require(tensor.format == rows.format && tensor.columns() == rows.columns() &&
              tensor.tensor_exponent == rows.tensor_exponent,
          rows, "rows of another kind");
  for (std::size_t row = 0; row < rows.rows(); ++row)
    append_run(tensor, rows, row, 0, rows.columns());
  tensor.shape = {tensor.rows() + rows.rows(), tensor.columns()};
  tensor.saturated_groups += rows.saturated_groups;
}

QuantizedTensor join_columns(const std::vector<QuantizedTensor>& parts) {
  if (parts.empty()) throw InternalError("no parts to join");
  const QuantizedTensor& first = parts.front();
  require_own_groups(first);
  require(first.format.grouping != Grouping::channel, first, "parts of channels are not joined");
  QuantizedTensor out = like(first, first.rows(), 0);
  for (const QuantizedTensor& part : parts) {
    require(part.format == first.format && part.rows() == first.rows() && part.tensor_exponent == first.tensor_exponent,
            part, "columns of another kind");
    const std::size_t k = first.format.grouping == Grouping::group ? first.format.group_k : 1;
    require(out.shape[1] % k == 0, part, "columns behind an open group");
    out.shape[1] += part.columns();
    out.saturated_groups += part.saturated_groups;
  }
  for (std::size_t row = 0; row < first.rows(); ++row) {
    for (const QuantizedTensor& part : parts)
      append_run(out, part, row, 0, part.columns());
  }
  return out;
}

}  // namespace nibble
