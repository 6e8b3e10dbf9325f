// SPDX-License-Identifier: Apache-2.0
#include "core/config_document.h"

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "core/json.h"

namespace nibble {

namespace {

std::string comment(const std::string& origin, const std::string& source) {
  return one_line("  # " + origin + (source.empty() ? "" : " - " + source)) + '\n';
}

}  // namespace

std::string config_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : key.empty() ? path : path + "." + key;
}

std::string yaml_text(const std::string& text) {
  static const std::set<std::string> words{"null", "true", "false", "yes", "no", "on", "off"};
  std::string lower = text;
  bool plain = !text.empty() && text.find_first_not_of("0123456789.+-eExX") != std::string::npos;
  for (char& c : lower) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    plain = plain && (letter || (c >= '0' && c <= '9') || std::string_view("_./+-").find(c) != std::string_view::npos);
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (plain && text.front() != '-' && text.front() != '.' && text.front() != '+' && words.count(lower) == 0)
    return text;
  JsonWriter quoted;
  quoted.value(text);
  std::string out = quoted.str();
  out.pop_back();
  return out;
}

const ConfigNode::Place::Item* ConfigNode::Place::find(const std::string& key, Item::Kind kind) const {
  for (const Item& item : items) {
    if (item.key != key) continue;
    if (item.kind != kind) throw InternalError("configuration: read as two kinds: " + config_path(path, key));
    return &item;
  }
  return nullptr;
}

