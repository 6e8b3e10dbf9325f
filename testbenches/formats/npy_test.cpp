// SPDX-License-Identifier: Apache-2.0
#include "formats/npy.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "core/random.h"
#include "formats/rounding.h"
#include "testbenches/formats/temporary_file.h"

using namespace nibble;

namespace {

/// A file of the given version with this dictionary and data.
std::string npy(const std::string& dictionary, const std::string& data, int version = 1) {
  std::string text = "\x93NUMPY";
  text.push_back(static_cast<char>(version));
  text.push_back(0);
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    text.push_back(static_cast<char>((dictionary.size() >> (8 * i)) & 0xFF));
  return text + dictionary + data;
}

std::string dictionary(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values)
    text.push_back(static_cast<char>(value));
  return text;
}

Tensor read(const std::string& contents) {
  return read_npy(TemporaryFile(contents).path());
}

void refuse(const std::string& contents, const std::string& part) {
  const TemporaryFile file(contents);
  INFO(part);
  CHECK_THROWS_AS(read_npy(file.path()), InputError);
  CHECK_THROWS_WITH(read_npy(file.path()), Catch::StartsWith(file.path().string() + ": ") && Catch::Contains(part));
}

}  // namespace

TEST_CASE("every type widens to binary32") {
  const Tensor half = read(npy(dictionary("<f2", "(2, 2)"), bytes({0, 0x3C, 1, 0, 0xFF, 0xFB, 0, 0x80})));
  CHECK(half.shape == std::vector<std::size_t>{2, 2});
  CHECK(half.values == std::vector<float>{1.0F, 0x1p-24F, -65504.0F, 0.0F});
  CHECK(std::signbit(half.values[3]));
  CHECK(read(npy(dictionary("<f4", "(1,)"), bytes({0, 0, 0x80, 0xBF}))).values == std::vector<float>{-1.0F});
  CHECK(read(npy(dictionary("|i1", "(3,)"), bytes({0x7F, 0x80, 0xFF}))).values == std::vector<float>{127, -128, -1});
  CHECK(read(npy(dictionary("<i1", "(1,)"), bytes({0x80}))).values == std::vector<float>{-128});
  CHECK(read(npy(dictionary("|u1", "(1, 1, 2)"), bytes({0x80, 0xFF}))).values == std::vector<float>{128, 255});
  // 2^24 + 1 and 2^24 + 3 are ties of binary32.
  const Tensor wide =
      read(npy(dictionary("<i4", "(4,)"), bytes({1, 0, 0, 1, 3, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0x80})));
  CHECK(wide.values == std::vector<float>{16777216.0F, 16777220.0F, 2147483648.0F, -2147483648.0F});
}

TEST_CASE("versions, spacing and order of keys") {
  const std::string one = bytes({0, 0, 0x80, 0x3F});
  for (const int version : {1, 2, 3})
    CHECK(read(npy(dictionary("<f4", "(1,)"), one, version)).values[0] == 1.0F);
  CHECK(read(npy("{\"shape\":(1),\"descr\":\"<f4\",\"fortran_order\":False}", one)).values[0] == 1.0F);
  CHECK(read(npy("{ 'shape' : ( 1 , 1L, ) ,\n'fortran_order':False,'descr':'<f4'}      \n", one)).shape.size() == 2);
}

TEST_CASE("what NumPy would have written is written") {
  const std::string contents = npy_contents(NpyType::float32, {2, 1}, std::vector<float>{1.0F, -2.0F});
  CHECK(contents == npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }" + std::string(58, ' ') + "\n",
                        bytes({0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0})));
  CHECK(contents.size() == 128 + 8);
  const TemporaryFile file(contents);
  CHECK(read_npy(file.path()).values == std::vector<float>{1, -2});
  CHECK(read_npy(file.path()).name == file.path().string());
}

TEST_CASE("what is written reads back") {
  const std::vector<float> values{0.0F, -1.5F, 0x1p-24F, 65504.0F, 3.0F, 0x1p-20F};
  CHECK(read(npy_contents(NpyType::float16, {3, 2}, values)).values == values);
  CHECK(read(npy_contents(NpyType::float32, {6}, values)).values == values);
  const std::vector<std::int16_t> codes{-128, 127, 0, -1};
  const std::vector<float> numbers{-128, 127, 0, -1};
  CHECK(read(npy_contents(NpyType::int8, {2, 2}, codes)).values == numbers);
  CHECK(read(npy_contents(NpyType::int32, {2, 2}, codes)).values == numbers);
  CHECK(read(npy_contents(NpyType::uint8, {2}, std::vector<std::int16_t>{255, 8})).values ==
        std::vector<float>{255, 8});
  CHECK_THROWS_AS(npy_contents(NpyType::uint8, {1}, std::vector<std::int16_t>{256}), InternalError);
  CHECK_THROWS_AS(npy_contents(NpyType::int8, {1}, std::vector<std::int16_t>{-129}), InternalError);
  CHECK_THROWS_AS(npy_contents(NpyType::int8, {1}, std::vector<float>{0}), InternalError);
  CHECK_THROWS_AS(npy_contents(NpyType::float32, {2}, std::vector<float>{0}), InternalError);
}

TEST_CASE("a large array is read in pieces") {
  std::vector<float> values((1 << 18) + 77);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  CHECK(read(npy_contents(NpyType::float32, {values.size()}, values)).values == values);
}

