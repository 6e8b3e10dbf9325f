// SPDX-License-Identifier: Apache-2.0
#include "formats/format_layout.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/json.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;

namespace {

const char* const names[] = {
    "fp32",           "fp16",         "bf16",          "int2-g32",   "int3-g7",    "int4-g32x4", "int5-channel",
    "int6-tensor",    "int7-g1",      "int8-g64",      "mant4-g64",  "bfp8-g32",   "bfp4-g5",    "amove4-g32c4",
    "amove3-g128c16", "amove2-g9c3",  "amove4-g96c8",  "mxfp4-g32",  "mxfp6-g32",  "mxfp8-g32",  "mxint8-g32",
    "nvfp4-g16",      "ant4-channel", "olive4-tensor", "tender8-d8", "tender4-d3", "anda7-g64",  "anda15-g5",
    "bitmod6-g128",   "bitmod4-g32",  "bitmod3-g7"};

std::uint32_t bits_at(const std::vector<std::uint8_t>& bytes, unsigned low, unsigned count) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < count; ++i)
    value |= static_cast<std::uint32_t>(bytes[(low + i) / 8] >> ((low + i) % 8) & 1) << i;
  return value;
}

const LayoutField& field(const std::vector<LayoutField>& fields, const std::string& name) {
  for (const LayoutField& field : fields) {
    if (field.name == name) return field;
  }
  FAIL("no field " << name);
  return fields.front();
}

struct Packed {
  QuantizedTensor coded;
  FormatLayout layout;
  std::vector<std::uint8_t> codes, metadata;  ///< of row 0, group 0

  explicit Packed(const std::string& name) : coded(encode(random_tensor({8, 96}, 3), Format::parse(name))) {
    layout = layout_of(coded.format);
    const std::size_t extent = std::min<std::size_t>(coded.format.group_extent(96), 96);
    codes.resize(code_bytes(coded.format, extent));
    metadata.resize(layout.metadata_bytes);
    pack_codes(coded, 0, 0, codes.data());
    pack_metadata(coded, 0, 0, metadata.data());
  }
  std::uint32_t element(std::size_t i, const std::string& name) const {
    const LayoutField& f = field(layout.element, name);
    if (!layout.planes)
      return bits_at(codes, static_cast<unsigned>(i) * element_bits(coded.format) + f.low_bit, f.bits);
    const auto run = static_cast<unsigned>(std::min<std::size_t>(coded.format.group_k, 96));
    std::uint32_t value = 0;
    for (unsigned bit = 0; bit < f.bits; ++bit) {
      const unsigned plane = element_bits(coded.format) - 1 - (f.low_bit + bit);  // the highest bit comes first
      value |= bits_at(codes, plane * run + static_cast<unsigned>(i), 1) << bit;
    }
    return value;
  }
  std::uint32_t meta(const std::string& name) const {
    const LayoutField& f = field(layout.metadata, name);
    return bits_at(metadata, f.low_bit, f.bits);
  }
};

void check_tiles(const std::vector<LayoutField>& fields, std::size_t bits) {
  unsigned next = 0;
  for (const LayoutField& field : fields) {
    CHECK(field.low_bit == next);
    CHECK(field.bits > 0);
    next += field.bits;
  }
  CHECK(next == bits);
}

}  // namespace

TEST_CASE("the fields fill elements and metadata without gaps") {
  for (const char* name : names) {
    CAPTURE(name);
    const FormatLayout layout = layout_of(Format::parse(name));
    check_tiles(layout.element, element_bits(layout.format));
    check_tiles(layout.metadata, layout.format.metadata_bits());
    CHECK(layout.metadata_bytes == metadata_bytes(layout.format));
  }
}

TEST_CASE("codes lie where the layout says") {
  for (const char* name : names) {
    const Packed packed(name);
    CAPTURE(name);
    const std::size_t count = std::min<std::size_t>(packed.coded.format.group_extent(96), 96);
    for (std::size_t i = 0; i < count; ++i) {
      const bool cast = packed.coded.codes.empty();
      const int code = cast ? 0 : packed.coded.codes[i];
      if (!packed.layout.element.empty() && packed.layout.element[0].name == "q") {
        const std::uint32_t mask = (1U << packed.coded.format.bits) - 1;
        CHECK(packed.element(i, "q") == (static_cast<std::uint32_t>(code) & mask));
      } else if (packed.coded.format.family == FormatFamily::bfp || packed.coded.format.family == FormatFamily::anda) {
        CHECK(packed.element(i, "sign") == (code < 0 ? 1U : 0U));
        CHECK(packed.element(i, "mantissa") == static_cast<std::uint32_t>(std::abs(code)));
      } else if (packed.layout.element[0].name == "index") {
        const unsigned sign = packed.coded.format.bits - 1;
        CHECK(packed.element(i, "sign") == static_cast<std::uint32_t>(code >> sign));
        CHECK(packed.element(i, "index") == static_cast<std::uint32_t>(code & ((1 << sign) - 1)));
      } else {
        const float value = decode(packed.coded).values[i];
        CHECK(packed.element(i, "sign") == float_bits(value) >> 31);
        if (value == 0) CHECK(packed.element(i, "exponent") + packed.element(i, "mantissa") == 0);
        if (!cast || value == 0) continue;
        const unsigned width = field(packed.layout.element, "exponent").bits;
        const int bias = (1 << (width - 1)) - 1;
        CHECK(static_cast<int>(packed.element(i, "exponent")) == std::max(0, std::ilogb(value) + bias));
      }
    }
  }
}

