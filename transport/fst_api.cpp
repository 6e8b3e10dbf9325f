// SPDX-License-Identifier: Apache-2.0
/// The writer and reader of FST that Verilator brings along (GTKWave's, MIT), compiled as Verilator does; alone in its
/// object, so that a program that has them through a Verilated model takes those.
// NOLINTBEGIN(bugprone-reserved-identifier, bugprone-suspicious-include)
#define __STDC_LIMIT_MACROS
#define LZ4_DISABLE_DEPRECATE_WARNINGS
#define HAVE_LIBPTHREAD
#define FST_CONFIG_INCLUDE "fst_config.h"
#include <gtkwave/fastlz.c>
#include <gtkwave/fstapi.c>
#include <gtkwave/lz4.c>
// NOLINTEND(bugprone-reserved-identifier, bugprone-suspicious-include)
