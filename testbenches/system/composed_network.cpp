// SPDX-License-Identifier: Apache-2.0
#include "testbenches/system/composed_network.h"

#include <algorithm>
#include <utility>

#include "accelerators/functional_model.h"
#include "formats/grouped_kv_cache.h"
#include "formats/kv_policies.h"
#include "formats/rounding.h"
#include "pe/kv_gemm.h"
#include "pe/vector_functions.h"

namespace nibble::test {
namespace {

Tensor tensor_of(const Rows& rows) {
  return {"operand", {rows.count(), rows.columns}, rows.values};
}

Rows as_fp16(std::vector<float> values, std::size_t columns) {
  for (float& value : values)
    value = round_fp16(value);
  return {columns, std::move(values)};
}

/// The highest bit of the mantissa.
float with_another_bit(float value) {
  return fp16_value(static_cast<std::uint16_t>(fp16_bits(value) ^ 0x200U));
}

Rows sum(Rows x, const Rows& y) {
  for (std::size_t i = 0; i < x.values.size(); ++i)
    x.values[i] = round_fp16(x.values[i] + y.values[i]);
  return x;
}

Rows sum(Rows x, const Rows& y, const Rows& z) {
  for (std::size_t i = 0; i < x.values.size(); ++i)
    x.values[i] = round_fp16(x.values[i] + y.values[i] + z.values[i]);
  return x;
}

std::unique_ptr<KvCache> cache_of(const MachineConfig& config, std::size_t channels) {
  switch (config.kv_cache.policy) {
    case KvPolicy::mant:
      return make_kv_cache("mant", channels);
    case KvPolicy::harmonia:
      return make_kv_cache("harmonia", channels);
    case KvPolicy::open_fp16: {
      GroupedKvOptions options;
      options.keys = config.formats.key;
      options.values = config.formats.value;
      if (options.keys.family == FormatFamily::amove) options.key_exponent = options.value_exponent = 0;
      return std::make_unique<GroupedKvCache>(channels, options);
    }
    case KvPolicy::plain:
      break;
  }
  return make_kv_cache(config.formats.value.grouping == Grouping::none ? "fp16" : "int8", channels);
}

}  // namespace

ComposedNetwork::ComposedNetwork(const MachineConfig& config, const LanguageModel& model, const SyntheticModel& weights,
                                 std::size_t batch)
    : config_(config), model_(model), weights_(weights), batch_(batch), caches_(model.layers) {
  for (auto& layer : caches_) {
    for (std::size_t i = 0; i < batch * model.kv_heads; ++i)
      layer.push_back(cache_of(config, model.head_dim));
  }
}

std::vector<std::vector<float>> ComposedNetwork::run(std::size_t tokens) {
  tokens_ = tokens;
  Rows hidden = embed();
  for (layer_ = 0; layer_ < static_cast<int>(model_.layers); ++layer_) {
    const Rows normed = norm("attention_norm", hidden, model_.hidden);
    const Rows attended = attention(normed);
    if (model_.parallel_block) {
      hidden = sum(attended, feed_forward(normed), hidden);
      continue;
    }
    hidden = sum(attended, hidden);
    hidden = sum(feed_forward(norm("feed_forward_norm", hidden, model_.hidden)), hidden);
  }
  layer_ = -1;
  Rows last{hidden.columns, {}};
  for (std::size_t sequence = 0; sequence < batch_; ++sequence) {
    const auto row =
        hidden.values.begin() + static_cast<std::ptrdiff_t>(((sequence + 1) * tokens - 1) * hidden.columns);
    last.values.insert(last.values.end(), row, row + static_cast<std::ptrdiff_t>(hidden.columns));
  }
  const Rows logits =
      biased("lm_head_bias", linear("lm_head", norm("final_norm", last, model_.hidden), model_.vocabulary),
             model_.lm_head_bias);
  past_ += tokens;
  std::vector<std::vector<float>> rows;
  for (std::size_t r = 0; r < batch_; ++r) {
    const auto row = logits.values.begin() + static_cast<std::ptrdiff_t>(r * logits.columns);
    rows.emplace_back(row, row + static_cast<std::ptrdiff_t>(logits.columns));
  }
  return rows;
}

/// As FP16, with the planted bit.
Rows ComposedNetwork::constant(const std::string& name, int layer, std::size_t rows, std::size_t columns) const {
  Rows out = as_fp16(weights_.tensor(name, layer, rows, columns).values, columns);
  if (name != planted_ || layer != planted_layer_) return out;
  // A row that is read: the first token's, the first position's.
  const std::size_t row = name == "embedding"   ? weights_.token(0, 0, model_.vocabulary)
                          : name == "positions" ? model_.reserved_positions
                                                : 0;
  out.values[row * columns] = with_another_bit(out.values[row * columns]);
  return out;
}

Rows ComposedNetwork::embed() const {
  const Rows table = constant("embedding", -1, model_.vocabulary, model_.hidden);
  Rows hidden{model_.hidden, {}};
  for (std::size_t sequence = 0; sequence < batch_; ++sequence) {
    for (std::size_t t = 0; t < tokens_; ++t) {
      const std::size_t token = weights_.token(sequence, past_ + t, model_.vocabulary);
      const auto row = table.values.begin() + static_cast<std::ptrdiff_t>(token * table.columns);
      hidden.values.insert(hidden.values.end(), row, row + static_cast<std::ptrdiff_t>(table.columns));
    }
  }
  if (model_.positions != Positions::learned) return hidden;
  // A larger table begins with the rows of a smaller one.
  const std::size_t first = model_.reserved_positions + past_;
  const Rows positions = constant("positions", -1, first + tokens_, model_.hidden);
  for (std::size_t r = 0; r < hidden.count(); ++r) {
    for (std::size_t i = 0; i < hidden.columns; ++i) {
      float& value = hidden.values[r * hidden.columns + i];
      value = round_fp16(value + positions.values[(first + r % tokens_) * hidden.columns + i]);
    }
  }
  return hidden;
}

Rows ComposedNetwork::norm(const std::string& name, Rows x, std::size_t width) const {
  const bool layer_norm_is_it = model_.norm == Norm::layer;
  const Rows gain = constant(name, layer_, layer_norm_is_it ? 2 : 1, width);
  const std::size_t lanes = config_.vector_unit.lanes;
  for (std::size_t at = 0; at < x.values.size(); at += width) {
    float* part = &x.values[at];
    if (layer_norm_is_it) {
      layer_norm(part, width, gain.values.data(), &gain.values[width], norm_epsilon, lanes, part);
    } else {
      rms_norm(part, width, gain.values.data(), norm_epsilon, lanes, part);
    }
  }
  return x;
}

Rows ComposedNetwork::linear(const std::string& name, const Rows& x, std::size_t outputs) const {
  EncodeOptions offline;
  offline.slot = TensorSlot::offline;
  QuantizedTensor weight = encode(weights_.tensor(name, layer_, outputs, x.columns), config_.formats.weight, offline);
  if (name == planted_ && layer_ == planted_layer_) {
    if (weight.codes.empty()) {
      weight.values[0] = with_another_bit(weight.values[0]);
    } else {
      weight.codes[0] = static_cast<std::int16_t>(weight.codes[0] ^ 1);
    }
  }
  std::vector<float> accumulators;
  gemm(*config_.pe_for(config_.formats.activation, config_.formats.weight),
       encode(tensor_of(x), config_.formats.activation), weight, accumulators, config_.options);
  return as_fp16(std::move(accumulators), outputs);
}

Rows ComposedNetwork::biased(const std::string& name, Rows x, bool bias) const {
  if (!bias) return x;
  const Rows shift = constant(name, layer_, 1, x.columns);
  for (std::size_t i = 0; i < x.values.size(); ++i)
    x.values[i] = round_fp16(x.values[i] + shift.values[i % x.columns]);
  return x;
}

void ComposedNetwork::rotate(Rows& x) const {
  const std::size_t rotated = model_.rotary_columns();
  const std::vector<float> angles = rotary_table(past_ + tokens_, rotated, rotary_theta);
  for (std::size_t at = 0; at < x.values.size(); at += model_.head_dim) {
    const std::size_t position = past_ + at / x.columns % tokens_;
    std::vector<float> turned(model_.head_dim);
    nibble::rotate(&x.values[at], model_.head_dim, &angles[position * rotated], rotated,
                   model_.rotary_interleaved ? RotaryForm::interleaved : RotaryForm::half_split, turned.data());
    std::copy(turned.begin(), turned.end(), &x.values[at]);
  }
}

Rows ComposedNetwork::projection(const std::string& letter, const Rows& x, std::size_t heads, bool positioned) const {
  Rows y = biased(letter + "_bias", linear(letter + "_proj", x, heads * model_.head_dim), model_.qkv_bias);
  if (positioned && model_.qk_norm) y = norm(letter + "_norm", std::move(y), model_.head_dim);
  if (positioned && model_.positions == Positions::rotary) rotate(y);
  return y;
}

Rows ComposedNetwork::attention(const Rows& x) {
  const Rows q = projection("q", x, model_.heads, true), k = projection("k", x, model_.kv_heads, true),
             v = projection("v", x, model_.kv_heads, false);
  const std::size_t d = model_.head_dim, group = model_.heads / model_.kv_heads;
  Rows context{q.columns, std::vector<float>(q.values.size())};
  for (std::size_t sequence = 0; sequence < batch_; ++sequence) {
    for (std::size_t head = 0; head < model_.kv_heads; ++head) {
      KvCache& cache = *caches_[static_cast<std::size_t>(layer_)][sequence * model_.kv_heads + head];
      // Rows of the sequence's tokens, columns of one KV head.
      const auto part = [&](const Rows& from, std::size_t width) {
        Rows out{d, {}};
        for (std::size_t t = 0; t < tokens_; ++t) {
          const std::size_t at = (sequence * tokens_ + t) * from.columns + head * width;
          out.values.insert(out.values.end(), from.values.begin() + static_cast<std::ptrdiff_t>(at),
                            from.values.begin() + static_cast<std::ptrdiff_t>(at + width));
        }
        return out;
      };
      Rows keys = part(k, d), values = part(v, d);
      for (auto [name, rows] : {std::pair{"keys", &keys}, std::pair{"values", &values}}) {
        if (name == planted_ && layer_ == planted_layer_) rows->values[0] = with_another_bit(rows->values[0]);
      }
      if (past_ == 0) {
        cache.append_prompt(tensor_of(keys), tensor_of(values));
      } else {
        cache.append(keys.values, values.values);
      }
      const Rows result = attend(part(q, group * d), cache);
      for (std::size_t t = 0; t < tokens_; ++t) {
        std::copy_n(result.values.begin() + static_cast<std::ptrdiff_t>(t * group * d), group * d,
                    context.values.begin() +
                        static_cast<std::ptrdiff_t>((sequence * tokens_ + t) * q.columns + head * group * d));
      }
    }
  }
  return biased("o_bias", linear("o_proj", context, model_.hidden), model_.output_bias);
}

/// The query heads that share a KV head, as rows.
Rows ComposedNetwork::attend(const Rows& queries, const KvCache& cache) const {
  const std::size_t group = model_.heads / model_.kv_heads, seen = past_ + tokens_;
  std::vector<float> scores, context;
  kv_scores(*config_.pe_for(config_.formats.query, config_.formats.key),
            encode(tensor_of(queries), config_.formats.query), cache.keys(), scores, config_.options);
  Rows weights = as_fp16(std::move(scores), seen);
  const float scale = 1.0F / vector_sqrt(static_cast<float>(model_.head_dim));
  for (std::size_t r = 0; r < weights.count(); ++r) {
    float* row = &weights.values[r * seen];
    softmax(row, seen, 0, past_ + r / group + 1, scale, config_.vector_unit.lanes, row);
  }
  EncodeOptions online;
  const Format& format = config_.formats.probability;
  // Amove: the exponent of what lies in 0..1, for codes of 4 bits.
  if (format.family == FormatFamily::amove) online.exponent = -11;
  kv_context(*config_.pe_for(format, config_.formats.value), encode(tensor_of(weights), format, online), cache.values(),
             context, config_.options);
  return as_fp16(std::move(context), model_.head_dim);
}

Rows ComposedNetwork::feed_forward(const Rows& x) const {
  const bool bias = model_.feed_forward_bias;
  if (!model_.gated()) {
    Rows inner = biased("fc1_bias", linear("fc1", x, model_.feed_forward), bias);
    for (float& value : inner.values)
      value = model_.activation == FeedForward::relu ? std::max(value, 0.0F) : round_fp16(gelu(value, GeluForm::tanh));
    return biased("fc2_bias", linear("fc2", inner, model_.hidden), bias);
  }
  Rows inner = biased("gate_bias", linear("gate_proj", x, model_.feed_forward), bias);
  const Rows up = biased("up_bias", linear("up_proj", x, model_.feed_forward), bias);
  for (std::size_t i = 0; i < inner.values.size(); ++i) {
    const float gate = inner.values[i];
    const float activated = model_.activation == FeedForward::gated_silu ? silu(gate) : gelu(gate, GeluForm::tanh);
    inner.values[i] = round_fp16(activated * up.values[i]);
  }
  return biased("down_bias", linear("down_proj", inner, model_.hidden), bias);
}

}  // namespace nibble::test
