// SPDX-License-Identifier: Apache-2.0
/// The register-level arrays with the arithmetic of the PEs in pe/: their results are those of the PE functions, bit
/// for bit.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "core/random.h"
#include "pe/amove_pe.h"
#include "pe/bfp_pe.h"
#include "pe/fp16_pe.h"
#include "pe/int8_pe.h"
#include "pe/mant_pe.h"
#include "pe/pe_library.h"
#include "testbenches/accelerators/array_runs.h"
#include "testbenches/pe/coded_tensors.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// `count` elements of one row from k: what one step of a PE takes from a bus.
struct Slice {
  const QuantizedTensor* tensor = nullptr;
  std::size_t row = 0, k = 0, count = 0;

  const std::int16_t* codes() const { return &tensor->codes[row * tensor->columns() + k]; }
  std::size_t group() const { return tensor->group_index(row, k / tensor->format.group_extent(tensor->columns())); }
  /// The step ends a group of `extent` elements, or the row.
  bool ends(std::size_t extent) const { return (k + count) % extent == 0 || k + count == tensor->columns(); }
};

struct BfpArithmetic {
  using Left = Slice;
  using Top = Slice;
  struct Sum {
    std::int32_t group = 0;
    float inner = 0, accumulator = 0;
    float result() const { return accumulator; }
  };
  BfpMode mode = BfpMode::m8w4;
  void step(Sum& sum, const Slice& a, const Slice& w) const {
    sum.group = bfp_step(sum.group, a.codes(), w.codes(), static_cast<unsigned>(a.count), mode);
    if (!a.ends(a.tensor->format.group_k)) return;
    const int exponent = a.tensor->exponents[a.group()];
    if (mode == BfpMode::m8w4) {
      sum.inner = bfp_inner(sum.inner, sum.group, exponent);
      if (w.ends(w.tensor->format.group_k)) {
        sum.accumulator = bfp_weight_foot(sum.accumulator, sum.inner, w.tensor->scales[w.group()]);
        sum.inner = 0;
      }
    } else {
      sum.accumulator = bfp_foot(sum.accumulator, sum.group, exponent, w.tensor->exponents[w.group()], mode);
    }
    sum.group = 0;
  }
};

struct AmoveArithmetic {
  using Left = Slice;
  using Top = Slice;
  struct Sum {
    std::int32_t cluster = 0;
    float accumulator = 0;
    float result() const { return accumulator; }
  };
  static float scale(const Slice& x) {
    const std::size_t cluster = x.tensor->format.cluster, group = x.tensor->format.group_k;
    const std::size_t code = x.group() * (group / cluster) + x.k % group / cluster;
    return amove_scale(x.tensor->base_scales[x.group()], x.tensor->residuals[x.group()], x.tensor->cluster_codes[code]);
  }
  void step(Sum& sum, const Slice& a, const Slice& w) const {
    const std::size_t cluster = a.tensor->format.cluster;
    sum.cluster =
        amove_step(sum.cluster, static_cast<std::int8_t>(*a.codes()), static_cast<std::int8_t>(*w.codes()), cluster);
    if (!a.ends(cluster) && !a.ends(a.tensor->format.group_k)) return;
    sum.accumulator = amove_foot(sum.accumulator, sum.cluster, scale(a), scale(w),
                                 a.tensor->tensor_exponent + w.tensor->tensor_exponent, false);
    sum.cluster = 0;
  }
};

struct Fp16Arithmetic {
  using Left = Slice;
  using Top = Slice;
  struct Sum {
    float accumulator = 0;
    float result() const { return accumulator; }
  };
  void step(Sum& sum, const Slice& a, const Slice& w) const {
    sum.accumulator = fp16_step(sum.accumulator, a.tensor->values[a.row * a.tensor->columns() + a.k],
                                w.tensor->values[w.row * w.tensor->columns() + w.k]);
  }
};

/// Integers down a column; the foot scales.
struct Int8Arithmetic {
  using Stationary = Slice;
  using Streamed = Slice;
  using Sum = std::int64_t;
  Sum step(Sum above, const Slice& x, const Slice& w, std::uint64_t) const {
    if (x.count == 0 || w.count == 0) return above;
    return int8_step(above, static_cast<std::int8_t>(*x.codes()), static_cast<std::int8_t>(*w.codes()));
  }
};

QuantizedTensor encoded(const std::string& format, std::uint64_t rows, std::uint64_t columns, Random& random) {
  return encode(random_tensor("random " + format, rows, columns, random), Format::parse(format));
}

