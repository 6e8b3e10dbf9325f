// SPDX-License-Identifier: Apache-2.0
#include "dataflow/gemm_shape.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"

using namespace nibble;

namespace {

GemmShape shape_of(std::uint64_t m, std::uint64_t k, std::uint64_t n, CausalMask mask, std::uint64_t past,
                   std::uint64_t rows_per_token) {
  GemmShape shape;
  shape.m = m;
  shape.k = k;
  shape.n = n;
  shape.causal = mask;
  shape.past = past;
  shape.rows_per_token = rows_per_token;
  return shape;
}

}  // namespace

TEST_CASE("an unmasked GEMM needs everything") {
  GemmShape shape = shape_of(3, 5, 7, CausalMask::none, 0, 1);
  shape.count = 2;
  CHECK(shape.columns_needed(0, 1) == 7);
  CHECK(shape.reduction_needed(0, 1) == 5);
  CHECK(shape.macs() == 3 * 5 * 7 * 2);
}

TEST_CASE("a causal prefill of four tokens is a triangle") {
  const GemmShape scores = shape_of(4, 8, 4, CausalMask::scores, 0, 1);
  CHECK(scores.columns_needed(0, 1) == 1);
  CHECK(scores.columns_needed(1, 2) == 3);
  CHECK(scores.columns_needed(0, 4) == 4);
  CHECK(scores.reduction_needed(0, 1) == 8);
  CHECK(scores.macs() == (1 + 2 + 3 + 4) * 8);
  const GemmShape context = shape_of(4, 4, 8, CausalMask::context, 0, 1);
  CHECK(context.reduction_needed(2, 1) == 3);
  CHECK(context.columns_needed(2, 1) == 8);
  CHECK(context.macs() == (1 + 2 + 3 + 4) * 8);
}

TEST_CASE("multiply-accumulates of a masked GEMM equal the sum over its rows") {
  for (const std::uint64_t m : {1, 2, 7, 12}) {
    for (const std::uint64_t past : {0, 1, 5, 9, 40}) {
      for (const std::uint64_t rows_per_token : {1, 2, 3, 8}) {
        for (const std::uint64_t extent : {1, 4, 9, 14, 60}) {
          std::uint64_t positions = 0;
          for (std::uint64_t r = 0; r < m; ++r)
            positions += std::min(extent, past + r / rows_per_token + 1);
          CHECK(shape_of(m, 3, extent, CausalMask::scores, past, rows_per_token).macs() == positions * 3);
          CHECK(shape_of(m, extent, 3, CausalMask::context, past, rows_per_token).macs() == positions * 3);
        }
      }
    }
  }
}

TEST_CASE("a window hides what lies left of it: positions, rows and multiply-accumulates by enumeration") {
  for (const std::uint64_t m : {1, 2, 7, 12}) {
    for (const std::uint64_t past : {0, 1, 5, 9, 40}) {
      for (const std::uint64_t rows_per_token : {1, 2, 3, 8}) {
        for (const std::uint64_t window : {1, 2, 4, 6, 30, 100}) {
          const std::uint64_t extent = past + (m - 1) / rows_per_token + 1;
          GemmShape scores = shape_of(m, 3, extent, CausalMask::scores, past, rows_per_token);
          GemmShape context = shape_of(m, extent, 3, CausalMask::context, past, rows_per_token);
          scores.window = context.window = window;
          std::uint64_t positions = 0;
          for (std::uint64_t r = 0; r < m; ++r) {
            const std::uint64_t token = past + r / rows_per_token, first = token + 1 - std::min(token + 1, window);
            positions += token + 1 - first;
            CHECK(scores.columns_skipped(r) == first);
            CHECK(scores.reduction_skipped(r) == 0);
            CHECK(context.reduction_skipped(r) == first);
            CHECK(context.columns_skipped(r) == 0);
          }
          for (std::uint64_t position = 1; position <= extent; ++position) {
            std::uint64_t rows = 0;
            while (rows < m && scores.columns_skipped(rows) < position)
              ++rows;
            CHECK(scores.rows_seeing_before(position) == rows);
          }
          CHECK(scores.macs() == positions * 3);
          CHECK(context.macs() == positions * 3);
        }
      }
    }
  }
  GemmShape beyond = shape_of(4, 3, 10, CausalMask::scores, 20, 1);
  beyond.window = 14;
  CHECK_THROWS_WITH(check_shape(beyond), Catch::Contains("begins behind all 10 tokens"));
  beyond.window = 15;
  CHECK_NOTHROW(check_shape(beyond));
  beyond.causal = CausalMask::none;
  CHECK_THROWS_WITH(check_shape(beyond), Catch::Contains("needs a causal mask"));
}

TEST_CASE("bad shapes are refused with their place") {
  CHECK_THROWS_AS(shape_of(0, 1, 1, CausalMask::none, 0, 1).macs(), InputError);
  CHECK_THROWS_AS(check_shape(shape_of(1, 1, 1, CausalMask::none, 0, 0)), InputError);
  CHECK_THROWS_WITH(check_shape(shape_of(1ull << 40, 1ull << 40, 2, CausalMask::none, 0, 1)),
                    Catch::Contains("m=1099511627776") && Catch::Contains("2^52"));
  CHECK_NOTHROW(check_shape(shape_of(1ull << 26, 1ull << 13, 1ull << 13, CausalMask::none, 0, 1)));
  CHECK_THROWS_AS(check_shape(shape_of(1, 1, 1, CausalMask::none, ~0ull, 1)), InputError);
}
