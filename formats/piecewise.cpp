// SPDX-License-Identifier: Apache-2.0
#include "formats/piecewise.h"

#include <algorithm>

#include "formats/family_codec.h"
#include "formats/packed_operand.h"

namespace nibble {
namespace {

/// The formats whose metadata depend on the largest magnitude of the tensor, and on nothing else of it.
bool needs_amax(const Format& format, const EncodeOptions& options) {
  if (format.family == FormatFamily::integer) return format.grouping == Grouping::tensor;
  if (format.family == FormatFamily::amove) return selection_of(format, options) == "offline";
  return format.family == FormatFamily::nvfp4;
}

bool needs_whole(const Format& format) {
  return format.grouping == Grouping::tensor && format.family != FormatFamily::integer;
}

}  // namespace

PiecewiseEncoder::PiecewiseEncoder(const TensorFile& file, const StoredTensor& tensor, Watch watch,
                                   std::size_t piece_elements)
    : file_(file), stored_(tensor), watch_(std::move(watch)), piece_elements_(piece_elements) {
  const std::string obstacle = tensor.obstacle();
  if (!obstacle.empty()) throw InputError(file.label(tensor) + ": " + obstacle);
  piece_.name = file.label(tensor);
}

PiecewiseEncoder::PieceShape PiecewiseEncoder::piece_shape(const Format& format, bool calibrated) const {
  const std::size_t rows = stored_.rows(), columns = stored_.columns(), shared = format.group_n;
  if (needs_whole(format)) return {rows, columns};
  const bool row_metadata = format.grouping == Grouping::channel || format.row_bits() > 0;
  const bool whole_rows = row_metadata || shared > 1 || calibrated;
  if (columns > piece_elements_ && !whole_rows) {
    const std::size_t group = format.grouping == Grouping::group ? format.group_k : 1;
    return {1, std::min(columns, std::max<std::size_t>(1, piece_elements_ / group) * group)};
  }
  const std::size_t wanted = std::max<std::size_t>(1, piece_elements_ / columns);
  return {std::min(rows, (wanted + shared - 1) / shared * shared), columns};
}

void PiecewiseEncoder::for_each(PieceShape shape, const std::function<void()>& visit) {
  const std::size_t columns = stored_.columns();
  piece_.origin.columns = columns;
  for (std::size_t row = 0; row < stored_.rows(); row += shape.rows) {
    for (std::size_t column = 0; column < columns; column += shape.columns) {
      piece_.origin.row = row;
      piece_.origin.column = column;
      piece_.shape = {std::min(shape.rows, stored_.rows() - row), std::min(shape.columns, columns - column)};
      piece_.values.resize(piece_.shape[0] * piece_.shape[1]);
      file_.read(stored_, std::uint64_t{row} * columns + column, piece_.values.size(), piece_.values.data());
      visit();
    }
  }
}

float PiecewiseEncoder::amax() {
  if (amax_) return *amax_;
  std::uint32_t largest = 0;
  for_each(piece_shape(Format(), false), [this, &largest] {
    require_finite(piece_);
    largest = std::max(largest, max_magnitude_bits(piece_.values.data(), piece_.values.size()));
    if (watch_) watch_(0);
  });
  amax_ = float_from_bits(largest);
  return *amax_;
}

EncodedFigures PiecewiseEncoder::encode(const Format& format, const EncodeOptions& options, const Sink& sink) {
  const std::string obstacle = shape_obstacle(format, stored_.shape);
  if (!obstacle.empty()) throw InputError(piece_.name + ": " + obstacle);
  EncodeOptions piece_options = options;
  if (needs_amax(format, options)) piece_options.tensor_amax = amax();
  if (watch_) piece_options.watch = [this] { watch_(0); };
  EncodedFigures out;
  bool first = true;
  for_each(piece_shape(format, options.calibration != nullptr), [&] {
    const QuantizedTensor coded = nibble::encode(piece_, format, piece_options);
    const Tensor decoded = decode(coded);
    out.errors.add(piece_.values.data(), decoded.values.data(), piece_.values.size());
    if (format.grouping != Grouping::tensor || first) {
      for (const auto& [type, groups] : type_histogram(coded))
        out.types[type] += groups;
    }
    first = false;
    out.tensor_exponent = coded.tensor_exponent;
    out.saturated_groups += coded.saturated_groups;
    if (sink) sink(coded, decoded);
    if (watch_) watch_(piece_.values.size());
  });
  QuantizedTensor whole;
  whole.format = format;
  whole.shape = stored_.shape;
  out.elements = stored_.elements;
  out.groups = whole.groups();
  out.stored_bits = out.elements * element_bits(format) +
                    out.groups * (format.metadata_bits() + stored_.columns() * format.column_bits()) +
                    stored_.rows() * format.row_bits() + format.tensor_bits();
  return out;
}

void append_metadata(QuantizedTensor& whole, const QuantizedTensor& piece) {
  whole.tensor_exponent = piece.tensor_exponent;
  whole.tensor_scale = piece.tensor_scale;
  const bool again = piece.origin.row > 0 || piece.origin.column > 0;
  if (whole.format.grouping == Grouping::tensor && again) return;  // the same group
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(whole.scales, piece.scales);
  append(whole.row_scales, piece.row_scales);
  append(whole.types, piece.types);
  append(whole.exponents, piece.exponents);
  append(whole.base_scales, piece.base_scales);
  append(whole.residuals, piece.residuals);
  append(whole.cluster_codes, piece.cluster_codes);
  append(whole.column_groups, piece.column_groups);
}

}  // namespace nibble
