// SPDX-License-Identifier: Apache-2.0
/// The datapaths that arrays step through, cut into passes, steps and tiles of every kind: the bits of the whole GEMM.
#include "pe/array_datapath.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "pe/fp_int_aligned_pe.h"
#include "pe/integer_foot.h"
#include "pe/pe_library.h"
#include "testbenches/pe/coded_tensors.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// How the reduction of one output is cut.
struct Cut {
  std::size_t tile = 0;    ///< elements of a tile
  std::size_t extent = 0;  ///< passes do not cross multiples of it
  std::size_t pass = 0;    ///< elements of a pass
  std::size_t lanes = 1;   ///< elements of a step
  bool stays = false;      ///< sums stay in the PE: every step arrives behind it
};

struct Operands {
  QuantizedTensor a, w;
};

QuantizedTensor encoded(const std::string& format, std::size_t rows, std::size_t columns, Random& random) {
  return encode(random_tensor("random " + format, rows, columns, random), Format::parse(format));
}

/// Columns of a tensor as a tile: what the DMA engine would bring.
template <class T>
void cut_groups(const std::vector<T>& from, std::vector<T>& to, std::size_t rows, std::size_t first,
                std::size_t count) {
  const std::size_t width = from.size() / rows;
  to.clear();
  for (std::size_t r = 0; r < rows && width > 0; ++r) {
    for (std::size_t g = first; g < first + count; ++g)
      to.push_back(from[r * width + g]);
  }
}

DatapathTile tile_of(const QuantizedTensor& whole, std::size_t k0, std::size_t k) {
  DatapathTile tile;
  tile.position = k0;
  tile.ends_reduction = k0 + k == whole.columns();
  QuantizedTensor& part = tile.values = whole;
  part.shape = {whole.rows(), k};
  const std::size_t rows = whole.rows();
  cut_groups(whole.codes, part.codes, rows, k0, k);
  cut_groups(whole.values, part.values, rows, k0, k);
  if (!whole.column_groups.empty()) cut_groups(whole.column_groups, part.column_groups, whole.groups(), k0, k);
  if (whole.format.grouping != Grouping::group) return tile;
  const std::size_t extent = whole.format.group_k, group = k0 / extent, groups = (k + extent - 1) / extent;
  const std::size_t group_rows = whole.groups() / whole.groups_per_row();  // rows may share groups
  cut_groups(whole.scales, part.scales, group_rows, group, groups);
  cut_groups(whole.types, part.types, group_rows, group, groups);
  cut_groups(whole.exponents, part.exponents, group_rows, group, groups);
  cut_groups(whole.base_scales, part.base_scales, group_rows, group, groups);
  cut_groups(whole.residuals, part.residuals, group_rows, group, groups);
  if (whole.format.cluster != 0) {
    const std::size_t clusters = extent / whole.format.cluster;
    cut_groups(whole.cluster_codes, part.cluster_codes, rows, group * clusters, groups * clusters);
  }
  return tile;
}

std::vector<float> stepped(const PeUnit& pe, const Operands& operands, const Cut& cut, const GemmOptions& options) {
  const ArrayDatapath& datapath = pe.datapath();
  const std::size_t m = operands.a.rows(), k = operands.a.columns(), n = operands.w.rows();
  std::vector<OutputSum> outputs(m * n);
  for (std::size_t k0 = 0; k0 < k; k0 += cut.tile) {
    const std::size_t columns = std::min(cut.tile, k - k0);
    DatapathTile a = tile_of(operands.a, k0, columns), w = tile_of(operands.w, k0, columns);
    if (datapath.prepare != nullptr) datapath.prepare(a, w, options);
    for (std::size_t at = 0; at < columns;) {
      const std::size_t group_end = std::min(columns, (at / cut.extent + 1) * cut.extent);
      const std::size_t pass = std::min(cut.pass, group_end - at);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const auto slice = [&](const DatapathTile& tile, std::size_t row, std::size_t first, std::size_t count) {
          return OperandSlice{&tile, static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(first),
                              static_cast<std::uint32_t>(count)};
        };
        OutputSum& output = outputs[i];
        const auto enter = [&] { return datapath.enter != nullptr ? datapath.enter(output) : PartialSum{}; };
        PartialSum sum = enter();
        for (std::size_t first = at; first < at + pass; first += cut.lanes) {
          const std::size_t count = std::min(cut.lanes, at + pass - first);
          const OperandSlice x = slice(a, i / n, first, count), y = slice(w, i % n, first, count);
          datapath.step(sum, x, y, options);
          if (!cut.stays) continue;
          datapath.leave(output, sum, x, y, options);
          sum = enter();
        }
        if (!cut.stays) datapath.leave(output, sum, slice(a, i / n, at, pass), slice(w, i % n, at, pass), options);
      }
      at += pass;
    }
  }
  std::vector<float> values;
  for (const OutputSum& output : outputs)
    values.push_back(output.accumulator);
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check(const std::string& pe_name, const std::string& a, const std::string& w, std::size_t k,
           const std::vector<Cut>& cuts, const GemmOptions& options = {}) {
  Random random(77);
  const PeUnit& pe = find_pe(pe_name);
  const Operands operands = {encoded(a, 5, k, random), encoded(w, 4, k, random)};
  std::vector<float> expected;
  gemm(pe, operands.a, operands.w, expected, options);
  for (const Cut& cut : cuts) {
    CAPTURE(pe_name, a, w, k, cut.tile, cut.extent, cut.pass, cut.lanes, cut.stays);
    CHECK(same_bits(stepped(pe, operands, cut, options), expected));
  }
}

