// SPDX-License-Identifier: Apache-2.0
/// The tensors of scripts/sqnr_table.py are those of workloads/synthetic.h, to the bit.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "formats/npy.h"
#include "testbenches/support/paths.h"
#include "workloads/synthetic.h"

using namespace nibble;
namespace fs = std::filesystem;

TEST_CASE("the script's tensors are the library's") {
  const fs::path folder = fs::temp_directory_path() / ("nibble_sqnr_table_test_" + std::to_string(::getpid()));
  fs::create_directory(folder);
  const std::string command =
      NIBBLE_PYTHON " -B '" + source_path("scripts/sqnr_table.py") + "' --tensors '" + folder.string() + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  SyntheticTensor request;
  request.rows = 256;
  request.columns = 1024;
  const auto check = [&](const char* name, Distribution distribution, std::size_t outliers, double gain) {
    CAPTURE(name);
    request.distribution = distribution;
    request.outliers = outliers;
    request.gain = gain;
    const Tensor script = read_npy(folder / name);
    CHECK(script.shape == std::vector<std::size_t>{256, 1024});
    CHECK(script.values == make_synthetic(request).values);
  };
  check("Gaussian.npy", Distribution::gaussian, 0, 1);
  check("Laplace.npy", Distribution::laplace, 0, 1);
  check("outlier_channels.npy", Distribution::outlier_channels, 8, 20);
  check("massive_outliers.npy", Distribution::massive_outliers, 4, 1000);
  fs::remove_all(folder);
}
