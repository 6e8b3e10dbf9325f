// SPDX-License-Identifier: Apache-2.0
#include "formats/error_figures.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"

using namespace nibble;

namespace {

ErrorFigures figures(std::vector<float> x, std::vector<float> y) {
  const Tensor a{"a", {x.size()}, std::move(x)}, b{"b", {y.size()}, std::move(y)};
  return error_figures(a, b);
}

}  // namespace

TEST_CASE("figures of a small pair") {
  const ErrorFigures got = figures({3, -4, 0}, {3, -3, 1});
  CHECK(*got.mse == Approx(2.0 / 3).epsilon(1e-15));
  CHECK(*got.max_abs_error == 1.0);
  CHECK(*got.sqnr_db == Approx(10 * std::log10(25.0 / 2)).epsilon(1e-15));
  CHECK(*got.cosine == Approx(21.0 / (5 * std::sqrt(19.0))).epsilon(1e-15));
}

TEST_CASE("what is infinite or undefined is absent") {
  const ErrorFigures equal = figures({1, 2}, {1, 2});
  CHECK(*equal.mse == 0.0);
  CHECK(*equal.max_abs_error == 0.0);
  CHECK(!equal.sqnr_db);
  CHECK(*equal.cosine == Approx(1.0));
  const ErrorFigures lost = figures({1, 2}, {0, 0});
  CHECK(*lost.sqnr_db == 0.0);
  CHECK(!lost.cosine);
  const ErrorFigures zero = figures({0, 0}, {0, 0});
  CHECK(*zero.mse == 0.0);
  CHECK(!zero.sqnr_db);
  CHECK(!zero.cosine);
  const ErrorFigures invented = figures({0, 0}, {1, 0});
  CHECK(!invented.sqnr_db);
}

TEST_CASE("tensors of different sizes are a defect of the caller") {
  CHECK_THROWS_AS(figures({1}, {1, 2}), InternalError);
}
