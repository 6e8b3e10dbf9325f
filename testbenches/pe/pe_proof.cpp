// SPDX-License-Identifier: Apache-2.0
/// Proof that every PE computes what docs/datapaths.md says, by counts: single multiply-accumulates against exact
/// arithmetic, and whole GEMMs, on every instruction set, against the scalar steps. Prints one line per PE and pair of
/// formats; exits with 1 when any bit differs.
///
///   pe_proof [--cases N] [--shape MxKxN] [--pe NAME] [--every N]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "core/error.h"
#include "pe/instruction_set.h"
#include "pe/pe_library.h"
#include "testbenches/pe/mac_cases.h"
#include "testbenches/pe/operands.h"
#include "testbenches/pe/step_gemm.h"

namespace nibble::test {
namespace {

struct Settings {
  std::uint64_t cases = 100000;
  std::size_t m = 20, k = 700, n = 50, every = 1;
  std::string pe;
};

struct Pair {
  const char *pe, *activations, *weights;
  const char* option = "";  ///< "fp32", "product_fp16" or aligned bits
};

constexpr Pair pairs[] = {{"mant", "int8-g64", "mant4-g64"},
                          {"mant", "int8-g64", "int8-g64"},
                          {"mant", "int8-g64", "int8-channel"},
                          {"bfp", "bfp8-g32", "int4-g128"},
                          {"bfp", "bfp8-g32", "bfp4-g32"},
                          {"bfp", "bfp8-g32", "bfp8-g32"},
                          {"fp_int", "fp16", "int4-g32x4"},
                          {"fp_int", "fp16", "int2-g128"},
                          {"fp_int", "fp16", "int4-g32x4", "product_fp16"},
                          {"fp_int_k", "fp16", "int4-channel"},
                          {"amove", "amove4-g128c16", "amove4-g128c16"},
                          {"amove", "amove4-g32c4", "amove4-g32c4"},
                          {"amove", "amove4-g32c4", "amove4-g32c4", "fp32"},
                          {"fp16", "fp16", "fp16"},
                          {"fp16_dequant", "fp16", "int4-g128"},
                          {"int8", "int8-channel", "int8-channel"},
                          {"int4", "int4-g32", "int4-g32"},
                          {"int4", "int4-channel", "int4-tensor"},
                          {"bitfusion", "int8-channel", "int2-channel"},
                          {"bitfusion", "int8-g64", "int8-g64"},
                          {"ant", "ant4-channel", "ant4-channel"},
                          {"ant", "int8-channel", "ant4-channel"},
                          {"olive", "olive4-channel", "olive4-channel"},
                          {"olive", "int8-tensor", "olive4-channel"},
                          {"tender", "tender8-d8", "int8-channel"},
                          {"tender", "tender4-d8", "int4-channel"},
                          {"anda", "anda8-g64", "int4-g128"},
                          {"anda", "anda15-g32", "int3-channel"},
                          {"bitmod", "fp16", "bitmod4-g128"},
                          {"bitmod", "fp16", "bitmod6-g128"},
                          {"bitmod", "fp16", "int8-g64"},
                          {"fp_int_aligned", "fp16", "int4-g128"},
                          {"fp_int_aligned", "fp16", "int8-channel", "8"}};

/// Blocks of rows of every shape that operands of a model have.
Tensor mixture(std::size_t rows, std::size_t columns, Random& random) {
  Tensor tensor{"mixture", {rows, columns}, {}};
  for (std::size_t row = 0; row < rows; ++row) {
    const auto shape = static_cast<TensorShape>(row * 5 / rows);
    const Tensor line = shaped_tensor(shape, 1, columns, random);
    tensor.values.insert(tensor.values.end(), line.values.begin(), line.values.end());
  }
  return tensor;
}

GemmOptions options_of(const std::string& option) {
  GemmOptions options;
  options.accumulate_fp32 = option == "fp32";
  options.product_fp16 = option == "product_fp16";
  if (!option.empty() && option[0] >= '0' && option[0] <= '9')
    options.aligned_bits = static_cast<unsigned>(std::stoul(option));
  return options;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Differences of one GEMM on every instruction set; prints its line.
std::uint64_t prove_gemm(const Pair& pair, const QuantizedTensor& a, const QuantizedTensor& w, const char* operands,
                         std::size_t every) {
  const PeUnit& pe = find_pe(pair.pe);
  const GemmOptions options = options_of(pair.option);
  const auto start = std::chrono::steady_clock::now();
  std::vector<float> reference;
  std::uint64_t wrong = 0;
  std::string sets;
  for (const InstructionSet set : available_instruction_sets()) {
    use_instruction_set(set);
    std::vector<float> accumulators;
    gemm(pe, a, w, accumulators, options);
    sets += (sets.empty() ? "" : " ") + to_string(set);
    if (reference.empty()) {
      reference = accumulators;
      wrong += step_differences(pe, a, w, reference, options, every);
      continue;
    }
    for (std::size_t i = 0; i < accumulators.size(); ++i)
      wrong += float_bits(accumulators[i]) != float_bits(reference[i]);
  }
  const std::string formats = std::string(pair.activations) + " x " + pair.weights +
                              (*pair.option != '\0' ? std::string(" ") + pair.option : "");
  std::printf("gemm  %-15s %-44s %-8s %zux%zux%zu  outputs %zu  mismatches %llu  (%s; %.1f s)\n", pair.pe,
              formats.c_str(), operands, a.rows(), a.columns(), w.rows(), reference.size() / every,
              static_cast<unsigned long long>(wrong), sets.c_str(), seconds_since(start));
  std::fflush(stdout);
  return wrong;
}

std::uint64_t prove_pair(const Pair& pair, const Settings& settings) {
  Random random(2026);
  const Format activations = Format::parse(pair.activations), weights = Format::parse(pair.weights);
  EncodeOptions online, offline;
  offline.slot = TensorSlot::offline;
  if (activations.family == FormatFamily::amove) online.exponent = -6;
  const QuantizedTensor a = encode(mixture(settings.m, settings.k, random), activations, online);
  const QuantizedTensor w = encode(mixture(settings.n, settings.k, random), weights, offline);
  std::uint64_t wrong = prove_gemm(pair, a, w, "encoded", settings.every);
  // Every code and metadata value, whether an encoder makes it or not; tails in all directions.
  const std::size_t m = settings.m / 8 + 1, k = settings.k / 2 + 3, n = settings.n / 8 + 3;
  const QuantizedTensor x = random_operand(pair.activations, m, k, random);
  QuantizedTensor y = random_operand(pair.weights, n, k, random);
  if (find_pe(pair.pe).name == "bfp" && weights.family == FormatFamily::integer) {
    for (std::int16_t& code : y.codes)
      code = std::max<std::int16_t>(code, -7);  // sign and magnitude: its second operand has no -8
  }
  return wrong + prove_gemm(pair, x, y, "random", 1);
}

std::uint64_t prove_cases(const MacCases& entry, std::uint64_t cases) {
  Random random(77);
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t wrong = entry.mismatches(random, cases);
  std::printf("steps %-15s %llu cases  mismatches %llu  (%.1f s)\n", entry.pe.c_str(),
              static_cast<unsigned long long>(cases), static_cast<unsigned long long>(wrong), seconds_since(start));
  std::fflush(stdout);
  return wrong;
}

Settings read_settings(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(name + " has no value");
    const std::string value = argv[i + 1];
    if (name == "--cases") {
      settings.cases = std::stoull(value);
    } else if (name == "--pe") {
      settings.pe = find_pe(value).name;
    } else if (name == "--every") {
      settings.every = std::max<std::size_t>(1, std::stoul(value));
    } else if (name != "--shape" ||
               std::sscanf(value.c_str(), "%zux%zux%zu", &settings.m, &settings.k, &settings.n) != 3) {
      throw std::invalid_argument(name + " " + value + ": expected --cases N, --shape MxKxN, --pe NAME or --every N");
    }
  }
  return settings;
}

int prove(const Settings& settings) {
  std::uint64_t wrong = 0;
  for (const MacCases& entry : mac_cases()) {
    if (settings.pe.empty() || settings.pe == entry.pe) wrong += prove_cases(entry, settings.cases);
  }
  for (const Pair& pair : pairs) {
    if (settings.pe.empty() || settings.pe == pair.pe) wrong += prove_pair(pair, settings);
  }
  std::printf("%llu mismatches in all\n", static_cast<unsigned long long>(wrong));
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace nibble::test

int main(int argc, char** argv) {
  try {
    return nibble::test::prove(nibble::test::read_settings(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
