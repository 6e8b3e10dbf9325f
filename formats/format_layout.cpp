// SPDX-License-Identifier: Apache-2.0
#include "formats/format_layout.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "core/json.h"
#include "formats/bitmod_types.h"
#include "formats/packed_operand.h"

namespace nibble {
namespace {

/// Fields from the lowest bit on, one behind the other.
class Fields {
 public:
  Fields& add(const std::string& name, unsigned bits, const std::string& meaning = "") {
    fields_.push_back({name, next_, bits, meaning});
    next_ += bits;
    return *this;
  }
  std::vector<LayoutField> take() { return std::move(fields_); }

 private:
  std::vector<LayoutField> fields_;
  unsigned next_ = 0;
};

std::vector<LayoutField> floating(unsigned mantissa, unsigned exponent) {
  return Fields().add("mantissa", mantissa).add("exponent", exponent, "biased").add("sign", 1).take();
}

std::vector<LayoutField> element_fields(const Format& format) {
  switch (format.family) {
    case FormatFamily::fp32:
      return floating(23, 8);
    case FormatFamily::fp16:
      return floating(10, 5);
    case FormatFamily::bf16:
      return floating(7, 8);
    case FormatFamily::mxfp4:
    case FormatFamily::nvfp4:
      return floating(1, 2);
    case FormatFamily::mxfp6:
      return floating(3, 2);
    case FormatFamily::mxfp8:
      return floating(3, 4);
    case FormatFamily::integer:
    case FormatFamily::amove:
    case FormatFamily::mxint8:
    case FormatFamily::tender:
      return Fields().add("q", format.bits, "two's complement").take();
    case FormatFamily::mant4:
    case FormatFamily::ant4:
      return Fields().add("index", 3, "of the magnitude on the type's grid").add("sign", 1).take();
    case FormatFamily::olive4:
      return Fields().add("index", 3, "of the magnitude; code 1000: the victim of a pair").add("sign", 1).take();
    case FormatFamily::bitmod:
      if (!bitmod_has_types(format.bits)) return Fields().add("q", format.bits, "two's complement").take();
      return Fields()
          .add("index", format.bits - 1, "of the magnitude; sign 1, index 0: the special value")
          .add("sign", 1)
          .take();
    case FormatFamily::bfp:
    case FormatFamily::anda:
      return Fields().add("mantissa", format.bits, "no hidden bit").add("sign", 1).take();
  }
  throw InternalError("a family without elements");
}

std::vector<LayoutField> metadata_fields(const Format& format) {
  Fields fields;
  switch (format.family) {
    case FormatFamily::fp32:
    case FormatFamily::fp16:
    case FormatFamily::bf16:
      break;
    case FormatFamily::integer:
    case FormatFamily::tender:
      fields.add("scale", 16, "FP16");
      break;
    case FormatFamily::mant4:
      fields.add("scale", 16, "FP16").add("type", 8, "the coefficient a; 255: INT4");
      break;
    case FormatFamily::ant4:
      fields.add("scale", 16, "FP16").add("type", 2, "0 int4, 1 flint4, 2 pot4");
      break;
    case FormatFamily::olive4:
      fields.add("scale", 16, "FP16").add("type", 1, "0 int4, 1 flint4");
      break;
    case FormatFamily::bitmod:
      fields.add("c", 8, "integer: the scale is c * S");
      if (bitmod_has_types(format.bits)) fields.add("type", 2, "0 er+, 1 er-, 2 ea+, 3 ea-");
      break;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      fields.add("E", 5, "the largest FP16 exponent field of the group");
      break;
    case FormatFamily::amove:
      fields.add("S", 8, "E4M3: base scale").add("R", 8, "E4M3: residual");
      for (std::size_t i = 0; i < format.group_k / format.cluster; ++i)
        fields.add("E" + std::to_string(i), 2, "code of cluster " + std::to_string(i));
      break;
    case FormatFamily::nvfp4:
      fields.add("scale", 8, "E4M3");
      break;
    case FormatFamily::mxfp4:
    case FormatFamily::mxfp6:
    case FormatFamily::mxfp8:
    case FormatFamily::mxint8:
      fields.add("X + 127", 8, "E8M0: a power of two");
      break;
  }
  return fields.take();
}

std::vector<std::string> beside_fields(const Format& format) {
  if (format.family == FormatFamily::amove) return {"the exponent p, which is not counted"};
  if (format.family == FormatFamily::nvfp4) return {"the scale t, binary32: 32 bits per tensor"};
  if (format.family == FormatFamily::bitmod) return {"the scale S of every row, FP16: 16 bits per row"};
  if (format.family == FormatFamily::tender) {
    return {"the group of every column in 256 rows: " + std::to_string(format.column_bits()) + " bits per column"};
  }
  return {};
}

std::string range(unsigned low, unsigned bits) {
  return bits == 1 ? std::to_string(low) : std::to_string(low + bits - 1) + ".." + std::to_string(low);
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t missing = width > text.size() ? width - text.size() : 0;
  return std::string(missing / 2, ' ') + text + std::string(missing - missing / 2, ' ');
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

/// Boxes from the highest bit on the left.
std::string drawing(const std::vector<LayoutField>& fields) {
  std::string bits = "bit  ", edge = "     ", names = "     ";
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    const std::string place = range(field->low_bit, field->bits);
    const std::size_t width = std::max({field->name.size(), place.size(), std::size_t{field->bits}}) + 2;
    bits += " " + padded(place, width);
    edge += "+" + std::string(width, '-');
    names += "|" + padded(field->name, width);
  }
  while (bits.back() == ' ')
    bits.pop_back();
  return bits + "\n" + edge + "+\n" + names + "|\n" + edge + "+\n";
}

/// "byte 1  element 1 bits 6..0 | element 0 bit 8" for the first bytes of a row's codes.
std::string first_bytes(unsigned bits) {
  unsigned period = 1;  // bytes until an element begins a byte again
  while (period * 8 % bits != 0)
    ++period;
  const unsigned shown = bits > 16 ? bits / 8 : std::min(std::max(period, 2U), 3U);
  std::string text;
  for (unsigned byte = 0; byte < shown; ++byte) {
    std::vector<std::string> parts;  // from the highest bit
    for (unsigned bit = byte * 8; bit < byte * 8 + 8;) {
      const unsigned element = bit / bits, low = bit % bits;
      const unsigned count = std::min(bits - low, byte * 8 + 8 - bit);
      const bool whole = count == bits;
      parts.insert(parts.begin(), "element " + std::to_string(element) +
                                      (whole ? "" : (count == 1 ? " bit " : " bits ") + range(low, count)));
      bit += count;
    }
    text += "byte " + std::to_string(byte) + "   " + join(parts, " | ") + "\n";
  }
  return text + "...\n";
}

/// The planes of a run of elements, in their order.
std::string plane_text(const FormatLayout& layout, std::size_t run) {
  std::string text;
  std::size_t low = 0;
  for (auto field = layout.element.rbegin(); field != layout.element.rend(); ++field) {
    for (unsigned bit = field->bits; bit-- > 0; low += run) {
      const std::string name = field->name + (field->bits == 1 ? "" : " bit " + std::to_string(bit));
      text += "bit " + std::to_string(low) + ".." + std::to_string(low + run - 1) + "   " + name + " of elements 0.." +
              std::to_string(run - 1) + "\n";
    }
  }
  return text;
}

/// "byte 0..1  scale  FP16" lines; fields of less than a byte share a line.
std::string record_text(const FormatLayout& layout) {
  std::string text;
  std::size_t i = 0;
  for (unsigned byte = 0; byte < layout.metadata_bytes;) {
    const LayoutField& field = layout.metadata[i];
    const unsigned bytes = std::max(1U, field.bits / 8);
    const std::string place =
        bytes == 1 ? std::to_string(byte) : std::to_string(byte) + ".." + std::to_string(byte + bytes - 1);
    std::string what = field.name + (field.bits >= 8 ? "" : " in bits " + range(field.low_bit - byte * 8, field.bits)) +
                       ": " + field.meaning;
    std::size_t last = i;
    while (last + 1 < layout.metadata.size() && layout.metadata[last + 1].low_bit < (byte + bytes) * 8)
      ++last;
    if (last > i) {
      std::vector<std::string> names;
      for (std::size_t j = last + 1; j-- > i;)
        names.push_back(layout.metadata[j].name + " " +
                        range(layout.metadata[j].low_bit - byte * 8, layout.metadata[j].bits));
      what = join(names, " | ");
    }
    const bool many = layout.metadata_bytes > 6 && byte >= 3;
    if (!many) text += "byte " + place + std::string(place.size() < 4 ? 4 - place.size() : 1, ' ') + what + "\n";
    if (many && byte == 3) text += "...\n";
    byte += bytes;
    i = last + 1;
  }
  return text;
}

/// Elements of a group; 0 where the tensor decides.
std::size_t group_elements(const Format& format) {
  return format.grouping == Grouping::group ? format.group_k * format.group_n : 0;
}

std::string cost_text(const Format& format) {
  const unsigned bits = element_bits(format);
  if (format.grouping == Grouping::none) return "bits per element: " + std::to_string(bits) + "\n";
  const std::string sum = std::to_string(bits) + " + " + std::to_string(format.metadata_bits()) + " / ";
  const std::size_t elements = group_elements(format);
  if (elements == 0) return "bits per element: " + sum + "elements that share a scale\n";
  return "bits per element: " + sum + std::to_string(elements) + " = " + number(whole_group_bits(format, elements)) +
         "\n";
}

}  // namespace

FormatLayout layout_of(const Format& format) {
  FormatLayout layout;
  layout.format = format;
  layout.element = element_fields(format);
  layout.metadata = metadata_fields(format);
  layout.planes = has_bit_planes(format);
  layout.metadata_bytes = metadata_bytes(format);
  layout.beside = beside_fields(format);
  return layout;
}

double whole_group_bits(const Format& format, std::size_t elements) {
  return static_cast<double>(element_bits(format)) +
         static_cast<double>(format.metadata_bits()) / static_cast<double>(elements);
}

std::string layout_text(const Format& format) {
  const FormatLayout layout = layout_of(format);
  const unsigned bits = element_bits(format);
  std::string text = format.name() + "\n\nelement, " + std::to_string(bits) + " bits\n" + drawing(layout.element);
  const std::size_t run = format.grouping == Grouping::group ? format.group_k : 0;
  text += "\ncodes of " + (run == 0 ? "a row" : "a row's group of " + std::to_string(run)) + ", " +
          (layout.planes ? "plane by plane" : "lowest bits first");
  if (run != 0) text += ": " + std::to_string(code_bytes(format, run)) + " bytes";
  text += "\n" + (layout.planes ? plane_text(layout, run) : first_bytes(bits));
  if (!layout.metadata.empty()) {
    text += "\nmetadata of a group, " + std::to_string(layout.metadata_bytes) +
            (layout.metadata_bytes == 1 ? " byte\n" : " bytes\n") + record_text(layout);
  }
  for (const std::string& line : layout.beside)
    text += "beside the records: " + line + "\n";
  return text + "\n" + cost_text(format);
}

std::string layout_json(const Format& format) {
  const FormatLayout layout = layout_of(format);
  JsonWriter json;
  json.begin_object().field("kind", "formats").field("name", format.name()).field("element_bits", element_bits(format));
  json.field("metadata_bits", std::uint64_t{format.metadata_bits()}).field("metadata_bytes", layout.metadata_bytes);
  json.field("planes", layout.planes).field("row_bits", std::uint64_t{format.row_bits()});
  json.field("column_bits", std::uint64_t{format.column_bits()})
      .field("tensor_bits", std::uint64_t{format.tensor_bits()});
  const std::size_t elements = group_elements(format);
  if (elements != 0) {
    json.field("group_elements", std::uint64_t{elements}).field("bits_per_element", whole_group_bits(format, elements));
  }
  const auto fields = [&json](const char* name, const std::vector<LayoutField>& list) {
    json.key(name).begin_array();
    for (const LayoutField& field : list) {
      json.begin_object().field("name", field.name).field("low_bit", field.low_bit).field("bits", field.bits);
      json.field("meaning", field.meaning).end_object();
    }
    json.end_array();
  };
  fields("element", layout.element);
  fields("metadata", layout.metadata);
  return json.end_object().str();
}

}  // namespace nibble
