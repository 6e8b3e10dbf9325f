/* SPDX-License-Identifier: Apache-2.0 */
/* The driver as guest software: finds the machine, lays two matrices out, has them multiplied, sleeps until the
 * interrupt and compares the product with its own. a0 at the end: 0, or the step that failed. */
#include "nibble_device.h"

#define REG(offset) (*(volatile uint32_t*)(0x10000000u + (offset)))
#define DRAM 0x80000000u
enum { M = 4, K = 64, N = 8, ROW = K + 2, ENTRIES = 4 };
enum { RING = DRAM, A = DRAM + 0x1000, W = DRAM + 0x2000, C = DRAM + 0x3000 };

static volatile uint32_t causes;

__attribute__((interrupt("machine"))) void on_interrupt(void) {
  const uint32_t now = REG(NIBBLE_REG_INTERRUPT_STATUS);
  REG(NIBBLE_REG_INTERRUPT_STATUS) = now; /* ones clear */
  causes |= now;
}

static int a(int m, int k) { return (m + k) % 7 - 3; }
static int w(int n, int k) { return (3 * n + k) % 5 - 2; }

/* The bits of a small integer as binary32. */
static uint32_t float_bits(int value) {
  uint32_t magnitude = value < 0 ? (uint32_t)-value : (uint32_t)value, exponent = 127 + 23;
  if (magnitude == 0) return 0;
  while (magnitude < 0x800000u) {
    magnitude <<= 1;
    --exponent;
  }
  return (value < 0 ? 0x80000000u : 0) | exponent << 23 | (magnitude & 0x7FFFFFu);
}

/* int8-g64 in blocks of one row: 64 codes, then their FP16 scale, 1.0. */
static void lay_out(uint32_t at, int rows, int (*value)(int, int)) {
  for (int row = 0; row < rows; ++row) {
    volatile uint8_t* bytes = (volatile uint8_t*)(at + (uint32_t)row * ROW);
    for (int k = 0; k < K; ++k)
      bytes[k] = (uint8_t)value(row, k);
    bytes[K] = 0x00;
    bytes[K + 1] = 0x3C;
  }
}

static void describe(volatile struct nibble_operand* o, uint32_t address, uint32_t rows, uint32_t columns) {
  o->address = address;
  o->rows = rows;
  o->columns = columns;
  o->block_rows = 1;
  o->format_group_k = 64;
  o->format_family = NIBBLE_FAMILY_INT;
  o->format_bits = 8;
  o->format_grouping = NIBBLE_GROUPING_GROUP;
}

int main(void) {
  volatile struct nibble_descriptor* d = (volatile struct nibble_descriptor*)RING;
  if (REG(NIBBLE_REG_ID) != NIBBLE_RESET_ID) return 1;
  if (REG(NIBBLE_REG_VERSION) != NIBBLE_DESCRIPTOR_VERSION) return 2;
  if ((REG(NIBBLE_REG_CAPABILITY) & NIBBLE_FIELD_CAPABILITY_DATA) == 0) return 3;
  REG(NIBBLE_REG_CONTROL) = NIBBLE_FIELD_CONTROL_RESET; /* whoever had the machine before */
  while ((REG(NIBBLE_REG_STATUS) & NIBBLE_FIELD_STATUS_BUSY) != 0) {
  }
  lay_out(A, M, a);
  lay_out(W, N, w);
  d->version = NIBBLE_DESCRIPTOR_VERSION;
  d->opcode = NIBBLE_OPCODE_GEMM;
  d->flags = NIBBLE_FLAG_INTERRUPT;
  d->m = M, d->k = K, d->n = N, d->count = 1, d->rows_per_token = 1;
  describe(&d->a, A, M, K);
  describe(&d->w, W, N, K);
  describe(&d->c, C, M, N);
  d->c.format_family = NIBBLE_FAMILY_FP32;
  d->c.format_bits = 32;
  d->c.format_grouping = NIBBLE_GROUPING_NONE;
  d->u.gemm.tiling_m = M, d->u.gemm.tiling_k = K, d->u.gemm.tiling_n = N;
  d->u.gemm.continuation_0_format_bits = d->u.gemm.continuation_1_format_bits = 32;
  d->status = NIBBLE_STATUS_PENDING;
  REG(NIBBLE_REG_QUEUE_BASE_LOW) = RING;
  REG(NIBBLE_REG_QUEUE_BASE_HIGH) = 0;
  REG(NIBBLE_REG_QUEUE_ENTRIES) = ENTRIES;
  REG(NIBBLE_REG_INTERRUPT_ENABLE) = NIBBLE_FIELD_INTERRUPT_ENABLE_COMPLETION | NIBBLE_FIELD_INTERRUPT_ENABLE_ERROR;
  REG(NIBBLE_REG_DOORBELL) = 1;
  while (causes == 0)
    __asm__ volatile("wfi");
  if (causes != NIBBLE_FIELD_INTERRUPT_STATUS_COMPLETION) return 4;
  if (REG(NIBBLE_REG_COMPLETED) != 1 || d->status != NIBBLE_STATUS_DONE) return 5;
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) {
      int sum = 0;
      for (int k = 0; k < K; ++k)
        sum += a(m, k) * w(n, k);
      if (((volatile uint32_t*)C)[m * N + n] != float_bits(sum)) return 6;
    }
  }
  return 0;
}
