// SPDX-License-Identifier: Apache-2.0
/// SparseStore: the bytes of a memory of many gigabytes, of which only the pages that were written exist.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace nibble {

/// Memory that was never written reads as 0 and takes no room; a page appears with its first write.
class SparseStore {
 public:
  static constexpr std::uint64_t page_bytes = std::uint64_t{64} * 1024;

  explicit SparseStore(std::uint64_t capacity_bytes) : capacity_(capacity_bytes) {}

  std::uint64_t capacity_bytes() const { return capacity_; }
  /// Whether [address, address + length) lies inside; no wrap-around.
  bool contains(std::uint64_t address, std::uint64_t length) const {
    return length <= capacity_ && address <= capacity_ - length;
  }

  /// Precondition of both: contains(address, length).
  void read(std::uint64_t address, std::uint8_t* to, std::uint64_t length) const;
  void write(std::uint64_t address, const std::uint8_t* from, std::uint64_t length);

  /// The page that holds `address`, or nullptr when it does not exist; its first byte is at round_down(address,
  /// page_bytes). The pointer stays valid for the life of the store.
  std::uint8_t* page(std::uint64_t address) const;
  std::uint64_t resident_bytes() const { return pages_.size() * page_bytes; }

 private:
  using Page = std::array<std::uint8_t, page_bytes>;
  std::uint8_t* page_for_write(std::uint64_t address);

  std::uint64_t capacity_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
  mutable std::uint64_t last_index_ = ~std::uint64_t{0};  ///< page found by the last look-up
  mutable std::uint8_t* last_page_ = nullptr;
};

}  // namespace nibble
