// SPDX-License-Identifier: Apache-2.0
/// The header of a `.safetensors` file: eight bytes with its length, then a JSON object from tensor name to dtype,
/// shape and data_offsets, then the data. Rules: the format's own description and reference reader,
/// https://github.com/huggingface/safetensors, version 0.6.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_file.h"

namespace nibble {

/// Bytes at the front that tell the length of the header.
inline constexpr std::size_t safetensors_prefix_bytes = 8;
/// Longest header that is accepted, as in the reference reader.
inline constexpr std::uint64_t safetensors_max_header_bytes = 100'000'000;

/// Where the data begins, from the first eight bytes of a file of `file_bytes`. Throws InputError "NAME: what".
std::uint64_t safetensors_data_offset(std::string_view prefix, std::uint64_t file_bytes, const std::string& name);

/// The tensors in the order of their data. `front`: the file up to where its data begins. Refused, each with the tensor
/// and what is wrong: what is no JSON object of this form, keys that stand twice, dtypes that the format does not have,
/// sizes that do not follow from shape and dtype, offsets outside of the data, overlaps, and bytes that belong to no
/// tensor. Types that are no plain numbers, tensors without elements and without axes are legal here.
std::vector<StoredTensor> parse_safetensors_header(std::string_view front, std::uint64_t file_bytes,
                                                   const std::string& name);

/// What stands before the data in a file with these tensors, in this order; of each, name, dtype, shape and bytes
/// count.
std::string safetensors_front(const std::vector<StoredTensor>& tensors);

/// The file names of a checkpoint's index: {"metadata": {...}, "weight_map": {TENSOR: FILE, ...}}, as (tensor, file) in
/// the order of the text. Throws InputError; a FILE is the plain name of a .safetensors file.
std::vector<std::pair<std::string, std::string>> parse_safetensors_index(std::string_view text,
                                                                         const std::string& name);

}  // namespace nibble
