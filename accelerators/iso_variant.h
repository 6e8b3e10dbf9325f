// SPDX-License-Identifier: Apache-2.0
/// A machine in the measures of another one: as many PEs as fit into its area, its memory, its buffers, its clock.
///
///   iso:
///     area_of: mant              # rows (vary: columns, both) of the array: the most whose area is not above mant's
///     area_um2: 3.2e6            # instead of area_of: the area itself
///     components: [pe, foot]     # what counts; pe, foot, quantizer, vector, sram
///     vary: rows                 # columns; both: the array keeps its ratio of rows to columns
///     multiple: 1                # rows and columns that vary are multiples of this, and of what the PE's modes fuse
///     bandwidth_of: mant         # takes its section `memory`
///     buffers_of: mant           # takes its section `buffers`
///     clock_of: mant             # takes its `clock_mhz`
///
/// Areas are those of this machine's first cost book, for both machines. Without `components`, the array counts with
/// its feet; where nobody knows the area of a foot, feet are left out on both sides and the resolved document says so.
#pragma once

#include <string>
#include <vector>

#include "core/config_node.h"

namespace nibble {

/// Replaces what `iso` asks for by computed values that the resolved document explains; without `iso`, nothing. To be
/// called before any other key is read. Machines that are named may have an `iso` of their own. InputError: unknown
/// machines, a circle of them, an area that nobody knows, nothing that fits, and overrides of what is computed.
void resolve_iso(const ConfigNode& accelerator);

}  // namespace nibble