TEST_CASE("every malformed file is one clear error") {
  const std::string four(4, '\0');
  refuse("", "is not a .npy file");
  refuse("PK\x03\x04 an archive", "is not a .npy file");
  refuse("\x93NUMPY\x01", "is not a .npy file");
  refuse(npy(dictionary("<f4", "(1,)"), four, 4), "version 4");
  refuse(std::string("\x93NUMPY\x02\x00\x10\x00", 10), "ends inside its header");
  refuse(npy(dictionary("<f4", "(1,)"), four).substr(0, 40), "ends inside its header");
  refuse(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12) + four, "at most 1 MiB");
  refuse(npy("", four), "expected '{'");
  refuse(npy("{}", four), "is missing");
  refuse(npy("{'descr': '<f4', 'fortran_order': False}", four), "is missing");
  refuse(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", four), "unknown key");
  refuse(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", four), "twice");
  refuse(npy("{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}", four), "malformed");
  refuse(npy("{'descr", four), "without an end");
  refuse(npy(dictionary("<f4", "(1,)", "0"), four), "True or False");
  refuse(npy(dictionary("<f4", "(1,)", "True"), four), "C order");
  refuse(npy(dictionary("<f4", "(1,)") + "x", four), "after the closing brace");
  refuse(npy(dictionary("<f4", "1,"), four), "expected '('");
  refuse(npy(dictionary("<f4", "(-1,)"), four), "expected an extent");
  refuse(npy(dictionary("<f4", "(1 2)"), four), "expected ')'");
  refuse(npy(dictionary("<f4", "()"), four), "no axis");
  refuse(npy(dictionary("<f4", "(0,)"), ""), "(0,) is empty");
  refuse(npy(dictionary("<f4", "(4, 0, 2)"), ""), "is empty");
  refuse(npy(dictionary("<f4", "(2,)"), four), "needs 8 bytes of data, the file has 4");
  refuse(npy(dictionary("<f4", "(1,)"), four + "x"), "needs 4 bytes of data, the file has 5");
  refuse(npy(dictionary("<f4", "(99999999999,)"), four), "needs 399999999996 bytes");
  refuse(npy(dictionary("<f4", "(4294967296, 4294967296)"), four), "too large");
  refuse(npy(dictionary("<f4", "(9223372036854775808,)"), four), "too large");
  refuse(npy(dictionary("<f4", "(99999999999999999999999999,)"), four), "too large");
  refuse(npy(dictionary("<f4", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"), four),
         "32 axes");
  refuse(npy(dictionary(">f4", "(1,)"), four), "expected little-endian");
  refuse(npy(dictionary(">f2", "(2,)"), four), "expected little-endian");
  refuse(npy(dictionary("<f8", "(1,)"), four + four), "'<f8'; expected float16, float32, int8, uint8 or int32");
  refuse(npy(dictionary("<i2", "(2,)"), four), "'<i2'");
  refuse(npy(dictionary("", "(2,)"), four), "data type ''");
  refuse(npy(dictionary("f4", "(1,)"), four), "data type 'f4'");
  refuse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", four), "records");
}

TEST_CASE("NaN and infinity are named with their flat index") {
  refuse(npy(dictionary("<f4", "(2,)"), bytes({0, 0, 0, 0, 0, 0, 0xC0, 0x7F})), "NaN at flat index 1");
  refuse(npy(dictionary("<f2", "(2, 2)"), bytes({0, 0, 0, 0, 0, 0xFC, 0, 0})), "infinity at flat index 2");
}

TEST_CASE("files that are none") {
  CHECK_THROWS_WITH(read_npy("does/not/exist.npy"), "does/not/exist.npy: no such file");
  CHECK_THROWS_WITH(read_npy("."), ".: is not a regular file");
  CHECK_THROWS_AS(read_npy("/dev/null"), InputError);
}

TEST_CASE("garbage never does more than an error") {
  const std::string valid = npy(dictionary("<f4", "(3, 4)"), "");
  Random random(7);
  unsigned accepted = 0;
  for (int i = 0; i < 100000; ++i) {
    std::string text = valid;
    const std::uint64_t changes = 1 + random.below(4);
    for (std::uint64_t c = 0; c < changes; ++c) {
      const std::size_t at = static_cast<std::size_t>(random.below(text.size()));
      if (random.below(3) == 0) {
        text.erase(at, 1 + static_cast<std::size_t>(random.below(4)));
      } else {
        const std::string alphabet = "{}()[],:'\"0123456789L <>f|iuTrueFalse\n";
        text[at] = random.below(2) == 0 ? alphabet[static_cast<std::size_t>(random.below(alphabet.size()))]
                                        : static_cast<char>(random.below(256));
      }
      if (text.empty()) break;
    }
    try {
      const std::uint64_t size = text.size() + 48;
      const std::uint64_t offset = npy_data_offset(std::string_view(text).substr(0, npy_prefix_bytes), size, "f");
      text.resize(static_cast<std::size_t>(std::max<std::uint64_t>(offset, text.size())), ' ');
      const NpyHeader header = parse_npy_header(text, size, "f");
      accepted += header.elements * npy_bytes(header.type) + header.data_offset == size ? 1 : 1000000;
    } catch (const InputError&) {
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 100000);
}
