// SPDX-License-Identifier: Apache-2.0
/// Where every bit of a format lies: the fields of an element and of a group's metadata, as formats/packed_operand.h
/// packs them, and drawings of them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "formats/format.h"

namespace nibble {

struct LayoutField {
  std::string name;
  unsigned low_bit = 0, bits = 0;  ///< bit 0: the lowest bit of byte 0
  std::string meaning;
};

struct FormatLayout {
  Format format;
  std::vector<LayoutField> element;   ///< from the lowest bit; together all bits of an element
  std::vector<LayoutField> metadata;  ///< of one group, from byte 0; empty for casts
  bool planes = false;                ///< of a group's codes: bit by bit from the highest, each of all elements
  unsigned metadata_bytes = 0;        ///< the record of one group, ends with whole bytes
  std::vector<std::string> beside;    ///< what travels with the tensor's shape: amove's p, ...
};

FormatLayout layout_of(const Format& format);

/// Stored bits per element of whole groups of `group_elements` elements (the format's own group where it has one).
/// Metadata of a whole tensor, of its rows and of its columns are not in it.
double whole_group_bits(const Format& format, std::size_t group_elements);

/// What lies where, as text: element, metadata record, first bytes of the codes, bits per element.
std::string layout_text(const Format& format);
std::string layout_json(const Format& format);

}  // namespace nibble
