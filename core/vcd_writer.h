// SPDX-License-Identifier: Apache-2.0
/// Waveforms as a value change dump (IEEE 1800-2017, 21.7.2), which GTKWave and its like open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// Signals are declared first; then for each time the values that they take. What does not change is not written;
/// before its first value a signal is unknown (x).
class VcdWriter {
 public:
  using Signal = std::size_t;

  /// Times are picoseconds. Past `limit` bytes nothing more is written: full().
  explicit VcdWriter(std::size_t limit) : limit_(limit) {}

  /// An unsigned number of 1 to 64 bits, or a two's complement one; a real number. `scope` and `name` without spaces;
  /// signals of a scope one after the other.
  Signal add(const std::string& scope, const std::string& name, unsigned bits);
  Signal add_real(const std::string& scope, const std::string& name);

  /// From here on values are those at `picoseconds`, later than every time before (InternalError).
  void at(std::uint64_t picoseconds);
  void set(Signal signal, std::uint64_t value);
  void set_real(Signal signal, double value);
  void set_unknown(Signal signal);  ///< not of a real number

  bool full() const { return text_.size() > limit_; }
  /// The file so far.
  const std::string& text() const { return text_; }

 private:
  struct Variable {
    std::string scope, name, value;  ///< the value as the file has it; empty: none yet
    unsigned bits = 0;               ///< 0: real
  };
  void declare();
  void change(Signal signal, const std::string& value);

  std::size_t limit_;
  std::vector<Variable> variables_;
  std::string text_, stamp_;  ///< stamp_: of the present time, until a value is written
  std::uint64_t time_ = 0;
  bool begun_ = false;
};

}  // namespace nibble
