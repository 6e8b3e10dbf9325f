// SPDX-License-Identifier: Apache-2.0
#include "accelerators/stationary_controller.h"

#include <algorithm>

#include "core/error.h"

namespace nibble {

StationaryController::StationaryController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress)
    : CycleController(config, loader, progress),
      inputs_(config.array.dataflow == Dataflow::input_stationary),
      rows_(config.array.rows),
      columns_(config.array.columns),
      interval_(progress.segments[0].array.initiation_interval),
      array_(progress.segments[0].array, {&datapath_, &progress.command.options, this, inputs_}),
      rows_loaded_(rows_) {}

bool StationaryController::step(std::uint64_t now, bool hold) {
  row_.valid = load_row_.valid = false;
  if (hold) held(now);
  const bool job_streamed = !hold && stream(now);
  load(now);
  results_.clear();
  array_.step(row_, load_row_, results_);
  for (const auto& result : results_)
    collect(result, now);
  if (observer_ != nullptr) show(now, hold);
  return job_streamed;
}

/// The cycle that is over, its results (which collect() has added) included, to the observer.
void StationaryController::show(std::uint64_t now, bool hold) {
  seen_.edge = now;
  seen_.held = hold;
  seen_.enters = row_.valid;
  seen_.first = row_.first;
  seen_.loads = load_row_.valid;
  seen_.load_row = load_row_.row;
  seen_.left = row_.valid ? row_.x : std::vector<OperandSlice>{};
  seen_.top = load_row_.valid ? load_row_.w : std::vector<OperandSlice>{};
  if (row_.valid) {
    seen_.tile = tags_.back().job->number;
    seen_.pass = tags_.back().pass_number;
  }
  const Array::PeStep pe = array_.last_step(observer_->row(), observer_->column());
  seen_.pe_works = pe.works;
  seen_.pe_left = pe.streamed;
  seen_.pe_top = pe.stationary;
  seen_.pe_integer[0] = pe.sum.integer[0];
  seen_.pe_integer[1] = pe.sum.integer[1];
  seen_.pe_real[0] = pe.sum.real;
  observer_->cycle(seen_);
  seen_.outputs.clear();
}

/// Lets the next row enter if it can; true when the job has streamed in at the end of this cycle.
bool StationaryController::stream(std::uint64_t now) {
  if (ending_ == 0) {
    if (!streaming_.job && array_.accepts(true)) {
      streaming_ = loading_;
      row_index_ = 0;
      if (streaming_.pass == 0) start(*streaming_.job, now, begin_ + array_.earliest_pass());
    }
    if (streaming_.job && array_.accepts(row_index_ == 0)) enter_row(now);
  }
  if (ending_ != now + 1) return false;
  end(streaming_.job, ending_);
  streaming_.job.reset();
  ending_ = 0;
  return true;
}

void StationaryController::enter_row(std::uint64_t now) {
  ArrayJob& job = *streaming_.job;
  const ArrayPass pass = job.passes.at(streaming_.pass);
  row_.valid = true;
  row_.first = row_index_ == 0;
  row_.tag = next_tag_++;
  row_.x.assign(rows_, {});
  for (std::uint64_t r = 0; job.functional && r < rows_; ++r)
    row_.x[r] = in_row(job, pass, !inputs_, row_index_, r);
  tags_.push_back({streaming_.job, pass, row_index_, streaming_.pass});
  job.interval.compute += interval_;
  if (++row_index_ < (inputs_ ? job.loaded.job.n : job.loaded.job.m)) return;
  if (streaming_.pass + 1 == job.passes.count()) {
    ending_ = now + interval_;
  } else {
    streaming_.job.reset();
  }
}

