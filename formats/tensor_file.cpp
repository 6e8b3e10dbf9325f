// SPDX-License-Identifier: Apache-2.0
#include "formats/tensor_file.h"

#include <algorithm>
#include <boost/iostreams/device/mapped_file.hpp>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "formats/npy.h"
#include "formats/safetensors.h"

namespace nibble {

namespace fs = std::filesystem;

namespace {

constexpr const char* index_name = "model.safetensors.index.json";
constexpr const char* single_name = "model.safetensors";

bool ends_with(const std::string& text, std::string_view ending) {
  return text.size() >= ending.size() && std::string_view(text).substr(text.size() - ending.size()) == ending;
}

bool exists(const std::string& file) {
  std::error_code ignored;
  return !file.empty() && fs::exists(file, ignored);
}

/// The file that a directory stands for.
std::string checkpoint_in(const std::string& directory) {
  for (const char* name : {index_name, single_name}) {
    std::string file = (fs::path(directory) / name).string();
    if (exists(file)) return file;
  }
  throw InputError(directory + ": is a directory without " + index_name + " and " + single_name);
}

std::string some_names(const std::vector<StoredTensor>& tensors) {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : tensors) {
    if (names.size() == 5) {
      names.emplace_back("...");
      break;
    }
    names.push_back(printable(tensor.name, 100));
  }
  return join(names);
}

}  // namespace

struct TensorFile::Mapped {
  std::string name;
  boost::iostreams::mapped_file_source source;  ///< closed for an empty file, which cannot be mapped

  explicit Mapped(const std::string& file) : name(file) {
    std::error_code error;
    const fs::file_status status = fs::status(file, error);
    if (!fs::exists(status)) throw InputError(file + ": no such file");
    if (!fs::is_regular_file(status)) throw InputError(file + ": is not a regular file");
    const std::uintmax_t bytes = fs::file_size(file, error);
    if (error) throw InputError(file + ": cannot be read: " + error.message());
    if (bytes == 0) return;
    try {
      source.open(file);
    } catch (const std::exception&) {
      throw InputError(file + ": cannot be opened for reading");
    }
  }
  std::string_view bytes() const {
    return source.is_open() ? std::string_view(source.data(), source.size()) : std::string_view();
  }
};

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::vector<std::string> extents;
  for (const std::size_t extent : shape)
    extents.push_back(std::to_string(extent));
  return "[" + join(extents) + "]";
}

std::string StoredTensor::obstacle() const {
  if (!element) return "elements are " + type() + "; expected F16, BF16 or F32";
  if (shape.empty()) return "it has no axis";
  if (elements == 0) return "it is empty";
  return "";
}

TensorFile::TensorFile(const std::string& file) : file_(file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored)) file_ = checkpoint_in(file);
  if (ends_with(file_, ".json")) {
    open_index(file_);
  } else if (ends_with(file_, ".safetensors")) {
    const std::string_view bytes = map(file_).bytes();
    const std::uint64_t begin = safetensors_data_offset(bytes, bytes.size(), file_);
    tensors_ = parse_safetensors_header(bytes.substr(0, static_cast<std::size_t>(begin)), bytes.size(), file_);
    if (tensors_.empty()) throw InputError(file_ + ": holds no tensor");
  } else {
    named_ = false;
    const std::string_view bytes = map(file_).bytes();
    const std::uint64_t begin = npy_data_offset(bytes.substr(0, npy_prefix_bytes), bytes.size(), file_);
    const NpyHeader header = parse_npy_header(bytes.substr(0, static_cast<std::size_t>(begin)), bytes.size(), file_);
    StoredTensor tensor;
    tensor.dtype = to_string(header.type);
    tensor.element = header.type;
    tensor.shape = header.shape;
    tensor.elements = header.elements;
    tensor.offset = header.data_offset;
    tensor.bytes = bytes.size() - header.data_offset;
    tensors_.push_back(std::move(tensor));
  }
}

TensorFile::~TensorFile() = default;

const TensorFile::Mapped& TensorFile::map(const std::string& file) {
  parts_.push_back(std::make_unique<Mapped>(file));
  return *parts_.back();
}

