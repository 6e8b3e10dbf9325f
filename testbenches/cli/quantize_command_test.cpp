// SPDX-License-Identifier: Apache-2.0
#include "cli/quantize/quantize_command.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "formats/npy.h"
#include "formats/quantizer.h"
#include "formats/tensor_file.h"
#include "testbenches/formats/safetensors_file.h"

using namespace nibble;
namespace fs = std::filesystem;

namespace {

/// A directory of the test's own with one input: x.npy, [2, 16].
class Workshop {
 public:
  Workshop() : directory_(fs::temp_directory_path() / ("nibble_quantize_test_" + std::to_string(::getpid()))) {
    fs::create_directory(directory_);
    std::vector<float> values;
    for (int i = 0; i < 8; ++i)
      values.insert(values.end(), {static_cast<float>(1 << i), -static_cast<float>(1 << i)});
    for (int i = 0; i < 16; ++i)
      values.push_back(static_cast<float>(i - 7) * 0.875F);
    std::ofstream(file("x.npy"), std::ios::binary) << npy_contents(NpyType::float32, {2, 16}, values);
  }
  ~Workshop() { fs::remove_all(directory_); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::string file(const std::string& name) const { return (directory_ / name).string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }
  QuantizeOptions options(const std::string& format) const {
    QuantizeOptions options;
    options.input = file("x.npy");
    options.format = format;
    return options;
  }

 private:
  fs::path directory_;
};

std::string run(const QuantizeOptions& options) {
  std::ostringstream out;
  run_quantize(options, out);
  return out.str();
}

JsonValue report(QuantizeOptions options) {
  options.json = true;
  return parse_json(run(options), "report");
}

std::vector<double> numbers(const JsonValue& document, const std::string& key) {
  std::vector<double> out;
  for (const JsonValue& item : document.find(key)->items)
    out.push_back(item.number);
  return out;
}

}  // namespace

TEST_CASE("the report as JSON") {
  const Workshop workshop;
  const JsonValue mant = report(workshop.options("mant4-g16"));
  CHECK(mant.find("format")->string == "mant4-g16");
  CHECK(mant.find("select")->string == "mse");
  CHECK(numbers(mant, "shape") == std::vector<double>{2, 16});
  CHECK(mant.find("elements")->integer == 32);
  CHECK(mant.find("groups")->integer == 2);
  CHECK(mant.find("bits_per_element")->number == 5.5);
  CHECK(mant.find("types")->find("0")->integer == 1);
  CHECK(mant.find("mse")->number > 0);
  CHECK(mant.find("max_abs_error")->number > 0);
  CHECK(mant.find("sqnr_db")->number > 20);
  CHECK(mant.find("cosine")->number > 0.99);
  const JsonValue exact = report(workshop.options("fp32"));
  CHECK(exact.find("mse")->number == 0);
  CHECK(exact.find("sqnr_db")->kind == JsonValue::Kind::null);
  CHECK(exact.find("select") == nullptr);
  CHECK(exact.find("types")->members.empty());
  CHECK(exact.find("groups")->integer == 0);
}

TEST_CASE("the report as text") {
  const Workshop workshop;
  const std::string text = run(workshop.options("mant4-g16"));
  for (const char* part : {"[2, 16] as mant4-g16, mse", "bits_per_element", "5.5", "share, %", "50.0"}) {
    CHECK_THAT(text, Catch::Contains(part));
  }
  CHECK_THAT(run(workshop.options("fp32")), Catch::Contains("sqnr_db") && Catch::Contains("-"));
}

TEST_CASE("output files hold what the encoder gives") {
  const Workshop workshop;
  QuantizeOptions options = workshop.options("mant4-g16");
  options.output = workshop.file("y.npy");
  options.codes = workshop.file("codes.npy");
  options.metadata = workshop.file("meta.json");
  run(options);
  const Tensor x = read_npy(options.input), y = read_npy(options.output), codes = read_npy(options.codes);
  CHECK(y.shape == x.shape);
  CHECK(codes.shape == x.shape);
  // The first row lies on the grid of a = 0.
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(y.values[i] == x.values[i]);
    CHECK(codes.values[i] == static_cast<float>(i / 2 + (i % 2 == 0 ? 0 : 8)));
  }
  CHECK(read_file(options.codes).find("'|u1'") != std::string::npos);
  const JsonValue meta = parse_json(read_file(options.metadata), "meta");
  CHECK(meta.find("groups")->integer == 2);
  CHECK(numbers(meta, "scale")[0] == 1.0);
  CHECK(meta.find("type")->items.at(0).string == "0");
  CHECK(meta.find("exponent") == nullptr);
  CHECK(meta.find("p") == nullptr);

