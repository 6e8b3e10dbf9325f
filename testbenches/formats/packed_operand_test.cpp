// SPDX-License-Identifier: Apache-2.0
#include "formats/packed_operand.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes codes_of(const QuantizedTensor& tensor, std::size_t row, std::size_t g, std::size_t elements) {
  Bytes out(code_bytes(tensor.format, elements) + 1, 0xA5);
  pack_codes(tensor, row, g, out.data());
  CHECK(out.back() == 0xA5);  // nothing is written behind the record
  out.pop_back();
  return out;
}

Bytes metadata_of(const QuantizedTensor& tensor, std::size_t row, std::size_t g) {
  Bytes out(metadata_bytes(tensor.format) + 1, 0xA5);
  pack_metadata(tensor, row, g, out.data());
  CHECK(out.back() == 0xA5);
  out.pop_back();
  return out;
}

void check_round_trip(const Tensor& tensor, const std::string& name) {
  INFO(name);
  const QuantizedTensor coded = encode(tensor, Format::parse(name));
  QuantizedTensor back = blank_tensor(coded.format, coded.shape, coded.name);
  const std::size_t groups = std::max<std::size_t>(1, coded.groups_per_row());
  const std::size_t extent = coded.format.group_extent(coded.columns());
  back.row_scales = coded.row_scales;  // beside the records
  for (std::size_t row = 0; row < coded.rows(); ++row) {
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t elements = std::min(extent, coded.columns() - g * extent);
      unpack_codes(codes_of(coded, row, g, elements).data(), row, g, back);
      unpack_metadata(metadata_of(coded, row, g).data(), row, g, back);
    }
  }
  back.tensor_exponent = coded.tensor_exponent;
  back.tensor_scale = coded.tensor_scale;
  CHECK(back.codes == coded.codes);
  CHECK(back.scales == coded.scales);
  CHECK(back.types == coded.types);
  CHECK(back.exponents == coded.exponents);
  CHECK(back.base_scales == coded.base_scales);
  CHECK(back.residuals == coded.residuals);
  CHECK(back.cluster_codes == coded.cluster_codes);
  CHECK(decode(back).values == decode(coded).values);
}

}  // namespace

TEST_CASE("every format survives its bytes") {
  const Tensor tensor = random_tensor({6, 75}, 4);
  for (const char* name :
       {"fp32",         "fp16",           "bf16",         "int2-g32",     "int3-g7",        "int4-g32",
        "int5-channel", "int6-g16",       "int7-g1",      "int8-g64",     "int8-channel",   "int8-tensor",
        "int4-g32x4",   "mant4-g64",      "mant4-g5",     "bfp8-g32",     "bfp4-g32",       "bfp8-g5",
        "amove4-g32c4", "amove3-g128c16", "amove2-g9c3",  "mxfp4-g32",    "mxfp6-g32",      "mxfp8-g32",
        "mxint8-g32",   "nvfp4-g16",      "ant4-channel", "ant4-tensor",  "olive4-channel", "olive4-tensor",
        "int2-channel", "int3-tensor",    "int4-g7x3",    "int5-g33",     "int6-g75x6",     "int7-tensor",
        "int8-g5x2",    "amove4-g96c8",   "amove3-g5c5",  "amove2-g75c1", "amove4-g200c10", "bfp4-g75",
        "anda7-g64",    "anda4-g5",       "anda15-g75",   "anda11-g32",   "bitmod4-g32",    "bitmod3-g7",
        "bitmod6-g64"}) {
    check_round_trip(tensor, name);
  }
}

