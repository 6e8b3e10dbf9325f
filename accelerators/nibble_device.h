// SPDX-License-Identifier: Apache-2.0
/*
 * The interface of a nibble machine for guest software: C99 and C++. Generated from the tables of docs/programming.md,
 * which explain it, by scripts/device_header.py. Words in registers and memory are little endian; the structs have the
 * layout of the memory on little-endian processors.
 */
#ifndef NIBBLE_DEVICE_H
#define NIBBLE_DEVICE_H

/* clang-format off */
/* NOLINTBEGIN */
#include <stdint.h>

/* Registers: byte offsets from the base of `control`. */
#define NIBBLE_REG_ID               0x000u /* ro: "NIBL" */
#define NIBBLE_REG_VERSION          0x004u /* ro: version of the descriptor format */
#define NIBBLE_REG_CAPABILITY       0x008u /* ro: bit 0 GEMM, bit 1 vector functions, bit 2 functional data */
#define NIBBLE_REG_ARRAY_SHAPE      0x00cu /* ro: rows << 16 | columns */
#define NIBBLE_REG_QUEUE_BASE_LOW   0x010u /* rw: address of the descriptor ring, low word */
#define NIBBLE_REG_QUEUE_BASE_HIGH  0x014u /* rw: address of the descriptor ring, high word */
#define NIBBLE_REG_QUEUE_ENTRIES    0x018u /* rw: descriptors in the ring, a power of two up to 4096 */
/* rw: descriptors posted so far, modulo 2^32; at most queue_entries beyond completed */
#define NIBBLE_REG_DOORBELL         0x01cu
#define NIBBLE_REG_COMPLETED        0x020u /* ro: descriptors completed so far, modulo 2^32 */
#define NIBBLE_REG_STATUS           0x024u /* ro: bit 0 busy, bit 1 stopped by an error (until reset) */
#define NIBBLE_REG_INTERRUPT_ENABLE 0x028u /* rw: bit 0 completion, bit 1 error */
#define NIBBLE_REG_INTERRUPT_STATUS 0x02cu /* w1c: bit 0 completion, bit 1 error */
/* wo: bit 0 reset: ends the command and resets all registers at once; status is busy until memory has answered */
#define NIBBLE_REG_CONTROL          0x030u

/* Their values after reset, where all machines have the same. */
#define NIBBLE_RESET_ID               0x4c42494eu
#define NIBBLE_RESET_VERSION          0x00000002u
#define NIBBLE_RESET_CAPABILITY       0x00000007u
#define NIBBLE_RESET_QUEUE_BASE_LOW   0x00000000u
#define NIBBLE_RESET_QUEUE_BASE_HIGH  0x00000000u
#define NIBBLE_RESET_QUEUE_ENTRIES    0x00000000u
#define NIBBLE_RESET_DOORBELL         0x00000000u
#define NIBBLE_RESET_COMPLETED        0x00000000u
#define NIBBLE_RESET_STATUS           0x00000000u
#define NIBBLE_RESET_INTERRUPT_ENABLE 0x00000000u
#define NIBBLE_RESET_INTERRUPT_STATUS 0x00000000u
#define NIBBLE_RESET_CONTROL          0x00000000u

