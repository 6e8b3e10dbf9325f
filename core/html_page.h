// SPDX-License-Identifier: Apache-2.0
/// One page of HTML that needs nothing else: style, scripts, chart library and data are in it. Private to core/.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/report_page.h"
#include "core/table.h"

namespace nibble {

/// Files of core/page that the build puts into the library (cmake/NibbleEmbed.cmake).
namespace page_assets {
extern const char* const page_css;
extern const char* const page_js;
extern const char* const run_js;
extern const char* const comparison_js;
extern const char* const sweep_js;
extern const char* const echarts_min_js;
extern const char* const echarts_VERSION;
}  // namespace page_assets

/// The large figures at the top of a page.
struct PageTile {
  std::string label, value, detail;
};

class HtmlPage {
 public:
  explicit HtmlPage(const PageFrame& frame);
  /// Begins a section that the list at the top of the page leads to, there by `short_name` unless it is empty.
  void section(const std::string& id, const std::string& heading, const std::string& short_name = "");
  void paragraph(const std::string& text);
  void tiles(const std::vector<PageTile>& tiles);
  /// A place that the page's script draws `id` in. `description`: what a reader who does not see it gets; it stands
  /// below the chart, too.
  void chart(const std::string& id, const std::string& description);
  void table(const Table& table, const std::string& caption);
  /// Shut until the reader opens it.
  void begin_fold(const std::string& summary);
  void end_fold();
  /// Of an element that the page's script fills when it is first seen: a table too long to be written out twice.
  void place(const std::string& id);
  void list(const std::vector<std::string>& items);
  void definitions(const std::vector<std::pair<std::string, std::string>>& items);
  void text(const std::string& text);
  /// The page; ends with what `frame` says of notes, sources, texts and the command. `data`: for `script`, one of
  /// page_assets.
  std::string finish(const JsonWriter& data, const char* script);

 private:
  void frame_sections();
  PageFrame frame_;
  std::string body_;
  std::vector<std::pair<std::string, std::string>> sections_;
};

}  // namespace nibble