  options = workshop.options("int8-channel");
  options.codes = workshop.file("codes.npy");
  run(options);
  CHECK(read_file(options.codes).find("'|i1'") != std::string::npos);
  CHECK(read_npy(options.codes).values[15] == -127);
}

TEST_CASE("calibration and selection reach the encoder") {
  const Workshop workshop;
  QuantizeOptions options = workshop.options("mant4-g16");
  options.calibration = workshop.file("x.npy");
  CHECK(report(options).find("select")->string == "output-mse");
  options.calibration = "";
  options.select = "variance";
  CHECK(report(options).find("select")->string == "variance");
}

TEST_CASE("bad input leaves nothing behind") {
  const Workshop workshop;
  const auto refuse = [&](QuantizeOptions options, const std::string& part) {
    INFO(part);
    std::ostringstream out;
    CHECK_THROWS_AS(run_quantize(options, out), InputError);
    CHECK_THROWS_WITH(run_quantize(options, out), Catch::Contains(part));
    CHECK(out.str().empty());
    CHECK(workshop.files() == 1);
  };
  refuse(workshop.options("mant5-g16"), "number format 'mant5-g16'");
  QuantizeOptions options = workshop.options("fp16");
  options.codes = workshop.file("codes.npy");
  refuse(options, "--codes: fp16 is a plain cast");
  options = workshop.options("bf16");
  options.metadata = workshop.file("meta.json");
  refuse(options, "--metadata: bf16 is a plain cast");
  options = workshop.options("mant4-g16");
  options.output = workshop.file("y.npy");
  options.select = "nearest";
  refuse(options, "unknown selection 'nearest'");
  options.select = "mse";
  options.exponent = 3;
  refuse(options, "exponent");
  options.exponent.reset();
  options.calibration = workshop.file("x.npy");
  refuse(options, "output-mse");
  options.calibration = workshop.file("none.npy");
  refuse(options, "none.npy: no such file");
  options.calibration = "";
  options.codes = options.output;
  refuse(options, "two outputs");
  options.codes = workshop.file("absent/codes.npy");
  refuse(options, "codes.npy");
  options = workshop.options("int4-g32");
  options.input = workshop.file("none.npy");
  options.output = workshop.file("y.npy");
  refuse(options, "none.npy: no such file");
}

namespace {

/// Sixteen values on the grid of mant4's a = 0, and values of no grid.
std::vector<float> powers() {
  std::vector<float> values;
  for (int i = 0; i < 8; ++i)
    values.insert(values.end(), {static_cast<float>(1 << i), -static_cast<float>(1 << i)});
  return values;
}
std::vector<float> steps(std::size_t count) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back((static_cast<float>(i % 16) - 7) * 0.875F);
  return values;
}

/// A model of three matrices, a vector, and a tensor of integers.
std::string model(const Workshop& workshop) {
  std::string header, data;
  const auto add = [&](const std::string& name, const std::string& shape, const std::vector<float>& values) {
    header += (header.empty() ? "{" : ",") +
              safetensors_entry(name, "F32", shape, data.size(), data.size() + 4 * values.size());
    data.append(reinterpret_cast<const char*>(values.data()), 4 * values.size());
  };
  add("a.weight", "[1,16]", powers());
  add("a.norm", "[16]", steps(16));
  add("b.weight", "[4,16]", steps(64));
  header += "," + safetensors_entry("ids", "I64", "[1]", data.size(), data.size() + 8) + "}";
  data.append(8, '\7');
  std::ofstream(workshop.file("m.safetensors"), std::ios::binary) << safetensors(header, data);
  return workshop.file("m.safetensors");
}

