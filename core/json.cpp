// SPDX-License-Identifier: Apache-2.0
#include "core/json.h"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "core/error.h"
#include "core/utf8.h"

namespace nibble {

namespace {

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20U || c == 0x7FU) {
      out += "\\u00";
      out += hex[c >> 4U];
      out += hex[c & 15U];
    } else if ((length = utf8_length(text)) == 0) {
      out += "\\ufffd";
      length = 1;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

/// Builds the tree while Boost.JSON parses. Numbers are converted here from their text: exactly rounded, whatever the
/// parser's own conversion does.
struct TreeHandler {
  static constexpr std::size_t max_object_size = 1U << 24U;
  static constexpr std::size_t max_array_size = 1U << 24U;
  static constexpr std::size_t max_key_size = 1U << 20U;
  static constexpr std::size_t max_string_size = 1U << 28U;
  using Error = boost::json::error_code;
  using View = boost::json::string_view;

  std::string why;              ///< set before returning false
  std::size_t values_left = 0;  ///< that may still come
  JsonValue root;
  std::vector<JsonValue> open;
  std::vector<std::string> keys;  ///< one per open object, of the member being read
  std::string text;

  bool put(JsonValue&& value, Error& error) {
    if (values_left == 0) return refuse("it holds too many values", error);
    --values_left;
    if (open.empty()) {
      root = std::move(value);
    } else if (open.back().kind == JsonValue::Kind::array) {
      open.back().items.push_back(std::move(value));
    } else {
      open.back().members.emplace_back(std::move(keys.back()), std::move(value));
    }
    return true;
  }
  bool refuse(std::string reason, Error& error) {
    why = std::move(reason);
    error = boost::json::error::syntax;
    return false;
  }
  bool begin(JsonValue::Kind kind) {
    JsonValue value;
    value.kind = kind;
    open.push_back(std::move(value));
    if (kind == JsonValue::Kind::object) keys.emplace_back();
    return true;
  }
  bool end(Error& error) {
    JsonValue value = std::move(open.back());
    open.pop_back();
    if (value.kind == JsonValue::Kind::object) keys.pop_back();
    return put(std::move(value), error);
  }

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) { return begin(JsonValue::Kind::object); }
  bool on_object_end(std::size_t, Error& error) {
    std::vector<std::string_view> names;
    for (const auto& member : open.back().members)
      names.push_back(member.first);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) return refuse("the key \"" + printable(*twice) + "\" stands twice in one object", error);
    return end(error);
  }
  bool on_array_begin(Error&) { return begin(JsonValue::Kind::array); }
  bool on_array_end(std::size_t, Error& error) { return end(error); }
  bool on_key_part(View part, std::size_t, Error&) { return collect(part); }
  bool on_key(View part, std::size_t, Error&) {
    collect(part);
    keys.back() = std::exchange(text, {});
    return true;
  }
  bool on_string_part(View part, std::size_t, Error&) { return collect(part); }
  bool on_string(View part, std::size_t, Error& error) {
    collect(part);
    JsonValue value;
    value.kind = JsonValue::Kind::string;
    value.string = std::exchange(text, {});
    return put(std::move(value), error);
  }
  bool on_number_part(View part, Error&) { return collect(part); }
  bool on_int64(std::int64_t number, View, Error& error) {
    text.clear();
    JsonValue value;
    value.kind = JsonValue::Kind::integer;
    value.integer = number;
    value.number = static_cast<double>(number);
    return put(std::move(value), error);
  }
  bool on_uint64(std::uint64_t, View part, Error& error) { return on_double(0, part, error); }
  bool on_double(double near, View part, Error& error) {
    collect(part);
    const std::string digits = std::exchange(text, {});
    JsonValue value;
    value.kind = JsonValue::Kind::number;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value.number);
    if (result.ec == std::errc::result_out_of_range && std::fabs(near) < 1) {
      value.number = digits.front() == '-' ? -0.0 : 0.0;
    } else if (result.ec != std::errc() || result.ptr != digits.data() + digits.size()) {
      return refuse("the number " + printable(digits) + " is out of range", error);
    }
    return put(std::move(value), error);
  }
  bool on_bool(bool flag, Error& error) {
    JsonValue value;
    value.kind = JsonValue::Kind::boolean;
    value.boolean = flag;
    return put(std::move(value), error);
  }
  bool on_null(Error& error) { return put(JsonValue(), error); }
  bool on_comment_part(View, Error&) { return true; }
  bool on_comment(View, Error&) { return true; }

 private:
  bool collect(View part) {
    text.append(part.data(), part.size());
    return true;
  }
};

}  // namespace

