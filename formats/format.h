// SPDX-License-Identifier: Apache-2.0
/// Names of number formats and what one stored element costs. The families and their names: docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

enum class FormatFamily {
  fp32,
  fp16,
  bf16,
  integer,
  mant4,
  bfp,
  amove,
  mxfp4,
  mxfp6,
  mxfp8,
  mxint8,
  nvfp4,
  ant4,
  olive4,
  tender,
  anda,
  bitmod
};

/// Rows of a tensor that tender decomposes together: the chunk of the released code.
inline constexpr std::size_t tender_chunk_rows = 256;

/// How elements share metadata: not at all (casts), `k` consecutive elements of the last axis (optionally times `n`
/// rows), a whole row, the whole tensor.
enum class Grouping { none, group, channel, tensor };

struct Format {
  FormatFamily family = FormatFamily::fp32;
  unsigned bits = 32;  ///< per element, sign included, metadata excluded
  Grouping grouping = Grouping::none;
  std::size_t group_k = 0;     ///< elements along the last axis (grouping `group`)
  std::size_t group_n = 1;     ///< rows that share a group (int; tender: 256)
  std::size_t cluster = 0;     ///< amove: elements per cluster
  unsigned decomposition = 0;  ///< tender: groups of columns, 1..8

  /// "mant4-g64", "int8-channel", "amove4-g128c16", ... Throws InputError that lists the families when it does not
  /// parse.
  static Format parse(const std::string& name);
  std::string name() const;

  /// Metadata stored for every group, also for a last, shorter one, in bits (int: 16; mant4: 24; bfp: 5; ...).
  std::size_t metadata_bits() const;
  /// Metadata stored for every column of a group, in bits (tender: the column's group).
  std::size_t column_bits() const;
  /// Metadata stored for every row, in bits (bitmod: 16).
  std::size_t row_bits() const;
  /// Metadata stored once per tensor, in bits (nvfp4: 32).
  std::size_t tensor_bits() const;
  /// Elements along k that share one group for rows of `columns` elements.
  std::size_t group_extent(std::size_t columns) const { return grouping == Grouping::group ? group_k : columns; }

  bool operator==(const Format& other) const;
  bool operator!=(const Format& other) const { return !(*this == other); }
};

/// One line per family for messages and `nibble list formats`.
std::vector<std::string> format_families();

}  // namespace nibble
