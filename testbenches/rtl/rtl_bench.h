// SPDX-License-Identifier: Apache-2.0
/// Pin-level test benches of the RTL: a clock, signals of the pins, comparison with a model cycle by cycle.
///
/// A bench derives from RtlBench, binds the Verilated module's pins to Pin<width> signals and does everything of a
/// cycle in cycle(): at the falling edge the outputs show the registers after the last rising edge, and what is written
/// counts at the next one.
#pragma once

#include <verilated.h>
#if VM_COVERAGE
#include <unistd.h>
#include <verilated_cov.h>
#endif

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <systemc>
#include <type_traits>

#include "core/random.h"
#include "testbenches/support/trace_option.h"
#include "transport/wave_file.h"

/// Binds the port of a Verilated module to the signal of the same name.
#define NIBBLE_BIND(module, port) (module).port(port)

namespace nibble {

/// The types that `verilator --sc` gives to pins.
template <unsigned bits>
using PinType = std::conditional_t<
    bits == 1, bool,
    std::conditional_t<bits <= 32, std::uint32_t, std::conditional_t<bits <= 64, std::uint64_t, sc_dt::sc_bv<bits>>>>;

/// What a bench can write to a file of waveforms.
class Traced {
 public:
  virtual ~Traced() = default;
  /// Before the simulation starts. `file` lives as long as the simulation runs.
  virtual void trace_to(WaveFile& file, const std::string& scope) = 0;
};

/// A signal of as many bits as the pin has, also in the waveforms.
template <unsigned bits>
class Pin : public sc_core::sc_signal<PinType<bits>>, public Traced {
 public:
  using sc_core::sc_signal<PinType<bits>>::sc_signal;
  void trace_to(WaveFile& file, const std::string& scope) override {
    file_ = &file;
    wave_ = file.add(scope + '.' + this->basename(), bits);
  }

 private:
  void update() override {
    sc_core::sc_signal<PinType<bits>>::update();
    if (file_ == nullptr) return;
    if constexpr (std::is_arithmetic_v<PinType<bits>>) {
      file_->set(wave_, std::uint64_t{this->read()});
    } else {
      file_->set(wave_, this->read().to_string());
    }
  }
  WaveFile* file_ = nullptr;
  unsigned wave_ = 0;
};

/// Bits [low, low + count) of a pin, count at most 32.
template <class Value>
std::uint32_t pin_field(const Value& value, unsigned low, unsigned count) {
  const std::uint64_t mask = (std::uint64_t{1} << count) - 1;
  if constexpr (std::is_arithmetic_v<Value>) {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(value) >> low) & mask);
  } else {
    const int word = static_cast<int>(low / 32);
    std::uint64_t bits = value.get_word(word);
    if (low % 32 + count > 32) bits |= static_cast<std::uint64_t>(value.get_word(word + 1)) << 32;
    return static_cast<std::uint32_t>((bits >> (low % 32)) & mask);
  }
}

/// The low `bits` bits as a two's complement number.
inline std::int32_t sign_extended(std::uint32_t value, unsigned bits) {
  const std::uint32_t sign = std::uint32_t{1} << (bits - 1);
  const std::uint32_t low = value & (2 * sign - 1);
  return static_cast<std::int32_t>(static_cast<std::int64_t>(low ^ sign) - static_cast<std::int64_t>(sign));
}

/// The low `bits` bits of a number, as pins carry it.
inline std::uint32_t pin_bits(std::int64_t value, unsigned bits) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) & ((std::uint64_t{1} << bits) - 1));
}

/// Several lanes of `width` bits (at most 32) side by side in one pin, lane 0 in the low bits.
template <unsigned lanes, unsigned width>
PinType<lanes * width> packed_lanes(const std::uint32_t (&values)[lanes]) {
  if constexpr (lanes * width <= 64) {
    std::uint64_t all = 0;
    for (unsigned i = 0; i < lanes; ++i)
      all |= static_cast<std::uint64_t>(pin_bits(values[i], width)) << (i * width);
    return static_cast<PinType<lanes * width>>(all);
  } else {
    std::uint64_t pending = 0;
    unsigned held = 0;
    int word = 0;
    sc_dt::sc_bv<lanes * width> all;
    for (unsigned i = 0; i < lanes; ++i) {
      pending |= static_cast<std::uint64_t>(pin_bits(values[i], width)) << held;
      held += width;
      if (held >= 32) {
        all.set_word(word++, static_cast<sc_dt::sc_digit>(pending));
        pending >>= 32;
        held -= 32;
      }
    }
    if (held > 0) all.set_word(word, static_cast<sc_dt::sc_digit>(pending));
    return all;
  }
}

