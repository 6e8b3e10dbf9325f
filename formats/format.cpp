// SPDX-License-Identifier: Apache-2.0
#include "formats/format.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "formats/bitmod_types.h"

namespace nibble {
namespace {

struct Family {
  const char* pattern;
  const char* summary;
};

constexpr Family families[] = {
    {"fp32", "binary32, unchanged"},
    {"fp16", "binary16 cast"},
    {"bf16", "bfloat16 cast"},
    {"int<2..8>-(g<k>[x<n>]|channel|tensor)", "symmetric integer with an FP16 scale"},
    {"mant4-g<k>", "mathematically adaptive numerical type (M-ANT)"},
    {"bfp(8|4)-g<k>", "block floating point, 5-bit shared exponent (Harmonia)"},
    {"amove(4|3|2)-g<k>c<c>", "grouped vectorized type, clusters of c inside groups of k (Amove)"},
    {"mxfp4-g32", "OCP Microscaling, E2M1 elements"},
    {"mxfp6-g32", "OCP Microscaling, E2M3 elements"},
    {"mxfp8-g32", "OCP Microscaling, E4M3 elements"},
    {"mxint8-g32", "OCP Microscaling, INT8 elements"},
    {"nvfp4-g16", "E2M1 elements, E4M3 block scale, binary32 tensor scale"},
    {"ant4-(channel|tensor)", "adaptive numerical type: int4, power of two or flint4 (ANT)"},
    {"olive4-(channel|tensor)", "outlier-victim pairs (OliVe)"},
    {"tender(8|4)-d<1..8>", "integers, columns decomposed into d groups with scales a factor of 2 apart (Tender)"},
    {"anda<4..15>-g<k>", "block floating point of any mantissa length, stored by bit planes (Anda)"},
    {"bitmod(6|4|3)-g<k>", "INT6, FP4 or FP3 with a special value per group, scales of 8 bits (BitMoD)"},
};

/// The numbers of a name that could be sizes: those behind the bits of an element.
std::vector<std::size_t> sizes_in(const std::string& name) {
  std::vector<std::size_t> sizes;
  std::size_t i = std::min(name.find_first_of("0123456789"), name.size());
  for (i = std::min(i + 1, name.size()); i < name.size();) {
    std::size_t value = 0, digits = 0;
    for (; i < name.size() && name[i] >= '0' && name[i] <= '9' && digits < 6; ++i, ++digits)
      value = value * 10 + static_cast<std::size_t>(name[i] - '0');
    if (digits > 0 && value >= 1 && value <= 65536) sizes.push_back(value);
    if (digits == 0) ++i;
  }
  return sizes;
}

/// Names that a user may have meant, the likelier ones first.
std::vector<std::string> known_names(const std::string& written) {
  std::vector<std::size_t> sizes = sizes_in(written);
  std::vector<std::string> groups, clusters = {"-g128c16", "-g32c4"};
  for (const std::size_t k : {std::size_t{32}, std::size_t{64}, std::size_t{128}})
    groups.push_back("-g" + std::to_string(k));
  for (const std::size_t k : sizes) {
    groups.push_back("-g" + std::to_string(k));
    for (const std::size_t c : sizes) {
      if (c < k && k % c == 0) clusters.push_back("-g" + std::to_string(k) + "c" + std::to_string(c));
    }
  }
  const std::vector<std::string> whole = {"-channel", "-tensor"};
  std::vector<std::string> names = {"fp32",      "fp16",      "bf16",       "mxfp4-g32",
                                    "mxfp6-g32", "mxfp8-g32", "mxint8-g32", "nvfp4-g16"};
  const auto add = [&names](const std::string& family, const std::vector<std::string>& endings) {
    for (const std::string& ending : endings)
      names.push_back(family + ending);
  };
  for (const char* family :
       {"mant4", "bfp8", "bfp4", "anda8", "anda6", "anda7", "anda11", "bitmod4", "bitmod3", "bitmod6"})
    add(family, groups);
  for (const char* family : {"int8", "int4", "int2", "int3", "int5", "int6", "int7"}) {
    add(family, groups);
    add(family, whole);
  }
  for (const char* family : {"amove4", "amove3", "amove2"})
    add(family, clusters);
  for (const char* family : {"ant4", "olive4"})
    add(family, whole);
  for (const char* family : {"tender8", "tender4"})
    add(family, {"-d8", "-d4"});
  return names;
}

/// The known name that is meant: of the same family, or one that begins like this, or one that is spelt alike.
std::string suggestion(const std::string& name) {
  if (name.empty() || name.size() > 40) return "";
  std::string lower = name;
  for (char& c : lower)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  constexpr std::pair<const char*, const char*> others[] = {
      {"float32", "fp32"}, {"float", "fp32"}, {"float16", "fp16"}, {"half", "fp16"}, {"bfloat16", "bf16"}};
  for (const auto& [other, ours] : others) {
    if (lower == other) return ours;
  }
  const std::vector<std::string> names = known_names(lower);
  const std::string family = lower.substr(0, lower.find('-')) + "-";
  std::vector<std::string> same;
  for (const std::string& known : names) {
    if (known.compare(0, family.size(), family) == 0) same.push_back(known);
  }
  for (const std::string& known : names) {
    if (lower.size() >= 2 && known.compare(0, lower.size(), lower) == 0) return known;
  }
  if (!same.empty()) {
    const std::string nearest = nearest_spelling(lower, same);
    return nearest.empty() ? same.front() : nearest;
  }
  return nearest_spelling(lower, names);
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  std::vector<std::string> patterns;
  for (const Family& family : families)
    patterns.emplace_back(family.pattern);
  const std::string meant = suggestion(name);
  throw InputError("number format '" + name + "': " + why + "; " +
                   (meant.empty() ? "" : "did you mean '" + meant + "'? ") + "formats: " + join(patterns));
}

/// Reads the name from left to right.
struct Reader {
  std::string_view rest;