std::string ConfigNode::Document::spell(const ConfigPlace& at) const {
  if (at.assignment >= 0) return origins[static_cast<std::size_t>(at.assignment)];
  return files.at(static_cast<std::size_t>(at.file)) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::string ConfigNode::Document::message(const ConfigPlace& at, const std::string& path,
                                          const std::string& why) const {
  std::string text = spell(at) + ": ";
  const bool named = at.assignment >= 0 && assignments[static_cast<std::size_t>(at.assignment)] == path &&
                     text.rfind("--set ", 0) == 0;
  if (!path.empty() && !named) text += path + ": ";
  return one_line(text + why);
}

void ConfigNode::Document::fail(const ConfigPlace& at, const std::string& path, const std::string& why) const {
  throw ConfigValueError(message(at, path, why));
}

std::size_t ConfigNode::Document::open(ConfigValue& value, std::string path, ConfigPlace where, std::size_t parent) {
  places.emplace_back();
  Place& place = places.back();
  place.value = &value;
  place.path = std::move(path);
  place.where = where;
  place.parent = parent;
  return places.size() - 1;
}

bool ConfigNode::Document::is_foreign(std::size_t place) const {
  while (place != 0 && !places[place].foreign)
    place = places[place].parent;
  return places[place].foreign;
}

const ConfigMember* ConfigNode::Document::find(std::size_t place, const std::string& key) const {
  const ConfigMember* member = places[place].value->find(key);
  if (member != nullptr && member->value->kind == ConfigValue::Kind::null && is_foreign(place)) return nullptr;
  return member;
}

const ConfigMember* ConfigNode::Document::read(std::size_t place, const std::string& key) {
  places[place].known.insert(key);
  return find(place, key);
}

const ConfigMember& ConfigNode::Document::require(std::size_t place, const std::string& key,
                                                  const std::string& expected) {
  const ConfigMember* member = read(place, key);
  if (member != nullptr) return *member;
  const Place& at = places[place];
  std::vector<std::string> unread;
  for (const ConfigMember& other : at.value->members) {
    if (at.known.count(other.key) == 0) unread.push_back(other.key);
  }
  const std::string nearest = nearest_spelling(key, unread);
  fail(at.where, config_path(at.path, key),
       "is required and missing, expected " + expected +
           (nearest.empty() ? "" : "; did you mean it where '" + nearest + "' stands?"));
}

std::string ConfigNode::Document::source(std::size_t place, const std::string& key) const {
  const ConfigMember* member = places[place].value->find(key);
  const ConfigMember* sources = is_foreign(place) ? nullptr : places[place].value->find("sources");
  if (member == nullptr || sources == nullptr) return {};
  const ConfigMember* note = sources->value->find(key);
  if (note == nullptr) return {};
  // A note about the file's value says nothing about a value that replaced it.
  const ConfigPlace &value = member->value->place, &said = note->value->place;
  if (value.assignment != said.assignment || value.file != said.file) return {};
  return note->value->text;
}

void ConfigNode::Document::record(std::size_t place, const std::string& key, std::string value) {
  const ConfigMember* member = find(place, key);
  Resolved entry{config_path(places[place].path, key), std::move(value), "default", source(place, key)};
  if (member != nullptr) {
    const ConfigPlace& at = member->value->place;
    const bool set = at.assignment >= 0;
    entry.origin = set ? origins[static_cast<std::size_t>(at.assignment)]
                       : files.at(static_cast<std::size_t>(at.file)) + ":" + std::to_string(at.line);
    if (entry.origin.rfind("--set ", 0) == 0) entry.origin = "--set";
  }
  if (const Place::Item* item = places[place].find(key, Place::Item::Kind::value)) {
    records[item->record] = std::move(entry);
    return;
  }
  places[place].items.push_back({key, Place::Item::Kind::value, records.size(), {}});
  records.push_back(std::move(entry));
}

void ConfigNode::Document::check_sources(const Place& at) const {
  const ConfigMember* sources = at.value->find("sources");
  if (sources == nullptr) return;
  const std::string path = config_path(at.path, "sources");
  if (sources->value->kind != ConfigValue::Kind::mapping) {
    fail(sources->place, path, "must be a mapping from keys of this mapping to text");
  }
  std::vector<std::string> keys;
  for (const ConfigMember& member : at.value->members) {
    if (member.key != "sources") keys.push_back(member.key);
  }
  for (const ConfigMember& note : sources->value->members) {
    if (note.value->kind != ConfigValue::Kind::scalar) {
      fail(note.place, config_path(path, note.key), "must be text that says where the value comes from");
    }
    if (std::find(keys.begin(), keys.end(), note.key) != keys.end()) continue;
    const std::string nearest = nearest_spelling(note.key, keys);
    fail(note.place, config_path(path, note.key),
         "names no key of this mapping; " + (nearest.empty() ? "" : "did you mean '" + nearest + "'? ") +
             "keys: " + (keys.empty() ? "none" : join(keys)));
  }
}

void ConfigNode::Document::reject_unknown(std::size_t place) const {
  if (is_foreign(place)) return;
  const Place& at = places[place];
  for (const ConfigMember& member : at.value->members) {
    if (member.key == "sources" || at.known.count(member.key) != 0) continue;
    const std::vector<std::string> known(at.known.begin(), at.known.end());
    const std::string nearest = nearest_spelling(member.key, known);
    fail(member.place, config_path(at.path, member.key),
         "is not a known key; " + (nearest.empty() ? "" : "did you mean '" + nearest + "'? ") +
             "known: " + (known.empty() ? "none" : join(known)));
  }
  check_sources(at);
  for (const Place::Item& item : at.items) {
    for (const std::size_t below : item.places)
      reject_unknown(below);
  }
}

std::vector<ConfigNode::Resolved> ConfigNode::resolved() const {
  return document_->records;
}

std::string ConfigNode::resolved_yaml() const {
  const Document& document = *document_;
  // `lead` opens the first line of a mapping ("- " in a list), `indent` the others; both have the same length.
  struct Printer {
    const Document& document;
    std::string out;
    void mapping(std::size_t place, std::string lead, const std::string& indent) {
      for (const Place::Item& item : document.places[place].items) {
        out += std::exchange(lead, indent) + yaml_text(item.key) + ":";
        if (item.kind == Place::Item::Kind::value) {
          const Resolved& record = document.records[item.record];
          out += " " + record.value + comment(record.origin, record.source);
        } else if (item.kind == Place::Item::Kind::mapping) {
          below(item.places.front(), " {}\n", indent + "  ", indent + "  ");
        } else if (item.places.empty()) {
          out += " []\n";
        } else {
          out += '\n';
          for (const std::size_t each : item.places)
            list_item(each, indent + "  ");
        }
      }
    }
    void below(std::size_t place, const std::string& empty, const std::string& lead, const std::string& indent) {
      const bool none = document.places[place].items.empty();
      out += none ? empty : "\n";
      if (!none) mapping(place, lead, indent);
    }
    void list_item(std::size_t place, const std::string& indent) {
      if (document.places[place].items.empty()) {
        out += indent + "- {}\n";
      } else {
        mapping(place, indent + "- ", indent + "  ");
      }
    }
  };
  Printer printer{document, {}};
  printer.mapping(0, "", "");
  return printer.out.empty() ? "{}\n" : printer.out;
}

}  // namespace nibble
