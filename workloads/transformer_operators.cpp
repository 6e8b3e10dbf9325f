// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "workloads/language_model.h"

namespace nibble {

namespace {

/// One forward pass: the prefill of a prompt, or one decode step.
class Pass {
 public:
  Pass(const LanguageModel& model, const std::function<void(const Operator&)>& visit, Phase phase, unsigned step,
       std::uint64_t batch, std::uint64_t tokens, std::uint64_t past)
      : model_(model), visit_(visit), phase_(phase), step_(step), batch_(batch), tokens_(tokens), past_(past) {}

  void run() {
    embed();
    for (layer_ = 0; layer_ < static_cast<int>(model_.layers); ++layer_) {
      if (!model_.post_norm) norm("attention_norm", rows(), TensorRole::activation);
      attention();
      if (!model_.parallel_block) {
        residual_add("attention_residual", {"attention", "hidden"});
        norm(model_.post_norm ? "attention_norm" : "feed_forward_norm", rows(), norm_result());
      }
      feed_forward();
      if (model_.parallel_block) {
        residual_add("residual", {"attention", "feed_forward", "hidden"});
      } else {
        residual_add("feed_forward_residual", {"feed_forward", "hidden"});
      }
      if (model_.post_norm) norm("feed_forward_norm", rows(), norm_result());
    }
    layer_ = -1;
    predict();
  }

 private:
  using Role = TensorRole;

  std::uint64_t rows() const { return batch_ * tokens_; }
  /// After the norms of a post-norm layer the same tensor is the residual stream.
  Role norm_result() const { return model_.post_norm ? Role::hidden : Role::activation; }

  /// What attention and feed-forward read: behind the norms of a post-norm layer that is the residual stream.
  const char* block_input() const { return model_.post_norm ? "hidden" : "normed"; }
  const char* predicting() const { return model_.final_norm ? "normed" : "hidden"; }

  void emit(Operator op) const {
    op.phase = phase_;
    op.step = step_;
    op.layer = layer_;
    visit_(op);
  }

  void linear(const char* name, std::uint64_t m, std::uint64_t k, std::uint64_t n, Role c, const char* read,
              const char* written) const {
    Operator op;
    op.name = name;
    op.kind = OperatorKind::linear;
    op.m = m;
    op.k = k;
    op.n = n;
    op.shared_weights = true;
    op.a = Role::activation;
    op.w = Role::weight;
    op.c = c;
    op.reads = {read};
    op.writes = written;
    emit(std::move(op));
  }

  /// Reads and writes the same tensor unless the caller says otherwise.
  static Operator vector(const char* name, VectorFunction function, std::uint64_t m, std::uint64_t n, Role a, Role c,
                         const char* tensor) {
    Operator op;
    op.name = name;
    op.kind = OperatorKind::vector;
    op.function = function;
    op.m = m;
    op.n = n;
    op.a = a;
    op.c = c;
    op.reads = {tensor};
    op.writes = tensor;
    return op;
  }

  void norm(const char* name, std::uint64_t m, Role c) const {
    const auto function = model_.norm == Norm::rms ? VectorFunction::rms_norm : VectorFunction::layer_norm;
    Operator op = vector(name, function, m, model_.hidden, Role::hidden, c, "hidden");
    if (c == Role::activation) op.writes = "normed";
    emit(std::move(op));
  }

  void residual_add(const char* name, std::vector<std::string> reads) const {
    Operator op =
        vector(name, VectorFunction::residual_add, rows(), model_.hidden, Role::intermediate, Role::hidden, "hidden");
    op.inputs = static_cast<unsigned>(reads.size());
    op.reads = std::move(reads);
    emit(std::move(op));
  }

  void bias_add(const char* name, std::uint64_t m, std::uint64_t n, Role a, Role c, const char* tensor) const {
    emit(vector(name, VectorFunction::bias_add, m, n, a, c, tensor));
  }

  void embed() const {
    const bool projected = model_.embedding_projection != 0;
    const bool learned = model_.positions == Positions::learned;
    const Role stream = learned ? Role::intermediate : Role::hidden;
    const char* entering = learned ? "embedded" : "hidden";
    Operator op = vector("embedding", VectorFunction::embedding, rows(), model_.embedding_width(), Role::hidden,
                         projected ? Role::activation : stream, projected ? "token" : entering);
    op.reads.clear();
    emit(std::move(op));
    if (projected) linear("project_in", rows(), model_.embedding_projection, model_.hidden, stream, "token", entering);
    if (learned) residual_add("position_add", {"embedded", "positions"});
  }