  bool take(std::string_view word) {
    if (rest.substr(0, word.size()) != word) return false;
    rest.remove_prefix(word.size());
    return true;
  }

  /// 1..65536 without leading zeros.
  std::optional<std::size_t> size() {
    std::size_t value = 0, digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') {
      value = value * 10 + static_cast<std::size_t>(rest[digits] - '0');
      if (++digits > 5) return std::nullopt;
    }
    if (digits == 0 || rest[0] == '0' || value > 65536) return std::nullopt;
    rest.remove_prefix(digits);
    return value;
  }
};

constexpr const char* size_rule = "sizes are 1..65536 in decimal without leading zeros";

std::size_t size_or_refuse(Reader& reader, const std::string& name) {
  const std::optional<std::size_t> value = reader.size();
  if (!value) refuse(name, size_rule);
  return *value;
}

/// "g<k>[x<n>]", "channel" or "tensor", as far as `format` may have them.
void read_grouping(Reader& reader, const std::string& name, bool may_group, bool may_share, Format& format) {
  if (may_share && reader.take("channel")) {
    format.grouping = Grouping::channel;
  } else if (may_share && reader.take("tensor")) {
    format.grouping = Grouping::tensor;
  } else if (may_group && reader.take("g")) {
    format.grouping = Grouping::group;
    format.group_k = size_or_refuse(reader, name);
    if (format.family == FormatFamily::integer && reader.take("x")) format.group_n = size_or_refuse(reader, name);
    if (format.family == FormatFamily::amove) {
      if (!reader.take("c")) refuse(name, "a cluster size is missing");
      format.cluster = size_or_refuse(reader, name);
      if (format.group_k % format.cluster != 0) refuse(name, "the cluster size does not divide the group size");
    }
  } else {
    refuse(name, "the grouping is not one that the family has");
  }
}

std::optional<Format> fixed_format(const std::string& name) {
  Format format;
  const auto block = [&format](FormatFamily family, unsigned bits, std::size_t group) {
    format = Format{family, bits, Grouping::group, group, 1, 0};
  };
  if (name == "fp32") return format;
  if (name == "fp16") return Format{FormatFamily::fp16, 16, Grouping::none, 0, 1, 0};
  if (name == "bf16") return Format{FormatFamily::bf16, 16, Grouping::none, 0, 1, 0};
  if (name == "mxfp4-g32") {
    block(FormatFamily::mxfp4, 4, 32);
  } else if (name == "mxfp6-g32") {
    block(FormatFamily::mxfp6, 6, 32);
  } else if (name == "mxfp8-g32") {
    block(FormatFamily::mxfp8, 8, 32);
  } else if (name == "mxint8-g32") {
    block(FormatFamily::mxint8, 8, 32);
  } else if (name == "nvfp4-g16") {
    block(FormatFamily::nvfp4, 4, 16);
  } else {
    return std::nullopt;
  }
  return format;
}

/// The family and the bits at the front of a name: "int4-", "bfp8-", ...
bool read_family(Reader& reader, Format& format) {
  struct Front {
    const char* word;
    FormatFamily family;
    unsigned narrowest, widest;
    unsigned left_out;  ///< bit b: there is no width b between the two
  };
  constexpr Front fronts[] = {
      {"int", FormatFamily::integer, 2, 8, 0},
      {"mant", FormatFamily::mant4, 4, 4, 0},
      {"bfp", FormatFamily::bfp, 4, 8, 1U << 5 | 1U << 6 | 1U << 7},
      {"amove", FormatFamily::amove, 2, 4, 0},
      {"ant", FormatFamily::ant4, 4, 4, 0},
      {"olive", FormatFamily::olive4, 4, 4, 0},
      {"tender", FormatFamily::tender, 4, 8, 1U << 5 | 1U << 6 | 1U << 7},
      {"anda", FormatFamily::anda, 4, 15, 0},
      {"bitmod", FormatFamily::bitmod, 3, 6, 1U << 5},
  };
  for (const Front& front : fronts) {
    Reader attempt = reader;
    if (!attempt.take(front.word)) continue;
    const std::optional<std::size_t> bits = attempt.size();
    if (!bits || !attempt.take("-") || *bits < front.narrowest || *bits > front.widest) continue;
    if ((front.left_out >> *bits & 1U) != 0) continue;
    format.family = front.family;
    format.bits = static_cast<unsigned>(*bits);
    reader = attempt;
    return true;
  }
  return false;
}

const char* front_of(FormatFamily family) {
  switch (family) {
    case FormatFamily::integer:
      return "int";
    case FormatFamily::mant4:
      return "mant";
    case FormatFamily::bfp:
      return "bfp";
    case FormatFamily::amove:
      return "amove";
    case FormatFamily::ant4:
      return "ant";
    case FormatFamily::olive4:
      return "olive";
    case FormatFamily::tender:
      return "tender";
    case FormatFamily::anda:
      return "anda";
    case FormatFamily::bitmod:
      return "bitmod";
    case FormatFamily::mxfp4:
    case FormatFamily::mxfp6:
    case FormatFamily::mxfp8:
      return "mxfp";
    case FormatFamily::mxint8:
      return "mxint";
    case FormatFamily::nvfp4:
      return "nvfp";
    case FormatFamily::bf16:
      return "bf";
    case FormatFamily::fp16:
    case FormatFamily::fp32:
      return "fp";
  }
  return "";
}

}  // namespace

