// SPDX-License-Identifier: Apache-2.0
/// Everything that `nibble quantize` gives, against the independent reference in scripts/reference, bit for bit.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/quantize/quantize_command.h"
#include "core/error.h"
#include "core/file.h"
#include "formats/format.h"
#include "formats/npy.h"
#include "testbenches/formats/random_tensor.h"
#include "testbenches/support/paths.h"

using namespace nibble;
namespace fs = std::filesystem;

namespace {

/// Encodes every case with nibble, then lets the script encode it again and compare.
class Comparison {
 public:
  Comparison() : directory_(fs::temp_directory_path() / ("nibble_reference_test_" + std::to_string(::getpid()))) {
    fs::create_directory(directory_);
  }
  ~Comparison() { fs::remove_all(directory_); }
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  void input(const std::string& name, const Tensor& tensor) {
    write(name, npy_contents(NpyType::float32, tensor.shape, tensor.values));
  }

  void encode(const std::string& data, const std::string& format, const std::string& select = "",
              std::optional<int> exponent = std::nullopt, const std::string& calibration = "") {
    const std::string name = "case" + std::to_string(count_++);
    cases_ << name << '\t' << data << '\t' << format << '\t' << select << '\t'
           << (exponent ? std::to_string(*exponent) : "") << '\t' << calibration << '\n';
    QuantizeOptions options;
    options.input = path(data);
    options.format = format;
    options.select = select;
    options.exponent = exponent;
    options.calibration = calibration.empty() ? "" : path(calibration);
    options.output = path(name + ".npy");
    options.json = true;
    if (Format::parse(format).grouping != Grouping::none) {
      options.codes = path(name + ".codes.npy");
      options.metadata = path(name + ".json");
    }
    std::ostringstream report;
    try {
      run_quantize(options, report);
      write(name + ".report.json", report.str());
    } catch (const InputError& error) {
      write(name + ".error", error.what());
    }
  }

  /// Every difference, one per line.
  std::string differences() {
    write("cases.txt", cases_.str());
    const std::string scripts = source_path("scripts/reference"),
                      script = source_path("testbenches/formats/compare_with_reference.py");
    const std::string command =
        NIBBLE_PYTHON " '" + script + "' '" + scripts + "' '" + directory_.string() + "' > '" + path("log") + "' 2>&1";
    const int status = std::system(command.c_str());
    const std::string log = read_file(path("log"));
    return status == 0 ? "" : log + "exit status " + std::to_string(status);
  }

 private:
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }

  fs::path directory_;
  std::ostringstream cases_;
  unsigned count_ = 0;
};

/// Values on and beside the boundaries that encoders have: small integers and halves times powers of two.
Tensor tie_tensor(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  Random random(seed);
  Tensor tensor{"ties", {rows, columns}, {}};
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const double half = (static_cast<double>(random.below(257)) - 128) / 2;
    tensor.values.push_back(static_cast<float>(std::ldexp(half, static_cast<int>(i / columns % 7) - 3)));
  }
  return tensor;
}

/// Inputs "random", "ties", "tiny", "huge".
void add_inputs(Comparison& comparison, std::size_t rows, std::size_t columns) {
  comparison.input("random.npy", random_tensor({rows, columns}, 11));
  comparison.input("ties.npy", tie_tensor(rows, columns, 12));
  comparison.input("tiny.npy", random_tensor({rows, columns}, 13, 0x1p-24));
  comparison.input("subnormal.npy", random_tensor({rows, columns}, 14, 0x1p-140));
  comparison.input("large.npy", random_tensor({rows, columns}, 15, 300));
  comparison.input("huge.npy", random_tensor({rows, columns}, 16, 0x1p110));
}

const char* const inputs[] = {"random.npy", "ties.npy", "tiny.npy", "subnormal.npy", "large.npy", "huge.npy"};

}  // namespace

