// SPDX-License-Identifier: Apache-2.0
/// Pages that people look at: one HTML file each, which needs no network, light and dark, every figure as a chart and
/// as a table. The page of one run is report_html (core/report.h); here are those of a comparison and of a sweep.
/// The same structs give the same bytes. Texts are plain: the page escapes them. An empty std::optional is a figure
/// that nobody knows; it is shown as "unknown", never as zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nibble {

/// What a page says beside its figures.
struct PageFrame {
  std::string title;               ///< "M-ANT against OliVe, Tender and BitFusion"
  std::vector<std::string> lead;   ///< paragraphs below the title: what is shown, how it was measured
  std::string command;             ///< that makes the page again
  std::vector<std::string> notes;  ///< what a reader must know
  std::vector<std::pair<std::string, std::string>> sources;  ///< thing -> origin of its numbers
  std::vector<std::pair<std::string, std::string>> texts;    ///< heading -> text as it is: configurations, tables
};

/// A part of the difference between our figure and the published one.
struct DifferencePart {
  std::string name;    ///< "bandwidth", "schedule", "attention format", "fill", "PE cost book"
  double amount = 0;   ///< share of the relative difference: -0.12 is 12 % of the published figure downwards
  std::string reason;  ///< how the part was found
};

/// One published figure beside ours. With `ours` and `published` the relative difference is ours / published - 1;
/// what the parts leave of it is shown as "not explained".
struct ComparedFigure {
  std::string group;  ///< figures of one group and unit share a chart: "linear layers, speedup"
  std::string label;  ///< within the group: "over OliVe"
  std::string unit;   ///< "x", "%", "mm2"
  std::optional<double> ours, ours_low, ours_high;                 ///< low, high: over what the paper leaves open
  std::optional<double> published, published_low, published_high;  ///< low, high: when the paper gives a range
  std::string source;                                              ///< of the published figure: paper, section, figure
  std::vector<DifferencePart> parts;
  std::string note;
  /// ours / published - 1; empty when one of them is, or the published figure is 0.
  std::optional<double> relative_difference() const;
  /// Of it, what no part explains; empty without a difference or without parts.
  std::optional<double> unexplained() const;
};

/// What stands at the head of the figures of a group.
struct ComparedGroup {
  std::string name;        ///< ComparedFigure::group
  std::string short_name;  ///< in the list of sections; empty: the name
  std::string summary;     ///< a paragraph; empty: none
};

struct ComparisonPage {
  PageFrame frame;
  std::vector<ComparedGroup> groups;    ///< where there is something to say; in any order
  std::vector<ComparedFigure> figures;  ///< groups in the order of their first figure
};
std::string comparison_html(const ComparisonPage& page);

/// A column of figures of a sweep.
struct SweepFigure {
  std::string name;     ///< "energy_pj.total"
  std::string unit;     ///< "pJ"; empty for a ratio or count
  std::string meaning;  ///< one line
};

struct SweepPoint {
  std::uint64_t number = 0;                    ///< of the point in the sweep
  std::vector<std::string> settings;           ///< one per SweepPage::keys, as they were set
  std::vector<std::optional<double>> figures;  ///< one per SweepPage::figures
  std::vector<std::string> violated;           ///< the constraints that it does not meet
  std::string set;                             ///< of points that it is compared with: each set has a front of its own
  bool on_front = false;  ///< no other point of its set that meets all constraints is as good in all objectives
};

/// A point that gave no figures.
struct SweepFailure {
  std::uint64_t number = 0;
  std::vector<std::string> settings;
  std::string message;
};

/// An objective: a figure, and whether less of it is better.
struct SweepObjective {
  std::string figure;  ///< SweepFigure::name
  bool less_is_better = true;
};

struct SweepPage {
  PageFrame frame;
  std::vector<std::string> keys;  ///< the configuration keys that are swept
  std::vector<SweepFigure> figures;
  std::vector<SweepObjective> objectives;  ///< of the Pareto front; the first two are the axes at first
  std::vector<std::string> constraints;    ///< as they were given
  std::vector<SweepPoint> points;
  std::vector<SweepFailure> failures;
};
/// A point with another number of settings or figures than there are keys or figures, or an objective without a figure,
/// is an InternalError.
std::string sweep_html(const SweepPage& page);

}  // namespace nibble
