// SPDX-License-Identifier: Apache-2.0
#include "core/config_node.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/config_document.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace nibble {

namespace {

using Kind = ConfigValue::Kind;

const char* describe(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "has no value";
    case Kind::scalar:
      return "is a single value";
    case Kind::sequence:
      return "is a list";
    case Kind::mapping:
      return "is a mapping";
  }
  return "";
}

/// `text` as it stands in a message, not longer than a line.
std::string shorten(const std::string& text) {
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}
std::string quote(const std::string& text) {
  return "'" + shorten(text) + "'";
}

/// "between 1 and 256", "at least 1", "at most 256" or "": what a range leaves to be said.
std::string range_text(const std::string& min, bool below_all, const std::string& max, bool above_all) {
  if (below_all && above_all) return "";
  if (above_all) return "at least " + min;
  if (below_all) return "at most " + max;
  return "between " + min + " and " + max;
}
std::string range_text(std::int64_t min, std::int64_t max) {
  return range_text(std::to_string(min), min == std::numeric_limits<std::int64_t>::min(), std::to_string(max),
                    max == std::numeric_limits<std::int64_t>::max());
}
std::string range_text(double min, double max) {
  return range_text(to_text(min), min <= std::numeric_limits<double>::lowest(), to_text(max),
                    max >= std::numeric_limits<double>::max());
}
std::string with_range(const std::string& noun, const std::string& range) {
  return range.empty() ? noun : noun + " " + range;
}

constexpr std::size_t parsed_texts = 64;  ///< that are kept: more files than the machines of a comparison name

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

enum class Read { ok, malformed, out_of_range };

/// [+-]decimal or [+-]0xhexadecimal without leading zeros.
Read read_integer(const std::string& text, std::int64_t& out) {
  std::string_view digits = text;
  const bool negative = !digits.empty() && digits.front() == '-';
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
    digits.remove_prefix(2);
    base = 16;
  } else if (digits.size() > 1 && digits.front() == '0') {
    return Read::malformed;
  }
  std::uint64_t magnitude = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (result.ptr != digits.data() + digits.size() || digits.empty()) return Read::malformed;
  const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + (negative ? 1U : 0U);
  if (result.ec != std::errc() || magnitude > limit) return Read::out_of_range;
  if (!negative) {
    out = static_cast<std::int64_t>(magnitude);
  } else {
    out = magnitude == 0 ? 0 : -static_cast<std::int64_t>(magnitude - 1) - 1;
  }
  return Read::ok;
}

/// [+-]digits[.digits][e[+-]digits]; no infinities, NaN or hexadecimal.
Read read_number(const std::string& text, double& out) {
  const bool sign = !text.empty() && (text.front() == '-' || text.front() == '+');
  const char* begin = text.data() + (sign ? 1 : 0);
  const char* end = text.data() + text.size();
  if (begin == end || !(is_digit(*begin) || (*begin == '.' && begin + 1 != end && is_digit(begin[1])))) {
    return Read::malformed;
  }
  const auto result = std::from_chars(begin, end, out);
  if (result.ptr != end) return Read::malformed;
  if (result.ec != std::errc()) return Read::out_of_range;
  if (text.front() == '-') out = -out;
  return Read::ok;
}

template <class T>
void check_fallback(const std::string& path, const T& fallback, bool allowed) {
  if (!allowed) throw InternalError("configuration: the default of " + path + " is not allowed: " + fallback);
}

std::string flow(const std::vector<std::string>& words) {
  return "[" + join(words) + "]";
}

std::string integer_text(std::int64_t value) {
  return std::to_string(value);
}

}  // namespace

/// Reads scalars of one document; `path` and `place` say what a message names.
struct ConfigNode::Reader {
  const Document& document;

  const std::string& scalar(const ConfigValue& value, const ConfigPlace& at, const std::string& path,
                            const std::string& expected) const {
    if (value.kind == Kind::scalar) return value.text;
    document.fail(at, path, std::string(describe(value.kind)) + ", expected " + expected);
  }

  std::int64_t integer(const ConfigMember& member, const std::string& path, std::int64_t min, std::int64_t max) const {
    const std::string range = range_text(min, max), expected = with_range("an integer", range);
    const ConfigValue& value = *member.value;
    const std::string& text = scalar(value, member.place, path, expected);
    std::int64_t out = 0;
    const Read read = value.quoted ? Read::malformed : read_integer(text, out);
    if (read == Read::malformed) {
      document.fail(value.place, path,
                    "must be " + expected + ", not " + (value.quoted ? "the text " : "") + quote(text));
    }
    if (read == Read::out_of_range || out < min || out > max) {
      document.fail(value.place, path,
                    "must be " + (range.empty() ? "an integer of 64 bits" : range) + ", not " + shorten(text));
    }
    return out;
  }

