// SPDX-License-Identifier: Apache-2.0
/// The processor against hand-assembled programs.
#include <cstdio>
#include <map>
#include <vector>

#include "rv32im.h"

namespace {

unsigned failures = 0;

void check(const char* what, std::uint32_t found, std::uint32_t expected) {
  if (found == expected) return;
  std::printf("%s: 0x%08x, expected 0x%08x\n", what, found, expected);
  ++failures;
}

/// Words by address; what was never written is not there.
struct Memory : Rv32Bus {
  std::map<std::uint32_t, std::uint8_t> bytes;
  Memory(std::uint32_t at, const std::vector<std::uint32_t>& program) { add(at, program); }
  void add(std::uint32_t at, const std::vector<std::uint32_t>& program) {
    for (const std::uint32_t word : program) {
      store(at, 4, word);
      at += 4;
    }
  }
  bool fetch(std::uint32_t address, std::uint32_t& instruction) override { return load(address, 4, instruction); }
  bool load(std::uint32_t address, unsigned count, std::uint32_t& value) override {
    value = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (bytes.count(address + i) == 0) return false;
      value |= std::uint32_t{bytes[address + i]} << (8 * i);
    }
    return true;
  }
  bool store(std::uint32_t address, unsigned count, std::uint32_t value) override {
    if (address >= 0xFFFF0000U) return false;
    for (unsigned i = 0; i < count; ++i)
      bytes[address + i] = static_cast<std::uint8_t>(value >> (8 * i));
    return true;
  }
};

/// x3 after one instruction with x1 = a, x2 = b.
std::uint32_t one(std::uint32_t instruction, std::uint32_t a, std::uint32_t b) {
  Memory memory(0x100, {instruction});
  Rv32im core(memory);
  core.reset(0x100);
  core.set_reg(1, a);
  core.set_reg(2, b);
  core.step();
  return core.reg(3);
}

struct Case {
  const char* text;
  std::uint32_t word, a, b, expected;
};

