// SPDX-License-Identifier: Apache-2.0
#include "cli/quantize/quantize_report.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "core/json.h"
#include "core/table.h"

namespace nibble {
namespace {

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

void field_shape(JsonWriter& json, const StoredTensor& tensor) {
  json.key("shape").begin_array();
  for (const std::size_t extent : tensor.shape)
    json.value(std::uint64_t{extent});
  json.end_array();
}

/// The figures, with the keys that every document of this command uses.
void fields(JsonWriter& json, const EncodedFigures& figures) {
  const ErrorFigures errors = figures.errors.figures();
  json.field("mse", errors.mse).field("max_abs_error", errors.max_abs_error);
  json.field("sqnr_db", errors.sqnr_db).field("cosine", errors.cosine);
  json.field("bits_per_element", figures.bits_per_element());
  json.key("types").begin_object();
  for (const auto& entry : figures.types)
    json.field(entry.first, entry.second);
  json.end_object();
}

void object(JsonWriter& json, const QuantizedReport& report) {
  json.begin_object().field("input", report.input);
  if (!report.tensor.name.empty()) json.field("tensor", report.tensor.name);
  json.field("dtype", report.tensor.type()).field("format", report.format.name());
  if (!report.select.empty()) json.field("select", report.select);
  field_shape(json, report.tensor);
  json.field("elements", report.tensor.elements);
  if (!report.skipped.empty()) {
    json.field("skipped", report.skipped).end_object();
    return;
  }
  json.field("groups", report.figures.groups);
  fields(json, report.figures);
  if (report.format.family == FormatFamily::amove) {
    json.field("exponent", report.figures.tensor_exponent).field("saturated_groups", report.figures.saturated_groups);
  }
  json.end_object();
}

std::string number(std::optional<double> value) {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", *value);
  return text;
}

std::string format_and_selection(const Format& format, const std::string& select) {
  return format.name() + (select.empty() ? "" : ", " + select);
}

std::string types_table(const EncodedFigures& figures) {
  if (figures.types.empty()) return "";
  std::vector<std::pair<std::string, std::uint64_t>> counts(figures.types.begin(), figures.types.end());
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return a.first.size() < b.first.size();  // numbers by their value
  });
  Table types;
  types.column("type", Table::Align::left).column("groups").column("share, %");
  for (const auto& entry : counts) {
    const double share = 100.0 * static_cast<double>(entry.second) / static_cast<double>(figures.groups);
    types.row({entry.first, with_separators(entry.second), fixed(share, 1)});
  }
  return "\n" + types.text();
}

void add(EncodedFigures& total, const EncodedFigures& part) {
  total.errors.add(part.errors);
  total.elements += part.elements;
  total.groups += part.groups;
  total.stored_bits += part.stored_bits;
  total.saturated_groups += part.saturated_groups;
  for (const auto& [type, groups] : part.types)
    total.types[type] += groups;
}

std::vector<std::string> figure_cells(const EncodedFigures& figures) {
  const ErrorFigures errors = figures.errors.figures();
  return {number(errors.mse), number(errors.max_abs_error), fixed(errors.sqnr_db, 2), number(errors.cosine),
          number(figures.bits_per_element())};
}

void figure_columns(Table& table) {
  for (const char* heading : {"mse", "max_abs_error", "sqnr_db", "cosine", "bits_per_element"})
    table.column(heading);
}

std::string skipped_text(const std::vector<QuantizedReport>& skipped) {
  std::string text;
  for (const QuantizedReport& report : skipped)
    text += "skipped " + printable(report.tensor.name) + ": " + report.skipped + "\n";
  return text.empty() ? "" : "\n" + text;
}

}  // namespace

