// SPDX-License-Identifier: Apache-2.0
/// Configurations made of others: a file over its base, a section taken from another machine.
#include <algorithm>
#include <utility>

#include "core/config_document.h"
#include "core/error.h"
#include "core/file.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;
using Kind = ConfigValue::Kind;

ConfigPlace moved(ConfigPlace place, int more_assignments, int more_files) {
  if (place.assignment >= 0) place.assignment += more_assignments;
  place.file += more_files;
  return place;
}

/// The members of `over` replace those of `base`, mapping by mapping.
void lay(ConfigValue& base, ConfigValue& over) {
  base.place = over.place;
  for (ConfigMember& member : over.members) {
    ConfigMember* below = base.find(member.key);
    if (below == nullptr) {
      base.members.push_back(std::move(member));
    } else if (below->value->kind == Kind::mapping && member.value->kind == Kind::mapping) {
      lay(*below->value, *member.value);
    } else {
      below->place = member.place;
      below->value = std::move(member.value);
    }
  }
}

/// A file beside the one that names it, or a name on the search path.
fs::path base_file(const fs::path& file, const std::string& kind, const std::string& base) {
  const fs::path beside = file.parent_path() / base;
  std::error_code none;
  const bool names_a_file = !beside.extension().empty() || base.find('/') != std::string::npos;
  return names_a_file && fs::exists(beside, none) ? beside : find_config(kind, base);
}

bool overridden(const ConfigValue& value, const std::vector<std::string>& origins) {
  const int assignment = value.place.assignment;
  if (assignment >= 0 && origins[static_cast<std::size_t>(assignment)].rfind("--set ", 0) == 0) return true;
  return std::any_of(value.members.begin(), value.members.end(),
                     [&](const ConfigMember& member) { return overridden(*member.value, origins); }) ||
         std::any_of(value.items.begin(), value.items.end(),
                     [&](const auto& item) { return overridden(*item, origins); });
}

}  // namespace

std::unique_ptr<ConfigValue> copy_tree(const ConfigValue& from, int more_assignments, int more_files) {
  auto value = std::make_unique<ConfigValue>();
  value->kind = from.kind;
  value->place = moved(from.place, more_assignments, more_files);
  value->quoted = from.quoted;
  value->text = from.text;
  for (const auto& item : from.items)
    value->items.push_back(copy_tree(*item, more_assignments, more_files));
  for (const ConfigMember& member : from.members) {
    value->members.push_back({member.key, moved(member.place, more_assignments, more_files),
                              copy_tree(*member.value, more_assignments, more_files)});
  }
  return value;
}

std::unique_ptr<ConfigValue> ConfigNode::Document::load_tree(const fs::path& path, const std::string& kind,
                                                             std::vector<std::string> chain) {
  const int index = static_cast<int>(files.size());
  files.push_back(path.string());
  std::unique_ptr<ConfigValue> tree = parse_mapping(read_file(path), index);
  const auto named = std::find_if(tree->members.begin(), tree->members.end(),
                                  [](const ConfigMember& member) { return member.key == "base"; });
  if (named == tree->members.end() || path.extension() == ".json") return tree;
  const ConfigPlace at = named->value->place;
  if (named->value->kind != Kind::scalar) fail(named->place, "base", "must be the name of a configuration");
  const std::string base = named->value->text;
  tree->members.erase(named);
  try {
    const fs::path file = base_file(path, kind, base);
    std::error_code none;
    chain.push_back(fs::weakly_canonical(path, none).string());
    if (std::find(chain.begin(), chain.end(), fs::weakly_canonical(file, none).string()) != chain.end())
      fail(at, "base", "'" + base + "' has this configuration for its own base");
    std::unique_ptr<ConfigValue> below = load_tree(file, kind, std::move(chain));
    lay(*below, *tree);
    return below;
  } catch (const InputError& error) {
    const std::string why = error.what();
    if (why.rfind("unknown ", 0) == 0) fail(at, "base", why);
    throw;
  }
}

ConfigNode ConfigNode::load(const std::string& kind, const std::string& name) {
  auto document = std::make_shared<Document>();
  document->root = document->load_tree(find_config(kind, name), kind, {});
  document->open(*document->root, "", document->root->place, 0);
  return ConfigNode(std::move(document), 0);
}

ConfigNode ConfigNode::unread_copy() const {
  auto document = std::make_shared<Document>();
  document->files = document_->files;
  document->assignments = document_->assignments;
  document->origins = document_->origins;
  document->root = copy_tree(*document_->root, 0, 0);
  document->open(*document->root, "", document->root->place, 0);
  return ConfigNode(std::move(document), 0);
}

void ConfigNode::apply_computed(const std::string& assignment, const std::string& why) {
  override_from(assignment, why);
}

void ConfigNode::take(const std::string& key, const ConfigNode& from) {
  Document& document = *document_;
  const Document& other = *from.document_;
  const auto more_assignments = static_cast<int>(document.assignments.size());
  const auto more_files = static_cast<int>(document.files.size());
  document.files.insert(document.files.end(), other.files.begin(), other.files.end());
  document.assignments.insert(document.assignments.end(), other.assignments.begin(), other.assignments.end());
  document.origins.insert(document.origins.end(), other.origins.begin(), other.origins.end());
  ConfigMember* own = document.root->find(key);
  const ConfigMember* theirs = other.root->find(key);
  if (own == nullptr || theirs == nullptr || document.places.front().known.count(key) != 0)
    throw InternalError("configuration: cannot take " + key);
  own->place = moved(theirs->place, more_assignments, more_files);
  own->value = copy_tree(*theirs->value, more_assignments, more_files);
}

bool ConfigNode::is_overridden(const std::string& key) const {
  const ConfigMember* member = document_->find(place_, key);
  return member != nullptr && overridden(*member->value, document_->origins);
}

}  // namespace nibble
