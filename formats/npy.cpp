// SPDX-License-Identifier: Apache-2.0
#include "formats/npy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "core/error.h"
#include "formats/rounding.h"
#include "formats/tensor_file.h"

namespace nibble {
namespace {

constexpr std::string_view magic("\x93NUMPY", 6);
constexpr std::size_t max_axes = 32;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw InputError(name + ": " + what);
}

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

struct TypeName {
  NpyType type;
  const char* descr;  ///< as NumPy writes it
  std::size_t bytes;
};

constexpr TypeName type_names[] = {{NpyType::float16, "<f2", 2},
                                   {NpyType::float32, "<f4", 4},
                                   {NpyType::int8, "|i1", 1},
                                   {NpyType::uint8, "|u1", 1},
                                   {NpyType::int32, "<i4", 4}};

const TypeName& name_of(NpyType type) {
  for (const TypeName& entry : type_names) {
    if (entry.type == type) return entry;
  }
  throw InternalError("an array type without a name");
}

/// The Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } in any order and spacing.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  void read(std::string& descr, bool& fortran_order, std::vector<std::size_t>& shape) {
    bool have_descr = false, have_order = false, have_shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = string_literal();
      expect(':');
      bool* have = key == "descr"           ? &have_descr
                   : key == "fortran_order" ? &have_order
                   : key == "shape"         ? &have_shape
                                            : nullptr;
      if (have == nullptr) malformed("unknown key");
      if (*have) malformed("a key stands twice");
      *have = true;
      if (have == &have_descr) descr = descr_literal();
      if (have == &have_order) fortran_order = boolean();
      if (have == &have_shape) shape = tuple();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) malformed("text after the closing brace");
    if (!have_descr || !have_order || !have_shape) malformed("descr, fortran_order or shape is missing");
  }

 private:
  [[noreturn]] void malformed(const std::string& what) const { fail(name_, "malformed .npy header: " + what); }

  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip_space();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) malformed(std::string("expected '") + c + "'");
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::string string_literal() {
    skip_space();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) malformed("expected a string");
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) malformed("a string without an end");
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string descr_literal() {
    skip_space();
    if (!rest_.empty() && (rest_[0] == '[' || rest_[0] == '('))
      fail(name_, "an array of records; expected plain numbers");
    return string_literal();
  }
  bool boolean() {
    if (take_word("True")) return true;
    if (!take_word("False")) malformed("expected True or False");
    return false;
  }
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> extents;
    expect('(');
    while (!take(')')) {
      extents.push_back(extent());
      if (extents.size() > max_axes) fail(name_, "the array has more than 32 axes");
      take('L');  // Python 2 wrote long integers
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return extents;
  }
  std::size_t extent() {
    skip_space();
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      const auto digit = static_cast<std::uint64_t>(rest_[digits] - '0');
      if (value > (std::numeric_limits<std::int64_t>::max() - digit) / 10)
        fail(name_, "an extent of the shape is too large");
      value = value * 10 + digit;
    }
    if (digits == 0) malformed("expected an extent");
    rest_.remove_prefix(digits);
    return value;
  }

  std::string_view rest_;
  const std::string& name_;
};

NpyType type_of(const std::string& descr, const std::string& name) {
  for (const TypeName& entry : type_names) {
    const std::string_view kind(entry.descr + 1);
    if (std::string_view(descr).substr(descr.empty() ? 0 : 1) != kind) continue;
    // One byte has no order; NumPy writes '|', other writers '<'.
    if (descr[0] == '<' || (entry.bytes == 1 && (descr[0] == '|' || descr[0] == '>' || descr[0] == '=')))
      return entry.type;
    if (descr[0] == '>')
      fail(name,
           "big-endian data ('" + descr + "'); expected little-endian: array.astype('<" + std::string(kind) + "')");
  }
  std::string printable;
  for (const char c : descr.substr(0, 16))
    printable += c >= 32 && c < 127 ? c : '?';
  fail(name, "data type '" + printable + "'; expected float16, float32, int8, uint8 or int32");
}

std::string tuple_text(const std::vector<std::size_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::string header_for(NpyType type, const std::vector<std::size_t>& shape) {
  std::string dictionary = "{'descr': '" + std::string(name_of(type).descr) +
                           "', 'fortran_order': False, 'shape': " + tuple_text(shape) + ", }";
  const std::size_t front = magic.size() + 4;
  const std::size_t total = (front + dictionary.size() + 1 + 63) / 64 * 64;  // the data begins at a multiple of 64
  dictionary.append(total - front - dictionary.size() - 1, ' ').push_back('\n');
  std::string header(magic);
  header.push_back(1);
  header.push_back(0);
  header.push_back(static_cast<char>(dictionary.size() & 0xFF));
  header.push_back(static_cast<char>(dictionary.size() >> 8));
  return header + dictionary;
}

/// Element i of an array.
template <class Stored>
void store(std::string& out, std::size_t i, Stored value) {
  std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
}

void check_count(const std::vector<std::size_t>& shape, std::size_t count) {
  std::size_t elements = 1;
  for (const std::size_t extent : shape)
    elements *= extent;
  if (shape.empty() || elements != count) throw InternalError("an array whose shape and elements disagree");
}

}  // namespace