std::string to_text(double value) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 32> buffer{};
  return std::string(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
}

void JsonWriter::new_line() {
  if (layout_ == Layout::indented) out_ += '\n' + std::string(2 * open_.size(), ' ');
}

void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (open_.empty()) {
    if (!out_.empty()) throw InternalError("JSON: a second value at the top level");
    return;
  }
  if (open_.back() == '{') throw InternalError("JSON: a value without a key in an object");
  if (!first_) out_ += ',';
  new_line();
  first_ = false;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  if (open_.empty() || open_.back() != '{' || after_key_) throw InternalError("JSON: a key where none may stand");
  if (!first_) out_ += ',';
  new_line();
  append_string(out_, name);
  out_ += layout_ == Layout::indented ? ": " : ":";
  first_ = false;
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin(char bracket) {
  separate();
  out_ += bracket;
  open_.push_back(bracket);
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
  const char opening = bracket == '}' ? '{' : '[';
  if (open_.empty() || open_.back() != opening || after_key_) throw InternalError("JSON: a bracket closed out of turn");
  open_.pop_back();
  if (!first_) new_line();
  out_ += bracket;
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view text) {
  separate();
  out_ += text;
  return *this;
}

JsonWriter& JsonWriter::begin_object() {
  return begin('{');
}
JsonWriter& JsonWriter::end_object() {
  return end('}');
}
JsonWriter& JsonWriter::begin_array() {
  return begin('[');
}
JsonWriter& JsonWriter::end_array() {
  return end(']');
}
JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_string(out_, text);
  return *this;
}
JsonWriter& JsonWriter::value(double number) {
  return raw(to_text(number));
}
JsonWriter& JsonWriter::value(std::optional<double> number) {
  return number ? value(*number) : null();
}
JsonWriter& JsonWriter::value(std::uint64_t number) {
  return raw(std::to_string(number));
}
JsonWriter& JsonWriter::value(std::int64_t number) {
  return raw(std::to_string(number));
}
JsonWriter& JsonWriter::value(bool flag) {
  return raw(flag ? "true" : "false");
}
JsonWriter& JsonWriter::null() {
  return raw("null");
}

std::string JsonWriter::str() const {
  if (out_.empty() || !open_.empty()) throw InternalError("JSON: the document is not complete");
  return out_ + '\n';
}

const JsonValue* JsonValue::find(std::string_view name) const {
  for (const auto& member : members) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    if (out.size() + length > most) return out + "...";
    const bool shown = c >= 0x20U && c != 0x7FU && utf8_length(text) != 0;
    out += shown ? text.substr(0, length) : std::string_view("?");
    text.remove_prefix(length);
  }
  return out;
}

JsonValue parse_json(std::string_view text, const std::string& origin, std::size_t most_values) {
  boost::json::basic_parser<TreeHandler> parser{boost::json::parse_options()};
  parser.handler().values_left = most_values;
  boost::json::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  TreeHandler& handler = parser.handler();
  if (!error && read < text.size()) error = boost::json::error::extra_data;
  if (error) {
    throw InputError(origin + ": not valid JSON: " + (handler.why.empty() ? error.message() : handler.why) +
                     " at byte " + std::to_string(read));
  }
  return std::move(handler.root);
}

}  // namespace nibble
