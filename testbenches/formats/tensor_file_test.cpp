// SPDX-License-Identifier: Apache-2.0
#include "formats/tensor_file.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/random.h"
#include "formats/npy.h"
#include "formats/rounding.h"
#include "testbenches/formats/safetensors_file.h"
#include "testbenches/formats/temporary_file.h"

using namespace nibble;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("nibble_tensor_file_test_" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directory(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string add(const std::string& name, const std::string& contents) const {
    std::ofstream(path_ / name, std::ios::binary) << contents;
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

/// Two tensors in one file, and the same as a checkpoint of two files.
const FloatMatrix first{"layer.0.weight", 1, 3, {1, 2, 3}};
const FloatMatrix second{"layer.1.weight", 2, 2, {4, 5, 6, -7}};

std::string index(const std::string& map) {
  return "{\"metadata\":{},\"weight_map\":{" + map + "}}";
}

}  // namespace

TEST_CASE("every fp16 and bf16 code widens as the conversions of one number do") {
  std::vector<unsigned char> bytes;
  for (unsigned code = 0; code < 65536; ++code)
    bytes.insert(bytes.end(), {static_cast<unsigned char>(code & 0xFF), static_cast<unsigned char>(code >> 8)});
  std::vector<float> half(65536), brain(65536);
  widen(ElementType::float16, bytes.data(), half.size(), half.data());
  widen(ElementType::bfloat16, bytes.data(), brain.size(), brain.data());
  unsigned wrong = 0;
  for (unsigned code = 0; code < 65536; ++code) {
    const float expected = fp16_value(static_cast<std::uint16_t>(code));
    if (std::isnan(expected)) {
      wrong += std::isnan(half[code]) ? 0 : 1;
    } else {
      wrong += float_bits(half[code]) == float_bits(expected) ? 0 : 1;
    }
    wrong += float_bits(brain[code]) == code << 16 ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("elements may lie at any address") {
  const unsigned char bytes[] = {0xAA, 0x00, 0x00, 0x80, 0x3F, 0x01, 0x02, 0x03, 0x04};
  float out[2];
  widen(ElementType::float32, bytes + 1, 1, out);
  CHECK(out[0] == 1.0F);
  widen(ElementType::int32, bytes + 5, 1, out);
  CHECK(out[0] == 67305985.0F);
}

TEST_CASE("a tensor by name, or the only one") {
  const Folder folder;
  const std::string both = folder.add("both.safetensors", safetensors_of({first, second}));
  const std::string one = folder.add("one.safetensors", safetensors_of({second}));
  const Tensor tensor = read_tensor(both + ":layer.1.weight");
  CHECK(tensor.shape == std::vector<std::size_t>{2, 2});
  CHECK(tensor.values == second.values);
  CHECK(tensor.name == both + ":layer.1.weight");
  CHECK(read_tensor(one).values == second.values);
  CHECK(read_tensor(one).name == one + ":layer.1.weight");
  CHECK_THROWS_WITH(read_tensor(both),
                    both + ": holds 2 tensors (layer.0.weight, layer.1.weight); name one: " + both + ":TENSOR");
  CHECK_THROWS_WITH(read_tensor(both + ":layer.1.wieght"),
                    Catch::Contains("holds no tensor 'layer.1.wieght'") && Catch::Contains("did you mean"));
  CHECK_THROWS_WITH(read_tensor(both + ":bias"), Catch::Contains("it holds layer.0.weight, layer.1.weight"));
  const std::string array = folder.add("x.npy", npy_contents(NpyType::float32, {2}, std::vector<float>{1, 2}));
  CHECK(read_tensor(array).values == std::vector<float>{1, 2});
  CHECK(read_tensor(array).name == array);
  CHECK_THROWS_WITH(read_tensor(array + ":w"), Catch::Contains("whose array has no name"));
  CHECK_THROWS_WITH(read_npy(one), Catch::Contains("is not a .npy file"));
}

TEST_CASE("colons in paths and names") {
  const Folder folder;
  const std::string file = folder.add("a:b.safetensors", safetensors_of({{"x:y", 1, 1, {3}}, {"z", 1, 1, {4}}}));
  CHECK(read_tensor(file + ":x:y").values == std::vector<float>{3});
  CHECK(read_tensor(folder.add("a:b.npy", npy_contents(NpyType::float32, {1}, std::vector<float>{9}))).values[0] == 9);
  CHECK_THROWS_WITH(read_tensor("none.safetensors:w"), "none.safetensors: no such file");
  CHECK_THROWS_WITH(read_tensor("none.npy:w"), "none.npy: no such file");
  CHECK_THROWS_WITH(read_tensor("none.json:w"), "none.json: no such file");
  CHECK_THROWS_WITH(read_tensor(""), ": no such file");
}

TEST_CASE("values of every type, and those that are none") {
  const Folder folder;
  const std::string header =
      "{" + safetensors_entry("h", "F16", "[1,2]", 0, 4) + "," + safetensors_entry("b", "BF16", "[2]", 4, 8) + "," +
      safetensors_entry("i", "I64", "[1]", 8, 16) + "," + safetensors_entry("s", "F32", "[]", 16, 20) + "," +
      safetensors_entry("e", "F32", "[3,0]", 20, 20) + "," + safetensors_entry("n", "F32", "[2]", 20, 28) + "," +
      safetensors_entry("p", "BF16", "[2]", 28, 32) + "}";
  std::string data(32, '\0');
  data.replace(0, 8, std::string("\x00\x3C\x01\x80\x80\x3F\x00\xC0", 8));
  data.replace(24, 4, std::string("\x00\x00\xC0\x7F", 4));
  data.replace(28, 2, std::string("\x80\xFF", 2));
  const std::string file = folder.add("x.safetensors", safetensors(header, data));
  CHECK(read_tensor(file + ":h").values == std::vector<float>{1.0F, -0x1p-24F});
  CHECK(read_tensor(file + ":b").values == std::vector<float>{1.0F, -2.0F});
  CHECK_THROWS_WITH(read_tensor(file + ":i"), file + ":i: elements are I64; expected F16, BF16 or F32");
  CHECK_THROWS_WITH(read_tensor(file + ":s"), file + ":s: it has no axis");
  CHECK_THROWS_WITH(read_tensor(file + ":e"), file + ":e: it is empty");
  CHECK_THROWS_WITH(read_tensor(file + ":n"), file + ":n: NaN at flat index 1");
  CHECK_THROWS_WITH(read_tensor(file + ":p"), file + ":p: infinity at flat index 0");
  const TensorFile opened(file);
  CHECK(opened.tensors().size() == 7);
  float part[1];
  opened.read(opened.at("h"), 1, 1, part);
  CHECK(part[0] == -0x1p-24F);
  CHECK_THROWS_AS(opened.read(opened.at("h"), 1, 2, part), InternalError);
  CHECK_THROWS_AS(opened.read(opened.at("i"), 0, 1, part), InternalError);
}

TEST_CASE("a checkpoint in several files") {
  const Folder folder;
  folder.add("model-1.safetensors", safetensors_of({first, {"unlisted", 1, 1, {0}}}));
  folder.add("model-2.safetensors", safetensors_of({second}));
  const std::string file =
      folder.add("model.safetensors.index.json",
                 index("\"layer.1.weight\":\"model-2.safetensors\",\"layer.0.weight\":\"model-1.safetensors\""));
  for (const std::string& argument : {file, folder.path()}) {
    const TensorFile checkpoint(argument);
    REQUIRE(checkpoint.tensors().size() == 2);
    CHECK(checkpoint.tensors()[0].name == "layer.0.weight");
    CHECK(checkpoint.label(checkpoint.tensors()[1]) == folder.path() + "/model-2.safetensors:layer.1.weight");
    CHECK(read_tensor(argument + ":layer.1.weight").values == second.values);
    CHECK(read_tensor(argument + ":layer.0.weight").values == first.values);
  }
  CHECK_THROWS_WITH(read_tensor(folder.path()), Catch::Contains("holds 2 tensors"));
  const std::string lost = folder.add("lost.json", index("\"layer.1.weight\":\"model-1.safetensors\""));
  CHECK_THROWS_WITH(TensorFile(lost), Catch::Contains("model-1.safetensors: holds no tensor 'layer.1.weight'"));
  const std::string absent = folder.add("absent.json", index("\"a\":\"model-3.safetensors\""));
  CHECK_THROWS_WITH(TensorFile(absent), Catch::Contains("model-3.safetensors: no such file"));
}

TEST_CASE("mutated files are read or refused") {
  const Folder folder;
  const std::string header = "{" + safetensors_entry("a", "BF16", "[4,8]", 0, 64) + "," +
                             safetensors_entry("b", "F32", "[16]", 64, 128) + "," +
                             safetensors_entry("c", "F16", "[2,2]", 128, 136) + "}";
  const std::string valid = safetensors(header, std::string(136, '\x3C'));
  const std::string map = index("\"a\":\"x.safetensors\",\"b\":\"x.safetensors\"");
  Random random(21);
  unsigned read = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string file = valid, list = map;
    std::string& changed = i % 3 == 0 ? list : file;
    for (std::uint64_t changes = 1 + random.below(2); changes > 0; --changes) {
      const auto at = static_cast<std::size_t>(random.below(changed.size()));
      const std::string letters = "{}[],:\"0123456789.ab/\\xF\xFF";
      if (random.below(4) == 0) {
        changed.erase(at, 1 + static_cast<std::size_t>(random.below(16)));
      } else {
        changed[at] = letters[static_cast<std::size_t>(random.below(letters.size()))];
      }
      if (changed.empty()) changed = " ";
    }
    const std::string stored = folder.add("x.safetensors", file), listed = folder.add("x.json", list);
    try {
      const TensorFile opened(i % 3 == 0 ? listed : stored);
      for (const StoredTensor& tensor : opened.tensors()) {
        CHECK(opened.raw(tensor).size() == tensor.bytes);
        if (!tensor.obstacle().empty()) continue;
        const Tensor values = opened.read(tensor);  // may find NaN
        CHECK(values.values.size() == tensor.elements);
      }
      ++read;
    } catch (const InputError& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
      ++refused;
    }
  }
  CHECK(read > 100);
  CHECK(refused > 1000);
}

TEST_CASE("files that are none") {
  const Folder folder;
  CHECK_THROWS_WITH(TensorFile(folder.path()), Catch::Contains("is a directory without model.safetensors"));
  CHECK_THROWS_WITH(TensorFile(folder.add("e.safetensors", "")), Catch::Contains("shorter than 8 bytes"));
  CHECK_THROWS_WITH(TensorFile(folder.add("e.json", "")), Catch::Contains("not valid JSON"));
  CHECK_THROWS_WITH(TensorFile(folder.add("none.safetensors", safetensors("{}", ""))),
                    Catch::Contains("holds no tensor"));
  CHECK_THROWS_WITH(TensorFile("/dev/null"), "/dev/null: is not a regular file");
  const std::string alone = folder.add("model.safetensors", safetensors_of({first}));
  CHECK(read_tensor(folder.path()).name == alone + ":layer.0.weight");
}
