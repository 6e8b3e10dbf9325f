// SPDX-License-Identifier: Apache-2.0
#include "core/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <utility>

#include "core/error.h"
#include "core/utf8.h"

namespace nibble {

namespace {

/// Characters as shown: UTF-8 continuation bytes take no column.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// A cell that cannot break its line.
std::string one_line(std::string cell) {
  std::replace_if(
      cell.begin(), cell.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20U; }, ' ');
  return cell;
}

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string out = "\"";
  for (const char c : cell) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

void csv_line(std::string& out, const std::vector<std::string>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) out += ',';
    out += csv_cell(cells[i]);
  }
  out += '\n';
}

std::string fixed_text(double value, int decimals) {
  std::array<char, 512> buffer{};  // the largest binary64 has 309 digits before the point
  decimals = std::clamp(decimals, 0, 100);
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals);
  std::string text(buffer.data(), result.ptr);
  if (text.front() == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

/// `name`: of the row.
std::string html_cell(const std::string& text, bool name, bool left) {
  constexpr std::size_t longest_line = 40;  // characters
  const char* style = "";
  if (left) style = !name && width(text) > longest_line ? " class=\"left wrap\"" : " class=\"left\"";
  return std::string(name ? "<th scope=\"row\"" : "<td") + style + ">" + html_escape(text) + (name ? "</th>" : "</td>");
}

struct Prefix {
  char letter;  ///< 0: none
  int exponent;
};
constexpr std::array<Prefix, 13> prefixes{{{'a', -18},
                                           {'f', -15},
                                           {'p', -12},
                                           {'n', -9},
                                           {'u', -6},
                                           {'m', -3},
                                           {0, 0},
                                           {'k', 3},
                                           {'M', 6},
                                           {'G', 9},
                                           {'T', 12},
                                           {'P', 15},
                                           {'E', 18}}};

/// Splits "pJ/MAC" into the exponent of its prefix (-12) and "J/MAC"; a unit without a known prefix stays whole.
std::pair<int, std::string> split_prefix(const std::string& unit) {
  static const std::array<std::string, 9> bases{{"J", "s", "B", "b", "W", "Hz", "FLOP", "OP", "MAC"}};
  const std::string head = unit.substr(0, unit.find('/'));
  for (const Prefix& prefix : prefixes) {
    if (prefix.letter == 0 || head.size() < 2 || head.front() != prefix.letter) continue;
    if (std::find(bases.begin(), bases.end(), head.substr(1)) != bases.end()) return {prefix.exponent, unit.substr(1)};
  }
  return {0, unit};
}

/// Whether parts of one are meaningful with a prefix: 500 mJ is, 500 mB is not.
bool divisible(const std::string& base) {
  const std::string head = base.substr(0, base.find('/'));
  return head == "J" || head == "s" || head == "W";
}

}  // namespace

Table& Table::column(std::string heading, Align align) {
  if (!rows_.empty()) throw InternalError("table: column added after the first row: " + heading);
  headings_.push_back(std::move(heading));
  aligns_.push_back(align);
  return *this;
}

Table& Table::row(std::vector<std::string> cells) {
  if (cells.empty() || cells.size() != headings_.size()) {
    throw InternalError("table: a row of " + std::to_string(cells.size()) + " cells in a table of " +
                        std::to_string(headings_.size()) + " columns");
  }
  rows_.push_back(std::move(cells));
  return *this;
}

Table& Table::rule() {
  rows_.emplace_back();
  return *this;
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const std::string& heading : headings_)
    widths.push_back(width(heading));
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], width(cells[i]));
  }
  std::size_t total = 0;
  for (const std::size_t w : widths)
    total += w + 2;
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - width(cells[i]), ' ');
      if (i != 0) text += "  ";
      text += aligns_[i] == Align::right ? pad + one_line(cells[i]) : one_line(cells[i]) + pad;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line(headings_);
  for (const auto& cells : rows_) {
    if (cells.empty()) {
      out += std::string(total < 2 ? 0 : total - 2, '-') + '\n';
    } else {
      line(cells);
    }
  }
  return out;
}

std::string Table::csv() const {
  std::string out;
  csv_line(out, headings_);
  for (const auto& cells : rows_) {
    if (!cells.empty()) csv_line(out, cells);
  }
  return out;
}

std::string Table::html(const std::string& caption) const {
  // The index of the first row of the foot.
  std::size_t foot = rows_.size();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].empty()) foot = i;
  }
  std::string out = "<div class=\"scroll\"><table>\n<caption>" + html_escape(caption) + "</caption>\n<thead><tr>";
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    out += std::string("<th scope=\"col\"") + (aligns_[i] == Align::left ? " class=\"left\"" : "") + ">" +
           html_escape(headings_[i]) + "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    if (r == foot) out += "</tbody><tfoot>\n";
    if (rows_[r].empty()) continue;
    out += "<tr>";
    for (std::size_t i = 0; i < rows_[r].size(); ++i)
      out += html_cell(rows_[r][i], i == 0, aligns_[i] == Align::left);
    out += "</tr>\n";
  }
  return out + (foot < rows_.size() ? "</tfoot>" : "</tbody>") + "</table></div>\n";
}

std::string html_escape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (length == 0 || (static_cast<unsigned char>(c) < 0x20U && c != '\n' && c != '\t') || c == 0x7F) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string with_separators(std::uint64_t value) {
  const std::string digits = std::to_string(value);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string fixed(std::optional<double> value, int decimals) {
  if (!value || std::isnan(*value)) return "-";
  if (std::isinf(*value)) return *value > 0 ? "inf" : "-inf";
  return fixed_text(*value, decimals);
}

std::string with_prefix(double value, const std::string& unit) {
  if (!std::isfinite(value)) return "-";
  const std::string suffix = unit.empty() ? "" : " " + unit;
  if (value == 0) return "0" + suffix;
  if (unit == "um2" && std::fabs(value) >= 1e5) return with_prefix(value * 1e-6, "mm2");
  std::array<char, 64> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific, 2).ptr;
  // "-d.dde+xx": rounded once, here, so that 999.6 carries into the next prefix.
  const std::string text(buffer.data(), end);
  const bool negative = text.front() == '-';
  const int exponent = std::stoi(text.substr(text.find('e') + 1));

  const auto [unit_exponent, base] = split_prefix(unit);
  const int power = exponent + unit_exponent;
  const int chosen = power >= 0 ? power / 3 * 3 : -((-power + 2) / 3) * 3;
  const bool squared = !unit.empty() && (unit.back() == '2' || unit.back() == '3');
  if ((squared && chosen != 0) || (chosen < 0 && !divisible(base))) {
    if (exponent < -4) return text + suffix;
    return fixed_text(value, std::max(0, 2 - exponent)) + suffix;
  }
  if (chosen < prefixes.front().exponent || chosen > prefixes.back().exponent) return text + suffix;
  std::string number = text.substr(negative ? 1 : 0, 1) + text.substr(negative ? 3 : 2, 2);
  const int before_point = power - chosen + 1;
  if (before_point < 3) number.insert(static_cast<std::size_t>(before_point), ".");
  const char letter = prefixes[static_cast<std::size_t>((chosen - prefixes.front().exponent) / 3)].letter;
  const std::string name = letter == 0 ? base : letter + base;
  return (negative ? "-" : "") + number + (name.empty() ? "" : " " + name);
}

}  // namespace nibble
