// SPDX-License-Identifier: Apache-2.0
/// The part of ModelLowering that keeps the scores of attention on chip.
#include <algorithm>
#include <cmath>
#include <string>

#include "accelerators/lowering.h"
#include "core/error.h"
#include "core/units.h"

namespace nibble {

/// Scores, softmax and context of one attention, chunk by chunk: a chunk's scores stay where its softmax turns them
/// into probabilities, and where its context product reads them.
void ModelLowering::lower_fused(const std::vector<Operator>& parts, std::deque<LoweredCommand>& commands) {
  const Operator& scores = parts.front();
  const std::uint64_t row = std::max(stream_bytes(format_of(TensorRole::score), 1, scores.n),
                                     stream_bytes(config_.formats.probability, 1, scores.n));
  const std::uint64_t rows = config_.score_bytes() / row;
  if (rows == 0) {
    throw InputError("attention.fused: the scores of one query against " + std::to_string(scores.n) + " tokens take " +
                     std::to_string(row) + " bytes" + ", the activation buffer sets " +
                     std::to_string(config_.score_bytes()) + " bytes" +
                     " aside for them; set buffers.activation_kib to " + std::to_string(kib_for(row)) +
                     " or more, enlarge attention.buffer_share, or set attention.fused=false");
  }
  Chunk chunk;
  chunk.instances = std::clamp<std::uint64_t>(rows / scores.m, 1, scores.count);
  chunk.rows = std::min(rows, scores.m);
  // Whole tokens, or rows of one token.
  if (chunk.rows >= scores.rows_per_token && chunk.rows < scores.m)
    chunk.rows = round_down(chunk.rows, scores.rows_per_token);
  for (chunk.first_instance = 0; chunk.first_instance < scores.count; chunk.first_instance += chunk.instances) {
    const std::size_t begin = commands.size();
    for (chunk.first_row = 0; chunk.first_row < scores.m;) {
      Chunk now = chunk;
      now.instances = std::min(chunk.instances, scores.count - chunk.first_instance);
      now.rows = std::min(chunk.rows, scores.m - chunk.first_row);
      const std::uint64_t in_token = chunk.first_row % scores.rows_per_token;
      if (chunk.rows < scores.rows_per_token) now.rows = std::min(now.rows, scores.rows_per_token - in_token);
      now.last_rows = chunk.first_row + now.rows == scores.m;
      chunk_ = now;
      scores_on_chip_ = 0;
      for (Operator part : parts) {
        part.m = now.rows;
        part.past += chunk.first_row / scores.rows_per_token;
        part.count = now.instances;
        lower(part, commands);
      }
      chunk.first_row += now.rows;
    }
    for (std::size_t i = begin; i < commands.size(); ++i)
      commands[i].round = chunk.first_instance / chunk.instances + 1;
  }
  chunk_.reset();
}

/// The activation buffer whose share for scores holds `bytes` of them.
std::uint64_t ModelLowering::kib_for(std::uint64_t bytes) const {
  const double share =
      static_cast<double>(config_.score_bytes()) / static_cast<double>(config_.shared_activation_bytes());
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(bytes) / share / 1024));
}

/// W of the chunk's instances, in a cache of all.
void ModelLowering::choose_instances(Descriptor& d) const {
  if (!chunk_) return;
  d.w.address += chunk_->first_instance * d.w.layout(0).bytes();
  for (auto& part : d.continuations)
    part.address += chunk_->first_instance * part.instance_stride;
}

/// Every operand moved once: W with the last rows, which need all of it, what is on chip not at all.
std::uint64_t ModelLowering::compulsory_of(const Operator& op, const Descriptor& d) const {
  const Traffic once = compulsory_traffic(d);
  const bool reads_weights = !chunk_ || chunk_->last_rows;
  std::uint64_t bytes = (d.a.on_chip ? 0 : once.activation) + (d.c.on_chip ? 0 : once.output);
  if (reads_weights) bytes += once.weight;
  for (std::size_t segment = 1; segment <= continuation_count; ++segment) {
    const std::uint64_t extent = segment_extent(d, segment), begin = segment_begin(d, segment);
    if (extent == 0) continue;
    // Under a causal mask only the rows of tokens behind the earlier ones read the part.
    const bool masked = d.causal == CausalMask::context && begin > d.past;
    const std::uint64_t rows_before = masked ? std::min<std::uint64_t>(op.m, (begin - d.past) * op.rows_per_token) : 0;
    if (reads_weights) bytes += op.count * weight_segment(d, segment).layout(0).bytes();
    if (!d.a.on_chip) bytes += op.count * stream_bytes(d.a.format, op.m - rows_before, extent);
  }
  return bytes;
}

}  // namespace nibble