TEST_CASE("metadata lie where the layout says") {
  for (const char* name : names) {
    const Packed packed(name);
    const QuantizedTensor& coded = packed.coded;
    CAPTURE(name);
    switch (coded.format.family) {
      case FormatFamily::fp32:
      case FormatFamily::fp16:
      case FormatFamily::bf16:
        CHECK(packed.metadata.empty());
        break;
      case FormatFamily::bitmod:
        CHECK(packed.meta("c") == static_cast<std::uint32_t>(coded.scales[0] / coded.row_scales[0]));
        if (!coded.types.empty()) CHECK(packed.meta("type") == coded.types[0]);
        break;
      case FormatFamily::bfp:
      case FormatFamily::anda:
        CHECK(packed.meta("E") == static_cast<std::uint32_t>(coded.exponents[0]));
        break;
      case FormatFamily::amove:
        CHECK(packed.meta("S") == e4m3_bits(coded.base_scales[0]));
        CHECK(packed.meta("R") == e4m3_bits(coded.residuals[0]));
        for (std::size_t i = 0; i < coded.format.group_k / coded.format.cluster; ++i)
          CHECK(packed.meta("E" + std::to_string(i)) == coded.cluster_codes[i]);
        break;
      case FormatFamily::nvfp4:
        CHECK(packed.meta("scale") == e4m3_bits(coded.scales[0]));
        break;
      case FormatFamily::mxfp4:
      case FormatFamily::mxfp6:
      case FormatFamily::mxfp8:
      case FormatFamily::mxint8:
        CHECK(static_cast<int>(packed.meta("X + 127")) == coded.exponents[0] + 127);
        break;
      default:
        CHECK(packed.meta("scale") == fp16_bits(coded.scales[0]));
        if (!coded.types.empty()) CHECK(packed.meta("type") == coded.types[0]);
        break;
    }
  }
}

TEST_CASE("the cost of whole groups is that of a tensor of whole groups") {
  for (const char* name :
       {"int4-g32", "int4-g32x4", "mant4-g96", "bfp8-g32", "amove4-g32c4", "amove3-g96c8", "mxfp6-g32"}) {
    CAPTURE(name);
    const Format format = Format::parse(name);
    const QuantizedTensor coded = encode(random_tensor({8, 96}, 4), format);
    CHECK(whole_group_bits(format, format.group_k * format.group_n) == bits_per_element(coded));
  }
}

TEST_CASE("drawings") {
  const std::string mant = layout_text(Format::parse("mant4-g64"));
  CHECK(mant ==
        "mant4-g64\n\nelement, 4 bits\n"
        "bit     3     2..0\n     +------+-------+\n     | sign | index |\n     +------+-------+\n\n"
        "codes of a row's group of 64, lowest bits first: 32 bytes\n"
        "byte 0   element 1 | element 0\nbyte 1   element 3 | element 2\n...\n\n"
        "metadata of a group, 3 bytes\nbyte 0..1 scale: FP16\nbyte 2   type: the coefficient a; 255: INT4\n\n"
        "bits per element: 4 + 24 / 64 = 4.375\n");
  CHECK_THAT(layout_text(Format::parse("bfp8-g32")),
             Catch::Contains("byte 1   element 1 bits 6..0 | element 0 bit 8\n") &&
                 Catch::Contains("byte 0   E in bits 4..0"));
  CHECK_THAT(layout_text(Format::parse("amove4-g32c4")),
             Catch::Contains("byte 2   E3 7..6 | E2 5..4 | E1 3..2 | E0 1..0\n"));
  CHECK_THAT(layout_text(Format::parse("anda4-g64")),
             Catch::Contains("plane by plane: 40 bytes\nbit 0..63   sign of elements 0..63\n") &&
                 Catch::Contains("bit 256..319   mantissa bit 0 of elements 0..63\n"));
  CHECK_THAT(layout_text(Format::parse("bitmod4-g128")),
             Catch::Contains("beside the records: the scale S of every row"));
  CHECK_THAT(layout_text(Format::parse("int8-channel")), Catch::Contains("8 + 16 / elements that share a scale"));
  for (const char* name : names) {
    CAPTURE(name);
    const JsonValue json = parse_json(layout_json(Format::parse(name)), "layout");
    CHECK(json.find("name")->string == name);
    CHECK(json.find("element")->items.size() == layout_of(Format::parse(name)).element.size());
  }
}
