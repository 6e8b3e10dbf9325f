// SPDX-License-Identifier: Apache-2.0
/// Ring and TimeHeap: queues of the transaction path; they allocate while they grow and never after.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace nibble {

/// First in, first out, with access by position (0 = oldest). T is cheap to copy.
template <class T>
class Ring {
 public:
  explicit Ring(std::size_t capacity = 16) : cells_(power_above(capacity)), mask_(cells_.size() - 1) {}

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return cells_[(head_ + i) & mask_]; }
  const T& operator[](std::size_t i) const { return cells_[(head_ + i) & mask_]; }
  T& front() { return cells_[head_]; }
  const T& front() const { return cells_[head_]; }
  T& back() { return (*this)[size_ - 1]; }
  void push(const T& item) {
    if (size_ > mask_) grow();
    cells_[(head_ + size_++) & mask_] = item;
  }
  void pop() {
    head_ = (head_ + 1) & mask_;
    --size_;
  }
  void clear() { head_ = size_ = 0; }

 private:
  static std::size_t power_above(std::size_t n) {
    std::size_t p = 1;
    while (p < n)
      p *= 2;
    return p;
  }
  void grow() {
    std::vector<T> bigger(cells_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i)
      bigger[i] = (*this)[i];
    cells_.swap(bigger);
    mask_ = cells_.size() - 1;
    head_ = 0;
  }

  std::vector<T> cells_;
  std::size_t mask_, head_ = 0, size_ = 0;
};

/// Earliest first; equal times in order of insertion.
template <class T>
class TimeHeap {
 public:
  struct Entry {
    std::uint64_t time;
    std::uint64_t order;
    T item;
  };

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const Entry& top() const { return entries_.front(); }
  void push(std::uint64_t time, const T& item) {
    entries_.push_back({time, inserted_++, item});
    std::push_heap(entries_.begin(), entries_.end(), later);
  }
  void pop() {
    std::pop_heap(entries_.begin(), entries_.end(), later);
    entries_.pop_back();
  }

 private:
  static bool later(const Entry& a, const Entry& b) { return a.time != b.time ? a.time > b.time : a.order > b.order; }

  std::vector<Entry> entries_;
  std::uint64_t inserted_ = 0;
};

}  // namespace nibble
