// SPDX-License-Identifier: Apache-2.0
#include "workloads/synthetic.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace nibble {

namespace {

constexpr std::size_t max_elements = std::size_t{1} << 28;
constexpr std::size_t max_outliers = 65536;
constexpr std::array<Distribution, 4> all_distributions = {
    Distribution::gaussian, Distribution::laplace, Distribution::outlier_channels, Distribution::massive_outliers};

/// Exponential with mean 1 by von Neumann's comparison of uniforms (1951): exact, and free of logarithms.
double exponential(Random& random) {
  for (double whole = 0.0;; whole += 1.0) {
    const double first = random.uniform();
    double last = first;
    bool odd = true;
    for (double next = random.uniform(); next < last; next = random.uniform()) {
      last = next;
      odd = !odd;
    }
    if (odd) return whole + first;
  }
}

double laplace(Random& random) {
  constexpr double unit_deviation = 0.70710678118654752440;  // 1 / sqrt(2)
  const double magnitude = exponential(random) * unit_deviation;
  return random.next() >> 63 != 0 ? -magnitude : magnitude;
}

/// `count` different numbers below `bound`: the head of a shuffle, without the list of all numbers.
std::vector<std::size_t> choose(std::size_t count, std::size_t bound, Random& random) {
  // Robert Floyd's sampling: the candidate j is taken when the drawn number was taken before.
  std::vector<std::size_t> chosen;
  for (std::size_t j = bound - count; j < bound; ++j) {
    const auto drawn = static_cast<std::size_t>(random.below(j + 1));
    const auto place = std::lower_bound(chosen.begin(), chosen.end(), drawn);
    if (place != chosen.end() && *place == drawn) {
      chosen.push_back(j);
    } else {
      chosen.insert(place, drawn);
    }
  }
  return chosen;
}

void require(bool holds, const std::string& field, const std::string& expected) {
  if (!holds) throw InputError("synthetic tensor: " + field + " must be " + expected);
}

}  // namespace

void SyntheticTensor::check() const {
  require(rows >= 1 && rows <= max_elements, "rows", "1 to 2^28");
  require(columns >= 1 && columns <= max_elements, "columns", "1 to 2^28");
  require(columns <= max_elements / rows, "rows x columns", "at most 2^28");
  require(deviation >= 1e-30 && deviation <= 1e30, "deviation", "1e-30 to 1e30");
  require(gain >= 1.0 && gain <= 1e6, "gain", "1 to 1e6");
  switch (distribution) {
    case Distribution::gaussian:
    case Distribution::laplace:
      require(outliers == 0, "outliers", std::string("0 for the distribution ") + to_string(distribution));
      require(gain == 1.0, "gain", std::string("1 for the distribution ") + to_string(distribution));
      break;
    case Distribution::outlier_channels:
      require(outliers >= 1 && outliers <= std::min(columns, max_outliers), "outliers",
              "1 to the number of columns, " + std::to_string(columns) + ", and at most 65536");
      break;
    case Distribution::massive_outliers:
      require(outliers >= 1 && outliers <= std::min(rows * columns, max_outliers), "outliers",
              "1 to the number of elements, " + std::to_string(rows * columns) + ", and at most 65536");
      break;
  }
}

Tensor make_synthetic(const SyntheticTensor& request) {
  request.check();
  Tensor tensor;
  tensor.name = std::string("synthetic ") + to_string(request.distribution);
  tensor.shape = {request.rows, request.columns};
  tensor.values.resize(request.rows * request.columns);

  Random values(request.seed);
  const bool long_tails = request.distribution == Distribution::laplace;
  for (float& value : tensor.values) {
    value = static_cast<float>(request.deviation * (long_tails ? laplace(values) : values.normal()));
  }

  // Places come from a stream of their own, so that they do not disturb the values.
  Random places(~request.seed);
  if (request.distribution == Distribution::outlier_channels) {
    const float gain = static_cast<float>(request.gain);
    for (const std::size_t column : choose(request.outliers, request.columns, places)) {
      for (std::size_t row = 0; row < request.rows; ++row)
        tensor.values[row * request.columns + column] *= gain;
    }
  }
  if (request.distribution == Distribution::massive_outliers) {
    const float magnitude = static_cast<float>(request.gain * request.deviation);
    for (const std::size_t place : choose(request.outliers, tensor.values.size(), places)) {
      float& value = tensor.values[place];
      value = value < 0.0F ? -magnitude : magnitude;
    }
  }
  return tensor;
}

const char* to_string(Distribution distribution) {
  switch (distribution) {
    case Distribution::gaussian:
      return "gaussian";
    case Distribution::laplace:
      return "laplace";
    case Distribution::outlier_channels:
      return "outlier_channels";
    case Distribution::massive_outliers:
      return "massive_outliers";
  }
  return "?";
}

Distribution distribution_from_name(const std::string& name) {
  std::vector<std::string> known;
  for (const Distribution distribution : all_distributions) {
    if (name == to_string(distribution)) return distribution;
    known.emplace_back(to_string(distribution));
  }
  throw InputError(unknown_name("distribution", name, known));
}

}  // namespace nibble
