// SPDX-License-Identifier: Apache-2.0
#include "accelerators/output_stationary_controller.h"

#include <algorithm>

namespace nibble {

OutputStationaryController::OutputStationaryController(const SystolicConfig& config, TileLoader& loader,
                                                       GemmProgress& progress)
    : CycleController(config, loader, progress),
      interval_(progress.segments[0].array.initiation_interval),
      array_(progress.segments[0].array, {&datapath_, &progress.command.options}) {}

bool OutputStationaryController::step(std::uint64_t now, bool hold) {
  step_.valid = false;
  if (hold) held(now);
  const bool job_streamed = !hold && stream(now);
  results_.clear();
  array_.step(step_, results_);
  for (const auto& result : results_)
    collect(result, now);
  for (; !staying_.empty() && staying_.front()->result_edge <= now + 1; staying_.pop_front())
    finish(staying_.front());
  if (observer_ != nullptr) show(now, hold);
  return job_streamed;
}

/// The cycle that is over, its results (which collect() has added) included, to the observer.
void OutputStationaryController::show(std::uint64_t now, bool hold) {
  seen_.edge = now;
  seen_.held = hold;
  seen_.enters = step_.valid;
  seen_.first = step_.first;
  seen_.left = step_.valid ? step_.left : std::vector<OperandSlice>{};
  seen_.top = step_.valid ? step_.top : std::vector<OperandSlice>{};
  const Array::PeStep pe = array_.last_step(observer_->row(), observer_->column());
  seen_.pe_works = pe.works;
  seen_.pe_left = pe.left;
  seen_.pe_top = pe.top;
  seen_.pe_integer[0] = pe.sum.integer;
  seen_.pe_real[0] = pe.sum.accumulator;
  seen_.pe_real[1] = pe.sum.inner;
  observer_->cycle(seen_);
  seen_.outputs.clear();
}

/// Lets the next step enter if it can; true when the job has streamed in at the end of this cycle.
bool OutputStationaryController::stream(std::uint64_t now) {
  if (!job_) {
    job_ = next_job(now);
    if (!job_) return false;
    const TileJob& tile = job_->loaded.job;
    job_->results_left = tile.last_k ? tile.m * job_->array.rows_fused * tile.n * job_->array.columns_fused : 0;
    pass_ = k_ = 0;
  }
  if (ending_ == 0) advance(now);
  if (ending_ != now + 1) return false;
  end(job_, ending_);
  leave_array(job_);
  job_.reset();
  ending_ = 0;
  return true;
}

/// The job's next step: it may begin, its pass or group may end (shifts, the shared scaling unit), its result may
/// leave.
void OutputStationaryController::advance(std::uint64_t now) {
  if (!array_.accepts(fresh_, false)) return;
  ArrayJob& job = *job_;
  const ArrayPass pass = job.passes.at(pass_);
  const std::uint64_t extent = progress_.segments[job.loaded.segment].sum_extent;
  const std::uint64_t group_end = extent == 0 ? pass.k : std::min(pass.k, (k_ / extent + 1) * extent);
  const std::uint64_t count = std::min(job.array.k_per_row, group_end - k_);
  const bool pass_ends = k_ + count == pass.k, last = pass_ends && job.loaded.job.last_k;
  if (pass_ == 0 && k_ == 0 && !group_begun_) start(job, now, begin_ + array_.earliest_step(fresh_));
  if (k_ == 0 && !group_begun_) overhead_left_ = job.array.pass_overhead;
  if (!group_begun_) group_start_ = now;
  group_begun_ = true;
  const bool overhead = pass_ends && overhead_left_ > 0;  // between steps: the last one still has to come
  if (overhead) --overhead_left_;
  if (overhead || (k_ + count == group_end && now + interval_ < group_start_ + job.array.group_interval)) {
    ++job.interval.compute;
    return;
  }
  if (!array_.accepts(fresh_, last)) return;
  enter_step(pass, count, last);
  job.interval.compute += interval_;
  k_ += count;
  group_begun_ = k_ < group_end;
  fresh_ = last;
  if (!pass_ends) return;
  k_ = 0;
  if (++pass_ == job.passes.count()) ending_ = now + interval_;
}

void OutputStationaryController::enter_step(const ArrayPass& pass, std::uint64_t count, bool last) {
  const ArrayJob& job = *job_;
  seen_.tile = job.number;
  seen_.pass = pass_;
  const std::uint64_t down = job.array.rows_fused, across = job.array.columns_fused;
  if (k_ == 0) tags_.push_back({job_, pass, job.loaded.job.last_k ? pass.m * down * pass.n * across : 0});
  step_.valid = true;
  step_.first = fresh_;
  step_.last = last;
  step_.tag = first_tag_ + tags_.size() - 1;
  step_.left.assign(pass.m * down, {});
  step_.top.assign(pass.n * across, {});
  // PEs that work as one take their operands in the last of them.
  for (std::uint64_t r = 0; r < pass.m; ++r)
    step_.left[r * down + down - 1] = job.activation_slice(pass.m0 + r, pass.k0 + k_, count);
  for (std::uint64_t c = 0; c < pass.n; ++c)
    step_.top[c * across + across - 1] = job.weight_slice(pass.n0 + c, pass.k0 + k_, count);
}

/// All operands have entered. A job whose sums stay is over when they have reached the last PE.
void OutputStationaryController::leave_array(const std::shared_ptr<ArrayJob>& job) {
  if (job->loaded.job.last_k) return;
  const ArrayPasses& passes = job->passes;
  job->result_edge =
      ending_ + (passes.last_rows_used() - 1) + (passes.last_columns_used() - 1) + (job->array.pe_latency - 1);
  staying_.push_back(job);
}

void OutputStationaryController::collect(const Array::Result& result, std::uint64_t now) {
  // Passes of jobs whose sums stayed have no results.
  while (tags_.front().results_left == 0) {
    tags_.pop_front();
    ++first_tag_;
  }
  PassTag& tag = tags_[result.tag - first_tag_];
  ArrayJob& job = *tag.job;
  const std::uint64_t down = job.array.rows_fused, across = job.array.columns_fused;
  job.result_edge = now + 1 + job.array.foot_latency;
  if (job.functional && result.row % down + 1 == down && result.column % across + 1 == across)
    job.output(tag.pass.m0 + result.row / down, tag.pass.n0 + result.column / across).sum = result.sum;
  if (observer_ != nullptr && job.functional) {
    seen_.outputs.push_back(
        {result.column, tag.pass.m0 + result.row / down, result.sum.integer, result.sum.accumulator});
  }
  --tag.results_left;
  if (--job.results_left == 0) finish(tag.job);
}

}  // namespace nibble
