// SPDX-License-Identifier: Apache-2.0
#include "core/timeline.h"

#include <algorithm>
#include <numeric>

#include "core/json.h"

namespace nibble {

namespace {

void add_to(Timeline::Amounts& sums, const Timeline::Amounts& more) {
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] += more[i];
}

}  // namespace

Timeline::Track::Track(std::string group, std::string name, std::vector<std::string> amount_names,
                       std::size_t most_slices)
    : group_(std::move(group)),
      name_(std::move(name)),
      amount_names_(std::move(amount_names)),
      most_slices_(std::max<std::size_t>(2, most_slices)) {}

unsigned Timeline::Track::label(const std::string& text) {
  const auto [place, is_new] = label_numbers_.try_emplace(text, static_cast<unsigned>(labels_.size()));
  if (is_new) labels_.push_back(text);
  return place->second;
}

void Timeline::Track::merge(Slice& into, const Slice& next) {
  into.end = next.end;
  into.busy += next.busy;
  into.parts += next.parts;
  if (into.label != next.label) into.label = several;
  add_to(into.amounts, next.amounts);
}

void Timeline::Track::add(Ticks begin, Ticks end, unsigned label, const Amounts& amounts, bool joined) {
  const Ticks last = slices_.empty() ? 0 : slices_.back().end;
  begin = std::max(begin, last);
  end = std::max(end, begin);
  Slice slice;
  slice.begin = begin;
  slice.end = end;
  slice.busy = end - begin;
  slice.label = label;
  slice.amounts = amounts;
  if (begin == end) {
    add_to(slices_.empty() ? early_ : slices_.back().amounts, amounts);
    return;
  }
  if (slices_.empty()) {
    add_to(slice.amounts, std::exchange(early_, {}));
  } else {
    Slice& before = slices_.back();
    if (joined && before.end == begin && before.label == label) {
      const std::uint64_t parts = before.parts;
      merge(before, slice);
      before.parts = parts;
      return;
    }
    if (end - before.begin <= resolution_) {
      merge(before, slice);
      return;
    }
  }
  slices_.push_back(slice);
  if (slices_.size() > most_slices_) coarsen();
}

/// Half of the slices at least become parts of others.
void Timeline::Track::coarsen() {
  if (resolution_ == 0) resolution_ = (slices_.back().end - slices_.front().begin) / most_slices_;
  while (slices_.size() > (most_slices_ + 1) / 2) {
    resolution_ = std::max<Ticks>(2 * resolution_, 1);
    std::size_t kept = 0;
    for (std::size_t i = 1; i < slices_.size(); ++i) {
      if (slices_[i].end - slices_[kept].begin <= resolution_) {
        merge(slices_[kept], slices_[i]);
      } else {
        slices_[++kept] = slices_[i];
      }
    }
    slices_.resize(kept + 1);
  }
}

std::uint64_t Timeline::Track::total(std::size_t amount) const {
  return std::accumulate(slices_.begin(), slices_.end(), std::uint64_t{0},
                         [amount](std::uint64_t sum, const Slice& slice) { return sum + slice.amounts.at(amount); });
}

Timeline::Track& Timeline::track(const std::string& group, const std::string& name,
                                 const std::vector<std::string>& amount_names, std::size_t most_slices) {
  for (Track& track : tracks_) {
    if (track.group() == group && track.name() == name) return track;
  }
  return tracks_.emplace_back(group, name, amount_names, most_slices == 0 ? most_slices_ : most_slices);
}

const Timeline::Track* Timeline::find(std::string_view group, std::string_view name) const {
  for (const Track& track : tracks_) {
    if (track.group() == group && track.name() == name) return &track;
  }
  return nullptr;
}

void Timeline::skip(Ticks at, Ticks length, const std::string& reason) {
  if (length > 0) gaps_.push_back({at, length, reason});
}

namespace {

double microseconds(Ticks ticks) {
  return static_cast<double>(ticks) / ticks_per_microsecond;
}

/// From the time of the simulation to that of the report; asked in order of time.
class ReportedTime {
 public:
  explicit ReportedTime(const std::vector<Timeline::Gap>& gaps) : gaps_(gaps) {}
  Ticks of(Ticks simulated) {
    for (; next_ < gaps_.size() && gaps_[next_].at <= simulated; ++next_)
      shift_ += gaps_[next_].length;
    return simulated + shift_;
  }

