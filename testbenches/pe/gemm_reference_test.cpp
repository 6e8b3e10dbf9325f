// SPDX-License-Identifier: Apache-2.0
/// Encoder and GEMM of every PE on random tensors, with outliers and tails, against the independent implementation in
/// scripts/reference, bit for bit.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/file.h"
#include "formats/npy.h"
#include "pe/pe_library.h"
#include "testbenches/pe/operands.h"
#include "testbenches/support/paths.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using test::TensorShape;

struct Pair {
  const char *pe, *a, *w;
  const char* option = "";  ///< "fp32", "fp16" or aligned bits
};

class Comparison {
 public:
  Comparison() : directory_(fs::temp_directory_path() / ("nibble_gemm_reference_" + std::to_string(::getpid()))) {
    fs::create_directory(directory_);
  }
  ~Comparison() { fs::remove_all(directory_); }
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  void input(const std::string& name, const Tensor& tensor) { write(name, tensor.shape, tensor.values); }

  void multiply(const Pair& pair, const std::string& a_name, const Tensor& a, const std::string& w_name,
                const Tensor& w) {
    const std::string option = pair.option, name = "case" + std::to_string(count_++);
    GemmOptions options;
    options.accumulate_fp32 = option == "fp32";
    options.product_fp16 = option == "fp16" && std::string(pair.pe) == "fp_int";
    if (!option.empty() && option[0] >= '0' && option[0] <= '9')
      options.aligned_bits = static_cast<unsigned>(std::stoul(option));
    EncodeOptions online, offline;
    offline.slot = TensorSlot::offline;
    if (std::string(pair.pe) == "amove") online.exponent = -6;
    std::vector<float> accumulators;
    gemm(find_pe(pair.pe), encode(a, Format::parse(pair.a), online), encode(w, Format::parse(pair.w), offline),
         accumulators, options);
    // Arrays of nibble are finite; what overflows is compared in the tests of the PE.
    for (const float value : accumulators) {
      if (!std::isfinite(value)) return;
    }
    write(name + ".npy", {a.rows(), w.rows()}, accumulators);
    cases_ << name << '\t' << pair.pe << '\t' << pair.a << '\t' << pair.w << '\t' << option << '\t' << a_name << '\t'
           << w_name << '\n';
    ++compared_;
  }

  unsigned compared() const { return compared_; }

  std::string differences() {
    std::ofstream(path("cases.txt"), std::ios::binary) << cases_.str();
    const std::string command = NIBBLE_PYTHON " '" + source_path("testbenches/pe/compare_gemms.py") + "' '" +
                                source_path("scripts/reference") + "' '" + directory_.string() + "' > '" + path("log") +
                                "' 2>&1";
    const int status = std::system(command.c_str());
    return status == 0 ? "" : read_file(path("log")) + "exit status " + std::to_string(status);
  }

 private:
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  void write(const std::string& name, const std::vector<std::size_t>& shape, const std::vector<float>& values) const {
    std::ofstream(path(name), std::ios::binary) << npy_contents(NpyType::float32, shape, values);
  }

  fs::path directory_;
  std::ostringstream cases_;
  unsigned count_ = 0, compared_ = 0;
};

const Pair pairs[] = {{"mant", "int8-g64", "mant4-g64"},
                      {"mant", "int8-g32", "int8-g32"},
                      {"mant", "int8-g64", "int8-channel"},
                      {"bfp", "bfp8-g32", "int4-g64"},
                      {"bfp", "bfp8-g32", "bfp4-g32"},
                      {"bfp", "bfp8-g32", "bfp8-g32"},
                      {"fp_int", "fp16", "int4-g32x4"},
                      {"fp_int", "fp16", "int2-g64"},
                      {"fp_int", "fp16", "int4-g32x4", "fp16"},
                      {"fp_int_k", "fp16", "int4-channel"},
                      {"amove", "amove4-g128c16", "amove4-g128c16"},
                      {"amove", "amove4-g32c4", "amove3-g32c4"},
                      {"amove", "amove4-g32c4", "amove4-g32c4", "fp32"},
                      {"fp16", "fp16", "fp16"},
                      {"fp16_dequant", "fp16", "int3-g32x2"},
                      {"int8", "int8-channel", "int8-channel"},
                      {"int4", "int4-g32", "int4-g32x4"},
                      {"int4", "int4-tensor", "int4-channel"},
                      {"bitfusion", "int8-g16", "int2-g16"},
                      {"bitfusion", "int6-channel", "int3-tensor"},
                      {"ant", "ant4-tensor", "ant4-channel"},
                      {"ant", "ant4-channel", "int8-tensor"},
                      {"olive", "olive4-tensor", "olive4-channel"},
                      {"olive", "int8-channel", "olive4-channel"},
                      {"tender", "tender8-d8", "int8-channel"},
                      {"tender", "tender4-d3", "int4-channel"},
                      {"anda", "anda7-g64", "int4-g128"},
                      {"anda", "anda12-g16", "int2-g32x4"},
                      {"anda", "fp16", "fp16"},
                      {"bitmod", "fp16", "bitmod4-g128"},
                      {"bitmod", "fp16", "bitmod3-g32"},
                      {"bitmod", "fp16", "bitmod6-g64"},
                      {"bitmod", "fp16", "int5-channel"},
                      {"fp_int_aligned", "fp16", "int4-g128"},
                      {"fp_int_aligned", "fp16", "int4-g32x4", "11"},
                      {"fp_int_aligned", "fp16", "int8-channel", "8"}};

TEST_CASE("every PE gives the accumulators of the reference, on tensors of every shape, with tails") {
  Random random(111);
  Comparison comparison;
  unsigned expected = 0;
  for (const TensorShape shape : {TensorShape::gaussian, TensorShape::outlier_channels, TensorShape::massive_outliers,
                                  TensorShape::zero_groups, TensorShape::ties}) {
    const std::string number = std::to_string(static_cast<int>(shape));
    const std::size_t k = 150 + 37 * static_cast<std::size_t>(shape);
    const Tensor a = test::shaped_tensor(shape, 5, k, random), w = test::shaped_tensor(shape, 19, k, random);
    comparison.input("a" + number + ".npy", a);
    comparison.input("w" + number + ".npy", w);
    for (const Pair& pair : pairs) {
      comparison.multiply(pair, "a" + number + ".npy", a, "w" + number + ".npy", w);
      ++expected;
    }
  }
  CHECK(comparison.differences() == "");
  CHECK(comparison.compared() >= expected * 9 / 10);
}

}  // namespace
}  // namespace nibble