QuantizeOptions with(const std::string& input, const std::string& format, const std::string& compare = "") {
  QuantizeOptions options;
  options.input = input;
  options.format = format;
  options.compare = compare;
  return options;
}

}  // namespace

TEST_CASE("one tensor of several by its name") {
  const Workshop workshop;
  const std::string file = model(workshop);
  QuantizeOptions options = with(file + ":a.weight", "mant4-g16");
  options.output = workshop.file("y.npy");
  options.codes = workshop.file("codes.npy");
  options.metadata = workshop.file("meta.json");
  const JsonValue document = report(options);
  CHECK(document.find("input")->string == file);
  CHECK(document.find("tensor")->string == "a.weight");
  CHECK(document.find("dtype")->string == "float32");
  CHECK(document.find("mse")->number == 0);
  CHECK(read_npy(options.output).values == powers());
  CHECK(read_npy(options.codes).shape == std::vector<std::size_t>{1, 16});
  CHECK(parse_json(read_file(options.metadata), "meta").find("groups")->integer == 1);
  CHECK_THAT(run(with(file + ":a.norm", "int8-g16")), Catch::Contains(file + ":a.norm [16] as int8-g16"));
}

TEST_CASE("all tensors of a file") {
  const Workshop workshop;
  const std::string file = model(workshop);
  const JsonValue all = report(with(file, "mant4-g16"));
  REQUIRE(all.kind == JsonValue::Kind::array);
  REQUIRE(all.items.size() == 4);
  CHECK(all.items[0].find("tensor")->string == "a.weight");
  CHECK(all.items[0].find("types")->find("0")->integer == 1);
  CHECK(all.items[1].find("tensor")->string == "a.norm");
  CHECK(all.items[2].find("groups")->integer == 4);
  CHECK(all.items[3].find("skipped")->string == "elements are I64; expected F16, BF16 or F32");
  CHECK(all.items[3].find("mse") == nullptr);
  const JsonValue shared = report(with(file, "int4-g4x2"));
  CHECK(shared.items[0].find("skipped") == nullptr);
  CHECK(shared.items[1].find("skipped")->string == "int4-g4x2 needs a tensor of two axes, this one has 1");
  const std::string text = run(with(file, "mant4-g16"));
  for (const char* part : {"3 of 4 tensors as mant4-g16, mse", "b.weight  [4, 16]", "float32", "\nall ", "share, %",
                           "skipped ids: elements are I64"}) {
    CHECK_THAT(text, Catch::Contains(part));
  }
  CHECK(report(with(file + ":*.weight", "int8-g16")).items.size() == 2);
  CHECK(report(with(file + ":?.norm", "int8-g16")).items.size() == 1);
}

TEST_CASE("decoded tensors of a file as a file") {
  const Workshop workshop;
  const std::string file = model(workshop);
  QuantizeOptions options = with(file, "mant4-g16");
  options.output = workshop.file("d.safetensors");
  run(options);
  const TensorFile decoded(options.output);
  REQUIRE(decoded.tensors().size() == 4);
  CHECK(decoded.read(decoded.at("a.weight")).values == powers());
  const TensorFile original(file);
  const QuantizedTensor coded = encode(original.read(original.at("b.weight")), Format::parse("mant4-g16"));
  CHECK(decoded.read(decoded.at("b.weight")).values == decode(coded).values);
  CHECK(decoded.at("a.norm").shape == std::vector<std::size_t>{16});
  CHECK(decoded.at("ids").dtype == "I64");
  CHECK(decoded.raw(decoded.at("ids")) == std::string(8, '\7'));
}