TEST_CASE("casts and integers") {
  Comparison comparison;
  add_inputs(comparison, 7, 75);
  for (const char* data : inputs) {
    for (const char* format : {"fp32", "fp16", "bf16", "int8-g64", "int4-g32", "int3-g5", "int2-g32x4", "int4-g7x2",
                               "int6-channel", "int8-channel", "int5-tensor"}) {
      comparison.encode(data, format);
    }
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("mant4") {
  Comparison comparison;
  add_inputs(comparison, 12, 130);
  comparison.input("calibration.npy", random_tensor({2, 5, 130}, 17));
  for (const char* data : inputs) {
    for (const char* select : {"", "mse", "variance", "variance8"})
      comparison.encode(data, "mant4-g64", select);
    comparison.encode(data, "mant4-g7", "variance8");
    comparison.encode(data, "mant4-g1");
    comparison.encode(data, "mant4-g32", "", std::nullopt, "calibration.npy");
    comparison.encode(data, "mant4-g64", "output-mse", std::nullopt, "calibration.npy");
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("block floating point") {
  Comparison comparison;
  add_inputs(comparison, 9, 75);
  for (const char* data : inputs) {
    for (const char* format : {"bfp8-g32", "bfp4-g32", "bfp8-g5"}) {
      for (const char* select : {"", "truncate", "nearest"})
        comparison.encode(data, format, select);
    }
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("amove") {
  Comparison comparison;
  comparison.input("edge.npy", Tensor{"edge", {2, 2}, {0, 1, 0x1.FFFFFEp127F, -1}});
  for (const char* format : {"amove4-g2c2", "amove3-g2c2", "amove2-g2c1"}) {
    for (const int exponent : {-160, 0, 117, 118, 119, 120, 121, 127})
      comparison.encode("edge.npy", format, "", exponent);
    comparison.encode("edge.npy", format, "offline");
  }
  add_inputs(comparison, 3, 139);
  for (const char* data : inputs) {
    for (const char* format :
         {"amove4-g32c4", "amove4-g128c16", "amove3-g32c4", "amove2-g128c16", "amove4-g6c3", "amove4-g8c8"}) {
      comparison.encode(data, format);
      if (std::string(format).find("c4") != std::string::npos) comparison.encode(data, format, "offline");
      for (const int exponent : {-11, 5, 100})
        comparison.encode(data, format, "online", exponent);
    }
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("microscaling and nvfp4") {
  Comparison comparison;
  add_inputs(comparison, 8, 75);
  for (const char* data : inputs) {
    for (const char* format : {"mxfp4-g32", "mxfp6-g32", "mxfp8-g32", "mxint8-g32", "nvfp4-g16"})
      comparison.encode(data, format);
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("tender") {
  Comparison comparison;
  add_inputs(comparison, 7, 75);
  Tensor columns = random_tensor({300, 40}, 22);  // two chunks of rows
  for (std::size_t i = 0; i < columns.values.size(); ++i)
    columns.values[i] = std::ldexp(columns.values[i], static_cast<int>(i % 40 % 14) - 10);
  for (std::size_t i = 0; i < 256; ++i) {
    columns.values[i * 40 + 7] = 0;                            // a column without a value
    columns.values[i * 40 + 8] = i == 200 ? 64.0F : 0.5F;      // the largest of the chunk
    columns.values[i * 40 + 9] = i % 2 == 0 ? 16.0F : -16.0F;  // on a threshold
    columns.values[i * 40 + 10] = 16.000002F;                  // just above it
  }
  std::fill(columns.values.begin() + 256 * 40, columns.values.end(), 0.0F);
  comparison.input("columns.npy", columns);
  comparison.input("cube.npy", random_tensor({2, 3, 40}, 20));
  comparison.input("beyond.npy", random_tensor({3, 40}, 21, 1e8F));
  for (const char* format : {"tender8-d8", "tender4-d8", "tender4-d1", "tender8-d5"}) {
    for (const char* data : inputs)
      comparison.encode(data, format);
    for (const char* data : {"columns.npy", "cube.npy", "beyond.npy"})
      comparison.encode(data, format);
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("anda and bitmod") {
  Comparison comparison;
  add_inputs(comparison, 7, 75);
  Tensor skewed = random_tensor({6, 130}, 23);  // groups of one sign, of very different size, of zeros
  for (std::size_t i = 0; i < skewed.values.size(); ++i) {
    if (i % 130 < 32) skewed.values[i] = std::fabs(skewed.values[i]);
    if (i % 130 >= 64 && i % 130 < 96) skewed.values[i] *= 0x1p-12F;
    if (i % 130 >= 96 && i / 130 == 2) skewed.values[i] = 0;
  }
  std::fill(skewed.values.begin() + 130, skewed.values.begin() + 260, 0.0F);
  comparison.input("skewed.npy", skewed);
  comparison.input("cube.npy", random_tensor({2, 3, 40}, 20));
  comparison.input("beyond.npy", random_tensor({3, 40}, 21, 1e9F));
  for (const char* format : {"anda4-g64", "anda7-g64", "anda11-g32", "anda15-g7", "bitmod4-g32", "bitmod3-g32",
                             "bitmod6-g64", "bitmod4-g7"}) {
    for (const char* data : inputs)
      comparison.encode(data, format);
    for (const char* data : {"skewed.npy", "cube.npy", "beyond.npy"})
      comparison.encode(data, format);
  }
  CHECK(comparison.differences() == "");
}

TEST_CASE("ant4 and olive4") {
  Comparison comparison;
  add_inputs(comparison, 7, 75);
  Tensor outliers = random_tensor({6, 128}, 18);
  for (std::size_t i = 0; i < outliers.values.size(); i += 37)
    outliers.values[i] *= 40;  // alone, beside each other, in either place of a pair
  for (std::size_t i = 0; i + 1 < outliers.values.size(); i += 64)
    outliers.values[i + 1] = outliers.values[i] * -0.75F;
  std::fill(outliers.values.begin() + 128, outliers.values.begin() + 256, 0.0F);
  std::fill(outliers.values.begin() + 256, outliers.values.begin() + 384, -3.0F);
  comparison.input("outliers.npy", outliers);
  comparison.input("column.npy", random_tensor({9, 1}, 19));
  comparison.input("cube.npy", random_tensor({2, 3, 40}, 20));
  comparison.input("beyond.npy", random_tensor({3, 40}, 21, 1e7F));
  for (const char* format : {"ant4-channel", "ant4-tensor", "olive4-channel", "olive4-tensor"}) {
    for (const char* data : inputs)
      comparison.encode(data, format);
    for (const char* data : {"outliers.npy", "column.npy", "cube.npy", "beyond.npy"})
      comparison.encode(data, format);
  }
  CHECK(comparison.differences() == "");
}
