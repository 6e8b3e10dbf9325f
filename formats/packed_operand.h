// SPDX-License-Identifier: Apache-2.0
/// Quantized tensors as the bytes that lie in memory: the codes and the metadata of one row and group at a time. Where
/// these records lie is the layout's business (dataflow/operand_layout.h).
///
/// Codes: consecutive fields of element_bits, the first element in the low bits of the first byte, a field may straddle
/// two bytes; the last byte of a row's group is filled with zeros. A field holds
///   int, amove, mxint8,     the integer in two's complement
///   tender
///   mant4, ant4, olive4     sign << 3 | index (olive4: 8 marks a victim)
///   bfp, anda               sign << m | mantissa
///   bitmod4, bitmod3        the code; bitmod6: the integer in two's complement
///   other floating types    the bit pattern (FP16: two bytes, little endian)
/// Of anda the fields of the run lie plane by plane: the sign of every element, then the highest bit of every mantissa,
/// and so on; an element is the same bit of every plane.
/// Metadata of one group, little endian:
///   int, tender             FP16 scale
///   mant4, ant4, olive4     FP16 scale, type byte
///   bfp, anda               shared exponent in the low 5 bits
///   amove                   S, R (E4M3), cluster codes of 2 bits, cluster 0 in the low bits
///   bitmod                  the integer c of the scale; bitmod4, bitmod3: type byte
///   mx                      X + 127 (E8M0)
///   nvfp4                   block scale (E4M3)
/// The bits of a record that the format does not need are its highest; in memory (dataflow/operand_layout.h) the next
/// record has them. What a row has once beside its records (bitmod's S in FP16), and what the columns of 256 rows share
/// (tender's groups), is not part of any record. Metadata of a whole tensor (amove's p, nvfp4's t) travels with its
/// shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/quantizer.h"

namespace nibble {

/// Bits of one packed element, sign included (bfp8: 9).
unsigned element_bits(const Format& format);
/// The codes of a run lie plane by plane.
bool has_bit_planes(const Format& format);
/// Bytes of one group's metadata record. Rows that share a group (int g<k>x<n>, tensor) share the record.
unsigned metadata_bytes(const Format& format);
/// Whole bytes that `elements` consecutive codes of one row occupy.
std::size_t code_bytes(const Format& format, std::size_t elements);

/// The codes of columns [column, column + count) of a row; writes code_bytes(count) bytes.
void pack_elements(const QuantizedTensor& tensor, std::size_t row, std::size_t column, std::size_t count,
                   std::uint8_t* out);
/// `stored`: elements of the run as it was packed, where it has more than are taken; 0: count.
void unpack_elements(const std::uint8_t* in, std::size_t row, std::size_t column, std::size_t count,
                     QuantizedTensor& tensor, std::size_t stored = 0);

/// The codes of one row in group g along the row (casts: the whole row is group 0); writes code_bytes(elements that
/// exist).
void pack_codes(const QuantizedTensor& tensor, std::size_t row, std::size_t g, std::uint8_t* out);
void unpack_codes(const std::uint8_t* in, std::size_t row, std::size_t g, QuantizedTensor& tensor);

/// The record of the group to which (row, g) belongs; writes metadata_bytes.
void pack_metadata(const QuantizedTensor& tensor, std::size_t row, std::size_t g, std::uint8_t* out);
/// bitmod: scales[] become c * row_scales[row], which must be there.
void unpack_metadata(const std::uint8_t* in, std::size_t row, std::size_t g, QuantizedTensor& tensor);

/// A tensor of zeros with every array that the format has, to be filled by unpacking.
QuantizedTensor blank_tensor(const Format& format, std::vector<std::size_t> shape, std::string name);

}  // namespace nibble
