// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <system_error>

#include "core/config_node.h"
#include "core/error.h"

namespace nibble {

namespace fs = std::filesystem;

namespace {

/// The kinds with the word that a message uses for one of them.
const std::map<std::string, std::string>& kinds() {
  static const std::map<std::string, std::string> all{{"accelerators", "accelerator"}, {"models", "model"},
                                                      {"memories", "memory"},          {"technologies", "technology"},
                                                      {"experiments", "experiment"},   {"sweeps", "sweep"}};
  return all;
}

const std::string& singular(const std::string& kind) {
  const auto found = kinds().find(kind);
  if (found != kinds().end()) return found->second;
  std::vector<std::string> names;
  for (const auto& entry : kinds())
    names.push_back(entry.first);
  throw InputError(unknown_name("kind", kind, names));
}

/// Each holds the folders of the kinds; in the order in which they are searched.
std::vector<fs::path> search_path() {
  std::vector<fs::path> out;
  if (const char* variable = std::getenv("NIBBLE_CONFIG_PATH")) {
    const std::string text = variable;
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin) out.emplace_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  out.emplace_back("configs");
  std::error_code none;
  const fs::path program = fs::read_symlink("/proc/self/exe", none);
  if (!none) out.push_back(program.parent_path().parent_path() / "share/nibble/configs");
  out.emplace_back(NIBBLE_INSTALL_CONFIG_DIR);
  out.emplace_back(NIBBLE_SOURCE_CONFIG_DIR);
  return out;
}

bool is_file(const fs::path& file) {
  std::error_code none;
  return fs::exists(file, none) && !fs::is_directory(file, none);
}

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

bool names_a_file(const std::string& name) {
  return name.find('/') != std::string::npos || ends_with(name, ".yaml") || ends_with(name, ".yml") ||
         ends_with(name, ".json");
}

}  // namespace

fs::path find_config(const std::string& kind, const std::string& name) {
  const std::string& one = singular(kind);
  if (names_a_file(name)) {
    if (is_file(name)) return name;
    std::error_code none;
    const bool directory = fs::is_directory(name, none);
    const std::string stem = fs::path(name).stem().string();
    const std::vector<std::string> known = list_configs(kind);
    const bool meant = std::find(known.begin(), known.end(), stem) != known.end();
    throw InputError(name + ": cannot be read: " + (directory ? "Is a directory" : "No such file") +
                     (meant ? "; the " + one + " of that name is '" + stem + "'" : ""));
  }
  if (!name.empty()) {
    for (const fs::path& directory : search_path()) {
      fs::path file = directory / kind / (name + ".yaml");
      if (is_file(file)) return file;
    }
  }
  const std::vector<std::string> known = list_configs(kind);
  std::string why = unknown_name(one, name, known);
  if (known.empty()) {
    std::vector<std::string> places;
    for (const fs::path& directory : search_path())
      places.push_back((directory / kind).string());
    why += "; searched: " + join(places) + "; set NIBBLE_CONFIG_PATH to the directory that holds " + kind + "/";
  }
  throw InputError(why);
}

std::vector<std::string> list_configs(const std::string& kind) {
  singular(kind);
  std::set<std::string> names;
  for (const fs::path& directory : search_path()) {
    std::error_code none;
    for (fs::directory_iterator file(directory / kind, none), end; !none && file != end; file.increment(none)) {
      if (file->path().extension() == ".yaml" && is_file(file->path())) names.insert(file->path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace nibble
