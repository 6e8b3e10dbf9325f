// SPDX-License-Identifier: Apache-2.0
#include "rv32im.h"

namespace {

constexpr std::uint32_t mie_bit = 1U << 3, mpie_bit = 1U << 7, external_bit = 1U << 11;
constexpr std::uint32_t interrupt_cause = 0x80000000U + 11;
enum Cause : std::uint32_t {
  fetch_misaligned = 0,
  fetch_fault = 1,
  illegal = 2,
  load_misaligned = 4,
  load_fault = 5,
  store_misaligned = 6,
  store_fault = 7,
  environment_call = 11
};

std::uint32_t field(std::uint32_t instruction, unsigned low, unsigned bits) {
  return instruction >> low & ((1U << bits) - 1);
}
/// The low `bits` of a value as a two's complement number.
std::uint32_t extend(std::uint32_t value, unsigned bits) {
  const std::uint32_t sign = 1U << (bits - 1);
  return (value ^ sign) - sign;
}
std::int64_t as_signed(std::uint32_t value) {
  return static_cast<std::int32_t>(value);
}
unsigned rd(std::uint32_t i) {
  return field(i, 7, 5);
}
unsigned rs1(std::uint32_t i) {
  return field(i, 15, 5);
}
unsigned rs2(std::uint32_t i) {
  return field(i, 20, 5);
}
unsigned funct3(std::uint32_t i) {
  return field(i, 12, 3);
}
std::uint32_t immediate_i(std::uint32_t i) {
  return extend(i >> 20, 12);
}
std::uint32_t immediate_s(std::uint32_t i) {
  return extend(field(i, 25, 7) << 5 | field(i, 7, 5), 12);
}
std::uint32_t immediate_b(std::uint32_t i) {
  return extend(field(i, 31, 1) << 12 | field(i, 7, 1) << 11 | field(i, 25, 6) << 5 | field(i, 8, 4) << 1, 13);
}
std::uint32_t immediate_j(std::uint32_t i) {
  return extend(field(i, 31, 1) << 20 | field(i, 12, 8) << 12 | field(i, 20, 1) << 11 | field(i, 21, 10) << 1, 21);
}

}  // namespace

void Rv32im::reset(std::uint32_t pc) {
  x_ = {};
  pc_ = pc;
  mstatus_ = mie_ = mtvec_ = mscratch_ = mepc_ = mcause_ = mtval_ = 0;
  waiting_ = stopped_ = false;
}

std::uint32_t Rv32im::csr(std::uint32_t number) const {
  switch (number) {
    case mstatus:
      return mstatus_ | 3U << 11;  // the previous mode: always machine
    case mie:
      return mie_;
    case mtvec:
      return mtvec_;
    case mscratch:
      return mscratch_;
    case mepc:
      return mepc_;
    case mcause:
      return mcause_;
    case mtval:
      return mtval_;
    case mip:
      return external_ ? external_bit : 0;
    default:
      return 0;
  }
}

Rv32im::Step Rv32im::step() {
  if (stopped_) return Step::stopped;
  if (external_ && (mie_ & external_bit) != 0) {
    waiting_ = false;
    if ((mstatus_ & mie_bit) != 0) {
      next_ = pc_;
      trap(interrupt_cause, 0);
      mepc_ = pc_;
      pc_ = next_;
    }
  }
  if (waiting_) return Step::waiting;
  std::uint32_t instruction = 0;
  next_ = pc_ + 4;
  if (!bus_.fetch(pc_, instruction)) {
    trap(fetch_fault, pc_);
  } else if (!execute(instruction)) {
    trap(illegal, instruction);
  }
  pc_ = next_;
  ++retired_;
  return stopped_ ? Step::stopped : Step::retired;
}

