// SPDX-License-Identifier: Apache-2.0
#include "workloads/reference_network.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace nibble {
namespace {

/// Row-major, `width` columns.
struct Matrix {
  std::size_t width = 0;
  std::vector<double> values;
  std::size_t rows() const { return values.size() / width; }
  double* row(std::size_t r) { return &values[r * width]; }
  const double* row(std::size_t r) const { return &values[r * width]; }
};

class Network {
 public:
  Network(const LanguageModel& model, const SyntheticModel& weights, double theta, double epsilon)
      : model_(model), weights_(weights), theta_(theta), epsilon_(epsilon) {}

  std::vector<std::vector<double>> run(std::size_t sequence, std::size_t first, std::size_t tokens) {
    Matrix hidden = embed(sequence, tokens);
    for (layer_ = 0; layer_ < static_cast<int>(model_.layers); ++layer_) {
      const Matrix normed = norm("attention_norm", hidden, model_.hidden);
      const Matrix attention = this->attention(normed);
      if (model_.parallel_block) {
        add(hidden, attention);
        add(hidden, feed_forward(normed));
      } else {
        add(hidden, attention);
        add(hidden, feed_forward(norm("feed_forward_norm", hidden, model_.hidden)));
      }
    }
    layer_ = -1;
    return predict(hidden, first);
  }

 private:
  static void add(Matrix& to, const Matrix& from) {
    for (std::size_t i = 0; i < to.values.size(); ++i)
      to.values[i] += from.values[i];
  }

  Matrix constant(const std::string& name, int layer, std::size_t rows, std::size_t columns) const {
    const Tensor tensor = weights_.tensor(name, layer, rows, columns);
    return {columns, {tensor.values.begin(), tensor.values.end()}};
  }