/* Fields of registers. */
#define NIBBLE_FIELD_CAPABILITY_GEMM             0x00000001u /* runs GEMM commands */
#define NIBBLE_FIELD_CAPABILITY_VECTOR           0x00000002u /* runs vector commands */
/* computes with data; without it commands must be timing only */
#define NIBBLE_FIELD_CAPABILITY_DATA             0x00000004u
/* of the array; of a machine of tensor cores, its streaming multiprocessors */
#define NIBBLE_FIELD_ARRAY_SHAPE_ROWS            0xffff0000u
/* of the array; of a machine of tensor cores, dot-product units of a multiprocessor */
#define NIBBLE_FIELD_ARRAY_SHAPE_COLUMNS         0x0000ffffu
/* commands are under way, or memory has yet to answer after a reset */
#define NIBBLE_FIELD_STATUS_BUSY                 0x00000001u
#define NIBBLE_FIELD_STATUS_STOPPED              0x00000002u /* by an error, until reset */
#define NIBBLE_FIELD_INTERRUPT_ENABLE_COMPLETION 0x00000001u /* raise the interrupt for completions */
#define NIBBLE_FIELD_INTERRUPT_ENABLE_ERROR      0x00000002u /* raise it for errors */
#define NIBBLE_FIELD_INTERRUPT_STATUS_COMPLETION 0x00000001u /* a command that asked for it has completed */
#define NIBBLE_FIELD_INTERRUPT_STATUS_ERROR      0x00000002u /* the machine has stopped */
#define NIBBLE_FIELD_CONTROL_RESET               0x00000001u /* see reset */

/* Descriptors. */
#define NIBBLE_DESCRIPTOR_VERSION 2u
#define NIBBLE_DESCRIPTOR_BYTES 256u
#define NIBBLE_STATUS_OFFSET 248u
#define NIBBLE_FLAG_TIMING_ONLY 1u
#define NIBBLE_FLAG_INTERRUPT 2u

#define NIBBLE_OPCODE_NOP    0u
#define NIBBLE_OPCODE_GEMM   1u
#define NIBBLE_OPCODE_VECTOR 2u

#define NIBBLE_ORDER_MNK 0u
#define NIBBLE_ORDER_NMK 1u
#define NIBBLE_ORDER_MKN 2u
#define NIBBLE_ORDER_KMN 3u
#define NIBBLE_ORDER_NKM 4u
#define NIBBLE_ORDER_KNM 5u

#define NIBBLE_FAMILY_FP32   0u
#define NIBBLE_FAMILY_FP16   1u
#define NIBBLE_FAMILY_BF16   2u
#define NIBBLE_FAMILY_INT    3u
#define NIBBLE_FAMILY_MANT   4u
#define NIBBLE_FAMILY_BFP    5u
#define NIBBLE_FAMILY_AMOVE  6u
#define NIBBLE_FAMILY_MXFP4  7u
#define NIBBLE_FAMILY_MXFP6  8u
#define NIBBLE_FAMILY_MXFP8  9u
#define NIBBLE_FAMILY_MXINT  10u
#define NIBBLE_FAMILY_NVFP   11u
#define NIBBLE_FAMILY_ANT    12u
#define NIBBLE_FAMILY_OLIVE  13u
#define NIBBLE_FAMILY_TENDER 14u
#define NIBBLE_FAMILY_ANDA   15u
#define NIBBLE_FAMILY_BITMOD 16u

#define NIBBLE_GROUPING_NONE    0u
#define NIBBLE_GROUPING_GROUP   1u
#define NIBBLE_GROUPING_CHANNEL 2u
#define NIBBLE_GROUPING_TENSOR  3u

#define NIBBLE_FUNCTION_NONE         0u
#define NIBBLE_FUNCTION_EMBEDDING    1u
#define NIBBLE_FUNCTION_RMS_NORM     2u
#define NIBBLE_FUNCTION_LAYER_NORM   3u
#define NIBBLE_FUNCTION_ROTARY       4u
#define NIBBLE_FUNCTION_SOFTMAX      5u
#define NIBBLE_FUNCTION_SILU_GATE    6u
#define NIBBLE_FUNCTION_GELU         7u
#define NIBBLE_FUNCTION_GELU_GATE    8u
#define NIBBLE_FUNCTION_RELU         9u
#define NIBBLE_FUNCTION_RESIDUAL_ADD 10u
#define NIBBLE_FUNCTION_BIAS_ADD     11u