  double number(const ConfigValue& value, const ConfigPlace& at, const std::string& path, double min,
                double max) const {
    const std::string range = range_text(min, max), expected = with_range("a number", range);
    const std::string& text = scalar(value, at, path, expected);
    double out = 0;
    const Read read = value.quoted ? Read::malformed : read_number(text, out);
    if (read == Read::malformed) {
      document.fail(value.place, path,
                    "must be " + expected + ", not " + (value.quoted ? "the text " : "") + quote(text));
    }
    if (read == Read::out_of_range || out < min || out > max) {
      document.fail(value.place, path,
                    "must be " + (range.empty() ? "a binary64 number" : range) + ", not " + shorten(text));
    }
    return out;
  }
};

ConfigNode::ConfigNode(std::shared_ptr<Document> document, std::size_t place)
    : document_(std::move(document)), place_(place) {}

ConfigNode ConfigNode::load(const std::filesystem::path& file) {
  return parse(read_file(file), file.string());
}

std::unique_ptr<ConfigValue> ConfigNode::Document::parse_mapping(const std::string& text, int index) {
  const auto spell_here = [&](ConfigPlace at) {
    at.file = index;
    return spell(at);
  };
  // Many configurations of one process name the same cost books and bases; parsing is most of what reading them takes.
  static thread_local std::map<std::string, std::shared_ptr<const ConfigValue>> parsed_before;
  std::shared_ptr<const ConfigValue> parsed;
  if (const auto found = parsed_before.find(text); found != parsed_before.end()) {
    parsed = found->second;
  } else {
    parsed = parse_yaml(text, -1, spell_here);
    if (parsed_before.size() == parsed_texts) parsed_before.clear();
    parsed_before.emplace(text, parsed);
  }
  if (parsed != nullptr && parsed->kind == Kind::mapping) return copy_tree(*parsed, 0, index);
  const ConfigPlace at = parsed == nullptr ? ConfigPlace{} : parsed->place;
  std::string why = "is empty, expected a mapping";
  if (parsed != nullptr)
    why = std::string(parsed->kind == Kind::null ? "is empty" : describe(parsed->kind)) +
          ", expected a mapping (key: value)";
  throw InputError(one_line(spell_here(at) + ": " + why));
}

ConfigNode ConfigNode::parse(const std::string& text, const std::string& origin) {
  auto document = std::make_shared<Document>();
  document->files = {origin};
  document->root = document->parse_mapping(text, 0);
  document->open(*document->root, "", document->root->place, 0);
  return ConfigNode(std::move(document), 0);
}

std::string ConfigNode::string(const std::string& key) {
  const ConfigMember& member = document_->require(place_, key, "text");
  const std::string path = config_path(this->path(), key);
  std::string out = Reader{*document_}.scalar(*member.value, member.place, path, "text");
  document_->record(place_, key, yaml_text(out));
  return out;
}

std::string ConfigNode::string(const std::string& key, const std::string& fallback) {
  if (document_->read(place_, key) != nullptr) return string(key);
  document_->record(place_, key, yaml_text(fallback));
  return fallback;
}

bool ConfigNode::boolean(const std::string& key) {
  const ConfigMember& member = document_->require(place_, key, "true or false");
  const std::string path = config_path(this->path(), key);
  const std::string& text = Reader{*document_}.scalar(*member.value, member.place, path, "true or false");
  if (member.value->quoted || (text != "true" && text != "false")) {
    document_->fail(
        member.value->place, path,
        std::string("must be true or false, not ") + (member.value->quoted ? "the text " : "") + quote(text));
  }
  document_->record(place_, key, text);
  return text == "true";
}

bool ConfigNode::boolean(const std::string& key, bool fallback) {
  if (document_->read(place_, key) != nullptr) return boolean(key);
  document_->record(place_, key, fallback ? "true" : "false");
  return fallback;
}

std::int64_t ConfigNode::integer(const std::string& key, std::int64_t min, std::int64_t max) {
  const ConfigMember& member = document_->require(place_, key, with_range("an integer", range_text(min, max)));
  const std::int64_t out = Reader{*document_}.integer(member, config_path(path(), key), min, max);
  document_->record(place_, key, integer_text(out));
  return out;
}

std::int64_t ConfigNode::integer(const std::string& key, std::int64_t min, std::int64_t max, std::int64_t fallback) {
  check_fallback(config_path(path(), key), integer_text(fallback), fallback >= min && fallback <= max);
  if (document_->read(place_, key) != nullptr) return integer(key, min, max);
  document_->record(place_, key, integer_text(fallback));
  return fallback;
}

