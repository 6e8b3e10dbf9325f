// SPDX-License-Identifier: Apache-2.0
/// WaveFile: numbers over time, as VCD by the kernel or as FST by the writer of Verilator, where nibble was built with
/// it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace nibble {

class WaveFile {
 public:
  virtual ~WaveFile() = default;
  /// Before the simulation starts: a number of up to 32 bits, 0 until it is set. Names are dotted.
  virtual unsigned add(const std::string& name, unsigned bits) = 0;
  /// From now on.
  virtual void set(unsigned wave, std::uint32_t value) = 0;

  /// The ending of `file` says which. Throws InputError when nibble was built without FST.
  static std::unique_ptr<WaveFile> create(const std::string& file);
};

}  // namespace nibble
