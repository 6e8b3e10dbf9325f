// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "core/config_node.h"
#include "core/error.h"
#include "testbenches/support/paths.h"

using namespace nibble;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

/// An empty working directory without NIBBLE_CONFIG_PATH (each test case is a process).
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "nibble-search-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    before_ = fs::current_path();
    fs::current_path(path_);
    ::unsetenv("NIBBLE_CONFIG_PATH");
  }
  ~Scratch() {
    fs::current_path(before_);
    fs::remove_all(path_);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_, before_;
};

void put(const fs::path& file) {
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
  std::ofstream(file) << "name: x\n";
}

bool listed(const std::string& kind, const std::string& name) {
  const auto names = list_configs(kind);
  return std::count(names.begin(), names.end(), name) == 1;
}

}  // namespace

TEST_CASE("the variable comes before the working directory, and that before the source tree") {
  const Scratch here;
  CHECK(find_config("technologies", "published-28nm") == source_path("configs/technologies/published-28nm.yaml"));
  put("configs/technologies/published-28nm.yaml");
  CHECK(find_config("technologies", "published-28nm") == "configs/technologies/published-28nm.yaml");
  put("second/technologies/published-28nm.yaml");
  ::setenv("NIBBLE_CONFIG_PATH", ":first::second:", 1);
  CHECK(find_config("technologies", "published-28nm") == "second/technologies/published-28nm.yaml");
  put("first/technologies/published-28nm.yaml");
  CHECK(find_config("technologies", "published-28nm") == "first/technologies/published-28nm.yaml");
  CHECK(listed("technologies", "published-28nm"));
}

TEST_CASE("a name with a slash or an ending is a file") {
  const Scratch here;
  put("mine.yaml");
  put("mine.json");
  put("below/mine");
  CHECK(find_config("models", "mine.yaml") == "mine.yaml");
  CHECK(find_config("models", "mine.json") == "mine.json");
  CHECK(find_config("models", "below/mine") == "below/mine");
  CHECK(find_config("models", (here.path() / "mine.yaml").string()) == here.path() / "mine.yaml");
  CHECK_THROWS_WITH(find_config("models", "other.yml"), "other.yml: cannot be read: No such file");
  CHECK_THROWS_WITH(find_config("models", "./below"), "./below: cannot be read: Is a directory");
  CHECK_THROWS_WITH(
      find_config("technologies", "published-28nm.yaml"),
      "published-28nm.yaml: cannot be read: No such file; the technology of that name is 'published-28nm'");
}

TEST_CASE("an unknown name lists the known ones and the nearest") {
  const Scratch here;
  put("configs/accelerators/zz-mant.yaml");
  CHECK_THROWS_WITH(find_config("accelerators", "zz-mnat"),
                    StartsWith("unknown accelerator 'zz-mnat'; did you mean 'zz-mant'? known: "));
  CHECK_THROWS_AS(find_config("accelerators", ""), InputError);
  CHECK_THROWS_AS(find_config("accelerators", "."), InputError);
  CHECK_THROWS_WITH(find_config("accelerator", "mant"),
                    StartsWith("unknown kind 'accelerator'; did you mean 'accelerators'? known: accelerators, "));
  CHECK_THROWS_AS(list_configs("x"), InputError);
}

TEST_CASE("only files that can be loaded by name are listed") {
  const Scratch here;
  put("configs/sweeps/zz-b.yaml");
  put("configs/sweeps/zz-a.yaml");
  put("configs/sweeps/zz-c.txt");
  fs::create_directories("configs/sweeps/zz-d.yaml");
  put("elsewhere/sweeps/zz-a.yaml");
  ::setenv("NIBBLE_CONFIG_PATH", "elsewhere:/dev/null:none", 1);
  auto names = list_configs("sweeps");
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(listed("sweeps", "zz-a"));
  CHECK(listed("sweeps", "zz-b"));
  CHECK_FALSE(listed("sweeps", "zz-c"));
  CHECK_FALSE(listed("sweeps", "zz-d"));
  for (const std::string& name : names)
    CHECK_NOTHROW(find_config("sweeps", name));
}
