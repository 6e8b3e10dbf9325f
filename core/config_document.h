// SPDX-License-Identifier: Apache-2.0
/// What all handles of one configuration share. Private to core/.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/config_node.h"
#include "core/config_tree.h"

namespace nibble {

/// One mapping that was opened.
struct ConfigNode::Place {
  /// What was read at a key, for the resolved document.
  struct Item {
    std::string key;
    enum class Kind { value, mapping, list } kind = Kind::value;
    std::size_t record = 0;           ///< value: index of the record
    std::vector<std::size_t> places;  ///< mapping: one, list: one per item
  };

  ConfigValue* value = nullptr;
  std::string path;
  ConfigPlace where;  ///< for messages about what is absent
  std::size_t parent = 0;
  bool foreign = false;
  std::set<std::string> known;
  std::vector<Item> items;  ///< in reading order

  /// Null when the key was not read; InternalError when it was read as another kind.
  const Item* find(const std::string& key, Item::Kind kind) const;
};

struct ConfigNode::Document {
  std::vector<std::string> files;        ///< the one that was named, then its base, the base of that, ...
  std::vector<std::string> assignments;  ///< the paths of the overrides
  /// What messages name for them: "--set path", the place of a section laid over, or how a value was computed.
  std::vector<std::string> origins;
  std::unique_ptr<ConfigValue> root;
  std::vector<std::unique_ptr<ConfigValue>> made;  ///< empty mappings in the place of absent ones
  std::deque<Place> places;
  std::vector<Resolved> records;

  /// The root of one file, its places numbered for it.
  std::unique_ptr<ConfigValue> parse_mapping(const std::string& text, int index);
  /// Reads a file and, beneath it, the bases that it names; `chain` holds the files that led here.
  std::unique_ptr<ConfigValue> load_tree(const std::filesystem::path& file, const std::string& kind,
                                         std::vector<std::string> chain);
  /// "FILE:3:7" or "--set path".
  std::string spell(const ConfigPlace& at) const;
  std::string message(const ConfigPlace& at, const std::string& path, const std::string& why) const;
  /// Throws ConfigValueError.
  [[noreturn]] void fail(const ConfigPlace& at, const std::string& path, const std::string& why) const;
  std::size_t open(ConfigValue& value, std::string path, ConfigPlace where, std::size_t parent);
  bool is_foreign(std::size_t place) const;
  /// The member, or null when absent; null and `~` count as absent in foreign files.
  const ConfigMember* find(std::size_t place, const std::string& key) const;
  /// As find(), and marks the key as known.
  const ConfigMember* read(std::size_t place, const std::string& key);
  /// As read(), for keys that are required.
  const ConfigMember& require(std::size_t place, const std::string& key, const std::string& expected);
  std::string source(std::size_t place, const std::string& key) const;
  void record(std::size_t place, const std::string& key, std::string value);
  void reject_unknown(std::size_t place) const;
  void check_sources(const Place& at) const;
};

/// "a.b", or "b" at the root.
std::string config_path(const std::string& path, const std::string& key);

/// `text` as a YAML scalar that reads back as the same text.
std::string yaml_text(const std::string& text);

}  // namespace nibble
