// SPDX-License-Identifier: Apache-2.0
/// Values of a module's input pins, cycle by cycle, as text for the gate-level simulation (gates.py): a line
/// "pins name:width ...", then a line per cycle with each pin's value in hexadecimal. "measure" stands before the first
/// cycle that counts, "operations N" at the end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace nibble {

class PinStream {
 public:
  explicit PinStream(std::vector<std::pair<std::string, unsigned>> pins) {
    std::printf("pins");
    for (auto& [name, width] : pins) {
      std::printf(" %s:%u", name.c_str(), width);
      pins_.push_back({std::move(name), std::vector<bool>(width)});
    }
    std::printf("\n");
  }

  /// The low `width` bits of a value to bits [low, low + width) of a pin, which keeps them until it is set again.
  void set(const std::string& pin, std::int64_t value, unsigned low, unsigned width) {
    std::vector<bool>& bits = find(pin);
    for (unsigned i = 0; i < width; ++i)
      bits.at(low + i) = (static_cast<std::uint64_t>(value) >> i & 1) != 0;
  }
  /// The whole pin, at most 64 bits.
  void set(const std::string& pin, std::int64_t value) { set(pin, value, 0, static_cast<unsigned>(find(pin).size())); }

  void cycle() const {
    for (const Pin& pin : pins_) {
      for (std::size_t digit = (pin.bits.size() + 3) / 4; digit-- > 0;) {
        unsigned value = 0;
        for (std::size_t i = 0; i < 4 && 4 * digit + i < pin.bits.size(); ++i)
          value |= static_cast<unsigned>(pin.bits[4 * digit + i]) << i;
        std::printf("%x", value);
      }
      std::printf(&pin == &pins_.back() ? "\n" : " ");
    }
  }
  static void measure() { std::printf("measure\n"); }
  static void operations(std::uint64_t count) {
    std::printf("operations %llu\n", static_cast<unsigned long long>(count));
  }

 private:
  struct Pin {
    std::string name;
    std::vector<bool> bits;
  };
  std::vector<bool>& find(const std::string& name) {
    for (Pin& pin : pins_)
      if (pin.name == name) return pin.bits;
    throw InternalError("no pin of this name: " + name);
  }
  std::vector<Pin> pins_;
};

}  // namespace nibble
