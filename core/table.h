// SPDX-License-Identifier: Apache-2.0
/// Aligned text tables, CSV and HTML from the same rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

class Table {
 public:
  enum class Align { left, right };
  Table& column(std::string heading, Align align = Align::right);
  /// As many cells as there are columns, after the last column(); otherwise an InternalError.
  Table& row(std::vector<std::string> cells);
  /// A rule across the table before the next row (text form only).
  Table& rule();
  /// Columns padded with spaces, two spaces between columns; every line ends without trailing blanks.
  std::string text() const;
  /// RFC 4180: comma, CRLF-free, cells quoted when needed.
  std::string csv() const;
  /// A table with `caption`; what follows the last rule is its foot. A page's script makes it sortable.
  std::string html(const std::string& caption) const;

 private:
  std::vector<std::string> headings_;
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_;  ///< an empty row is a rule
};

/// `text` for HTML, between tags or in a quoted attribute. Bytes that are no UTF-8 and control characters are replaced.
std::string html_escape(std::string_view text);

/// "1,234,567".
std::string with_separators(std::uint64_t value);
/// Fixed number of decimals, "-" when empty or not a number.
std::string fixed(std::optional<double> value, int decimals);
/// "3.54 GB" (SI), "12.1 mJ" from pJ, "13.2 ms" from s: three significant digits with an SI prefix. A prefix that the
/// unit has already is taken into account for J, s, W, B, b, Hz, FLOP, OP and MAC (also before a '/'). Prefixes below
/// one are used with J, s and W only; um2 becomes mm2 from 0.1 mm2 on; "0 B" for zero, "-" when not finite.
std::string with_prefix(double value, const std::string& unit);

}  // namespace nibble
