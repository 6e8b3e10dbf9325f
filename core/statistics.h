// SPDX-License-Identifier: Apache-2.0
/// Statistics: a module's own integers, registered with unit and meaning; derived values carry their formula and are
/// evaluated on read, so they cannot go stale.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

class Statistics {
 public:
  struct Value {
    std::string path;             ///< "memory.channel0.row_hits"
    std::optional<double> value;  ///< empty: not available (a ratio without denominator), never 0
    std::string unit;             ///< "count", "byte", "cycle", "pJ", "ratio"
    std::string meaning;          ///< one line
    std::string formula;          ///< derived values only
    bool integral = false;        ///< print as an integer
  };
  using Visit = std::function<void(const Value&)>;

  /// A group named `name`; with a parent its paths begin with the parent's path. The parent must outlive it. A name
  /// used twice below one parent, by groups or by values, is an InternalError.
  explicit Statistics(std::string name, Statistics* parent = nullptr);
  ~Statistics();
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;

  /// `value` is the owner's counter and must outlive this group. No cost in the hot path. Exact up to 2^53.
  void counter(std::string name, std::string unit, std::string meaning, std::uint64_t& value);
  /// Evaluated on read. A result that is not finite counts as not available.
  void derived(std::string name, std::string unit, std::string meaning, std::string formula,
               std::function<std::optional<double>()> value);

  /// Sets every counter of this group and its children to 0.
  void reset();
  /// Own values in order of registration, then the children in order of creation.
  void for_each(const Visit& visit) const;
  const std::string& path() const { return path_; }

  /// a / b, or not available when b is 0.
  static std::optional<double> ratio(double a, double b) {
    return b != 0 ? std::optional<double>(a / b) : std::nullopt;
  }

 private:
  struct Entry {
    std::string name, unit, meaning, formula;
    std::uint64_t* counter;
    std::function<std::optional<double>()> value;
  };
  void add(Entry entry);
  void claim(const std::string& path) const;
  std::string path_;
  Statistics* parent_;
  std::vector<Entry> entries_;
  std::vector<Statistics*> children_;
};

}  // namespace nibble