/// The bits of a pin of more than 64, put together field by field.
template <unsigned bits>
class PinWords {
 public:
  /// The low `count` bits (at most 32) of a value to bits [low, low + count).
  void set(unsigned low, unsigned count, std::uint32_t value) {
    const std::uint64_t mask = ((std::uint64_t{1} << count) - 1) << low % 32;
    const std::uint64_t placed = static_cast<std::uint64_t>(value) << low % 32 & mask;
    put(low / 32, mask, placed);
    if (low % 32 + count > 32) put(low / 32 + 1, mask >> 32, placed >> 32);
  }
  /// The same from bit `at` on, which moves behind it.
  void append(unsigned& at, std::uint32_t value, unsigned count) {
    set(at, count, value);
    at += count;
  }
  PinType<bits> pin() const {
    PinType<bits> all;
    for (unsigned i = 0; i < (bits + 31) / 32; ++i)
      all.set_word(static_cast<int>(i), words_[i]);
    return all;
  }

 private:
  void put(unsigned word, std::uint64_t mask, std::uint64_t placed) {
    words_[word] = static_cast<std::uint32_t>((words_[word] & ~mask) | placed);
  }
  std::uint32_t words_[(bits + 31) / 32] = {};
};

/// Cycles of random co-simulation: NIBBLE_RTL_CYCLES, or what the build type affords.
inline std::uint64_t random_cycles() {
  if (const char* text = std::getenv("NIBBLE_RTL_CYCLES")) return std::strtoull(text, nullptr, 10);
  return NIBBLE_RTL_DEFAULT_CYCLES;
}

class RtlBench : public sc_core::sc_module {
 public:
  Pin<1> clk{"clk"}, reset{"reset"};

  /// Runs so many cycles more and stops at the first mismatch.
  void run(std::uint64_t cycles) {
    last_ = cycle_ + cycles;
    open_trace();
    const auto begin = std::chrono::steady_clock::now();
    sc_core::sc_start(static_cast<double>(cycles), sc_core::SC_NS);
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  /// Fails the test case at a mismatch, when fewer than `least` comparisons were made, and prints the speed.
  void finish(std::uint64_t least) {
    INFO(mismatch_);
    CHECK(mismatch_.empty());
    if (mismatch_.empty()) CHECK(comparisons_ >= least);
    std::printf("%s: %llu cycles of RTL, %llu comparisons, %.2f million cycles per second\n", name(),
                static_cast<unsigned long long>(cycle_), static_cast<unsigned long long>(comparisons_),
                static_cast<double>(cycle_) / seconds_ / 1e6);
#if VM_COVERAGE
    // Here and not in the destructor: the counters belong to the module, which is a member of the derived bench.
    const std::string file = std::string(name()) + "_" + std::to_string(getpid()) + ".coverage";
    Verilated::threadContextp()->coveragep()->write(file.c_str());
#endif
  }

 protected:
  SC_HAS_PROCESS(RtlBench);
  explicit RtlBench(const char* name, std::uint64_t seed = 1) : sc_module(sc_core::sc_module_name(name)), random(seed) {
    Verilated::randReset(2);  // registers start with random bits: what the reset misses is seen
    Verilated::randSeed(static_cast<int>(seed));
    SC_METHOD(edge);
  }

  virtual void cycle() = 0;

  /// Cycles since the start of the simulation; the present one in cycle().
  std::uint64_t now() const {
    return cycle_;
  }
  bool once_in(std::uint64_t bound) {
    return random.below(bound) == 0;
  }

  template <class Value>
  void expect(const char* what, Value rtl, Value model) {
    ++comparisons_;
    if (rtl != model && mismatch_.empty()) {
      std::ostringstream text;
      text << name() << ", cycle " << cycle_ << ": " << what << " is " << +rtl << ", expected " << +model << std::hex
           << " (0x" << +rtl << ", 0x" << +model << ")";
      mismatch_ = text.str();
      last_ = cycle_;
    }
  }

  Random random;

 private:
  void edge() {
    if (high_) {
      if (cycle_ >= last_) return;
      cycle();
      ++cycle_;
    }
    high_ = !high_;
    clk.write(high_);
    next_trigger(0.5, sc_core::SC_NS);
  }

  /// With --trace FILE: every pin, every change.
  void open_trace() {
    if (test::trace_file().empty() || waveforms_ != nullptr) return;
    waveforms_ = WaveFile::create(test::trace_file());
    // A derived bench's pins are not the module's children.
    for (const auto& objects : {get_child_objects(), sc_core::sc_get_top_level_objects()})
      for (sc_core::sc_object* object : objects)
        if (auto* pin = dynamic_cast<Traced*>(object)) pin->trace_to(*waveforms_, name());
  }

  std::unique_ptr<WaveFile> waveforms_;
  bool high_ = true;
  std::uint64_t cycle_ = 0, last_ = 0, comparisons_ = 0;
  double seconds_ = 0;
  std::string mismatch_;
};

}  // namespace nibble
