// SPDX-License-Identifier: Apache-2.0
#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/error.h"

using namespace nibble;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

/// An empty directory that disappears with the test.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "nibble-file-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Scratch() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::recursive_directory_iterator(path_), {}));
  }

 private:
  fs::path path_;
};

void put(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("files grow piece by piece and appear at commit") {
  const Scratch here;
  put(here / "old.npy", "before");
  {
    OutputFiles out;
    out.append(here / "new.npy", "head ");
    out.append(here / "old.npy", "a");
    for (int i = 0; i < 3; ++i)
      out.append(here / "new.npy", std::string(1, static_cast<char>('0' + i)));
    out.append(here / "old.npy", "");
    out.append(here / "old.npy", std::string("\0b", 2));
    CHECK_FALSE(fs::exists(here / "new.npy"));
    CHECK(read_file(here / "old.npy") == "before");
    out.commit();
  }
  CHECK(read_file(here / "new.npy") == "head 012");
  CHECK(read_file(here / "old.npy") == std::string("a\0b", 3));
  {
    OutputFiles out;
    out.append(here / "third.npy", "x");
    out.append(here / "third.npy", "y");
    out.write(here / "third.npy", "z");  // begins anew
    out.append(here / "third.npy", "!");
    out.append(here / "gone.npy", "x");
    CHECK_THROWS_AS(out.append(here / "absent" / "file", "x"), InputError);
  }
  CHECK(here.entries() == 2);
  OutputFiles stream;
  stream.append("/dev/null", "a");
  stream.append("/dev/null", "b");
  stream.commit();
}

TEST_CASE("files appear together at commit") {
  const Scratch here;
  OutputFiles out;
  out.write(here / "a.csv", "one\n");
  out.write(here / "b.json", std::string("\0two", 4));
  CHECK_FALSE(fs::exists(here / "a.csv"));
  CHECK_FALSE(fs::exists(here / "b.json"));
  out.commit();
  CHECK(read_file(here / "a.csv") == "one\n");
  CHECK(read_file(here / "b.json") == std::string("\0two", 4));
  CHECK(here.entries() == 2);
}

TEST_CASE("without commit nothing is left behind") {
  const Scratch here;
  put(here / "old", "old");
  {
    OutputFiles out;
    out.make_directory(here / "x/y/z");
    CHECK(fs::is_directory(here / "x/y/z"));
    out.reserve(here / "x/y/z/report.json");
    out.write(here / "x/y/z/report.json", "{}");
    out.write(here / "old", "new");
  }
  CHECK(read_file(here / "old") == "old");
  CHECK(here.entries() == 1);
}

TEST_CASE("a directory with other contents is not removed") {
  const Scratch here;
  {
    OutputFiles out;
    out.make_directory(here / "x/y");
    put(here / "x/theirs", "");
  }
  CHECK(fs::exists(here / "x/theirs"));
  CHECK_FALSE(fs::exists(here / "x/y"));
}

TEST_CASE("commit keeps directories and may be followed by more") {
  const Scratch here;
  {
    OutputFiles out;
    out.make_directory(here / "x/");
    out.commit();
    out.write(here / "x/later", "1");
    out.commit();
    out.write(here / "x/never", "1");
  }
  CHECK(read_file(here / "x/later") == "1");
  CHECK(here.entries() == 2);
}

TEST_CASE("the last write of a file counts") {
  const Scratch here;
  OutputFiles out;
  out.write(here / "a", "first, longer");
  out.write(here / "b", "b");
  out.write(here / "a", "second");
  out.commit();
  CHECK(read_file(here / "a") == "second");
  CHECK(read_file(here / "b") == "b");
  CHECK(here.entries() == 2);
}

TEST_CASE("an existing file keeps its mode and a link stays a link") {
  const Scratch here;
  put(here / "real", "old");
  fs::permissions(here / "real", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("real", here / "link");
  OutputFiles out;
  out.reserve(here / "link");
  out.write(here / "link", "new");
  out.commit();
  CHECK(fs::is_symlink(here / "link"));
  CHECK(read_file(here / "real") == "new");
  CHECK(fs::status(here / "real").permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a place that cannot be written is refused before the run, with the file and the reason") {
  const Scratch here;
  put(here / "file", "text");
  fs::create_symlink("nothing", here / "dangling");
  for (const bool early : {true, false}) {
    OutputFiles out;
    const auto attempt = [&](const fs::path& file) { early ? out.reserve(file) : out.write(file, "x"); };
    CHECK_THROWS_WITH(attempt(here / "none/report.json"),
                      (here / "none/report.json").string() +
                          ": cannot be written: No such file or directory: " + (here / "none").string());
    CHECK_THROWS_WITH(attempt(here / "file/report.json"),
                      Contains("file/report.json: cannot be written: Not a directory"));
    CHECK_THROWS_WITH(attempt(here.path()), EndsWith(": cannot be written: Is a directory"));
    CHECK_THROWS_WITH(attempt(here / "new/"), EndsWith(": cannot be written: Is a directory"));
    CHECK_THROWS_WITH(attempt(here / "dangling"), EndsWith(": cannot be written: it is a symbolic link to nothing"));
    CHECK_THROWS_WITH(attempt(here / std::string(300, 'n')), EndsWith(": cannot be written: File name too long"));
    CHECK_THROWS_WITH(attempt("/proc/nibble.json"), StartsWith("/proc/nibble.json: cannot be written: "));
    CHECK_THROWS_WITH(attempt(""), Contains("the file name is empty"));
    CHECK_THROWS_AS(attempt(here / "none/report.json"), InputError);
  }
  CHECK(here.entries() == 2);
}

TEST_CASE("a directory that cannot be made is refused and leaves nothing") {
  const Scratch here;
  put(here / "file", "text");
  OutputFiles out;
  CHECK_THROWS_WITH(out.make_directory(here / "file"), Contains("file: cannot be written: Not a directory"));
  CHECK_THROWS_WITH(out.make_directory(here / "file/below"), Contains("cannot be written: Not a directory"));
  CHECK_THROWS_WITH(out.make_directory(here / ("a/" + std::string(300, 'n'))), EndsWith("File name too long"));
  CHECK_THROWS_AS(out.make_directory("/proc/nibble"), InputError);
  CHECK_THROWS_AS(out.make_directory(""), InputError);
  CHECK_NOTHROW(out.make_directory(here.path()));
}

TEST_CASE("without permission nothing is written") {
  if (::geteuid() == 0) return;  // root may write anywhere
  const Scratch here;
  fs::create_directory(here / "locked");
  put(here / "readonly", "text");
  fs::permissions(here / "readonly", fs::perms::owner_read);
  fs::permissions(here / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  OutputFiles out;
  CHECK_THROWS_WITH(out.reserve(here / "locked/a"), EndsWith("cannot be written: Permission denied"));
  CHECK_THROWS_WITH(out.make_directory(here / "locked/a"), EndsWith("cannot be written: Permission denied"));
  CHECK_THROWS_WITH(out.make_directory(here / "locked"), EndsWith("cannot be written: Permission denied"));
  CHECK_THROWS_WITH(out.reserve(here / "readonly"), EndsWith("cannot be written: Permission denied"));
  fs::permissions(here / "locked", fs::perms::owner_all);
}

TEST_CASE("a failing commit names the file and takes back what is new") {
  const Scratch here;
  put(here / "old", "old");
  OutputFiles out;
  out.write(here / "first", "1");
  out.write(here / "blocked", "2");
  out.write(here / "third", "3");
  fs::create_directory(here / "blocked");
  put(here / "blocked/x", "");
  CHECK_THROWS_WITH(out.commit(), (here / "blocked").string() + ": cannot be written: Is a directory");
  CHECK_FALSE(fs::exists(here / "first"));
  CHECK_FALSE(fs::exists(here / "third"));
  CHECK(here.entries() == 3);
}

TEST_CASE("devices and pipes are written in place") {
  OutputFiles null;
  null.reserve("/dev/null");
  null.write("/dev/null", "text");
  null.commit();
  struct stat status {};
  REQUIRE(::stat("/dev/null", &status) == 0);
  CHECK(S_ISCHR(status.st_mode));

  OutputFiles full;
  full.write("/dev/full", "text");
  CHECK_THROWS_WITH(full.commit(), "/dev/full: cannot be written: No space left on device");

  const Scratch here;
  REQUIRE(::mkfifo((here / "pipe").c_str(), 0600) == 0);
  const int reader = ::open((here / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  OutputFiles out;
  out.write(here / "pipe", "through");
  out.commit();
  char text[16] = {};
  CHECK(::read(reader, text, sizeof text) == 7);
  CHECK(std::string(text) == "through");
  ::close(reader);
}

TEST_CASE("a file is read whole") {
  const Scratch here;
  CHECK_THROWS_WITH(read_file(here / "none"), (here / "none").string() + ": cannot be read: No such file or directory");
  CHECK_THROWS_WITH(read_file(here.path()), here.path().string() + ": cannot be read: Is a directory");
  CHECK_THROWS_AS(read_file(""), InputError);
  put(here / "empty", "");
  CHECK(read_file(here / "empty").empty());
  std::string big(200001, 'x');
  big[77] = '\0';
  big[200000] = '\n';
  put(here / "big", big);
  CHECK(read_file(here / "big") == big);
  put(here / "sparse", "");
  fs::resize_file(here / "sparse", std::uintmax_t{1} << 40U);
  CHECK_THROWS_WITH(read_file(here / "sparse"), EndsWith(": cannot be read: it is larger than 1 GiB"));
}
