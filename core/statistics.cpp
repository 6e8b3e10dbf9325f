// SPDX-License-Identifier: Apache-2.0
#include "core/statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace nibble {

namespace {

std::string below(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

}  // namespace

Statistics::Statistics(std::string name, Statistics* parent)
    : path_(parent != nullptr ? below(parent->path_, name) : std::move(name)), parent_(parent) {
  if (parent_ == nullptr) return;
  parent_->claim(path_);
  parent_->children_.push_back(this);
}

Statistics::~Statistics() {
  if (parent_ == nullptr) return;
  auto& siblings = parent_->children_;
  siblings.erase(std::remove(siblings.begin(), siblings.end(), this), siblings.end());
}

void Statistics::claim(const std::string& path) const {
  bool taken = false;
  for (const Entry& entry : entries_)
    taken = taken || below(path_, entry.name) == path;
  for (const Statistics* child : children_)
    taken = taken || child->path_ == path;
  if (taken) throw InternalError("statistics: registered twice: " + path);
}

void Statistics::counter(std::string name, std::string unit, std::string meaning, std::uint64_t& value) {
  add({std::move(name), std::move(unit), std::move(meaning), "", &value, nullptr});
}

void Statistics::derived(std::string name, std::string unit, std::string meaning, std::string formula,
                         std::function<std::optional<double>()> value) {
  add({std::move(name), std::move(unit), std::move(meaning), std::move(formula), nullptr, std::move(value)});
}

void Statistics::add(Entry entry) {
  claim(below(path_, entry.name));
  entries_.push_back(std::move(entry));
}

void Statistics::reset() {
  for (const Entry& entry : entries_) {
    if (entry.counter != nullptr) *entry.counter = 0;
  }
  for (Statistics* child : children_)
    child->reset();
}

void Statistics::for_each(const Visit& visit) const {
  for (const Entry& entry : entries_) {
    Value out{below(path_, entry.name), std::nullopt, entry.unit, entry.meaning, entry.formula,
              entry.counter != nullptr};
    out.value = entry.counter != nullptr ? static_cast<double>(*entry.counter) : entry.value();
    if (out.value && !std::isfinite(*out.value)) out.value.reset();
    visit(out);
  }
  for (const Statistics* child : children_)
    child->for_each(visit);
}

}  // namespace nibble