/// Without a handler the processor stops where it is.
void Rv32im::trap(std::uint32_t cause, std::uint32_t value) {
  mepc_ = pc_;
  mcause_ = cause;
  mtval_ = value;
  mstatus_ = (mstatus_ & ~(mie_bit | mpie_bit)) | ((mstatus_ & mie_bit) != 0 ? mpie_bit : 0);
  stopped_ = mtvec_ == 0;
  next_ = stopped_ ? pc_ : mtvec_ & ~3U;
}

bool Rv32im::jump(std::uint32_t to) {
  if (to % 4 != 0) {
    trap(fetch_misaligned, to);
    return false;
  }
  next_ = to;
  return true;
}

bool Rv32im::execute(std::uint32_t i) {
  const std::uint32_t a = x_[rs1(i)], link = pc_ + 4;
  switch (field(i, 0, 7)) {
    case 0x37:  // LUI
      set_reg(rd(i), i & 0xFFFFF000U);
      return true;
    case 0x17:  // AUIPC
      set_reg(rd(i), pc_ + (i & 0xFFFFF000U));
      return true;
    case 0x6F:  // JAL
      if (jump(pc_ + immediate_j(i))) set_reg(rd(i), link);
      return true;
    case 0x67:  // JALR
      if (funct3(i) != 0) return false;
      if (jump((a + immediate_i(i)) & ~1U)) set_reg(rd(i), link);
      return true;
    case 0x63:
      if (funct3(i) == 2 || funct3(i) == 3) return false;
      branch(i);
      return true;
    case 0x03:
      if (funct3(i) == 3 || funct3(i) > 5) return false;
      load(i);
      return true;
    case 0x23:
      if (funct3(i) > 2) return false;
      store(i);
      return true;
    case 0x13: {
      const unsigned shift = field(i, 25, 7);
      if (funct3(i) == 1 && shift != 0) return false;
      if (funct3(i) == 5 && shift != 0 && shift != 0x20) return false;
      arithmetic(i, immediate_i(i), true);
      return true;
    }
    case 0x33: {
      const unsigned funct7 = field(i, 25, 7);
      const bool other = funct7 == 0x20 && (funct3(i) == 0 || funct3(i) == 5);
      if (funct7 == 1) {
        set_reg(rd(i), multiply(funct3(i), a, x_[rs2(i)]));
        return true;
      }
      if (funct7 != 0 && !other) return false;
      arithmetic(i, x_[rs2(i)], false);
      return true;
    }
    case 0x0F:  // FENCE: one processor, in order
      return true;
    case 0x73:
      return system(i);
    default:
      return false;
  }
}

void Rv32im::branch(std::uint32_t i) {
  const std::uint32_t a = x_[rs1(i)], b = x_[rs2(i)];
  bool taken = false;
  switch (funct3(i) >> 1) {
    case 0:
      taken = a == b;
      break;
    case 2:
      taken = as_signed(a) < as_signed(b);
      break;
    default:
      taken = a < b;
      break;
  }
  if (taken != ((funct3(i) & 1) != 0)) jump(pc_ + immediate_b(i));
}

void Rv32im::load(std::uint32_t i) {
  const std::uint32_t address = x_[rs1(i)] + immediate_i(i);
  const unsigned bytes = 1U << (funct3(i) & 3);
  std::uint32_t value = 0;
  if (address % bytes != 0) return trap(load_misaligned, address);
  if (!bus_.load(address, bytes, value)) return trap(load_fault, address);
  const bool zeros = funct3(i) >= 4 || bytes == 4;
  set_reg(rd(i), zeros ? value : extend(value, 8 * bytes));
}

void Rv32im::store(std::uint32_t i) {
  const std::uint32_t address = x_[rs1(i)] + immediate_s(i);
  const unsigned bytes = 1U << funct3(i);
  if (address % bytes != 0) return trap(store_misaligned, address);
  const std::uint32_t value = x_[rs2(i)];
  if (!bus_.store(address, bytes, bytes == 4 ? value : value & ((1U << 8 * bytes) - 1))) trap(store_fault, address);
}

