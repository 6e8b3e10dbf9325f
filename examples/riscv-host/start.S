/* SPDX-License-Identifier: Apache-2.0 */
/* Stack, trap vector, external interrupt on; main; its result in a0 at EBREAK. */
  .section .start, "ax"
  .globl _start
_start:
  li sp, 0x10000
  la t0, on_interrupt
  csrw mtvec, t0
  li t0, 0x800
  csrw mie, t0
  csrsi mstatus, 8
  call main
  ebreak
