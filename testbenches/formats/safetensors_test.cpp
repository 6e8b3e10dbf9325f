// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "testbenches/formats/safetensors_file.h"

using namespace nibble;

namespace {

std::vector<StoredTensor> parse(const std::string& file) {
  return parse_safetensors_header(file, file.size(), "f");
}

/// The header alone, of a file with so many bytes of data.
std::vector<StoredTensor> parse(const std::string& header, std::size_t data) {
  return parse(safetensors(header, std::string(data, '\0')));
}

void refuse(const std::string& file, const std::string& part) {
  INFO(part);
  CHECK_THROWS_AS(parse(file), InputError);
  CHECK_THROWS_WITH(parse(file), Catch::StartsWith("f: ") && Catch::Contains(part));
  try {
    parse(file);
  } catch (const InputError& error) {
    for (const char c : std::string(error.what()))
      CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F));  // one line, whatever the file holds
  }
}

void refuse(const std::string& header, std::size_t data, const std::string& part) {
  refuse(safetensors(header, std::string(data, '\0')), part);
}

std::string entry(const std::string& dtype, const std::string& shape, std::uint64_t begin, std::uint64_t end) {
  return "{" + safetensors_entry("a", dtype, shape, begin, end) + "}";
}

}  // namespace

TEST_CASE("tensors come in the order of their data") {
  const std::string header = "{" + safetensors_entry("b", "F32", "[2,3]", 8, 32) + ",\"__metadata__\":{\"x\":\"y\"}," +
                             safetensors_entry("a", "BF16", "[4]", 0, 8) + "}   ";
  const std::vector<StoredTensor> tensors = parse(header, 32);
  REQUIRE(tensors.size() == 2);
  CHECK(tensors[0].name == "a");
  CHECK(tensors[0].type() == "bfloat16");
  CHECK(tensors[0].element == ElementType::bfloat16);
  CHECK(tensors[0].shape == std::vector<std::size_t>{4});
  CHECK(tensors[0].elements == 4);
  CHECK(tensors[0].offset == 8 + header.size());
  CHECK(tensors[0].obstacle() == "");
  CHECK(tensors[1].name == "b");
  CHECK(tensors[1].elements == 6);
  CHECK(tensors[1].offset == 16 + header.size());
}

