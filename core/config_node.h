// SPDX-License-Identifier: Apache-2.0
/// Typed, loud configuration: YAML (or JSON) mappings in which every key has a type, a range and, unless it is
/// required, a default. Units stand in the key (`clock_mhz`, `capacity_kib`). Every error is an InputError whose
/// message begins with FILE:LINE:COL. A key that nobody read is an error that lists the known keys and the nearest
/// spelling.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

/// One mapping of a configuration file: a cheap handle; copies refer to the same mapping and share the record of which
/// keys were read and what they resolved to.
///
/// Use: read every key, then reject_unknown(). A mapping may hold the reserved key `sources`, a mapping from its own
/// keys to the origin of their values (paper section, data sheet); it documents, is printed by `nibble show`, and is
/// rejected when it names a key that the mapping does not have.
///
/// Scalars are strict: integers are decimal or 0x hexadecimal, numbers finite decimal, booleans true or false, and text
/// in quotes is none of these. A key without value (or null) is an error, also where a default exists; in foreign files
/// it counts as absent. A default outside of its range is an InternalError. A key may be read again.
class ConfigNode {
 public:
  /// Reads a file. JSON is accepted as the subset of YAML that it is. Errors: unreadable file, syntax, duplicate keys,
  /// root not a mapping, more than one document, tags, merge keys, and sizes that no configuration has (4 MiB, 64
  /// levels, 10000 keys in a mapping, 250000 values).
  static ConfigNode load(const std::filesystem::path& file);
  /// Reads the configuration that find_config finds. Its root may hold `base`, the name of another one of its kind, or
  /// a file beside it: that one is read first, its base beneath it, and the keys here stand over its keys, mapping by
  /// mapping, `sources` included; a list is replaced whole. JSON files have no base.
  static ConfigNode load(const std::string& kind, const std::string& name);
  /// Reads text; `origin` stands for the file name in messages.
  static ConfigNode parse(const std::string& text, const std::string& origin);

  /// Applies "path.to.key=value" (value in YAML syntax) as if it stood in the file; messages name it "--set
  /// path.to.key". Intermediate mappings are made when absent; list items are addressed by index; of keys that hold
  /// dots the longest that fits is meant. Keys are validated when they are read; overriding what was read already is an
  /// InternalError. InputError: no '=', an empty path or value, a path through a single value, an index beyond a list.
  void apply_override(const std::string& assignment);
  /// Puts the single values of this mapping, and of the mappings in it, over those of `base` as overrides whose
  /// messages name their place here; keys in `own_keys` belong to this mapping alone. For sections that take a preset
  /// and change some of it.
  void lay_over(ConfigNode& base, const std::vector<std::string>& own_keys, const std::string& prefix = "");

  /// As apply_override(); the resolved document gives `why` for the origin of the value.
  void apply_computed(const std::string& assignment, const std::string& why);
  /// Puts what `from`, another configuration, has at `key` here in its place, with the origins of its values. Both are
  /// roots and have the key.
  void take(const std::string& key, const ConfigNode& from);
  /// Whether the value at `key`, or a part of it, was given by apply_override().
  bool is_overridden(const std::string& key) const;
  /// Another configuration of the same values of which nothing has been read; of a root.
  ConfigNode unread_copy() const;

  // Reading. Without a default the key is required. A range is inclusive.
  std::string string(const std::string& key);
  std::string string(const std::string& key, const std::string& fallback);
  bool boolean(const std::string& key);
  bool boolean(const std::string& key, bool fallback);
  std::int64_t integer(const std::string& key, std::int64_t min, std::int64_t max);
  std::int64_t integer(const std::string& key, std::int64_t min, std::int64_t max, std::int64_t fallback);
  double number(const std::string& key, double min, double max);
  double number(const std::string& key, double min, double max, double fallback);
  /// One of `allowed`.
  std::string choice(const std::string& key, const std::vector<std::string>& allowed);
  std::string choice(const std::string& key, const std::vector<std::string>& allowed, const std::string& fallback);
  /// Scalars of a sequence; an absent key without default is an error.
  std::vector<std::string> strings(const std::string& key);
  std::vector<std::string> strings(const std::string& key, const std::vector<std::string>& fallback);
  std::vector<double> numbers(const std::string& key, double min, double max);
  /// The scalars of a list, or the single scalar, as YAML that reads back as the same: for values of another
  /// configuration's keys.
  std::vector<std::string> yaml_values(const std::string& key);

