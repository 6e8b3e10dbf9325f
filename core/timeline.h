// SPDX-License-Identifier: Apache-2.0
/// Timeline: what the units of a machine did, as slices on one axis of time, for trace.json. Bounded in size: what does
/// not fit is merged with its neighbours, never dropped, so that sums over the slices stay exact.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nibble {

/// A time of 1 ps, of the simulation.
using Ticks = std::uint64_t;
constexpr double ticks_per_microsecond = 1e6;

class Timeline {
 public:
  static constexpr std::size_t most_amounts = 6;
  using Amounts = std::array<std::uint64_t, most_amounts>;

  struct Slice {
    Ticks begin = 0, end = 0;
    std::uint64_t parts = 1;  ///< that it was merged of
    Ticks busy = 0;           ///< of the time between begin and end
    unsigned label = 0;       ///< of Track::labels(); several: parts have different ones
    Amounts amounts{};        ///< by Track::amount_names(): sums over the parts
  };
  static constexpr unsigned several = ~0U;

  /// Slices in order of time that do not overlap.
  class Track {
   public:
    Track(std::string group, std::string name, std::vector<std::string> amount_names, std::size_t most_slices);
    /// What happened in [begin, end); an earlier begin or end than that of the slice before counts as that. Touching
    /// slices of one label become one when `joined`. Of what has no length the amounts go to a neighbour.
    void add(Ticks begin, Ticks end, unsigned label, const Amounts& amounts, bool joined = true);
    /// The number of a label; the same text has the same number.
    unsigned label(const std::string& text);

    const std::string& group() const { return group_; }
    const std::string& name() const { return name_; }
    const std::vector<std::string>& amount_names() const { return amount_names_; }
    const std::vector<std::string>& labels() const { return labels_; }
    const std::vector<Slice>& slices() const { return slices_; }
    /// Neighbours that begin and end within this time are one slice; 0: everything is told apart.
    Ticks resolution() const { return resolution_; }
    /// Over all slices.
    std::uint64_t total(std::size_t amount) const;

   private:
    void coarsen();
    static void merge(Slice& into, const Slice& next);
    std::string group_, name_;
    std::vector<std::string> amount_names_, labels_;
    std::map<std::string, unsigned> label_numbers_;
    std::vector<Slice> slices_;
    Amounts early_{};  ///< that came without time before the first slice: it gets them
    std::size_t most_slices_;
    Ticks resolution_ = 0;
  };

  /// At `at`, `length` passed in the reported time that was not simulated: everything of the units that begins there or
  /// later is that much later.
  struct Gap {
    Ticks at = 0, length = 0;
    std::string reason;
  };

  /// A track holds `most_slices` at most, 2 or more.
  explicit Timeline(std::size_t most_slices = default_slices) : most_slices_(most_slices) {}
  /// [D] Zoomed out, a screen shows one slice per pixel; 2048 are some zooming more, and some 200 kB of trace.json per
  /// busy track.
  static constexpr std::size_t default_slices = 2048;

  /// Made when it is asked for first; tracks of one group stand together. `most_slices`: 0, as the timeline's.
  Track& track(const std::string& group, const std::string& name, const std::vector<std::string>& amount_names,
               std::size_t most_slices = 0);
  const Track* find(std::string_view group, std::string_view name) const;
  /// Tracks of this group are in the reported time already.
  static constexpr const char* reported_group = "commands";

  /// In order of `at`.
  void skip(Ticks at, Ticks length, const std::string& reason);
  const std::vector<Gap>& gaps() const { return gaps_; }
  const std::deque<Track>& tracks() const { return tracks_; }

 private:
  std::size_t most_slices_;
  std::deque<Track> tracks_;
  std::vector<Gap> gaps_;
};

/// Chrome trace events (Perfetto, chrome://tracing): one process per group, one thread per track. `title`: of the run.
std::string timeline_trace(const Timeline& timeline, const std::string& title);

}  // namespace nibble