Format Format::parse(const std::string& name) {
  if (const std::optional<Format> fixed = fixed_format(name)) return *fixed;
  Reader reader{name};
  Format format;
  if (!read_family(reader, format)) refuse(name, "there is no such format");
  const FormatFamily family = format.family;
  if (family == FormatFamily::tender) {
    const std::string_view rest = reader.rest;
    if (rest.size() != 2 || rest[0] != 'd' || rest[1] < '1' || rest[1] > '8')
      refuse(name, "the columns of tender form 1..8 groups");
    format.decomposition = static_cast<unsigned>(rest[1] - '0');
    format.grouping = Grouping::channel;
    format.group_n = tender_chunk_rows;
    return format;
  }
  const bool baseline = family == FormatFamily::ant4 || family == FormatFamily::olive4;
  read_grouping(reader, name, !baseline, baseline || family == FormatFamily::integer, format);
  if (!reader.rest.empty()) {
    const bool number = reader.rest[0] >= '0' && reader.rest[0] <= '9';
    refuse(name, number ? size_rule : "'" + std::string(reader.rest) + "' is left over");
  }
  return format;
}

std::string Format::name() const {
  std::string text = front_of(family) + std::to_string(bits);
  if (family == FormatFamily::tender) return text + "-d" + std::to_string(decomposition);
  switch (grouping) {
    case Grouping::none:
      return text;
    case Grouping::channel:
      return text + "-channel";
    case Grouping::tensor:
      return text + "-tensor";
    case Grouping::group:
      break;
  }
  text += "-g" + std::to_string(group_k);
  if (group_n != 1) text += "x" + std::to_string(group_n);
  if (cluster != 0) text += "c" + std::to_string(cluster);
  return text;
}

std::size_t Format::metadata_bits() const {
  switch (family) {
    case FormatFamily::fp32:
    case FormatFamily::fp16:
    case FormatFamily::bf16:
      return 0;
    case FormatFamily::integer:
    case FormatFamily::tender:
      return 16;
    case FormatFamily::mant4:
      return 16 + 8;
    case FormatFamily::bfp:
    case FormatFamily::anda:
      return 5;
    case FormatFamily::bitmod:
      return 8 + (bitmod_has_types(bits) ? 2 : 0);
    case FormatFamily::amove:
      return 8 + 8 + 2 * (group_k / cluster);
    case FormatFamily::mxfp4:
    case FormatFamily::mxfp6:
    case FormatFamily::mxfp8:
    case FormatFamily::mxint8:
    case FormatFamily::nvfp4:
      return 8;
    case FormatFamily::ant4:
      return 16 + 2;
    case FormatFamily::olive4:
      return 16 + 1;
  }
  return 0;
}

std::size_t Format::column_bits() const {
  std::size_t width = 0;
  while ((1U << width) < decomposition)
    ++width;
  return width;
}

std::size_t Format::row_bits() const {
  return family == FormatFamily::bitmod ? 16 : 0;
}

std::size_t Format::tensor_bits() const {
  return family == FormatFamily::nvfp4 ? 32 : 0;
}

bool Format::operator==(const Format& other) const {
  return family == other.family && bits == other.bits && grouping == other.grouping && group_k == other.group_k &&
         group_n == other.group_n && cluster == other.cluster && decomposition == other.decomposition;
}

std::vector<std::string> format_families() {
  std::vector<std::string> lines;
  for (const Family& family : families)
    lines.push_back(std::string(family.pattern) + ": " + family.summary);
  return lines;
}

}  // namespace nibble
