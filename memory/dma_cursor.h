// SPDX-License-Identifier: Apache-2.0
/// DmaCursor: walks over a region and cuts it into bus transactions. A plain class of the DMA engine.
#pragma once

#include <algorithm>
#include <cstdint>

#include "memory/dma_engine.h"

namespace nibble {

class DmaCursor {
 public:
  DmaCursor() = default;
  /// Contiguous rows become one row, contiguous planes one plane, and planes of one row become rows.
  explicit DmaCursor(const DmaRegion& region) : what_(region) {
    const bool packed = region.local_stride == 0 || region.local_stride == region.row_bytes;
    if (packed && what_.rows > 1 && what_.stride == what_.row_bytes) {
      what_.row_bytes *= what_.rows;
      what_.rows = 1;
    }
    if (what_.rows == 1 && what_.planes > 1) {
      what_.rows = what_.planes;
      what_.stride = what_.plane_stride;
      what_.planes = 1;
      if (packed && what_.stride == what_.row_bytes) {
        what_.row_bytes *= what_.rows;
        what_.rows = 1;
      }
    }
    if (packed) what_.local_stride = what_.row_bytes;
  }

  struct Cut {
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint8_t* data = nullptr;  ///< nullptr: timing only
    bool ends_row = false;
  };
  bool done() const { return plane_ == what_.planes; }
  Stream stream() const { return what_.stream; }
  /// The next transaction, of at most `longest` bytes and not across a multiple of `boundary` (a power of two).
  /// Precondition: not done().
  Cut next(std::uint64_t longest, std::uint64_t boundary) {
    Cut cut;
    cut.address = what_.address + plane_ * what_.plane_stride + row_ * what_.stride + offset_;
    const std::uint64_t to_boundary = boundary - (cut.address & (boundary - 1));
    cut.length = std::min({what_.row_bytes - offset_, longest, to_boundary});
    if (what_.data != nullptr) cut.data = what_.data + (plane_ * what_.rows + row_) * what_.local_stride + offset_;
    offset_ += cut.length;
    cut.ends_row = offset_ == what_.row_bytes;
    if (cut.ends_row) {
      offset_ = 0;
      if (++row_ == what_.rows) {
        row_ = 0;
        ++plane_;
      }
    }
    return cut;
  }

 private:
  DmaRegion what_;
  std::uint64_t plane_ = 0, row_ = 0, offset_ = 0;  ///< of the next transaction
};

}  // namespace nibble
