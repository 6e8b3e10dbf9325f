// SPDX-License-Identifier: Apache-2.0
#include "core/config_tree.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/utf8.h"

namespace nibble {

namespace {

constexpr std::size_t text_limit = std::size_t{4} << 20;
constexpr std::size_t value_limit = 250000;
constexpr std::size_t key_limit = 10000;  // lookups are linear

using Where = std::function<std::string(const ConfigPlace&)>;

/// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& text, int assignment, const Where& where)
      : text_(text), assignment_(assignment), where_(where) {}

  std::unique_ptr<ConfigValue> take() { return std::move(root_); }
  ConfigPlace place(const YAML::Mark& mark) const {
    if (mark.is_null()) return {1, 1, assignment_, 0};
    return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1, assignment_, 0};
  }
  [[noreturn]] void fail(const ConfigPlace& at, const std::string& why) const {
    throw InputError(one_line(where_(at) + ": " + why));
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_ != nullptr) fail(place(mark), "a second document begins here, expected one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(ConfigValue::Kind::null, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(place(mark), "an alias inside of its own anchor");
    add(copy(*found->second, place(mark), open_.size()), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    auto value = make(ConfigValue::Kind::scalar, mark);
    check_tag(mark, tag);
    value->quoted = tag != "?";
    if (value->quoted) check_closed(mark);
    value->text = text;
    add(std::move(value), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(ConfigValue::Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(ConfigValue::Kind::mapping, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    std::unique_ptr<ConfigValue> value;
    YAML::anchor_t anchor;
    bool have_key = false;
    std::string key;
    ConfigPlace key_place;
    std::unordered_set<std::string> keys;
  };

  std::unique_ptr<ConfigValue> make(ConfigValue::Kind kind, const YAML::Mark& mark) {
    auto value = std::make_unique<ConfigValue>();
    value->kind = kind;
    value->place = place(mark);
    count(value->place);
    return value;
  }

  void count(const ConfigPlace& at) {
    if (++values_ > value_limit)
      fail(at, "more than " + std::to_string(value_limit) + " values (aliases count in full)");
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
    fail(place(mark), "the tag '" + tag + "' is not supported, expected a value without a tag");
  }

  /// yaml-cpp takes the end of the text for a closing quote.
  void check_closed(const YAML::Mark& mark) const {
    auto at = static_cast<std::size_t>(mark.pos);
    while (at < text_.size() && (text_[at] == '&' || text_[at] == '!')) {
      at = text_.find_first_not_of(" \t\r\n", text_.find_first_of(" \t\r\n", at));
    }
    if (at >= text_.size() || (text_[at] != '\'' && text_[at] != '"')) return;
    const char quote = text_[at];
    for (++at; at < text_.size(); ++at) {
      if (quote == '"' && text_[at] == '\\') {
        ++at;
      } else if (quote == '\'' && text_.compare(at, 2, "''") == 0) {
        ++at;
      } else if (text_[at] == quote) {
        return;
      }
    }
    fail(place(mark), std::string("the quote that begins here is never closed, expected ") + quote);
  }

  void open(ConfigValue::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    check_tag(mark, tag);
    if (open_.size() >= config_depth_limit) too_deep(place(mark));
    open_.push_back(Level{make(kind, mark), anchor, false, {}, {}, {}});
  }

  void close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    add(std::move(level.value), level.anchor);
  }

  [[noreturn]] void too_deep(const ConfigPlace& at) const {
    fail(at, "nested deeper than " + std::to_string(config_depth_limit) + " levels");
  }

  void add(std::unique_ptr<ConfigValue> value, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = value.get();
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& level = open_.back();
    if (level.value->kind == ConfigValue::Kind::sequence) {
      level.value->items.push_back(std::move(value));
    } else if (!level.have_key) {
      take_key(level, *value);
      if (anchor != 0) keep_.push_back(std::move(value));  // the anchor of a key must outlive the key
    } else {
      level.have_key = false;
      level.value->members.push_back({std::move(level.key), level.key_place, std::move(value)});
    }
  }

  void take_key(Level& level, const ConfigValue& value) {
    if (value.kind == ConfigValue::Kind::null) fail(value.place, "a key is empty or null, expected a name");
    if (value.kind != ConfigValue::Kind::scalar)
      fail(value.place, "a key must be a single word or text, not a mapping or list");
    if (value.text == "<<" && !value.quoted) {
      fail(value.place, "merge keys ('<<') are not supported, expected every key written out");
    }
    if (!level.keys.insert(value.text).second) {
      fail(value.place, "the key '" + value.text + "' stands twice in this mapping, expected it once");
    }
    if (level.keys.size() > key_limit) {
      fail(value.place, "more than " + std::to_string(key_limit) + " keys in one mapping");
    }
    level.have_key = true;
    level.key = value.text;
    level.key_place = value.place;
  }

  std::unique_ptr<ConfigValue> copy(const ConfigValue& from, const ConfigPlace& at, std::size_t depth) {
    const bool nests = from.kind == ConfigValue::Kind::mapping || from.kind == ConfigValue::Kind::sequence;
    if (nests && depth >= config_depth_limit) too_deep(at);
    count(at);
    auto value = std::make_unique<ConfigValue>();
    value->kind = from.kind;
    value->place = from.place;
    value->quoted = from.quoted;
    value->text = from.text;
    for (const auto& item : from.items)
      value->items.push_back(copy(*item, at, depth + 1));
    for (const auto& member : from.members) {
      value->members.push_back({member.key, member.place, copy(*member.value, at, depth + 1)});
    }
    return value;
  }

  const std::string& text_;
  int assignment_;
  const Where& where_;
  std::unique_ptr<ConfigValue> root_;
  std::vector<Level> open_;
  std::vector<std::unique_ptr<ConfigValue>> keep_;
  std::unordered_map<YAML::anchor_t, const ConfigValue*> anchors_;  ///< finished values only
  std::size_t values_ = 0;
};

/// yaml-cpp ends a file silently at some control characters and mends broken UTF-8; both are refused here instead.
void check_text(const std::string& text, int assignment, const Where& where) {
  ConfigPlace at{1, 1, assignment};
  if (text.size() > text_limit) throw InputError(where(at) + ": larger than 4 MiB, not a configuration");
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(std::string_view(text).substr(i));
    if (length == 0) throw InputError(where(at) + ": not UTF-8 text");
    if ((c < 0x20U && c != '\n' && c != '\t' && c != '\r') || c == 0x7FU) {
      throw InputError(where(at) + ": a control character (code " + std::to_string(c) + "), expected text");
    }
    at.column += length;
    i += length;
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    }
  }
}

}  // namespace

ConfigMember* ConfigValue::find(const std::string& key) {
  for (ConfigMember& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

const ConfigMember* ConfigValue::find(const std::string& key) const {
  for (const ConfigMember& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20U; }, ' ');
  return text;
}

std::unique_ptr<ConfigValue> parse_yaml(const std::string& text, int assignment, const Where& where) {
  check_text(text, assignment, where);
  const std::string bare = text.compare(0, 3, "\xef\xbb\xbf") == 0 ? text.substr(3) : text;
  TreeBuilder builder(bare, assignment, where);
  try {
    std::istringstream stream(bare);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::DeepRecursion& error) {
    builder.fail(builder.place(error.mark), "nested too deeply");
  } catch (const YAML::Exception& error) {
    builder.fail(builder.place(error.mark), "not valid YAML: " + error.msg);
  }
  return builder.take();
}

}  // namespace nibble
