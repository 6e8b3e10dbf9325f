// SPDX-License-Identifier: Apache-2.0
// The vectors in golden/ come from scripts/reference/make_golden.py, which was written from the documentation, not from
// this code.
#include <catch2/catch.hpp>
#include <functional>

#include "formats/npy.h"
#include "formats/packed_words.h"
#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "pe/pe_library.h"
#include "testbenches/pe/golden_cases.h"
#include "testbenches/support/paths.h"

namespace nibble {
namespace {

const std::string directory = source_path("testbenches/pe/golden/");

using Case = test::GoldenCase;

std::vector<Case> cases(const std::function<bool(const std::string& kind)>& wanted) {
  std::vector<Case> found;
  for (const Case& entry : test::golden_cases(directory + "cases.csv")) {
    if (wanted(entry.at("kind"))) found.push_back(entry);
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

Tensor input(const Case& entry, const std::string& role) {
  return read_npy(directory + "inputs-" + entry.at("inputs") + "-" + role + ".npy");
}

/// The weights of a case, quantized as the case says.
QuantizedTensor weights(const Case& entry, TensorSlot slot) {
  const Tensor calibration = input(entry, "calibration");
  EncodeOptions options;
  options.slot = slot;
  options.select = entry.at("select");
  if (options.select == "output-mse") options.calibration = &calibration;
  if (slot == TensorSlot::online && !entry.at("exponent").empty()) options.exponent = std::stoi(entry.at("exponent"));
  return encode(input(entry, "w"), Format::parse(entry.at("weight_format")), options);
}

QuantizedTensor activations(const Case& entry) {
  EncodeOptions options;
  if (!entry.at("exponent").empty()) options.exponent = std::stoi(entry.at("exponent"));
  return encode(input(entry, "a"), Format::parse(entry.at("activation_format")), options);
}

/// Number of elements that differ in value (or in bits where `as_bits`), or all when the sizes differ.
template <class T>
std::size_t differences(const std::vector<T>& got, const std::vector<float>& expected, bool as_bits) {
  if (got.size() != expected.size()) return std::max(got.size(), expected.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto value = static_cast<float>(got[i]);
    count += as_bits ? float_bits(value) != float_bits(expected[i]) : value != expected[i];
  }
  return count;
}

std::vector<float> expected(const Case& entry, const std::string& suffix) {
  return read_npy(directory + entry.at("name") + suffix + ".npy").values;
}

TEST_CASE("encoders give the codes and the metadata of the reference") {
  for (const Case& entry : cases([](const std::string& kind) { return kind == "quantize"; })) {
    CAPTURE(entry.at("name"));
    const bool offline = entry.at("select") == "offline";
    const QuantizedTensor tensor = weights(entry, offline ? TensorSlot::offline : TensorSlot::online);
    CHECK(differences(tensor.codes, expected(entry, "-codes"), false) == 0);
    if (!tensor.scales.empty()) CHECK(differences(tensor.scales, expected(entry, "-scale"), true) == 0);
    if (!tensor.row_scales.empty()) CHECK(differences(tensor.row_scales, expected(entry, "-row_scale"), true) == 0);
    if (!tensor.types.empty()) CHECK(differences(tensor.types, expected(entry, "-type"), false) == 0);
    if (!tensor.exponents.empty()) CHECK(differences(tensor.exponents, expected(entry, "-exponent"), false) == 0);
    if (!tensor.base_scales.empty()) CHECK(differences(tensor.base_scales, expected(entry, "-S"), true) == 0);
    if (!tensor.residuals.empty()) CHECK(differences(tensor.residuals, expected(entry, "-R"), true) == 0);
    if (!tensor.column_groups.empty())
      CHECK(differences(tensor.column_groups, expected(entry, "-column_group"), false) == 0);
    if (!tensor.cluster_codes.empty()) CHECK(differences(tensor.cluster_codes, expected(entry, "-E"), false) == 0);
  }
}

TEST_CASE("packed words are those of the reference") {
  for (const Case& entry : cases([](const std::string& kind) { return kind == "words"; })) {
    CAPTURE(entry.at("name"));
    const QuantizedTensor tensor = encode(input(entry, "w"), Format::parse(entry.at("weight_format")));
    const PackedWords packed = pack_words(tensor, entry.at("select") == "n" ? PackAxis::n : PackAxis::k);
    CHECK(differences(packed.words, expected(entry, ""), false) == 0);
  }
}

TEST_CASE("GEMMs give the accumulators of the reference, from the encoder to the last group") {
  for (const Case& entry : cases([](const std::string& kind) { return kind != "quantize" && kind != "words"; })) {
    CAPTURE(entry.at("name"));
    std::vector<float> accumulators;
    GemmOptions options;
    options.accumulate_fp32 = entry.at("accumulate") == "fp32";
    if (entry.at("kind") == "fp_int_aligned" && !entry.at("accumulate").empty())
      options.aligned_bits = static_cast<unsigned>(std::stoul(entry.at("accumulate")));
    gemm(find_pe(entry.at("kind")), activations(entry), weights(entry, TensorSlot::offline), accumulators, options);
    CHECK(differences(accumulators, expected(entry, ""), true) == 0);
    CHECK(fp16_output(accumulators).overflows == std::stoull(entry.at("overflows")));
  }
}

}  // namespace
}  // namespace nibble