TEST_CASE("formats ranked on one tensor") {
  const Workshop workshop;
  const std::string file = model(workshop);
  const JsonValue document = report(with(file + ":b.weight", "", "int2-g16,mant4-g16:variance,fp32,int8-g16,int4-g16"));
  const std::vector<JsonValue>& ranking = document.find("ranking")->items;
  REQUIRE(ranking.size() == 5);
  CHECK(ranking[0].find("format")->string == "fp32");
  CHECK(ranking[0].find("rank")->integer == 1);
  CHECK(ranking[0].find("sqnr_db")->kind == JsonValue::Kind::null);
  CHECK(ranking[4].find("format")->string == "int2-g16");
  for (std::size_t i = 2; i < 5; ++i)
    CHECK(ranking[i].find("sqnr_db")->number <= ranking[i - 1].find("sqnr_db")->number);
  for (const JsonValue& entry : ranking) {
    QuantizeOptions alone = with(file + ":b.weight", entry.find("format")->string);
    if (entry.find("select") != nullptr) alone.select = entry.find("select")->string;
    const JsonValue single = report(alone);
    for (const char* key : {"mse", "max_abs_error", "cosine", "bits_per_element"})
      CHECK(entry.find(key)->number == single.find(key)->number);
  }
  CHECK(document.find("tensor")->string == "b.weight");
  CHECK(numbers(document, "shape") == std::vector<double>{4, 16});
  const std::string text = run(with(workshop.file("x.npy"), "", "int8-g16,fp16"));
  CHECK_THAT(text, Catch::Contains("x.npy [2, 16]") && Catch::Contains("rank  format"));
}

TEST_CASE("formats ranked on all tensors of a file") {
  const Workshop workshop;
  const std::string file = model(workshop);
  const JsonValue document = report(with(file, "", "int4-g16,int8-g16"));
  CHECK(document.find("tensors")->integer == 3);
  CHECK(document.find("elements")->integer == 96);
  CHECK(document.find("ranking")->items[0].find("format")->string == "int8-g16");
  CHECK(document.find("ranking")->items[1].find("worst_tensor")->string == "a.weight");
  CHECK(document.find("skipped")->items[0].find("tensor")->string == "ids");
  // Every format is measured on the same tensors.
  const JsonValue shared = report(with(file, "", "int4-g4x2,int8-g16"));
  CHECK(shared.find("tensors")->integer == 2);
  CHECK(shared.find("skipped")->items.size() == 2);
  CHECK_THAT(run(with(file, "", "int4-g4x2,int8-g16")),
             Catch::Contains("2 tensors together") && Catch::Contains("skipped a.norm: int4-g4x2 needs"));
}

TEST_CASE("a format whose range ends is told and not ranked") {
  const Workshop workshop;
  const std::string file = workshop.file("large.npy");
  std::ofstream(file, std::ios::binary) << npy_contents(NpyType::float32, {1, 2}, std::vector<float>{70000, 3});
  const JsonValue document = report(with(file, "", "fp16,bf16,int8-g16"));
  const std::vector<JsonValue>& ranking = document.find("ranking")->items;
  CHECK(ranking[0].find("rank")->integer == 1);
  CHECK(ranking[2].find("format")->string == "fp16");
  CHECK(ranking[2].find("rank") == nullptr);
  CHECK_THAT(ranking[2].find("error")->string, Catch::Contains("flat index 0 overflows fp16"));
  CHECK_THAT(run(with(file, "", "fp16,bf16")), Catch::Contains("not ranked: fp16: "));
  std::ostringstream out;
  CHECK_THROWS_WITH(run_quantize(with(file, "", "fp16,bfp8-g32"), out), Catch::Contains("overflows"));
}

TEST_CASE("calibration among compared formats") {
  const Workshop workshop;
  const std::string x = workshop.file("x.npy");
  QuantizeOptions options = with(x, "", "mant4-g16,mant4-g16:variance,int8-g16");
  options.calibration = x;
  options.json = true;
  CHECK_THAT(run(options), Catch::Contains("output-mse") && Catch::Contains("variance"));
}