void TensorFile::open_index(const std::string& file) {
  std::map<std::string, std::vector<std::string>> wanted;  // by file, in the order of the files' names
  {
    const Mapped index(file);
    if (index.bytes().size() > safetensors_max_header_bytes)
      throw InputError(file + ": is larger than 100000000 bytes");
    for (auto& [tensor, part] : parse_safetensors_index(index.bytes(), file))
      wanted[part].push_back(std::move(tensor));
  }
  for (auto& [part, names] : wanted) {
    const TensorFile shard((fs::path(file).parent_path() / part).string());
    std::sort(names.begin(), names.end());
    std::size_t found = 0;
    for (const StoredTensor& tensor : shard.tensors()) {
      if (!std::binary_search(names.begin(), names.end(), tensor.name)) continue;
      tensors_.push_back(tensor);
      tensors_.back().part = parts_.size();
      ++found;
    }
    if (found != names.size()) {
      for (const std::string& name : names)
        shard.at(name);  // throws for the one that is missing
    }
    map(shard.file());
  }
}

const StoredTensor& TensorFile::at(const std::string& name) const {
  if (!named_)
    throw InputError(file_ + ": is a .npy file, whose array has no name; '" + printable(name) + "' was given");
  for (const StoredTensor& tensor : tensors_) {
    if (tensor.name == name) return tensor;
  }
  std::vector<std::string> names;
  for (const StoredTensor& tensor : tensors_)
    names.push_back(tensor.name);
  const std::string nearest = nearest_spelling(name, names);
  throw InputError(
      file_ + ": holds no tensor '" + printable(name) + "'; " +
      (nearest.empty() ? "it holds " + some_names(tensors_) : "did you mean '" + printable(nearest) + "'?"));
}

std::string TensorFile::label(const StoredTensor& tensor) const {
  return named_ ? parts_[tensor.part]->name + ":" + printable(tensor.name) : file_;
}

void TensorFile::read(const StoredTensor& tensor, std::uint64_t first, std::size_t count, float* out) const {
  if (!tensor.obstacle().empty() || first > tensor.elements || count > tensor.elements - first)
    throw InternalError("elements that a stored tensor does not have");
  const std::uint64_t at = tensor.offset + first * element_bytes(*tensor.element);
  const std::string_view bytes = parts_[tensor.part]->bytes();
  widen(*tensor.element, reinterpret_cast<const unsigned char*>(bytes.data()) + at, count, out);
}

std::string_view TensorFile::raw(const StoredTensor& tensor) const {
  return parts_[tensor.part]->bytes().substr(static_cast<std::size_t>(tensor.offset),
                                             static_cast<std::size_t>(tensor.bytes));
}

Tensor TensorFile::read(const StoredTensor& stored) const {
  const std::string obstacle = stored.obstacle();
  if (!obstacle.empty()) throw InputError(label(stored) + ": " + obstacle);
  Tensor tensor{label(stored), stored.shape, {}};
  tensor.values.resize(static_cast<std::size_t>(stored.elements));
  read(stored, 0, tensor.values.size(), tensor.values.data());
  require_finite(tensor);
  return tensor;
}

TensorArgument TensorArgument::parse(const std::string& argument) {
  if (exists(argument)) return {argument, ""};
  for (std::size_t colon = argument.find(':'); colon != std::string::npos; colon = argument.find(':', colon + 1)) {
    if (exists(argument.substr(0, colon))) return {argument.substr(0, colon), argument.substr(colon + 1)};
  }
  // No such file: the message shall name the file alone.
  for (const std::string_view ending : {".safetensors:", ".npy:", ".json:"}) {
    const std::size_t at = argument.find(ending);
    if (at != std::string::npos) {
      const std::size_t colon = at + ending.size() - 1;
      return {argument.substr(0, colon), argument.substr(colon + 1)};
    }
  }
  return {argument, ""};
}

Tensor read_tensor(const std::string& argument) {
  const TensorArgument wanted = TensorArgument::parse(argument);
  const TensorFile file(wanted.file);
  if (!wanted.tensor.empty()) return file.read(file.at(wanted.tensor));
  if (file.tensors().size() > 1) {
    throw InputError(file.file() + ": holds " + std::to_string(file.tensors().size()) + " tensors (" +
                     some_names(file.tensors()) + "); name one: " + file.file() + ":TENSOR");
  }
  return file.read(file.tensors().front());
}

}  // namespace nibble
