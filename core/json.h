// SPDX-License-Identifier: Apache-2.0
/// JSON out (streamed, deterministic) and in (headers of binary containers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nibble {

/// Shortest decimal text that reads back as the same binary64 ("null" when not finite).
std::string to_text(double value);

/// Writes one JSON document; keys keep the order of the calls. Doubles round-trip; infinities, NaN and empty optionals
/// become null. Misuse (a value without a key in an object) is an InternalError.
class JsonWriter {
 public:
  /// indented: one value per line, two spaces per level; compact: no white space.
  enum class Layout { indented, compact };
  explicit JsonWriter(Layout layout = Layout::indented) : layout_(layout) {}
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(std::optional<double> number);
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
  JsonWriter& value(unsigned number) { return value(static_cast<std::uint64_t>(number)); }
  JsonWriter& value(bool flag);
  JsonWriter& null();
  template <class T>
  JsonWriter& field(std::string_view name, const T& item) {
    key(name);
    return value(item);
  }
  /// The document; all objects and arrays must be closed. Ends with a newline.
  std::string str() const;

 private:
  void separate();
  void new_line();
  JsonWriter& begin(char bracket);
  JsonWriter& end(char bracket);
  JsonWriter& raw(std::string_view text);
  Layout layout_;
  std::string out_;
  std::vector<char> open_;  ///< '{' or '[' per level
  bool first_ = true, after_key_ = false;
};

/// A parsed JSON value (small documents only: it is a tree of copies).
struct JsonValue {
  enum class Kind { null, boolean, integer, number, string, array, object };
  Kind kind = Kind::null;
  bool boolean = false;
  std::int64_t integer = 0;  ///< kind integer
  double number = 0;         ///< kinds integer and number
  std::string string;
  std::vector<JsonValue> items;
  std::vector<std::pair<std::string, JsonValue>> members;  ///< in document order, duplicates are a parse error
  const JsonValue* find(std::string_view name) const;
};

/// Text from a file for a message of one line: control characters and bytes that are no UTF-8 become '?', what is
/// longer than `most` bytes ends with "...".
std::string printable(std::string_view text, std::size_t most = 200);

/// Throws InputError "ORIGIN: not valid JSON: ... at byte N", also for duplicate keys, more than 32 levels, invalid
/// UTF-8, numbers beyond binary64 and more than `most_values` values (the tree needs about 150 bytes for each).
/// Integers beyond int64 become numbers.
JsonValue parse_json(std::string_view text, const std::string& origin,
                     std::size_t most_values = static_cast<std::size_t>(-1));

}  // namespace nibble
