// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <utility>

#include "core/config_document.h"
#include "core/error.h"

namespace nibble {

namespace {

using Kind = ConfigValue::Kind;

std::string trim(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\n\r");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n\r") - begin + 1);
}

/// The part of `rest` that names the next key: the longest key of the mapping that stands there (keys may hold dots),
/// else everything up to the first dot.
std::string next_key(const ConfigValue& mapping, const std::string& rest) {
  std::string best;
  for (const ConfigMember& member : mapping.members) {
    const std::string& key = member.key;
    const bool fits = rest.compare(0, key.size(), key) == 0 && (rest.size() == key.size() || rest[key.size()] == '.');
    if (fits && key.size() > best.size()) best = key;
  }
  return best.empty() ? rest.substr(0, rest.find('.')) : best;
}

}  // namespace

/// Walks along the path of an assignment and puts its value at the end.
struct ConfigNode::Assigner {
  Document& document;
  std::string path;
  ConfigPlace at;

  [[noreturn]] void fail(const std::string& why) const {
    throw ConfigValueError(one_line("--set " + path + ": " + why));
  }

  /// A handle on what is replaced would go on with the old value.
  void check_unread(const ConfigValue& mapping, const std::string& key) const {
    for (const Place& place : document.places) {
      if (place.value == &mapping && place.known.count(key) != 0) {
        throw InternalError("configuration: --set " + path + " applied after '" + key + "' was read");
      }
    }
  }

  /// The value at the next step of the path, made when absent; `rest` keeps what follows the step.
  std::unique_ptr<ConfigValue>& step(ConfigValue& in, std::string& rest, const std::string& done) const {
    const std::string key = in.kind == Kind::mapping ? next_key(in, rest) : rest.substr(0, rest.find('.'));
    if (key.empty()) fail("the path has an empty part, expected path.to.key=value");
    rest.erase(0, key.size() == rest.size() ? key.size() : key.size() + 1);
    if (in.kind == Kind::mapping) {
      ConfigMember* member = in.find(key);
      if (member == nullptr || rest.empty() || member->value->kind != Kind::mapping) check_unread(in, key);
      if (member == nullptr) {
        in.members.push_back({key, at, nullptr});
        member = &in.members.back();
      }
      if (rest.empty() || member->value == nullptr || member->value->kind == Kind::null) member->place = at;
      return member->value;
    }
    if (in.kind != Kind::sequence) {
      fail("'" + done + "' is the value '" + in.text + "', not a mapping; set '" + done + "' itself");
    }
    std::size_t index = 0;
    const auto read = std::from_chars(key.data(), key.data() + key.size(), index);
    if (read.ptr != key.data() + key.size() || read.ec != std::errc() || index >= in.items.size()) {
      fail("'" + done + "' is a list of " + std::to_string(in.items.size()) + ", expected an index " +
           (in.items.empty() ? "of a longer list" : "from 0 to " + std::to_string(in.items.size() - 1)) + ", not '" +
           key + "'");
    }
    return in.items[index];
  }

  void assign(ConfigValue& root, std::string rest, std::unique_ptr<ConfigValue> value) const {
    ConfigValue* in = &root;
    std::string done;
    for (;;) {
      const std::string before = rest;
      std::unique_ptr<ConfigValue>& slot = step(*in, rest, done);
      if (rest.empty() && before.back() == '.') fail("the path has an empty part, expected path.to.key=value");
      if (rest.empty()) {
        slot = std::move(value);
        return;
      }
      if (slot == nullptr || slot->kind == Kind::null) {
        slot = std::make_unique<ConfigValue>();
        slot->kind = Kind::mapping;
        slot->place = at;
      }
      done = config_path(done, before.substr(0, before.size() - rest.size() - 1));
      in = slot.get();
    }
  }
};

void ConfigNode::apply_override(const std::string& assignment) {
  override_from(assignment, {});
}

void ConfigNode::override_from(const std::string& assignment, const std::string& origin) {
  const std::size_t equals = assignment.find('=');
  const std::string expected = ", expected path.to.key=value";
  if (equals == std::string::npos) throw InputError("--set " + assignment + ": has no '='" + expected);
  const std::string name = trim(assignment.substr(0, equals)), text = assignment.substr(equals + 1);
  if (name.empty()) throw InputError("--set " + assignment + ": names no key" + expected);
  if (trim(text).empty())
    throw InputError("--set " + assignment + ": has no value" + expected + " (\"\" is empty text)");
  if (static_cast<std::size_t>(std::count(name.begin(), name.end(), '.')) >= config_depth_limit) {
    throw InputError("--set " + name.substr(0, 60) + "...: the path has more than " +
                     std::to_string(config_depth_limit) + " parts");
  }
  Document& document = *document_;
  document.assignments.push_back(config_path(path(), name));
  document.origins.push_back(origin.empty() ? "--set " + document.assignments.back() : origin);
  const ConfigPlace at{1, 1, static_cast<int>(document.assignments.size()) - 1, 0};
  const Assigner assigner{document, document.assignments.back(), at};
  auto value = parse_yaml(text, at.assignment, [&](const ConfigPlace& where) { return document.spell(where); });
  if (value == nullptr) assigner.fail("has no value" + expected);
  assigner.assign(*document.places[place_].value, name, std::move(value));
}

void ConfigNode::lay_over(ConfigNode& base, const std::vector<std::string>& own_keys, const std::string& prefix) {
  for (const std::string& key : keys()) {
    if (std::find(own_keys.begin(), own_keys.end(), key) != own_keys.end()) continue;
    const std::string target = prefix + key;
    if (is_mapping(key)) {
      child(key).lay_over(base, {}, target + ".");
      continue;
    }
    const ConfigMember* member = document_->find(place_, key);
    base.override_from(target + "=" + string(key), document_->spell(member->value->place));
  }
}

}  // namespace nibble
