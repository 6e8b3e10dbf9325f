// SPDX-License-Identifier: Apache-2.0
/// Configurations over a base, sections taken from others, computed values.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/config_node.h"
#include "core/error.h"

using namespace nibble;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// A directory of accelerators that is found first.
class Files {
 public:
  Files() : folder_(fs::temp_directory_path() / ("nibble_base_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_ / "accelerators");
    setenv("NIBBLE_CONFIG_PATH", folder_.c_str(), 1);
  }
  ~Files() {
    unsetenv("NIBBLE_CONFIG_PATH");
    fs::remove_all(folder_);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  std::string put(const std::string& name, const std::string& text) const {
    const fs::path file = folder_ / "accelerators" / (name + ".yaml");
    std::ofstream(file) << text;
    return file.string();
  }

 private:
  fs::path folder_;
};

const char* const parent =
    "name: parent\nclock: 500\narray:\n  rows: 8\n  columns: 4\n  sources:\n    rows: of the parent\n"
    "    columns: of the parent\nwords: [a, b]\n";

std::string why(const std::string& name) {
  try {
    ConfigNode::load("accelerators", name);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("keys stand over those of the base, with their places and sources") {
  const Files files;
  const std::string below = files.put("parent", parent);
  const std::string above = files.put(
      "child", "base: parent\nname: child\narray:\n  rows: 16\n  sources:\n    rows: of the child\nwords: [c]\n");
  ConfigNode node = ConfigNode::load("accelerators", "child");
  CHECK(node.file() == above);
  CHECK(node.string("name") == "child");
  CHECK(node.integer("clock", 1, 1000) == 500);
  CHECK(node.strings("words") == std::vector<std::string>{"c"});
  ConfigNode array = node.child("array");
  CHECK(array.integer("rows", 1, 64) == 16);
  CHECK(array.integer("columns", 1, 64) == 4);
  CHECK(array.source("rows") == "of the child");
  CHECK(array.source("columns") == "of the parent");
  CHECK_NOTHROW(node.reject_unknown());
  CHECK_THAT(node.resolved_yaml(), Contains("rows: 16  # " + above + ":4 - of the child\n"));
  CHECK_THAT(node.resolved_yaml(), Contains("columns: 4  # " + below + ":5 - of the parent\n"));
  CHECK_THROWS_WITH(array.integer("columns", 8, 64), Contains(below + ":5:12: array.columns"));
}

TEST_CASE("a value that replaces the base's loses the base's source") {
  const Files files;
  files.put("parent", parent);
  files.put("child", "base: parent\narray: {rows: 16}\n");
  files.put("grandchild", "base: child\nclock: 250\n");
  ConfigNode node = ConfigNode::load("accelerators", "grandchild");
  CHECK(node.child("array").source("rows").empty());
  CHECK(node.child("array").integer("rows", 1, 64) == 16);
  CHECK(node.child("array").integer("columns", 1, 64) == 4);
  CHECK(node.integer("clock", 1, 1000) == 250);
  CHECK(node.string("name") == "parent");
}

TEST_CASE("a base that is a file lies beside the one that names it") {
  const Files files;
  files.put("parent", parent);
  const std::string child = files.put("child", "base: parent.yaml\nclock: 100\n");
  ConfigNode node = ConfigNode::load("accelerators", child);
  CHECK(node.integer("clock", 1, 1000) == 100);
  CHECK(node.string("name") == "parent");
}

TEST_CASE("bases that are missing or go round in a circle are refused") {
  const Files files;
  const std::string a = files.put("a", "base: b\n");
  files.put("b", "base: a\n");
  CHECK_THAT(why("a"), Contains("base: 'a' has this configuration for its own base"));
  files.put("self", "base: self\n");
  CHECK_THAT(why("self"), Contains("self.yaml:1:7: base: 'self' has this configuration"));
  files.put("lost", "base: manr\n");
  CHECK_THAT(why("lost"), Contains("lost.yaml:1:7: base: unknown accelerator 'manr'; did you mean 'mant'?"));
  files.put("list", "base: [a]\n");
  CHECK_THAT(why("list"), Contains("base: must be the name of a configuration"));
  files.put("broken", "a: [\n");
  files.put("over", "base: broken\n");
  CHECK_THAT(why("over"), Contains("broken.yaml:") && Contains("not valid YAML"));
  files.put("empty", "");
  CHECK_THAT(why("empty"), Contains("empty.yaml:1:1: is empty, expected a mapping"));
}

TEST_CASE("overrides go over both files and are known as such") {
  const Files files;
  files.put("parent", parent);
  files.put("child", "base: parent\nclock: 100\n");
  ConfigNode node = ConfigNode::load("accelerators", "child");
  CHECK_FALSE(node.is_overridden("array"));
  node.apply_override("array.rows=32");
  CHECK(node.is_overridden("array"));
  CHECK_FALSE(node.is_overridden("clock"));
  CHECK_FALSE(node.is_overridden("absent"));
  CHECK(node.child("array").is_overridden("rows"));
  CHECK(node.child("array").integer("rows", 1, 64) == 32);
}

TEST_CASE("computed values give the reason for their origin") {
  ConfigNode node = ConfigNode::parse("rows: 1\nsources: {rows: by hand}\n", "file.yaml");
  node.apply_computed("rows=7", "computed: 7 x 2 <= 15");
  CHECK_FALSE(node.is_overridden("rows"));
  CHECK(node.integer("rows", 1, 10) == 7);
  CHECK(node.resolved_yaml() == "rows: 7  # computed: 7 x 2 <= 15\n");
  CHECK_THROWS_WITH(node.integer("rows", 1, 6), Contains("computed: 7 x 2 <= 15: rows: must be between 1 and 6"));
}

TEST_CASE("a section is taken with the places of its values") {
  ConfigNode mine = ConfigNode::parse("memory: {preset: a, channels: 2}\nclock: 1\n", "mine.yaml");
  ConfigNode theirs = ConfigNode::parse("x: 1\nmemory:\n  preset: b\n  sources: {preset: theirs}\n", "theirs.yaml");
  theirs.apply_override("memory.latency=3");
  mine.apply_override("clock=2");
  mine.take("memory", theirs);
  CHECK(mine.integer("clock", 1, 9) == 2);
  ConfigNode memory = mine.child("memory");
  CHECK(memory.string("preset") == "b");
  CHECK(memory.integer("latency", 1, 9) == 3);
  CHECK_NOTHROW(memory.reject_unknown());
  CHECK_THAT(mine.resolved_yaml(), Contains("preset: b  # theirs.yaml:3 - theirs\n"));
  CHECK_THROWS_AS(mine.take("memory", theirs), InternalError);  // it has been read
}

TEST_CASE("an unread copy is another configuration of the same values") {
  ConfigNode node = ConfigNode::parse("a: 1\nb: {c: 2}\n", "file.yaml");
  node.apply_override("b.c=3");
  ConfigNode copy = node.unread_copy();
  CHECK(copy.integer("a", 0, 9) == 1);
  CHECK(copy.child("b").integer("c", 0, 9) == 3);
  CHECK(node.resolved().empty());
  node.apply_override("a=5");  // not read here
  CHECK(node.integer("a", 0, 9) == 5);
  CHECK(copy.integer("a", 0, 9) == 1);
}
