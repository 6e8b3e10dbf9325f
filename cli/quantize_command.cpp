// SPDX-License-Identifier: Apache-2.0
#include "cli/quantize_command.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/table.h"
#include "formats/error_figures.h"
#include "formats/npy.h"
#include "formats/quantizer.h"

namespace nibble {
namespace {

/// Everything that is reported.
struct Outcome {
  const QuantizeOptions& options;
  std::string select;
  const QuantizedTensor& coded;
  ErrorFigures figures;
};

NpyType code_type(FormatFamily family) {
  switch (family) {
    case FormatFamily::integer:
    case FormatFamily::amove:
    case FormatFamily::mxint8:
    case FormatFamily::tender:
      return NpyType::int8;
    case FormatFamily::bfp:
      return NpyType::int32;
    default:
      return NpyType::uint8;
  }
}

std::vector<std::string> output_names(const QuantizeOptions& options) {
  std::vector<std::string> names;
  for (const std::string& name : {options.output, options.codes, options.metadata}) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

void check(const QuantizeOptions& options, const Format& format) {
  if (format.grouping == Grouping::none) {
    if (!options.codes.empty()) throw InputError("--codes: " + format.name() + " is a plain cast and has no codes");
    if (!options.metadata.empty())
      throw InputError("--metadata: " + format.name() + " is a plain cast and has no metadata");
  }
  std::set<std::string> seen;
  for (const std::string& name : output_names(options)) {
    if (!seen.insert(name).second) throw InputError(name + ": two outputs would be written to one file");
  }
}

template <class Values>
void field_array(JsonWriter& json, const char* name, const Values& values) {
  if (values.empty()) return;
  json.key(name).begin_array();
  for (const auto& value : values)
    json.value(value);
  json.end_array();
}

void field_cluster_codes(JsonWriter& json, const QuantizedTensor& coded) {
  if (coded.cluster_codes.empty()) return;
  const std::size_t clusters = coded.cluster_codes.size() / coded.groups();
  json.key("E").begin_array();
  for (std::size_t i = 0; i < coded.cluster_codes.size(); ++i) {
    if (i % clusters == 0) json.begin_array();
    json.value(static_cast<unsigned>(coded.cluster_codes[i]));
    if (i % clusters == clusters - 1) json.end_array();
  }
  json.end_array();
}

std::string metadata_document(const QuantizedTensor& coded) {
  JsonWriter json;
  json.begin_object().field("groups", std::uint64_t{coded.groups()});
  field_array(json, "scale", std::vector<double>(coded.scales.begin(), coded.scales.end()));
  std::vector<std::string> types;
  for (const std::uint8_t type : coded.types)
    types.push_back(type_name(coded.format, type));
  field_array(json, "type", types);
  field_array(json, "exponent", std::vector<int>(coded.exponents.begin(), coded.exponents.end()));
  field_array(json, "S", std::vector<double>(coded.base_scales.begin(), coded.base_scales.end()));
  field_array(json, "R", std::vector<double>(coded.residuals.begin(), coded.residuals.end()));
  field_cluster_codes(json, coded);
  field_array(json, "column_group", std::vector<int>(coded.column_groups.begin(), coded.column_groups.end()));
  if (coded.format.family == FormatFamily::amove) json.field("p", coded.tensor_exponent);
  if (coded.format.family == FormatFamily::nvfp4) json.field("t", static_cast<double>(coded.tensor_scale));
  return json.end_object().str();
}

std::string report_document(const Outcome& outcome) {
  const QuantizedTensor& coded = outcome.coded;
  JsonWriter json;
  json.begin_object().field("input", outcome.options.input).field("format", coded.format.name());
  if (!outcome.select.empty()) json.field("select", outcome.select);
  field_array(json, "shape", std::vector<std::uint64_t>(coded.shape.begin(), coded.shape.end()));
  json.field("elements", std::uint64_t{coded.size()}).field("groups", std::uint64_t{coded.groups()});
  json.field("mse", outcome.figures.mse).field("max_abs_error", outcome.figures.max_abs_error);
  json.field("sqnr_db", outcome.figures.sqnr_db).field("cosine", outcome.figures.cosine);
  json.field("bits_per_element", bits_per_element(coded));
  json.key("types").begin_object();
  for (const auto& entry : type_histogram(coded))
    json.field(entry.first, entry.second);
  json.end_object();
  if (coded.format.family == FormatFamily::amove) {
    json.field("exponent", coded.tensor_exponent).field("saturated_groups", coded.saturated_groups);
  }
  return json.end_object().str();
}

std::string number(std::optional<double> value) {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", *value);
  return text;
}

std::string report_text(const Outcome& outcome) {
  const QuantizedTensor& coded = outcome.coded;
  std::vector<std::string> extents;
  for (const std::size_t extent : coded.shape)
    extents.push_back(std::to_string(extent));
  std::string text = outcome.options.input + " [" + join(extents) + "] as " + coded.format.name();
  if (!outcome.select.empty()) text += ", " + outcome.select;
  Table figures;
  figures.column("figure", Table::Align::left).column("value").column("unit", Table::Align::left);
  figures.row({"mse", number(outcome.figures.mse), ""});
  figures.row({"max_abs_error", number(outcome.figures.max_abs_error), ""});
  figures.row({"sqnr_db", number(outcome.figures.sqnr_db), "dB"});
  figures.row({"cosine", number(outcome.figures.cosine), ""});
  figures.row({"bits_per_element", number(bits_per_element(coded)), "bit"});
  if (coded.groups() > 0) figures.row({"groups", with_separators(coded.groups()), ""});
  if (coded.format.family == FormatFamily::amove) {
    figures.row({"exponent", std::to_string(coded.tensor_exponent), ""});
    figures.row({"saturated_groups", with_separators(coded.saturated_groups), ""});
  }
  text += "\n\n" + figures.text();
  const std::map<std::string, std::uint64_t> histogram = type_histogram(coded);
  if (histogram.empty()) return text;
  std::vector<std::pair<std::string, std::uint64_t>> counts(histogram.begin(), histogram.end());
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return a.first.size() < b.first.size();  // numbers by their value
  });
  Table types;
  types.column("type", Table::Align::left).column("groups").column("share, %");
  for (const auto& entry : counts) {
    const double share = 100.0 * static_cast<double>(entry.second) / static_cast<double>(coded.groups());
    types.row({entry.first, with_separators(entry.second), fixed(share, 1)});
  }
  return text + "\n" + types.text();
}

}  // namespace

