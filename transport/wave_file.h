// SPDX-License-Identifier: Apache-2.0
/// WaveFile: bits over time, as VCD by the kernel or as FST by the writer of Verilator, where nibble was built with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nibble {

class WaveFile {
 public:
  virtual ~WaveFile() = default;
  /// Before the simulation starts: so many bits (at least one), 0 until they are set. Names are dotted.
  virtual unsigned add(const std::string& name, unsigned bits) = 0;
  /// From now on: the low bits of a number, 0 beyond its 64; or one digit per bit of the wave, the highest first.
  void set(unsigned wave, std::uint64_t value);
  virtual void set(unsigned wave, const std::string& digits) = 0;

  /// The ending of `file`, .vcd or .fst, says which. Throws InputError at any other, when nibble was built without FST,
  /// and when it cannot be written.
  static std::unique_ptr<WaveFile> create(const std::string& file);

 protected:
  std::vector<unsigned> widths_;  ///< by wave
};

}  // namespace nibble
