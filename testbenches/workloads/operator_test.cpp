// SPDX-License-Identifier: Apache-2.0
#include "workloads/operator.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/random.h"

using namespace nibble;

namespace {

/// Whether row r of `op` sees token t: the definition in the header, literally.
bool sees(const Operator& op, std::uint64_t r, std::uint64_t t) {
  if (op.causal == Causal::none) return true;
  const std::uint64_t own = op.past + r / op.rows_per_token;
  return t <= own && (op.window == 0 || t + op.window > own);
}

std::uint64_t pairs(const Operator& op, std::uint64_t extent) {
  std::uint64_t total = 0;
  for (std::uint64_t r = 0; r < op.m; ++r) {
    for (std::uint64_t t = 0; t < extent; ++t)
      total += sees(op, r, t) ? 1 : 0;
  }
  return total;
}

Operator attention(Causal causal, std::uint64_t m, std::uint64_t k, std::uint64_t n) {
  Operator op;
  op.kind = OperatorKind::attention;
  op.causal = causal;
  op.m = m;
  op.k = k;
  op.n = n;
  return op;
}

}  // namespace

TEST_CASE("a linear operator needs m k n multiply-accumulates per instance") {
  Operator op;
  op.m = 3;
  op.k = 5;
  op.n = 7;
  op.count = 2;
  CHECK(op.macs() == 210);
  CHECK(op.elements() == 42);
}

TEST_CASE("a vector operator has elements but no multiply-accumulates") {
  Operator op;
  op.kind = OperatorKind::vector;
  op.function = VectorFunction::residual_add;
  op.m = 4;
  op.n = 8;
  op.count = 3;
  op.inputs = 2;
  CHECK(op.macs() == 0);
  CHECK(op.elements() == 96);
}

TEST_CASE("causal scores of a small prompt, counted by hand") {
  // Three tokens of two query heads each: rows see 1, 1, 2, 2, 3, 3 tokens.
  Operator op = attention(Causal::scores, 6, 10, 3);
  op.rows_per_token = 2;
  CHECK(op.elements() == 12);
  CHECK(op.macs() == 120);
  // The context of the same rows: the reduction is masked, the result is not.
  Operator context = attention(Causal::context, 6, 3, 10);
  context.rows_per_token = 2;
  CHECK(context.elements() == 60);
  CHECK(context.macs() == 120);
}

TEST_CASE("a window and cached tokens, counted by hand") {
  // Tokens 4, 5, 6 with a window of 3 see {2, 3, 4}, {3, 4, 5}, {4, 5, 6}.
  Operator op = attention(Causal::scores, 3, 1, 7);
  op.past = 4;
  op.window = 3;
  CHECK(op.elements() == 9);
  const auto first = op.tokens_needed(0, 1);
  CHECK(first.begin == 2);
  CHECK(first.end == 5);
  const auto all = op.tokens_needed(0, 3);
  CHECK(all.begin == 2);
  CHECK(all.end == 7);
  // Near the start of the sequence the window is not full: 1 + 2 + 3 + 3.
  Operator start = attention(Causal::scores, 4, 1, 4);
  start.window = 3;
  CHECK(start.elements() == 9);
}

TEST_CASE("the closed forms of masking equal a loop over rows and tokens") {
  Random random(20240817);
  for (int trial = 0; trial < 4000; ++trial) {
    const std::uint64_t extent = 1 + random.below(40);
    Operator op;
    op.kind = OperatorKind::attention;
    op.causal = random.below(2) == 0 ? Causal::scores : Causal::context;
    op.m = 1 + random.below(50);
    op.past = random.below(30);
    op.rows_per_token = 1 + random.below(6);
    op.window = random.below(3) == 0 ? 0 : 1 + random.below(45);
    op.count = 1 + random.below(3);
    const bool scores = op.causal == Causal::scores;
    op.n = scores ? extent : 1 + random.below(9);
    op.k = scores ? 1 + random.below(9) : extent;
    CAPTURE(trial, op.m, op.k, op.n, op.past, op.rows_per_token, op.window, scores);

    const std::uint64_t visible = pairs(op, extent);
    REQUIRE(op.macs() == visible * (scores ? op.k : op.n) * op.count);
    REQUIRE(op.elements() == (scores ? visible : op.m * op.n) * op.count);

    const std::uint64_t first = random.below(op.m);
    const std::uint64_t rows = 1 + random.below(op.m - first);
    std::uint64_t begin = extent, end = 0;
    for (std::uint64_t r = first; r < first + rows; ++r) {
      for (std::uint64_t t = 0; t < extent; ++t) {
        if (!sees(op, r, t)) continue;
        begin = std::min(begin, t);
        end = std::max(end, t + 1);
      }
    }
    const auto needed = op.tokens_needed(first, rows);
    if (end == 0) {
      REQUIRE(needed.begin >= needed.end);
    } else {
      REQUIRE(needed.begin == begin);
      REQUIRE(needed.end == end);
    }
  }
}

TEST_CASE("the closed forms hold at the largest supported sizes") {
  // 2^20 tokens of 16 heads: sum of 1 .. 2^20 per head.
  Operator op = attention(Causal::scores, 16u << 20, 4096, 1u << 20);
  op.rows_per_token = 16;
  const std::uint64_t triangle = (std::uint64_t{1} << 19) * ((1u << 20) + 1);
  CHECK(op.elements() == 16 * triangle);
  CHECK(op.macs() == 16 * triangle * 4096);
  op.window = 1;
  CHECK(op.elements() == 16u << 20);
}

TEST_CASE("without masking every token is needed") {
  const Operator op = attention(Causal::none, 4, 8, 9);
  CHECK(op.tokens_needed(1, 2).begin == 0);
  CHECK(op.tokens_needed(1, 2).end == 9);
  const Operator causal = attention(Causal::scores, 4, 8, 9);
  CHECK(causal.tokens_needed(2, 0).end == 0);
}

TEST_CASE("every enumerator has a name of its own") {
  const auto distinct = [](const std::vector<std::string>& names) {
    const std::set<std::string> set(names.begin(), names.end());
    return set.size() == names.size() && set.count("?") == 0;
  };
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(TensorRole::logits); ++i)
    names.emplace_back(to_string(static_cast<TensorRole>(i)));
  CHECK(distinct(names));
  names.clear();
  for (int i = 0; i <= static_cast<int>(VectorFunction::bias_add); ++i) {
    names.emplace_back(to_string(static_cast<VectorFunction>(i)));
  }
  CHECK(distinct(names));
  CHECK(
      distinct({to_string(OperatorKind::linear), to_string(OperatorKind::attention), to_string(OperatorKind::vector)}));
  CHECK(distinct({to_string(Phase::prefill), to_string(Phase::decode)}));
}
