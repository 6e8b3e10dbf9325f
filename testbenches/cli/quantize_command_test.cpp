// SPDX-License-Identifier: Apache-2.0
#include "cli/quantize_command.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "formats/npy.h"

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
