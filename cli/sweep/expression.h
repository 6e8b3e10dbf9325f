// SPDX-License-Identifier: Apache-2.0
/// Arithmetic over named figures: "energy_pj * time_s", "array.rows * array.columns <= 2048". Numbers, names (letters,
/// digits, '_', '.'), + - * /, parentheses; a constraint compares two of them by <=, <, >=, > or ==.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

class Expression {
 public:
  /// Throws InputError "why", without a place.
  static Expression parse(const std::string& text);

  using Lookup = std::function<std::optional<double>(const std::string& name)>;
  /// Empty when a name has no value, or the result is not finite.
  std::optional<double> value(const Lookup& lookup) const;
  /// In order of appearance.
  const std::vector<std::string>& names() const { return names_; }
  /// As it was written, without blanks at both ends.
  const std::string& text() const { return text_; }

 private:
  friend class ExpressionParser;
  struct Step {
    enum class Kind { number, name, add, subtract, multiply, divide, negate } kind;
    double number = 0;
    std::size_t name = 0;  ///< index into names_
  };
  std::string text_;
  std::vector<Step> steps_;  ///< postfix
  std::vector<std::string> names_;
};

class Constraint {
 public:
  /// Throws InputError "why", without a place.
  static Constraint parse(const std::string& text);
  /// Empty when a side has no value.
  std::optional<bool> holds(const Expression::Lookup& lookup) const;
  std::vector<std::string> names() const;
  const std::string& text() const { return text_; }

 private:
  std::string text_, relation_;
  Expression left_, right_;
};

}  // namespace nibble
