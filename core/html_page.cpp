// SPDX-License-Identifier: Apache-2.0
#include "core/html_page.h"

#include "core/report.h"

namespace nibble {

namespace {

/// Nothing may end the script element or begin a comment in it: '<' stands in strings only.
std::string script_data(const std::string& json) {
  std::string out;
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

HtmlPage::HtmlPage(const PageFrame& frame) : frame_(frame) {}

void HtmlPage::section(const std::string& id, const std::string& heading, const std::string& short_name) {
  body_ += (sections_.empty() ? "" : "</section>\n") + std::string("<section id=\"") + html_escape(id) + "\">\n<h2>" +
           html_escape(heading) + "</h2>\n";
  sections_.emplace_back(id, short_name.empty() ? heading : short_name);
}

void HtmlPage::paragraph(const std::string& text) {
  body_ += "<p>" + html_escape(text) + "</p>\n";
}

void HtmlPage::tiles(const std::vector<PageTile>& tiles) {
  body_ += "<dl class=\"tiles\">\n";
  for (const PageTile& tile : tiles) {
    body_ += "<div><dt>" + html_escape(tile.label) + "</dt><dd>" + html_escape(tile.value);
    if (!tile.detail.empty()) body_ += "<small>" + html_escape(tile.detail) + "</small>";
    body_ += "</dd></div>\n";
  }
  body_ += "</dl>\n";
}

void HtmlPage::chart(const std::string& id, const std::string& description) {
  body_ += "<figure><div class=\"controls\" data-for=\"" + html_escape(id) + "\"></div><div class=\"chart\" id=\"" +
           html_escape(id) + "\" role=\"img\" aria-label=\"" + html_escape(description) + "\"></div><figcaption>" +
           html_escape(description) + "</figcaption></figure>\n";
}

void HtmlPage::table(const Table& table, const std::string& caption) {
  body_ += table.html(caption);
}

void HtmlPage::begin_fold(const std::string& summary) {
  body_ += "<details><summary>" + html_escape(summary) + "</summary>\n";
}

void HtmlPage::end_fold() {
  body_ += "</details>\n";
}

void HtmlPage::place(const std::string& id) {
  body_ += "<div id=\"" + html_escape(id) + "\"></div>\n";
}

void HtmlPage::list(const std::vector<std::string>& items) {
  body_ += "<ul>\n";
  for (const auto& item : items)
    body_ += "<li>" + html_escape(item) + "</li>\n";
  body_ += "</ul>\n";
}

void HtmlPage::definitions(const std::vector<std::pair<std::string, std::string>>& items) {
  body_ += "<dl class=\"sources\">\n";
  for (const auto& [name, text] : items)
    body_ += "<dt>" + html_escape(name) + "</dt><dd>" + html_escape(text) + "</dd>\n";
  body_ += "</dl>\n";
}

void HtmlPage::text(const std::string& text) {
  body_ += "<pre tabindex=\"0\">" + html_escape(text) + "</pre>\n";
}

void HtmlPage::frame_sections() {
  if (!frame_.notes.empty()) {
    section("notes", "Notes");
    list(frame_.notes);
  }
  section("origin", "Where this comes from");
  if (!frame_.command.empty()) {
    paragraph("This command makes the page again:");
    text(frame_.command);
  }
  if (!frame_.sources.empty()) definitions(frame_.sources);
  for (const auto& [heading, contents] : frame_.texts) {
    begin_fold(heading);
    text(contents);
    end_fold();
  }
}

std::string HtmlPage::finish(const JsonWriter& data, const char* script) {
  frame_sections();
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" "
      "content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>" +
      html_escape(frame_.title) + "</title>\n<style>\n" + page_assets::page_css +
      "</style>\n</head>\n<body>\n<header>\n<div class=\"bar\"><span class=\"brand\">nibble</span><nav "
      "aria-label=\"Sections\">";
  for (const auto& [id, heading] : sections_)
    page += "<a href=\"#" + html_escape(id) + "\">" + html_escape(heading) + "</a>";
  page += "</nav><button type=\"button\" id=\"theme\">Dark</button></div>\n</header>\n<main>\n<h1>" +
          html_escape(frame_.title) + "</h1>\n";
  for (const auto& line : frame_.lead)
    page += "<p class=\"lead\">" + html_escape(line) + "</p>\n";
  page += "<noscript><p>The charts need JavaScript; the tables hold the same figures.</p></noscript>\n" + body_ +
          "</section>\n</main>\n<footer>Made by nibble " + html_escape(nibble_version) +
          ". Charts: " + html_escape(page_assets::echarts_VERSION) +
          "</footer>\n<script type=\"application/json\" id=\"data\">" + script_data(data.str()) + "</script>\n";
  for (const char* part : {page_assets::echarts_min_js, page_assets::page_js, script})
    page += "<script>\n" + std::string(part) + "</script>\n";
  return page + "</body>\n</html>\n";
}

}  // namespace nibble
