// SPDX-License-Identifier: Apache-2.0
/// The bytes of .safetensors files for tests, also of files that lie.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "formats/rounding.h"

namespace nibble {

/// Length, header, data; the length is the header's unless told otherwise.
inline std::string safetensors(const std::string& header, const std::string& data, std::uint64_t length = ~0ULL) {
  if (length == ~0ULL) length = header.size();
  std::string text;
  for (int i = 0; i < 8; ++i)
    text.push_back(static_cast<char>((length >> (8 * i)) & 0xFF));
  return text + header + data;
}

/// `"name": {"dtype": ..., "shape": ..., "data_offsets": [begin, end]}`
inline std::string safetensors_entry(const std::string& name, const std::string& dtype, const std::string& shape,
                                     std::uint64_t begin, std::uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// A legal file of float32 tensors of two axes.
struct FloatMatrix {
  std::string name;
  std::size_t rows, columns;
  std::vector<float> values;
};
inline std::string safetensors_of(const std::vector<FloatMatrix>& tensors) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}", data;
  for (const FloatMatrix& tensor : tensors) {
    const std::size_t begin = data.size();
    for (const float value : tensor.values) {
      for (int i = 0; i < 4; ++i)
        data.push_back(static_cast<char>((float_bits(value) >> (8 * i)) & 0xFF));
    }
    header += "," + safetensors_entry(tensor.name, "F32",
                                      "[" + std::to_string(tensor.rows) + "," + std::to_string(tensor.columns) + "]",
                                      begin, data.size());
  }
  return safetensors(header + "}", data);
}

}  // namespace nibble
