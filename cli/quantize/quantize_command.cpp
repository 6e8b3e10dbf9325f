// SPDX-License-Identifier: Apache-2.0
#include "cli/quantize/quantize_command.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "cli/commands.h"
#include "cli/quantize/quantize_report.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "formats/bitmod_types.h"
#include "formats/npy.h"
#include "formats/piecewise.h"
#include "formats/safetensors.h"

namespace nibble {
namespace {

NpyType code_type(const Format& format) {
  switch (format.family) {
    case FormatFamily::integer:
    case FormatFamily::amove:
    case FormatFamily::mxint8:
    case FormatFamily::tender:
      return NpyType::int8;
    case FormatFamily::bitmod:
      return bitmod_has_types(format.bits) ? NpyType::uint8 : NpyType::int8;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      return NpyType::int32;
    default:
      return NpyType::uint8;
  }
}

bool is_safetensors(const std::string& file) {
  const std::string ending = ".safetensors";
  return file.size() >= ending.size() && file.compare(file.size() - ending.size(), ending.size(), ending) == 0;
}

/// '*' stands for any characters, '?' for one.
bool matches(const char* pattern, const char* text) {
  const char *star = nullptr, *retry = nullptr;
  while (*text != '\0') {
    if (*pattern == '*') {
      star = pattern++;
      retry = text;
    } else if (*pattern == '?' || *pattern == *text) {
      ++pattern;
      ++text;
    } else if (star != nullptr) {
      pattern = star + 1;
      text = ++retry;
    } else {
      return false;
    }
  }
  while (*pattern == '*')
    ++pattern;
  return *pattern == '\0';
}

/// The tensors that an argument means.
struct Selection {
  std::vector<StoredTensor> tensors;
  bool one = true;  ///< a single one by its name, or the only one of the file; otherwise obstacles are no errors
};

Selection choose(const TensorFile& file, const std::string& wanted) {
  if (wanted.empty()) return {file.tensors(), file.tensors().size() == 1};
  const bool known = std::any_of(file.tensors().begin(), file.tensors().end(),
                                 [&wanted](const StoredTensor& tensor) { return tensor.name == wanted; });
  if (known || wanted.find_first_of("*?") == std::string::npos) return {{file.at(wanted)}, true};
  Selection chosen{{}, false};
  for (const StoredTensor& tensor : file.tensors()) {
    if (matches(wanted.c_str(), tensor.name.c_str())) chosen.tensors.push_back(tensor);
  }
  if (chosen.tensors.empty()) throw InputError(file.file() + ": no tensor's name matches '" + printable(wanted) + "'");
  return chosen;
}

/// Shows how far the work is, and ends it when the user interrupts.
class Progress {
 public:
  explicit Progress(std::uint64_t elements) : elements_(elements) {}
  void begin(const std::string& what) { what_ = what; }
  void advance(std::uint64_t elements) {
    stop_if_interrupted();
    done_ += elements;
    const auto now = std::chrono::steady_clock::now();
    if (now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    line_.show("quantize: " + what_ + " (" + std::to_string(done_ * 100 / std::max<std::uint64_t>(1, elements_)) +
               " %)");
  }

 private:
  std::uint64_t elements_, done_ = 0;
  std::string what_;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
  ProgressLine line_;
};

/// The output files of one run, written piece by piece.
class Outputs {
 public:
  Outputs(const QuantizeOptions& options, const Format& format) : options_(options), format_(format) {
    for (const std::string& name : {options.output, options.codes, options.metadata}) {
      if (!name.empty()) files_.reserve(name);
    }
  }
  bool wanted() const { return !(options_.output.empty() && options_.codes.empty() && options_.metadata.empty()); }