TEST_CASE("bad requests about files of tensors") {
  const Workshop workshop;
  const std::string file = model(workshop);
  const auto refuse = [&](const QuantizeOptions& options, const std::string& part) {
    INFO(part);
    std::ostringstream out;
    CHECK_THROWS_AS(run_quantize(options, out), InputError);
    CHECK_THROWS_WITH(run_quantize(options, out), Catch::Contains(part));
    CHECK(out.str().empty());
    CHECK(workshop.files() == 2);
  };
  refuse(with(file, ""), "either --format or --compare");
  refuse(with(file, "fp16", "fp16"), "either --format or --compare");
  refuse(with(file + ":a.wieght", "fp16"), "did you mean 'a.weight'?");
  refuse(with(file + ":c.*", "fp16"), "no tensor's name matches 'c.*'");
  refuse(with(file + ":ids", "fp16"), ":ids: elements are I64");
  refuse(with(file + ":id?", "fp16"), "no tensor that fp16 can encode: ids: elements are I64");
  refuse(with(file + ":id?", "", "fp16"), "no tensor that all formats can encode: ids");
  refuse(with(file + ":a.norm", "int4-g4x2"), "needs a tensor of two axes");
  refuse(with(file + ":a.norm", "", "int4-g4x2"), "needs a tensor of two axes");
  refuse(with(file + ":a.norm", "", "fp16,"), "number format ''");
  refuse(with(file + ":a.norm", "", "fp16,fp16"), "'fp16' stands twice");
  refuse(with(file + ":a.norm", "", "fp16:mse"), "fp16 has no selection");
  refuse(with(file + ":a.norm", "", "mant4-g16:msse"), "did you mean 'mse'?");
  refuse(with(file + ":a.norm", "", "mant4-g16:output-mse"), "needs a calibration tensor");
  QuantizeOptions options = with(file, "int8-g16");
  options.output = workshop.file("y.npy");
  refuse(options, "several tensors go into a .safetensors file");
  options = with(file, "int8-g16");
  options.codes = workshop.file("y.npy");
  refuse(options, "--codes takes one tensor");
  options = with(file, "int8-g16");
  options.metadata = workshop.file("y.json");
  refuse(options, "--metadata takes one tensor");
  options = with(workshop.file("x.npy"), "int8-g16");
  options.output = workshop.file("y.safetensors");
  refuse(options, "has no name for a .safetensors file");
  options = with(file, "", "fp16,bf16");
  options.calibration = workshop.file("x.npy");
  refuse(options, "--calibration is used by the selection output-mse of mant4 only");
  for (std::string QuantizeOptions::*unused :
       {&QuantizeOptions::select, &QuantizeOptions::output, &QuantizeOptions::codes, &QuantizeOptions::metadata}) {
    options = with(file, "", "fp16,bf16");
    options.*unused = workshop.file("z");
    refuse(options, "is not used with --compare");
  }
  options = with(file, "", "fp16,bf16");
  options.exponent = 1;
  refuse(options, "--exponent is not used with --compare");
}

TEST_CASE("a bad tensor among several ends the run") {
  const Workshop workshop;
  const std::string file = workshop.file("m.safetensors");
  std::ofstream(file, std::ios::binary) << safetensors_of(
      {{"good", 1, 2, {1, 2}}, {"bad", 1, 2, {1, std::numeric_limits<float>::quiet_NaN()}}});
  QuantizeOptions options = with(file, "int8-g16");
  options.output = workshop.file("y.safetensors");
  std::ostringstream out;
  CHECK_THROWS_WITH(run_quantize(options, out), file + ":bad: NaN at flat index 1");
  CHECK_THROWS_WITH(run_quantize(with(file, "", "int8-g16,fp16"), out), file + ":bad: NaN at flat index 1");
  CHECK(out.str().empty());
  CHECK(workshop.files() == 2);
}