TEST_CASE("every dtype has its size") {
  const std::pair<const char*, int> sizes[] = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
      {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
  for (const auto& [dtype, bits] : sizes) {
    INFO(dtype);
    const std::size_t bytes = static_cast<std::size_t>(bits);  // eight elements
    CHECK(parse(entry(dtype, "[2,4]", 0, bytes), bytes).at(0).elements == 8);
    refuse(entry(dtype, "[2,4]", 0, bytes + 1), bytes + 1, "needs " + std::to_string(bytes) + " bytes");
  }
  refuse(entry("F4", "[3]", 0, 1), 1, "whole bytes");
  refuse(entry("F6_E2M3", "[2]", 0, 1), 1, "whole bytes");
}

TEST_CASE("what cannot be encoded is still a legal file") {
  CHECK(parse(entry("I64", "[1]", 0, 8), 8)[0].obstacle() == "elements are I64; expected F16, BF16 or F32");
  CHECK(parse(entry("F32", "[]", 0, 4), 4)[0].obstacle() == "it has no axis");
  CHECK(parse(entry("F32", "[4,0]", 0, 0), 0)[0].obstacle() == "it is empty");
  CHECK(parse(entry("F16", "[0,9223372036854775807,9223372036854775807]", 0, 0), 0)[0].elements == 0);
  CHECK(parse("{}", 0).empty());
  // An empty tensor between two others does not overlap them.
  CHECK(parse("{" + safetensors_entry("a", "U8", "[2]", 0, 2) + "," + safetensors_entry("e", "U8", "[0]", 2, 2) + "," +
                  safetensors_entry("b", "U8", "[1]", 2, 3) + "}",
              3)
            .size() == 3);
}

TEST_CASE("a header that lies about its length") {
  refuse("", "shorter than 8 bytes");
  refuse("\x02\0\0\0", "shorter than 8 bytes");
  refuse(safetensors("{}", "", 3), "reaches beyond the file, which has 10");
  refuse(safetensors("{}", "", 100'000'000), "reaches beyond the file");
  refuse(safetensors("{}", "", 100'000'001), "at most 100000000");
  refuse(safetensors("{}", "", ~0ULL - 1), "at most 100000000");
  refuse(safetensors("{}", "", 1), "not valid JSON");
  refuse(safetensors("", ""), "does not begin with '{'");
  refuse(safetensors(" {}", ""), "does not begin with '{'");
  refuse(std::string("\x93NUMPY\x01\x00\x76\x00", 10), "at most 100000000");
}

TEST_CASE("a header that lies about its offsets") {
  refuse(entry("F32", "[2]", 0, 8), 4, "reach beyond the data, which has 4 bytes");
  refuse(entry("F32", "[2]", 0, 8), 9, "end at byte 8 of the data, the file has 9");
  refuse(entry("F32", "[2]", 4, 12), 12, "bytes 0 to 4 of the data belong to no tensor");
  refuse(entry("F32", "[2]", 8, 0), 8, "end before they begin");
  refuse(entry("F32", "[2]", 0, 4), 4, "needs 8 bytes, data_offsets [0, 4] give 4");
  refuse(entry("F32", "[1]", 0, 9223372036854775807ULL), 8, "reach beyond");
  refuse(entry("F32", "[1]", 0, 18446744073709551615ULL), 8, "integers from 0 to 2^63 - 1");
  refuse("{" + safetensors_entry("a", "U8", "[4]", 0, 4) + "," + safetensors_entry("b", "U8", "[4]", 2, 6) + "}", 6,
         "tensor \"b\" begins at byte 2 of the data and overlaps the one before it, which ends at 4");
  refuse("{" + safetensors_entry("a", "U8", "[4]", 0, 4) + "," + safetensors_entry("b", "U8", "[4]", 0, 4) + "}", 4,
         "overlaps");
  refuse("{" + safetensors_entry("a", "U8", "[4]", 0, 4) + "," + safetensors_entry("b", "U8", "[2]", 6, 8) + "}", 8,
         "bytes 4 to 6");
  refuse("{" + safetensors_entry("a", "U8", "[4]", 0, 4) + "," + safetensors_entry("e", "U8", "[0]", 2, 2) + "}", 4,
         "overlaps");
  refuse("{}", 1, "end at byte 0 of the data, the file has 1");
}

TEST_CASE("a header that lies about its shapes") {
  refuse(entry("F32", "[4294967296,4294967296]", 0, 4), 4, "too large");
  refuse(entry("F32", "[9223372036854775807]", 0, 4), 4, "too large");
  refuse(entry("F32", "[9223372036854775808]", 0, 4), 4, "integers from 0");
  refuse(entry("F32", "[-1]", 0, 4), 4, "integers from 0");
  refuse(entry("F32", "[1.0]", 0, 4), 4, "integers from 0");
  refuse(entry("F32", "[\"1\"]", 0, 4), 4, "integers from 0");
  refuse(entry("F32", "[[1]]", 0, 4), 4, "integers from 0");
  refuse(entry("F32", "1", 0, 4), 4, "shape is no array");
  refuse(entry("F32", "null", 0, 4), 4, "shape is no array");
  std::string ones = "[1";
  for (int i = 0; i < 31; ++i)
    ones += ",1";
  CHECK(parse(entry("F32", ones + "]", 0, 4), 4)[0].shape.size() == 32);
  refuse(entry("F32", ones + ",1]", 0, 4), 4, "more than 32 axes");
}

TEST_CASE("entries of another form") {
  refuse(entry("F33", "[1]", 0, 4), 4, "unknown dtype 'F33'; did you mean 'F32'?");
  refuse(entry("f32", "[1]", 0, 4), 4, "unknown dtype 'f32'");
  refuse(entry("", "[1]", 0, 4), 4, "unknown dtype ''");
  refuse("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is no string");
  refuse("{\"a\":[]}", 0, "its entry is no object");
  refuse("{\"a\":{}}", 0, "dtype is missing");
  refuse("{\"a\":{\"dtype\":\"F32\"}}", 0, "shape is missing");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets is missing");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4]}}", 4, "data_offsets is not [begin, end]");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "data_offsets is not [begin, end]");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{\"0\":4}}}", 4, "data_offsets is not [begin, end]");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"strides\":[1]}}", 4,
         "unknown key \"strides\"");
  refuse("{\"__metadata__\":[]}", 0, "__metadata__ is no object of strings");
  refuse("{\"__metadata__\":{\"x\":1}}", 0, "__metadata__: \"x\" is no string");
  refuse("{\"__metadata__\":null}", 0, "__metadata__ is no object of strings");
}

TEST_CASE("text that is no JSON") {
  refuse("{\"a\"", 0, "not valid JSON");
  refuse("{}x", 0, "not valid JSON");
  refuse("{}{}", 0, "not valid JSON");
  refuse("{'a':1}", 0, "not valid JSON");
  refuse("{" + safetensors_entry("a", "U8", "[1]", 0, 1) + "," + safetensors_entry("a", "U8", "[1]", 0, 1) + "}", 1,
         "\"a\" stands twice");
  refuse("{" + safetensors_entry("\\u0061\\n", "U8", "[1]", 0, 1) + "," + safetensors_entry("a\\n", "U8", "[1]", 1, 2) +
             "}",
         2, "\"a?\" stands twice");
  refuse("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "\"dtype\" stands twice");
  refuse("{\"\xC3\x28\":{}}", 0, "not valid JSON");
  refuse("{\"\xED\xA0\x80\":{}}", 0, "not valid JSON");
  refuse("{\"a\nb\":{}}", 0, "not valid JSON");
  refuse("{\"a\\u001b[31m\":{}}", 0, "tensor \"a?[31m\"");
  refuse("{\"a\":" + std::string(100000, '[') + "}", 0, "not valid JSON");
  refuse("{\"a\":" + std::string(1000, '{') + "}", 0, "not valid JSON");
}

