// SPDX-License-Identifier: Apache-2.0
#include "workloads/language_model.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "workloads/model_limits.h"

namespace nibble {

namespace {

std::string range_problem(std::uint64_t value, std::uint64_t min, std::uint64_t max) {
  if (value >= min && value <= max) return {};
  return "must be " + std::to_string(min) + " to " + std::to_string(max) + ", not " + std::to_string(value);
}

std::uint64_t norm_parameters(const LanguageModel& model, std::uint64_t width) {
  return model.norm == Norm::rms ? width : 2 * width;
}

std::uint64_t layer_weights(const LanguageModel& model) {
  const std::uint64_t attention = model.hidden * (2 * model.query_width() + 2 * model.kv_width());
  return attention + (model.gated() ? 3 : 2) * model.hidden * model.feed_forward;
}

std::uint64_t layer_biases(const LanguageModel& model) {
  std::uint64_t biases = 0;
  if (model.qkv_bias) biases += model.query_width() + 2 * model.kv_width();
  if (model.output_bias) biases += model.hidden;
  if (model.feed_forward_bias) biases += (model.gated() ? 2 : 1) * model.feed_forward + model.hidden;
  return biases;
}

}  // namespace

std::optional<DimensionProblem> find_problem(const LanguageModel& model) {
  const struct {
    const char* field;
    std::uint64_t value, min, max;
  } ranges[] = {
      {"layers", model.layers, 1, model_limits::layers},
      {"hidden", model.hidden, 1, model_limits::width},
      {"heads", model.heads, 1, model_limits::heads},
      {"kv_heads", model.kv_heads, 1, model_limits::heads},
      {"head_dim", model.head_dim, 1, model_limits::width},
      {"feed_forward", model.feed_forward, 1, model_limits::feed_forward},
      {"vocabulary", model.vocabulary, 1, model_limits::vocabulary},
      {"max_positions", model.max_positions, 1, model_limits::positions},
      {"embedding_projection", model.embedding_projection, 0, model_limits::width},
      {"reserved_positions", model.reserved_positions, 0, model_limits::positions},
      {"sliding_window", model.sliding_window, 0, model_limits::positions},
      {"full_attention_layers", model.full_attention_layers, 0, model_limits::layers},
  };
  for (const auto& range : ranges) {
    std::string why = range_problem(range.value, range.min, range.max);
    if (!why.empty()) return DimensionProblem{range.field, std::move(why)};
  }
  if (model.kv_heads > model.heads || model.heads % model.kv_heads != 0) {
    return DimensionProblem{"kv_heads", std::to_string(model.kv_heads) + " key/value heads do not divide " +
                                            std::to_string(model.heads) + " query heads"};
  }
  if (model.query_width() > model_limits::width) {
    return DimensionProblem{"heads", std::to_string(model.heads) + " heads of " + std::to_string(model.head_dim) +
                                         " make a width above " + std::to_string(model_limits::width)};
  }
  if (model.positions == Positions::rotary) {
    const double columns = model.rotary_fraction * static_cast<double>(model.head_dim);
    const bool in_range = model.rotary_fraction > 0.0 && model.rotary_fraction <= 1.0;
    if (!in_range || std::fabs(columns - static_cast<double>(model.rotary_columns())) > 1e-6 * columns ||
        model.rotary_columns() % 2 != 0) {
      return DimensionProblem{"rotary_fraction", "must be above 0, at most 1, and give an even number of the " +
                                                     std::to_string(model.head_dim) + " columns of a head"};
    }
  }
  if (model.parallel_block && model.post_norm) {
    return DimensionProblem{"post_norm", "a parallel block has one norm in front of it"};
  }
  return std::nullopt;
}

void LanguageModel::check() const {
  if (const auto problem = find_problem(*this)) {
    throw InputError("model '" + name + "': " + problem->field + ": " + problem->why);
  }
}

std::uint64_t LanguageModel::rotary_columns() const {
  if (positions != Positions::rotary) return 0;
  const double columns = std::clamp(rotary_fraction, 0.0, 1.0) * static_cast<double>(head_dim);
  return static_cast<std::uint64_t>(std::llround(columns));
}

std::uint64_t LanguageModel::linear_weights() const {
  const std::uint64_t projections = 2 * embedding_projection * hidden;
  return layers * layer_weights(*this) + projections + vocabulary * embedding_width();
}

std::uint64_t LanguageModel::parameters() const {
  const std::uint64_t norms_per_layer =
      norm_parameters(*this, hidden) * (parallel_block ? 1 : 2) + (qk_norm ? 2 * norm_parameters(*this, head_dim) : 0);
  std::uint64_t total = linear_weights() + layers * (norms_per_layer + layer_biases(*this));
  if (!tied_embeddings) total += vocabulary * embedding_width();
  if (final_norm) total += norm_parameters(*this, hidden);
  if (lm_head_bias) total += vocabulary;
  if (positions == Positions::learned) total += (max_positions + reserved_positions) * hidden;
  return total;
}

std::uint64_t LanguageModel::kv_cache_elements(std::uint64_t tokens) const {
  const std::uint64_t full = sliding_window == 0 ? layers : std::min(layers, full_attention_layers);
  return 2 * kv_width() * (full * tokens + (layers - full) * std::min(tokens, sliding_window));
}

void Scenario::check() const {
  const struct {
    const char* name;
    std::uint64_t value, min, max;
  } ranges[] = {{"batch", batch, 1, model_limits::batch},
                {"prefill", prefill, 0, model_limits::tokens},
                {"decode", decode, 0, model_limits::tokens},
                {"context", context, 0, model_limits::tokens}};
  for (const auto& range : ranges) {
    const std::string why = range_problem(range.value, range.min, range.max);
    if (!why.empty()) throw InputError(std::string("scenario: ") + range.name + " " + why);
  }
  if (prefill == 0 && decode == 0) {
    throw InputError("scenario: nothing to do; give a prefill, decode steps, or both");
  }
  if (batch * prefill > model_limits::batch_tokens) {
    throw InputError("scenario: batch x prefill is " + std::to_string(batch * prefill) + " tokens; at most " +
                     std::to_string(model_limits::batch_tokens) + " are supported");
  }
  if (context != 0 && context < prefill) {
    throw InputError("scenario: context is what is cached before the first decode step, the prefill of " +
                     std::to_string(prefill) + " tokens included; leave it out or make it as large, not " +
                     std::to_string(context));
  }
}

void check_workload(const LanguageModel& model, const Scenario& scenario) {
  model.check();
  scenario.check();
  const double fed = static_cast<double>(scenario.prefill) + static_cast<double>(scenario.decode);
  const double last = fed + static_cast<double>(scenario.context);
  const double batch = static_cast<double>(scenario.batch);
  const double linear = static_cast<double>(model.linear_weights()) * batch * fed;
  const double attention =
      2.0 * static_cast<double>(model.layers) * static_cast<double>(model.query_width()) * batch * fed * last;
  if (linear + attention > 0x1.0p63) {
    throw InputError("scenario: batch " + std::to_string(scenario.batch) + ", prefill " +
                     std::to_string(scenario.prefill) + ", decode " + std::to_string(scenario.decode) + " of model '" +
                     model.name + "' is above 2^63 multiply-accumulates; ask for less");
  }
}

}  // namespace nibble