TEST_CASE("the first element lies in the low bits") {
  const Tensor tensor{"t", {1, 5}, {7, -1, 2, -7, 3}};
  const QuantizedTensor nibbles = encode(tensor, Format::parse("int4-channel"));
  CHECK(codes_of(nibbles, 0, 0, 5) == Bytes{0xF7, 0x92, 0x03});
  CHECK(metadata_of(nibbles, 0, 0) == Bytes{0x00, 0x3C});  // 1.0 in FP16
  const QuantizedTensor pairs = encode(Tensor{"t", {1, 5}, {1, -1, 0, 1, -1}}, Format::parse("int2-g5"));
  CHECK(codes_of(pairs, 0, 0, 5) == Bytes{0x4D, 0x03});
  const QuantizedTensor bytes = encode(Tensor{"t", {1, 2}, {127, -126}}, Format::parse("int8-g2"));
  CHECK(codes_of(bytes, 0, 0, 2) == Bytes{0x7F, 0x82});
  const QuantizedTensor triples = encode(Tensor{"t", {1, 3}, {3, -3, 1}}, Format::parse("int3-g3"));
  CHECK(codes_of(triples, 0, 0, 3) == Bytes{0x6B, 0x00});  // 011, 101, 001
}

TEST_CASE("mant4: codes, then the scale and the type byte") {
  Tensor tensor{"t", {1, 16}, {}};
  for (const int i : {1, 7, 14, 23, 36, 57, 94, 163}) {  // a = 5
    tensor.values.push_back(static_cast<float>(i));
    tensor.values.push_back(static_cast<float>(-i));
  }
  const QuantizedTensor coded = encode(tensor, Format::parse("mant4-g16"));
  CHECK(codes_of(coded, 0, 0, 16) == Bytes{0x80, 0x91, 0xA2, 0xB3, 0xC4, 0xD5, 0xE6, 0xF7});
  CHECK(metadata_of(coded, 0, 0) == Bytes{0x00, 0x3C, 5});
  const QuantizedTensor zero = encode(Tensor{"t", {1, 3}, {0, 0, 0}}, Format::parse("mant4-g16"));
  CHECK(codes_of(zero, 0, 0, 3) == Bytes{0, 0});
  CHECK(metadata_of(zero, 0, 0) == Bytes{0, 0, 0xFF});
}

TEST_CASE("casts are little endian") {
  const Tensor tensor{"t", {1, 2}, {1.0F, -2.0F}};
  CHECK(codes_of(encode(tensor, Format::parse("fp16")), 0, 0, 2) == Bytes{0x00, 0x3C, 0x00, 0xC0});
  CHECK(codes_of(encode(tensor, Format::parse("fp32")), 0, 0, 2) == Bytes{0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0});
  CHECK(metadata_bytes(Format::parse("fp16")) == 0);
}

TEST_CASE("part of a row") {
  const QuantizedTensor coded = encode(Tensor{"t", {2, 4}, {7, 1, 2, 3, 7, 4, 5, 6}}, Format::parse("int4-channel"));
  std::uint8_t out[1] = {};
  pack_elements(coded, 1, 1, 2, out);
  CHECK(int(out[0]) == 0x54);
  QuantizedTensor back = blank_tensor(coded.format, coded.shape, "t");
  unpack_elements(out, 1, 1, 2, back);
  CHECK(back.codes == std::vector<std::int16_t>{0, 0, 0, 0, 0, 4, 5, 0});
}

TEST_CASE("every byte is a legal INT8 on the wire") {
  QuantizedTensor back = blank_tensor(Format::parse("int8-channel"), {1, 1}, "t");
  for (int value = -128; value <= 127; ++value) {
    const std::uint8_t byte = static_cast<std::uint8_t>(value & 0xFF);
    unpack_codes(&byte, 0, 0, back);
    CHECK(back.codes[0] == value);
  }
}

TEST_CASE("bytes per record") {
  CHECK(metadata_bytes(Format::parse("int4-g128")) == 2);
  CHECK(metadata_bytes(Format::parse("mant4-g64")) == 3);
  CHECK(metadata_bytes(Format::parse("bfp8-g32")) == 1);
  CHECK(metadata_bytes(Format::parse("amove4-g128c16")) == 4);
  CHECK(metadata_bytes(Format::parse("mxfp4-g32")) == 1);
  CHECK(element_bits(Format::parse("bfp8-g32")) == 9);
  CHECK(element_bits(Format::parse("bfp4-g32")) == 5);
  CHECK(element_bits(Format::parse("mxfp6-g32")) == 6);
  CHECK(code_bytes(Format::parse("mant4-g64"), 63) == 32);
  CHECK(code_bytes(Format::parse("bfp8-g32"), 32) == 36);
}
