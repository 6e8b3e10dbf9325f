// SPDX-License-Identifier: Apache-2.0
#include "workloads/synthetic.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <set>

#include "core/error.h"

using namespace nibble;

namespace {

SyntheticTensor request(Distribution distribution, std::size_t rows, std::size_t columns) {
  SyntheticTensor result;
  result.distribution = distribution;
  result.rows = rows;
  result.columns = columns;
  return result;
}

struct Moments {
  double mean = 0, deviation = 0, kurtosis = 0;
};

Moments moments(const Tensor& tensor) {
  const auto count = static_cast<double>(tensor.size());
  Moments result;
  for (const float value : tensor.values)
    result.mean += value / count;
  double second = 0, fourth = 0;
  for (const float value : tensor.values) {
    const double square = (value - result.mean) * (value - result.mean);
    second += square / count;
    fourth += square * square / count;
  }
  result.deviation = std::sqrt(second);
  result.kurtosis = fourth / (second * second);
  return result;
}

/// FNV-1a over the bits of the values, least significant byte first.
std::uint64_t digest(const Tensor& tensor) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const float value : tensor.values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ ((bits >> shift) & 0xFF)) * 0x100000001B3ULL;
  }
  return hash;
}

std::string refusal(const SyntheticTensor& wrong) {
  try {
    make_synthetic(wrong);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a gaussian tensor has the moments of a normal distribution") {
  SyntheticTensor wanted = request(Distribution::gaussian, 256, 1024);
  wanted.deviation = 0.02;
  const Tensor tensor = make_synthetic(wanted);
  REQUIRE(tensor.shape == std::vector<std::size_t>{256, 1024});
  REQUIRE(tensor.size() == 256 * 1024);
  const Moments found = moments(tensor);
  CHECK(std::fabs(found.mean) < 0.0002);
  CHECK(found.deviation == Approx(0.02).epsilon(0.01));
  // 3 for the normal distribution; the sum of twelve uniforms has 3 - 6 / (5 x 12) = 2.9.
  CHECK(found.kurtosis == Approx(2.9).margin(0.05));
}

TEST_CASE("a Laplace tensor has its deviation and its long tails") {
  SyntheticTensor wanted = request(Distribution::laplace, 512, 1024);
  wanted.deviation = 3.0;
  const Tensor tensor = make_synthetic(wanted);
  const Moments found = moments(tensor);
  CHECK(std::fabs(found.mean) < 0.02);
  CHECK(found.deviation == Approx(3.0).epsilon(0.01));
  CHECK(found.kurtosis == Approx(6.0).margin(0.25));
  // P(|x| > t) = exp(-sqrt(2) t / deviation): the whole curve, not only its moments.
  for (const double t : {0.5, 2.0, 5.0, 10.0}) {
    std::size_t beyond = 0;
    for (const float value : tensor.values)
      beyond += std::fabs(value) > t ? 1 : 0;
    const double expected = std::exp(-std::sqrt(2.0) * t / 3.0) * static_cast<double>(tensor.size());
    CHECK(static_cast<double>(beyond) == Approx(expected).epsilon(0.03));
  }
}

TEST_CASE("outlier channels are whole columns on top of the gaussian tensor") {
  const Tensor base = make_synthetic(request(Distribution::gaussian, 20, 100));
  SyntheticTensor wanted = request(Distribution::outlier_channels, 20, 100);
  wanted.outliers = 7;
  wanted.gain = 20.0;
  const Tensor tensor = make_synthetic(wanted);
  std::set<std::size_t> columns;
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    if (tensor.values[i] != base.values[i]) columns.insert(i % 100);
  }
  CHECK(columns.size() == 7);
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    REQUIRE(tensor.values[i] == base.values[i] * (columns.count(i % 100) != 0 ? 20.0F : 1.0F));
  }
}

