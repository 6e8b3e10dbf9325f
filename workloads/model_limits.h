// SPDX-License-Identifier: Apache-2.0
/// The ranges of LanguageModel and Scenario, in one place. With them the largest product, batch_tokens x width x
/// feed_forward, is 2^60.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace nibble {

struct LanguageModel;

namespace model_limits {

constexpr std::uint64_t layers = 1u << 10;
constexpr std::uint64_t width = 1u << 16;  ///< hidden, embedding projection, heads x head_dim
constexpr std::uint64_t heads = 1u << 12;
constexpr std::uint64_t feed_forward = 1u << 20;
constexpr std::uint64_t vocabulary = 1u << 22;
constexpr std::uint64_t positions = 1u << 24;
constexpr std::uint64_t batch = 1u << 16;
constexpr std::uint64_t tokens = 1u << 20;
constexpr std::uint64_t batch_tokens = 1u << 24;

}  // namespace model_limits

/// A dimension that is out of range or contradicts another: the LanguageModel field and what is wrong with it.
struct DimensionProblem {
  std::string field;
  std::string why;
};
std::optional<DimensionProblem> find_problem(const LanguageModel& model);

}  // namespace nibble
