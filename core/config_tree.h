// SPDX-License-Identifier: Apache-2.0
/// The parsed text behind ConfigNode: a plain tree in which every value knows where it stands. Private to core/.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nibble {

/// Where a value stands: a line and column of the file, or the override with that number.
struct ConfigPlace {
  std::size_t line = 1, column = 1;  ///< from 1; columns count bytes
  int assignment = -1;               ///< index of the override, -1: the file
  int file = 0;                      ///< index of the file; a configuration with a base has several
};

struct ConfigMember;

struct ConfigValue {
  enum class Kind { null, scalar, sequence, mapping };
  Kind kind = Kind::null;
  ConfigPlace place;
  bool quoted = false;  ///< text in quotes is never a number, a boolean or null
  std::string text;     ///< scalars
  std::vector<std::unique_ptr<ConfigValue>> items;
  std::vector<ConfigMember> members;  ///< in file order, every key once

  ConfigMember* find(const std::string& key);
  const ConfigMember* find(const std::string& key) const;
};

struct ConfigMember {
  std::string key;
  ConfigPlace place;
  std::unique_ptr<ConfigValue> value;
};

/// Mappings and sequences inside each other; text deeper than this is refused, so recursion over a tree is bounded.
constexpr std::size_t config_depth_limit = 64;

/// `text` with control characters replaced by blanks: a message is one line.
std::string one_line(std::string text);

/// A copy whose overrides and files are numbered behind as many others.
std::unique_ptr<ConfigValue> copy_tree(const ConfigValue& from, int more_assignments, int more_files);

/// Turns one YAML document into a tree; aliases become copies. `where` words a place for messages ("FILE:3:7").
/// Null when the text holds no document. InputError "PLACE: why": syntax, duplicate or non-scalar keys, tags, a second
/// document, text that is not UTF-8, more than 4 MiB, 64 levels, 10000 keys in a mapping or 250000 values (aliases
/// expanded).
std::unique_ptr<ConfigValue> parse_yaml(const std::string& text, int assignment,
                                        const std::function<std::string(const ConfigPlace&)>& where);

}  // namespace nibble