double ConfigNode::number(const std::string& key, double min, double max) {
  const ConfigMember& member = document_->require(place_, key, with_range("a number", range_text(min, max)));
  const double out = Reader{*document_}.number(*member.value, member.place, config_path(path(), key), min, max);
  document_->record(place_, key, to_text(out));
  return out;
}

double ConfigNode::number(const std::string& key, double min, double max, double fallback) {
  check_fallback(config_path(path(), key), to_text(fallback),
                 std::isfinite(fallback) && fallback >= min && fallback <= max);
  if (document_->read(place_, key) != nullptr) return number(key, min, max);
  document_->record(place_, key, to_text(fallback));
  return fallback;
}

std::string ConfigNode::choice(const std::string& key, const std::vector<std::string>& allowed) {
  const ConfigMember& member = document_->require(place_, key, "one of " + join(allowed));
  const std::string path = config_path(this->path(), key);
  std::string out = Reader{*document_}.scalar(*member.value, member.place, path, "one of " + join(allowed));
  if (std::find(allowed.begin(), allowed.end(), out) == allowed.end()) {
    const std::string nearest = nearest_spelling(out, allowed);
    document_->fail(member.value->place, path,
                    "must be one of " + join(allowed) + ", not " + quote(out) +
                        (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
  }
  document_->record(place_, key, yaml_text(out));
  return out;
}

std::string ConfigNode::choice(const std::string& key, const std::vector<std::string>& allowed,
                               const std::string& fallback) {
  check_fallback(config_path(path(), key), fallback,
                 std::find(allowed.begin(), allowed.end(), fallback) != allowed.end());
  if (document_->read(place_, key) != nullptr) return choice(key, allowed);
  document_->record(place_, key, yaml_text(fallback));
  return fallback;
}

std::vector<std::string> ConfigNode::strings(const std::string& key) {
  const std::string expected = "a list of words ([a, b])", path = config_path(this->path(), key);
  const ConfigMember& member = document_->require(place_, key, expected);
  if (member.value->kind != Kind::sequence) {
    document_->fail(member.place, path, std::string(describe(member.value->kind)) + ", expected " + expected);
  }
  std::vector<std::string> out, shown;
  for (std::size_t i = 0; i < member.value->items.size(); ++i) {
    const ConfigValue& item = *member.value->items[i];
    out.push_back(Reader{*document_}.scalar(item, item.place, config_path(path, std::to_string(i)), "text"));
    shown.push_back(yaml_text(out.back()));
  }
  document_->record(place_, key, flow(shown));
  return out;
}

std::vector<std::string> ConfigNode::strings(const std::string& key, const std::vector<std::string>& fallback) {
  if (document_->read(place_, key) != nullptr) return strings(key);
  std::vector<std::string> shown;
  shown.reserve(fallback.size());
  for (const std::string& word : fallback)
    shown.push_back(yaml_text(word));
  document_->record(place_, key, flow(shown));
  return fallback;
}

std::vector<std::string> ConfigNode::yaml_values(const std::string& key) {
  const std::string expected = "a value or a list of values", path = config_path(this->path(), key);
  const ConfigMember& member = document_->require(place_, key, expected);
  std::vector<std::string> out;
  const auto add = [&](const ConfigValue& value, const ConfigPlace& at, const std::string& where) {
    const std::string& text = Reader{*document_}.scalar(value, at, where, expected);
    out.push_back(value.quoted ? yaml_text(text) : text);
  };
  if (member.value->kind != Kind::sequence) add(*member.value, member.place, path);
  for (std::size_t i = 0; i < member.value->items.size(); ++i)
    add(*member.value->items[i], member.value->items[i]->place, config_path(path, std::to_string(i)));
  document_->record(place_, key, member.value->kind == Kind::sequence ? flow(out) : out.front());
  return out;
}

std::vector<double> ConfigNode::numbers(const std::string& key, double min, double max) {
  const std::string expected = with_range("a list of numbers", range_text(min, max)),
                    path = config_path(this->path(), key);
  const ConfigMember& member = document_->require(place_, key, expected);
  if (member.value->kind != Kind::sequence) {
    document_->fail(member.place, path, std::string(describe(member.value->kind)) + ", expected " + expected);
  }
  std::vector<double> out;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < member.value->items.size(); ++i) {
    const ConfigValue& item = *member.value->items[i];
    out.push_back(Reader{*document_}.number(item, item.place, config_path(path, std::to_string(i)), min, max));
    shown.push_back(to_text(out.back()));
  }
  document_->record(place_, key, flow(shown));
  return out;
}

bool ConfigNode::has(const std::string& key) const {
  return document_->find(place_, key) != nullptr;
}
bool ConfigNode::is_mapping(const std::string& key) const {
  const ConfigMember* member = document_->find(place_, key);
  return member != nullptr && member->value->kind == Kind::mapping;
}
bool ConfigNode::is_list(const std::string& key) const {
  const ConfigMember* member = document_->find(place_, key);
  return member != nullptr && member->value->kind == Kind::sequence;
}
void ConfigNode::ignore(const std::string& key) {
  document_->places[place_].known.insert(key);
}
void ConfigNode::allow_other_keys() {
  document_->places[place_].foreign = true;
}

ConfigNode ConfigNode::child(const std::string& key) {
  const ConfigMember& member = document_->require(place_, key, "a mapping");
  const std::string path = config_path(this->path(), key);
  if (member.value->kind != Kind::mapping) {
    document_->fail(member.place, path, std::string(describe(member.value->kind)) + ", expected a mapping");
  }
  if (const auto* item = document_->places[place_].find(key, Place::Item::Kind::mapping)) {
    return ConfigNode(document_, item->places.front());
  }
  const std::size_t place = document_->open(*member.value, path, member.place, place_);
  document_->places[place_].items.push_back({key, Place::Item::Kind::mapping, 0, {place}});
  return ConfigNode(document_, place);
}

ConfigNode ConfigNode::child_or_empty(const std::string& key) {
  if (document_->read(place_, key) != nullptr) return child(key);
  if (const auto* item = document_->places[place_].find(key, Place::Item::Kind::mapping)) {
    return ConfigNode(document_, item->places.front());
  }
  document_->made.push_back(std::make_unique<ConfigValue>());
  ConfigValue& empty = *document_->made.back();
  empty.kind = Kind::mapping;
  const ConfigPlace where = document_->places[place_].where;
  const std::size_t place = document_->open(empty, config_path(path(), key), where, place_);
  document_->places[place_].items.push_back({key, Place::Item::Kind::mapping, 0, {place}});
  return ConfigNode(document_, place);
}

std::vector<ConfigNode> ConfigNode::children(const std::string& key) {
  std::vector<ConfigNode> out;
  const ConfigMember* member = document_->read(place_, key);
  if (member == nullptr) return out;
  const std::string path = config_path(this->path(), key);
  if (member->value->kind != Kind::sequence) {
    document_->fail(member->place, path, std::string(describe(member->value->kind)) + ", expected a list of mappings");
  }
  std::vector<std::size_t> places;
  const auto* item = document_->places[place_].find(key, Place::Item::Kind::list);
  if (item != nullptr) {
    places = item->places;
  } else {
    for (std::size_t i = 0; i < member->value->items.size(); ++i) {
      ConfigValue& value = *member->value->items[i];
      const std::string item_path = config_path(path, std::to_string(i));
      if (value.kind != Kind::mapping) {
        document_->fail(value.place, item_path, std::string(describe(value.kind)) + ", expected a mapping");
      }
      places.push_back(document_->open(value, item_path, value.place, place_));
    }
    document_->places[place_].items.push_back({key, Place::Item::Kind::list, 0, places});
  }
  for (const std::size_t place : places)
    out.push_back(ConfigNode(document_, place));
  return out;
}

std::vector<std::pair<std::string, ConfigNode>> ConfigNode::named_children(const std::string& key) {
  std::vector<std::pair<std::string, ConfigNode>> out;
  if (document_->read(place_, key) == nullptr) return out;
  ConfigNode mapping = child(key);
  for (const std::string& name : mapping.keys())
    out.emplace_back(name, mapping.child(name));
  return out;
}

std::vector<std::string> ConfigNode::keys() const {
  std::vector<std::string> out;
  const bool foreign = document_->is_foreign(place_);
  for (const ConfigMember& member : document_->places[place_].value->members) {
    if (foreign || member.key != "sources") out.push_back(member.key);
  }
  return out;
}

void ConfigNode::reject_unknown() const {
  document_->reject_unknown(place_);
}

void ConfigNode::fail(const std::string& key, const std::string& why) const {
  const Place& place = document_->places[place_];
  const ConfigMember* member = place.value->find(key);
  ConfigPlace at = place.where;
  if (member != nullptr) at = member->value->kind == Kind::scalar ? member->value->place : member->place;
  throw InputError(document_->message(at, config_path(place.path, key), why));
}

void ConfigNode::fail(const std::string& key, std::size_t item, const std::string& why) const {
  const Place& place = document_->places[place_];
  const ConfigMember* member = place.value->find(key);
  if (member == nullptr || item >= member->value->items.size()) fail(key, why);
  throw InputError(document_->message(member->value->items[item]->place, config_path(place.path, key), why));
}

const std::string& ConfigNode::file() const {
  return document_->files.front();
}
const std::vector<std::string>& ConfigNode::files() const {
  return document_->files;
}
const std::string& ConfigNode::path() const {
  return document_->places[place_].path;
}
std::string ConfigNode::source(const std::string& key) const {
  return document_->source(place_, key);
}

}  // namespace nibble
