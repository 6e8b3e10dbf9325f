// SPDX-License-Identifier: Apache-2.0
/// Writes pages of made-up figures for pages_test.py: `sample_pages DIRECTORY`. Names hold what breaks careless pages.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "core/file.h"
#include "core/random.h"
#include "core/report_page.h"

using namespace nibble;

namespace {

const std::string evil = "</script><b>&\"'";

ComparisonPage comparison() {
  ComparisonPage page;
  page.frame.title = "A comparison " + evil;
  page.frame.lead = {"Two groups of figures that nobody published."};
  page.frame.command = "nibble compare " + evil;
  Random random(1);
  for (const char* group : {"linear layers", "all layers"}) {
    for (const char* over : {"OliVe", "Tender", "BitFusion"}) {
      ComparedFigure one;
      one.group = group;
      one.label = std::string("speedup over ") + over + evil;
      one.unit = "x";
      one.published = 1.5 + random.uniform();
      one.ours = 1.2 + random.uniform();
      one.ours_low = *one.ours - 0.3;
      one.ours_high = *one.ours + 0.2;
      one.source = "nowhere" + evil;
      one.parts = {{"bandwidth" + evil, 0.1, "made up"}, {"schedule", -0.25, "made up"}};
      page.figures.push_back(one);
    }
  }
  page.figures[1].ours = page.figures[1].ours_low = page.figures[1].ours_high = std::nullopt;
  page.figures[4].published_low = 0.5;
  ComparedFigure share;
  share.group = "all layers";  // in another unit
  share.label = "quantizer";
  share.unit = "%";
  share.published = 0.3;
  share.ours = 0.0000641;
  page.figures.push_back(share);
  page.groups = {{"all layers", "all" + evil, "What all layers are." + evil}};
  return page;
}

/// With several sets the points are compared within them.
SweepPage sweep(std::uint64_t points, std::uint64_t sets = 1) {
  SweepPage page;
  page.frame.title = "A sweep of " + std::to_string(points) + " points " + evil;
  page.frame.command = "nibble sweep";
  page.keys = {"array.rows", "formats.weight" + evil, "constant"};
  page.figures = {{"time_s", "s", "of the run"}, {"area_um2.total", "um2", evil}, {"utilization", "", "a ratio"}};
  page.objectives = {{"time_s", true}, {"area_um2.total", true}};
  page.constraints = {"area_um2.total <= 3e6"};
  Random random(2);
  const std::vector<std::string> formats = {"int8", "mant4-g64", "fp16" + evil};
  for (std::uint64_t i = 0; i < points; ++i) {
    SweepPoint point;
    point.number = i;
    const double rows = std::pow(2.0, 3 + static_cast<double>(i % 5));
    point.settings = {std::to_string(static_cast<int>(rows)), formats[i % 3], "1"};
    const double area = rows * 3e4 * (1 + random.uniform());
    point.figures = {1e-3 / rows * (1 + random.uniform()), area, 0.2 + random.uniform() / 2};
    if (i % 50 == 7) point.figures[1] = std::nullopt;
    if (area > 3e6) point.violated = page.constraints;
    if (sets > 1) point.set = "prefill: " + std::to_string(i % sets) + ", decode: 1" + evil;
    page.points.push_back(point);
  }
  for (SweepPoint& one : page.points) {
    const auto better = [&](const SweepPoint& other) {
      return other.set == one.set && other.violated.empty() && other.figures[1] && other.figures[0] < one.figures[0] &&
             other.figures[1] < one.figures[1];
    };
    one.on_front =
        one.violated.empty() && one.figures[1] && std::none_of(page.points.begin(), page.points.end(), better);
  }
  page.failures = {{points, {"7", "int8", "1"}, "error: array.rows: 7 is not a multiple of 8 " + evil}};
  return page;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: sample_pages DIRECTORY\n";
    return 2;
  }
  const std::string directory = argv[1];
  OutputFiles files;
  files.make_directory(directory);
  files.write(directory + "/comparison.html", comparison_html(comparison()));
  files.write(directory + "/sweep.html", sweep_html(sweep(120)));
  files.write(directory + "/sets-sweep.html", sweep_html(sweep(120, 3)));
  files.write(directory + "/many-sets-sweep.html", sweep_html(sweep(120, 12)));
  files.write(directory + "/large-sweep.html", sweep_html(sweep(4000)));
  files.write(directory + "/empty-sweep.html", sweep_html({}));
  files.write(directory + "/empty-comparison.html", comparison_html({}));
  files.commit();
  return 0;
}
