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

std::size_t PiecewiseEncoder::rows_per_piece(const Format& format) const {
  const std::size_t rows = stored_.rows(), shared = format.group_n;
  if (needs_whole(format)) return rows;
  const std::size_t wanted = std::max<std::size_t>(1, piece_elements_ / stored_.columns());
  return std::min(rows, (wanted + shared - 1) / shared * shared);
}

void PiecewiseEncoder::read(std::size_t first_row, std::size_t rows) {
  const std::size_t columns = stored_.columns();
  piece_.first_row = first_row;
  piece_.shape = {rows, columns};
  piece_.values.resize(rows * columns);
  file_.read(stored_, std::uint64_t{first_row} * columns, piece_.values.size(), piece_.values.data());
}

float PiecewiseEncoder::amax() {
  if (amax_) return *amax_;
  std::uint32_t largest = 0;
  const std::size_t step = rows_per_piece(Format());
  for (std::size_t row = 0; row < stored_.rows(); row += step) {
    read(row, std::min(step, stored_.rows() - row));
    require_finite(piece_);
    largest = std::max(largest, max_magnitude_bits(piece_.values.data(), piece_.values.size()));
    if (watch_) watch_(0);
  }
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
  const std::size_t step = rows_per_piece(format);
  for (std::size_t row = 0; row < stored_.rows(); row += step) {
    read(row, std::min(step, stored_.rows() - row));
    const QuantizedTensor coded = nibble::encode(piece_, format, piece_options);
    const Tensor decoded = decode(coded);
    out.errors.add(piece_.values.data(), decoded.values.data(), piece_.values.size());
    if (format.grouping != Grouping::tensor || row == 0) {
      for (const auto& [type, groups] : type_histogram(coded))
        out.types[type] += groups;
    }
    out.tensor_exponent = coded.tensor_exponent;
    out.saturated_groups += coded.saturated_groups;
    if (sink) sink(coded, decoded);
    if (watch_) watch_(piece_.values.size());
  }
  QuantizedTensor whole;
  whole.format = format;
  whole.shape = stored_.shape;
  out.elements = stored_.elements;
  out.groups = whole.groups();
  out.stored_bits = out.elements * element_bits(format) +
                    out.groups * (format.metadata_bits() + stored_.columns() * format.column_bits()) +
                    format.tensor_bits();
  return out;
}

void append_metadata(QuantizedTensor& whole, const QuantizedTensor& piece) {
  whole.tensor_exponent = piece.tensor_exponent;
  whole.tensor_scale = piece.tensor_scale;
  if (whole.format.grouping == Grouping::tensor && piece.first_row > 0) return;  // the same group again
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(whole.scales, piece.scales);
  append(whole.types, piece.types);
  append(whole.exponents, piece.exponents);
  append(whole.base_scales, piece.base_scales);
  append(whole.residuals, piece.residuals);
  append(whole.cluster_codes, piece.cluster_codes);
  append(whole.column_groups, piece.column_groups);
}

}  // namespace nibble