  Matrix embed(std::size_t sequence, std::size_t tokens) const {
    const std::size_t width = model_.embedding_width();
    const Matrix table = constant("embedding", -1, model_.vocabulary, width);
    Matrix hidden{width, {}};
    for (std::size_t t = 0; t < tokens; ++t) {
      const double* row = table.row(weights_.token(sequence, t, model_.vocabulary));
      hidden.values.insert(hidden.values.end(), row, row + width);
    }
    if (model_.embedding_projection != 0) hidden = linear("project_in", hidden, model_.hidden);
    if (model_.positions != Positions::learned) return hidden;
    const Matrix positions = constant("positions", -1, model_.reserved_positions + tokens, model_.hidden);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t i = 0; i < hidden.width; ++i)
        hidden.row(t)[i] += positions.row(model_.reserved_positions + t)[i];
    }
    return hidden;
  }

  Matrix linear(const std::string& name, const Matrix& x, std::size_t outputs) const {
    const Matrix weight = constant(name, layer_, outputs, x.width);
    Matrix y{outputs, std::vector<double>(x.rows() * outputs)};
    for (std::size_t r = 0; r < x.rows(); ++r) {
      for (std::size_t o = 0; o < outputs; ++o) {
        double sum = 0;
        for (std::size_t i = 0; i < x.width; ++i)
          sum += x.row(r)[i] * weight.row(o)[i];
        y.row(r)[o] = sum;
      }
    }
    return y;
  }

  Matrix biased(const std::string& name, Matrix x, bool bias) const {
    if (!bias) return x;
    const Matrix shift = constant(name, layer_, 1, x.width);
    for (std::size_t i = 0; i < x.values.size(); ++i)
      x.values[i] += shift.values[i % x.width];
    return x;
  }

  /// Over parts of `width` columns.
  Matrix norm(const std::string& name, Matrix x, std::size_t width) const {
    const bool layer_norm = model_.norm == Norm::layer;
    const Matrix gain = constant(name, layer_, layer_norm ? 2 : 1, width);
    for (std::size_t at = 0; at < x.values.size(); at += width) {
      double* part = &x.values[at];
      double mean = 0, squares = 0;
      for (std::size_t i = 0; layer_norm && i < width; ++i)
        mean += part[i] / static_cast<double>(width);
      for (std::size_t i = 0; i < width; ++i)
        squares += (part[i] - mean) * (part[i] - mean);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(width) + epsilon_);
      for (std::size_t i = 0; i < width; ++i)
        part[i] = (part[i] - mean) * inverse * gain.values[i] + (layer_norm ? gain.row(1)[i] : 0.0);
    }
    return x;
  }

  void rotate(Matrix& x) const {
    const std::size_t rotated = model_.rotary_columns(), pairs = rotated / 2;
    for (std::size_t at = 0; at < x.values.size(); at += model_.head_dim) {
      const std::size_t row = at / x.width;
      const auto position = static_cast<double>(row);
      for (std::size_t i = 0; i < pairs; ++i) {
        const double angle = position * std::pow(theta_, -2.0 * static_cast<double>(i) / static_cast<double>(rotated));
        double& left = x.values[at + (model_.rotary_interleaved ? 2 * i : i)];
        double& right = x.values[at + (model_.rotary_interleaved ? 2 * i + 1 : i + pairs)];
        const double a = left, b = right;
        left = a * std::cos(angle) - b * std::sin(angle);
        right = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }

  Matrix projection(const std::string& letter, const Matrix& x, std::size_t heads, bool positioned) const {
    Matrix y = biased(letter + "_bias", linear(letter + "_proj", x, heads * model_.head_dim), model_.qkv_bias);
    if (positioned && model_.qk_norm) y = norm(letter + "_norm", std::move(y), model_.head_dim);
    if (positioned && model_.positions == Positions::rotary) rotate(y);
    return y;
  }

  Matrix attention(const Matrix& x) const {
    const Matrix q = projection("q", x, model_.heads, true), k = projection("k", x, model_.kv_heads, true),
                 v = projection("v", x, model_.kv_heads, false);
    const std::size_t d = model_.head_dim;
    Matrix context{q.width, std::vector<double>(q.values.size())};
    for (std::size_t h = 0; h < model_.heads; ++h) {
      const std::size_t shared = h / (model_.heads / model_.kv_heads);
      for (std::size_t t = 0; t < x.rows(); ++t) {
        std::vector<double> weights(t + 1);
        for (std::size_t s = 0; s <= t; ++s) {
          for (std::size_t i = 0; i < d; ++i)
            weights[s] += q.row(t)[h * d + i] * k.row(s)[shared * d + i];
          weights[s] /= std::sqrt(static_cast<double>(d));
        }
        const double largest = *std::max_element(weights.begin(), weights.end());
        double sum = 0;
        for (double& weight : weights)
          sum += weight = std::exp(weight - largest);
        for (std::size_t s = 0; s <= t; ++s) {
          for (std::size_t i = 0; i < d; ++i)
            context.row(t)[h * d + i] += weights[s] / sum * v.row(s)[shared * d + i];
        }
      }
    }
    return biased("o_bias", linear("o_proj", context, model_.hidden), model_.output_bias);
  }

  double activation(double x) const {
    switch (model_.activation) {
      case FeedForward::gated_silu:
        return x / (1 + std::exp(-x));
      case FeedForward::relu:
        return std::max(x, 0.0);
      default:
        return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    }
  }

  Matrix feed_forward(const Matrix& x) const {
    const bool gated = model_.gated(), bias = model_.feed_forward_bias;
    Matrix inner =
        biased(gated ? "gate_bias" : "fc1_bias", linear(gated ? "gate_proj" : "fc1", x, model_.feed_forward), bias);
    for (double& value : inner.values)
      value = activation(value);
    if (gated) {
      const Matrix up = biased("up_bias", linear("up_proj", x, model_.feed_forward), bias);
      for (std::size_t i = 0; i < inner.values.size(); ++i)
        inner.values[i] *= up.values[i];
    }
    return biased(gated ? "down_bias" : "fc2_bias", linear(gated ? "down_proj" : "fc2", inner, model_.hidden), bias);
  }

  std::vector<std::vector<double>> predict(const Matrix& hidden, std::size_t first) const {
    Matrix last{hidden.width,
                {hidden.values.begin() + static_cast<std::ptrdiff_t>(first * hidden.width), hidden.values.end()}};
    if (model_.final_norm) last = norm("final_norm", std::move(last), model_.hidden);
    if (model_.embedding_projection != 0) last = linear("project_out", last, model_.embedding_projection);
    const Matrix logits = biased("lm_head_bias", linear("lm_head", last, model_.vocabulary), model_.lm_head_bias);
    std::vector<std::vector<double>> rows;
    for (std::size_t r = 0; r < logits.rows(); ++r)
      rows.emplace_back(logits.row(r), logits.row(r) + logits.width);
    return rows;
  }

  const LanguageModel& model_;
  const SyntheticModel& weights_;
  const double theta_, epsilon_;
  int layer_ = -1;
};

}  // namespace

std::vector<std::vector<double>> reference_logits(const LanguageModel& model, const SyntheticModel& weights,
                                                  std::size_t sequence, std::size_t first, std::size_t tokens,
                                                  double rotary_theta, double epsilon) {
  return Network(model, weights, rotary_theta, epsilon).run(sequence, first, tokens);
}

LogitError logit_error(const std::vector<std::vector<float>>& logits,
                       const std::vector<std::vector<double>>& reference) {
  LogitError error;
  double differences = 0, squares = 0, own = 0, products = 0;
  for (std::size_t r = 0; r < logits.size(); ++r) {
    for (std::size_t i = 0; i < logits[r].size(); ++i) {
      const double x = logits[r][i], y = reference[r][i];
      differences += (x - y) * (x - y);
      squares += y * y;
      own += x * x;
      products += x * y;
    }
    const auto top = [](const auto& row) { return std::max_element(row.begin(), row.end()) - row.begin(); };
    error.same_top += top(logits[r]) == top(reference[r]);
  }
  error.rows = logits.size();
  error.relative = std::sqrt(differences / squares);
  error.cosine = products / std::sqrt(own * squares);
  return error;
}

}  // namespace nibble