TEST_CASE("massive outliers are single elements of a given magnitude") {
  const Tensor base = make_synthetic(request(Distribution::gaussian, 30, 40));
  SyntheticTensor wanted = request(Distribution::massive_outliers, 30, 40);
  wanted.outliers = 5;
  wanted.gain = 1000.0;
  const Tensor tensor = make_synthetic(wanted);
  std::size_t found = 0;
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    if (tensor.values[i] == base.values[i]) continue;
    ++found;
    CHECK(std::fabs(tensor.values[i]) == 1000.0F);
    CHECK(std::signbit(tensor.values[i]) == std::signbit(base.values[i]));
  }
  CHECK(found == 5);
}

TEST_CASE("every place can be an outlier") {
  SyntheticTensor wanted = request(Distribution::outlier_channels, 1, 8);
  wanted.outliers = 8;
  wanted.gain = 2.0;
  const Tensor base = make_synthetic(request(Distribution::gaussian, 1, 8));
  const Tensor tensor = make_synthetic(wanted);
  for (std::size_t i = 0; i < 8; ++i)
    CHECK(tensor.values[i] == 2 * base.values[i]);
}

TEST_CASE("the same seed gives the same bits, another seed does not") {
  SyntheticTensor wanted = request(Distribution::laplace, 8, 8);
  wanted.seed = 42;
  const Tensor first = make_synthetic(wanted);
  CHECK(make_synthetic(wanted).values == first.values);
  wanted.seed = 43;
  CHECK(make_synthetic(wanted).values != first.values);
}

TEST_CASE("the bits are the same on every machine and in every version") {
  SyntheticTensor wanted = request(Distribution::gaussian, 16, 16);
  CHECK(digest(make_synthetic(wanted)) == 0xD9A6FCA996052BEEULL);
  wanted.distribution = Distribution::laplace;
  CHECK(digest(make_synthetic(wanted)) == 0xEDD254DA1D7FF313ULL);
  wanted.distribution = Distribution::outlier_channels;
  wanted.outliers = 3;
  wanted.gain = 10.0;
  CHECK(digest(make_synthetic(wanted)) == 0x21C268CA3EA8493ULL);
  wanted.distribution = Distribution::massive_outliers;
  CHECK(digest(make_synthetic(wanted)) == 0x7FBEA31020FE258CULL);
}

TEST_CASE("a request out of range is refused with the field and the range") {
  using Catch::Matchers::Contains;
  CHECK_THAT(refusal(request(Distribution::gaussian, 0, 4)), Contains("rows must be 1 to"));
  CHECK_THAT(refusal(request(Distribution::gaussian, 4, 0)), Contains("columns must be 1 to"));
  CHECK_THAT(refusal(request(Distribution::gaussian, std::size_t{1} << 20, std::size_t{1} << 20)),
             Contains("rows x columns must be at most 2^28"));
  SyntheticTensor wrong = request(Distribution::gaussian, 4, 4);
  wrong.outliers = 1;
  CHECK_THAT(refusal(wrong), Contains("outliers must be 0 for the distribution gaussian"));
  wrong.outliers = 0;
  wrong.gain = 2.0;
  CHECK_THAT(refusal(wrong), Contains("gain must be 1 for the distribution gaussian"));
  wrong.gain = std::nan("");
  CHECK_THAT(refusal(wrong), Contains("gain must be 1 to 1e6"));
  wrong.gain = 1.0;
  wrong.deviation = 0.0;
  CHECK_THAT(refusal(wrong), Contains("deviation must be"));
  wrong = request(Distribution::outlier_channels, 4, 4);
  CHECK_THAT(refusal(wrong), Contains("outliers must be 1 to the number of columns, 4"));
  wrong.outliers = 5;
  CHECK_THAT(refusal(wrong), Contains("outliers must be 1 to the number of columns, 4"));
  wrong = request(Distribution::massive_outliers, 4, 4);
  wrong.outliers = 17;
  CHECK_THAT(refusal(wrong), Contains("outliers must be 1 to the number of elements"));
}

TEST_CASE("distributions are found by name") {
  for (const char* name : {"gaussian", "laplace", "outlier_channels", "massive_outliers"}) {
    CHECK(to_string(distribution_from_name(name)) == std::string(name));
  }
  CHECK_THROWS_WITH(distribution_from_name("gausian"), Catch::Matchers::Contains("gaussian"));
}