  void attention() const {
    const bool positioned = model_.positions == Positions::rotary;
    const bool processed = model_.qk_norm || positioned;
    const Role q = processed ? Role::intermediate : Role::query;
    const Role k = processed ? Role::intermediate : Role::key;
    projections(q, k);
    if (model_.qk_norm) {
      head_norm("q_norm", model_.heads, positioned ? Role::intermediate : Role::query, "q");
      head_norm("k_norm", model_.kv_heads, positioned ? Role::intermediate : Role::key, "k");
    }
    if (positioned) {
      rotary("q_rotary", model_.heads, Role::query, "q");
      rotary("k_rotary", model_.kv_heads, Role::key, "k");
    }
    scores_and_context();
    linear("o_proj", rows(), model_.query_width(), model_.hidden, Role::intermediate, "context", "attention");
    if (model_.output_bias)
      bias_add("o_bias", rows(), model_.hidden, Role::intermediate, Role::intermediate, "attention");
  }

  /// Q, K and V with their biases; `q` and `k` are the roles after the bias.
  void projections(Role q, Role k) const {
    const bool bias = model_.qkv_bias;
    linear("q_proj", rows(), model_.hidden, model_.query_width(), bias ? Role::intermediate : q, block_input(), "q");
    linear("k_proj", rows(), model_.hidden, model_.kv_width(), bias ? Role::intermediate : k, block_input(), "k");
    linear("v_proj", rows(), model_.hidden, model_.kv_width(), bias ? Role::intermediate : Role::value, block_input(),
           "v");
    if (!bias) return;
    bias_add("q_bias", rows(), model_.query_width(), Role::intermediate, q, "q");
    bias_add("k_bias", rows(), model_.kv_width(), Role::intermediate, k, "k");
    bias_add("v_bias", rows(), model_.kv_width(), Role::intermediate, Role::value, "v");
  }

  void head_norm(const char* name, std::uint64_t heads, Role c, const char* tensor) const {
    const auto function = model_.norm == Norm::rms ? VectorFunction::rms_norm : VectorFunction::layer_norm;
    emit(vector(name, function, rows() * heads, model_.head_dim, Role::intermediate, c, tensor));
  }

  void rotary(const char* name, std::uint64_t heads, Role c, const char* tensor) const {
    Operator op = vector(name, VectorFunction::rotary, rows() * heads, model_.head_dim, Role::intermediate, c, tensor);
    op.rotated = model_.rotary_columns();
    emit(std::move(op));
  }

  /// Q K^T, softmax, P V: one instance per sequence and KV head, its query heads folded into the rows.
  void scores_and_context() const {
    const bool windowed = model_.sliding_window != 0 && layer_ >= static_cast<int>(model_.full_attention_layers);
    const std::uint64_t group = model_.heads / model_.kv_heads;
    // What left the window before the first row is neither kept in the cache nor part of the shapes.
    const std::uint64_t past = windowed ? std::min(past_, model_.sliding_window - 1) : past_;
    const std::uint64_t context = past + tokens_;

    Operator op;
    op.kind = OperatorKind::attention;
    op.m = tokens_ * group;
    op.count = batch_ * model_.kv_heads;
    op.past = past;
    op.rows_per_token = group;
    op.window = windowed && context > model_.sliding_window ? model_.sliding_window : 0;

    Operator scores = op;
    scores.name = "attention_scores";
    scores.k = model_.head_dim;
    scores.n = context;
    scores.causal = Causal::scores;
    scores.a = Role::query;
    scores.w = Role::key;
    scores.c = Role::score;
    scores.reads = {"q"};
    scores.writes = "scores";
    emit(scores);

    Operator softmax = scores;
    softmax.name = "softmax";
    softmax.kind = OperatorKind::vector;
    softmax.function = VectorFunction::softmax;
    softmax.k = 0;
    softmax.a = Role::score;
    softmax.w = Role::none;
    softmax.c = Role::probability;
    softmax.reads = {"scores"};
    softmax.writes = "probabilities";
    emit(std::move(softmax));

    op.name = "attention_context";
    op.k = context;
    op.n = model_.head_dim;
    op.causal = Causal::context;
    op.a = Role::probability;
    op.w = Role::value;
    op.c = Role::activation;
    op.reads = {"probabilities"};
    op.writes = "context";
    emit(std::move(op));
  }