TEST_CASE("a huge header costs no more than its tree") {
  std::string header = "{\"a\":[0";
  for (int i = 0; i < (1 << 22); ++i)
    header += ",0";
  refuse(header + "]}", 0, "too many values");
  refuse("{\"" + std::string(1 << 20, 'x') + "\":[]}", 0, "xxx...\": its entry is no object");
}

TEST_CASE("what is written reads back") {
  StoredTensor first, second, third;
  first.name = "a \"quoted\"\n name \xC3\xA4";
  first.dtype = "F32";
  first.shape = {2, 3};
  first.bytes = 24;
  second.name = "b";
  second.dtype = "I64";
  second.bytes = 8;
  third.name = "c";
  third.dtype = "BF16";
  third.shape = {0, 5};
  const std::string front = safetensors_front({first, second, third});
  CHECK(front.size() % 8 == 0);
  const std::vector<StoredTensor> tensors = parse(front + std::string(32, '\0'));
  REQUIRE(tensors.size() == 3);
  CHECK(tensors[0].name == first.name);
  CHECK(tensors[0].shape == first.shape);
  CHECK(tensors[0].bytes == 24);
  CHECK(tensors[1].dtype == "I64");
  CHECK(tensors[1].offset == front.size() + 24);
  CHECK(tensors[2].elements == 0);
  CHECK(parse(safetensors_front({})).empty());
}

TEST_CASE("an index names files beside it") {
  const auto index = [](const std::string& text) { return parse_safetensors_index(text, "f"); };
  const auto entries =
      index("{\"metadata\":{\"total_size\":1},\"weight_map\":{\"b\":\"x.safetensors\",\"a\":\"y.safetensors\"}}");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0] == std::pair<std::string, std::string>{"b", "x.safetensors"});
  for (const char* map : {"{}", "{\"weight_map\":[]}", "{\"weight_map\":{}}", "[]", "3"})
    CHECK_THROWS_WITH(index(map), Catch::Contains("weight_map"));
  for (const char* file : {"\"../x.safetensors\"", "\"/x.safetensors\"", "\"d\\\\x.safetensors\"", "\"x.bin\"",
                           "\".safetensors\"", "\"\"", "1", "null", "[]", "\"x\\u0000.safetensors\""})
    CHECK_THROWS_WITH(index(std::string("{\"weight_map\":{\"a\":") + file + "}}"), Catch::Contains("beside the index"));
  CHECK_THROWS_WITH(index("{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"x.safetensors\"}}"),
                    Catch::Contains("twice"));
  CHECK_THROWS_AS(index("{"), InputError);
}

namespace {

/// One to four changes of a file: bytes flipped, replaced by JSON's own, inserted, erased, or numbers replaced.
std::string mutate(std::string text, Random& random) {
  const std::string alphabet = "{}[],:\"0123456789-.eE\\ \nFBIU_x\xC3\xFF";
  for (std::uint64_t changes = 1 + random.below(4); changes > 0 && !text.empty(); --changes) {
    const auto at = static_cast<std::size_t>(random.below(text.size()));
    const char letter = alphabet[static_cast<std::size_t>(random.below(alphabet.size()))];
    switch (random.below(6)) {
      case 0:
        text.erase(at, 1 + static_cast<std::size_t>(random.below(8)));
        break;
      case 1:
        text.insert(at, 1, letter);
        break;
      case 2:
        text[at] = static_cast<char>(random.below(256));
        break;
      case 3:
        text.insert(at, text.substr(static_cast<std::size_t>(random.below(text.size())),
                                    1 + static_cast<std::size_t>(random.below(60))));
        break;
      case 4: {
        const std::size_t digit = text.find_first_of("0123456789", at);
        const char* numbers[] = {"-1", "0", "4", "1e3", "9223372036854775807", "18446744073709551616", "12", "2.5"};
        if (digit != std::string::npos) text.replace(digit, 1, numbers[random.below(8)]);
        break;
      }
      default:
        text[at] = letter;
        break;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("mutated files never do more than an error") {
  const std::string header =
      "{\"__metadata__\":{\"format\":\"pt\"}," + safetensors_entry("model.a", "BF16", "[4,8]", 0, 64) + "," +
      safetensors_entry("model.b", "F32", "[16]", 64, 128) + "," + safetensors_entry("n", "I64", "[]", 128, 136) + "," +
      safetensors_entry("\\u00e4", "F16", "[2,0]", 136, 136) + "}";
  const std::string valid = safetensors(header, std::string(136, '\x3C'));
  Random random(20);
  unsigned accepted = 0, refused = 0;
  for (int i = 0; i < 60000; ++i) {
    const std::string file = mutate(valid, random);
    try {
      std::uint64_t end = 0;
      for (const StoredTensor& tensor : parse(file)) {
        // Whatever is accepted lies inside of the file and does not overlap.
        CHECK(tensor.offset >= end);
        CHECK(tensor.offset <= file.size());
        end = tensor.offset;
        if (tensor.element) {
          end += tensor.elements * element_bytes(*tensor.element);
          CHECK(end <= file.size());
        }
      }
      ++accepted;
    } catch (const InputError& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
      ++refused;
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 10000);
}