/// What array row `array_row` has of a row of an operand: PEs that work as one take it in the last of them.
OperandSlice StationaryController::in_row(const ArrayJob& job, const ArrayPass& pass, bool activation,
                                          std::uint64_t index, std::uint64_t array_row) const {
  const std::uint64_t fused = job.array.rows_fused, lanes = job.array.k_per_row;
  const std::uint64_t k = array_row / fused * lanes;
  if (array_row % fused + 1 != fused || k >= pass.k) return {};
  const std::uint64_t count = std::min(lanes, pass.k - k);
  return activation ? job.activation_slice(index, pass.k0 + k, count) : job.weight_slice(index, pass.k0 + k, count);
}

void StationaryController::load(std::uint64_t now) {
  if (!array_.accepts_load(row_.valid && row_.first)) return;
  if (rows_loaded_ == rows_ && !next_pass(now)) return;
  const ArrayJob& job = *loading_.job;
  const ArrayPass pass = job.passes.at(loading_.pass);
  load_row_.valid = true;
  load_row_.row = rows_ - 1 - rows_loaded_++;
  load_row_.w.assign(columns_, {});
  const std::uint64_t fused = job.array.columns_fused, first = inputs_ ? pass.m0 : pass.n0;
  const std::uint64_t used = (inputs_ ? pass.m : pass.n) * fused;
  for (std::uint64_t c = fused - 1; job.functional && c < used; c += fused)
    load_row_.w[c] = in_row(job, pass, inputs_, first + c / fused, load_row_.row);
}

/// Chooses the pass whose operands load next; false while they are not on chip, or none is left.
bool StationaryController::next_pass(std::uint64_t now) {
  if (loading_.job && loading_.pass + 1 < loading_.job->passes.count()) {
    ++loading_.pass;
  } else {
    const std::shared_ptr<ArrayJob> job = next_job(now);
    if (!job) return false;
    job->results_left = job->loaded.job.m * job->loaded.job.n * job->passes.per_output();
    loading_ = {job, 0};
  }
  rows_loaded_ = 0;
  return true;
}

StationaryController::Element StationaryController::element(const RowTag& tag, std::uint64_t array_column) const {
  const ArrayPass& pass = tag.pass;
  const std::uint64_t fused = tag.job->array.columns_fused, column = array_column / fused;
  if (array_column % fused + 1 != fused || column >= (inputs_ ? pass.m : pass.n)) return {};
  Element out;
  out.job = tag.job.get();
  out.row = inputs_ ? pass.m0 + column : tag.index;
  out.column = inputs_ ? tag.index : pass.n0 + column;
  out.activation = out.job->activation_slice(out.row, pass.k0, pass.k);
  out.weight = out.job->weight_slice(out.column, pass.k0, pass.k);
  return out;
}

PartialSum StationaryController::entering(std::uint64_t tag, std::uint64_t column) {
  if (datapath_.enter == nullptr) return {};
  const RowTag& row = tags_[tag - first_tag_];
  if (!row.job->functional) return {};
  const Element at = element(row, column);
  if (at.job == nullptr) return {};
  ArrayOutput& output = at.job->output(at.row, at.column);
  if (output.in_column) throw InternalError("systolic array: a sum enters a column before it has left the array");
  output.in_column = true;
  return datapath_.enter(output.sum);
}

void StationaryController::collect(const Array::Result& result, std::uint64_t now) {
  const RowTag& tag = tags_[result.tag - first_tag_];
  const Element at = element(tag, result.column);
  if (at.job != nullptr) {
    ArrayJob& job = *at.job;
    job.result_edge = now + 1 + job.array.foot_latency;
    if (job.functional) {
      ArrayOutput& output = job.output(at.row, at.column);
      output.in_column = false;
      datapath_.leave(output.sum, result.sum, at.activation, at.weight, progress_.command.options);
      if (observer_ != nullptr)
        seen_.outputs.push_back({result.column, at.row, result.sum.integer[0], output.sum.accumulator});
    }
    if (--job.results_left == 0) finish(tag.job);
  }
  if (result.column + 1 < columns_) return;
  tags_.pop_front();
  ++first_tag_;
}

}  // namespace nibble