/// Passes of several lengths and sums that stay, tiles of whole groups.
std::vector<Cut> cuts(std::size_t extent, std::size_t tile, std::size_t lanes = 1, std::size_t longest = 64) {
  std::vector<Cut> all;
  for (const std::size_t pass : {std::size_t{1}, std::size_t{7}, std::size_t{48}, longest}) {
    for (const std::size_t whole : {tile, 4 * tile})
      all.push_back({whole, extent, std::max(pass, lanes), lanes, false});
  }
  all.push_back({tile, extent, extent, lanes, true});
  return all;
}

}  // namespace

TEST_CASE("M-ANT: both lanes, INT8 weights, groups of several passes") {
  check("mant", "int8-g64", "mant4-g64", 300, cuts(64, 64));
  check("mant", "int8-g128", "mant4-g128", 300, cuts(128, 128));
  check("mant", "int8-g64", "int8-g64", 130, cuts(64, 64));
  check("mant", "int8-g32", "int8-channel", 130, cuts(32, 320));
}

TEST_CASE("Harmonia: three modes, groups inside weight groups") {
  check("bfp", "bfp8-g32", "int4-g128", 300, cuts(32, 128, 32, 32));
  check("bfp", "bfp8-g32", "bfp4-g32", 300, cuts(32, 64, 32, 32));
  check("bfp", "bfp8-g32", "bfp8-g32", 75, cuts(32, 32, 16, 32));
  check("bfp", "bfp8-g128", "int4-g128", 300, cuts(128, 128, 32));
}

TEST_CASE("Amove: clusters and their scales, both accumulators") {
  for (const bool wide : {false, true}) {
    GemmOptions options;
    options.accumulate_fp32 = wide;
    check("amove", "amove4-g128c16", "amove4-g128c16", 300, cuts(16, 128, 1, 16), options);
    check("amove", "amove4-g32c4", "amove4-g32c4", 75, cuts(4, 32, 1, 4), options);
  }
}

TEST_CASE("FP16: every addition in its order, weights dequantized in front") {
  check("fp16", "fp16", "fp16", 100, cuts(1000, 64));
  check("fp16_dequant", "fp16", "int4-g32x4", 100, cuts(32, 64));
  check("fp16_dequant", "fp16", "int8-channel", 100, cuts(1000, 200));
}

TEST_CASE("aligned activations: groups that passes cross, scale groups of several, whole rows") {
  for (const unsigned bits : {0U, 5U}) {
    GemmOptions options;
    options.aligned_bits = bits;
    check("fp_int_aligned", "fp16", "int4-g128", 300, cuts(128, 128), options);
    check("fp_int_aligned", "fp16", "int8-g32", 75, cuts(32, 64), options);
    check("fp_int_aligned", "fp16", "int8-channel", 300, cuts(1000, 320), options);
  }
}

TEST_CASE("integers: groups, rows, composed and decoded operands") {
  check("int4", "int4-g32", "int4-g32", 75, cuts(32, 32));
  check("int8", "int8-channel", "int8-channel", 100, cuts(1000, 64));
  check("bitfusion", "int8-channel", "int8-channel", 100, cuts(1000, 64));
  check("bitfusion", "int4-g32", "int2-g32", 75, cuts(32, 32, 8));
  for (const std::string pe : {"ant", "olive"}) {
    for (const std::string a : {"4-channel", "8"}) {
      for (const std::string w : {"4-channel", "8"}) {
        const auto format = [&](const std::string& name) { return name == "8" ? "int8-channel" : pe + name; };
        check(pe, format(a), format(w), 101, cuts(1000, 64));
      }
    }
  }
}

TEST_CASE("Tender: columns in groups, shifted") {
  check("tender", "tender8-d4", "int8-channel", 101, cuts(1000, 64));
  check("tender", "tender4-d1", "int4-channel", 101, cuts(1000, 64));
}

TEST_CASE("Anda: planes of whole and of parts of groups, FP16 in attention") {
  check("anda", "anda7-g64", "int4-g128", 300, cuts(64, 128, 1, 64));
  check("anda", "anda15-g32", "int3-channel", 75, cuts(32, 320, 32, 32));
  check("anda", "anda7-g64", "int4-g128", 300, {{128, 64, 64, 64, true}, {300, 64, 64, 64, false}});
  check("anda", "fp16", "fp16", 100, cuts(1000, 64));
}

TEST_CASE("BitMoD: fours of a group, sums that keep their order") {
  const auto fours = [](std::size_t group, std::size_t tile) {
    return std::vector<Cut>{{tile, group, 4, 4, false}, {4 * tile, group, 48, 4, false}, {tile, group, group, 4, true}};
  };
  check("bitmod", "fp16", "bitmod4-g128", 300, fours(128, 128));
  check("bitmod", "fp16", "bitmod3-g32", 75, fours(32, 64));
  check("bitmod", "fp16", "bitmod6-g64", 300, fours(64, 64));
  check("bitmod", "fp16", "int8-g7", 75, fours(7, 14));
  check("bitmod", "fp16", "int5-channel", 101, fours(1000, 320));
}

TEST_CASE("a reduction beyond the integer accumulators drains where the definition says, whatever the passes") {
  const std::size_t k = integer_segment + 100;
  for (const std::size_t pass : {24UL, 1000UL})
    check("int4", "int4-channel", "int4-channel", k, {{k, k, pass, 1, false}, {640, k, pass, 1, false}});
}

TEST_CASE("a weight that overflows FP16 where it is dequantized is refused") {
  Random random(78);
  DatapathTile a = tile_of(encoded("fp16", 1, 32, random), 0, 32),
               w = tile_of(encoded("int8-g32", 1, 32, random), 0, 32);
  w.values.scales[0] = 60000.0F;
  w.values.codes[3] = 100;
  CHECK_THROWS_AS(find_pe("fp16_dequant").datapath().prepare(a, w, {}), InputError);
}