  /// Before the first tensor.
  void begin(const std::vector<QuantizedReport>& reports) {
    if (!is_safetensors(options_.output)) return;
    std::vector<StoredTensor> stored;
    for (const QuantizedReport& report : reports) {
      stored.push_back(report.tensor);
      if (!report.skipped.empty()) continue;
      stored.back().dtype = "F32";
      stored.back().bytes = report.tensor.elements * sizeof(float);
    }
    files_.append(options_.output, safetensors_front(stored));
  }
  void begin(const StoredTensor& tensor, const std::string& label) {
    if (!options_.output.empty() && !is_safetensors(options_.output))
      files_.append(options_.output, npy_header(NpyType::float32, tensor.shape));
    if (!options_.codes.empty()) files_.append(options_.codes, npy_header(code_type(format_), tensor.shape));
    metadata_ = QuantizedTensor();
    metadata_.format = format_;
    metadata_.name = label;
    metadata_.shape = tensor.shape;
  }
  void add(const QuantizedTensor& coded, const Tensor& decoded) {
    if (!options_.output.empty())
      files_.append(options_.output, npy_elements(NpyType::float32, decoded.values.data(), decoded.values.size()));
    if (!options_.codes.empty())
      files_.append(options_.codes, npy_elements(code_type(format_), coded.codes.data(), coded.codes.size()));
    if (!options_.metadata.empty()) append_metadata(metadata_, coded);
  }
  void end() {
    if (!options_.metadata.empty()) files_.write(options_.metadata, metadata_json(metadata_));
  }
  /// A tensor that is not encoded stands in a .safetensors file as it was.
  void copy(std::string_view bytes) {
    if (is_safetensors(options_.output)) files_.append(options_.output, bytes);
  }
  void commit() { files_.commit(); }

