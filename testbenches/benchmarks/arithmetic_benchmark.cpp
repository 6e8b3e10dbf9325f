// SPDX-License-Identifier: Apache-2.0
/// Speed of the arithmetic on one core: multiply-accumulates per second of every PE's GEMM, elements per second of
/// every encoder. The floors that nibble promises stand in docs/datapaths.md, section "Speed".
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "core/random.h"
#include "formats/quantizer.h"
#include "pe/pe_library.h"
#include "testbenches/benchmarks/benchmarks.h"

namespace nibble {
namespace {

/// A tensor with a few larger columns, as activations have them.
Tensor tensor_of(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  Random random(seed);
  Tensor tensor{"benchmark", {rows, columns}, {}};
  tensor.values.reserve(rows * columns);
  for (std::size_t i = 0; i < rows * columns; ++i)
    tensor.values.push_back(static_cast<float>(random.normal()) * (i % columns % 61 == 3 ? 20.0F : 1.0F));
  return tensor;
}

struct GemmCase {
  const char *pe, *activations, *weights;
  const char* option = "";  ///< "fp32", "fp16" or a number: accumulator, product, aligned bits
};

void gemm_benchmark(const GemmCase& entry) {
  const std::string option = entry.option;
  const std::string name = "gemm/" + std::string(entry.pe) + "/" + entry.activations + "/" + entry.weights +
                           (option.empty() ? "" : "/" + option);
  benchmark::RegisterBenchmark(name.c_str(), [entry, option](benchmark::State& state) {
    const std::size_t m = 64, k = 4096, n = 256;
    EncodeOptions offline;
    offline.slot = TensorSlot::offline;
    const QuantizedTensor a = encode(tensor_of(m, k, 1), Format::parse(entry.activations));
    const QuantizedTensor w = encode(tensor_of(n, k, 2), Format::parse(entry.weights), offline);
    GemmOptions options;
    options.accumulate_fp32 = option == "fp32";
    options.product_fp16 = option == "fp16";
    if (!option.empty() && option[0] >= '0' && option[0] <= '9')
      options.aligned_bits = static_cast<unsigned>(std::stoul(option));
    std::vector<float> accumulators;
    for (auto _ : state) {
      gemm(find_pe(entry.pe), a, w, accumulators, options);
      benchmark::DoNotOptimize(accumulators.data());
    }
    state.counters["MAC/s"] =
        benchmark::Counter(static_cast<double>(m * k * n), benchmark::Counter::kIsIterationInvariantRate);
  })->Unit(benchmark::kMillisecond);
}

void encode_benchmark(const std::string& format, const std::string& select, std::size_t rows, bool offline) {
  const std::string name = "encode/" + format + (select.empty() ? "" : "/" + select) + (offline ? "/offline" : "");
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    const Tensor tensor = tensor_of(rows, 4096, 3);
    EncodeOptions options;
    options.select = select;
    options.slot = offline ? TensorSlot::offline : TensorSlot::online;
    for (auto _ : state) {
      const QuantizedTensor coded = encode(tensor, Format::parse(format), options);
      benchmark::DoNotOptimize(coded.codes.data());
    }
    state.counters["elements/s"] =
        benchmark::Counter(static_cast<double>(tensor.size()), benchmark::Counter::kIsIterationInvariantRate);
  })->Unit(benchmark::kMillisecond);
}

}  // namespace

void register_arithmetic_benchmarks() {
  for (const GemmCase& entry : {GemmCase{"mant", "int8-g64", "mant4-g64"},
                                {"mant", "int8-g64", "int8-g64"},
                                {"bfp", "bfp8-g32", "int4-g128"},
                                {"bfp", "bfp8-g32", "bfp4-g32"},
                                {"bfp", "bfp8-g32", "bfp8-g32"},
                                {"amove", "amove4-g128c16", "amove4-g128c16"},
                                {"amove", "amove4-g32c4", "amove4-g32c4"},
                                {"amove", "amove4-g128c16", "amove4-g128c16", "fp32"},
                                {"amove", "amove4-g32c4", "amove4-g32c4", "fp32"},
                                {"fp_int", "fp16", "int4-g32x4"},
                                {"fp_int", "fp16", "int2-g32x4"},
                                {"fp_int", "fp16", "int4-g32x4", "fp16"},
                                {"fp16", "fp16", "fp16"},
                                {"fp16_dequant", "fp16", "int4-g128"},
                                {"int8", "int8-channel", "int8-channel"},
                                {"int4", "int4-g32", "int4-g32"},
                                {"int4", "int4-channel", "int4-channel"},
                                {"bitfusion", "int8-channel", "int4-channel"},
                                {"ant", "ant4-channel", "ant4-channel"},
                                {"olive", "olive4-channel", "olive4-channel"},
                                {"tender", "tender8-d8", "int8-channel"},
                                {"anda", "anda7-g64", "int4-g128"},
                                {"bitmod", "fp16", "bitmod4-g128"},
                                {"bitmod", "fp16", "bitmod6-g128"},
                                {"fp_int_aligned", "fp16", "int4-g128"},
                                {"fp_int_aligned", "fp16", "int4-g128", "8"}}) {
    gemm_benchmark(entry);
  }
  for (const char* format : {"int8-g64", "int4-g128", "int8-channel", "bfp8-g32", "bfp4-g32", "amove4-g32c4",
                             "amove4-g128c16", "fp16", "mxfp4-g32", "nvfp4-g16"}) {
    encode_benchmark(format, "", 512, false);
  }
  encode_benchmark("bfp8-g32", "nearest", 512, false);
  encode_benchmark("mant4-g64", "mse", 64, false);
  encode_benchmark("mant4-g64", "variance", 256, false);
  encode_benchmark("amove4-g128c16", "", 64, true);
  encode_benchmark("ant4-channel", "", 16, false);
  encode_benchmark("olive4-channel", "", 16, false);
  encode_benchmark("anda7-g64", "", 512, false);
  encode_benchmark("bitmod4-g128", "", 64, true);
}

}  // namespace nibble