void Rv32im::arithmetic(std::uint32_t i, std::uint32_t b, bool immediate) {
  const std::uint32_t a = x_[rs1(i)];
  const bool other = (i >> 30 & 1) != 0;  // SUB, SRA
  std::uint32_t result = 0;
  switch (funct3(i)) {
    case 0:
      result = other && !immediate ? a - b : a + b;
      break;
    case 1:
      result = a << (b & 31);
      break;
    case 2:
      result = as_signed(a) < as_signed(b) ? 1 : 0;
      break;
    case 3:
      result = a < b ? 1 : 0;
      break;
    case 4:
      result = a ^ b;
      break;
    case 5:
      result = a >> (b & 31);
      if (other && (a >> 31) != 0 && (b & 31) != 0) result |= ~(~0U >> (b & 31));
      break;
    case 6:
      result = a | b;
      break;
    default:
      result = a & b;
      break;
  }
  set_reg(rd(i), result);
}

/// Division by 0 and the one overflow give what the manual says; neither traps.
std::uint32_t Rv32im::multiply(unsigned operation, std::uint32_t a, std::uint32_t b) const {
  const std::int64_t sa = as_signed(a), sb = as_signed(b);
  const bool overflow = a == 0x80000000U && b == ~0U;
  switch (operation) {
    case 0:
      return a * b;
    case 1:
      return static_cast<std::uint32_t>(static_cast<std::uint64_t>(sa * sb) >> 32);
    case 2:
      return static_cast<std::uint32_t>(static_cast<std::uint64_t>(sa * static_cast<std::int64_t>(b)) >> 32);
    case 3:
      return static_cast<std::uint32_t>(std::uint64_t{a} * b >> 32);
    case 4:
      return b == 0 ? ~0U : overflow ? a : static_cast<std::uint32_t>(sa / sb);
    case 5:
      return b == 0 ? ~0U : a / b;
    case 6:
      return b == 0 ? a : overflow ? 0 : static_cast<std::uint32_t>(sa % sb);
    default:
      return b == 0 ? a : a % b;
  }
}

bool Rv32im::system(std::uint32_t i) {
  if (funct3(i) != 0) return access_csr(i);
  switch (i) {
    case 0x00000073:
      trap(environment_call, 0);
      return true;
    case 0x00100073:  // EBREAK ends the program
      stopped_ = true;
      next_ = pc_;
      return true;
    case 0x30200073:  // MRET
      mstatus_ = (mstatus_ & ~mie_bit) | ((mstatus_ & mpie_bit) != 0 ? mie_bit : 0) | mpie_bit;
      next_ = mepc_;
      return true;
    case 0x10500073:  // WFI
      waiting_ = !(external_ && (mie_ & external_bit) != 0);
      return true;
    default:
      return false;
  }
}

bool Rv32im::access_csr(std::uint32_t i) {
  const std::uint32_t number = i >> 20, operand = (funct3(i) & 4) != 0 ? rs1(i) : x_[rs1(i)];
  const unsigned operation = funct3(i) & 3;
  const std::uint32_t old = csr(number);
  const bool writes = operation == 1 || rs1(i) != 0;
  const std::uint32_t value = operation == 1 ? operand : operation == 2 ? old | operand : old & ~operand;
  std::uint32_t* target = nullptr;
  switch (number) {
    case mstatus:
      target = &mstatus_;
      break;
    case mie:
      target = &mie_;
      break;
    case mtvec:
      target = &mtvec_;
      break;
    case mscratch:
      target = &mscratch_;
      break;
    case mepc:
      target = &mepc_;
      break;
    case mcause:
      target = &mcause_;
      break;
    case mtval:
      target = &mtval_;
      break;
    case mip:
      break;  // follows the line
    default:
      return false;
  }
  if (operation == 0) return false;
  if (writes && target != nullptr) {
    *target = number == mstatus ? value & (mie_bit | mpie_bit) : number == mepc ? value & ~3U : value;
  }
  set_reg(rd(i), old);
  return true;
}
