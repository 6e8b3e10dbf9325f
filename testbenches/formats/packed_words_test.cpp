// SPDX-License-Identifier: Apache-2.0
#include "formats/packed_words.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/random.h"
#include "formats/packed_operand.h"

using namespace nibble;

namespace {

QuantizedTensor weights(const std::string& format, std::size_t n, std::size_t k, Random& random) {
  QuantizedTensor tensor = blank_tensor(Format::parse(format), {n, k}, "w");
  const int zero = 1 << (tensor.format.bits - 1);
  for (std::int16_t& code : tensor.codes)
    code = static_cast<std::int16_t>(static_cast<int>(random.below(2U * static_cast<unsigned>(zero))) - zero);
  return tensor;
}

}  // namespace

TEST_CASE("words hold consecutive outputs or consecutive elements, the first in the low bits") {
  QuantizedTensor w = blank_tensor(Format::parse("int4-channel"), {5, 2}, "w");
  w.codes = {-8, 1, 7, 2, -1, 3, 0, 4, 5, -2};  // [n][k]
  const PackedWords n = pack_words(w, PackAxis::n);
  REQUIRE(n.lines() == 2);
  REQUIRE(n.words_per_line() == 2);
  // k = 0: u = 0, 15, 7, 8; then 13 and padding 8.
  REQUIRE(n.words == std::vector<std::uint16_t>{0x87F0, 0x888D, 0xCBA9, 0x8886});
  const PackedWords k = pack_words(w, PackAxis::k);
  REQUIRE(k.lines() == 5);
  REQUIRE(k.words == std::vector<std::uint16_t>{0x8890, 0x88AF, 0x88B7, 0x88C8, 0x886D});
  QuantizedTensor w2 = blank_tensor(Format::parse("int2-channel"), {1, 9}, "w");
  w2.codes = {-2, -1, 0, 1, -2, -1, 0, 1, 1};
  REQUIRE(pack_words(w2, PackAxis::k).words == std::vector<std::uint16_t>{0xE4E4, 0xAAAB});
  REQUIRE(pack_words(w2, PackAxis::n).words.size() == 9);
  REQUIRE(pack_words(w2, PackAxis::n).words[0] == 0xAAA8);
}

TEST_CASE("packing and unpacking give the integers back, for tails and every group shape") {
  Random random(5);
  for (const char* format : {"int4-g32x4", "int4-g128", "int4-channel", "int2-g64x4", "int2-g4x8", "int4-tensor"}) {
    for (const auto& [n, k] : {std::pair<std::size_t, std::size_t>{1, 1}, {4, 4}, {7, 13}, {33, 65}, {16, 128}}) {
      const QuantizedTensor w = weights(format, n, k, random);
      for (const PackAxis axis : {PackAxis::n, PackAxis::k}) {
        const PackedWords packed = pack_words(w, axis);
        REQUIRE(packed.words.size() == packed.lines() * packed.words_per_line());
        REQUIRE(unpack_words(packed) == w.codes);
      }
    }
  }
}

TEST_CASE("only INT4 and INT2 matrices are packed into words") {
  for (const char* format : {"int8-channel", "int3-g4", "mant4-g64"}) {
    const QuantizedTensor w = blank_tensor(Format::parse(format), {2, 8}, "query.weight");
    REQUIRE_THROWS_WITH(pack_words(w, PackAxis::n), Catch::Contains("query.weight") && Catch::Contains(format));
  }
  REQUIRE_THROWS_AS(pack_words(blank_tensor(Format::parse("int4-channel"), {2, 2, 8}, "w"), PackAxis::k), InputError);
}