std::vector<float> expected(const char* pe, const QuantizedTensor& a, const QuantizedTensor& w) {
  std::vector<float> accumulators;
  gemm(find_pe(pe), a, w, accumulators);
  return accumulators;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// All of A x W^T on an output-stationary array, `group` elements between scales.
template <class Pe>
std::vector<float> on_outputs(const ArrayGeometry& array, const QuantizedTensor& a, const QuantizedTensor& w,
                              std::uint64_t group, Pe pe = {}) {
  const std::uint64_t m = a.rows(), k = a.columns(), n = w.rows(), extent = group == 0 ? k : group;
  const auto slice = [&](const QuantizedTensor& tensor, std::uint64_t row, std::uint64_t step) {
    const std::uint64_t per_group = ceil_div(std::min(extent, k), array.k_per_row);
    const std::uint64_t begin = step / per_group * extent, at = begin + step % per_group * array.k_per_row;
    return Slice{&tensor, row, at, std::min({array.k_per_row, begin + extent - at, k - at})};
  };
  std::vector<float> c(m * n);
  run_outputs<Pe>(
      array, {{m, k, n, 0, true}}, group,
      [&](std::size_t, const ArrayPass& pass, std::uint64_t step, std::uint64_t r) {
        return slice(a, pass.m0 + r, step);
      },
      [&](std::size_t, const ArrayPass& pass, std::uint64_t step, std::uint64_t column) {
        return slice(w, pass.n0 + column, step);
      },
      [&](std::size_t, const ArrayPass& pass, std::uint64_t r, std::uint64_t column, const typename Pe::Sum& sum) {
        c[(pass.m0 + r) * n + pass.n0 + column] = sum.result();
      },
      OutputOrder::column_first, pe);
  return c;
}

ArrayGeometry outputs(std::uint64_t rows, std::uint64_t columns, std::uint64_t lanes, std::uint64_t latency) {
  ArrayGeometry array;
  array.dataflow = Dataflow::output_stationary;
  array.rows = rows;
  array.columns = columns;
  array.k_per_row = lanes;
  array.pe_latency = latency;
  return array;
}

}  // namespace

TEST_CASE("Harmonia's PE in an output-stationary array, its three modes") {
  Random random(51);
  for (const auto& [m, k, n] : {std::tuple<int, int, int>{5, 256, 7}, {9, 300, 5}, {1, 20, 1}}) {
    const QuantizedTensor a = encoded("bfp8-g32", m, k, random);
    const QuantizedTensor weights = encoded("int4-g128", n, k, random), keys = encoded("bfp4-g32", n, k, random),
                          recent = encoded("bfp8-g32", n, k, random);
    const ArrayGeometry array = outputs(4, 3, 32, 5);
    CHECK(same_bits(on_outputs<BfpArithmetic>(array, a, weights, 32, {BfpMode::m8w4}), expected("bfp", a, weights)));
    CHECK(same_bits(on_outputs<BfpArithmetic>(array, a, keys, 32, {BfpMode::m8m4}), expected("bfp", a, keys)));
    // Half the lanes: two steps per group.
    CHECK(same_bits(on_outputs<BfpArithmetic>(outputs(4, 3, 16, 5), a, recent, 32, {BfpMode::m8m8}),
                    expected("bfp", a, recent)));
  }
}

TEST_CASE("Amove's PE in an output-stationary array whose four PEs share a GIPU") {
  Random random(52);
  ArrayGeometry array = outputs(4, 6, 1, 5);
  array.group_interval = 4;
  for (const char* format : {"amove4-g32c4", "amove4-g128c16"}) {
    const QuantizedTensor a = encoded(format, 7, 150, random), w = encoded(format, 9, 150, random);
    CHECK(same_bits(on_outputs<AmoveArithmetic>(array, a, w, a.format.cluster), expected("amove", a, w)));
  }
}

TEST_CASE("the FP16 PE in an output-stationary array, results draining through the accumulators") {
  Random random(53);
  ArrayGeometry array = outputs(3, 5, 1, 4);
  array.result_registers = false;
  const QuantizedTensor a = encoded("fp16", 8, 40, random), w = encoded("fp16", 11, 40, random);
  CHECK(same_bits(on_outputs<Fp16Arithmetic>(array, a, w, 0), expected("fp16", a, w)));
}

TEST_CASE("the INT8 PE in weight- and input-stationary arrays") {
  Random random(54);
  const QuantizedTensor a = encoded("int8-channel", 9, 50, random), w = encoded("int8-channel", 13, 50, random);
  for (const Dataflow dataflow : {Dataflow::weight_stationary, Dataflow::input_stationary}) {
    const bool inputs = dataflow == Dataflow::input_stationary;
    ArrayGeometry array;
    array.dataflow = dataflow;
    array.rows = 7;
    array.columns = 4;
    const auto element = [](const QuantizedTensor& tensor, std::uint64_t row, std::uint64_t k, bool used) {
      return used ? Slice{&tensor, row, k, 1} : Slice{};
    };
    std::vector<std::int64_t> sums(9 * 13);
    run_stationary<Int8Arithmetic>(
        array, {{9, 50, 13, 0, true}}, 0,
        [&](std::size_t, const ArrayPass& pass, std::uint64_t r, std::uint64_t c) {
          return inputs ? element(a, pass.m0 + c, pass.k0 + r, r < pass.k && c < pass.m)
                        : element(w, pass.n0 + c, pass.k0 + r, r < pass.k && c < pass.n);
        },
        [&](std::size_t, const ArrayPass& pass, std::uint64_t index, std::uint64_t r) {
          return element(inputs ? w : a, index, pass.k0 + r, r < pass.k);
        },
        [&](std::size_t, const ArrayPass& pass, std::uint64_t index, std::uint64_t column, std::int64_t sum) {
          sums[inputs ? (pass.m0 + column) * 13 + index : index * 13 + pass.n0 + column] += sum;
        });
    std::vector<float> c;
    for (std::size_t i = 0; i < sums.size(); ++i)
      c.push_back(int8_foot(sums[i], a.scales[i / 13], w.scales[i % 13]));
    CHECK(same_bits(c, expected("int8", a, w)));
  }
}
