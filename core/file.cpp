// SPDX-License-Identifier: Apache-2.0
#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <system_error>

#include "core/error.h"

namespace nibble {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t read_limit = std::size_t{1} << 30;

[[noreturn]] void cannot_write(const fs::path& file, const std::string& why) {
  throw InputError(file.string() + ": cannot be written: " + why);
}
[[noreturn]] void cannot_write(const fs::path& file, int error) {
  cannot_write(file, std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// 0, or errno: a full disk may show only here.
  int close() { return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno; }

 private:
  int fd_;
};

/// 0 or errno.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return 0;
}

fs::path directory_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

/// Creates an empty file of a new name in `directory`; errors are reported for `target`.
fs::path create_temporary(const fs::path& directory, const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    fs::path file = directory / (".nibble-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp");
    const int fd = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0) {
      ::close(fd);
      return file;
    }
    if (errno == ENOENT) cannot_write(target, "No such file or directory: " + directory.string());
    if (errno == ENOTDIR) cannot_write(target, "Not a directory: " + directory.string());
    if (errno != EEXIST) cannot_write(target, errno);
  }
  cannot_write(target, EEXIST);
}

struct Target {
  fs::path place;       ///< `file` with symbolic links followed, so that a link stays a link
  bool stream = false;  ///< a device, pipe or socket: written in place, a rename would replace it
  bool exists = false;
};

Target inspect(const fs::path& file) {
  if (file.empty()) throw InputError("cannot be written: the file name is empty");
  Target target{file};
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    if (errno == ENOTDIR) cannot_write(file, "Not a directory: " + directory_of(file).string());
    if (errno != ENOENT) cannot_write(file, errno);
    if (!file.has_filename()) cannot_write(file, EISDIR);
    if (::lstat(file.c_str(), &status) == 0) cannot_write(file, "it is a symbolic link to nothing");
    return target;
  }
  if (S_ISDIR(status.st_mode)) cannot_write(file, EISDIR);
  if (::access(file.c_str(), W_OK) != 0) cannot_write(file, errno);
  target.exists = true;
  target.stream = !S_ISREG(status.st_mode);
  std::error_code failed;
  if (!target.stream) target.place = fs::canonical(file, failed);
  if (failed) cannot_write(file, failed.message());
  return target;
}

}  // namespace

struct OutputFiles::Impl {
  struct File {
    fs::path name;  ///< as the caller spelt it
    Target target;
    fs::path temporary;    ///< empty for streams
    std::string contents;  ///< streams only
    bool done = false;
  };
  std::vector<File> files;
  std::vector<fs::path> directories;  ///< created here, outermost first

  void make(const fs::path& directory, const fs::path& wanted) {
    struct stat status {};
    if (::stat(directory.c_str(), &status) == 0) {
      if (!S_ISDIR(status.st_mode)) cannot_write(wanted, "Not a directory: " + directory.string());
      return;
    }
    if (errno != ENOENT) cannot_write(wanted, errno);
    const fs::path parent = directory.has_filename() ? directory_of(directory) : directory.parent_path();
    if (parent != directory) make(parent, wanted);
    if (!directory.has_filename()) return;  // "a/": made as "a"
    if (::mkdir(directory.c_str(), 0777) == 0) {
      directories.push_back(directory);
    } else if (errno != EEXIST || !fs::is_directory(directory)) {
      cannot_write(wanted, errno);
    }
  }

  void drop() {
    for (const File& file : files) {
      if (!file.temporary.empty() && !file.done) ::unlink(file.temporary.c_str());
    }
    for (auto it = directories.rbegin(); it != directories.rend(); ++it)
      ::rmdir(it->c_str());  // only when empty
    files.clear();
    directories.clear();
  }
};

OutputFiles::OutputFiles() : impl_(std::make_unique<Impl>()) {}
OutputFiles::~OutputFiles() {
  impl_->drop();
}

void OutputFiles::make_directory(const fs::path& directory) {
  if (directory.empty()) throw InputError("cannot be written: the directory name is empty");
  impl_->make(directory, directory);
  ::unlink(create_temporary(directory, directory).c_str());
}

void OutputFiles::reserve(const fs::path& file) {
  const Target target = inspect(file);
  if (!target.stream) ::unlink(create_temporary(directory_of(target.place), file).c_str());
}

void OutputFiles::write(const fs::path& file, std::string_view contents) {
  Impl::File out{file, inspect(file), {}, {}};
  for (Impl::File& earlier : impl_->files) {
    if (earlier.target.place != out.target.place) continue;
    if (!earlier.temporary.empty()) ::unlink(earlier.temporary.c_str());
    impl_->files.erase(impl_->files.begin() + (&earlier - impl_->files.data()));
    break;
  }
  if (out.target.stream) {
    out.contents = contents;
    impl_->files.push_back(std::move(out));
    return;
  }
  out.temporary = create_temporary(directory_of(out.target.place), file);
  impl_->files.push_back(out);  // from here on drop() removes it
  Descriptor descriptor(::open(out.temporary.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (descriptor.get() < 0) cannot_write(file, errno);
  struct stat status {};
  if (out.target.exists && ::stat(out.target.place.c_str(), &status) == 0) {
    if (::fchmod(descriptor.get(), status.st_mode & 07777U) != 0) cannot_write(file, errno);
  }
  int error = write_all(descriptor.get(), contents);
  if (error == 0) error = descriptor.close();
  if (error != 0) cannot_write(file, error);
}

void OutputFiles::append(const fs::path& file, std::string_view contents) {
  for (Impl::File& earlier : impl_->files) {
    if (earlier.name != file) continue;
    if (earlier.target.stream) {
      earlier.contents += contents;
      return;
    }
    Descriptor descriptor(::open(earlier.temporary.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (descriptor.get() < 0) cannot_write(file, errno);
    int error = write_all(descriptor.get(), contents);
    if (error == 0) error = descriptor.close();
    if (error != 0) cannot_write(file, error);
    return;
  }
  write(file, contents);
}

void OutputFiles::commit() {
  const auto undo = [this](const std::string& file, int error) {
    for (const Impl::File& other : impl_->files) {
      if (other.done && !other.target.exists) ::unlink(other.target.place.c_str());
    }
    impl_->drop();
    cannot_write(file, error);
  };
  for (Impl::File& file : impl_->files) {
    if (file.target.stream) continue;
    if (::rename(file.temporary.c_str(), file.target.place.c_str()) != 0) undo(file.name.string(), errno);
    file.done = true;
  }
  for (Impl::File& file : impl_->files) {
    if (!file.target.stream) continue;
    Descriptor descriptor(::open(file.name.c_str(), O_WRONLY | O_CLOEXEC));
    int error = descriptor.get() < 0 ? errno : write_all(descriptor.get(), file.contents);
    if (error == 0) error = descriptor.close();
    if (error != 0) undo(file.name.string(), error);
  }
  impl_->files.clear();
  impl_->directories.clear();
}

std::string read_file(const fs::path& file) {
  const auto fail = [&file](const std::string& why) { throw InputError(file.string() + ": cannot be read: " + why); };
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) fail(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail(std::strerror(EISDIR));
  const std::string too_large = "it is larger than 1 GiB";
  std::string out;
  if (S_ISREG(status.st_mode)) {
    if (static_cast<std::uintmax_t>(status.st_size) > read_limit) fail(too_large);
    out.reserve(static_cast<std::size_t>(status.st_size) + 1);
  }
  std::array<char, 65536> block;
  for (;;) {
    const ssize_t got = ::read(descriptor.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(std::strerror(errno));
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > read_limit) fail(too_large);
    out.append(block.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace nibble