void arithmetic() {
  const std::uint32_t low = 0x80000000U, ones = 0xFFFFFFFFU, five = ones - 4;  // five: the immediate -5
  const Case cases[] = {
      {"add x3,x1,x2", 0x002081b3, 7, ones, 6},
      {"sub x3,x1,x2", 0x402081b3, 7, 9, ones - 1},
      {"sll x3,x1,x2", 0x002091b3, 3, 33, 6},
      {"slt x3,x1,x2", 0x0020a1b3, low, 1, 1},
      {"slt x3,x1,x2", 0x0020a1b3, 1, low, 0},
      {"sltu x3,x1,x2", 0x0020b1b3, low, 1, 0},
      {"sltu x3,x1,x2", 0x0020b1b3, 0, ones, 1},
      {"xor x3,x1,x2", 0x0020c1b3, 0xFF00FF00, 0x0FF00FF0, 0xF0F0F0F0},
      {"srl x3,x1,x2", 0x0020d1b3, low, 31, 1},
      {"sra x3,x1,x2", 0x4020d1b3, low, 31, ones},
      {"sra x3,x1,x2", 0x4020d1b3, low, 32, low},
      {"sra x3,x1,x2", 0x4020d1b3, 0x40000000, 30, 1},
      {"or x3,x1,x2", 0x0020e1b3, 0x50, 0x05, 0x55},
      {"and x3,x1,x2", 0x0020f1b3, 0x5F, 0xF5, 0x55},
      {"mul x3,x1,x2", 0x022081b3, 0x10001, 0x10001, 0x20001},
      {"mul x3,x1,x2", 0x022081b3, ones, ones, 1},
      {"mulh x3,x1,x2", 0x022091b3, low, low, 0x40000000},
      {"mulh x3,x1,x2", 0x022091b3, ones, 1, ones},
      {"mulhsu x3,x1,x2", 0x0220a1b3, ones, ones, ones},
      {"mulhsu x3,x1,x2", 0x0220a1b3, 2, low, 1},
      {"mulhu x3,x1,x2", 0x0220b1b3, ones, ones, ones - 1},
      {"div x3,x1,x2", 0x0220c1b3, ones - 6, 2, ones - 2},
      {"div x3,x1,x2", 0x0220c1b3, 5, 0, ones},
      {"div x3,x1,x2", 0x0220c1b3, low, ones, low},
      {"divu x3,x1,x2", 0x0220d1b3, ones, 2, 0x7FFFFFFF},
      {"divu x3,x1,x2", 0x0220d1b3, 5, 0, ones},
      {"rem x3,x1,x2", 0x0220e1b3, ones - 6, 2, ones},
      {"rem x3,x1,x2", 0x0220e1b3, 5, 0, 5},
      {"rem x3,x1,x2", 0x0220e1b3, low, ones, 0},
      {"remu x3,x1,x2", 0x0220f1b3, ones, 16, 15},
      {"remu x3,x1,x2", 0x0220f1b3, 5, 0, 5},
      {"addi x3,x1,-5", 0xffb08193, 3, 0, ones - 1},
      {"slti x3,x1,-5", 0xffb0a193, five - 1, 0, 1},
      {"slti x3,x1,-5", 0xffb0a193, 3, 0, 0},
      {"sltiu x3,x1,-5", 0xffb0b193, 3, 0, 1},
      {"xori x3,x1,-5", 0xffb0c193, 0xF, 0, 0xFFFFFFF4},
      {"ori x3,x1,-5", 0xffb0e193, 0x4, 0, ones},
      {"andi x3,x1,-5", 0xffb0f193, 0xF, 0, 0xB},
      {"slli x3,x1,7", 0x00709193, 3, 0, 384},
      {"srli x3,x1,7", 0x0070d193, ones, 0, 0x01FFFFFF},
      {"srai x3,x1,7", 0x4070d193, low, 0, 0xFF000000},
      {"lui x3,0x12345", 0x123451b7, 0, 0, 0x12345000},
      {"auipc x3,0x12345", 0x12345197, 0, 0, 0x12345100},
  };
  for (const Case& c : cases)
    check(c.text, one(c.word, c.a, c.b), c.expected);
  check("addi x0,x1,-5 writes nothing", one(0xffb08013, 3, 0), 0);
}

/// Runs until EBREAK; more than a thousand steps are a failure.
void run(Rv32im& core) {
  unsigned steps = 0;
  while (core.step() == Rv32im::Step::retired && ++steps < 1000) {
  }
  check("program ends", steps < 1000, 1);
}

/// li a0,0; li t0,10; loop: add a0,a0,t0; addi t0,t0,-1; bnez t0,loop; ebreak
void loop() {
  Memory memory(0, {0x00000513, 0x00a00293, 0x00550533, 0xfff28293, 0xfe029ce3, 0x00100073});
  Rv32im core(memory);
  core.reset(0);
  run(core);
  check("sum of 1 to 10", core.reg(10), 55);
  check("instructions", static_cast<std::uint32_t>(core.retired()), 2 + 3 * 10 + 1);
}

/// Every load and store: lui t0,1; li t1,-2; sw t1,4(t0); lb, lbu, lh, lhu; sb zero,5(t0); sh t0,6(t0); lw; ebreak
void memory_access() {
  Memory memory(0, {0x000012b7, 0xffe00313, 0x0062a223, 0x00428503, 0x0042c583, 0x00629603, 0x0042d683, 0x000282a3,
                    0x00529323, 0x0042a703, 0x00100073});
  Rv32im core(memory);
  core.reset(0);
  run(core);
  check("lb", core.reg(10), 0xFFFFFFFE);
  check("lbu", core.reg(11), 0xFE);
  check("lh", core.reg(12), 0xFFFFFFFF);
  check("lhu", core.reg(13), 0xFFFE);
  check("sb, sh, lw", core.reg(14), 0x100000FE);
}

