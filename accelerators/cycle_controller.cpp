// SPDX-License-Identifier: Apache-2.0
#include "accelerators/cycle_controller.h"

#include <algorithm>
#include <cstring>

namespace nibble {
namespace {

/// What PE row `array_row` holds of a weight: the code itself, or in the fused mode its high (even rows) or low nibble.
std::uint8_t weight_slice(std::uint8_t code, bool wide, std::uint64_t array_row) {
  if (!wide) return code;
  return array_row % 2 == 0 ? static_cast<std::uint8_t>(code >> 4) : static_cast<std::uint8_t>(code & 0xF);
}

}  // namespace

CycleController::CycleController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress)
    : loader_(loader), progress_(progress), native_(config.array), array_(config.array) {}

bool CycleController::step(std::uint64_t now) {
  activation_.valid = weight_.valid = false;
  const bool job_streamed = stream(now);
  load(now);
  advance_array(now);
  return job_streamed;
}

void CycleController::bubble(std::uint64_t now) {
  activation_.valid = weight_.valid = false;
  last_pass_end_ = now + 1;
  load(now);
  advance_array(now);
}

void CycleController::advance_array(std::uint64_t now) {
  results_.clear();
  array_.step(activation_, weight_, results_);
  for (const auto& result : results_)
    collect(result, now);
}

bool CycleController::stream(std::uint64_t now) {
  if (!streaming_ && shadow_full_) {
    streaming_ = shadow_job_;
    pass_ = shadow_pass_;
    row_ = 0;
    shadow_full_ = false;
    account_start(now);
  }
  if (!streaming_) return false;
  enter_row();
  ++progress_.counters.compute_cycles;
  if (++row_ < streaming_->passes.rows()) return false;
  last_pass_end_ = now + 1;
  const bool job_streamed = pass_ + 1 == streaming_->passes.count();
  streaming_.reset();
  return job_streamed;
}

/// Splits the gap between the end of the pass before and this start by cause.
void CycleController::account_start(std::uint64_t now) {
  CommandCounters& counters = progress_.counters;
  const std::uint64_t load = geometry(streaming_->loaded).preload_cycles();
  const std::uint64_t gap = now - (progress_.started ? last_pass_end_ : progress_.begin);
  const std::uint64_t visible_load = !progress_.started                  ? load
                                     : next_pass_start_ > last_pass_end_ ? next_pass_start_ - last_pass_end_
                                                                         : 0;
  const std::uint64_t structural = std::min(gap, visible_load);
  counters.fill_drain_cycles += structural;
  if (progress_.started) counters.weight_load_cycles += structural;
  counters.memory_stall_cycles += gap - structural;
  counters.stall_by_stream[static_cast<unsigned>(loader_.last_stream(streaming_->loaded))] += gap - structural;
  progress_.started = true;
  next_pass_start_ = now + std::max(streaming_->passes.rows(), load);
}

void CycleController::enter_row() {
  const ArrayPass pass = streaming_->passes.at(pass_);
  activation_.valid = true;
  activation_.first = row_ == 0;
  activation_.wide = wide(streaming_->loaded);
  activation_.tag = next_tag_++;
  activation_.x.assign(native_.rows, 0);
  if (const QuantizedTensor* tile = streaming_->activation) {
    const std::uint64_t fused = geometry(streaming_->loaded).rows_fused;
    for (std::uint64_t r = 0; r < pass.k * fused; ++r) {
      activation_.x[r] = static_cast<std::int8_t>(tile->codes[row_ * tile->columns() + pass.k0 + r / fused]);
    }
  }
  if (pass_ == 0 && row_ == 0) ++unfinished_;
  tags_.push_back({streaming_, pass_, row_});
}

void CycleController::load(std::uint64_t now) {
  if (!loading_) {
    if (shadow_full_ || !next_pass(now)) return;
    loading_ = true;
    loaded_rows_ = 0;
  }
  const std::uint64_t row = native_.rows - 1 - loaded_rows_;
  weight_.valid = true;
  weight_.row = row;
  weight_.codes.assign(native_.columns, 0);
  weight_.int4.assign(native_.columns, 1);
  const ArrayPass pass = shadow_job_->passes.at(shadow_pass_);
  const std::uint64_t fused = geometry(shadow_job_->loaded).rows_fused;
  if (shadow_job_->weight != nullptr && row < pass.k * fused) {
    const QuantizedTensor& tile = *shadow_job_->weight;
    for (std::uint64_t c = 0; c < pass.n; ++c) {
      const std::int16_t code = tile.codes[(pass.n0 + c) * tile.columns() + pass.k0 + row / fused];
      weight_.codes[c] = weight_slice(static_cast<std::uint8_t>(code), wide(shadow_job_->loaded), row);
      if (!tile.types.empty())
        weight_.int4[c] =
            tile.types[(pass.n0 + c) * tile.groups_per_row() + pass.k0 / plan(shadow_job_->loaded).sum_extent] ==
            mant_int4_type;
    }
  }
  if (++loaded_rows_ == native_.rows) {
    loading_ = false;
    shadow_full_ = true;
  }
}