 private:
  const std::vector<Timeline::Gap>& gaps_;
  std::size_t next_ = 0;
  Ticks shift_ = 0;
};

class TraceWriter {
 public:
  explicit TraceWriter(const std::string& title) : json_(JsonWriter::Layout::compact) {
    json_.begin_object().field("displayTimeUnit", "ns").key("otherData").begin_object().field("title", title);
    json_.end_object().key("traceEvents").begin_array();
  }
  void name(const char* what, int process, int thread, const std::string& name) {
    json_.begin_object().field("name", what).field("ph", "M").field("pid", process).field("tid", thread);
    json_.key("args").begin_object().field("name", name).end_object().end_object();
  }
  void order(const char* what, int process, int thread, int index) {
    json_.begin_object().field("name", what).field("ph", "M").field("pid", process).field("tid", thread);
    json_.key("args").begin_object().field("sort_index", index).end_object().end_object();
  }
  JsonWriter& begin(const std::string& name, const std::string& category, int process, int thread, Ticks at,
                    Ticks length) {
    json_.begin_object().field("name", name).field("cat", category).field("ph", "X").field("pid", process);
    json_.field("tid", thread).field("ts", microseconds(at)).field("dur", microseconds(length));
    return json_.key("args").begin_object();
  }
  void end() { json_.end_object().end_object(); }
  std::string finish() {
    json_.end_array().end_object();
    return json_.str();
  }

 private:
  JsonWriter json_;
};

void write_track(TraceWriter& trace, const Timeline& timeline, const Timeline::Track& track, int process, int thread) {
  static const std::vector<Timeline::Gap> no_gaps;
  ReportedTime time(track.group() == Timeline::reported_group ? no_gaps : timeline.gaps());
  for (const Timeline::Slice& slice : track.slices()) {
    const bool merged = slice.parts > 1;
    const std::string name =
        slice.label == Timeline::several
            ? std::to_string(slice.parts) + " slices"
            : track.labels()[slice.label] + (merged ? " (" + std::to_string(slice.parts) + ")" : "");
    JsonWriter& args = trace.begin(name, track.name(), process, thread, time.of(slice.begin), slice.end - slice.begin);
    for (std::size_t i = 0; i < track.amount_names().size(); ++i) {
      if (slice.amounts[i] != 0) args.field(track.amount_names()[i], slice.amounts[i]);
    }
    if (merged) args.field("slices", slice.parts).field("busy_us", microseconds(slice.busy));
    trace.end();
  }
}

void write_gaps(TraceWriter& trace, const Timeline& timeline, int process, int thread) {
  Ticks shift = 0;
  for (const Timeline::Gap& gap : timeline.gaps()) {
    trace.begin(gap.reason, "not simulated", process, thread, gap.at + shift, gap.length);
    trace.end();
    shift += gap.length;
  }
}

}  // namespace

std::string timeline_trace(const Timeline& timeline, const std::string& title) {
  TraceWriter trace(title);
  std::vector<std::string> groups;
  int threads = 0;
  const auto process_of = [&](const std::string& group) {
    const auto place = std::find(groups.begin(), groups.end(), group);
    const auto process = static_cast<int>(place - groups.begin()) + 1;
    if (place == groups.end()) {
      groups.push_back(group);
      trace.name("process_name", process, 0, group);
      trace.order("process_sort_index", process, 0, process);
    }
    return process;
  };
  const auto thread_of = [&](int process, const std::string& name) {
    ++threads;
    trace.name("thread_name", process, threads, name);
    trace.order("thread_sort_index", process, threads, threads);
    return threads;
  };
  if (!timeline.gaps().empty()) {
    const int process = process_of(Timeline::reported_group);
    write_gaps(trace, timeline, process, thread_of(process, "not simulated"));
  }
  for (const Timeline::Track& track : timeline.tracks()) {
    if (track.slices().empty()) continue;
    const int process = process_of(track.group());
    const bool coarse = track.resolution() > 0;
    const std::string name =
        track.name() + (coarse ? ", slices within " + to_text(microseconds(track.resolution())) + " us merged" : "");
    write_track(trace, timeline, track, process, thread_of(process, name));
  }
  return trace.finish();
}

}  // namespace nibble