  bool has(const std::string& key) const;
  /// Whether the key is there and holds a mapping (where a name or a mapping may stand).
  bool is_mapping(const std::string& key) const;
  /// Whether the key is there and holds a list (where a value or several may stand).
  bool is_list(const std::string& key) const;
  /// Marks a key as known without reading it (keys of foreign files that do not concern nibble, see allow_other_keys).
  void ignore(const std::string& key);
  /// Foreign files (a Hugging Face config.json): unread keys are no error in this mapping and below.
  void allow_other_keys();

  /// The mapping at `key`; required.
  ConfigNode child(const std::string& key);
  /// The mapping at `key`, or an empty mapping placed here when absent (so that its defaults apply).
  ConfigNode child_or_empty(const std::string& key);
  /// The mappings of a sequence; absent: empty.
  std::vector<ConfigNode> children(const std::string& key);
  /// The mapping at `key` as name -> mapping, in file order; absent: empty.
  std::vector<std::pair<std::string, ConfigNode>> named_children(const std::string& key);
  /// The keys of this mapping in file order (without `sources`).
  std::vector<std::string> keys() const;

  /// Throws when this mapping, or a mapping below it that was opened, holds a key that was not read.
  void reject_unknown() const;

  /// Throws InputError at the place of `key`: its value when that is a scalar, else the key, or the mapping when the
  /// key is absent or empty: "FILE:LINE:COL: path.key: why".
  [[noreturn]] void fail(const std::string& key, const std::string& why) const;

  /// The same at an item of the list at `key`.
  [[noreturn]] void fail(const std::string& key, std::size_t item, const std::string& why) const;

  /// "FILE" as given.
  const std::string& file() const;
  /// The file, its base, the base of that, ...; and those of what was taken from other configurations.
  const std::vector<std::string>& files() const;
  /// Dotted path of this mapping, empty at the root.
  const std::string& path() const;
  /// The note in `sources` for a key, or an empty string, also when the value was overridden.
  std::string source(const std::string& key) const;

  /// Every key that was read, in reading order, with the resolved value and where it came from.
  struct Resolved {
    std::string path;    ///< dotted, from the root
    std::string value;   ///< as YAML scalar or flow sequence
    std::string origin;  ///< "default", "FILE:LINE", or "--set"
    std::string source;  ///< from `sources`, may be empty
  };
  std::vector<Resolved> resolved() const;
  /// The resolved configuration as a YAML document that loads to the same values; origin and source as comments.
  std::string resolved_yaml() const;

 private:
  struct Document;
  struct Place;
  struct Reader;
  struct Assigner;
  ConfigNode(std::shared_ptr<Document> document, std::size_t place);
  void override_from(const std::string& assignment, const std::string& origin);
  std::shared_ptr<Document> document_;
  std::size_t place_;  ///< index into the document's mappings
};

/// Finds `configs/<kind>/<name>.yaml` on the search path (NIBBLE_CONFIG_PATH, colon separated; ./configs; the installed
/// share directory; the source tree's configs for a build that was not installed). A name with a '/' or an ending
/// .yaml, .yml or .json is a file. kind: accelerators, models, memories, technologies, experiments, sweeps. Errors:
/// unknown name, with the known ones and the nearest spelling.
std::filesystem::path find_config(const std::string& kind, const std::string& name);

/// The names that find_config would resolve for `kind`, sorted, each once.
std::vector<std::string> list_configs(const std::string& kind);

}  // namespace nibble