std::string metadata_json(const QuantizedTensor& coded) {
  JsonWriter json;
  json.begin_object().field("groups", std::uint64_t{coded.groups()});
  field_array(json, "scale", std::vector<double>(coded.scales.begin(), coded.scales.end()));
  field_array(json, "row_scale", std::vector<double>(coded.row_scales.begin(), coded.row_scales.end()));
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

std::string quantize_json(const QuantizedReport& report) {
  JsonWriter json;
  object(json, report);
  return json.str();
}

std::string quantize_json(const std::vector<QuantizedReport>& reports) {
  JsonWriter json;
  json.begin_array();
  for (const QuantizedReport& report : reports)
    object(json, report);
  return json.end_array().str();
}

std::string quantize_text(const QuantizedReport& report) {
  const EncodedFigures& encoded = report.figures;
  const ErrorFigures errors = encoded.errors.figures();
  Table figures;
  figures.column("figure", Table::Align::left).column("value").column("unit", Table::Align::left);
  figures.row({"mse", number(errors.mse), ""});
  figures.row({"max_abs_error", number(errors.max_abs_error), ""});
  figures.row({"sqnr_db", number(errors.sqnr_db), "dB"});
  figures.row({"cosine", number(errors.cosine), ""});
  figures.row({"bits_per_element", number(encoded.bits_per_element()), "bit"});
  if (encoded.groups > 0) figures.row({"groups", with_separators(encoded.groups), ""});
  if (report.format.family == FormatFamily::amove) {
    figures.row({"exponent", std::to_string(encoded.tensor_exponent), ""});
    figures.row({"saturated_groups", with_separators(encoded.saturated_groups), ""});
  }
  return report.label + " " + shape_text(report.tensor.shape) + " as " +
         format_and_selection(report.format, report.select) + "\n\n" + figures.text() + types_table(encoded);
}

std::string quantize_text(const std::vector<QuantizedReport>& reports) {
  Table table;
  table.column("tensor", Table::Align::left).column("shape", Table::Align::left).column("dtype", Table::Align::left);
  figure_columns(table);
  EncodedFigures total;
  std::vector<QuantizedReport> skipped;
  std::size_t encoded = 0;
  const auto add_row = [&table](std::vector<std::string> cells, const EncodedFigures& figures) {
    for (std::string& cell : figure_cells(figures))
      cells.push_back(std::move(cell));
    table.row(std::move(cells));
  };
  for (const QuantizedReport& report : reports) {
    if (!report.skipped.empty()) {
      skipped.push_back(report);
      continue;
    }
    add_row({printable(report.tensor.name), shape_text(report.tensor.shape), report.tensor.type()}, report.figures);
    add(total, report.figures);
    ++encoded;
  }
  const QuantizedReport& first = reports.front();
  std::string text = first.input + ": " + std::to_string(encoded) + " of " + std::to_string(reports.size()) +
                     " tensors as " + format_and_selection(first.format, first.select) + "\n\n";
  if (encoded > 0) {
    table.rule();
    add_row({"all", "", ""}, total);
    text += table.text() + types_table(total);
  }
  return text + skipped_text(skipped);
}

std::string comparison_json(const Comparison& comparison) {
  JsonWriter json;
  json.begin_object().field("input", comparison.input);
  std::uint64_t elements = 0;
  for (const StoredTensor& tensor : comparison.tensors)
    elements += tensor.elements;
  if (comparison.tensors.size() == 1) {
    const StoredTensor& tensor = comparison.tensors.front();
    if (!tensor.name.empty()) json.field("tensor", tensor.name);
    json.field("dtype", tensor.type());
    field_shape(json, tensor);
  }
  json.field("tensors", std::uint64_t{comparison.tensors.size()}).field("elements", elements);
  json.key("ranking").begin_array();
  unsigned rank = 0;
  for (const RankedFormat& ranked : comparison.formats) {
    json.begin_object();
    if (ranked.error.empty()) json.field("rank", ++rank);
    json.field("format", ranked.format.name());
    if (!ranked.select.empty()) json.field("select", ranked.select);
    if (!ranked.error.empty()) {
      json.field("error", ranked.error).end_object();
      continue;
    }
    fields(json, ranked.figures);
    if (comparison.tensors.size() > 1) {
      json.field("worst_tensor", ranked.worst_tensor).field("worst_sqnr_db", ranked.worst_sqnr_db);
    }
    json.end_object();
  }
  json.end_array().key("skipped").begin_array();
  for (const QuantizedReport& report : comparison.skipped)
    json.begin_object().field("tensor", report.tensor.name).field("skipped", report.skipped).end_object();
  json.end_array();
  return json.end_object().str();
}

std::string comparison_text(const Comparison& comparison) {
  const bool several = comparison.tensors.size() > 1;
  Table table;
  table.column("rank").column("format", Table::Align::left).column("select", Table::Align::left);
  figure_columns(table);
  if (several) table.column("worst sqnr_db").column("worst tensor", Table::Align::left);
  unsigned rank = 0;
  std::string errors;
  for (const RankedFormat& ranked : comparison.formats) {
    if (!ranked.error.empty()) {
      errors += "not ranked: " + ranked.format.name() + ": " + ranked.error + "\n";
      continue;
    }
    std::vector<std::string> cells = {std::to_string(++rank), ranked.format.name(), ranked.select};
    for (std::string& cell : figure_cells(ranked.figures))
      cells.push_back(std::move(cell));
    if (several) {
      cells.push_back(fixed(ranked.worst_sqnr_db, 2));
      cells.push_back(printable(ranked.worst_tensor));
    }
    table.row(std::move(cells));
  }
  return comparison.title + "\n\n" + table.text() + (errors.empty() ? "" : "\n" + errors) +
         skipped_text(comparison.skipped);
}

}  // namespace nibble
