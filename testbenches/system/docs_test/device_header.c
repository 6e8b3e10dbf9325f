/* SPDX-License-Identifier: Apache-2.0 */
/* The header of guest software, by itself, in C99. */
#include "accelerators/nibble_device.h"

#include <stddef.h>

typedef char status_lies_at_its_offset[offsetof(struct nibble_descriptor, status) == NIBBLE_STATUS_OFFSET ? 1 : -1];
typedef char parts_begin_at_160[offsetof(struct nibble_descriptor, u) == 160 ? 1 : -1];
typedef char w_lies_at_80[offsetof(struct nibble_descriptor, w) == 80 ? 1 : -1];
typedef char third_operand_lies_at_192[offsetof(struct nibble_descriptor, u.vector.p) == 192 ? 1 : -1];
