// SPDX-License-Identifier: Apache-2.0
/// Results that leave an array some columns at a time, row by row, put together to groups along the rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "formats/rounding.h"

namespace nibble {

/// Throws InputError unless the `count` binary16 patterns are finite; `place` begins the message.
inline void require_finite_fp16(const std::uint16_t* values, std::size_t count, const std::string& place) {
  for (std::size_t i = 0; i < count; ++i) {
    if ((values[i] & 0x7C00) != 0x7C00) continue;
    throw InputError(place + ", element " + std::to_string(i) + ": " + ((values[i] & 0x3FF) != 0 ? "NaN" : "infinity") +
                     " cannot be coded");
  }
}

class RowCollector {
 public:
  RowCollector(std::string name, std::size_t rows, std::size_t columns, std::size_t extent)
      : name_(std::move(name)), columns_(columns), extent_(extent), filled_(rows, 0), values_(rows * columns) {
    if (rows == 0 || columns == 0 || extent == 0) throw InputError(name_ + ": no rows, no columns or empty groups");
  }

  /// The next `count` values of a row, as binary16 patterns. Calls closed(group along the row, first value, length) for
  /// every group that they complete. Throws InputError for values that are not finite or too many, and changes nothing.
  template <class Closed>
  void push(std::size_t row, const std::uint16_t* values, std::size_t count, Closed closed) {
    if (row >= filled_.size() || count > columns_ - filled_[row]) {
      throw InputError(name_ + ": row " + std::to_string(row) + ": " + std::to_string(count) +
                       " more values; expected " + std::to_string(filled_.size()) + " rows of " +
                       std::to_string(columns_));
    }
    require_finite_fp16(values, count, name_ + ": row " + std::to_string(row));
    const std::size_t before = filled_[row], after = before + count;
    std::copy_n(values, count, values_.begin() + static_cast<std::ptrdiff_t>(row * columns_ + before));
    filled_[row] = after;
    const bool was_open = before % extent_ != 0 && before != columns_,
               is_open = after % extent_ != 0 && after != columns_;
    if (is_open) ++open_;
    if (was_open) --open_;
    most_open_ = std::max(most_open_, open_);
    for (std::size_t g = before / extent_; g * extent_ < after; ++g) {
      const std::size_t end = std::min((g + 1) * extent_, columns_);
      if (end <= after && end > before) closed(g, &values_[row * columns_ + g * extent_], end - g * extent_);
    }
  }

  bool complete() const {
    return std::all_of(filled_.begin(), filled_.end(), [&](std::size_t f) { return f == columns_; });
  }
  /// Groups begun and not finished, now and at most: the sets of registers that the unit needs.
  std::size_t open() const { return open_; }
  std::size_t most_open() const { return most_open_; }

 private:
  std::string name_;
  std::size_t columns_, extent_;
  std::vector<std::size_t> filled_;
  std::vector<std::uint16_t> values_;
  std::size_t open_ = 0, most_open_ = 0;
};

}  // namespace nibble
