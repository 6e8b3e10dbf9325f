// SPDX-License-Identifier: Apache-2.0
/// Parts of quantized tensors, cut and joined at the boundaries of their groups; codes and metadata stay as they are.
/// For formats without sharing between rows: groups of one row, channels and casts (InternalError for others).
#pragma once

#include <cstddef>
#include <vector>

#include "formats/quantizer.h"

namespace nibble {

/// Rows [first, first + count) as [count, columns].
QuantizedTensor slice_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t count);

/// Columns [first, first + count) as [rows, count]; `first` is a multiple of the group, as is the end unless it is the
/// tensor's (InternalError). Amove's count of saturated groups becomes 0.
QuantizedTensor slice_columns(const QuantizedTensor& tensor, std::size_t first, std::size_t count);

/// More rows below: the same format, columns and exponent (InternalError). An empty `tensor` (no shape) becomes `rows`.
void append_rows(QuantizedTensor& tensor, const QuantizedTensor& rows);

/// Side by side, [rows, sum of columns]: the same format, rows and exponent, every part but the last whole groups;
/// never channels (InternalError).
QuantizedTensor join_columns(const std::vector<QuantizedTensor>& parts);

}  // namespace nibble