/// Chooses the pass whose weights load next; false while its operands are not on chip, or none is left.
bool CycleController::next_pass(std::uint64_t now) {
  if (shadow_job_ && shadow_pass_ + 1 < shadow_job_->passes.count()) {
    ++shadow_pass_;
    return true;
  }
  const LoadedJob* next = jobs_ahead_ == 0 ? loader_.front() : jobs_ahead_ == 1 ? loader_.second() : nullptr;
  if (next == nullptr || !loader_.ready(*next) || loader_.ready_cycle(*next) > now) return false;
  shadow_job_ = make_job(*next);
  shadow_pass_ = 0;
  ++jobs_ahead_;
  return true;
}

std::shared_ptr<ArrayJob> CycleController::make_job(const LoadedJob& loaded) {
  auto job = std::make_shared<ArrayJob>(
      loaded, ArrayPasses(loaded.job.m, loaded.job.k, loaded.job.n, geometry(loaded), plan(loaded).sum_extent));
  job->results_left = loaded.job.m * loaded.job.n * job->passes.per_column_block();
  if (progress_.command.timing_only) return job;
  job->activation = &loader_.activation(loaded);
  job->weight = &loader_.weight(loaded);
  if (!is_encoding(*job->activation) || !is_encoding(*job->weight)) {
    progress_.bad_operand = true;
    job->activation = job->weight = nullptr;
    return job;
  }
  job->activation_scales = job->activation->scales;
  job->weight_scales = job->weight->scales;
  job->weight_types = job->weight->types;
  job->groups = job->activation->groups_per_row();
  job->weight_groups = job->weight_scales.size() / loaded.job.n;
  if (loaded.job.refill) {
    accumulators_ = std::make_shared<std::vector<float>>(loaded.job.m * loaded.job.n);
    std::memcpy(accumulators_->data(), loader_.refill_bytes(loaded).data(), accumulators_->size() * sizeof(float));
  } else if (loaded.job.first_k) {
    accumulators_ = std::make_shared<std::vector<float>>(loaded.job.m * loaded.job.n, 0.0f);
  }
  job->accumulators = accumulators_;
  if (plan(loaded).sum_extent > geometry(loaded).pass_k()) job->group_sums.assign(loaded.job.m * loaded.job.n, 0);
  return job;
}

void CycleController::collect(const SystolicArrayCycle::Result& result, std::uint64_t now) {
  const RowTag& tag = tags_[result.tag - first_tag_];
  const std::shared_ptr<ArrayJob> job = tag.job;
  const ArrayPass pass = job->passes.at(tag.pass);
  if (result.column < pass.n) {
    job->result_edge = now + 1 + native_.foot_latency;
    if (job->accumulators) scale(*job, tag, pass, result);
    if (--job->results_left == 0) {
      finished_.push_back(job);
      --unfinished_;
    }
  }
  if (result.column + 1 == native_.columns) {
    tags_.pop_front();
    ++first_tag_;
  }
}

void CycleController::scale(ArrayJob& job, const RowTag& tag, const ArrayPass& pass,
                            const SystolicArrayCycle::Result& result) {
  const TileJob& tile = job.loaded.job;
  const std::uint64_t group = plan(job.loaded).sum_extent;
  const std::uint64_t g = pass.k0 / group;
  const std::uint64_t column = pass.n0 + result.column;
  const std::uint64_t at = tag.row * tile.n + column;
  const std::uint64_t weight_at = column * job.weight_groups + (job.weight_groups == job.groups ? g : 0);
  std::int32_t sum = wide(job.loaded) ? result.sums.mac : mant_group_sum(result.sums, job.weight_types[weight_at]);
  if (!job.group_sums.empty()) {
    sum += job.group_sums[at];
    const bool group_complete = pass.k0 + pass.k == std::min((g + 1) * group, tile.k);
    job.group_sums[at] = group_complete ? 0 : sum;
    if (!group_complete) return;
  }
  float& accumulator = (*job.accumulators)[at];
  accumulator =
      mant_foot(accumulator, sum, job.activation_scales[tag.row * job.groups + g], job.weight_scales[weight_at]);
}

}  // namespace nibble
