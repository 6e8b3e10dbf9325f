// SPDX-License-Identifier: Apache-2.0
#include "accelerators/cycle_controller.h"

#include <algorithm>
#include <cstring>

#include "accelerators/output_stationary_controller.h"
#include "accelerators/stationary_controller.h"
#include "core/error.h"

namespace nibble {
namespace {

OperandSlice slice(const ArrayJob& job, const DatapathTile& tile, std::uint64_t row, std::uint64_t k,
                   std::uint64_t count) {
  if (!job.functional) return {};
  return {&tile, static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(k), static_cast<std::uint32_t>(count)};
}

}  // namespace

OperandSlice ArrayJob::activation_slice(std::uint64_t row, std::uint64_t k, std::uint64_t count) const {
  return slice(*this, activation, row, k, count);
}

OperandSlice ArrayJob::weight_slice(std::uint64_t column, std::uint64_t k, std::uint64_t count) const {
  return slice(*this, weight, column, k, count);
}

std::vector<float> ArrayJob::accumulators() const {
  std::vector<float> values;
  if (!outputs) return values;
  values.reserve(outputs->size());
  for (const ArrayOutput& output : *outputs)
    values.push_back(output.sum.accumulator);
  return values;
}

std::unique_ptr<CycleController> CycleController::make(const SystolicConfig& config, TileLoader& loader,
                                                       GemmProgress& progress) {
  if (config.array.dataflow == Dataflow::output_stationary)
    return std::make_unique<OutputStationaryController>(config, loader, progress);
  return std::make_unique<StationaryController>(config, loader, progress);
}

CycleController::CycleController(const SystolicConfig& config, TileLoader& loader, GemmProgress& progress)
    : config_(config),
      loader_(loader),
      progress_(progress),
      datapath_(config.pe->datapath()),
      begin_(progress.begin),
      observer_(config.array_observer),
      last_end_(progress.begin) {}

std::shared_ptr<ArrayJob> CycleController::next_job(std::uint64_t now) {
  const LoadedJob* next = jobs_ahead_ == 0 ? loader_.front() : jobs_ahead_ == 1 ? loader_.second() : nullptr;
  if (next == nullptr || !loader_.ready(*next) || loader_.ready_cycle(*next) > now) return nullptr;
  const SegmentPlan& plan = progress_.segments[next->segment];
  auto job = std::make_shared<ArrayJob>(*next, plan.array, plan.sum_extent);
  if (!progress_.command.timing_only) attach_operands(*job);
  job->number = jobs_begun_++;
  ++jobs_ahead_;
  ++unfinished_;
  return job;
}

/// The job's data: its tiles in front of the array, and the output tile that it continues.
void CycleController::attach_operands(ArrayJob& job) {
  const TileJob& tile = job.loaded.job;
  if (tile.refill || tile.first_k) {
    outputs_ = std::make_shared<std::vector<ArrayOutput>>(tile.m * tile.n);
    sums_begin_ = tile.k0;
  }
  if (tile.refill) {
    const std::vector<std::uint8_t>& bytes = loader_.refill_bytes(job.loaded);
    for (std::size_t i = 0; i < outputs_->size(); ++i)
      std::memcpy(&(*outputs_)[i].sum.accumulator, &bytes[i * sizeof(float)], sizeof(float));
  }
  job.outputs = outputs_;
  job.activation = {loader_.activation(job.loaded), tile.k0 - sums_begin_, tile.last_k};
  job.weight = {loader_.weight(job.loaded), tile.k0 - sums_begin_, tile.last_k};
  try {
    if (!is_encoding(job.activation.values) || !is_encoding(job.weight.values))
      throw InputError("operand: no encoder produces this");
    if (datapath_.prepare != nullptr) datapath_.prepare(job.activation, job.weight, progress_.command.options);
    job.functional = true;
  } catch (const InputError&) {
    progress_.bad_operand = true;  // the status says so; the array goes on without data
  }
}

void CycleController::start(ArrayJob& job, std::uint64_t now, std::uint64_t earliest) {
  job.interval.start = now;
  job.interval.structural = std::min(now, std::max(earliest, last_end_)) - last_end_;
}

void CycleController::end(const std::shared_ptr<ArrayJob>& job, std::uint64_t end) {
  job->interval.end = last_end_ = end;
  streamed_ = job;
}

void CycleController::finish(const std::shared_ptr<ArrayJob>& job) {
  --unfinished_;
  finished_.push_back(job);
}

}  // namespace nibble