#define NIBBLE_ARRANGEMENT_ROWS        0u
#define NIBBLE_ARRANGEMENT_HEADS       1u
#define NIBBLE_ARRANGEMENT_VALUES      2u
#define NIBBLE_ARRANGEMENT_POSITIONS   3u
#define NIBBLE_ARRANGEMENT_LAST_TOKEN  4u
#define NIBBLE_ARRANGEMENT_TOKEN_MAJOR 5u
#define NIBBLE_ARRANGEMENT_KEYS        6u

/* Status words. */
#define NIBBLE_STATUS_PENDING        0x00000000u /* not written yet */
#define NIBBLE_STATUS_DONE           0x00000001u /* results are in memory */
#define NIBBLE_STATUS_BAD_OPCODE     0x80000001u /* unknown opcode, version, format or enumeration */
/* an extent of 0, an operand smaller than its use, a tile that cuts a group or a byte of C's packed records, a GEMM
 * beyond 2^52 products, a vector operand beyond 2^40 bytes, an arrangement that its operand does not have */
#define NIBBLE_STATUS_BAD_SHAPE      0x80000002u
#define NIBBLE_STATUS_BAD_FORMAT     0x80000003u /* a pair of formats that the PE does not multiply */
#define NIBBLE_STATUS_TILE_TOO_LARGE 0x80000004u /* a tile exceeds its buffer */
#define NIBBLE_STATUS_BUS_ERROR      0x80000005u /* an error response on memory */
#define NIBBLE_STATUS_NO_DATA_PATH   0x80000006u /* a command with data that this machine models in time only */
/* what no encoder writes (an unknown type byte, a scale or FP16 value that is not finite), a token number beyond the
 * table, a weight that overflows where it is dequantized, or a result beyond FP16 that is to be quantized */
#define NIBBLE_STATUS_BAD_OPERAND    0x80000007u

/* An operand in memory. */
struct nibble_operand {
  uint64_t address; /* of instance 0 */
  uint64_t instance_stride; /* bytes between the operands of consecutive instances; 0: all share one */
  uint32_t rows; /* allocated rows, at least those used (a cache: its capacity) */
  uint32_t columns; /* allocated columns */
  uint32_t block_rows; /* rows per block of the layout, at least 1 */
  uint32_t format_group_k; /* elements per group, for grouping 1; else columns per block of the layout, at least 1 */
  /* elements per cluster, for amove; groups of columns, for tender; rows of a group, for int<b>-g<k>x<n> (0: 1) */
  uint32_t format_cluster;
  uint8_t format_family;
  uint8_t format_bits; /* per element */
  uint8_t format_grouping;
  /* bit 0: part of a KV cache, its bytes and waits are reported as kv; bit 1: on chip, address is an offset there,
   * timing only; bit 2: packed, records follow one another to the bit; bits 4 to 7: the arrangement, which rows it
   * holds where */
  uint8_t place;
};

/* Bytes 160 to 247 of a GEMM command. */
struct nibble_gemm_fields {
  int16_t exponent_a; /* amove: A's power-of-two exponent p, signed */
  int16_t exponent_w; /* amove: W's */
  int16_t exponent_c; /* amove: the one with which results are encoded */
  /* bit 0: accumulate in FP32 (PE amove); bit 1: products rounded to FP16 (PE fp_int); bits 8 to 11: bits of an
   * aligned magnitude (PE fp_int_aligned), 0: 14 */
  uint16_t options;
  uint64_t scratch_address; /* room for spilled partial sums, m x n x 4 bytes */
  /* results of the value quantizer: written as so many bytes in a row at c.address; 0: C has its own layout */
  uint64_t stream_bytes;
  uint32_t tiling_m; /* tile extents, chosen by the host */
  uint32_t tiling_k; /* a multiple of the groups, or at least k */
  uint32_t tiling_n; /* a multiple of C's group (64 for FP16 and FP32), or at least n */
  /* causal masks: tokens that a row sees, its own included; tiles left of the window of all their rows are skipped;
   * 0: all */
  uint32_t window;
  uint64_t continuation_0_address; /* a part of W behind its k: n rows in blocks of W's block_rows */
  uint64_t continuation_0_instance_stride; /* bytes from one instance's part to the next */
  uint32_t continuation_0_k; /* its extent along the reduction; 0: there is none */
  uint8_t continuation_0_format_family; /* its format; its group is W's, in W's family the rest, too */
  uint8_t continuation_0_format_bits;
  uint8_t continuation_0_format_grouping;
  uint8_t continuation_0_arrangement; /* as an operand's: rows or token major */
  uint64_t continuation_1_address; /* a second part, behind the first */
  uint64_t continuation_1_instance_stride;
  uint32_t continuation_1_k;
  uint8_t continuation_1_format_family;
  uint8_t continuation_1_format_bits;
  uint8_t continuation_1_format_grouping;
  uint8_t continuation_1_arrangement; /* as an operand's: rows or token major */
};

