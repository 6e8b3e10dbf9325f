// SPDX-License-Identifier: Apache-2.0
/// What `nibble quantize` prints and writes about encoded tensors.
#pragma once

#include <string>
#include <vector>

#include "formats/piecewise.h"

namespace nibble {

/// One tensor in one format.
struct QuantizedReport {
  std::string input;  ///< as the user wrote it, without the tensor's name
  std::string label;  ///< for text
  StoredTensor tensor;
  Format format;
  std::string select;   ///< empty: nothing to select
  std::string skipped;  ///< why it was not encoded; then there are no figures
  EncodedFigures figures;
};

/// One format over one or several tensors.
struct RankedFormat {
  Format format;
  std::string select;
  std::string error;         ///< a value is beyond the format's range; then there are no figures
  EncodedFigures figures;    ///< of all tensors together
  std::string worst_tensor;  ///< several tensors: the one with the smallest ratio, and that ratio
  std::optional<double> worst_sqnr_db;
};

struct Comparison {
  std::string input, title;
  std::vector<StoredTensor> tensors;
  std::vector<QuantizedReport> skipped;
  std::vector<RankedFormat> formats;  ///< in the order of the rank, those with an error last
};

/// The document of one tensor, and of several.
std::string quantize_json(const QuantizedReport& report);
std::string quantize_json(const std::vector<QuantizedReport>& reports);
std::string quantize_text(const QuantizedReport& report);
std::string quantize_text(const std::vector<QuantizedReport>& reports);

std::string comparison_json(const Comparison& comparison);
std::string comparison_text(const Comparison& comparison);

/// What a tensor stores per group.
std::string metadata_json(const QuantizedTensor& coded);

}  // namespace nibble