void run_quantize(const QuantizeOptions& options, std::ostream& out) {
  const Format format = Format::parse(options.format);
  check(options, format);
  OutputFiles files;
  for (const std::string& name : output_names(options))
    files.reserve(name);

  const Tensor tensor = read_npy(options.input);
  Tensor calibration;
  EncodeOptions encoding;
  encoding.select = options.select;
  encoding.exponent = options.exponent;
  if (options.select == "offline") encoding.slot = TensorSlot::offline;
  if (!options.calibration.empty()) {
    calibration = read_npy(options.calibration);
    encoding.calibration = &calibration;
  }
  const QuantizedTensor coded = encode(tensor, format, encoding);
  const Tensor decoded = decode(coded);

  if (!options.output.empty())
    files.write(options.output, npy_contents(NpyType::float32, decoded.shape, decoded.values));
  if (!options.codes.empty())
    files.write(options.codes, npy_contents(code_type(format.family), coded.shape, coded.codes));
  if (!options.metadata.empty()) files.write(options.metadata, metadata_document(coded));
  const Outcome outcome{options, selection_of(format, encoding), coded, error_figures(tensor, decoded)};
  const std::string report = options.json ? report_document(outcome) : report_text(outcome);
  files.commit();
  out << report;
}

}  // namespace nibble
