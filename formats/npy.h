// SPDX-License-Identifier: Apache-2.0
/// NumPy arrays in files: versions 1 to 3, C order, little endian; float16, float32, int8, uint8 or int32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "formats/element_type.h"
#include "formats/tensor.h"

namespace nibble {

/// The types of arrays: every one but bfloat16, which NumPy does not have.
using NpyType = ElementType;

/// Bytes of one element.
std::size_t npy_bytes(NpyType type);

struct NpyHeader {
  NpyType type = NpyType::float32;
  std::vector<std::size_t> shape;  ///< at least one axis, every extent > 0
  std::uint64_t elements = 0;      ///< product of shape
  std::uint64_t data_offset = 0;   ///< of the first element, in the file
};

/// Bytes at the front of a file that parse_npy_header needs to tell how long the header is.
inline constexpr std::size_t npy_prefix_bytes = 12;
/// Longest header that is accepted; what NumPy writes has 118 bytes.
inline constexpr std::uint64_t npy_max_header_bytes = 1 << 20;

/// Where the data begins, from the first npy_prefix_bytes of a file of `file_bytes`. Throws InputError "NAME: what".
std::uint64_t npy_data_offset(std::string_view prefix, std::uint64_t file_bytes, const std::string& name);

/// `front`: the file up to where its data begins. Checks that the file has exactly the bytes that the shape needs;
/// nothing of that size is allocated. Throws InputError "NAME: what is wrong".
NpyHeader parse_npy_header(std::string_view front, std::uint64_t file_bytes, const std::string& name);

/// The array as binary32: float16, int8 and uint8 exactly, int32 rounded to nearest even. Throws InputError "FILE:
/// what": no such file, not an array, another type or order, empty or zero-dimensional, too short or too long, NaN or
/// infinity with its flat index.
Tensor read_npy(const std::filesystem::path& file);

/// What stands before the elements in a file (version 1) of this type and shape.
std::string npy_header(NpyType type, const std::vector<std::size_t>& shape);
/// The bytes of elements: floating types from real numbers, rounded to nearest even (beyond FP16: infinity), integer
/// types from codes, which must be in range.
std::string npy_elements(NpyType type, const float* values, std::size_t count);
std::string npy_elements(NpyType type, const std::int16_t* codes, std::size_t count);

/// The bytes of a file (version 1) with the given elements. Floating types from `values`, rounded to nearest even
/// (beyond FP16: infinity); integer types from `codes`, which must be in range.
std::string npy_contents(NpyType type, const std::vector<std::size_t>& shape, const std::vector<float>& values);
std::string npy_contents(NpyType type, const std::vector<std::size_t>& shape, const std::vector<std::int16_t>& codes);

}  // namespace nibble
