// SPDX-License-Identifier: Apache-2.0
#include "memory/address_map.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>

namespace nibble {
namespace {

struct Field {
  char letter;
  const char* name;
};
constexpr Field fields[] = {{'h', "channel"}, {'k', "rank"}, {'g', "bankgroup"},
                            {'b', "bank"},    {'r', "row"},  {'c', "column"}};

unsigned log2_of(std::uint64_t power) {
  unsigned bits = 0;
  while (power >> bits > 1)
    ++bits;
  return bits;
}

const char* name_of(char letter) {
  for (const Field& field : fields) {
    if (field.letter == letter) return field.name;
  }
  return nullptr;
}

[[noreturn]] void refuse(const std::string& why) {
  throw std::invalid_argument(why);
}

struct Item {
  char letter;
  int bits;  ///< -1: not said
};

/// What stands behind "^".
struct Hash {
  bool group = false, bank = false, channel = false;
  std::string mapping;
};

Hash strip_hash(const std::string& mapping) {
  Hash hash;
  std::istringstream words(mapping);
  for (std::string word; words >> word;) {
    const auto mark = word.find('^');
    if (mark != std::string::npos) {
      const std::string field = word.substr(0, word.find(':') < mark ? word.find(':') : mark);
      const std::string with = field + word.substr(mark);
      if (with != "bank^row" && with != "bankgroup^row" && with != "channel^above") {
        refuse("'" + word + "': only bank^row, bankgroup^row and channel^above are known");
      }
      (field == "bank" ? hash.bank : field == "bankgroup" ? hash.group : hash.channel) = true;
      word.resize(mark);
    }
    hash.mapping += (hash.mapping.empty() ? "" : " ") + word;
  }
  return hash;
}

std::vector<Item> parse_fields(const std::string& mapping) {
  std::vector<Item> items;
  std::istringstream words(mapping);
  for (std::string word; words >> word;) {
    int bits = -1;
    const auto colon = word.find(':');
    if (colon != std::string::npos) {
      const std::string digits = word.substr(colon + 1);
      if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != std::string::npos) {
        refuse("'" + word + "' should be a field and a number of bits, as in column:4");
      }
      bits = std::stoi(digits);
      word.resize(colon);
    }
    const auto field =
        std::find_if(std::begin(fields), std::end(fields), [&](const Field& f) { return word == f.name; });
    if (field == std::end(fields)) {
      refuse("unknown field '" + word + "'; the fields are channel, rank, bankgroup, bank, row, column");
    }
    items.push_back({field->letter, bits});
  }
  return items;
}

/// Most significant letter first.
std::string expand(const std::string& mapping, const std::map<char, unsigned>& widths) {
  const bool bit_string = mapping.find_first_not_of("hkgbrc") == std::string::npos;
  if (bit_string) return mapping;
  std::vector<Item> items = parse_fields(mapping);
  for (const auto& [letter, width] : widths) {
    int said = 0;
    Item* open = nullptr;
    for (Item& item : items) {
      if (item.letter != letter) continue;
      if (item.bits >= 0) {
        said += item.bits;
      } else if (open != nullptr) {
        refuse(std::string(name_of(letter)) + " is named twice without a number of bits");
      } else {
        open = &item;
      }
    }
    if (open != nullptr) open->bits = std::max(0, static_cast<int>(width) - said);
  }
  std::string letters;
  for (const Item& item : items)
    letters.append(static_cast<std::size_t>(item.bits), item.letter);
  return letters;
}

}  // namespace

AddressMap::AddressMap(const std::string& mapping, const DramGeometry& geometry) {
  const std::map<char, unsigned> widths{
      {'h', log2_of(geometry.channels)},    {'k', log2_of(geometry.ranks)},
      {'g', log2_of(geometry.bank_groups)}, {'b', log2_of(geometry.banks_per_group)},
      {'r', log2_of(geometry.rows)},        {'c', log2_of(geometry.row_bytes / geometry.burst_bytes())}};
  const Hash hash = strip_hash(mapping);
  letters_ = expand(hash.mapping, widths);
  for (const auto& [letter, width] : widths) {
    const auto named = static_cast<unsigned>(std::count(letters_.begin(), letters_.end(), letter));
    if (named != width) {
      refuse(std::string(name_of(letter)) + " needs " + std::to_string(width) +
             " bits, each exactly once; the mapping has " + std::to_string(named));
    }
  }
  std::reverse(letters_.begin(), letters_.end());
  channel_bits_ = widths.at('h');
  byte_bits_ = log2_of(geometry.burst_bytes());
  build_parts();
  if (hash.channel && channel_bits_ != 0) {
    if (channel_parts_.size() != 1) refuse("channel^above needs the channel's bits side by side");
    channel_hash_ = true;
    above_channel_ = channel_parts_.front().shift + channel_bits_;
  }
  build_hash(hash.group, hash.bank);
  find_stripes();
}

