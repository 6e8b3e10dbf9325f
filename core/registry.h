// SPDX-License-Identifier: Apache-2.0
/// Names to factories; filled by explicit calls in one list per folder (no static initialisers), so a newcomer edits
/// one line.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace nibble {

/// `Make` is any callable type, for example std::function<std::unique_ptr<Pe>(const Config&)>.
template <class Make>
class Registry {
 public:
  struct Entry {
    std::string summary;  ///< one line, printed by `nibble list`
    Make make;
  };

  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  void add(const std::string& name, std::string summary, Make make) {
    if (!entries_.emplace(name, Entry{std::move(summary), std::move(make)}).second) {
      throw InternalError(kind_ + " registered twice: " + name);
    }
  }

  /// Throws InputError with the known names and the nearest spelling.
  const Entry& at(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) throw InputError(unknown_name(kind_, name, names()));
    return found->second;
  }

  bool contains(const std::string& name) const { return entries_.count(name) != 0; }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : entries_)
      out.push_back(entry.first);
    return out;
  }

 private:
  std::string kind_;
  std::map<std::string, Entry> entries_;  ///< ordered: output is the same on every run
};

}  // namespace nibble