std::size_t npy_bytes(NpyType type) {
  return name_of(type).bytes;
}

std::uint64_t npy_data_offset(std::string_view prefix, std::uint64_t file_bytes, const std::string& name) {
  if (prefix.size() < 10 || prefix.substr(0, magic.size()) != magic) fail(name, "is not a .npy file");
  const std::uint32_t version = byte_at(prefix, 6);
  if (version < 1 || version > 3) fail(name, ".npy version " + std::to_string(version) + "; expected 1, 2 or 3");
  if (version > 1 && prefix.size() < npy_prefix_bytes) fail(name, "the file ends inside its header");
  std::uint64_t length = byte_at(prefix, 8) | byte_at(prefix, 9) << 8;
  if (version > 1) length |= std::uint64_t{byte_at(prefix, 10)} << 16 | std::uint64_t{byte_at(prefix, 11)} << 24;
  if (length > npy_max_header_bytes)
    fail(name, "a header of " + std::to_string(length) + " bytes; expected at most 1 MiB");
  const std::uint64_t offset = (version > 1 ? 12 : 10) + length;
  if (offset > file_bytes) fail(name, "the file ends inside its header");
  return offset;
}

NpyHeader parse_npy_header(std::string_view front, std::uint64_t file_bytes, const std::string& name) {
  NpyHeader header;
  header.data_offset = npy_data_offset(front.substr(0, npy_prefix_bytes), file_bytes, name);
  if (front.size() < header.data_offset) throw InternalError("a .npy header that was cut off");
  const std::size_t skipped = front[6] == 1 ? 10 : 12;
  std::string descr;
  bool fortran_order = false;
  HeaderReader(front.substr(skipped, header.data_offset - skipped), name).read(descr, fortran_order, header.shape);
  header.type = type_of(descr, name);
  if (header.shape.empty()) fail(name, "the array has no axis; expected at least one");
  header.elements = 1;
  for (const std::size_t extent : header.shape) {
    if (extent == 0) fail(name, "the array of shape " + tuple_text(header.shape) + " is empty");
    if (header.elements > std::numeric_limits<std::uint64_t>::max() / 8 / extent) fail(name, "the shape is too large");
    header.elements *= extent;
  }
  // Fortran order is no other order where at most one axis is longer than 1, but one rule is easier to know.
  if (fortran_order) fail(name, "Fortran order; expected C order: numpy.ascontiguousarray");
  const std::uint64_t needed = header.elements * npy_bytes(header.type), present = file_bytes - header.data_offset;
  if (needed != present) {
    fail(name, "shape " + tuple_text(header.shape) + " needs " + std::to_string(needed) +
                   " bytes of data, the file has " + std::to_string(present));
  }
  return header;
}

Tensor read_npy(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) fail(file.string(), "is not a regular file");
  const TensorFile array(file.string());
  if (array.named()) fail(file.string(), "is not a .npy file");
  return array.read(array.tensors().front());
}

std::string npy_header(NpyType type, const std::vector<std::size_t>& shape) {
  return header_for(type, shape);
}

std::string npy_elements(NpyType type, const float* values, std::size_t count) {
  if (type != NpyType::float16 && type != NpyType::float32) throw InternalError("real numbers in an integer array");
  std::string out(count * npy_bytes(type), '\0');
  if (type == NpyType::float32) {
    std::memcpy(out.data(), values, out.size());  // element_type.cpp: little endian
    return out;
  }
  for (std::size_t i = 0; i < count; ++i)
    store(out, i, fp16_bits(values[i]));
  return out;
}

std::string npy_elements(NpyType type, const std::int16_t* codes, std::size_t count) {
  if (type == NpyType::float16 || type == NpyType::float32) throw InternalError("codes in an array of real numbers");
  const int low = type == NpyType::int8 ? -128 : type == NpyType::uint8 ? 0 : std::numeric_limits<std::int16_t>::min();
  const int high = type == NpyType::int8    ? 127
                   : type == NpyType::uint8 ? 255
                                            : std::numeric_limits<std::int16_t>::max();
  if (count > 0) {
    const auto ends = std::minmax_element(codes, codes + count);
    if (*ends.first < low || *ends.second > high) throw InternalError("a code that its array cannot hold");
  }
  std::string out(count * npy_bytes(type), '\0');
  for (std::size_t i = 0; i < count; ++i) {
    if (type == NpyType::int32) {
      store(out, i, std::int32_t{codes[i]});
    } else {
      out[i] = static_cast<char>(codes[i] & 0xFF);
    }
  }
  return out;
}

std::string npy_contents(NpyType type, const std::vector<std::size_t>& shape, const std::vector<float>& values) {
  check_count(shape, values.size());
  return npy_header(type, shape) + npy_elements(type, values.data(), values.size());
}

std::string npy_contents(NpyType type, const std::vector<std::size_t>& shape, const std::vector<std::int16_t>& codes) {
  check_count(shape, codes.size());
  return npy_header(type, shape) + npy_elements(type, codes.data(), codes.size());
}

}  // namespace nibble
