// SPDX-License-Identifier: Apache-2.0
/// Bench of a weight-stationary 4 x 4 array against accelerators/stationary_array_cycle.h, cycle for cycle, for any
/// arithmetic: passes of random lengths, back to back and apart, weight loads that pause, stalls, resets.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "accelerators/stationary_array_cycle.h"
#include "rtl_bench.h"

namespace nibble {

/// `Pe` is that of the cycle model.
template <class Pe>
class StationaryBench : public RtlBench {
 public:
  static constexpr unsigned rows = 4, columns = 4;

 protected:
  using Model = StationaryArrayCycle<Pe>;
  using StreamRow = typename Model::StreamRow;
  using LoadRow = typename Model::LoadRow;

  /// What a column's last row has registered.
  struct Seen {
    bool valid = false;
    std::uint64_t tag = 0;
    typename Pe::Sum sum{};
  };

  using RtlBench::RtlBench;

  /// Draws what the pass after the present one has in common; its weights follow.
  virtual void plan() = 0;
  /// Whether the planned pass may begin; it is the present one then.
  virtual bool may_begin() const { return true; }
  virtual void begin() = 0;
  /// Operands: of the present pass, of the planned one, noise where none is valid.
  virtual typename Pe::Streamed streamed(const StreamRow& row) = 0;
  virtual typename Pe::Stationary stationary(const LoadRow& row, unsigned column) = 0;
  virtual void drive(const StreamRow& row, const LoadRow& load) = 0;
  virtual void compare() = 0;
  /// Before the pins are driven and after a reset.
  virtual void prepare() {}
  virtual void cleared() {}

  const Seen& seen(unsigned column) const { return seen_[column]; }
  bool hurried() const { return hurried_; }

  void restart() {
    ArrayGeometry array;
    array.rows = rows;
    array.columns = columns;
    model_ = std::make_unique<Model>(array);
    seen_ = {};
    rows_left_ = 0;
    plan_next();
  }

 private:
  void plan_next() {
    plan();
    loaded_ = 0;
    hurried_ = !once_in(3);
  }

  void cycle() final {
    if (now() > 0) compare();
    const bool reset_now = now() < 1 || once_in(2000);
    reset.write(reset_now);
    prepare();
    const StreamRow row = next_row();
    const LoadRow load = next_load();
    drive(row, load);
    if (reset_now) {
      cleared();
      restart();
      return;
    }
    seen_ = {};
    std::vector<typename Model::Result> results;
    model_->step(row, load, results);
    for (const auto& leaving : results)
      seen_[leaving.column] = {true, leaving.tag, leaving.sum};
  }

  /// The first row of a pass needs all weights in.
  StreamRow next_row() {
    StreamRow row;
    const bool first = rows_left_ == 0 && loaded_ == rows && may_begin() && (hurried_ || once_in(4));
    if (first) {
      begin();
      rows_left_ = 1 + random.below(once_in(4) ? 30 : 6);
      plan_next();
    }
    row.valid = rows_left_ > 0 && (first || hurried_ || !once_in(4));
    row.first = row.valid ? first : once_in(2);  // without valid no pin but that one counts
    if (row.valid) {
      row.tag = next_tag_++;
      --rows_left_;
    }
    for (unsigned r = 0; r < rows; ++r)
      row.x.push_back(streamed(row));
    return row;
  }

  LoadRow next_load() {
    LoadRow load;
    load.valid = loaded_ < rows && (hurried_ || once_in(2));
    load.row = load.valid ? rows - 1 - loaded_ : random.below(rows);
    for (unsigned c = 0; c < columns; ++c)
      load.w.push_back(stationary(load, c));
    if (load.valid) ++loaded_;
    return load;
  }

  std::unique_ptr<Model> model_;
  std::array<Seen, columns> seen_{};
  unsigned loaded_ = 0;  ///< weight rows of the planned pass that have entered
  std::uint64_t rows_left_ = 0, next_tag_ = 0;
  bool hurried_ = true;
};

}  // namespace nibble
