// SPDX-License-Identifier: Apache-2.0
/// The tables of golden vectors that scripts/reference writes: one line per case.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace nibble::test {

using GoldenCase = std::map<std::string, std::string>;  // column of cases.csv to text

inline std::vector<std::string> split_fields(const std::string& line) {
  std::vector<std::string> fields;
  std::stringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');)
    fields.push_back(field);
  return fields;
}

/// The lines of a cases.csv, at least one.
inline std::vector<GoldenCase> golden_cases(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  REQUIRE(std::getline(file, line));
  const std::vector<std::string> header = split_fields(line);
  std::vector<GoldenCase> found;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = split_fields(line);
    REQUIRE(fields.size() == header.size());
    found.emplace_back();
    for (std::size_t i = 0; i < header.size(); ++i)
      found.back()[header[i]] = fields[i];
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

}  // namespace nibble::test
