// SPDX-License-Identifier: Apache-2.0
#include "workloads/synthetic_model.h"

#include <cmath>

#include "core/random.h"
#include "workloads/synthetic.h"

namespace nibble {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// FNV-1a over a name and a layer.
constexpr std::uint64_t hash_start = 0xCBF29CE484222325ULL, hash_factor = 0x100000001B3ULL;

}  // namespace

std::uint64_t SyntheticModel::stream(const std::string& name, int layer) const {
  std::uint64_t hash = hash_start ^ seed_;
  for (const char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * hash_factor;
  return Random((hash ^ static_cast<std::uint64_t>(layer + 1)) * hash_factor).next();
}

Tensor SyntheticModel::tensor(const std::string& name, int layer, std::size_t rows, std::size_t columns) const {
  if (tied_ && name == "lm_head") return tensor("embedding", layer, rows, columns);
  const bool norm = ends_with(name, "_norm");
  SyntheticTensor request;
  request.rows = rows;
  request.columns = columns;
  request.seed = stream(name, layer);
  if (norm || ends_with(name, "_bias")) {
    request.deviation = 0.1;
  } else if (name == "positions") {
    request.deviation = 0.25;
  } else if (name != "embedding") {
    request.deviation = 1.0 / std::sqrt(static_cast<double>(columns));
  }
  Tensor tensor = make_synthetic(request);
  tensor.name = layer < 0 ? name : "layer " + std::to_string(layer) + " " + name;
  for (std::size_t i = 0; norm && i < columns; ++i)
    tensor.values[i] += 1.0F;
  return tensor;
}

std::uint32_t SyntheticModel::token(std::uint64_t sequence, std::uint64_t position, std::uint64_t vocabulary) const {
  Random random(Random(stream("tokens", 0) + sequence).next() + position);
  return static_cast<std::uint32_t>(random.below(vocabulary));
}

}  // namespace nibble
