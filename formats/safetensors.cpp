// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/json.h"

namespace nibble {
namespace {

constexpr std::size_t max_axes = 32;  ///< as in .npy
/// A tensor is about ten values of JSON; the largest published checkpoints have a hundred thousand tensors.
constexpr std::size_t max_values = std::size_t{1} << 22;

struct Dtype {
  const char* name;
  unsigned bits;
};

/// Every type of safetensors 0.6.
constexpr Dtype dtypes[] = {{"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
                            {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
                            {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
                            {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
                            {"I64", 64},        {"U64", 64}};

/// Integers and 8-bit numbers are what quantized checkpoints pack their codes and scales in, no values to encode.
std::optional<ElementType> element_of(const std::string& dtype) {
  if (dtype == "F16") return ElementType::float16;
  if (dtype == "BF16") return ElementType::bfloat16;
  if (dtype == "F32") return ElementType::float32;
  return std::nullopt;
}

using Kind = JsonValue::Kind;

/// One entry of the header.
class EntryReader {
 public:
  EntryReader(const std::string& file, const std::string& tensor, std::uint64_t data_bytes)
      : file_(file), tensor_(tensor), data_bytes_(data_bytes) {}

  /// `end` receives where its data ends; both offsets count from the first byte of data.
  StoredTensor read(const JsonValue& entry, std::uint64_t& end) const {
    if (entry.kind != Kind::object) fail("its entry is no object");
    for (const auto& member : entry.members) {
      if (member.first != "dtype" && member.first != "shape" && member.first != "data_offsets")
        fail("unknown key \"" + printable(member.first, 40) + "\"; expected dtype, shape, data_offsets");
    }
    StoredTensor tensor;
    tensor.name = tensor_;
    const unsigned bits = read_dtype(member(entry, "dtype"), tensor);
    read_shape(member(entry, "shape"), tensor);
    const JsonValue& offsets = member(entry, "data_offsets");
    if (offsets.kind != Kind::array || offsets.items.size() != 2) fail("data_offsets is not [begin, end]");
    tensor.offset = count(offsets.items[0], "data_offsets");
    end = count(offsets.items[1], "data_offsets");
    check_bytes(tensor, bits, end);
    return tensor;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(file_ + ": tensor \"" + printable(tensor_) + "\": " + what);
  }

  const JsonValue& member(const JsonValue& entry, const char* key) const {
    const JsonValue* value = entry.find(key);
    if (value == nullptr) fail(std::string(key) + " is missing");
    return *value;
  }

  unsigned read_dtype(const JsonValue& value, StoredTensor& tensor) const {
    if (value.kind != Kind::string) fail("dtype is no string");
    for (const Dtype& dtype : dtypes) {
      if (value.string != dtype.name) continue;
      tensor.element = element_of(value.string);
      tensor.dtype = value.string;
      return dtype.bits;
    }
    std::vector<std::string> known;
    for (const Dtype& dtype : dtypes)
      known.emplace_back(dtype.name);
    fail(unknown_name("dtype", printable(value.string, 40), known));
  }

  void read_shape(const JsonValue& value, StoredTensor& tensor) const {
    if (value.kind != Kind::array) fail("shape is no array");
    if (value.items.size() > max_axes) fail("more than 32 axes");
    bool empty = false;
    for (const JsonValue& item : value.items) {
      tensor.shape.push_back(static_cast<std::size_t>(count(item, "shape")));
      empty = empty || tensor.shape.back() == 0;
    }
    tensor.elements = empty ? 0 : 1;
    for (const std::size_t extent : tensor.shape) {
      if (empty) break;
      if (tensor.elements > std::numeric_limits<std::uint64_t>::max() / 64 / extent) fail("the shape is too large");
      tensor.elements *= extent;
    }
  }

  std::uint64_t count(const JsonValue& value, const char* where) const {
    if (value.kind != Kind::integer || value.integer < 0)
      fail(std::string(where) + " holds something else than integers from 0 to 2^63 - 1");
    return static_cast<std::uint64_t>(value.integer);
  }

  void check_bytes(StoredTensor& tensor, unsigned bits, std::uint64_t end) const {
    const std::string range = "[" + std::to_string(tensor.offset) + ", " + std::to_string(end) + "]";
    if (tensor.offset > end) fail("data_offsets " + range + " end before they begin");
    if (end > data_bytes_)
      fail("data_offsets " + range + " reach beyond the data, which has " + std::to_string(data_bytes_) + " bytes");
    if (tensor.elements * bits % 8 != 0) fail("its elements do not fill whole bytes");
    const std::uint64_t needed = tensor.elements * bits / 8;
    tensor.bytes = end - tensor.offset;
    if (needed == tensor.bytes) return;
    fail("shape " + shape_text(tensor.shape) + " of " + tensor.dtype + " needs " + std::to_string(needed) +
         " bytes, data_offsets " + range + " give " + std::to_string(tensor.bytes));
  }

  const std::string& file_;
  const std::string& tensor_;
  std::uint64_t data_bytes_;
};

void check_metadata(const JsonValue& metadata, const std::string& name) {
  if (metadata.kind != Kind::object) throw InputError(name + ": __metadata__ is no object of strings");
  for (const auto& member : metadata.members) {
    if (member.second.kind != Kind::string)
      throw InputError(name + ": __metadata__: \"" + printable(member.first, 40) + "\" is no string");
  }
}

struct Placed {
  StoredTensor tensor;
  std::uint64_t end = 0;
};

/// The tensors fill the data without overlap and without holes.
void check_order(const std::vector<Placed>& placed, std::uint64_t data_bytes, const std::string& name) {
  std::uint64_t end = 0;
  for (const Placed& next : placed) {
    if (next.tensor.offset < end) {
      throw InputError(name + ": tensor \"" + printable(next.tensor.name) + "\" begins at byte " +
                       std::to_string(next.tensor.offset) +
                       " of the data and overlaps the one before it, which ends at " + std::to_string(end));
    }
    if (next.tensor.offset > end) {
      throw InputError(name + ": bytes " + std::to_string(end) + " to " + std::to_string(next.tensor.offset) +
                       " of the data belong to no tensor");
    }
    end = next.end;
  }
  if (end != data_bytes) {
    throw InputError(name + ": the tensors end at byte " + std::to_string(end) + " of the data, the file has " +
                     std::to_string(data_bytes));
  }
}

}  // namespace

std::uint64_t safetensors_data_offset(std::string_view prefix, std::uint64_t file_bytes, const std::string& name) {
  if (prefix.size() < safetensors_prefix_bytes || file_bytes < safetensors_prefix_bytes)
    throw InputError(name + ": is not a .safetensors file: it is shorter than 8 bytes");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < safetensors_prefix_bytes; ++i)
    length |= std::uint64_t{static_cast<unsigned char>(prefix[i])} << (8 * i);
  if (length > safetensors_max_header_bytes) {
    throw InputError(name + ": is not a .safetensors file: it tells a header of " + std::to_string(length) +
                     " bytes, expected at most 100000000");
  }
  if (length > file_bytes - safetensors_prefix_bytes) {
    throw InputError(name + ": the header of " + std::to_string(length) + " bytes reaches beyond the file, which has " +
                     std::to_string(file_bytes));
  }
  return safetensors_prefix_bytes + length;
}

std::vector<StoredTensor> parse_safetensors_header(std::string_view front, std::uint64_t file_bytes,
                                                   const std::string& name) {
  const std::uint64_t begin = safetensors_data_offset(front, file_bytes, name), data_bytes = file_bytes - begin;
  if (front.size() < begin) throw InternalError("a .safetensors header that was cut off");
  const std::string_view text =
      front.substr(safetensors_prefix_bytes, static_cast<std::size_t>(begin - safetensors_prefix_bytes));
  if (text.empty() || text[0] != '{') throw InputError(name + ": the header does not begin with '{'");
  const JsonValue header = parse_json(text, name + ": header", max_values);
  std::vector<Placed> placed;
  for (const auto& member : header.members) {
    if (member.first == "__metadata__") {
      check_metadata(member.second, name);
      continue;
    }
    Placed next;
    next.tensor = EntryReader(name, member.first, data_bytes).read(member.second, next.end);
    placed.push_back(std::move(next));
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.tensor.offset != b.tensor.offset ? a.tensor.offset < b.tensor.offset : a.end < b.end;
  });
  check_order(placed, data_bytes, name);
  std::vector<StoredTensor> tensors;
  tensors.reserve(placed.size());
  for (Placed& next : placed) {
    next.tensor.offset += begin;
    tensors.push_back(std::move(next.tensor));
  }
  return tensors;
}

std::string safetensors_front(const std::vector<StoredTensor>& tensors) {
  JsonWriter json;
  // The reader of Hugging Face's transformers refuses files without this key.
  json.begin_object().key("__metadata__").begin_object().field("format", "pt").end_object();
  std::uint64_t begin = 0;
  for (const StoredTensor& tensor : tensors) {
    json.key(tensor.name).begin_object().field("dtype", tensor.dtype).key("shape").begin_array();
    for (const std::size_t extent : tensor.shape)
      json.value(std::uint64_t{extent});
    json.end_array()
        .key("data_offsets")
        .begin_array()
        .value(begin)
        .value(begin + tensor.bytes)
        .end_array()
        .end_object();
    begin += tensor.bytes;
  }
  std::string text = json.end_object().str();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data begins at a multiple of eight
  if (text.size() > safetensors_max_header_bytes) throw InternalError("a .safetensors header that is too long");
  std::string front(safetensors_prefix_bytes, '\0');
  for (std::size_t i = 0; i < front.size(); ++i)
    front[i] = static_cast<char>((text.size() >> (8 * i)) & 0xFF);
  return front + text;
}

std::vector<std::pair<std::string, std::string>> parse_safetensors_index(std::string_view text,
                                                                         const std::string& name) {
  const JsonValue index = parse_json(text, name, max_values);
  const JsonValue* map = index.find("weight_map");
  if (map == nullptr || map->kind != Kind::object)
    throw InputError(name + ": is no index of a checkpoint: the object weight_map is missing");
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& member : map->members) {
    const std::string& file = member.second.string;
    const std::string_view ending = ".safetensors";
    const bool plain = file.find_first_of("/\\") == std::string::npos && file.find('\0') == std::string::npos &&
                       file.size() > ending.size() &&
                       std::string_view(file).substr(file.size() - ending.size()) == ending;
    if (member.second.kind != Kind::string || !plain) {
      throw InputError(name + ": weight_map: \"" + printable(member.first) +
                       "\": expected the name of a .safetensors file beside the index");
    }
    entries.emplace_back(member.first, file);
  }
  if (entries.empty()) throw InputError(name + ": weight_map holds no tensor");
  return entries;
}

}  // namespace nibble
