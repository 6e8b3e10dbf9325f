// SPDX-License-Identifier: Apache-2.0
#include "formats/format.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace nibble;

TEST_CASE("every family's names parse and print back") {
  for (const char* name : {"fp32",           "fp16",         "bf16",           "int2-channel",
                           "int8-tensor",    "int4-g128",    "int4-g32x4",     "int7-g65536x65536",
                           "mant4-g64",      "mant4-g1",     "bfp8-g32",       "bfp4-g32",
                           "amove4-g128c16", "amove3-g32c4", "amove2-g8c8",    "mxfp4-g32",
                           "mxfp6-g32",      "mxfp8-g32",    "mxint8-g32",     "nvfp4-g16",
                           "ant4-channel",   "ant4-tensor",  "olive4-channel", "olive4-tensor",
                           "tender8-d8",     "tender4-d1",   "anda4-g64",      "anda15-g1",
                           "bitmod6-g128",   "bitmod4-g128", "bitmod3-g65536"}) {
    CHECK(Format::parse(name).name() == name);
    CHECK(Format::parse(name) == Format::parse(name));
  }
  CHECK(Format::parse("int4-g32x1").name() == "int4-g32");
  CHECK(Format::parse("int4-g32") != Format::parse("int4-g64"));
}

TEST_CASE("fields of a format") {
  const Format amove = Format::parse("amove3-g128c16");
  CHECK(amove.family == FormatFamily::amove);
  CHECK(amove.bits == 3);
  CHECK(amove.group_k == 128);
  CHECK(amove.cluster == 16);
  CHECK(amove.metadata_bits() == 32);
  CHECK(Format::parse("amove4-g32c4").metadata_bits() == 32);
  const Format shared = Format::parse("int2-g32x4");
  CHECK(shared.bits == 2);
  CHECK(shared.group_n == 4);
  CHECK(shared.metadata_bits() == 16);
  CHECK(shared.group_extent(100) == 32);
  CHECK(Format::parse("int8-channel").group_extent(100) == 100);
  CHECK(Format::parse("mant4-g64").metadata_bits() == 24);
  CHECK(Format::parse("bfp8-g32").metadata_bits() == 5);
  CHECK(Format::parse("anda11-g64").bits == 11);
  CHECK(Format::parse("anda11-g64").metadata_bits() == 5);
  CHECK(Format::parse("bitmod4-g128").metadata_bits() == 10);
  CHECK(Format::parse("bitmod6-g128").metadata_bits() == 8);
  CHECK(Format::parse("bitmod6-g128").row_bits() == 16);
  CHECK(Format::parse("int4-g128").row_bits() == 0);
  CHECK(Format::parse("nvfp4-g16").tensor_bits() == 32);
  CHECK(Format::parse("fp16").metadata_bits() == 0);
}

TEST_CASE("a name that is none is refused with the families") {
  for (const char* name : {"",
                           "int",
                           "int4",
                           "int4-",
                           "int9-g32",
                           "int1-g32",
                           "int04-g32",
                           "int4-g0",
                           "int4-g032",
                           "int4-g65537",
                           "int4-g99999999999999",
                           "int4-g32x",
                           "int4-g32x0",
                           "int4-g32x4x4",
                           "int4-g-1",
                           "int4-g 32",
                           "int4-g32 ",
                           "INT4-g32",
                           "int4-channels",
                           "int4-g32c4",
                           "mant4",
                           "mant4-channel",
                           "mant4-tensor",
                           "mant4-g64x2",
                           "mant8-g64",
                           "bfp6-g32",
                           "bfp8-channel",
                           "bfp8-g32x2",
                           "amove4-g32",
                           "amove4-g32c",
                           "amove4-g32c5",
                           "amove4-g32c0",
                           "amove5-g32c4",
                           "amove4-channel",
                           "amove4-g32c64",
                           "mxfp4",
                           "mxfp4-g64",
                           "mxfp5-g32",
                           "mxint8-g16",
                           "nvfp4-g32",
                           "ant4-g64",
                           "ant8-channel",
                           "olive4",
                           "tender4-d0",
                           "tender4-d9",
                           "tender4-d08",
                           "tender4",
                           "tender4-g8",
                           "tender6-d8",
                           "anda3-g64",
                           "anda16-g64",
                           "anda8-tensor",
                           "bitmod5-g128",
                           "bitmod2-g128",
                           "bitmod4-channel",
                           "bitmod4-g128x4",
                           "fp8",
                           "fp16-g32"}) {
    INFO(name);
    CHECK_THROWS_AS(Format::parse(name), InputError);
  }
  CHECK_THROWS_WITH(Format::parse("amove4-g32c5"),
                    Catch::Contains("does not divide") && Catch::Contains("amove(4|3|2)"));
  CHECK_THROWS_WITH(Format::parse("int4-g0"), Catch::Contains("1..65536"));
  CHECK_THROWS_WITH(Format::parse("mnat4-g64"), Catch::Contains("'mnat4-g64'") && Catch::Contains("mant4-g<k>"));
}

TEST_CASE("one line per family") {
  CHECK(format_families().size() == 17);
}

TEST_CASE("a name that is none brings the nearest one") {
  const std::pair<const char*, const char*> pairs[] = {{"int4g64", "int4-g64"},
                                                       {"int4", "int4-g32"},
                                                       {"int9-g64", "int8-g64"},
                                                       {"int4-g96x", "int4-g96"},
                                                       {"int4-g0", "int4-g32"},
                                                       {"int4-chanel", "int4-channel"},
                                                       {"INT8-g64", "int8-g64"},
                                                       {"mant4-64", "mant4-g64"},
                                                       {"mant-g64", "mant4-g64"},
                                                       {"bfp8", "bfp8-g32"},
                                                       {"bfp6-g32", "bfp8-g32"},
                                                       {"amove4-g128", "amove4-g128c16"},
                                                       {"amove4-g32c5", "amove4-g32c4"},
                                                       {"amove4-g96d8", "amove4-g96c8"},
                                                       {"mxfp4", "mxfp4-g32"},
                                                       {"mxfp4-g16", "mxfp4-g32"},
                                                       {"nvfp4-g32", "nvfp4-g16"},
                                                       {"fp23", "fp32"},
                                                       {"bfloat16", "bf16"},
                                                       {"anda8", "anda8-g32"},
                                                       {"anda16-g64", "anda6-g64"},
                                                       {"bitmod5-g128", "bitmod4-g128"},
                                                       {"bitmd4-g128", "bitmod4-g128"},
                                                       {"ant4", "ant4-channel"},
                                                       {"olive4-tensr", "olive4-tensor"}};
  for (const auto& [written, meant] : pairs) {
    CAPTURE(written);
    CHECK_THROWS_WITH(Format::parse(written), Catch::Contains(std::string("did you mean '") + meant + "'?"));
    CHECK(Format::parse(meant).name() == meant);
  }
  for (const char* far : {"", "x", "something-else", "99999999999999999999999"})
    CHECK_THROWS_WITH(Format::parse(far), !Catch::Contains("did you mean") && Catch::Contains("; formats: fp32, "));
}