 private:
  const QuantizeOptions& options_;
  Format format_;
  OutputFiles files_;
  QuantizedTensor metadata_;
};

void check_outputs(const QuantizeOptions& options, const Format& format, const TensorFile& file, bool one) {
  if (format.grouping == Grouping::none) {
    if (!options.codes.empty()) throw InputError("--codes: " + format.name() + " is a plain cast and has no codes");
    if (!options.metadata.empty())
      throw InputError("--metadata: " + format.name() + " is a plain cast and has no metadata");
  }
  std::set<std::string> seen;
  for (const std::string& name : {options.output, options.codes, options.metadata}) {
    if (!name.empty() && !seen.insert(name).second)
      throw InputError(name + ": two outputs would be written to one file");
  }
  const std::string name_one = "; name one tensor, " + file.file() + ":TENSOR";
  if (!one && !options.codes.empty()) throw InputError("--codes takes one tensor" + name_one);
  if (!one && !options.metadata.empty()) throw InputError("--metadata takes one tensor" + name_one);
  if (!one && !options.output.empty() && !is_safetensors(options.output))
    throw InputError("--output: several tensors go into a .safetensors file" + name_one);
  if (is_safetensors(options.output) && !file.named())
    throw InputError("--output: the array of a .npy file has no name for a .safetensors file; write a .npy file");
}

EncodeOptions encode_options(const std::string& select, std::optional<int> exponent) {
  EncodeOptions options;
  options.select = select;
  options.exponent = exponent;
  if (select == "offline") options.slot = TensorSlot::offline;
  return options;
}

void quantize(const QuantizeOptions& options, std::ostream& out) {
  const Format format = Format::parse(options.format);
  const TensorArgument argument = TensorArgument::parse(options.input);
  const TensorFile file(argument.file);
  const Selection chosen = choose(file, argument.tensor);
  const bool one = chosen.one;
  check_outputs(options, format, file, one);
  Outputs outputs(options, format);
  EncodeOptions encoding = encode_options(options.select, options.exponent);
  Tensor calibration;
  if (!options.calibration.empty()) {
    calibration = read_tensor(options.calibration);
    encoding.calibration = &calibration;
  }
  std::vector<QuantizedReport> reports;
  std::uint64_t elements = 0;
  for (const StoredTensor& tensor : chosen.tensors) {
    QuantizedReport report{argument.file, file.label(tensor), tensor, format, selection_of(format, encoding), {}, {}};
    if (!one) report.skipped = tensor.obstacle();
    if (!one && report.skipped.empty()) report.skipped = shape_obstacle(format, tensor.shape);
    if (report.skipped.empty()) elements += tensor.elements;
    reports.push_back(std::move(report));
  }
  if (!one && elements == 0)
    throw InputError(argument.file + ": no tensor that " + format.name() +
                     " can encode: " + printable(chosen.tensors[0].name) + ": " + reports[0].skipped);
  Progress progress(elements);
  outputs.begin(reports);
  for (QuantizedReport& report : reports) {
    if (!report.skipped.empty()) {
      outputs.copy(file.raw(report.tensor));
      continue;
    }
    progress.begin(printable(report.label) + " " + format.name());
    PiecewiseEncoder encoder(file, report.tensor, [&progress](std::uint64_t done) { progress.advance(done); });
    outputs.begin(report.tensor, report.label);
    PiecewiseEncoder::Sink sink;
    if (outputs.wanted())
      sink = [&outputs](const QuantizedTensor& coded, const Tensor& decoded) { outputs.add(coded, decoded); };
    report.figures = encoder.encode(format, encoding, sink);
    outputs.end();
  }
  const std::string text = one ? (options.json ? quantize_json(reports[0]) : quantize_text(reports[0]))
                               : (options.json ? quantize_json(reports) : quantize_text(reports));
  outputs.commit();
  out << text;
}

// ---- --compare ----

/// "mant4-g64,mant4-g64:variance,int4-g128": formats, each with the selection that it may name.
std::vector<RankedFormat> parse_formats(const std::string& list) {
  std::vector<RankedFormat> formats;
  std::set<std::string> seen;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string item = list.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = item.find(':');
    RankedFormat ranked;
    ranked.format = Format::parse(item.substr(0, colon));
    const std::vector<std::string> known = selections(ranked.format);
    if (colon != std::string::npos) {
      ranked.select = item.substr(colon + 1);
      if (known.empty()) throw InputError("--compare: " + ranked.format.name() + " has no selection to choose");
      if (std::find(known.begin(), known.end(), ranked.select) == known.end())
        throw InputError("--compare: " + unknown_name("selection", ranked.select, known) + " (" + ranked.format.name() +
                         ")");
    }
    if (!seen.insert(item).second) throw InputError("--compare: '" + item + "' stands twice");
    formats.push_back(std::move(ranked));
  }
  return formats;
}

void check_compare(const QuantizeOptions& options) {
  const std::pair<const char*, bool> unused[] = {{"--select", !options.select.empty()},
                                                 {"--exponent", options.exponent.has_value()},
                                                 {"--output", !options.output.empty()},
                                                 {"--codes", !options.codes.empty()},
                                                 {"--metadata", !options.metadata.empty()}};
  for (const auto& [name, given] : unused) {
    if (!given) continue;
    const std::string instead = std::string(name) == "--select" ? "; write FORMAT:SELECTION" : "";
    throw InputError(std::string(name) + " is not used with --compare" + instead);
  }
}

/// Encodes all tensors in one format.
void measure(const TensorFile& file, std::vector<PiecewiseEncoder>& encoders, Progress& progress,
             const Comparison& comparison, const EncodeOptions& encoding, RankedFormat& ranked) {
  for (std::size_t i = 0; i < encoders.size(); ++i) {
    const StoredTensor& tensor = comparison.tensors[i];
    progress.begin(printable(file.label(tensor)) + " " + ranked.format.name());
    EncodedFigures figures;
    try {
      figures = encoders[i].encode(ranked.format, encoding);
    } catch (const RangeError& error) {
      ranked.error = error.what();
      return;
    }
    const ErrorFigures errors = figures.errors.figures();
    const bool worse = errors.sqnr_db && (!ranked.worst_sqnr_db || *errors.sqnr_db < *ranked.worst_sqnr_db);
    if (worse) ranked.worst_sqnr_db = errors.sqnr_db;
    if (worse) ranked.worst_tensor = tensor.name;
    ranked.figures.errors.add(figures.errors);
    ranked.figures.elements += figures.elements;
    ranked.figures.groups += figures.groups;
    ranked.figures.stored_bits += figures.stored_bits;
    for (const auto& [type, groups] : figures.types)
      ranked.figures.types[type] += groups;
  }
}

/// Larger ratios first, exact formats before all; then fewer bits, then the order on the command line.
void rank(std::vector<RankedFormat>& formats) {
  std::stable_sort(formats.begin(), formats.end(), [](const RankedFormat& a, const RankedFormat& b) {
    if (a.error.empty() != b.error.empty()) return a.error.empty();
    if (!a.error.empty()) return false;
    const bool exact_a = a.figures.errors.exact(), exact_b = b.figures.errors.exact();
    if (exact_a != exact_b) return exact_a;
    const double ratio_a = a.figures.errors.figures().sqnr_db.value_or(0);
    const double ratio_b = b.figures.errors.figures().sqnr_db.value_or(0);
    if (!exact_a && ratio_a != ratio_b) return ratio_a > ratio_b;
    return a.figures.bits_per_element() < b.figures.bits_per_element();
  });
}

/// Leaves out what one of the formats cannot take, so that all of them are measured on the same tensors.
void choose_tensors(const Selection& chosen, Comparison& comparison) {
  for (const StoredTensor& tensor : chosen.tensors) {
    std::string obstacle = tensor.obstacle();
    for (const RankedFormat& ranked : comparison.formats) {
      if (obstacle.empty()) obstacle = shape_obstacle(ranked.format, tensor.shape);
    }
    if (obstacle.empty() || chosen.one) {
      comparison.tensors.push_back(tensor);
    } else {
      QuantizedReport report;
      report.tensor = tensor;
      report.skipped = obstacle;
      comparison.skipped.push_back(std::move(report));
    }
  }
}

void compare(const QuantizeOptions& options, std::ostream& out) {
  check_compare(options);
  Comparison comparison;
  comparison.formats = parse_formats(options.compare);
  const TensorArgument argument = TensorArgument::parse(options.input);
  const TensorFile file(argument.file);
  choose_tensors(choose(file, argument.tensor), comparison);
  comparison.input = argument.file;
  if (comparison.tensors.empty()) {
    const QuantizedReport& first = comparison.skipped.front();
    throw InputError(argument.file + ": no tensor that all formats can encode: " + printable(first.tensor.name) + ": " +
                     first.skipped);
  }
  Tensor calibration;
  if (!options.calibration.empty()) calibration = read_tensor(options.calibration);

  std::uint64_t elements = 0;
  for (const StoredTensor& tensor : comparison.tensors)
    elements += tensor.elements;
  Progress progress(elements * comparison.formats.size());
  std::vector<PiecewiseEncoder> encoders;
  for (const StoredTensor& tensor : comparison.tensors) {
    encoders.emplace_back(file, tensor, [&progress](std::uint64_t done) { progress.advance(done); });
    progress.begin("reading " + printable(file.label(tensor)));
    encoders.back().amax();  // refuses NaN and infinity, whatever the formats
  }
  bool calibrated = options.calibration.empty();
  for (RankedFormat& ranked : comparison.formats) {
    EncodeOptions encoding = encode_options(ranked.select, std::nullopt);
    const bool searches =
        ranked.format.family == FormatFamily::mant4 && (ranked.select.empty() || ranked.select == "output-mse");
    if (searches && !options.calibration.empty()) {
      encoding.calibration = &calibration;
      calibrated = true;
    }
    ranked.select = selection_of(ranked.format, encoding);
    measure(file, encoders, progress, comparison, encoding, ranked);
  }
  if (!calibrated) throw InputError("--calibration is used by the selection output-mse of mant4 only");
  rank(comparison.formats);
  if (!comparison.formats.front().error.empty()) throw InputError(comparison.formats.front().error);
  const StoredTensor& first = comparison.tensors.front();
  comparison.title = comparison.tensors.size() == 1
                         ? file.label(first) + " " + shape_text(first.shape)
                         : argument.file + ": " + std::to_string(comparison.tensors.size()) + " tensors together";
  out << (options.json ? comparison_json(comparison) : comparison_text(comparison));
}

}  // namespace

void run_quantize(const QuantizeOptions& options, std::ostream& out) {
  if (options.format.empty() == options.compare.empty())
    throw InputError("quantize: give either --format or --compare");
  if (options.compare.empty()) {
    quantize(options, out);
  } else {
    compare(options, out);
  }
}

}  // namespace nibble