/// Every jump and branch, taken and not: a wrong one loads 96 to 99 into a0 or a1.
void jumps() {
  Memory memory(
      0, {0x008000ef, 0x00100073, 0x00000297, 0x01028367, 0x06300513, 0x00100073, 0x00504463, 0x06300593, 0x0002d463,
          0x06200593, 0x0002e463, 0x0002f463, 0x06100593, 0x00000463, 0x06000593, 0xfe001ae3, 0x00700513, 0x00100073});
  Rv32im core(memory);
  core.reset(0);
  run(core);
  check("jumps: end", core.reg(10), 7);
  check("jumps: none wrong", core.reg(11), 0);
  check("jal links", core.reg(1), 4);
  check("auipc", core.reg(5), 8);
  check("jalr links", core.reg(6), 16);
}

/// Traps at 0x40: csrr a0,mcause; csrr a2,mepc; csrr a3,mip; li t1,0x800; csrc mie,t1; mret
void interrupts() {
  Memory memory(
      0, {0x04000293, 0x30529073, 0x000012b7, 0x80028293, 0x3042a073, 0x30046073, 0x10500073, 0x00500593, 0x00100073});
  memory.add(0x40, {0x34202573, 0x34102673, 0x344026f3, 0x00001337, 0x80030313, 0x30433073, 0x30200073});
  Rv32im core(memory);
  core.reset(0);
  for (unsigned i = 0; i < 7; ++i)
    core.step();
  check("wfi waits", core.step() == Rv32im::Step::waiting, 1);
  core.interrupt(true);
  run(core);
  check("mcause", core.reg(10), 0x8000000B);
  check("mepc is behind wfi", core.reg(12), 0x1C);
  check("mip", core.reg(13), 0x800);
  check("returned", core.reg(11), 5);
  check("mstatus after mret", core.csr(Rv32im::mstatus), 0x1888);
}

/// What ends in a trap: the cause, and the value of mtval.
void exceptions() {
  const struct {
    const char* what;
    std::uint32_t word, a, cause, value;
  } cases[] = {
      {"no instruction of 0", 0x00000000, 0, 2, 0},
      {"no rv32im instruction (fadd.s)", 0x002081d3, 0, 2, 0x002081d3},
      {"no shift by 32 (slli)", 0x02009193, 0, 2, 0x02009193},
      {"lw x3,0(x1) misaligned", 0x0000a183, 0x102, 4, 0x102},
      {"lw x3,0(x1) from nowhere", 0x0000a183, 0x8000, 5, 0x8000},
      {"sh x0,0(x1) misaligned", 0x00009023, 0x103, 6, 0x103},
      {"sb x0,0(x1) refused", 0x00008023, 0xFFFF0000, 7, 0xFFFF0000},
      {"jalr x0,2(x1) misaligned", 0x00208067, 0x100, 0, 0x102},
      {"ecall", 0x00000073, 0, 11, 0},
      {"unknown register (csrr x3,0x7C0)", 0x7C0021F3, 0, 2, 0x7C0021F3},
  };
  for (const auto& c : cases) {
    Memory memory(0x100, {c.word});
    Rv32im core(memory);
    core.reset(0x100);
    core.set_reg(1, c.a);
    check(c.what, core.step() == Rv32im::Step::stopped, 1);  // no handler
    check(c.what, core.csr(Rv32im::mcause), c.cause);
    check(c.what, core.csr(Rv32im::mtval), c.value);
    check(c.what, core.csr(Rv32im::mepc), 0x100);
  }
}

}  // namespace

int main() {
  arithmetic();
  loop();
  memory_access();
  jumps();
  interrupts();
  exceptions();
  std::printf("%u failures\n", failures);
  return failures == 0 ? 0 : 1;
}
