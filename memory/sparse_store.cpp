// SPDX-License-Identifier: Apache-2.0
#include "memory/sparse_store.h"

#include <algorithm>
#include <cstring>

namespace nibble {

std::uint8_t* SparseStore::page(std::uint64_t address) const {
  const std::uint64_t index = address / page_bytes;
  if (index == last_index_) return last_page_;
  const auto found = pages_.find(index);
  if (found == pages_.end()) return nullptr;
  last_index_ = index;
  last_page_ = found->second->data();
  return last_page_;
}

std::uint8_t* SparseStore::page_for_write(std::uint64_t address) {
  if (std::uint8_t* present = page(address)) return present;
  auto& fresh = pages_[address / page_bytes];
  fresh = std::make_unique<Page>();
  fresh->fill(0);
  return page(address);
}

void SparseStore::read(std::uint64_t address, std::uint8_t* to, std::uint64_t length) const {
  while (length > 0) {
    const std::uint64_t offset = address % page_bytes;
    const std::uint64_t run = std::min(length, page_bytes - offset);
    if (const std::uint8_t* from = page(address)) {
      std::memcpy(to, from + offset, run);
    } else {
      std::memset(to, 0, run);
    }
    address += run;
    to += run;
    length -= run;
  }
}

void SparseStore::write(std::uint64_t address, const std::uint8_t* from, std::uint64_t length) {
  while (length > 0) {
    const std::uint64_t offset = address % page_bytes;
    const std::uint64_t run = std::min(length, page_bytes - offset);
    std::memcpy(page_for_write(address) + offset, from, run);
    address += run;
    from += run;
    length -= run;
  }
}

}  // namespace nibble
