// SPDX-License-Identifier: Apache-2.0
/// AddressMap: which address bit selects channel, rank, bank group, bank, row and column.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memory/dram_device.h"

namespace nibble {

/// Written as fields from the most significant bit down, for example "row bank column bankgroup channel". A field takes
/// all its bits where it is named once; named several times it is split, high bits first, and all but one of its parts
/// say how many bits they take: "row bank column:4 channel column bankgroup". The same as one letter per bit, most
/// significant first: h channel, k rank, g bank group, b bank, r row, c column: "rrrrbbccccccgg". Below stand the bits
/// of the byte in the burst. Behind "bank" and "bankgroup" may stand "^row": these bits are then exclusive-ored with
/// row bits from the lowest on, those of the bank group before those of the bank, so that rows of the same bank number
/// spread over all banks: "row bank^row column bankgroup^row". Behind a "channel" whose bits are neighbours may stand
/// "^above": they are exclusive-ored with all bits above them, folded to their number, so that no power of two as
/// stride meets the same channels again and again ("partition camping"; GPUs hash likewise).
///
/// A channel sees *local* burst numbers: the address without channel bits and without the bits inside a burst.
/// Consecutive addresses of a channel have consecutive local numbers.
class AddressMap {
 public:
  /// Throws std::invalid_argument with the rule that the mapping breaks (bit missing, bit twice, unknown field).
  AddressMap(const std::string& mapping, const DramGeometry& geometry);

  struct Place {
    unsigned bank;  ///< 0 .. banks() - 1: (rank x bank groups + bank group) x banks per group + bank
    std::uint64_t row;
  };
  Place place(std::uint64_t local) const { return {bank(local), gather(row_parts_, local)}; }
  unsigned bank(std::uint64_t local) const {
    return static_cast<unsigned>(gather(bank_parts_, local) ^ gather(hash_parts_, local));
  }
  std::uint64_t column(std::uint64_t local) const { return gather(column_parts_, local); }

  unsigned channels() const { return 1U << channel_bits_; }
  /// Channel of a global burst number (address / burst bytes).
  unsigned channel(std::uint64_t burst) const {
    const auto field = static_cast<unsigned>(gather(channel_parts_, burst));
    return channel_hash_ ? field ^ folded(burst >> above_channel_) : field;
  }
  /// Those that hold one of the global burst numbers [first, end), one bit each.
  std::uint64_t channels_of(std::uint64_t first, std::uint64_t end) const;
  /// The lowest local number in `channel` whose global burst number is at least `burst`.
  std::uint64_t local_from(std::uint64_t burst, unsigned channel) const;
  /// The global burst number of a local one.
  std::uint64_t global(std::uint64_t local, unsigned channel) const;

  /// Consecutive local numbers rotate over 2^stripe_bits banks; while the bits above block_bits stay, so do these
  /// banks' rows.
  unsigned stripe_bits() const { return stripe_bits_; }
  unsigned block_bits() const { return block_bits_; }
  /// Whether bank numbers depend on row bits: a stripe then visits the same banks in an order that differs from row to
  /// row.
  bool hashed() const { return !hash_parts_.empty(); }

  /// "row 17.., bank 15..16": byte-address bits per field, for documentation.
  std::string describe() const;

 private:
  struct Part {
    unsigned shift, bits, to;  ///< source bit, width, destination bit
    std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  };
  using Parts = std::vector<Part>;
  static std::uint64_t gather(const Parts& parts, std::uint64_t from) {
    std::uint64_t value = 0;
    for (const Part& p : parts)
      value |= (from >> p.shift & p.mask) << p.to;
    return value;
  }
  /// The exclusive or of the value's pieces of as many bits as select a channel.
  unsigned folded(std::uint64_t above) const {
    std::uint64_t fold = 0;
    for (; above != 0; above >>= channel_bits_)
      fold ^= above;
    return static_cast<unsigned>(fold) & (channels() - 1);
  }
  void build_parts();
  void build_hash(bool group, bool bank);
  void find_stripes();

  Parts bank_parts_, row_parts_, column_parts_, channel_parts_;
  Parts hash_parts_;    ///< row bits to bank bits
  Parts spread_parts_;  ///< local number to global burst number, channel bits 0
  unsigned channel_bits_ = 0, stripe_bits_ = 0, block_bits_ = 0, byte_bits_ = 0;
  bool channel_hash_ = false;
  unsigned above_channel_ = 0;  ///< of a burst number, the lowest bit above those of the channel
  std::string letters_;         ///< one per bit of the burst number, least significant first
};

}  // namespace nibble
