// SPDX-License-Identifier: Apache-2.0
/// Rv32im: a RISC-V processor, instruction by instruction: RV32I, M, Zicsr and the machine-mode traps that a driver
/// needs (The RISC-V Instruction Set Manual, volume I 20191213, volume II 20190608). Plain C++: no time, no SystemC.
#pragma once

#include <array>
#include <cstdint>

/// Where loads, stores and instructions come from. False: nothing is there, or it refuses.
class Rv32Bus {
 public:
  virtual ~Rv32Bus() = default;
  virtual bool fetch(std::uint32_t address, std::uint32_t& instruction) = 0;
  /// `bytes` is 1, 2 or 4; the value in the low bits.
  virtual bool load(std::uint32_t address, unsigned bytes, std::uint32_t& value) = 0;
  virtual bool store(std::uint32_t address, unsigned bytes, std::uint32_t value) = 0;
};

class Rv32im {
 public:
  enum class Step : std::uint8_t {
    retired,
    waiting,  ///< in WFI: nothing happens before an interrupt
    stopped   ///< at EBREAK, with a result in a0; or at a trap without handler
  };
  enum Csr : std::uint32_t {
    mstatus = 0x300,
    mie = 0x304,
    mtvec = 0x305,
    mscratch = 0x340,
    mepc = 0x341,
    mcause = 0x342,
    mtval = 0x343,
    mip = 0x344
  };

  explicit Rv32im(Rv32Bus& bus) : bus_(bus) {}
  void reset(std::uint32_t pc);
  /// One instruction, or the entry of a pending interrupt.
  Step step();
  /// The level of the external interrupt.
  void interrupt(bool high) { external_ = high; }

  std::uint32_t reg(unsigned i) const { return x_[i]; }
  void set_reg(unsigned i, std::uint32_t value) {
    if (i != 0) x_[i] = value;
  }
  std::uint32_t pc() const { return pc_; }
  std::uint32_t csr(std::uint32_t number) const;
  std::uint64_t retired() const { return retired_; }

 private:
  bool execute(std::uint32_t instruction);
  void branch(std::uint32_t instruction);
  void load(std::uint32_t instruction);
  void store(std::uint32_t instruction);
  void arithmetic(std::uint32_t instruction, std::uint32_t b, bool immediate);
  std::uint32_t multiply(unsigned operation, std::uint32_t a, std::uint32_t b) const;
  bool system(std::uint32_t instruction);
  bool access_csr(std::uint32_t instruction);
  void trap(std::uint32_t cause, std::uint32_t value);
  bool jump(std::uint32_t to);

  Rv32Bus& bus_;
  std::array<std::uint32_t, 32> x_{};
  std::uint32_t pc_ = 0, next_ = 0;
  std::uint32_t mstatus_ = 0, mie_ = 0, mtvec_ = 0, mscratch_ = 0, mepc_ = 0, mcause_ = 0, mtval_ = 0;
  bool external_ = false, waiting_ = false, stopped_ = false;
  std::uint64_t retired_ = 0;
};