/// Row bits, lowest first, onto the bits of the bank group and then of the bank.
void AddressMap::build_hash(bool group, bool bank) {
  std::vector<unsigned> rows;  // local positions of the row bits, lowest first
  unsigned local = 0;
  for (const char letter : letters_) {
    if (letter == 'r') rows.push_back(local);
    if (letter != 'h') ++local;
  }
  const auto bank_bits = static_cast<unsigned>(std::count(letters_.begin(), letters_.end(), 'b'));
  const auto group_bits = static_cast<unsigned>(std::count(letters_.begin(), letters_.end(), 'g'));
  const std::size_t wanted = (group ? group_bits : 0) + (bank ? bank_bits : 0);
  if (wanted > rows.size()) refuse("fewer row bits than bank bits to be exclusive-ored with them");
  std::size_t next = 0;
  for (unsigned i = 0; group && i < group_bits; ++i)
    hash_parts_.push_back({rows[next++], 1, bank_bits + i});
  for (unsigned i = 0; bank && i < bank_bits; ++i)
    hash_parts_.push_back({rows[next++], 1, i});
}

void AddressMap::build_parts() {
  const auto append = [](Parts& parts, unsigned shift, unsigned to) {
    if (!parts.empty()) {
      Part& last = parts.back();
      if (last.shift + last.bits == shift && last.to + last.bits == to) {
        last.mask = (std::uint64_t{1} << ++last.bits) - 1;
        return;
      }
    }
    parts.push_back({shift, 1, to});
  };
  const auto count = [&](char letter) {
    return static_cast<unsigned>(std::count(letters_.begin(), letters_.end(), letter));
  };
  std::map<char, unsigned> next{{'b', 0}, {'g', count('b')}, {'k', count('b') + count('g')},
                                {'r', 0}, {'c', 0},          {'h', 0}};
  unsigned local = 0;
  for (unsigned global = 0; global < letters_.size(); ++global) {
    const char letter = letters_[global];
    const unsigned to = next[letter]++;
    if (letter == 'h') {
      append(channel_parts_, global, to);
      continue;
    }
    append(letter == 'r' ? row_parts_ : letter == 'c' ? column_parts_ : bank_parts_, local, to);
    append(spread_parts_, local, global);
    ++local;
  }
}

void AddressMap::find_stripes() {
  std::string local = letters_;
  local.erase(std::remove(local.begin(), local.end(), 'h'), local.end());
  const auto is_bank = [](char letter) { return letter == 'b' || letter == 'g' || letter == 'k'; };
  while (stripe_bits_ < local.size() && is_bank(local[stripe_bits_]))
    ++stripe_bits_;
  block_bits_ = stripe_bits_;
  while (block_bits_ < local.size() && local[block_bits_] == 'c')
    ++block_bits_;
}

std::uint64_t AddressMap::global(std::uint64_t local, unsigned channel) const {
  std::uint64_t burst = gather(spread_parts_, local);
  const unsigned field = channel_hash_ ? channel ^ folded(burst >> above_channel_) : channel;
  for (const Part& p : channel_parts_)
    burst |= (std::uint64_t{field} >> p.to & p.mask) << p.shift;
  return burst;
}

std::uint64_t AddressMap::channels_of(std::uint64_t first, std::uint64_t end) const {
  if (channel_parts_.empty()) return 1;
  // All bursts that differ only below the lowest channel bit are in one channel.
  const unsigned low = channel_parts_.front().shift;
  std::uint64_t found = 0;
  if (((end - 1) >> low) - (first >> low) < channels()) {
    for (std::uint64_t i = first >> low; i <= (end - 1) >> low; ++i)
      found |= std::uint64_t{1} << channel(i << low);
  } else {
    for (unsigned c = 0; c < channels(); ++c)
      found |= std::uint64_t{local_from(end, c) > local_from(first, c)} << c;
  }
  return found;
}

std::uint64_t AddressMap::local_from(std::uint64_t burst, unsigned channel) const {
  if (channel_parts_.empty()) return burst;
  if (channel_parts_.size() == 1) {
    const Part& p = channel_parts_.front();
    const auto here = static_cast<unsigned>(burst >> p.shift & p.mask);
    const std::uint64_t high = burst >> (p.shift + p.bits);
    const std::uint64_t low = burst & ((std::uint64_t{1} << p.shift) - 1);
    const unsigned wanted = channel_hash_ ? channel ^ folded(high) : channel;
    if (here == wanted) return high << p.shift | low;
    return (high + (here > wanted ? 1 : 0)) << p.shift;
  }
  std::uint64_t below = 0, above = std::uint64_t{1} << (letters_.size() - channel_bits_);
  while (below < above) {
    const std::uint64_t middle = below + (above - below) / 2;
    if (global(middle, channel) < burst) {
      below = middle + 1;
    } else {
      above = middle;
    }
  }
  return below;
}

std::string AddressMap::describe() const {
  std::string text;
  for (std::size_t low = 0; low < letters_.size();) {
    std::size_t high = low;
    while (high + 1 < letters_.size() && letters_[high + 1] == letters_[low])
      ++high;
    if (!text.empty()) text += ", ";
    text += std::string(name_of(letters_[low])) + " " + std::to_string(low + byte_bits_) + ".." +
            std::to_string(high + byte_bits_);
    low = high + 1;
  }
  if (hashed()) text += ", bank bits exclusive-ored with row bits";
  if (channel_hash_) text += ", channel bits exclusive-ored with all above them";
  return text;
}

}  // namespace nibble