/* Bytes 160 to 247 of a vector command. */
struct nibble_vector_fields {
  uint64_t elements; /* elements of the result */
  uint64_t input_bytes_0; /* bytes read at a.address */
  uint64_t input_bytes_1; /* bytes read at w.address; 0 unless inputs is 2 */
  uint64_t output_bytes; /* bytes written at c.address */
  struct nibble_operand p;
  uint32_t parameter; /* with data: binary32; norms: epsilon; softmax: factor of the scores */
  uint32_t tokens; /* with data: rows of one sequence, for arrangements other than rows */
  uint16_t rotated; /* with data: rotary: columns of each part that turn, even */
  /* with data: bit 0: neighbouring channels turn together (rotary), by erf (gelu); bits 4 to 7: cache policy of C
   * arranged as values: 0 plain, 1 mant, 2 harmonia, 3 open group in FP16; bits 8 to 15: amove: the exponent with
   * which results are encoded, signed */
  uint16_t choice;
  uint32_t softmax_window; /* with data: softmax: columns that a row sees, itself included; 0: all */
};

/* A command. */
struct nibble_descriptor {
  uint8_t version; /* 2; another one is bad_opcode */
  uint8_t opcode;
  uint8_t flags; /* bit 0: timing only, the operands hold nothing; bit 1: completion interrupt */
  /* bits 0 to 3: independent, commands directly before it beside which it may run (side by side); bits 4 to 7:
   * weights_ready, those on which W does not depend (prefetch) */
  uint8_t order_free;
  uint32_t tag; /* for the host; handed to observers */
  uint32_t m; /* rows of A and C */
  uint32_t k; /* reduction */
  uint32_t n; /* rows of W, columns of C */
  uint32_t count; /* independent instances (heads, sequences), at least 1 */
  uint32_t past; /* causal masks: the token of row 0 */
  uint32_t rows_per_token; /* causal masks: consecutive rows of one token, at least 1 */
  /* 0 none; 1 scores: a row needs the columns up to its token; 2 context: the reduction up to its token */
  uint8_t causal;
  uint8_t order; /* tile loops from the outside in */
  uint16_t inputs; /* vector: operands read, 1 (a) or 2 (a, then w) */
  uint32_t function; /* vector: */
  struct nibble_operand a;
  struct nibble_operand w;
  struct nibble_operand c;
  union {
    struct nibble_gemm_fields gemm;
    struct nibble_vector_fields vector;
  } u;
  uint32_t status; /* written by the machine; the host clears it */
  uint8_t reserved_end[4];
};

/* No compiler may lay them out in another way. */
typedef char nibble_operand_has_40_bytes[sizeof(struct nibble_operand) == 40 ? 1 : -1];
typedef char nibble_descriptor_has_256_bytes[sizeof(struct nibble_descriptor) == 256 ? 1 : -1];
/* NOLINTEND */
/* clang-format on */

#endif
