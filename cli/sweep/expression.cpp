// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/expression.h"

#include <charconv>
#include <cmath>

#include "core/error.h"

namespace nibble {
namespace {

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string trim(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

constexpr int depth_limit = 100;

}  // namespace

/// Recursive descent: sum = product {(+|-) product}, product = factor {(*|/) factor}, factor = number | name | (sum) |
/// -factor.
class ExpressionParser {
 public:
  using Kind = Expression::Step::Kind;

  explicit ExpressionParser(const std::string& text) { out_.text_ = trim(text); }

  Expression parse() {
    sum();
    if (!done()) fail("expected an operator");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw InputError("'" + out_.text_ + "': " + why +
                     (at_ < out_.text_.size() ? " at '" + out_.text_.substr(at_) + "'" : " at its end"));
  }
  char peek() const { return at_ < out_.text_.size() ? out_.text_[at_] : '\0'; }
  void blanks() {
    while (peek() == ' ' || peek() == '\t')
      ++at_;
  }
  bool done() {
    blanks();
    return at_ == out_.text_.size();
  }
  bool take(char c) {
    blanks();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void add(Kind kind) { out_.steps_.push_back({kind}); }

  void sum() {
    product();
    for (;;) {
      if (take('+')) {
        product();
        add(Kind::add);
      } else if (take('-')) {
        product();
        add(Kind::subtract);
      } else {
        return;
      }
    }
  }

  void product() {
    factor();
    for (;;) {
      if (take('*')) {
        factor();
        add(Kind::multiply);
      } else if (take('/')) {
        factor();
        add(Kind::divide);
      } else {
        return;
      }
    }
  }

  void factor() {
    if (++depth_ > depth_limit) fail("is nested too deeply");
    if (take('-')) {
      factor();
      add(Kind::negate);
    } else if (take('(')) {
      sum();
      if (!take(')')) fail("expected ')'");
    } else if (is_digit(peek()) || peek() == '.') {
      number();
    } else if (starts_name(peek())) {
      name();
    } else {
      fail("expected a number or a name");
    }
    --depth_;
  }

  void number() {
    const char* begin = out_.text_.data() + at_;
    double value = 0;
    const auto read = std::from_chars(begin, out_.text_.data() + out_.text_.size(), value);
    if (read.ec != std::errc() || starts_name(*read.ptr)) fail("expected a number");
    at_ += static_cast<std::size_t>(read.ptr - begin);
    out_.steps_.push_back({Kind::number, value});
  }

  void name() {
    const std::size_t begin = at_;
    while (starts_name(peek()) || is_digit(peek()) || peek() == '.')
      ++at_;
    out_.steps_.push_back({Kind::name, 0, out_.names_.size()});
    out_.names_.push_back(out_.text_.substr(begin, at_ - begin));
  }

  Expression out_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Expression Expression::parse(const std::string& text) {
  return ExpressionParser(text).parse();
}

std::optional<double> Expression::value(const Lookup& lookup) const {
  using Kind = Step::Kind;
  std::vector<double> stack;
  for (const Step& step : steps_) {
    if (step.kind == Kind::number) {
      stack.push_back(step.number);
      continue;
    }
    if (step.kind == Kind::name) {
      const auto found = lookup(names_[step.name]);
      if (!found) return std::nullopt;
      stack.push_back(*found);
      continue;
    }
    const double right = stack.back();
    if (step.kind == Kind::negate) {
      stack.back() = -right;
      continue;
    }
    stack.pop_back();
    double& left = stack.back();
    if (step.kind == Kind::add) left += right;
    if (step.kind == Kind::subtract) left -= right;
    if (step.kind == Kind::multiply) left *= right;
    if (step.kind == Kind::divide) left /= right;
  }
  if (!std::isfinite(stack.back())) return std::nullopt;
  return stack.back();
}

Constraint Constraint::parse(const std::string& text) {
  Constraint out;
  out.text_ = trim(text);
  const std::size_t at = out.text_.find_first_of("<>=");
  if (at == std::string::npos)
    throw InputError("'" + out.text_ + "': compares nothing, expected LEFT <= RIGHT (or <, >=, >, ==)");
  const bool two = at + 1 < out.text_.size() && out.text_[at + 1] == '=';
  out.relation_ = out.text_.substr(at, two ? 2 : 1);
  if (out.relation_ == "=") throw InputError("'" + out.text_ + "': equality is spelt ==");
  out.left_ = Expression::parse(out.text_.substr(0, at));
  out.right_ = Expression::parse(out.text_.substr(at + out.relation_.size()));
  return out;
}

std::optional<bool> Constraint::holds(const Expression::Lookup& lookup) const {
  const auto left = left_.value(lookup), right = right_.value(lookup);
  if (!left || !right) return std::nullopt;
  if (relation_ == "<=") return *left <= *right;
  if (relation_ == "<") return *left < *right;
  if (relation_ == ">=") return *left >= *right;
  if (relation_ == ">") return *left > *right;
  return *left == *right;
}

std::vector<std::string> Constraint::names() const {
  std::vector<std::string> all = left_.names();
  all.insert(all.end(), right_.names().begin(), right_.names().end());
  return all;
}

}  // namespace nibble