  void feed_forward() const {
    const std::uint64_t width = model_.feed_forward;
    const bool bias = model_.feed_forward_bias;
    const bool gated = model_.gated();
    if (gated) {
      linear("gate_proj", rows(), model_.hidden, width, Role::intermediate, block_input(), "gate");
      linear("up_proj", rows(), model_.hidden, width, Role::intermediate, block_input(), "up");
      if (bias) bias_add("gate_bias", rows(), width, Role::intermediate, Role::intermediate, "gate");
      if (bias) bias_add("up_bias", rows(), width, Role::intermediate, Role::intermediate, "up");
    } else {
      linear("fc1", rows(), model_.hidden, width, Role::intermediate, block_input(), "gate");
      if (bias) bias_add("fc1_bias", rows(), width, Role::intermediate, Role::intermediate, "gate");
    }
    activation(width);
    linear(gated ? "down_proj" : "fc2", rows(), width, model_.hidden, Role::intermediate, "activated", "feed_forward");
    if (bias) {
      bias_add(gated ? "down_bias" : "fc2_bias", rows(), model_.hidden, Role::intermediate, Role::intermediate,
               "feed_forward");
    }
  }

  void activation(std::uint64_t width) const {
    auto function = VectorFunction::relu;
    switch (model_.activation) {
      case FeedForward::gated_silu:
        function = VectorFunction::silu_gate;
        break;
      case FeedForward::gated_gelu:
        function = VectorFunction::gelu_gate;
        break;
      case FeedForward::gelu:
        function = VectorFunction::gelu;
        break;
      case FeedForward::relu:
        function = VectorFunction::relu;
        break;
    }
    Operator op = vector(to_string(function), function, rows(), width, Role::intermediate, Role::activation, "gate");
    if (model_.gated()) op.reads.emplace_back("up");
    op.writes = "activated";
    op.inputs = static_cast<unsigned>(op.reads.size());
    emit(std::move(op));
  }

  /// Only the last token of a sequence predicts the next.
  void predict() const {
    if (model_.final_norm) norm("final_norm", batch_, Role::activation);
    if (model_.embedding_projection != 0) {
      linear("project_out", batch_, model_.hidden, model_.embedding_projection, Role::activation, predicting(),
             "projected");
    }
    linear("lm_head", batch_, model_.embedding_width(), model_.vocabulary,
           model_.lm_head_bias ? Role::intermediate : Role::logits,
           model_.embedding_projection != 0 ? "projected" : predicting(), "logits");
    if (model_.lm_head_bias)
      bias_add("lm_head_bias", batch_, model_.vocabulary, Role::intermediate, Role::logits, "logits");
  }

  const LanguageModel& model_;
  const std::function<void(const Operator&)>& visit_;
  const Phase phase_;
  const unsigned step_;
  const std::uint64_t batch_, tokens_, past_;
  int layer_ = -1;
};

}  // namespace

void for_each_operator(const LanguageModel& model, const Scenario& scenario,
                       const std::function<void(const Operator&)>& visit) {
  check_workload(model, scenario);
  for (std::uint64_t pass = 0; pass < pass_count(scenario); ++pass)
    for_each_operator_of_pass(model, scenario, pass, visit);
}

std::uint64_t pass_count(const Scenario& scenario) {
  return (scenario.prefill != 0 ? 1 : 0) + scenario.decode;
}

void for_each_operator_of_pass(const LanguageModel& model, const Scenario& scenario, std::uint64_t pass,
                               const std::function<void(const Operator&)>& visit) {
  if (scenario.prefill != 0 && pass == 0) {
    Pass(model, visit, Phase::prefill, 0, scenario.batch, scenario.prefill, scenario.before_prefill()).run();
    return;
  }
  const std::uint64_t step = pass - (scenario.prefill != 0 ? 1 : 0);
  Pass(model, visit, Phase::decode, static_cast<unsigned>(step), scenario.batch, 1, scenario.before_decode() + step)
      .run();
}

}  // namespace nibble
